"""The ways in besides `make lab` agree with each other and with what is there: conda, Binder, a hub, other systems."""

import re
import subprocess

import yaml
from series import ROOT

HUB = ROOT / "hub"


def test_the_hubs_limits_agree_and_leave_room_for_what_was_measured():
    values = yaml.safe_load((HUB / "kubernetes.yaml").read_text(encoding="utf-8"))["singleuser"]
    config = (HUB / "jupyterhub_config.py").read_text(encoding="utf-8")
    assert f'mem_limit = "{values["memory"]["limit"]}"' in config
    assert f"cpu_limit = {values['cpu']['limit']}" in config
    results = (HUB / "results.md").read_text(encoding="utf-8")
    most = max(float(number.replace(",", "")) for number in re.findall(r"^\| MiB .*\| ([\d,]+) \|$", results, re.M))
    assert most < float(values["memory"]["guarantee"].removesuffix("M")) * 1e6 / 2**20
    assert float(values["memory"]["limit"].removesuffix("G")) * 1e9 / 2**20 > 1024


def test_the_hubs_image_is_built_from_what_is_there():
    text = (HUB / "Dockerfile").read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE) for name in line.split()]
    assert set(copied) == {"pyproject.toml", "README.md", "LICENSE", "helpers", "hub"}
    assert all((ROOT / name).exists() for name in copied)
    conda = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert f"python={re.search('FROM python:([0-9.]+)-', text)[1]}" in conda
    shared = re.search("CIFAR10_SHARED=(.+)", text)[1]
    assert f"CIFAR10_SHARED:-{shared}" in (HUB / "install").read_text(encoding="utf-8")
    assert f'"CIFAR10_SHARED": "{shared}"' in (HUB / "jupyterhub_config.py").read_text(encoding="utf-8")
    lock = (HUB / "requirements.txt").read_text(encoding="utf-8")
    assert re.search(r"^jupyterhub==5\.", lock, re.MULTILINE)
    assert re.search(r"^nbgitpuller==", lock, re.MULTILINE)


def test_the_hubs_files_are_executable_where_they_are_run():
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    modes = {line.split("\t")[1]: line[:6] for line in listed.splitlines()}
    for name in ("hub/install", "binder/postBuild", ".ci/run"):
        assert modes[name] == "100755", f"git update-index --chmod=+x {name}"
