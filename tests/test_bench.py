"""The benchmark runs, compares like with like, and writes its page only at the end. No test looks at a speed."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from helpers import mean_image, train
from helpers.softmax import batch_indices
from tools import bench


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


@pytest.mark.parametrize("name", ["numpy", "bytes", "function"])
def test_contenders_take_the_steps_of_the_trainer(data, name):
    images, labels = data.images_train[:300], data.labels_train[:300]
    shared = {"images": images, "labels": labels, "mean": mean_image(images)}
    batches = batch_indices(300, 20, "epochs", 0, 0, 25)
    weights, biases = bench.CONTENDERS[name](shared)(batches, bench.rates_of(25))
    run = train(images, labels, steps=25, batch_size=20, learning_rate=bench.RATE, progress=False)
    np.testing.assert_allclose(weights, run.weights, atol=1e-5)
    np.testing.assert_allclose(biases, run.biases, atol=1e-5)
