"""Make the students' versions of the assignments out of the instructor's notebooks, in the course and each as a zip.

`make coursework` calls it; the command line names the zips' folder and the course's. nbgrader takes solutions, hidden
tests and model answers out and locks the other cells; then the zip is searched for anything that was left in, and is
written only if there is nothing.
"""

import io
import json
import os
import sys
import zipfile
from pathlib import Path

import nbformat
from nbgrader.apps import NbGraderAPI
from traitlets.config import PyFileConfigLoader

from coursework.leaks import leaks
from tools import links

ROOT = Path(__file__).resolve().parents[1]

os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # nbgrader calls alembic

READ_ME = """{title}

Open {name}.ipynb where the notebooks of Ten Templates run:

- on your laptop: put this folder into the folder ten-templates/notebooks, run `make lab` there, and open the notebook
- on your course's hub, or on Binder: drag the notebook into the list of files on the left, and open it
- on Colab: File > Upload notebook, and run the first cell

Type your id into the first cell that asks for it. Fill the cells that say YOUR CODE HERE or YOUR ANSWER HERE, run all
cells once from the top, save, and hand in the file {name}.ipynb under its own name.

The series: https://github.com/{address}
"""


def students_version(name: str, course: Path) -> nbformat.NotebookNode:
    """Return the notebook that students get: nbgrader's, without the instructor's id, and ready for Colab.

    nbgrader puts it into `course`/release and the assignment into the gradebook; there it is replaced by this one.
    """
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    answer = NbGraderAPI(config=config).generate_assignment(name, create=True, force=True)
    if not answer["success"]:
        raise RuntimeError(f"nbgrader makes no students' version of {name}: {answer['error']}\n{answer['log']}")
    path = course / "release" / name / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "student-id" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace('"instructor"', '"your-id"')
    fetch = nbformat.v4.new_code_cell(links.colab_cell(links.ADDRESS), id="colab")
    fetch.metadata.update(tags=["colab"], jupyter={"source_hidden": True})
    notebook.cells.insert(1, fetch)
    nbformat.write(notebook, path)
    return notebook


def main(folder: Path, course: Path) -> int:
    """Write the zips of all assignments of a course into `folder`; return 1 where one would give something away."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(course.glob("source/*/*.ipynb")):
        name, notebook, packed = source.stem, students_version(source.stem, course), io.BytesIO()
        title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr(f"{name}/{name}.ipynb", nbformat.writes(notebook) + "\n")
            zipped.writestr(f"{name}/README.txt", READ_ME.format(title=title, name=name, address=links.ADDRESS))
        if given_away := leaks(json.loads(source.read_text(encoding="utf-8")), packed.getvalue()):
            (course / "release" / name / source.name).unlink()
            print(f"{name}: not written, for it would give away:", *given_away, sep="\n  ", file=sys.stderr)
            return 1
        (folder / f"{name}.zip").write_bytes(packed.getvalue())
        print(f"{name}.zip: nothing given away")
    print(f"The students' versions: {folder}")
    return 0


if __name__ == "__main__":
    given = [Path(argument).resolve() for argument in sys.argv[1:]]
    sys.exit(main(*(given or [ROOT / "_build" / "coursework", ROOT / "coursework"])))
