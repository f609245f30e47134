"""The benchmark runs, compares like with like, and writes its page only at the end. No test looks at a speed."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from helpers import mean_image, train
from helpers.softmax import batch_indices
from tools import bench

OURS, OTHER = ("ours", True), ("numpy", True)


@pytest.mark.slow
def test_a_quick_run_has_a_page_with_its_contenders_and_every_table(tmp_path):
    names = ("ours", "numpy")
    assert bench.main(["--quick", *(f"--only={name}" for name in names), "--into", str(tmp_path)]) == 0
    page = (tmp_path / "speed.md").read_text()
    for name in names:
        rows = re.findall(rf"^\\| {re.escape(bench.NAMES[name])}.*%", page, re.MULTILINE)
        assert len(rows) == 1 + (name in bench.LIBRARIES)
    assert len(re.findall(r"^- \*\*(Met|Not met)\*\*: .*\d", page, re.MULTILINE)) == 4
    for row in ("`MatMul`", "`load_data`", r"\| helpers\.train \| \d", "memory of each"):
        assert re.search(row, page)
    for plot in ("speed-steps.png", "speed-cost.png"):
        assert (tmp_path / plot).read_bytes().startswith(b"\x89PNG")
        assert re.search(rf"!\[[^\]]{{60,}}\]\({plot}\)", page)
    for word in (os.uname().nodename, str(tmp_path), str(bench.ROOT), "/tmp", str(Path.home())):
        assert word not in page


def test_an_interrupt_leaves_the_page_as_it_was(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    (tmp_path / "speed.md").write_text("of old")
    monkeypatch.setattr(bench, "measure", interrupted)
    monkeypatch.setattr(bench.signal, "signal", lambda *_: None)
    assert bench.main(["--into", str(tmp_path)]) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of old"]


def test_a_contender_outside_its_band_stops_the_run():
    for name, accuracy in (("numpy", 0.5), ("keras", 0.27), ("post", 0.41)):
        with pytest.raises(RuntimeError, match=rf"{name} scores {accuracy:.3f} .*Nothing was written"):
            bench.check(name, {"accuracy": accuracy})
    assert bench.check("post", {"accuracy": 0.25}) == {"accuracy": 0.25}


def test_ratios_are_taken_within_a_round_and_goals_are_judged_by_their_median(monkeypatch):
    monkeypatch.setattr(bench, "instruction_set", lambda: "AVX2")
    rates = [1_000 * bench.FLOPS / limit for limit in (0.1, 0.2, 0.1)]
    seconds = {OURS: [0.4, 0.8, 9.0], ("ours", False): [0.4, 0.8, 9.0], OTHER: [0.8, 1.6, 0.1]}
    cost = {("ours", size): [1.0] for size in bench.BATCHES} | {("ours", 10_000): [2.0]}
    lines = bench.goals({"steps": 1_000, "rates": rates, "seconds": seconds, "cost": cost})
    assert [line.startswith("- **Met**") for line in lines] == [True, True, True, False]
    assert "4.0 times the limit; the goal is at most 5 with AVX2" in lines[0]
    assert "2.0 times as fast as the next best, NumPy" in lines[1]


@pytest.mark.parametrize("name", ["numpy", "bytes", "function"])
def test_contenders_take_the_steps_of_the_trainer(data, name):
    images, labels = data.images_train[:300], data.labels_train[:300]
    shared = {"images": images, "labels": labels, "mean": mean_image(images)}
    batches = batch_indices(300, 20, "epochs", 0, 0, 25)
    weights, biases = bench.CONTENDERS[name](shared)(batches, bench.rates_of(25))
    run = train(images, labels, steps=25, batch_size=20, learning_rate=bench.RATE, progress=False)
    np.testing.assert_allclose(weights, run.weights, atol=1e-5)
    np.testing.assert_allclose(biases, run.biases, atol=1e-5)


@pytest.mark.parametrize("name", ["keras", "post"])
def test_contenders_that_draw_their_own_batches_learn(data, name):
    images, labels = data.images_train[:300], data.labels_train[:300]
    mean = mean_image(images)
    fit = bench.CONTENDERS[name]({"images": images, "labels": labels, "mean": mean})
    weights, biases = fit(batch_indices(300, 20, "epochs", 0, 0, 150), bench.rates_of(150))
    logits = (images - mean) / 255 @ weights + biases
    assert np.mean(logits.argmax(axis=1) == labels) > 0.3
