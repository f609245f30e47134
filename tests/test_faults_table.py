"""The table of faults in docs/data.md is that of the tests."""

import re

from tests.series import ROOT
from tools import faults

TESTS = ROOT / "tests"


def test_the_table_of_faults_is_that_of_the_tests():
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert faults.table(TESTS) in page, "run make links"
    for path in sorted(TESTS.glob("test_faults_of_*.py")):
        rows = faults.faults(path)
        assert len(rows) == len(re.findall(r"@fault\(|row=\(", path.read_text(encoding="utf-8"))) > 10
        for fault, outcome in rows:
            assert f"| {fault} | {outcome} |" in page
            assert re.fullmatch(r"[A-Za-z0-9][^|\n]{6,}[^.|\n]", fault)
            assert re.fullmatch(r"[A-Z][^|\n]{5,}\.", outcome)


def test_every_file_of_faults_has_its_section():
    assert {f"test_faults_of_{name}.py" for name in faults.HEADINGS} == {
        path.name for path in TESTS.glob("test_faults_of_*.py")
    }
