"""The ways in besides `make lab` agree with each other and with what is there: conda, Binder, a hub, other systems."""

import ast
import re
import subprocess
import tomllib
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers import colab
from tests.series import PATHS, ROOT, code_cells, read, solutions, tagged, tags
from tools import links

HUB = ROOT / "hub"


def test_the_hubs_limits_agree_and_leave_room_for_what_was_measured():
    values = yaml.safe_load((HUB / "kubernetes.yaml").read_text(encoding="utf-8"))["singleuser"]
    config = (HUB / "jupyterhub_config.py").read_text(encoding="utf-8")
    assert f'mem_limit = "{values["memory"]["limit"]}"' in config
    assert f"cpu_limit = {values['cpu']['limit']}" in config
    assert values["extraEnv"]
    for name, value in values["extraEnv"].items():
        assert f'"{name}": "{value}"' in config
        assert value == str(values["cpu"]["limit"])
    results = (ROOT / "docs" / "measurements" / "hub.md").read_text(encoding="utf-8")
    most = max(float(number.replace(",", "")) for number in re.findall(r"^\| MiB .*\| ([\d,]+) \|$", results, re.M))
    assert most < float(values["memory"]["guarantee"].removesuffix("M")) * 1e6 / 2**20
    assert float(values["memory"]["limit"].removesuffix("G")) * 1e9 / 2**20 > 1024


def test_the_link_for_students_opens_the_first_notebook_in_the_folder_that_it_fetches():
    links_there = re.findall(r"https://HUB\S+", (HUB / "README.md").read_text(encoding="utf-8"))
    (parts,) = [urlsplit(link) for link in links_there]
    assert parts.path == "/hub/user-redirect/git-pull"
    query = dict(parse_qsl(parts.query))
    assert query["repo"] == f"https://github.com/{links.address()}"
    assert query["branch"] == links.LEARNERS
    assert query["urlpath"] == f"lab/tree/{query['targetpath']}/notebooks/{PATHS[0].name}"


def test_the_hubs_image_is_built_from_what_is_there():
    text = (HUB / "Dockerfile").read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for name in line.split()]
    assert {"pyproject.toml", "helpers", "hub", "requirements/hub.txt"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    shared = re.search("CIFAR10_SHARED=(.+)", text)[1]
    assert f"CIFAR10_SHARED:-{shared}" in (HUB / "install").read_text(encoding="utf-8")
    assert f'"CIFAR10_SHARED": "{shared}"' in (HUB / "jupyterhub_config.py").read_text(encoding="utf-8")
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    modes = {line.split("\t")[1]: line[:6] for line in listed.splitlines()}
    for name in ("hub/install", "binder/postBuild", ".ci/run"):
        assert modes[name] == "100755", f"git update-index --chmod=+x {name}"


UNIX_ONLY = {"curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
FOREIGN_PATH = re.compile(r"^([~/]/?\w|[A-Za-z]:[\\/])")


def code_of_learners() -> dict[str, str]:
    """Return all code that a learner runs: cells, solutions and the modules behind them."""
    found = {f"{path.name}, {cell.id}": cell.source for path in PATHS for cell in code_cells(read(path))
             if "colab" not in tags(cell)}  # fmt: skip
    found |= {f"{path.name}, solution {i}": code for path in PATHS for i, code in enumerate(solutions(read(path)), 1)}
    return found | {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("helpers/**/*.py")}


def unportable(code: str) -> list[str]:
    """Name what in `code` works on one kind of system only: shell commands, modules, paths, the system's encoding."""
    found = re.findall(r"^\s*[!%].*", code, re.MULTILINE)
    if found:
        return found
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.partition(".")[0] in UNIX_ONLY]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] if (node.module or "").partition(".")[0] in UNIX_ONLY else []
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [node.value] if FOREIGN_PATH.match(node.value) else []
        elif isinstance(node, ast.Call):
            found += unportable_call(node)
    return found


