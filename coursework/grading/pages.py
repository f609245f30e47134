"""The pages that grading leaves: feedback for a student, and a summary for the instructor.

Whatever a submission contains or prints goes through `escape`, and the pages allow no script, no picture and no
address: a submission can put nothing on them but text.
"""

from collections.abc import Sequence
from html import escape

from coursework.grading.assignment import Assignment

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --line: #8888; --full: #0072b2; --part: #e69f00; --none: #8888; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; }} th, td {{ text-align: left; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; }} td.number, th.number {{ text-align: right; }}
.wide {{ overflow-x: auto; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; padding: .6rem; border: 1px solid var(--line); }}
.bar {{ display: flex; width: 12rem; height: 1rem; }} .bar i {{ display: block; }}
.full {{ background: var(--full); }} .part {{ background: var(--part); }} .none {{ background: var(--none); }}
</style></head><body><main>
{body}
</main></body></html>
"""


BARS = "<p>Each bar shows from left to right how many got full points, a part, and none.</p>"


def number(points: float | None) -> str:
    """Return points as a person writes them; "open" where nobody has given them yet."""
    return "open" if points is None else f"{points:g}"


def page(title: str, *pieces: str) -> str:
    return PAGE.format(title=escape(title), body="\n".join(pieces))


def feedback(assignment: Assignment, student: str, row: dict, result: dict, answers: dict[str, str]) -> str:
    """Return a student's page: for each question its points, what the checks say, and what was handed in."""
    title = assignment.cells[0].source.splitlines()[0].lstrip("# ")
    waiting = " Written answers that nobody has read yet count nothing so far." if row["open"] else ""
    pieces = [
        f"<h1>{escape(title)}</h1>",
        f"<p><strong>{escape(student)}: {number(row['total'])} of {assignment.points} points.</strong>{waiting}</p>",
    ]
    if result["remarks"]:
        pieces += ["<h2>Remarks</h2>", "<ul>", *(f"<li>{escape(remark)}</li>" for remark in result["remarks"]), "</ul>"]
    for question in assignment.questions:
        points = number(row["points"][question.name])
        heading = f"Question {question.name.rpartition('q')[2]} · {question.title}"
        pieces.append(f"<h2>{escape(heading)} ({points} of {question.points})</h2>")
        said = [test["said"] for test in result["tests"] if test["question"] == question.name]
        outcome = result["outcomes"].get(question.name, {})
        if question.manual:
            pieces.append("<p>A person reads this answer.</p>")
        elif said and not any(said):
            pieces.append("<p>All checks hold.</p>")
        else:
            pieces.append("<ul>" + "".join(f"<li>{escape(text)}</li>" for text in said if text) + "</ul>")
        if outcome.get("error"):
            pieces.append(f"<p>Its cell stopped with: <code>{escape(outcome['error'])}</code></p>")
        if answers.get(question.name):
            pieces += ["<p>You handed in:</p>", f"<pre>{escape(answers[question.name][:20_000])}</pre>"]
        if outcome.get("printed"):
            pieces += ["<p>It printed:</p>", f"<pre>{escape(outcome['printed'])}</pre>"]
    return page(f"{title}: {student}", *pieces)


def _bar(full: int, part: int, none: int) -> str:
    """Return a bar of three shares; the numbers stand beside it, so nothing is told by colour alone."""
    parts = (("full", full), ("part", part), ("none", none))
    return (
        '<div class="bar">'
        + "".join(f'<i class="{kind}" style="flex: {count}"></i>' for kind, count in parts)
        + "</div>"
    )


def summary(assignment: Assignment, rows: Sequence[dict]) -> str:
    """Return the instructor's page: how each question went, how the totals spread, and what was odd."""
    title = "Summary: " + assignment.cells[0].source.splitlines()[0].lstrip("# ")
    table = ['<div class="wide"><table><tr><th>Question</th><th class="number">Points</th><th class="number">Mean</th>'
             '<th class="number">Full</th><th class="number">Part</th><th class="number">None</th>'
             '<th class="number">Open</th><th></th></tr>']  # fmt: skip
    for question in assignment.questions:
        points = [row["points"][question.name] for row in rows]
        given = [value for value in points if value is not None]
        full, none = sum(value == question.points for value in given), sum(value == 0 for value in given)
        part, mean = len(given) - full - none, f"{sum(given) / len(given):.2f}" if given else ""
        cells = [question.points, mean, full, part, none, len(points) - len(given)]
        table.append(
            f"<tr><td>{question.name.rpartition('q')[2]} · {escape(question.title)}</td>"
            + "".join(f'<td class="number">{cell}</td>' for cell in cells) + f"<td>{_bar(full, part, none)}</td></tr>"
        )  # fmt: skip
    table.append("</table></div>")
    totals = [row["total"] for row in rows]
    spread = ['<table><tr><th>Total</th><th class="number">Submissions</th><th></th></tr>']
    for fifth in range(5):
        low, high = assignment.points * fifth / 5, assignment.points * (fifth + 1) / 5
        count = sum(low <= total < high or (fifth == 4 and total >= high) for total in totals)
        spread.append(f'<tr><td>{low:g} to {"under " if fifth < 4 else ""}{high:g}</td><td class="number">{count}</td>'
                      f"<td>{_bar(count, 0, len(totals) - count)}</td></tr>")  # fmt: skip
    spread.append("</table>")
    odd = [f"<li>{escape(row['student'])}: {escape(remark)}</li>" for row in rows for remark in row["remarks"]]
    mean = sum(totals) / len(totals)
    return page(
        title, f"<h1>{escape(title)}</h1>",
        f"<p>{len(rows)} submissions; the mean is {mean:.1f} of {assignment.points} points.</p>",
        "<h2>Questions</h2>", BARS, *table, "<h2>Totals</h2>", *spread,
        *(["<h2>Remarks</h2>", "<ul>", *odd, "</ul>"] if odd else []),
    )  # fmt: skip
