"""What README, Makefile, locks and configuration say agrees with what is there."""

import base64
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.series import PATHS, ROOT, code_cells, read, tagged, tracked_files
from tools import links

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LOCKS = ROOT / "requirements"
HIDDEN = {".ci", ".github"}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.+?))? \\$", re.MULTILINE)


def lock(name: str) -> dict[str, str]:
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    return {canonicalize_name(package): version for package, version, _ in PIN.findall(text)}


def asked_for_directly(name: str) -> set[str]:
    """Return the packages that a lock names as wanted by this project itself."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", (LOCKS / f"{name}.txt").read_text(encoding="utf-8"))
    return {canonicalize_name(entry.split("==")[0]) for entry in entries if "ten-templates (pyproject.toml)" in entry}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("learner", PROJECT["dependencies"]),
        ("test", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]),
        ("hub", PROJECT["dependencies"] + PROJECT["optional-dependencies"]["hub"]),
    ],
)
def test_lock_and_pyproject_agree(name, wanted):
    pins = lock(name)
    requirements = [Requirement(line) for line in wanted]
    for requirement in requirements:
        pinned = pins.get(canonicalize_name(requirement.name))
        assert pinned, f"{requirement.name} is not in {name}.txt: run make lock"
        assert requirement.specifier.contains(pinned, prereleases=True), f"{name}.txt has {requirement.name} {pinned}"
    assert asked_for_directly(name) == {canonicalize_name(requirement.name) for requirement in requirements}


def test_all_locks_pin_the_same_versions():
    learner = lock("learner")
    assert learner.items() <= lock("test").items()
    assert learner.items() <= lock("hub").items()


@pytest.mark.parametrize("name", ["learner", "test", "hub", "site", "coursework"])
def test_locks_have_hashes_and_no_addresses(name):
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    assert not re.search("://|--index", text)
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=[A-Za-z0-9])", text)[1:])


def test_python_versions_agree_everywhere():
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info < (3, 14)" in MAKEFILE
    assert "Python 3.11, 3.12 or 3.13" in README
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (python,) = [item for item in conda["dependencies"] if str(item).startswith("python=")]
    assert python.replace("=", "-") == (ROOT / "binder" / "runtime.txt").read_text(encoding="utf-8").strip()
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]["include"]
    assert {row["python"] for row in matrix if "ubuntu" in row["os"]} == {"3.11", "3.12", "3.13"}
    assert {row["os"].split("-")[0] for row in matrix} == {"ubuntu", "macos", "windows"}


def test_conda_and_binder_install_the_lock():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert conda["dependencies"][-1] == {"pip": ["-r requirements/learner.txt"]}
    assert (ROOT / "binder" / "requirements.txt").read_text(encoding="utf-8") == "-r ../requirements/learner.txt\n"
    assert os.access(ROOT / "binder" / "postBuild", os.X_OK) or sys.platform == "win32"


def test_ci_runs_the_newcomers_target():
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert "bash .ci/run" in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]


def test_every_command_in_the_prose_exists():
    code = "\n".join(re.findall(r"`[^`]+`|```.*?```", "".join(texts().values()), re.DOTALL))
    named = set(re.findall(r"\bmake ([a-z]+)\b", code))
    assert {"lab", "test"} <= named <= TARGETS


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_every_target_can_be_planned():
    subprocess.run(
        ["make", "--dry-run", "--always-make", *TARGETS, "ONLY=01"], cwd=ROOT, capture_output=True, check=True
    )


def texts() -> dict[Path, str]:
    """Return all prose: the pages, and the text cells of the notebooks."""
    pages = {path: path.read_text(encoding="utf-8") for path in tracked_files() if path.suffix == ".md"}
    return pages | {path: "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown") for path in PATHS}


def test_every_file_that_the_text_names_exists():
    for document, text in texts().items():
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"[a-z]+:|#", target):
                assert (document.parent / target.partition("#")[0]).exists(), f"{target} leads nowhere"
    rows = "".join(re.findall(r"^\| (`\w+/`.*?) \|", CONTRIBUTING, re.MULTILINE))
    folders = set(re.findall(r"`(\w+)/`", rows))
    assert folders == {path.relative_to(ROOT).parts[0] for path in tracked_files() if path.parent != ROOT} - HIDDEN


def own_links(text: str) -> list[str]:
    """Return the files of this repository that the addresses in `text` stand for."""
    where = links.address()
    files = re.findall(rf"{re.escape(where)}/(?:blob|tree|raw)/(?:main|{links.LEARNERS})/([^)\s#?\"]+)", text)
    files += re.findall(r"mybinder\.org/v2/gh/\S+?urlpath=lab/tree/([^)\s#]+)", text)
    files += [f".github/workflows/{name}" for name in re.findall(r"/actions/workflows/([\w.-]+\.yml)", text)]
    for name in re.findall(rf"{re.escape(links.site(where))}/([\w/]+)\.html", text):
        files.append(f"{name}.{'ipynb' if name.startswith('notebooks/') else 'md'}")
    return files


def test_badges_and_links_to_this_repository_point_at_files_that_exist():
    cells = [cell.source for path in PATHS for cell in code_cells(read(path))]
    named = own_links("\n".join([*texts().values(), *cells]))
    assert len(named) >= 6 * len(PATHS)  # Binder and Colab in README and notebook; page and glossary in the notebook
    assert not [name for name in named if not (ROOT / name).is_file()]


def test_citation_changelog_and_pyproject_name_the_same_release():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert (citation["license"], citation["authors"]) == (PROJECT["license"], PROJECT["authors"])
    assert citation["repository-code"] == PROJECT["urls"]["Repository"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, newest, *_ = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert (first, newest) == ("Unreleased", f"{PROJECT['version']} - {citation['date-released']}")
    kinds = set(re.findall(r"^### (.+)$", changelog, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}  # of Keep a Changelog


MAY_WRITE = {"learner": {"contents"}, "publish": {"pages", "id-token"}, "release": {"contents", "actions"}}


def test_workflows_may_only_read_unless_they_publish():
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}, path.name
        for name, job in workflow["jobs"].items():
            assert set(job.get("permissions", {})) == MAY_WRITE.get(name, set()), (path.name, name)
            commands = " ".join(str(step.get("run", "")) for step in job.get("steps", []))
            assert set(re.findall(r"\bmake ([a-z]+)", commands)) <= TARGETS


def test_table_badges_and_address_are_those_of_pyproject():
    assert links.main(["--check"]) == 0


def test_the_readmes_picture_is_the_one_in_notebook_7():
    path = next(path for path in PATHS if path.name.startswith("07"))
    saved = base64.b64encode((ROOT / "docs" / "templates.png").read_bytes()).decode()
    drawn = [output.get("data", {}).get("image/png", "") for output in tagged(read(path), "picture").outputs]
    assert saved in ["".join(picture.split()) for picture in drawn]


def test_one_command_moves_the_address_in_all_files_that_name_it():
    written = links.expected("someone/elsewhere")
    for path in tracked_files():
        text = written.get(path) or ("" if path.suffix == ".png" else path.read_text(encoding="utf-8"))
        assert links.address() not in text, path
        assert links.site(links.address()) not in text, path
    assert sum("someone/elsewhere" in text for text in written.values()) > len(PATHS) + 5


def test_nothing_points_at_somebodys_machine_and_nothing_is_large():
    for path in tracked_files():
        assert path.stat().st_size < 3_000_000, path
        if path.suffix in (".py", ".md", ".ipynb", ".toml", ".yml", ".txt", ""):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w.\[\"(|])/(home|root|Users|work)/(?!jovyan\b)\w", text), path


def test_the_half_day_plan_states_the_notebooks_own_minutes():
    guide = (ROOT / "coursework" / "README.md").read_text(encoding="utf-8")
    plan = guide[guide.index("**Half a day**") : guide.index("**Two weeks**")]
    stated = dict(re.findall(r"(\d+) \((\d+)(?: minutes)?\)", plan))
    assert len(stated) >= 4
    for number, minutes in stated.items():
        (path,) = [path for path in PATHS if path.name.startswith(f"{int(number):02d}_")]
        assert f"about {minutes} minutes" in read(path).cells[0].source
