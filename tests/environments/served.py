"""What a test hands to an environment of its own in place of the network: this repository, and the data."""

import subprocess
from pathlib import Path

from tests.copies import NAMES, official_bytes, pack
from tests.series import ROOT
from tools.links import LEARNERS
from tools.working_copy import commit_to


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
    files = ((f"cifar-10-batches-bin/{name}", official_bytes(cache, number)) for number, name in enumerate(NAMES))
    return pack(path, files, compresslevel=1).as_uri()
