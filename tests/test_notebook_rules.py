"""The rules that every notebook of the series keeps, read off the committed files without running them.

tools/page.py counts; `make settings` tries every setting of every notebook, one at a time.
"""

import ast
import inspect
import re
import statistics
import textwrap
import tomllib

import pytest

import helpers
from tests.series import OTHER, PATHS, ROOT, check_cell, code_cells, parameters, read, solutions, tagged, tags
from tools import page

pytestmark = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])

HEADER = re.compile(
    r"# (\d+) · .+\n\n> (?P<lesson>[^\n]{30,120})\n\n\*\*You will\*\*\n\n(- .+\n){3,6}\n"
    r"\*\*Time\*\* about (?P<minutes>\d+) minutes to read and run, exercises apart\. \*\*Builds on\*\* .+"
)
QUIZ_OPTION = re.compile(r"<details>\n<summary>(.+)</summary>\n\n\*\*(Right|Not quite)\.\*\* (.+)\n\n</details>")
# Notebooks that run the post's own, diverging setting or one as wild; number 11 divides by a gradient near 0.
CHAOTIC = ("06", "07", "08", "09", "11", "12")
MAIN_ROAD = ("01", "02", "03", "04", "05", "06", "07", "08")
PLAIN_MATPLOTLIB = ("01", "02", "03", "04", "05", "06", "07", "10")
LONGEST_CELL = 12  # lines of code that a learner reads at once
# What a learner who knows loops and lists has not met: the text would have to stop and explain it.
ABOVE_THE_LEVEL = r"\|=|@\w*cache|redirect_stdout|strict=|:=|\(\*[a-z]|, \*[a-z]|\bpartial\(|\bnonlocal\b|\btry:"
LONGEST_LINE = tomllib.loads((ROOT / "notebooks" / ".ruff.toml").read_text(encoding="utf-8"))["line-length"]


SENSELESS = {
    "strides": [0, 2.5],
    "seed": [-1, 1.5],
    "learning_rate": [-0.1, 0, "fast", float("nan")],
    "batch_size": [0, 60_000, 2.5],
    "steps": [0, 3.5],
    "weight_decay": [-1],
    "class_name": ["hores"],
    "validation": [0, 50_000],
    "index": [-1, 50_000, 1.5],
    "hidden_units": [0, 2.5],
}


def text_of(notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells)


def test_header_states_lesson_objectives_time_and_prerequisites(path):
    source = read(path).cells[0].source
    match = HEADER.match(source)
    assert match, f"the first cell does not have the form of a header:\n{source}"
    assert match[1] == str(int(path.name[:2]))
    assert int(match["minutes"]) == page.minutes(read(path)), "tools/page.py counts other minutes"
    assert int(match["minutes"]) <= 45 or path.name[:2] not in MAIN_ROAD


def test_parameters_stand_in_one_cell_and_one_line_checks_them(path):
    notebook = read(path)
    names = list(parameters(notebook))
    assert names[0] == "seed"
    assert len(names) >= 2
    *imports, check = ast.parse(check_cell(notebook).source).body
    assert all(isinstance(node, ast.ImportFrom) for node in imports)
    assert check.value.func.id == "check_settings"
    assert set(names) <= {keyword.arg for keyword in check.value.keywords}


def test_a_senseless_setting_gets_one_sentence_and_each_has_other_values_to_try(path):
    notebook = read(path)
    settings, check = parameters(notebook), check_cell(notebook).source
    exec(check, dict(settings))
    assert all(other.keys() == settings.keys() for other in OTHER[path.name[:2]])
    for name in settings:
        for value in SENSELESS[name]:
            with pytest.raises(helpers.ArgumentError) as caught:
                exec(check, settings | {name: value})
            assert name.replace("class_name", "class") in str(caught.value)
            assert str(value) in str(caught.value)


def test_what_the_text_claims_stands_in_one_folded_cell_at_the_end(path):
    notebook = read(path)
    cell = tagged(notebook, "claims")
    assert cell is notebook.cells[-1]
    assert cell.source.startswith("# @title What the text claims\n")
    assert cell.metadata["jupyter"]["source_hidden"]
    assert cell.metadata["cellView"] == "form"
    assert not cell.outputs
    assert cell.source.count("assert ") >= 3
    (line,) = [node for node in ast.parse(cell.source).body if ast.unparse(node).startswith("as_printed = ")]
    assert eval(ast.unparse(line.value), parameters(notebook)) is True
    assert all(name in ast.unparse(line) for name in parameters(notebook)), "as_printed looks at every setting"


def test_code_cells_hold_what_a_learner_would_write(path):
    notebook = read(path)
    serving, every = page.scaffolding(notebook)
    assert serving <= 0.2 * every, f"{serving} of {every} lines of code serve the machinery"
    for cell in code_cells(notebook):
        if not {"colab", "claims"} & set(tags(cell)):
            assert "as_printed" not in cell.source
            assert not re.search(ABOVE_THE_LEVEL, cell.source), f"above what was taught: {cell.source}"
            assert path.name[:2] not in MAIN_ROAD or not page.only_asserts(cell), cell.source


