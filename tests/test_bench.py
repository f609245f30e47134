"""The benchmark runs, compares like with like, and writes its page only at the end. No test looks at a speed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCH))

import bench  # noqa: E402
import report  # noqa: E402

PLOTS = ("steps.png", "cost.png", "accuracy.png")


def start(*arguments, **extra) -> subprocess.Popen:
    environ = {**os.environ, **extra}
    return subprocess.Popen(
        [sys.executable, BENCH / "bench.py", "--quick", *map(str, arguments)], env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory, data_folder):
    """Return the folder into which a quick run wrote; torch and scikit-learn are hidden from it."""
    into, hidden = tmp_path_factory.mktemp("bench"), tmp_path_factory.mktemp("hidden")
    for name in ("torch", "sklearn"):
        (hidden / f"{name}.py").write_text("raise ModuleNotFoundError(__name__)")
    run = start("--into", into, PYTHONPATH=str(hidden), BENCH_PYTHON=sys.executable)
    _, complaint = run.communicate(timeout=900)
    assert run.returncode == 0, complaint[-3_000:]
    return into


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "results.md").read_text()


def row(page: str, label: str) -> list[str]:
    """Return the cells of the first table row that begins with `label`."""
    (line, *_) = [line for line in page.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.slow
class TestAQuickRun:
    @pytest.mark.parametrize("name", report.NAMES)
    def test_has_a_row_for_each_contender(self, page, name):
        cells = row(page, report.NAMES[name])
        if name in report.EXTRA:
            assert cells[1] == 'not installed: pip install "ten-templates[bench]"'
        else:
            assert all(cells)

    @pytest.mark.parametrize("name", [name for name in report.NAMES if name not in report.EXTRA])
    def test_contenders_learn_what_this_model_can_learn(self, page, name):
        low, high = report.BANDS["post" if name == "post" else "ours"]
        accuracy = float(row(page, report.NAMES[name])[-1].removesuffix("%")) / 100
        assert low <= accuracy <= high

    def test_has_all_tables(self, page):
        for label in (*report.WAYS.values(), "ours: `load_data`, `train`, `evaluate`", "the post's", report.WHOLE):
            assert all(row(page, label)[1:])
        for heading in (
            "Goals",
            "What a step is spent on",
            "Loading the data",
            "Whole program",
            "Accuracy against time",
        ):
            assert f"\n## {heading}\n" in page
        assert "- The floor: " in page
        assert "- What sharing costs: " in page
        assert len(re.findall(r"^- \*\*(Met|Not met)\*\*: .+\d", page, re.MULTILINE)) == len(report.GOALS)

    def test_plots_are_there_and_described(self, page, folder):
        assert sorted(path.name for path in folder.iterdir()) == sorted([*PLOTS, "results.md"])
        for name in PLOTS:
            assert re.search(rf"!\[[^\]]{{60,}}\]\({name}\)", page)

    def test_stamp_names_versions_and_neither_host_nor_folder(self, page, folder):
        for word in ("Processor", "cores", "Python 3", "numpy", "tensorflow", "keras"):
            assert word in page
        for word in (os.uname().nodename, str(folder), str(BENCH.parent), "/tmp", str(Path.home())):
            assert word not in page


def test_an_interrupt_leaves_the_page_as_it_was(tmp_path, monkeypatch, capsys):
    def interrupted(jobs, work, at_once):
        if jobs[0].table != "prepare":
            raise KeyboardInterrupt
        return {}

    (tmp_path / "results.md").write_text("of old")
    monkeypatch.setattr(bench, "run_jobs", interrupted)
    monkeypatch.setattr(bench.signal, "signal", lambda *_: None)
    assert bench.main(["--quick", "--only", "ours", "--into", str(tmp_path)]) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of old"]


def test_a_contender_outside_its_band_stops_the_run():
    answers = {("check", "numpy"): [{"accuracy": 0.5}], ("check", "torch"): [{"absent": "no torch"}]}
    with pytest.raises(ValueError, match=r"NumPy.* scores 0\.500 .* outside 0\.38 to 0\.43"):
        bench.check_accuracies(answers)
    answers["check", "numpy"] = [{"accuracy": 0.41}]
    answers["check", "post"] = [{"accuracy": 0.25}]
    bench.check_accuracies(answers)


def test_rounds_are_interleaved_and_start_with_another_contender_each_time():
    names = ["ours", "numpy", "keras"]
    rounds = [job.key for job in bench.list_jobs(bench.Plan(), names) if job.table in ("steps", "limit")]
    assert rounds[:8] == ["limit", "ours", "numpy", "keras", "limit", "numpy", "keras", "ours"]
    assert rounds.count("ours") == bench.Plan().rounds >= 5


def test_ratios_are_taken_within_a_round():
    limit = [{"flops": report.FLOPS * 1_000.0, "bytes": 1.0}, {"flops": report.FLOPS * 500.0, "bytes": 1.0}]
    answers = {("limit", "limit"): limit, ("steps", "ours"): [{"seconds": 3.0}, {"seconds": 8.0}]}
    assert report.ratio({"plan": bench.Plan(), "answers": answers}, "ours") == [3.0, 4.0]


def test_spread_is_median_smallest_and_largest():
    assert report.spread([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"
    assert report.spread([3.0]) == "3.00"
