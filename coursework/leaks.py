"""Look for solutions, hidden tests and model answers in what students get.

Every line of a secret that does not stand in a public part of the source as well must be nowhere in the students' zip:
in no cell, no output, no metadata and no other file, whatever the white space around it.
"""

import io
import json
import re
import zipfile

SECRET = re.compile(r"#+ BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)#+ END \1", re.DOTALL)
MARKERS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS", "Rubric")
SHORTEST = 8  # characters; a line such as "else:" gives nothing away


def plain(text: str) -> str:
    return " ".join(text.split())


def parts(notebook: dict) -> tuple[list[str], list[str]]:
    """Return the (public, secret) pieces of text in an instructor's notebook."""
    public, secret = [], []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        marks = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] == "markdown" and marks.get("solution"):
            secret.append(source)
            continue
        secret += [match[2] for match in SECRET.finditer(source)]
        public.append(SECRET.sub("", source))
        secret += [strings(json.dumps(cell.get("outputs", [])))] if marks.get("solution") else []
    return public, secret


def secrets(notebook: dict) -> set[str]:
    """Return the lines that no student may see."""
    public, secret = parts(notebook)
    shown = plain(" ".join(public))
    lines = {plain(line) for piece in secret for line in piece.splitlines()}
    return {line for line in lines if len(line) >= SHORTEST and line not in shown}


def strings(text: str) -> str:
    """Return every string in a text of JSON, keys as well, each on a line."""
    return "\n".join(map(json.loads, re.findall(r'"(?:[^"\\]|\\.)*"', text)))


def leaks(source: dict, archive: bytes) -> list[str]:
    """Return what the students' zip gives away of the instructor's notebook `source`; nothing, if all is well."""
    found = []
    hidden = secrets(source)
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        for name in zipped.namelist():
            text = zipped.read(name).decode("utf-8")
            if name.endswith(".ipynb"):
                if any(cell.get("outputs") or cell.get("execution_count") for cell in json.loads(text)["cells"]):
                    found.append(f"{name}: a cell still has its output")
                text = strings(text)
            text = plain(text)
            found += [f"{name}: {line}" for line in sorted(hidden) if line in text]
            found += [f"{name}: {marker}" for marker in MARKERS if marker in text]
    return found
