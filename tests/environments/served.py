"""What a test hands to an environment of its own in place of the network: this repository, and the data."""

import io
import subprocess
import tarfile
from pathlib import Path

from tests.series import ROOT
from tools.links import LEARNERS
from tools.working_copy import commit_to

FILE_BYTES = 30_730_000
NAMES = {"train.bin": [f"data_batch_{number}.bin" for number in range(1, 6)], "test.bin": ["test_batch.bin"]}


def repository(path: Path) -> str:
    """Put what is committed here into a bare repository at `path`, as its branch main, and without outputs as learner;
    return its address."""
    for command in (
        ["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)],
        ["git", "-C", str(path), "config", "receive.shallowUpdate", "true"],
        ["git", "-C", str(ROOT), "push", "--quiet", str(path), "HEAD:refs/heads/main"],
    ):
        subprocess.run(command, check=True)
    commit_to(LEARNERS, path)
    return path.as_uri()


def archive(cache: Path, path: Path) -> str:
    """Write the data in the folder `cache` as the official archive has it to `path`; return its address."""
    with tarfile.open(path, "w:gz", compresslevel=1) as packed:
        for cached, names in NAMES.items():
            with open(cache / cached, "rb") as file:
                for name in names:
                    member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                    member.size = FILE_BYTES
                    packed.addfile(member, io.BytesIO(file.read(FILE_BYTES)))
    return path.as_uri()
