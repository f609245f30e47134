"""The table of faults in docs/data.md is that of the tests."""

import re

from tests.defences import DEFENCES
from tests.series import ROOT
from tools import faults

TESTS = ROOT / "tests"


def test_the_table_of_faults_is_that_of_the_tests():
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert faults.table(TESTS) in page, "run make links"
    for path in sorted(TESTS.glob("test_faults_of_*.py")):
        rows = faults.faults(path)
        assert len(rows) == path.read_text(encoding="utf-8").count("@fault(") > 10
        for fault, outcome in rows:
            assert f"| {fault} | {outcome} |" in page
            assert re.fullmatch(r"[A-Za-z0-9][^|\n]{6,}[^.|\n]", fault)
            assert re.fullmatch(r"[A-Z][^|\n]{5,}\.", outcome)


def test_every_file_of_faults_has_its_section():
    assert {f"test_faults_of_{name}.py" for name in faults.HEADINGS} == {
        path.name for path in TESTS.glob("test_faults_of_*.py")
    }


def test_each_fault_has_a_defence_that_can_be_taken_out():
    """`make defences` takes them out; here, each stands in the code, and no test of a fault is without one."""
    for module, code, *_ in DEFENCES.values():
        assert (ROOT / "helpers" / f"{module}.py").read_text(encoding="utf-8").count(code) == 1, code
    for path in TESTS.glob("test_faults_of_*.py"):
        choices = [test.partition(" -k ")[2] for *_, test in DEFENCES.values() if path.stem.endswith(test.split()[0])]
        text = path.read_text(encoding="utf-8")
        classes = dict.fromkeys(re.findall(r"^class (\w+)", text, re.MULTILINE))
        for name in re.findall(r"@fault\((?:.|\n)*?def (test_\w+)\(", text):
            within = [each for each in classes if text.index(f"class {each}") < text.index(f"def {name}(")][-1:]
            assert any(choice.lower() in f"{within} {name}".lower() for choice in choices), f"{name} has no defence"
