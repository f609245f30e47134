"""CIFAR-10 as arrays: the published facts, the memory it takes, the splits, the pictures."""

import hashlib
import json
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
from helpers.data import (
    CLASSES,
    cache_folders,
    find_data,
    load_data,
    main,
    mean_image,
    scale_pixels,
    split_indices,
    to_image,
)
from helpers.errors import ArgumentError
from tests.copies import contents

# Published at https://www.cs.toronto.edu/~kriz/cifar.html as the files of cifar-10-binary.tar.gz.
SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}


def run_python(code: str, **environment: str) -> str:
    """Run `code` in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def cut_copy(sound: Path, copy: Path) -> None:
    """Make a cache whose training file holds five bytes."""
    copy.mkdir()
    shutil.copy(sound / "test.bin", copy)
    (copy / "train.bin").write_bytes(b"short")


@pytest.fixture
def clean_environment(monkeypatch):
    for name in ("CIFAR10_HOME", "CIFAR10_SHARED", "CIFAR10_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


class TestArrays:
    def test_shapes_kinds_and_classes(self, data):
        assert [array.shape for array in data[:4]] == [(50_000, 3072), (50_000,), (10_000, 3072), (10_000,)]
        assert [array.dtype for array in data[:4]] == [np.uint8, np.int64, np.uint8, np.int64]
        assert [type(array) for array in data[:4]] == [np.ndarray] * 4
        assert data.classes == CLASSES
        assert CLASSES == ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    def test_arrays_refuse_to_be_written(self, data):
        for array in data[:4]:
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
        for images in (data.images_train, data.images_test):
            with pytest.raises(ValueError, match="WRITEABLE"):
                images.flags.writeable = True

    @pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's count of private memory")
    def test_reading_every_image_takes_no_private_memory(self, data_folder):
        grown = run_python(
            "import re\n"
            "from helpers.data import load_data\n"
            "def private():\n"
            "    text = open('/proc/self/smaps_rollup').read()\n"
            "    return sum(int(kib) for kib in re.findall(r'Private_Dirty: +(\\d+)', text))\n"
            "load_data()\n"
            "before = private()\n"
            "data = load_data()\n"
            "assert data.images_train.max() == 255 and data.images_test.max() == 255\n"
            "print(private() - before)",
            CIFAR10_HOME=str(data_folder),
        )
        assert int(grown) < 20_000  # KiB; the images are 180,000


class TestPublishedFacts:
    def test_arrays_give_back_the_published_files(self, data):
        for number, published in enumerate(SHA256.values()):
            part = data[2:4] if number == 5 else data[:2]
            start = 0 if number == 5 else 10_000 * number
            records = np.empty((10_000, 3073), np.uint8)
            records[:, 1:], records[:, 0] = (array[start : start + 10_000] for array in part)
            assert hashlib.sha256(records).hexdigest() == published


class TestPictures:
    def test_a_pixel_of_the_picture_stands_where_the_record_says(self):
        row = np.random.default_rng(0).integers(256, size=3072).astype(np.uint8)
        picture = to_image(row)
        expected = [
            [[row[1024 * colour + 32 * down + across] for colour in range(3)] for across in range(32)]
            for down in range(32)
        ]
        assert picture.shape == (32, 32, 3)
        assert picture.tolist() == np.array(expected).tolist()


class TestMeanImage:
    def test_equals_the_mean_in_float64(self, data):
        images = data.images_train[:3_456]
        mean = mean_image(images)
        assert (mean.shape, mean.dtype) == ((3072,), np.float32)
        np.testing.assert_array_equal(mean, images.mean(axis=0, dtype=np.float64).astype(np.float32))

    @pytest.mark.parametrize("count", [1, 1_000, 2_500])
    def test_of_chosen_rows_counts_each_row_as_often_as_it_is_named(self, data, count):
        indices = np.random.default_rng(count).integers(50_000, size=count)
        expected = data.images_train[indices].mean(axis=0, dtype=np.float64).astype(np.float32)
        np.testing.assert_array_equal(mean_image(data.images_train, indices), expected)

    def test_of_a_mask_is_the_mean_of_what_it_picks(self, data):
        images, mask = data.images_train[:2_000], data.labels_train[:2_000] == 3
        expected = images[mask].mean(axis=0, dtype=np.float64).astype(np.float32)
        np.testing.assert_array_equal(mean_image(images, mask), expected)
        np.testing.assert_array_equal(mean_image(images, list(mask)), expected)

    @pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
    def test_of_fractions_is_not_rounded(self, data, kind):
        images = (data.images_train[:1_500] / 255).astype(kind)
        expected = images.mean(axis=0, dtype=np.float64)
        np.testing.assert_allclose(mean_image(images), expected, rtol=1e-6)

    @pytest.mark.parametrize("indices", [[], np.zeros(9, bool), np.ones(8, bool), [9], [0.5], "all"])
    def test_of_no_image_or_one_that_is_not_there_is_refused(self, indices):
        with pytest.raises(ArgumentError, match=r"^indices .*\.$"):
            mean_image(np.zeros((9, 3072), np.uint8), indices)


class TestScalePixels:
    @pytest.mark.parametrize("divide_by", [255, 128.0, np.float64(2)])
    def test_subtracts_the_mean_and_divides(self, data, divide_by):
        images, mean = data.images_train[:50], mean_image(data.images_train[:500])
        scaled = scale_pixels(images, mean, divide_by)
        assert (scaled.shape, scaled.dtype) == ((50, 3072), np.float32)
        expected = (images.astype(np.float64) - mean.astype(np.float64)) / divide_by
        np.testing.assert_allclose(scaled, expected, rtol=1e-5, atol=1e-5)

    def test_dark_pixels_become_negative_instead_of_wrapping(self):
        scaled = scale_pixels(np.zeros((2, 3072), np.uint8), np.full(3072, 51, np.float32))  # by 255 unless told
        np.testing.assert_allclose(scaled, -0.2, rtol=1e-6)


class TestSplitIndices:
    @pytest.mark.parametrize(("count", "validation"), [(50_000, 5_000), (2, 1)])
    def test_every_image_is_in_exactly_one_part(self, count, validation):
        learning, held_back = split_indices(count, validation)
        assert (len(learning), len(held_back)) == (count - validation, validation)
        assert sorted([*learning.tolist(), *held_back.tolist()]) == list(range(count))

    def test_both_parts_rise(self):
        for part in split_indices(2_000, 700, seed=3):
            assert part.dtype == np.int64
            assert (np.diff(part) > 0).all()

    def test_is_drawn_at_random(self):
        _, held_back = split_indices(50_000, 5_000)
        per_fifth = np.bincount(held_back // 10_000, minlength=5)
        assert (abs(per_fifth - 1_000) < 150).all()  # five standard deviations

    def test_another_seed_gives_another_split(self):
        assert split_indices(1_000, 100, seed=4)[1].tolist() != split_indices(1_000, 100, seed=5)[1].tolist()

    def test_split_is_the_same_in_another_process(self):
        code = "from helpers import split_indices; print(split_indices(300, 30, seed=2)[1].tolist())"
        assert run_python(code, PYTHONHASHSEED="1").strip() == str(split_indices(300, 30, seed=2)[1].tolist())

    @pytest.mark.parametrize(
        ("name", "value"), [("count", 5.5), ("count", 1), ("count", True), ("seed", None), ("seed", -1), ("seed", 0.5)]
    )
    def test_a_senseless_count_or_seed_is_refused_in_one_sentence(self, name, value):
        with pytest.raises(
            ArgumentError, match=rf"^{name} = {value} makes no sense\. Give a whole number, \d or more\.$"
        ):
            split_indices(**{"count": 100, "validation": 1} | {name: value})

    @pytest.mark.parametrize("validation", [0, -1, 100, 101, 0.5, "10", True, None])
    def test_a_senseless_size_is_refused_in_one_sentence(self, validation):
        with pytest.raises(ArgumentError, match=rf"^validation = {validation!r} .*\. Give [^.]+\.$"):
            split_indices(100, validation)


class TestCacheFolders:
    def test_the_first_of_what_is_set_is_used(self, clean_environment, tmp_path):
        own = Path(platformdirs.user_cache_path("ten-templates", appauthor=False)) / "cifar-10"
        assert cache_folders() == [own]
        clean_environment.setenv("CIFAR10_SHARED", str(tmp_path / "shared"))
        clean_environment.setenv("CIFAR10_HOME", "")
        assert cache_folders() == [tmp_path / "shared", own]
        clean_environment.setenv("CIFAR10_HOME", str(tmp_path / "home"))
        assert cache_folders() == [tmp_path / "home"]
        assert cache_folders(tmp_path / "given") == cache_folders(str(tmp_path / "given")) == [tmp_path / "given"]
        assert cache_folders("~/somewhere") == [Path.home() / "somewhere"]
        clean_environment.chdir(tmp_path)
        assert cache_folders("here") == [tmp_path / "here"]

    @pytest.mark.parametrize("value", [5, 0, True, b"folder", ["folder"], "a\0b"])
    def test_what_is_no_folder_is_refused_in_one_sentence(self, value):
        with pytest.raises(ArgumentError, match=r"^data_home = .* makes no sense\. Give a folder, such as load_data\("):
            load_data(value)

    def test_data_is_fetched_into_the_users_own_cache_never_into_the_shared_folder(
        self, clean_environment, data_folder, tmp_path
    ):
        clean_environment.setenv("CIFAR10_SHARED", str(tmp_path / "shared"))
        clean_environment.setattr("platformdirs.user_cache_dir", lambda *_: str(tmp_path / "own"))
        copy = [data_folder]
        clean_environment.setattr("helpers.download.default_sources", lambda: copy)
        assert find_data() == tmp_path / "own" / "cifar-10"
        assert not (tmp_path / "shared").exists()
        shutil.rmtree(tmp_path / "own")


class TestCommandLine:
    def test_fetch_is_what_it_does_unless_told_otherwise(self, world, monkeypatch, capsys):
        monkeypatch.setattr(download, "OFFICIAL", world.sound.as_uri())
        for arguments in ([], ["fetch"]):
            assert main(arguments) == 0
            assert capsys.readouterr().out == f"CIFAR-10, verified: {world.home}\n"
        world.is_sound()

    def test_verify_and_where_name_the_folder(self, data_folder, clean_environment, capsys):
        clean_environment.setenv("CIFAR10_SHARED", str(data_folder))
        assert main(["verify"]) == 0
        assert capsys.readouterr().out == f"CIFAR-10, verified: {data_folder}\n"
        assert main(["where"]) == 0
        assert capsys.readouterr().out == f"{data_folder}\n"

    @pytest.mark.parametrize("command", ["verify", "where"])
    def test_verify_and_where_say_what_is_wrong_and_fetch_nothing(self, world, monkeypatch, capsys, command):
        monkeypatch.setattr(download, "fetch", lambda *_: pytest.fail("fetched"))
        shutil.copy(world.sound / "test.bin", world.home)
        assert main([command]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err == (
            f"No sound copy of CIFAR-10 in {world.home}: train.bin (missing). Run python -m helpers.data to fetch it.\n"
        )
        world.holds("test.bin")

    @pytest.mark.parametrize(
        ("command", "make", "reason"),
        [
            ("verify", lambda copy, world: None, "no such file or folder"),
            ("fetch", lambda copy, world: copy.write_bytes(b"hello"), "not a tar.gz archive"),
            ("verify", lambda copy, world: copy.mkdir(), "no data_batch_1.bin in it"),
            ("fetch", lambda copy, world: cut_copy(world.sound, copy), "data_batch_1.bin has 5 bytes where 30,730,000"),
        ],
        ids=["nothing there", "no archive", "empty folder", "cut"],
    )
    def test_a_copy_that_is_none_is_refused(self, command, make, reason, world, tmp_path, capsys):
        make(tmp_path / "copy", world)
        assert main([command, "--from", str(tmp_path / "copy")]) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        assert reason in printed.err
        assert str(tmp_path / "copy") in printed.err
        world.holds()

    def test_to_prepares_a_folder_from_what_is_here_without_the_network(self, data_folder, world, monkeypatch, capsys):
        monkeypatch.setenv("CIFAR10_HOME", str(data_folder))
        assert main(["--to", str(world.home)]) == 0
        assert capsys.readouterr().out == f"CIFAR-10, verified: {world.home}\n"
        world.is_sound()
        assert main(["--to", str(world.home), "--from", "/no/such/copy"]) == 0, "it is there already"

    def test_from_and_to_go_together(self, archive, world, tmp_path, capsys):
        assert main(["--from", str(archive), "--to", str(tmp_path / "stick")]) == 0
        assert contents(tmp_path / "stick") == ["test.bin", "train.bin"]
        assert cache.damage(tmp_path / "stick") == {}
        world.holds()

    def test_clear_removes_the_data_and_nothing_else(self, world, capsys):
        download.fetch(world.home, [world.sound])
        shutil.copy(world.home / "test.bin", world.home / "train.bin.damaged2")
        (world.home / "train.bin.damaged").write_bytes(b"a stranger's")
        assert main(["clear"]) == 0
        assert capsys.readouterr().out == (
            f"Removed from {world.home}: test.bin, train.bin, train.bin.damaged2. Left alone, since not ours: "
            "train.bin.damaged\n"
        )
        world.holds("train.bin.damaged")
        (world.home / "train.bin.damaged").unlink()
        assert main(["clear"]) == 0
        assert "nothing, there was none" in capsys.readouterr().out
        (world.home / "notes.txt").unlink()
        assert main(["clear"]) == 0
        assert not world.home.exists()

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
    def test_clear_leaves_links_and_what_they_lead_to(self, world, capsys):
        (world.home / "train.bin").symlink_to(world.neighbour)
        (world.home / "test.bin").mkdir()
        assert main(["clear"]) == 0
        assert "nothing, there was none. Left alone, since not ours: test.bin, train.bin\n" in capsys.readouterr().out
        world.holds("test.bin", "train.bin")

    def test_a_tilde_after_from_means_the_home_folder(self, world, data_folder, monkeypatch, capsys):
        monkeypatch.setenv("HOME", str(data_folder.parent))
        monkeypatch.setenv("USERPROFILE", str(data_folder.parent))
        assert main(["verify", f"--from=~/{data_folder.name}"]) == 0

    @pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
    def test_a_folder_with_letters_that_a_pipe_lacks_is_printed(self, world, encoding):
        download.fetch(world.home, [world.sound])
        done = subprocess.run(
            [sys.executable, "-m", "helpers.data", "where"], capture_output=True, check=False,
            env=os.environ | {"PYTHONIOENCODING": encoding},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode(encoding).startswith(str(world.home.parent))

    def test_clear_never_touches_the_shared_copy(self, world, clean_environment, tmp_path, capsys):
        clean_environment.setenv("CIFAR10_SHARED", str(world.sound))
        clean_environment.setattr("platformdirs.user_cache_dir", lambda *_: str(tmp_path / "own"))
        assert main(["clear"]) == 0
        assert cache.damage(world.sound) == {}

    def test_json_is_one_object(self, data_folder, world, monkeypatch, capsys):
        assert main(["verify", "--json"]) == 1
        printed = capsys.readouterr()
        answer = json.loads(printed.out)
        assert (answer["command"], answer["exit_code"], answer["folder"]) == ("verify", 1, None)
        assert "train.bin (missing)" in answer["message"]
        assert printed.err == ""
        monkeypatch.setenv("CIFAR10_HOME", str(data_folder))
        assert main(["where", "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "command": "where", "exit_code": 0, "folder": str(data_folder), "message": str(data_folder),
        }  # fmt: skip

    @pytest.mark.parametrize(
        "arguments",
        [["--form", "x"], ["fetchh"], ["where", "--from", "x"], ["clear", "--to", "x"], ["verify", "--to", "x"]],
    )
    def test_wrong_use_gives_code_2(self, arguments, capsys):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


class TestImports:
    def test_load_data_from_the_package_loads_no_more_than_it_needs(self, data_folder):
        code = (
            "import sys; from helpers import load_data, split_indices, class_index\n"
            "print(load_data().labels_train[0], *sys.modules)"
        )
        label, *modules = run_python(code, CIFAR10_HOME=str(data_folder)).split()
        assert label == "6"
        needless = {"tensorflow", "keras", "matplotlib", "requests", "urllib3", "psutil", "ssl", "filelock"}
        assert {*needless, "helpers.download"} & set(modules) == set()

    def test_an_unknown_name_says_what_there_is(self):
        with pytest.raises(AttributeError, match=r"no attribute 'laod_data'; it offers .*load_data"):
            _ = helpers.laod_data
