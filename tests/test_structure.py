"""The rules that every notebook of the series keeps, read off the committed files without running them."""

import ast
import inspect
import re
import statistics
import textwrap
import tomllib

import pytest
from series import PATHS, ROOT, check_cell, code_cells, parameters, read, solutions, tagged, tags

import helpers

pytestmark = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem[:2])

HEADER = re.compile(
    r"# (\d) · .+\n\n> (?P<lesson>[^\n]{30,120})\n\n\*\*You will\*\*\n\n(- .+\n){3,6}\n"
    r"\*\*Time\*\* about \d\d minutes to study, under a minute to run\. \*\*Builds on\*\* .+"
)
FOREIGN_PATH = re.compile(r"(?<![\w./])(/(home|root|tmp|Users|usr|work)/|[A-Z]:\\\\)")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
QUIZ_OPTION = re.compile(r"<details>\n<summary>(.+)</summary>\n\n\*\*(Right|Not quite)\.\*\* (.+)\n\n</details>")
CHAOTIC = ("06", "07", "08", "09")  # notebooks that run the post's own, diverging setting
LONGEST_CELL = 12  # lines of code that a learner reads at once
LONGEST_LINE = tomllib.loads((ROOT / "notebooks" / ".ruff.toml").read_text(encoding="utf-8"))["line-length"]


def text_of(notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells)


def test_header_states_lesson_objectives_time_and_prerequisites(path):
    source = read(path).cells[0].source
    match = HEADER.match(source)
    assert match, f"the first cell does not have the form of a header:\n{source}"
    assert match[1] == str(int(path.name[:2]))


def test_badges_and_colab_cell_open_the_notebook(path):
    cells = read(path).cells
    assert "badges" in tags(cells[1])
    assert path.name in cells[1].source
    assert "colab" in tags(code_cells(read(path))[0])


def test_parameters_stand_in_one_cell_with_the_seed_first(path):
    names = list(parameters(read(path)))
    assert names[0] == "seed"
    assert len(names) >= 2


def test_parameters_are_checked_and_as_printed_in_the_committed_state(path):
    notebook = read(path)
    source = check_cell(notebook).source
    (line,) = [node for node in ast.parse(source).body if "as_printed" in ast.unparse(node).split("=")[0]]
    namespace = dict(parameters(notebook))
    exec(ast.unparse(line), namespace)
    assert namespace["as_printed"] is True
    for name in parameters(notebook):
        assert name in ast.unparse(line), f"as_printed does not look at {name}"
        assert name in source.replace(ast.unparse(line), ""), f"{name} is not checked"


def test_code_cells_are_short(path):
    cells = [cell.source for cell in code_cells(read(path)) if "colab" not in tags(cell)]
    lengths = [len(source.splitlines()) for source in cells]
    assert max(lengths) <= LONGEST_CELL, cells[lengths.index(max(lengths))]
    assert statistics.median(lengths) <= 6


def test_lines_of_code_fit_beside_text_and_say_nothing_to_the_formatter(path):
    notebook = read(path)
    for code in [cell.source for cell in code_cells(notebook)] + solutions(notebook):
        assert "fmt:" not in code
        assert max(map(len, code.splitlines())) <= LONGEST_LINE, code


def test_text_keeps_pace_with_code(path):
    notebook = read(path)
    texts = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    assert len(texts) >= 0.8 * len(code_cells(notebook))
    kinds = "".join("c" if cell.cell_type == "code" else "t" for cell in notebook.cells)
    assert "cccc" not in kinds, "four code cells in a row without a word"


def test_learner_predicts_before_running(path):
    assert len(re.findall(r"^> \*\*Predict\.\*\* ", text_of(read(path)), re.MULTILINE)) >= 2


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
        last = notebook.cells[-1].source
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


def test_it_asserts_what_it_says(path):
    asserts = sum(cell.source.count("assert ") for cell in code_cells(read(path)))
    assert asserts >= 5


def test_outputs_come_from_one_run_from_top_to_bottom(path):
    notebook = read(path)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert "widgets" not in notebook.metadata
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata["language_info"] == {"name": "python"}


def test_every_figure_has_alt_text(path):
    notebook = read(path)
    figures = [
        output
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "image/png" in output.get("data", {}) or "image/svg+xml" in output.get("data", {})
    ]
    assert figures
    for output in figures:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        assert len(alt) >= 40, f"a figure's alt text is missing or says little: {alt!r}"
        assert output.data["text/plain"] == alt
    assert "plt.show" not in text_of(notebook)
    assert not re.findall(r"!\[\s*\]\(", text_of(notebook)), "a picture in the text has no alt text"


def test_headline_is_one_line(path):
    (output,) = tagged(read(path), "headline").outputs
    assert len(output.text.strip().splitlines()) == 1


def test_nothing_points_at_somebodys_machine(path):
    notebook = read(path)
    shown = [str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", "")) for cell in
             code_cells(notebook) for output in cell.outputs]  # fmt: skip
    for text in [text_of(notebook), *shown]:
        assert not FOREIGN_PATH.search(text)


def test_links_between_files_are_alive(path):
    for target in LINK.findall(text_of(read(path))):
        if not re.match(r"[a-z]+:|#", target):
            assert (path.parent / target.partition("#")[0]).exists(), f"{target} leads nowhere"


def test_nothing_that_hangs_or_runs_outside_python(path):
    for cell in code_cells(read(path)):
        assert not re.search(r"\b(interact|interactive|interactive_output|widgets\.Output)\(", cell.source)
        if "colab" not in tags(cell):
            assert not re.search(r"^\s*[!%]", cell.source, re.MULTILINE)


def test_chaos_is_the_only_excuse_for_loose_comparison(path):
    for cell in code_cells(read(path)):
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


def test_it_is_small_enough_to_read_online(path):
    assert path.stat().st_size < 3_000_000
    assert ROOT in path.parents
