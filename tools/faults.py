"""The table of faults in docs/data.md, read off the tests.

A row is what stands in `@fault(what goes wrong, what happens)`, or in a case of a test as `row=(...)`.
"""

import ast
from pathlib import Path

HEADINGS = {
    "sources": "Servers, networks and npm",
    "archives": "Archives and packages",
    "the_cache": "Disks, processes and people",
}


def faults(path: Path) -> list[tuple[str, str]]:
    """Return (what goes wrong, what happens) of each row in a file of tests, from top to bottom."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    calls = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "fault"]
    rows = [(call.lineno, call.args) for call in calls if len(call.args) == 2]
    rows += [(node.lineno, node.value.elts) for node in nodes if isinstance(node, ast.keyword) and node.arg == "row"]
    return [tuple(map(ast.literal_eval, pair)) for _, pair in sorted(rows, key=lambda row: row[0])]


def table(tests: Path) -> str:
    """Return the table as Markdown, a section for each file of tests."""
    parts = []
    for name, heading in HEADINGS.items():
        path = tests / f"test_faults_of_{name}.py"
        rows = [f"| {fault} | {outcome} |" for fault, outcome in faults(path)]
        parts.append("\n".join([f"### {heading}", "", "| What goes wrong | What happens |", "|---|---|", *rows, ""]))
    return "\n".join(parts)
