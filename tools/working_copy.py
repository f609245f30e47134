"""The learner's copy of the series: notebooks without outputs, so that no answer is seen before the prediction.

    python -m tools.working_copy [05]             bring my-notebooks/ up to date; print the notebook that begins with 05
    python -m tools.working_copy --branch NAME    commit the same notebooks to a branch; Binder, Colab and hubs open it

What a learner has changed is never overwritten: a copy that they have not changed follows the series, and where they
have, the series' new version is put beside theirs. The metadata of a copy say what it was made from.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from helpers.files import write_file

ROOT = Path(__file__).resolve().parents[1]
MADE_FROM = "made_from"


def chosen(root: Path, *beginnings: str) -> list[Path]:
    """Return the notebooks whose names begin so; stop with a sentence that names all where there is none."""
    series = sorted((root / "notebooks").glob("*.ipynb"))
    return [path for path in series if path.name.startswith(beginnings or "")] or sys.exit(
        f"No notebook begins with {' or '.join(beginnings)}. There are {', '.join(path.stem for path in series)}."
    )


def fingerprint(notebook) -> str:
    """Return what changes with the kind or text of any cell, and with nothing that a mere run leaves behind."""
    cells = [[cell.cell_type, cell.source] for cell in notebook.cells]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()


def cleared(text: str) -> tuple[str, str]:
    """Return (text, fingerprint) of a notebook of the series without its outputs."""
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata[MADE_FROM] = fingerprint(notebook)
    return nbformat.writes(notebook) + "\n", notebook.metadata[MADE_FROM]


def update(text: str, series: str, target: Path) -> Path | None:
    """Put a cleared notebook with the fingerprint `series` where it belongs: at `target`, or beside it.

    Returns:
        The file that was written, None where everything was up to date.
    """
    if target.exists():
        try:
            mine = nbformat.read(target, as_version=4)
            made_from, now = mine.metadata.get(MADE_FROM), fingerprint(mine)
        except (ValueError, KeyError, AttributeError, TypeError, nbformat.ValidationError):
            made_from, now = None, "no notebook, but the learner's"
        if series in (made_from, now):
            return None
        if made_from != now:
            return update(text, series, target.with_name(f"{target.stem}.new.ipynb"))
    return write_file(target, text.encode())


def commit_to(branch: str, repository: Path = ROOT) -> str:
    """Commit what HEAD holds, its notebooks cleared, on top of `branch` (or the remote's); return the commit."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=repository, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    refs = git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}", f"refs/remotes/origin/{branch}")
    parents = refs.split()[:1]
    with tempfile.TemporaryDirectory() as folder:
        git("worktree", "add", "--quiet", "--detach", f"{folder}/tree")
        for path in Path(folder, "tree", "notebooks").glob("*.ipynb"):
            path.write_text(cleared(path.read_text(encoding="utf-8"))[0], encoding="utf-8", newline="\n")
        git("-C", f"{folder}/tree", "add", "notebooks")
        tree = git("-C", f"{folder}/tree", "write-tree")
        git("worktree", "remove", "--force", f"{folder}/tree")
    if parents and git("rev-parse", f"{parents[0]}^{{tree}}") == tree:
        return parents[0]
    message = f"The series without outputs, from {git('rev-parse', 'HEAD')}"
    author = ("-c", "user.name=Ten Templates", "-c", "user.email=ten-templates@users.noreply.github.com")
    commit = git(*author, "commit-tree", tree, "-m", message, *(part for parent in parents for part in ("-p", parent)))
    git("update-ref", f"refs/heads/{branch}", commit)
    return commit


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("only", nargs="?", default="", help="the beginning of a notebook's name, such as 05")
    parser.add_argument("--branch", help="commit the cleared notebooks to this branch instead")
    options = parser.parse_args(arguments)
    if options.branch:
        print(commit_to(options.branch))
        return
    print(chosen(ROOT, options.only)[0].name)
    copies = ROOT / "my-notebooks"
    copies.mkdir(exist_ok=True)
    for path in chosen(ROOT):
        written = update(*cleared(path.read_text(encoding="utf-8")), copies / path.name)
        if written and written.name != path.name:
            print(
                f"{path.name} is new in the series and you have changed your copy, so the new one lies beside it: "
                f"{copies.name}/{written.name}",
                file=sys.stderr,
            )


if __name__ == "__main__":
    main()
