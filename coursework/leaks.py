"""Look for solutions, hidden tests and model answers in what students get.

Every line of a secret that does not stand in a public part of the source as well must be nowhere in the students' zip:
in no cell, no output, no metadata and no other file, whatever the white space around it.
"""

import io
import json
import re
import zipfile

SECRET = re.compile(r"#+ BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)#+ END \1", re.DOTALL)
MARKERS = {"BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS", "Rubric"}
SHORTEST = 8  # characters; a line such as "else:" gives nothing away


def plain(text: str) -> str:
    return " ".join(text.split())


def strings(text: str) -> str:
    """Return every string in a text of JSON, keys as well, each on a line."""
    return "\n".join(map(json.loads, re.findall(r'"(?:[^"\\]|\\.)*"', text)))


def secrets(notebook: dict) -> set[str]:
    """Return the lines of an instructor's notebook that no student may see."""
    public, secret = "", ""
    for cell in notebook["cells"]:
        source, solution = "".join(cell["source"]), cell["metadata"].get("nbgrader", {}).get("solution")
        if cell["cell_type"] == "markdown" and solution:
            secret += source + "\n"
        else:
            secret += "\n".join(match[2] for match in SECRET.finditer(source)) + "\n"
            public += SECRET.sub("", source) + "\n"
        if solution:
            secret += strings(json.dumps(cell.get("outputs", []))) + "\n"
    shown, lines = plain(public), {plain(line) for line in secret.splitlines()}
    return {line for line in lines if len(line) >= SHORTEST and line not in shown}


def leaks(source: dict, archive: bytes) -> list[str]:
    """Return what the students' zip gives away of the instructor's notebook `source`; nothing, if all is well."""
    found, hidden = [], secrets(source) | MARKERS
    with zipfile.ZipFile(io.BytesIO(archive)) as zipped:
        for name in zipped.namelist():
            text = zipped.read(name).decode("utf-8")
            if name.endswith(".ipynb"):
                if any(cell.get("outputs") or cell.get("execution_count") for cell in json.loads(text)["cells"]):
                    found.append(f"{name}: a cell still has its output")
                text = strings(text)
            text = plain(text)
            found += [f"{name}: {line}" for line in sorted(hidden) if line in text]
    return found
