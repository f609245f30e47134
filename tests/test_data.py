"""CIFAR-10 as arrays: the published facts, the memory it takes, the splits, the pictures; and the command line."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import platformdirs
import pytest

import helpers
from helpers import cache, download
from helpers.data import CLASSES, cache_folders, load_data, main, mean_image, scale_pixels, split_indices, to_image
from helpers.errors import ArgumentError

# Published at https://www.cs.toronto.edu/~kriz/cifar.html as the files of cifar-10-binary.tar.gz: a copy of our own.
SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}


def test_arrays_give_back_the_published_files(data):
    assert [array.shape for array in data[:4]] == [(50_000, 3072), (50_000,), (10_000, 3072), (10_000,)]
    assert [array.dtype for array in data[:4]] == [np.uint8, np.int64, np.uint8, np.int64]
    assert [type(array) for array in data[:4]] == [np.ndarray] * 4
    for number, published in enumerate(SHA256.values()):
        part = data[2:4] if number == 5 else data[:2]
        start = 0 if number == 5 else 10_000 * number
        records = np.empty((10_000, 3073), np.uint8)
        records[:, 1:], records[:, 0] = (array[start : start + 10_000] for array in part)
        assert hashlib.sha256(records).hexdigest() == published
    assert data.classes == CLASSES
    assert CLASSES == ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def test_arrays_refuse_to_be_written(data):
    for array in data[:4]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's count of private memory")
def test_the_package_loads_little_and_reading_every_image_takes_no_private_memory(data_folder):
    code = """
import re, sys
from helpers import load_data, split_indices, class_index
def private():
    text = open("/proc/self/smaps_rollup").read()
    return sum(int(kib) for kib in re.findall(r"Private_Dirty: +(\\d+)", text))
