"""The table of faults in docs/data.md, read off the tests: each `@fault(what goes wrong, what happens)` is a row."""

import ast
from pathlib import Path

HEADINGS = {
    "sources": "Servers, networks and npm",
    "archives": "Archives and packages",
    "the_cache": "Disks, processes and people",
}


def faults(path: Path) -> list[tuple[str, str]]:
    """Return (what goes wrong, what happens) of each test in a file that has the marker, from top to bottom."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    marks = [
        decorator
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "fault"
    ]
    marks.sort(key=lambda mark: mark.lineno)
    return [tuple(ast.literal_eval(argument) for argument in mark.args) for mark in marks]


def table(tests: Path) -> str:
    """Return the table as Markdown, a section for each file of tests."""
    parts = []
    for name, heading in HEADINGS.items():
        path = tests / f"test_faults_of_{name}.py"
        rows = [f"| {fault} | {outcome} |" for fault, outcome in faults(path)]
        parts.append("\n".join([f"### {heading}", "", "| What goes wrong | What happens |", "|---|---|", *rows, ""]))
    return "\n".join(parts)
