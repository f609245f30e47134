"""What a judged submission comes to: points and comments for the gradebook, and a notebook that is safe to open.

That notebook holds the student's answers between the instructor's cells, and for each check what it says. It has no
hidden test, no input of one, no output that a submission made up, and no markup of a student's.
"""

from typing import NamedTuple

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from coursework.grading.assignment import Assignment, mark, plain_markdown, printable, question_of
from coursework.leaks import SECRET


class Graded(NamedTuple):
    """What a submission comes to."""

    scores: dict[str, float | None]  # of each graded cell; None where a person gives them, 0 where nothing was written
    comments: dict[str, str | None]  # on each question, in Markdown
    notebook: nbformat.NotebookNode  # to show in nbgrader's form and as feedback
    remarks: list[str]  # what was odd


def nothing(assignment: Assignment, reason: str) -> dict:
    """Return the judge's result on a submission that could not be judged: no points, and the reason."""
    said = {mark(cell, "grade_id"): reason for cell in assignment.tests}
    return {"said": said, "remarks": [reason], "outcomes": {}, "cells": []}


def answers_of(found: list) -> dict[str, str]:
    """Return the answers among a student's cells; of two cells with one name, both sources count, as both ran."""
    answers: dict[str, str] = {}
    for _, name, cell in found:
        if name:
            answers[name] = f"{answers[name]}\n\n{cell.source}" if name in answers else cell.source
    return answers


def students(kind: str, source: str) -> nbformat.NotebookNode:
    """Return a cell with a student's code, or text without markup."""
    text = printable(source, 100_000)
    return new_code_cell(text) if kind == "code" else new_markdown_cell(plain_markdown(text))


def tabulate(assignment: Assignment, result: dict) -> Graded:
    """Return what the judge's result on a submission comes to.

    A written answer counts in its cell, and in own text between it and the instructor's cells around it.
    """
    found = assignment.students([nbformat.from_dict(cell) for cell in result["cells"]])
    answers, own = answers_of(found), [(place, cell) for place, name, cell in found if not name]
    scores, said = {}, {question: [] for question in assignment.questions}
    shown = new_notebook(metadata=dict(assignment.notebook.metadata))
    for position, original in enumerate(assignment.cells):
        name, output = mark(original, "grade_id"), ""
        cell = nbformat.from_dict({**original, "source": SECRET.sub("", original.source).rstrip()})
        if mark(original, "solution"):
            cell = students(original.cell_type, answers.get(name, "(The cell is missing.)"))
            outcome = result["outcomes"].get(name, {})
            output = outcome.get("printed", "") + (outcome.get("error") or "")
            if mark(original, "grade"):
                beside = [one.source for place, one in own if position - place in (0, 1) and one.cell_type != "code"]
                text = answers.get(name, "").replace("YOUR ANSWER HERE", "") + "".join(beside)
                scores[name] = None if text.strip() else 0.0
                said[name].append(None if text.strip() else "No answer.")
        elif name in result["said"]:
            problem, most = result["said"][name], mark(original, "points")
            scores[name] = float(most) if problem is None else 0.0
            said[question_of(original)].append(problem)
            output = f"{scores[name]:g} of {most:g} points. {problem or 'All checks hold.'}"
        if cell.cell_type == "code":
            cell.outputs = [new_output("stream", text=output)] if output else []
        if marks := original.metadata.get("nbgrader"):
            cell.metadata.nbgrader = marks
        shown.cells += [cell, *(students(one.cell_type, one.source) for place, one in own if place == position)]
    said[next(iter(said))] += result["remarks"]
    texts = {name: dict.fromkeys(map(printable, filter(None, lines))) for name, lines in said.items()}
    comments = {name: plain_markdown("\n\n".join(lines)) or None for name, lines in texts.items()}
    return Graded(scores, comments, shown, result["remarks"])


def changed(assignment: Assignment, before: nbformat.NotebookNode, now: nbformat.NotebookNode) -> set[str]:
    """Return the answers that are others now than in the notebook `before`; none, where there was none before."""
    old, new = (answers_of(assignment.students(each.cells)) for each in (before, now))
    return {name for name in new if old and plain_markdown(old.get(name, "")) != plain_markdown(new[name])}
