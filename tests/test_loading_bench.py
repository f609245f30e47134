"""The measurements of loading run, and say what is there. No test looks at a speed."""

import re
from pathlib import Path

import pytest

from tests.series import ROOT


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's count of shared memory")
def test_the_measurements_of_loading_run_and_kernels_share_one_copy(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import loading

    for name, value in {"HERE": tmp_path, "OPENINGS": 2, "FETCHES": 1, "KERNELS": 3, "SPEEDS": {"fast": None}}.items():
        monkeypatch.setattr(loading, name, value)
    assert loading.main() == 0
    page = (tmp_path / "loading.md").read_text(encoding="utf-8")
    mapped, share, together = (
        float(re.search(rf"\| {words}.* \| [\d.]+ \| ([\d.]+) \|", page)[1])
        for words in ("of the two files mapped", "each kernel's proportional share", "all shares together")
    )
    assert mapped == pytest.approx(184_380_000 / 2**20, rel=0.02)
    assert share < mapped / 2
    assert together < 1.1 * mapped
