"""The benchmark compares like with like, and its page has every table. No test looks at a speed."""

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
    labels = [bench.OURS, bench.WITHOUT, "NumPy, float32 beforehand"]
    page = bench.write(bench.measure(labels, [*bench.THINGS][:1], 1, 200), tmp_path)
    for label in labels:
        assert len(re.findall(rf"^\| {label}.*%", page, re.MULTILINE)) == 1
    assert len(re.findall(r"^- \*\*(Met|Not met)\*\*: .*\d", page, re.MULTILINE)) == 4
    for row in ("`MatMul`", "`load_data`", rf"\| {bench.OURS} \| \d"):
        assert re.search(row, page)
    for plot in ("speed-steps.png", "speed-cost.png"):
        assert (tmp_path / plot).read_bytes().startswith(b"\x89PNG")
        assert re.search(rf"!\[[^\]]{{60,}}\]\({plot}\)", page)
    for word in (os.uname().nodename, str(tmp_path), str(bench.ROOT), "/tmp", str(Path.home())):
        assert word not in page


@pytest.mark.parametrize("name", ["numpy", "bytes", "function"])
def test_contenders_take_the_steps_of_the_trainer(data, name):
    images, labels = data.images_train[:300], data.labels_train[:300]
    batches = batch_indices(300, 20, "epochs", 0, 0, 25)
    fit = contenders.CONTENDERS[name](images, labels, mean_image(images))
    weights, biases = fit(batches, contenders.rates_of(25))
    run = train(images, labels, steps=25, batch_size=20, learning_rate=contenders.RATE, progress=False)
    np.testing.assert_allclose(weights, run.weights, atol=1e-5)
    np.testing.assert_allclose(biases, run.biases, atol=1e-5)
