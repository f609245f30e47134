"""What a judged submission comes to: points and comments for the gradebook, and a notebook that is safe to open.

That notebook holds the student's answers between the instructor's cells, and for each check what it says. It has no
hidden test, no input of one, no output that a submission made up, and no markup of a student's.
"""

import nbformat

from coursework.grading.assignment import Assignment, mark, question_of
from coursework.grading.text import plain_markdown, printable
from coursework.leaks import SECRET

UNFILLED = "YOUR ANSWER HERE"
NOTE = "ten_templates"  # under which the notebook's metadata says what it was made from


def nothing(assignment: Assignment, reason: str) -> dict:
    """Return the result of a submission that could not be judged: no points, and the reason."""
    tests = [
        {"cell": mark(cell, "grade_id"), "question": question_of(cell), "points": 0, "of": mark(cell, "points"),
         "said": reason}
        for cell in assignment.tests
    ]  # fmt: skip
    return {"tests": tests, "remarks": [reason], "outcomes": {}}


def own_cells(assignment: Assignment, notebook) -> tuple[dict[str, str], dict[int, list]]:
    """Return the student's answers by the cell's name, and their own cells by the instructor's cell that they follow.

    Of two cells with one name, both sources count, as both ran.
    """
    answers, own, place = {}, {}, 0
    for cell in notebook.cells:
        name = mark(cell, "grade_id")
        position = assignment.positions.get(name) if isinstance(name, str) else None
        if position is None:
            if cell.cell_type in ("code", "markdown") and not same(assignment, cell):
                own.setdefault(place, []).append(cell)
        else:
            place = max(place, position)
            if mark(assignment.cells[position], "solution"):
                answers[name] = f"{answers[name]}\n\n{cell.source}" if name in answers else cell.source
    return answers, own


def same(assignment: Assignment, cell) -> bool:
    """Return whether a cell without a name is the instructor's own: its text, or the cell that fetches the series."""
    tagged = cell.metadata.get("tags")
    return (isinstance(tagged, list) and ("colab" in tagged or "student-id" in tagged)) or any(
        cell.source == one.source for one in assignment.cells if not mark(one, "solution")
    )


def written(assignment: Assignment, notebook) -> dict[str, str]:
    """Return what stands for each written answer: its cell, and own text between it and the instructor's next cell."""
    answers, own = own_cells(assignment, notebook)
    found = {}
    for question in assignment.questions:
        if question.manual:
            text = answers.get(question.name, "").replace(UNFILLED, "")
            beside = own.get(assignment.positions[question.name], []) + own.get(
                assignment.positions[question.name] - 1, []
            )
            found[question.name] = "\n\n".join([text, *(c.source for c in beside if c.cell_type == "markdown")]).strip()
    return found


def scores(assignment: Assignment, notebook, result: dict) -> dict[str, float | None]:
    """Return the points of each graded cell; None where a person gives them, 0 where nothing was written."""
    texts = written(assignment, notebook) if notebook else {}
    points = {
        question.name: None if texts.get(question.name) else 0.0 for question in assignment.questions if question.manual
    }
    return points | {test["cell"]: float(test["points"]) for test in result["tests"]}


def comments(assignment: Assignment, notebook, result: dict) -> dict[str, str | None]:
    """Return what to say on each answer, in Markdown; None where there is nothing to say."""
    texts = written(assignment, notebook) if notebook else {}
    found = {}
    for number, question in enumerate(assignment.questions):
        said = [test["said"] for test in result["tests"] if test["question"] == question.name and test["said"]]
        if question.manual and not texts.get(question.name):
            said.append("No answer.")
        if number == 0:
            said += result["remarks"]
        found[question.name] = plain_markdown("\n\n".join(dict.fromkeys(map(printable, said)))) or None
    return found


def stream(text: str) -> list:
    return [nbformat.v4.new_output("stream", name="stdout", text=text)] if text else []


def autograded(assignment: Assignment, notebook, result: dict, note: dict) -> nbformat.NotebookNode:
    """Return the notebook to show in nbgrader's form and as feedback; `note` goes into its metadata."""
    answers, own = own_cells(assignment, notebook) if notebook else ({}, {})
    said = {test["cell"]: test for test in result["tests"]}
    shown = nbformat.v4.new_notebook(metadata={**assignment.notebook.metadata, NOTE: note})
    for position, original in enumerate(assignment.cells):
        name, outputs = mark(original, "grade_id"), []
        source = SECRET.sub("", original.source).rstrip()
        if mark(original, "solution"):
            source = printable(answers.get(name, "(The cell is missing.)"), 100_000)
            outcome = result["outcomes"].get(name, {})
            outputs = stream(outcome.get("printed", "") + (outcome.get("error") or ""))
        elif name in said:
            test = said[name]
            outputs = stream(f"{test['points']:g} of {test['of']:g} points. {test['said'] or 'All checks hold.'}")
        if original.cell_type == "markdown":
            cell = nbformat.v4.new_markdown_cell(plain_markdown(source) if mark(original, "solution") else source)
        else:
            cell = nbformat.v4.new_code_cell(source, outputs=outputs)
        if marks := original.metadata.get("nbgrader"):
            cell.metadata.nbgrader = marks
        shown.cells.append(cell)
        for one in own.get(position, []):
            text = printable(one.source, 100_000)
            shown.cells.append(
                nbformat.v4.new_code_cell(text)
                if one.cell_type == "code"
                else nbformat.v4.new_markdown_cell(plain_markdown(text))
            )
    return shown
