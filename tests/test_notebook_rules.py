"""The rules that every notebook of the series keeps, read off the committed files without running them.

`make settings` tries every setting of every notebook, one at a time.
"""

import ast
import inspect
import re
import textwrap

import pytest

import helpers
from tests.numbers import FOLDED, PREDICT, minutes, numbers, texts
from tests.series import PATHS, SETTINGS, code_cells, parameters, read, solutions, tagged, tags

HEADER = re.compile(
    r"# (\d+) · .+\n\n> (?P<lesson>[^\n]{30,120})\n\n\*\*You will\*\*\n\n(- .+\n){3,6}\n"
    r"\*\*Time\*\* about (?P<minutes>\d+) minutes to read and run, exercises apart\. \*\*Builds on\*\* .+"
)
QUIZ_OPTION = re.compile(r"<details>\n<summary>(.+)</summary>\n\n\*\*(Right|Not quite)\.\*\* (.+)\n\n</details>")
# Notebooks that run the post's own, diverging setting or one as wild; number 11 divides by a gradient near 0.
CHAOTIC = ("06", "07", "08", "09", "11", "12")
MAIN_ROAD = ("01", "02", "03", "04", "05", "06", "07", "08")
LONGEST_CELL, LONGEST_LINE = 12, 88  # what a learner reads at once
# What a learner who knows loops and lists has not met: the text would have to stop and explain it.
ABOVE_THE_LEVEL = r"\|=|@\w*cache|redirect_stdout|strict=|:=|\(\*[a-z]|, \*[a-z]|\bpartial\(|\bnonlocal\b|\btry:"
MACHINERY = re.compile(r"^.*(\bassert\b|\braise\b|isinstance\(|check_settings\().*$", re.MULTILINE)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem[:2], scope="module")
def path(request):
    return request.param


@pytest.fixture(scope="module")
def notebook(path):
    return read(path)


@pytest.fixture(scope="module")
def cells(notebook):
    """Return the code cells that a learner sees."""
    return [cell for cell in code_cells(notebook) if not FOLDED & set(tags(cell))]


@pytest.fixture(scope="module")
def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def test_header_states_lesson_objectives_time_and_prerequisites(path, notebook):
    match = HEADER.match(notebook.cells[0].source)
    assert match, f"the first cell does not have the form of a header:\n{notebook.cells[0].source}"
    assert match[1] == str(int(path.name[:2]))
    assert int(match["minutes"]) == minutes(notebook), "tests/numbers.py counts other minutes"
    assert int(match["minutes"]) <= 45 or path.name[:2] not in MAIN_ROAD


def test_one_line_checks_the_parameters_and_tells_a_senseless_one_in_a_sentence(notebook):
    cells, settings = code_cells(notebook), parameters(notebook)
    check = cells[cells.index(tagged(notebook, "parameters")) + 1].source
    assert next(iter(settings)) == "seed"
    *imports, call = ast.parse(check).body
    assert all(isinstance(node, ast.ImportFrom) for node in imports)
    assert call.value.func.id == "check_settings"
    exec(check, dict(settings))
    for name in settings:
        for value in SETTINGS[name][2]:
            with pytest.raises(helpers.ArgumentError) as caught:
                exec(check, settings | {name: value})
            assert name.replace("class_name", "class") in str(caught.value)
            assert str(value) in str(caught.value)


def test_what_the_text_claims_stands_in_one_folded_cell_at_the_end(notebook):
    cell = tagged(notebook, "claims")
    assert cell is notebook.cells[-1]
    assert cell.source.startswith("# @title What the text claims\n")
    assert (cell.metadata["jupyter"], cell.metadata["cellView"]) == ({"source_hidden": True}, "form")
    assert not cell.outputs
    assert cell.source.count("assert ") >= 3
    (line,) = [node for node in ast.parse(cell.source).body if ast.unparse(node).startswith("as_printed = ")]
    assert eval(ast.unparse(line.value), parameters(notebook)) is True
    assert all(name in ast.unparse(line) for name in parameters(notebook)), "as_printed looks at every setting"


