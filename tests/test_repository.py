"""The ways in besides `make lab` agree with each other and with what is there, and so does what the text names."""

import base64
import re
import tomllib
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from packaging.requirements import Requirement

from helpers import colab
from tests.numbers import texts
from tests.series import PATHS, ROOT, read, tagged, tracked_files
from tools import links

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose() -> dict[Path, str]:
    """Return all prose: the pages, and the text cells of the notebooks."""
    pages = {path: path.read_text(encoding="utf-8") for path in tracked_files() if path.suffix == ".md"}
    return pages | {path: "\n".join(texts(read(path))) for path in PATHS}


def pins(name: str) -> set[tuple[str, str]]:
    """Return the packages that a lock names, with their versions."""
    return set(re.findall(r"^([\w.-]+)==(\S+)", text_of(f"requirements/{name}.txt"), re.MULTILINE))


@pytest.mark.parametrize("name", ["learner", "test", "hub"])
def test_the_lock_has_what_pyproject_asks_for_and_the_learners_versions(name):
    assert pins("learner") <= pins(name)
    for need in map(Requirement, PROJECT["dependencies"] + PROJECT["optional-dependencies"].get(name, [])):
        versions = [version for package, version in pins(name) if package == need.name]
        assert any(version in need.specifier for version in versions), f"{need} is not in {name}.txt: run make lock"


def test_the_hubs_limits_agree_and_leave_room_for_what_was_measured():
    values = yaml.safe_load(text_of("hub/kubernetes.yaml"))["singleuser"]
    config = text_of("hub/jupyterhub_config.py")
    assert f'mem_limit = "{values["memory"]["limit"]}"' in config
    assert f"cpu_limit = {values['cpu']['limit']}" in config
    for name, value in values["extraEnv"].items():
        assert f'"{name}": "{value}"' in config
        assert value == str(values["cpu"]["limit"])
    found = re.findall(r"^\| MiB .*\| ([\d,]+) \|$", text_of("docs/measurements/hub.md"), re.MULTILINE)
    most = max(float(number.replace(",", "")) for number in found)
    assert most < float(values["memory"]["guarantee"].removesuffix("M")) * 1e6 / 2**20


def test_the_link_for_students_opens_the_first_notebook_in_the_folder_that_it_fetches():
    (link,) = map(urlsplit, re.findall(r"https://HUB\S+", text_of("hub/README.md")))
    query = dict(parse_qsl(link.query))
    assert link.path == "/hub/user-redirect/git-pull"
    assert (query["repo"], query["branch"]) == (f"https://github.com/{links.ADDRESS}", links.LEARNERS)
    assert query["urlpath"] == f"lab/tree/{query['targetpath']}/notebooks/{PATHS[0].name}"


@pytest.mark.parametrize("found", ["2.19.0", "2.20.0", "3.0.0"])
def test_colab_gets_the_data_or_is_told_that_its_tensorflow_does_not_do(found, monkeypatch):
    fetched = []
    monkeypatch.setattr(colab, "version", {"tensorflow": found}.__getitem__)
    monkeypatch.setattr(colab, "find_data", lambda: fetched.append("data"))
    if found == "2.20.0":
        colab.prepare()
    else:
        with pytest.raises(
            colab.VersionError, match=rf"^This runtime has TensorFlow {found}; the series needs .*2\.20"
        ):
            colab.prepare()
    assert fetched == ["data"] * (found == "2.20.0")


def test_every_command_and_every_file_that_the_text_names_exists():
    targets = set(re.findall(r"^([a-z-]+):.*##", text_of("Makefile"), re.MULTILINE))
    for document, text in prose().items():
        code = "\n".join(re.findall(r"`[^`]+`|```.*?```", text, re.DOTALL))
        assert set(re.findall(r"\bmake ([a-z]+)\b", code)) <= targets, document
        for target in re.findall(r"\]\((?![a-z]+:|#)([^)\s#]+)[^)]*\)", text):
            assert (document.parent / target).exists(), f"{document.name}: {target} leads nowhere"


def test_table_badges_and_address_are_those_of_pyproject():
    for path, text in links.expected(links.ADDRESS).items():
        assert path.read_text(encoding="utf-8") == text, f"{path} disagrees: run make links"


def test_one_command_moves_the_address_in_all_files_that_name_it():
    written = links.expected("someone/elsewhere")
    for path in tracked_files():
        text = written.get(path) or ("" if path.suffix == ".png" else path.read_text(encoding="utf-8"))
        assert links.ADDRESS not in text, path
        assert links.site(links.ADDRESS) not in text, path
    assert sum("someone/elsewhere" in text for text in written.values()) > len(PATHS) + 5


def test_the_readmes_picture_is_the_one_in_notebook_7():
    saved = base64.b64encode((ROOT / "docs" / "templates.png").read_bytes()).decode()
    outputs = tagged(read(PATHS[6]), "picture").outputs
    assert saved in ["".join(output.get("data", {}).get("image/png", "").split()) for output in outputs]


def test_nothing_points_at_somebodys_machine_and_nothing_is_large():
    for path in tracked_files():
        assert path.stat().st_size < 3_000_000, path
        if path.suffix in (".py", ".md", ".ipynb", ".toml", ".yml", ".txt", ""):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w.\[\"(|])/(home|root|Users|work)/(?!jovyan\b)\w", text), path


def test_the_half_day_plan_states_the_notebooks_own_minutes():
    guide = text_of("coursework/README.md")
    plan = guide[guide.index("**Half a day**") : guide.index("**Two weeks**")]
    stated = re.findall(r"(\d+) \((\d+)(?: minutes)?\)", plan)
    assert len(stated) >= 4
    for number, minutes in stated:
        assert f"about {minutes} minutes" in read(PATHS[int(number) - 1]).cells[0].source
