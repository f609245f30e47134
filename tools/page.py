"""What a learner's page costs and what it promises: its minutes, the share of its code that is the idea, its numbers.

    python -m tools.page [04 ...]     print these for each notebook, and the numbers in its text that nothing backs

The rules are in CONTRIBUTING.md; the tests hold every notebook to them.
"""

import ast
import io
import math
import re
import sys
import tokenize
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
WORDS_A_MINUTE = 180
LINES_A_MINUTE = 12
FOLDED = {"colab", "claims"}  # cells whose source a learner does not see
# What the data set and the model are made of, by construction: no output has to say it again.
CONSTANTS = {0, 1, 2, 3, 10, 32, 100, 255, 256, 1000, 1024, 3072, 3073, 6000, 10_000, 30_720, 30_730, 50_000, 60_000}
APART = re.compile(r"^## (Exercises|Quiz|Recap)|^### Exercise", re.MULTILINE)
PREDICT = re.compile(r"^> \*\*Predict\.\*\*", re.MULTILINE)
NUMBER = r"\d[\d,]*\d(?:\.\d+)?|\d(?:\.\d+)?"
IN_TEXT = re.compile(rf"(?<![\w.,#/^-])({NUMBER})(?:e([-+]?\d+))?(?![\w/])(?!\.\d)\s?(%)?")
IN_OUTPUT = re.compile(rf"(?<![\w.])({NUMBER})(?:e([-+]?\d+))?\s?(%)?")
# Numbers that count nothing: names, places, years, dates, and what stands in code, formulas and addresses.
NAMES = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|<[^>]*>|\]\([^)]*\)|\b(1[89]|20)\d\d\b|^#+ [^\n]*$|^\d+\. "
    r"|\*\*Time\*\* about \d+ minutes|\[\d+ · [^\]]*\]|\b([Nn]otebooks?|[Ee]xercises?|[Aa]ssignments?|[Qq]uestions?) "
    r"\d+(( and|,| to) \d+)*|\b(TensorFlow|Python|NumPy|Keras|Part) "
    r"\d[\d.]*|CIFAR-\d+|\b\d+-bit\b",
    re.DOTALL | re.MULTILINE,
)


def tags(cell) -> set[str]:
    return set(cell.metadata.get("tags", []))


def prose(source: str) -> str:
    """Return the words of a text cell, without code, formulas and addresses."""
    return NAMES.sub(" ", source)


def minutes(notebook) -> int:
    """Return how long a notebook takes to read and run, in minutes, rounded up to five; exercises and quiz apart.

    180 words a minute, 12 lines of code a minute, and a minute for each prediction.
    """
    words = lines = predictions = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and APART.search(cell.source):
            continue
        if cell.cell_type == "markdown" and "badges" not in tags(cell):
            words += len(prose(cell.source).split())
            predictions += len(PREDICT.findall(cell.source))
        elif cell.cell_type == "code" and not tags(cell) & FOLDED:
            lines += sum(bool(line.strip()) for line in cell.source.splitlines())
    return 5 * math.ceil((words / WORDS_A_MINUTE + lines / LINES_A_MINUTE + predictions) / 5)


def _is_scaffolding(node: ast.stmt) -> bool:
    """Tell whether a statement serves the machinery and not the idea."""
    source = ast.unparse(node)
    words = ("as_printed", "check_settings(", "isinstance(", "raise ", "alt =", "alt +=", "alt=")
    return isinstance(node, ast.Assert) or any(word in source for word in words)


def scaffolding(notebook) -> tuple[int, int]:
    """Return (lines that serve the machinery, all lines) of the code that a learner sees, imports apart."""
    serving = every = 0
    for cell in notebook.cells:
        if cell.cell_type != "code" or tags(cell) & FOLDED:
            continue
        for node in ast.parse(cell.source).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                continue
            lines = node.end_lineno - node.lineno + 1
            every += lines
            if not isinstance(node, (ast.FunctionDef, ast.For, ast.With)):
                serving += lines * _is_scaffolding(node)
                continue
            for inner in ast.walk(node):
                if isinstance(inner, (ast.Assert, ast.Raise)):
                    serving += inner.end_lineno - inner.lineno + 1
    return serving, every