def test_the_main_pictures_are_drawn_in_plain_matplotlib(path):
    if path.name[:2] in PLAIN_MATPLOTLIB:
        source = "\n".join(cell.source for cell in code_cells(read(path)))
        assert 'plt.style.use("helpers.series")' in source
        assert len(re.findall(r"^.*\b(plt|ax|axes|axis|figure)\b.*$", source, re.MULTILINE)) >= 6


def test_every_number_in_the_text_is_backed(path):
    found = page.numbers(read(path))
    loose = [f"cell {index}: {number}" for index, number, backed in found if not backed]
    assert found
    assert not loose, f"no output and no claim says so: {loose}"


def test_code_cells_are_short_beside_the_text(path):
    notebook = read(path)
    apart = {"colab", "claims", "program"}  # a whole program may be as long as it is
    cells = [cell.source for cell in code_cells(notebook) if not apart & set(tags(cell))]
    lengths = [len(source.splitlines()) for source in cells]
    assert max(lengths) <= LONGEST_CELL, cells[lengths.index(max(lengths))]
    assert statistics.median(lengths) <= 6
    for code in [cell.source for cell in code_cells(notebook)] + solutions(notebook):
        assert "fmt:" not in code
        assert max(map(len, code.splitlines())) <= LONGEST_LINE, code


def test_text_keeps_pace_with_code_and_the_learner_predicts(path):
    notebook = read(path)
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    assert len(texts) >= 0.8 * len(code_cells(notebook))
    kinds = "".join("c" if cell.cell_type == "code" else "t" for cell in notebook.cells)
    assert "cccc" not in kinds, "four code cells in a row without a word"
    assert len(re.findall(r"^> \*\*Predict\.\*\* ", text_of(notebook), re.MULTILINE)) >= 2


def test_exercises_have_folded_solutions_then_a_recap_and_a_door(path):
    notebook = read(path)
    text = text_of(notebook)
    exercises = len(re.findall(r"^### Exercise \d", text, re.MULTILINE))
    assert 2 <= exercises <= 5
    assert len(solutions(notebook)) >= exercises
    for code in solutions(notebook):
        compile(textwrap.dedent(code), path.name, "exec")
    assert text.index("## Exercises") < text.index("## Recap")
    position = PATHS.index(path)
    if position + 1 < len(PATHS):
        last = notebook.cells[-2].source
        assert "**Next:**" in last
        assert f"({PATHS[position + 1].name})" in last


def test_a_quiz_before_the_recap_has_one_right_answer_a_question_and_a_reason_for_each(path):
    sources = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    (quiz,) = [source for source in sources if source.startswith("## Quiz\n")]
    assert sources[sources.index(quiz) + 1].startswith("## Recap")
    questions = re.split(r"### Question \d\n\n", quiz)[1:]
    assert 2 <= len(questions) <= 3
    places = []
    for question in questions:
        options = QUIZ_OPTION.findall(question)
        assert len(options) == question.count("<details>") == question.count("</details>") >= 3
        verdicts = [verdict for _, verdict, _ in options]
        assert sorted(verdicts) == ["Not quite"] * (len(options) - 1) + ["Right"]
        assert all(len(reason) >= 30 for *_, reason in options)
        places.append(verdicts.index("Right"))
    assert len(set(places)) > 1, "the right answer always stands in the same place"


def test_outputs_come_from_one_run_from_top_to_bottom(path):
    notebook = read(path)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata["language_info"] == {"name": "python"}


def test_every_figure_has_alt_text(path):
    notebook = read(path)
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    figures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert figures
    for output in figures:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        assert len(alt) >= 40, f"a figure's alt text is missing or says little: {alt!r}"
        assert output.data["text/plain"] in alt
    assert not re.findall(r"!\[\s*\]\(", text_of(notebook)), "a picture in the text has no alt text"


def test_nothing_that_hangs_runs_outside_python_or_is_compared_loosely(path):
    for cell in code_cells(read(path)):
        assert not re.search(r"\b(interact|interactive|interactive_output|widgets\.Output)\(", cell.source)
        assert "colab" in tags(cell) or not re.search(r"^\s*[!%]", cell.source, re.MULTILINE)
        assert not {"nbval-ignore-output", "nbval-skip", "raises-exception"} & set(tags(cell))
        assert "NBVAL_" not in cell.source
        assert cell.metadata.get("tolerance") is None or path.name[:2] in CHAOTIC


def stripped(function: ast.FunctionDef) -> str:
    """Return a function's code without docstring, annotations and defaults."""
    function.returns = None
    function.decorator_list = []
    function.args.defaults, function.args.kw_defaults = [], [None] * len(function.args.kwonlyargs)
    for argument in function.args.args + function.args.kwonlyargs:
        argument.annotation = None
    if ast.get_docstring(function):
        function.body = function.body[1:]
    return ast.unparse(function)


def test_functions_born_here_are_the_ones_in_helpers(path):
    for cell in code_cells(read(path)):
        if "def " not in cell.source or "colab" in tags(cell):
            continue
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.FunctionDef) and node.name in helpers.__all__:
                source = textwrap.dedent(inspect.getsource(getattr(helpers, node.name)))
                assert stripped(node) == stripped(ast.parse(source).body[0])
