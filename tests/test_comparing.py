"""The comparison behind nbval lets rounding through and nothing else; a number in a text is one that is printed."""

import os
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.comparing import differences, texts_match
from tests.numbers import numbers
from tests.series import ROOT


@pytest.mark.parametrize(
    ("saved", "fresh", "tolerance", "same"),
    [
        ("accuracy 0.4106", "accuracy 0.4112", None, True),
        ("41%", "42%", None, True),
        ("a   0.41", "a  0.411", None, True),
        ("2.3e-08", "9.1e-08", None, True),
        ("1,234.5", "1,250.0", None, True),
        ("1,234.5", "1,270.0", None, False),
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
    ran = new_code_cell(outputs=[new_output("stream", text=f"accuracy {printed}\n")])
    assert numbers(new_notebook(cells=[new_markdown_cell(f"It gets {text} right."), ran])) == {text: backed}


@pytest.mark.slow
def test_nbval_catches_a_stale_output(tmp_path):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    for name, said in (("fresh", "accuracy 0.4111\n"), ("stale", "accuracy 0.4706\n")):
        cell = new_code_cell("print('accuracy', 0.4106)", execution_count=1, outputs=[new_output("stream", text=said)])
        nbformat.write(new_notebook(metadata=kernel, cells=[cell]), tmp_path / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-q", "-rA", "--nbval", tmp_path]
    result = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    told = [line for line in result.stdout.decode().splitlines() if line.startswith(("PASSED", "FAILED"))]
    assert [line[:6] for line in told] == ["PASSED", "PASSED", "PASSED", "FAILED"]
    assert ["stale" in line for line in told] == [False, False, True, True]


def printed(text: str, name: str = "stdout"):
    return new_output("stream", name=name, text=text)


def picture(level: float, words: str = "Two bars."):
    about = {"image/png": {"shows": [[level, 0.5, 0.5, 0.5]]}}
    return new_output("display_data", data={"image/png": "iVBOR", "text/plain": words}, metadata=about)


@pytest.mark.parametrize(
    ("saved", "fresh", "same"),
    [
        ([printed("loss 0.3011\n"), printed("done\n")], [printed("loss 0.3012\ndone\n")], True),
        ([printed("done\n")], [printed("\r 50%|█ | 1/2\r            \r", "stderr"), printed("done\n")], True),
        ([printed("done\n")], [], False),
        ([printed("done\n")], [printed("done\n", "stderr")], False),
        ([printed("done\n")], [printed("done\n"), new_output("error", ename="E", evalue="done")], False),
        ([picture(0.2)], [picture(0.2001)], True),
        ([picture(0.2)], [picture(0.4)], False),
        ([picture(0.2)], [picture(0.2, "Three bars.")], False),
        ([picture(0.2)], [picture(0.2), picture(0.2)], False),
        ([picture(0.2)], [], False),
    ],
)
def test_an_output_more_or_less_or_of_another_kind_is_noticed_and_a_bar_or_a_break_is_not(saved, fresh, same):
    assert (not differences(saved, fresh)) is same