def only_asserts(cell) -> bool:
    """Tell whether a code cell holds nothing but assertions."""
    body = [node for node in ast.parse(cell.source).body if not isinstance(node, (ast.Import, ast.ImportFrom))]
    return bool(body) and all(isinstance(node, ast.Assert) for node in body)


def _values(pattern: re.Pattern, text: str) -> list[tuple[float, float, bool, str]]:
    """Return (value, unit of its last digit, whether it is a percentage, as written) of each number in a text."""
    values = []
    for match in pattern.finditer(text):
        digits, exponent = match[1].replace(",", ""), f"e{match[2] or 0}"
        decimals = len(digits.partition(".")[2])
        unit = 10.0**-decimals
        if not decimals and digits.endswith("0"):  # 2,000 may stand for 1,987, and 150 for 149
            zeros = len(digits) - len(digits.rstrip("0"))
            unit = 10.0 ** max(0, min(zeros, len(digits) - 2))
        unit = float(f"{unit}{exponent}") if "e" not in f"{unit}" else unit
        values.append((float(digits + exponent), unit, bool(match[3]), match[0].strip()))
    return values


def _output(cell) -> str:
    """Return all text that a cell has printed, and the descriptions of its figures."""
    texts = []
    for output in cell.get("outputs", []):
        texts += [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
        texts.append(re.sub(r"<[^>]*>", " ", output.get("data", {}).get("text/html", "")))
    return "\n".join(texts)


def printed_by(cell) -> list[tuple[float, float, bool, str]]:
    """Return the numbers that a code cell has printed or drawn, as `_values` does."""
    return _values(IN_OUTPUT, _output(cell))


def _literals(source: str) -> set[float]:
    """Return the numbers that stand in a piece of code."""
    numbers = set()
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NUMBER:
                numbers.add(float(ast.literal_eval(token.string)))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        pass
    return numbers


def _backed(value, unit, percent, printed, literals) -> bool:
    sizes = [value / 100, value] if percent else [value]
    if any(math.isclose(size, number, rel_tol=1e-9, abs_tol=1e-12) for size in sizes for number in literals):
        return True
    for number, last, is_percent, _ in printed:
        factor = 100 if percent and not is_percent else 0.01 if is_percent and not percent else 1  # 0.42 is 42%
        if last * factor <= 1.001 * unit and abs(number * factor - value) <= 0.5001 * unit:
            return True
    return False


def numbers(notebook) -> list[tuple[int, str, bool]]:
    """Return (cell, number as written, whether it is backed) of each number in a notebook's prose.

    Backed is a number that is the rounding of one that its section prints or draws (its whole notebook, for the
    header, the quiz, the exercises and the recap), or that stands in the notebook's code: as a setting, as a size, or
    in the folded claims at its end.
    """
    literals = set(CONSTANTS)
    sections, everything, found = [[]], [], []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and re.search(r"^## ", cell.source, re.MULTILINE):
            sections.append([])
        sections[-1].append((index, cell))
        if cell.cell_type == "code" and "colab" not in tags(cell):
            literals |= _literals(cell.source)
            everything += printed_by(cell)
    before = []
    for section in sections:
        printed = [value for _, cell in section if cell.cell_type == "code" for value in printed_by(cell)]
        for index, cell in section:
            if cell.cell_type != "markdown" or "badges" in tags(cell):
                continue
            apart = index == 0 or APART.search(cell.source)
            own = set().union(*map(_literals, re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL)))
            # What stands above a heading in its cell speaks of the section before.
            pool = everything if apart else printed + (before if "\n## " in cell.source else [])
            for value, unit, percent, text in _values(IN_TEXT, prose(cell.source)):
                found.append((index, text, _backed(value, unit, percent, pool, literals | own)))
        before = printed
    return found


def main() -> None:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if path.name.startswith(tuple(sys.argv[1:]) or ""):
            notebook = nbformat.read(path, as_version=4)
            serving, every = scaffolding(notebook)
            all_numbers = numbers(notebook)
            loose = [f"cell {index}: {text}" for index, text, backed in all_numbers if not backed]
            print(f"{path.stem}: {minutes(notebook)} minutes, {serving} of {every} code lines are machinery,")
            print(f"    {len(loose)} of {len(all_numbers)} numbers are backed by nothing: {'; '.join(loose)}")


if __name__ == "__main__":
    main()
