"""Copies of CIFAR-10 and what becomes of them, for the tests of the package that fetches it."""

import io
import tarfile
from pathlib import Path

from helpers import cache, download

NAMES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
FILE_BYTES = 30_730_000


def official_bytes(folder: Path, number: int) -> bytearray:
    """Return the published file of that number (5 is the test batch) from a cache `folder`."""
    with open(folder / ("test.bin" if number == 5 else "train.bin"), "rb") as file:
        file.seek(0 if number == 5 else number * FILE_BYTES)
        return bytearray(file.read(FILE_BYTES))


def add(tar: tarfile.TarFile, name: str, data: bytes = b"", **attributes) -> None:
    """Add a member to an open tar; attributes such as type and linkname make it a strange one."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for attribute, value in attributes.items():
        setattr(member, attribute, value)
    tar.addfile(member, io.BytesIO(data))


def contents(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def same_bytes(folder: Path, other: Path) -> bool:
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in ("train.bin", "test.bin"))


class World:
    """A cache folder with a stranger's file in it and one beside it, to see what a fault does to all three."""

    def __init__(self, folder: Path, sound: Path):
        self.sound = sound
        self.home = folder / "Données d’été 数据 $x%20#1"  # spaces, accents and worse, in every test
        self.home.mkdir()
        (self.home / "notes.txt").write_text("mine")
        self.neighbour = folder / "neighbour.txt"
        self.neighbour.write_text("untouched")

    def holds(self, *names: str) -> None:
        """Assert that the cache holds these files besides the stranger's, and that nothing else was touched."""
        assert contents(self.home) == sorted(["notes.txt", *names]), contents(self.home)
        assert (self.home / "notes.txt").read_text() == "mine"
        assert self.neighbour.read_text() == "untouched"

    def is_sound(self, *others: str) -> None:
        """Assert that the cache is whole, byte for byte, with nothing left beside it but `others`."""
        self.holds("test.bin", "train.bin", *others)
        assert same_bytes(self.home, self.sound)

    def empty(self) -> None:
        """Remove the data."""
        for name in ("train.bin", "test.bin"):
            (self.home / name).unlink()

    def recovers(self, *others: str) -> None:
        """Assert that the next call, with a source that works, fills the cache."""
        download.fetch(self.home, [self.sound])
        assert cache.damage(self.home) == {}
        self.holds("test.bin", "train.bin", *others)
