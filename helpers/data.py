"""CIFAR-10 as arrays: ten classes, 50,000 training and 10,000 test images of 32 x 32 pixels in colour.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
On the command line, `python -m helpers.data` fetches the data, verifies what is there, says where it lies or clears it.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs

from helpers import cache
from helpers.archive import CLASSES, read_copy, verified
from helpers.arguments import check_settings
from helpers.errors import ArgumentError, DatasetError, warn


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
    Raises `ArgumentError` if `data_home` names no folder, `DatasetError` for a user without a home folder.
    """
    if not isinstance(data_home, str | os.PathLike | None) or "\0" in str(data_home):
        raise ArgumentError(f"data_home = {data_home!r} makes no sense. Give a folder, such as load_data('my/folder').")
    try:
        if home := data_home or os.environ.get("CIFAR10_HOME"):
            return [Path(home).expanduser().absolute()]
        shared = os.environ.get("CIFAR10_SHARED")
        own = Path(platformdirs.user_cache_dir("ten-templates", False)).expanduser() / "cifar-10"
        return [*([Path(shared).expanduser()] if shared else []), own]
    except RuntimeError as error:
        raise DatasetError("No home folder is known. Set CIFAR10_HOME to a folder for the data.") from error


def find_data(data_home: str | os.PathLike | None = None) -> Path:
    """Return a folder that holds verified data, fetching it first if need be; `DatasetError` if no source has it."""
    return _open(cache_folders(data_home), [])[0]


def _open(folders: list[Path], sources: list | None = None) -> tuple[Path, dict[str, np.ndarray]]:
    """Return the first of `folders` with sound data, and the records in it by file name; raise `DatasetError`.

    All but the last are only read. The last is filled from `sources`, or the default ones for [], unless they are None.
    """
    *shared, own = folders
    for folder in shared:
        try:
            records, wrong = cache.read_cache(folder)
        except DatasetError as error:
            records, wrong = {}, {"": str(error)}
        if not wrong:
            return folder, records
        warn(f"The shared copy of CIFAR-10 in {folder} is passed over: {cache.describe(wrong)}.")
    records, wrong = cache.read_cache(own)
    bad, advice = f"No sound copy of CIFAR-10 in {own}", "Run python -m helpers.data to fetch it."
    if wrong and sources is not None:
        from helpers import download  # only now: what speaks with servers takes a while to load

        download.fetch(own, sources)
        records, wrong = cache.read_cache(own)
        bad, advice = f"{own} does not keep what is written there", "Set CIFAR10_HOME to a folder on another disk."
    if wrong:
        raise DatasetError(f"{bad}: {cache.describe(wrong)}. {advice}")
    return own, records


def load_data(data_home: str | os.PathLike | None = None) -> Cifar10:
    """Load CIFAR-10, fetching it on first use (170 MB, kept for the next time) into `data_home` if that is given.

    Otherwise it is kept in `CIFAR10_HOME`, or the user's cache folder. Returns `Cifar10`: images as read-only uint8
    views of memory-mapped files, labels as read-only int64. Raises `DatasetError` when no source has the data; its
    message lists what was tried and what to do.
    """
    pairs = []
    for records in _open(cache_folders(data_home), [])[1].values():
        labels = np.array(records[:, 0], dtype=np.int64)
        labels.flags.writeable = False
        pairs.append((records[:, 1:].view(np.ndarray), labels))
    train, test = pairs
    return Cifar10(*train, *test, CLASSES)


