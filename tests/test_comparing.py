"""The comparison behind nbval lets rounding through and nothing else."""

import json
import os
import subprocess
import sys

import nbformat
import pytest

from tests.comparing import DECIMAL, comparable, differences, texts_match
from tests.series import PATHS, ROOT, code_cells, kernel, read
from tools import page


@pytest.mark.parametrize(
    ("saved", "fresh", "tolerance", "same"),
    [
        ("accuracy 0.4106", "accuracy 0.4112", None, True),
        ("41%", "42%", None, True),
        ("a   0.41", "a  0.411", None, True),
        ("2.3e-08", "9.1e-08", None, True),
        ("accuracy 0.4106", "accuracy 0.4306", None, False),
        ("accuracy 0.4106", "Accuracy 0.4106", None, False),
        ("45,000 images", "45,001 images", None, False),
        ("0.41 0.42", "0.41", None, False),
        ("−0.30", "0.30", None, False),
        ("41.0%", "41.0", None, False),
        ("0.28", "0.45", 0.3, True),
        ("0.28", "0.65", 0.3, False),
    ],
)
def test_decimals_may_move_by_their_tolerance_and_nothing_else_may(saved, fresh, tolerance, same):
    assert texts_match(saved, fresh, tolerance) is same


@pytest.mark.parametrize(
    ("text", "printed", "backed"),
    [("41%", "0.4106", True), ("42%", "0.4106", False), ("41%", "0.4206", False), ("0.41", "41.1%", True)],
)
def test_a_number_in_the_text_is_the_rounding_of_one_that_its_section_prints(text, printed, backed):
    output = nbformat.v4.new_output("stream", text=f"accuracy {printed}\n")
    told, ran = nbformat.v4.new_markdown_cell(f"It gets {text} right."), nbformat.v4.new_code_cell(outputs=[output])
    assert page.numbers(nbformat.v4.new_notebook(cells=[told, ran])) == [(0, text, backed)]


@pytest.mark.slow
@pytest.mark.parametrize(("saved", "caught"), [("accuracy 0.4111", False), ("accuracy 0.4706", True)])
def test_nbval_catches_a_stale_output(tmp_path, saved, caught):
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    cell = nbformat.v4.new_code_cell("print('accuracy', 0.4106)", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=saved + "\n")]
    notebook.cells = [cell]
    (tmp_path / "stale.ipynb").write_text(json.dumps(notebook))
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-q", "--nbval", "stale.ipynb"]
    result = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert result.returncode == int(caught), result.stdout.decode()


def test_an_output_more_or_less_or_of_another_kind_is_noticed_and_a_bar_or_a_break_is_not():
    first, second = (nbformat.v4.new_output("stream", text=text) for text in ("loss 0.3011\n", "done\n"))
    bar = nbformat.v4.new_output("stream", name="stderr", text="\r 50%|█ | 1/2\r            \r")
    whole = nbformat.v4.new_output("stream", text="loss 0.3012\ndone\n")
    assert not differences([first, second], [bar, whole])
    error = nbformat.v4.new_output("error", ename="E", evalue="done")
    for others in ([], [first], [whole, error], [nbformat.v4.new_output("stream", name="stderr", text=whole.text)]):
        assert differences([whole], others)
    other = nbformat.v4.new_output("stream", text="loss 0.5\ndone\n")
    assert differences([whole], [other])
    assert not differences([whole], [other], tolerance=0.3)


@pytest.mark.slow
def test_a_stale_picture_and_a_missing_one_are_noticed():
    source = (
        "import numpy as np\nfrom helpers.plots import new_figure\nfigure, axes = new_figure()\n"
        "axes.imshow(np.arange(16).reshape(4, 4){})\nfigure"
    )
    with kernel() as fresh:
        right, again, transposed = (fresh.run(source.format(how)).outputs for how in ("", "", ".T"))
    assert not differences(right, again)
    assert differences(right, transposed)
    assert differences(right, [])


def moved(text: str, times: float, tolerance: float | None) -> str:
    """Return a text whose decimals are all larger by `times` what another processor's may differ, and a last digit."""

    def move(match):
        number, places = float(match[0].replace("−", "-").replace(",", "")), len(match[0].partition(".")[2])
        unit = 100 if text[match.end() : match.end() + 1] == "%" else 1
        allowed = tolerance * max(unit, abs(number)) if tolerance else max(0.002 * unit, 0.02 * abs(number))
        written = f"{number + times * allowed + (times > 1) * 2 * 0.1**places:.{places}f}"
        return written.replace("-", match[0][0] if match[0][0] in "-−" else "-")

    return DECIMAL.sub(move, text)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])
def test_every_printed_number_may_move_by_its_tolerance_and_no_further(path):
    found = 0
    for cell in code_cells(read(path)):
        tolerance = cell.metadata.get("tolerance")
        for output in comparable(cell.outputs):
            text = output.get("stdout") or output.get("text/plain") or ""
            if DECIMAL.search(text) and not any(match[0].count("e") for match in DECIMAL.finditer(text)):
                found += 1
                assert texts_match(text, moved(text, 0.95, tolerance), tolerance), text
                assert not texts_match(text, moved(text, 1.5, tolerance), tolerance), text
    assert found > 3
