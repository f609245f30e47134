"""Copies of CIFAR-10 and what becomes of them, for the tests of the package that fetches it."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import download
from helpers.errors import DatasetError

NAMES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
FILE_BYTES = 30_730_000
fault = pytest.mark.fault


def row(fault: str, *values):
    """Return a case of a test that brings about what a row of the table in docs/data.md calls `fault`."""
    return pytest.param(*values, id=fault, marks=pytest.mark.fault(fault))


def official_bytes(folder: Path, number: int) -> bytearray:
    """Return the published file of that number (5 is the test batch) from a cache `folder`."""
    with open(folder / ("test.bin" if number == 5 else "train.bin"), "rb") as file:
        file.seek(0 if number == 5 else number * FILE_BYTES)
        return bytearray(file.read(FILE_BYTES))


def sprite(images: np.ndarray) -> bytes:
    """Return the picture that the npm package has of (10000, 3072) images: one a row, three bytes a pixel."""
    png = io.BytesIO()
    picture = Image.fromarray(np.stack(np.split(images, 3, axis=1), axis=-1))
    picture.save(png, "PNG", compress_level=1, compress_type=2)  # Huffman codes alone, for speed
    return png.getvalue()


def pack(path: Path, members, compresslevel: int = 0) -> Path:
    """Write an archive of (name, content, attributes...); attributes such as type make a member a strange one."""
    with tarfile.open(path, "w:gz", compresslevel=compresslevel) as tar:
        for name, content, *attributes in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for attribute, value in dict(*attributes).items():
                setattr(member, attribute, value)
            tar.addfile(member, io.BytesIO(content))
    return path


def flip(path: Path, place: int, mask: int = 1) -> None:
    """Turn bits of one byte of a file."""
    np.memmap(path, np.uint8, "r+")[place] ^= mask


def python(code: str, *arguments, before: tuple = (), **environment) -> subprocess.CompletedProcess:
    """Run `code` in a fresh interpreter, with the helpers imported, after the words of a command `before`."""
    code = f"import os, pathlib, signal, sys, time\nfrom helpers import archive, cache, data, download\n{code}"
    return subprocess.run(
        [*before, sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=300,
        env=os.environ | environment,
    )  # fmt: skip


def unshared(*options: str) -> tuple:
    """Return the beginning of a command that runs in namespaces of its own; skip where the machine does not let us."""
    begin = (shutil.which("unshare", path=os.defpath) or "unshare", *options)
    if sys.platform != "linux" or subprocess.run([*begin, sys.executable, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"this machine does not let us have namespaces of our own (unshare {' '.join(options)})")
    return begin


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class World:
    """A cache folder with a stranger's file in it and one beside it, to see what a fault does to all three."""

    def __init__(self, folder: Path, sound: Path):
        self.sound = sound
        self.home = folder / "Données d’été 数据 $x%20#1"  # spaces, accents and worse, in every test
        self.home.mkdir()
        (self.home / "notes.txt").write_text("mine")
        self.neighbour = folder / "neighbour.txt"
        self.neighbour.write_text("untouched")

    def fill(self) -> None:
        """Put a sound copy into the cache."""
        for name in ("train.bin", "test.bin"):
            shutil.copy(self.sound / name, self.home)

    def holds(self, *names: str) -> None:
        """Assert that the cache holds these files besides the stranger's, and that nothing else was touched."""
        assert contents(self.home) == sorted(["notes.txt", *names]), contents(self.home)
        assert (self.home / "notes.txt").read_text() == "mine"
        assert self.neighbour.read_text() == "untouched"

    def is_sound(self, *others: str) -> None:
        """Assert that the cache is whole, byte for byte, with nothing left beside it but `others`."""
        self.holds("test.bin", "train.bin", *others)
        for name in ("train.bin", "test.bin"):
            assert (self.home / name).read_bytes() == (self.sound / name).read_bytes()

    def fetches(self, source=None, *others: str) -> None:
        """Assert that `source`, or else the default ones, fill the cache, in which nothing is left but `others`."""
        download.fetch(self.home, [source] if source else None)
        self.is_sound(*others)

    def refuses(self, source) -> str:
        """Assert that a fetch from `source` alone fails and leaves nothing, anywhere; return what is said of it."""
        before = contents(self.home.parent)
        with pytest.raises(DatasetError) as caught:
            download.fetch(self.home, [source])
        assert contents(self.home.parent) == before
        self.holds()
        return str(caught.value).split(f"  - {source}: ", 1)[1].split("\n")[0]
