"""The benchmark runs, compares like with like, and writes its page only at the end. No test looks at a speed."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from helpers import mean_image, train
from helpers.softmax import batch_indices
from tools import bench, contenders


@pytest.mark.slow
def test_a_quick_run_has_a_page_with_its_contenders_and_every_table(tmp_path):
    assert bench.main(["--quick", "--only=numpy", "--into", str(tmp_path)]) == 0
    page = (tmp_path / "speed.md").read_text()
    for name, times in (("ours", 2), ("numpy", 1)):
        assert len(re.findall(rf"^\| {re.escape(bench.NAMES[name])}.*%", page, re.MULTILINE)) == times
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

    monkeypatch.setattr(bench, "measure", interrupted)
    assert bench.main(["--into", str(tmp_path)]) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["numpy", "bytes", "function"])
def test_contenders_take_the_steps_of_the_trainer(data, name):
    images, labels = data.images_train[:300], data.labels_train[:300]
    batches = batch_indices(300, 20, "epochs", 0, 0, 25)
    fit = contenders.CONTENDERS[name](images, labels, mean_image(images))
    weights, biases = fit(batches, contenders.rates_of(25))
    run = train(images, labels, steps=25, batch_size=20, learning_rate=contenders.RATE, progress=False)
    np.testing.assert_allclose(weights, run.weights, atol=1e-5)
    np.testing.assert_allclose(biases, run.biases, atol=1e-5)
