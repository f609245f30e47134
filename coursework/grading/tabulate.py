"""What a judged submission comes to: points and comments for the gradebook, and a notebook that is safe to open.

That notebook holds the student's answers between the instructor's cells, and for each check what it says. It has no
hidden test, no input of one, no output that a submission made up, and no markup of a student's.
"""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from coursework.grading.assignment import Assignment, mark, question_of, tags
from coursework.grading.text import plain_markdown, printable
from coursework.leaks import SECRET

UNFILLED = "YOUR ANSWER HERE"
NOTE = "ten_templates"  # under which the notebook's metadata says what it was made from


def nothing(assignment: Assignment, reason: str) -> dict:
    """Return the result of a submission that could not be judged: no points, and the reason."""
    said = {mark(cell, "grade_id"): reason for cell in assignment.tests}
    return {"said": said, "remarks": [reason], "outcomes": {}}


def own_cells(assignment: Assignment, notebook) -> tuple[dict[str, str], dict[int, list]]:
    """Return the student's answers by the cell's name, and their own cells by the instructor's cell that they follow.

    Of two cells with one name, both sources count, as both ran.
    """
    answers, own, place = {}, {}, 0
    given = {cell.source for cell in assignment.cells if not mark(cell, "solution")}
    for cell in notebook.cells if notebook else ():
        name, position = mark(cell, "grade_id"), assignment.position(cell)
        if position is None:
            if cell.source not in given and not {"colab", "student-id"} & set(tags(cell)):
                own.setdefault(place, []).append(cell)
        else:
            place = max(place, position)
            if mark(assignment.cells[position], "solution"):
                answers[name] = f"{answers[name]}\n\n{cell.source}" if name in answers else cell.source
    return answers, own


def written(assignment: Assignment, notebook) -> dict[str, str]:
    """Return what stands for each written answer: its cell, and own text between it and the instructor's next cell."""
    answers, own = own_cells(assignment, notebook)
    found = {}
    for question in assignment.questions:
        if question.manual:
            place = assignment.positions[question.name]
            beside = [cell.source for at in (place, place - 1) for cell in own.get(at, []) if cell.cell_type != "code"]
            texts = [answers.get(question.name, "").replace(UNFILLED, ""), *beside]
            found[question.name] = "\n\n".join(texts).strip()
    return found


def points(cell, result: dict) -> float:
    """Return what a test gives: all of its points, or none."""
    return float(mark(cell, "points")) if result["said"][mark(cell, "grade_id")] is None else 0.0


def scores(assignment: Assignment, notebook, result: dict) -> dict[str, float | None]:
    """Return the points of each graded cell; None where a person gives them, 0 where nothing was written."""
    by_hand = {name: None if text else 0.0 for name, text in written(assignment, notebook).items()}
    return by_hand | {mark(cell, "grade_id"): points(cell, result) for cell in assignment.tests}


def comments(assignment: Assignment, notebook, result: dict) -> dict[str, str | None]:
    """Return what to say on each answer, in Markdown; None where there is nothing to say."""
    said = {question.name: [] for question in assignment.questions}
    for cell in assignment.tests:
        said[question_of(cell)].append(result["said"][mark(cell, "grade_id")])
    for name, text in written(assignment, notebook).items():
        said[name].append(None if text else "No answer.")
    said[assignment.questions[0].name] += result["remarks"]
    return {
        name: plain_markdown("\n\n".join(dict.fromkeys(map(printable, filter(None, texts))))) or None
        for name, texts in said.items()
    }


def autograded(assignment: Assignment, notebook, result: dict, note: dict) -> nbformat.NotebookNode:
    """Return the notebook to show in nbgrader's form and as feedback; `note` goes into its metadata."""
    answers, own = own_cells(assignment, notebook)
    shown = nbformat.v4.new_notebook(metadata={**assignment.notebook.metadata, NOTE: note})
    for position, original in enumerate(assignment.cells):
        name, output = mark(original, "grade_id"), ""
        cell = nbformat.from_dict({**original, "source": SECRET.sub("", original.source).rstrip()})
        if mark(original, "solution"):
            cell = students(original.cell_type, answers.get(name, "(The cell is missing.)"))
            outcome = result["outcomes"].get(name, {})
            output = outcome.get("printed", "") + (outcome.get("error") or "")
        elif name in result["said"]:
            says = result["said"][name] or "All checks hold."
            output = f"{points(original, result):g} of {mark(original, 'points'):g} points. {says}"
        if cell.cell_type == "code":
            cell.outputs = [new_output("stream", text=output)] if output else []
        if marks := original.metadata.get("nbgrader"):
            cell.metadata.nbgrader = marks
        shown.cells += [cell, *(students(one.cell_type, one.source) for one in own.get(position, []))]
    return shown


def students(kind: str, source: str) -> nbformat.NotebookNode:
    """Return a cell with a student's code, or text without markup."""
    text = printable(source, 100_000)
    return new_code_cell(text) if kind == "code" else new_markdown_cell(plain_markdown(text))