def split_indices(count: int = 50_000, validation: int = 5_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Split `count` training images at random into two disjoint parts: to learn from, and to validate with.

    Returns two int64 arrays of indices in rising order: (count - validation,) and (validation,). They are the same for
    the same seed, on every machine. Raises `ArgumentError` unless all three are whole numbers and `validation` is
    between 1 and count - 1.
    """
    check_settings(count=count, seed=seed)
    check_settings(images=count, validation=validation)
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[validation:]), np.sort(order[:validation])


def to_image(row: np.ndarray) -> np.ndarray:
    """Turn a stored row (3072,), channel first, into a picture (32, 32, 3): row, column, colour."""
    return row.reshape(3, 32, 32).transpose(1, 2, 0)


def mean_image(images: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
    """Return the average, (3072,) float32, of (n, 3072) images, or of some: `indices` are row numbers, or a mask (n,).

    Raises `ArgumentError` if `indices` name no images, or some that are not there.
    """
    try:
        rows = np.arange(len(images))[slice(None) if indices is None else np.asarray(indices)].ravel()
    except IndexError as error:
        raise ArgumentError(f"indices do not fit {len(images):,} images: {error}.") from error
    if len(rows) == 0:
        raise ArgumentError("indices name no images. Give the number of at least one row.")
    total = np.zeros(images.shape[1], np.float64 if np.issubdtype(images.dtype, np.floating) else np.int64)
    for start in range(0, len(rows), 1_000):
        total += images[rows[start : start + 1_000]].sum(axis=0, dtype=total.dtype)
    return (total / len(rows)).astype(np.float32)


def scale_pixels(images: np.ndarray, mean: np.ndarray, divide_by: float = 255.0) -> np.ndarray:
    """Subtract the mean image (3072,) from (n, 3072) uint8 images and divide; return float32 around 0."""
    return (images.astype(np.float32) - mean) / np.float32(divide_by)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0 well, 1 no sound data, 130 interrupted; wrong use ends with 2."""
    parser = argparse.ArgumentParser(prog="python -m helpers.data", description="Fetch CIFAR-10 and say where it lies.")
    parser.add_argument("command", nargs="?", default="fetch", choices=("fetch", "verify", "where", "clear"),
                        help="fetch: have it in the cache (the default); verify: check it and fetch nothing; where: "
                        "print its folder; clear: remove it from your own cache")  # fmt: skip
    parser.add_argument("--from", dest="copy", metavar="FILE-OR-FOLDER", help="fetch or verify a copy that you have")
    parser.add_argument("--to", dest="target", metavar="FOLDER", help="fetch into this folder, not into your cache")
    options = parser.parse_args(arguments)
    if (options.copy and options.command in ("where", "clear")) or (options.target and options.command != "fetch"):
        parser.error(f"{options.command} takes no {'--to' if options.target else '--from'}")
    copy = options.copy and Path(os.path.expanduser(options.copy))  # a shell leaves the ~ in --from=~/copy alone
    try:
        if options.command == "clear":
            folder = cache_folders()[-1]
            removed, left = cache.clear(folder)
            print(f"Removed from {folder}: {', '.join(removed) or 'nothing'}")
            if left:
                print(f"Left alone, since not ours: {', '.join(left)}")
        else:
            folder = _fetch(copy, options.target) if options.command == "fetch" else _verify(copy)
            print(folder if options.command == "where" else f"CIFAR-10, verified: {folder}")
        return 0
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; nothing was kept. Run it again to start over.", file=sys.stderr)
        return 130


def _fetch(copy: Path | None, target: str | None) -> Path:
    """Have the data in `target`, or in the cache, from `copy` if given; return the folder."""
    from helpers import download

    folders = cache_folders(target)
    if copy:
        return _open(folders[-1:], [copy])[0]
    here = [folder for folder in cache_folders() if folder not in folders]
    return _open(folders, [*here, *download.default_sources()])[0]  # rather from what is here than over the network


def _verify(copy: Path | None) -> Path:
    """Return `copy`, or the folder that `load_data` would read without fetching; `DatasetError` if it is not sound."""
    if not copy:
        return _open(cache_folders())[0]
    try:
        for _, pieces in verified(read_copy(copy)):
            for _ in pieces:
                pass
    except DatasetError as error:
        raise DatasetError(f"{copy} is no copy of CIFAR-10: {error}.") from error
    return copy


if __name__ == "__main__":
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.reconfigure(errors="backslashreplace")  # a folder's name may have letters that a pipe's code page lacks
    sys.exit(main())