def unportable_call(node: ast.Call) -> list[str]:
    """Name a call that works on one kind of system only, or that reads and writes text as the system has it set."""
    name = ast.unparse(node.func)
    if name in ("os.fork", "os.system", "os.popen", "signal.alarm"):
        return [name]
    modes = [argument.value for argument in node.args[1:2] if isinstance(argument, ast.Constant)]
    opens_text = name == "open" and not any("b" in mode for mode in modes)
    as_text = opens_text or name.endswith((".read_text", ".write_text"))
    return [f"{name} without an encoding"] if as_text and "encoding" not in {key.arg for key in node.keywords} else []


def test_no_step_depends_on_one_kind_of_system():
    found = {where: unportable(code) for where, code in code_of_learners().items()}
    assert not {where: names for where, names in found.items() if names}


@pytest.mark.parametrize("code", ["!ls", "from fcntl import flock", "open('~/x', 'rb')", "path.read_text()"])
def test_a_step_that_does_is_noticed(code):
    assert unportable(code)


SYSTEMS = {
    "Windows": {"sys_platform": "win32", "platform_machine": "AMD64", "os_name": "nt", "platform_system": "Windows"},
    "macOS": {"sys_platform": "darwin", "platform_machine": "arm64", "os_name": "posix", "platform_system": "Darwin"},
    "Linux": {"sys_platform": "linux", "platform_machine": "x86_64", "os_name": "posix", "platform_system": "Linux"},
    "Linux on ARM": {"sys_platform": "linux", "platform_machine": "aarch64", "os_name": "posix",
                     "platform_system": "Linux"},
}  # fmt: skip


@pytest.mark.parametrize("python", ["3.11", "3.13"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_lock_is_complete_on_every_system(system, python):
    """What conda's pip reads from the lock gives each package that the series needs, once, and one TensorFlow."""
    here = SYSTEMS[system] | {
        "python_version": python, "python_full_version": f"{python}.5", "platform_python_implementation": "CPython",
        "implementation_name": "cpython", "extra": "",
    }  # fmt: skip
    lock = (ROOT / "requirements" / "learner.txt").read_text(encoding="utf-8")
    lines = re.findall(r"^([a-z0-9._-]+==[^\\\n]+) \\$", lock, re.M)
    pins = [pin for pin in map(Requirement, lines) if pin.marker is None or pin.marker.evaluate(here)]
    names = [canonicalize_name(pin.name) for pin in pins]
    assert len(names) == len(set(names))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        need for need in map(Requirement, project["dependencies"]) if not need.marker or need.marker.evaluate(here)
    ]
    assert {canonicalize_name(need.name) for need in wanted} <= set(names)
    assert len({"tensorflow", "tensorflow-cpu"} & set(names)) == 1


def test_conda_is_explained_once_and_the_workflow_does_the_same():
    """The steps in environment.yml are those of the README, and CI takes them on all three systems."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    steps = re.findall(r"^#     (.+)$", text, re.MULTILINE)
    assert len(steps) == 4
    assert steps[0] == f"git clone https://github.com/{links.address()} && cd ten-templates"
    assert "\n".join(steps) in (ROOT / "README.md").read_text(encoding="utf-8")
    conda = yaml.safe_load(text)
    assert set(conda) == {"name", "channels", "dependencies"}
    assert f"conda activate {conda['name']}" in steps
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]["conda"]
    assert {system.split("-")[0] for system in workflow["strategy"]["matrix"]["os"]} == {"ubuntu", "macos", "windows"}
    run = [step["run"] for step in workflow["steps"] if "run" in step]
    inside = f"conda run --no-capture-output --name {conda['name']} "
    assert run[0] == steps[1]
    assert run[1] == inside + steps[3]
    assert run[2] == f"{inside}python -m tools.run_notebooks"


def test_colabs_first_cell_does_nothing_elsewhere(capfd):
    (code,) = {tagged(read(path), "colab").source for path in PATHS}
    names = {}
    exec(TransformerManager().transform_cell(code), names)
    assert set(names) == {"__builtins__", "sys"}
    assert capfd.readouterr() == ("", "")


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
