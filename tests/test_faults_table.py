"""The table of faults in docs/data.md is that of the tests: each row has a test, and each fault in a test its row."""

import re

from tests.series import ROOT


def test_each_row_of_the_table_has_its_test():
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8").partition("## What may go wrong")[2]
    rows = [fault for fault, _ in re.findall(r"^\| ([^|]+) \| ([A-Z][^|]+\.) \|$", page, re.MULTILINE)]
    files = sorted((ROOT / "tests").glob("test_faults_of_*.py"))
    tested = [re.findall(r'\b(?:fault|row)\(\s*"([^"]+)"', path.read_text(encoding="utf-8")) for path in files]
    assert all(tested)
    assert len(rows) == len(set(rows)) == page.count("\n| ") - page.count("\n| What goes wrong | What happens |\n")
    assert set(rows) == {fault for faults in tested for fault in faults}