def test_code_cells_hold_what_a_learner_would_write(cells):
    code = "\n".join(cell.source for cell in cells)
    assert "as_printed" not in code
    assert not re.findall(ABOVE_THE_LEVEL, code), "above what was taught"
    machinery = MACHINERY.findall(code)
    assert len(machinery) <= 0.2 * len(code.splitlines()), machinery


def test_every_number_in_the_text_is_backed(notebook):
    found = numbers(notebook)
    assert found
    assert all(found.values()), f"no output, code or claim says so: {[text for text in found if not found[text]]}"


def test_code_cells_are_short_beside_the_text_and_the_learner_predicts(notebook, cells):
    short = [cell.source for cell in cells if "program" not in tags(cell)]  # a whole one may be as long as it is
    lengths = [len(source.splitlines()) for source in short]
    assert max(lengths) <= LONGEST_CELL, short[lengths.index(max(lengths))]
    for code in [cell.source for cell in code_cells(notebook)] + solutions(notebook):
        assert "fmt:" not in code
        assert max(map(len, code.splitlines())) <= LONGEST_LINE, code
    kinds = "".join(cell.cell_type[0] for cell in notebook.cells)
    assert kinds.count("m") >= 0.8 * kinds.count("c")
    assert "cccc" not in kinds, "four code cells in a row without a word"
    assert len(PREDICT.findall("\n".join(texts(notebook)))) >= 2


def test_exercises_have_folded_solutions_then_a_quiz_a_recap_and_a_door(path, notebook):
    text = "\n".join(texts(notebook))
    exercises = len(re.findall(r"^### Exercise \d", text, re.MULTILINE))
    assert 2 <= exercises <= 5
    assert len(solutions(notebook)) >= exercises
    for code in solutions(notebook):
        compile(textwrap.dedent(code), path.name, "exec")
    assert text.index("## Exercises") < text.index("## Quiz") < text.index("## Recap")
    for following in PATHS[PATHS.index(path) + 1 :][:1]:
        assert re.search(rf"\*\*Next:\*\*.*\({following.name}\)", notebook.cells[-2].source, re.DOTALL)


def test_a_quiz_has_one_right_answer_a_question_and_a_reason_for_each(notebook):
    (quiz,) = [source for source in texts(notebook) if source.startswith("## Quiz\n")]
    questions = re.split(r"### Question \d\n\n", quiz)[1:]
    assert 2 <= len(questions) <= 3
    places = set()
    for question in questions:
        options = QUIZ_OPTION.findall(question)
        assert len(options) == question.count("<details>") == question.count("</details>") >= 3
        verdicts = [verdict for _, verdict, _ in options]
        assert verdicts.count("Right") == 1
        assert all(len(reason) >= 30 for *_, reason in options)
        places.add(verdicts.index("Right"))
    assert len(places) > 1, "the right answer always stands in the same place"


def test_outputs_come_from_one_run_from_top_to_bottom(notebook, outputs):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


def test_every_figure_has_alt_text(notebook, outputs):
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert figures
    for output in figures:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        assert len(alt) >= 40, f"a figure's alt text is missing or says little: {alt!r}"
        assert output.data["text/plain"] in alt
    assert "![](" not in "\n".join(texts(notebook)), "a picture in the text has no alt text"


def test_nothing_is_compared_loosely(path, notebook):
    for cell in code_cells(notebook):
        assert not {"nbval-ignore-output", "nbval-skip", "raises-exception"} & set(tags(cell))
        assert "NBVAL_" not in cell.source
        assert cell.metadata.get("tolerance") is None or path.name[:2] in CHAOTIC


def essence(function: ast.FunctionDef) -> tuple[list[str], str]:
    """Return a function's parameters and its code, without docstring, annotations, defaults and decorators."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return [node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)], ast.unparse(body)


def test_functions_born_here_are_the_ones_in_helpers(cells):
    for node in [node for cell in cells for node in ast.parse(cell.source).body]:
        if isinstance(node, ast.FunctionDef) and node.name in helpers.__all__:
            source = textwrap.dedent(inspect.getsource(getattr(helpers, node.name)))
            assert essence(node) == essence(ast.parse(source).body[0])