load_data()
before = private()
data = load_data()
assert data.images_train.max() == 255 and data.images_test.max() == 255
print(private() - before, *sys.modules)
"""
    environment = os.environ | {"CIFAR10_HOME": str(data_folder)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    grown, *modules = done.stdout.split()
    assert int(grown) < 20_000  # KiB; the images are 180,000
    needless = {"tensorflow", "keras", "matplotlib", "requests", "urllib3", "psutil", "ssl", "filelock"}
    assert {*needless, "helpers.download"} & set(modules) == set()


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(AttributeError, match=r"no attribute 'laod_data'; it offers .*load_data"):
        _ = helpers.laod_data


def test_a_pixel_of_the_picture_stands_where_the_record_says():
    row = np.random.default_rng(0).integers(256, size=3072).astype(np.uint8)
    picture = to_image(row)
    assert picture.shape == (32, 32, 3)
    for (down, across, colour), value in np.ndenumerate(picture):
        assert value == row[1024 * colour + 32 * down + across]


@pytest.mark.parametrize("rows", [None, [4], list(range(0, 4_000, 2)), [7] * 1_001 + [8], np.arange(50_000) % 30 == 3],
                         ids=["all", "one", "some", "one again and again", "mask"])  # fmt: skip
def test_the_mean_image_equals_the_mean_in_float64(data, rows):
    images = data.images_train if rows is not None else data.images_test[:3_456]
    mean, chosen = mean_image(images, rows), images if rows is None else images[rows]
    assert (mean.shape, mean.dtype) == ((3072,), np.float32)
    np.testing.assert_array_equal(mean, chosen.mean(axis=0, dtype=np.float64).astype(np.float32))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_the_mean_image_of_fractions_is_not_rounded(data, kind):
    images = (data.images_train[:1_500] / 255).astype(kind)
    np.testing.assert_allclose(mean_image(images), images.mean(axis=0, dtype=np.float64), rtol=1e-6)


@pytest.mark.parametrize("indices", [[], np.zeros(9, bool), np.ones(8, bool), [9], [0.5], "all"])
def test_the_mean_of_no_image_or_one_that_is_not_there_is_refused(indices):
    with pytest.raises(ArgumentError, match=r"^indices .*\.$"):
        mean_image(np.zeros((9, 3072), np.uint8), indices)


@pytest.mark.parametrize("divide_by", [None, 128.0, np.float64(2)])
def test_pixels_are_scaled_below_zero_too(data, divide_by):
    images, mean = data.images_train[:50], np.full(3072, 99.5, np.float32)
    scaled = scale_pixels(images, mean) if divide_by is None else scale_pixels(images, mean, divide_by)
    assert (scaled.shape, scaled.dtype) == ((50, 3072), np.float32)
    assert scaled.min() < 0 < scaled.max()
    expected = (images.astype(np.float64) - 99.5) / (divide_by or 255)
    np.testing.assert_allclose(scaled, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("count", "validation"), [(50_000, 5_000), (2, 1)])
def test_every_image_is_in_exactly_one_part_of_the_split(count, validation):
    learning, held_back = split_indices(count, validation)
    assert (len(learning), len(held_back)) == (count - validation, validation)
    assert sorted([*learning.tolist(), *held_back.tolist()]) == list(range(count))
    for part in (learning, held_back):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
    if count > 2:
        per_fifth = np.bincount(held_back // 10_000, minlength=5)
        assert (abs(per_fifth - 1_000) < 150).all()  # drawn at random: five standard deviations


def test_the_seed_decides_the_split_on_every_machine():
    assert split_indices(10, 3, seed=2)[1].tolist() == np.sort(np.random.default_rng(2).permutation(10)[:3]).tolist()
    assert split_indices(1_000, 100, seed=4)[1].tolist() != split_indices(1_000, 100, seed=5)[1].tolist()


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", 5.5), ("count", 1), ("count", True), ("seed", None), ("seed", -1), ("seed", 0.5), ("validation", 0),
     ("validation", 100), ("validation", "10"), ("validation", None)],
)  # fmt: skip
def test_a_senseless_split_is_refused_in_one_sentence(name, value):
    with pytest.raises(ArgumentError, match=rf"^{name} = {value!r} .*\. Give [^.]+\.$"):
        split_indices(**{"count": 100, "validation": 1} | {name: value})


def test_the_first_folder_that_is_set_is_used(monkeypatch, tmp_path):
    for name in ("CIFAR10_HOME", "CIFAR10_SHARED"):
        monkeypatch.delenv(name, raising=False)
    own = Path(platformdirs.user_cache_path("ten-templates", appauthor=False)) / "cifar-10"
    assert cache_folders() == [own]
    monkeypatch.setenv("CIFAR10_SHARED", "~/shared")
    monkeypatch.setenv("CIFAR10_HOME", "")
    assert cache_folders() == [Path.home() / "shared", own]
    monkeypatch.setenv("CIFAR10_HOME", str(tmp_path / "home"))
    assert cache_folders() == [tmp_path / "home"]
    assert cache_folders(tmp_path / "given") == cache_folders(str(tmp_path / "given")) == [tmp_path / "given"]
    assert cache_folders("~/somewhere") == [Path.home() / "somewhere"]
    monkeypatch.chdir(tmp_path)
    assert cache_folders("here") == [tmp_path / "here"]


@pytest.mark.parametrize("value", [5, 0, True, b"folder", ["folder"], "a\0b"])
def test_what_is_no_folder_is_refused_in_one_sentence(value):
    with pytest.raises(ArgumentError, match=r"^data_home = .* makes no sense\. Give a folder, such as load_data\("):
        load_data(value)


class TestCommandLine:
    def test_fetch_is_what_it_does_unless_told_otherwise(self, world, monkeypatch, capsys):
        monkeypatch.setattr(download, "OFFICIAL", world.sound.as_uri())
        assert main([]) == 0
        assert capsys.readouterr().out == f"CIFAR-10, verified: {world.home}\n"
        world.is_sound()

    @pytest.mark.parametrize("command", ["verify", "where"])
    def test_verify_and_where_fetch_nothing(self, world, monkeypatch, capsys, command):
        monkeypatch.setattr(download, "fetch", lambda *_: pytest.fail("fetched"))
        shutil.copy(world.sound / "test.bin", world.home)
        assert main([command]) == 1
        wrong = (
            f"No sound copy of CIFAR-10 in {world.home}: train.bin (missing). Run python -m helpers.data to fetch it."
        )
        assert capsys.readouterr() == ("", f"{wrong}\n")
        world.holds("test.bin")
        monkeypatch.setenv("CIFAR10_HOME", str(world.sound))
        assert main([command]) == 0
        right = f"CIFAR-10, verified: {world.sound}" if command == "verify" else str(world.sound)
        assert capsys.readouterr() == (f"{right}\n", "")

    @pytest.mark.parametrize(
        ("make", "reason"),
        [(lambda copy: None, "No such file or directory"),
         (Path.mkdir, f"{', '.join(SHA256)} missing"),
         (lambda copy: (copy.mkdir(), (copy / "train.bin").write_bytes(b"short")), "5 bytes where 30,730,000 belong")],
        ids=["nothing there", "empty folder", "cut"],
    )  # fmt: skip
    def test_a_copy_that_is_none_is_refused(self, make, reason, world, tmp_path, capsys):
        make(tmp_path / "copy")
        for command in ("verify", "fetch"):
            assert main([command, "--from", str(tmp_path / "copy")]) == 1
            out, said = capsys.readouterr()
            assert (out, reason in said, str(tmp_path / "copy") in said) == ("", True, True)
        world.holds()

    def test_to_prepares_a_folder_from_what_is_here_or_from_a_copy(self, world, monkeypatch, tmp_path):
        for name in ("HOME", "USERPROFILE"):
            monkeypatch.setenv(name, str(world.sound.parent))
        assert main([f"--from=~/{world.sound.name}", "--to", str(tmp_path / "stick")]) == 0
        assert cache.read_cache(tmp_path / "stick")[1] == {}
        world.holds()
        monkeypatch.setenv("CIFAR10_HOME", str(world.sound))
        assert main(["--to", str(world.home)]) == 0
        world.is_sound()
        assert main(["--to", str(world.home), "--from", "/no/such/copy"]) == 0, "it is there already"

    def test_clear_removes_the_data_and_nothing_else(self, world, capsys):
        world.fill()
        (world.home / cache.WORK).mkdir()  # of a process that was killed
        assert main(["clear"]) == 0
        assert capsys.readouterr().out == f"Removed from {world.home}: train.bin, test.bin\n"
        world.holds()
        (world.home / "notes.txt").unlink()
        assert main(["clear"]) == main(["clear"]) == 0
        assert capsys.readouterr().out == f"Removed from {world.home}: nothing\n" * 2
        assert not world.home.exists()

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
    def test_a_folder_with_letters_that_a_pipe_lacks_is_printed(self, world, encoding):
        world.fill()
        command = [sys.executable, "-m", "helpers.data", "where"]
        done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding})
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode(encoding).startswith(str(world.home.parent))

    @pytest.mark.parametrize(
        "arguments",
        [["--form", "x"], ["fetchh"], ["where", "--from", "x"], ["clear", "--to", "x"], ["verify", "--to", "x"]],
    )
    def test_wrong_use_gives_code_2(self, arguments):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
