"""A run in memory and in a file: what it says of itself, and that a file holds a whole run or is refused."""

import dataclasses
import os
import random
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from helpers.errors import ArgumentError
from helpers.runs import Run, load_run, save_run
from helpers.softmax import train


@pytest.fixture(scope="module")
def run(data) -> Run:
    settings = {"steps": 90, "batch_size": 20, "seed": 6, "validate_every": 40, "progress": False}
    return train(data.images_train[:600], data.labels_train[:600], validation=np.arange(50), **settings)


def with_loss(losses) -> Run:
    losses = np.array(losses, np.float32)
    return Run(np.zeros((3072, 10)), np.zeros(10), np.zeros(3072), 255.0, losses, np.zeros_like(losses))


class TestDivergence:
    @pytest.mark.parametrize(
        ("losses", "diverged"),
        [
            ([], False),
            ([2.3, 9.0, 5.0, 2.0], False),
            ([2.3, 2.0, 1.9, 40.0], True),
            ([2.3] * 99 + [np.nan], True),
            ([3e38] * 100, True),
            ([2.3] * 90 + [1.0] * 9 + [5.0], False),  # a tenth of the steps decides, not the last of them
            ([1_000.0] * 950 + [2.0] * 50, False),  # what is, not what was: at most 50 steps decide
        ],
    )
    def test_is_a_loss_well_above_guessing_in_the_last_steps(self, losses, diverged):
        assert with_loss(losses).diverged is diverged

    def test_is_true_of_the_settings_of_2016_and_said(self, data, capsys):
        settings = {"learning_rate": 0.005, "divide_by": 1, "schedule": "constant", "steps": 300, "progress": False}
        images, labels = data.images_train[:5_000], data.labels_train[:5_000]
        part = train(images, labels, until=30, **settings)
        assert part.diverged
        assert capsys.readouterr().out == ""  # one who goes on in slices judges for himself
        assert train(images, labels, resume=part, **settings).diverged
        assert "diverges" in capsys.readouterr().out


class TestSaving:
    def test_what_is_loaded_is_what_was_saved(self, run, tmp_path):
        save_run(run, tmp_path / "run.npz")
        again = load_run(tmp_path / "run.npz")
        for part in dataclasses.fields(Run):
            one, other = getattr(again, part.name), getattr(run, part.name)
            np.testing.assert_array_equal(one, other)
            assert type(one) is type(other)
            assert not isinstance(one, np.ndarray) or one.dtype == other.dtype
        assert os.listdir(tmp_path) == ["run.npz"]

    def test_a_run_whose_settings_are_not_known_is_kept_too(self, run, tmp_path):
        save_run(replace(run, images=None, batch_size=None, sampling=None, seed=None), tmp_path / "run.npz")
        assert load_run(tmp_path / "run.npz").seed is None

    def test_a_file_that_would_run_code_is_refused_and_runs_none(self, run, tmp_path):
        class Trap:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "sprung"),)

        parts = dataclasses.asdict(run) | {"mean": np.array([Trap()], dtype=object)}
        np.savez(tmp_path / "trap.npz", **parts)
        with pytest.raises(ArgumentError, match="is not a run"):
            load_run(tmp_path / "trap.npz")
        assert not (tmp_path / "sprung").exists()

    def test_a_damaged_file_ends_in_a_run_or_in_one_sentence(self, run, tmp_path):
        path, dice = tmp_path / "run.npz", random.Random(0)
        save_run(run, path)
        whole = path.read_bytes()
        middle = dice.sample(range(len(whole)), 100)
        damaged = [b"", b"text", whole[:5_000], whole[:-100], whole[:60_000] + b"\0\0\0\0" + whole[60_004:]]
        for place in [*range(150), *range(len(whole) - 300, len(whole)), *middle]:  # headers, directory, contents
            damaged.append(whole[:place] + bytes([whole[place] ^ 1 << dice.randrange(8)]) + whole[place + 1 :])
        said = []
        for content in damaged:
            path.write_bytes(content)
            try:
                load_run(path)
            except ArgumentError as error:
                said.append(str(error))
        assert set(said) == {f"{path} is not a run, or is damaged. Give a file from save_run."}
        assert len(said) > len(damaged) / 2

    @pytest.mark.parametrize(
        "change",
        [
            {"weights": np.zeros((10, 3072), np.float32)}, {"weights": np.zeros((3072, 10))},
            {"loss": np.zeros(3, np.float32)}, {"divide_by": 0.0}, {"mean": np.full(3072, np.nan, np.float32)},
            {"accuracy": np.full(90, np.nan, np.float32)}, {"validation_step": np.array([40, 80, 91])},
            {"validation_step": np.array([0, 40, 80])}, {"batch_size": 2.5}, {"images": 10},
        ],
        ids=str,
    )  # fmt: skip
    def test_values_that_no_run_has_are_refused(self, run, tmp_path, change):
        parts = {name: value for name, value in dataclasses.asdict(run).items() if value is not None}
        np.savez(tmp_path / "other.npz", **parts | change)
        with pytest.raises(ArgumentError, match="is not a run, or is damaged"):
            load_run(tmp_path / "other.npz")

    def test_a_small_file_takes_no_large_memory(self, tmp_path):
        bomb = tmp_path / "bomb.npz"
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file, file.open("loss.npy", "w") as loss:
            header = {"descr": "<f4", "fortran_order": False, "shape": (50_000_000,)}
            np.lib.format.write_array_header_1_0(loss, header)
            for _ in range(200):
                loss.write(bytes(1_000_000))
        lying = tmp_path / "lying.npz"
        with zipfile.ZipFile(lying, "w") as file, file.open("loss.npy", "w") as loss:
            np.lib.format.write_array_header_1_0(loss, header | {"shape": (900_000_000,)})
        tracemalloc.start()
        try:
            for path in (bomb, lying):
                with pytest.raises(ArgumentError, match="is not a run, or is damaged"):
                    load_run(path)
            assert tracemalloc.get_traced_memory()[1] < 20e6
        finally:
            tracemalloc.stop()

    def test_what_is_not_there_and_what_is_no_run_are_named(self, tmp_path):
        with pytest.raises(ArgumentError, match=r"none\.npz can't be read: No such file"):
            load_run(tmp_path / "none.npz")
        with pytest.raises(ArgumentError, match="This is no run but 5"):
            save_run(5, tmp_path / "run.npz")
        with pytest.raises(ArgumentError, match=r"can't be written: No such file"):
            save_run(with_loss([]), tmp_path / "nowhere" / "run.npz")

    def test_reading_a_run_needs_no_tensorflow(self, run, tmp_path):
        save_run(run, tmp_path / "run.npz")
        code = f"import sys; from helpers import load_run; print(load_run({str(tmp_path / 'run.npz')!r}).step)"
        ran = subprocess.run(
            [sys.executable, "-c", f"{code}; assert 'tensorflow' not in sys.modules"], capture_output=True, text=True
        )
        assert ran.stdout == "90\n", ran.stderr
