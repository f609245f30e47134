"""What a notebook's text says in numbers: how long it takes, and whether its outputs or its code back each number.

CONTRIBUTING.md has the rules; tests/test_notebook_rules.py holds every notebook to them.
"""

import ast
import io
import math
import re
import tokenize

from tests.series import code_cells, tags

WORDS_A_MINUTE = 180
LINES_A_MINUTE = 12
FOLDED = {"colab", "claims"}  # cells whose source a learner does not see
# What the data set and the model are made of, by construction: no output has to say it again.
CONSTANTS = {0, 1, 2, 3, 10, 32, 100, 255, 256, 1000, 1024, 3072, 3073, 6000, 10_000, 30_720, 30_730, 50_000, 60_000}
APART = re.compile(r"^## (Exercises|Quiz|Recap)|^### Exercise", re.MULTILINE)
PREDICT = re.compile(r"^> \*\*Predict\.\*\* ", re.MULTILINE)
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


def texts(notebook) -> list[str]:
    """Return the source of each text cell that a person wrote."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown" and "badges" not in tags(cell)]


def minutes(notebook) -> int:
    """Return how long a notebook takes to read and run, in minutes, rounded up to five; exercises and quiz apart.

    180 words a minute, 12 lines of code a minute, and a minute for each prediction.
    """
    read = "\n\n".join(text for text in texts(notebook) if not APART.search(text))
    shown = "\n".join(cell.source for cell in code_cells(notebook) if not FOLDED & set(tags(cell)))
    words, lines = len(NAMES.sub(" ", read).split()), len(re.findall(r"^.*\S", shown, re.MULTILINE))
    return 5 * math.ceil((words / WORDS_A_MINUTE + lines / LINES_A_MINUTE + len(PREDICT.findall(read))) / 5)


def _values(pattern: re.Pattern, text: str) -> list[tuple[float, float, str]]:
    """Return (value, unit of its last digit, as written) of each number in a text; of a percentage, the fraction."""
    values = []
    for match in pattern.finditer(text):
        digits, power = match[1].replace(",", ""), int(match[2] or 0) - 2 * bool(match[3])
        decimals = len(digits.partition(".")[2])
        # 2,000 may stand for 1,987, and 150 for 149.
        zeros = 0 if decimals else max(0, min(len(digits) - len(digits.rstrip("0")), len(digits) - 2))
        values.append((float(digits) * 10.0**power, 10.0 ** (power + zeros - decimals), match[0].strip()))
    return values


def _printed(cells: list) -> list[tuple[float, float, str]]:
    """Return the numbers that code cells have printed, and those in the descriptions of their figures."""
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    said = [
        text for output in outputs for text in (output.get("text", ""), output.get("data", {}).get("text/plain", ""))
    ]
    pages = [re.sub(r"<[^>]*>", " ", output.get("data", {}).get("text/html", "")) for output in outputs]
    return _values(IN_OUTPUT, "\n".join(said + pages))


def _literals(source: str) -> set[float]:
    """Return the numbers that stand in a piece of code, up to where it is no Python."""
    numbers = set()
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.NUMBER:
                numbers.add(float(ast.literal_eval(token.string)))
    except (tokenize.TokenError, SyntaxError):
        pass
    return numbers


def _is_backed(value: float, unit: float, written: str, printed: list, literals: set[float]) -> bool:
    sizes = [value, 100 * value] if written.endswith("%") else [value]
    return any(math.isclose(size, number, rel_tol=1e-9, abs_tol=1e-12) for size in sizes for number in literals) or any(
        last <= 1.001 * unit and abs(number - value) <= 0.5001 * unit for number, last, _ in printed
    )


def numbers(notebook) -> dict[str, bool]:
    """Tell of each number in a notebook's prose, as written, whether it is backed wherever it stands.

    Backed is a number that is the rounding of one that its section prints or draws (its whole notebook, for the
    header, the quiz, the exercises and the recap), or that stands in the notebook's code: as a setting, as a size, or
    in the folded claims at its end.
    """
    sections, before, found = [[]], [], {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^## ", cell.source, re.MULTILINE):
            sections.append([])
        sections[-1].append(cell)
    code = [cell.source for cell in code_cells(notebook) if "colab" not in tags(cell)]
    literals, everything = CONSTANTS.union(*map(_literals, code)), _printed(notebook.cells)
    for section in sections:
        printed = _printed(section)
        for cell in section:
            if cell.cell_type != "markdown" or "badges" in tags(cell):
                continue
            own = literals.union(*map(_literals, re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL)))
            # What stands above a heading in its cell speaks of the section before.
            pool = printed + (before if "\n## " in cell.source else [])
            if cell is notebook.cells[0] or APART.search(cell.source):
                pool = everything
            for value, unit, written in _values(IN_TEXT, NAMES.sub(" ", cell.source)):
                found[written] = found.get(written, True) and _is_backed(value, unit, written, pool, own)
        before = printed
    return found
