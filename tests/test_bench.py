"""The benchmark runs, and its page has every table. No test looks at a speed."""

import os
import re
from pathlib import Path

import pytest

from tools import bench


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
