"""The glossary names, for each term, the place where it first appears; the notebooks agree."""

import re
from itertools import takewhile

from tests.series import PATHS, ROOT, read, tags

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^## (?P<terms>.+)\n\n(?P<meaning>.+)\n\n(?P<places>First in .+\.)$", re.MULTILINE)
PLACE = re.compile(r"\[(\d+) · [^\]]+\]\(\.\./notebooks/([\w.]+)#([^)]+)\)")
NOT_PROSE = re.compile(r"```.*?```|<[^>]*>|\[[^\]]*\]\(\d\d_\w+\.ipynb[^)]*\)|\]\([^)]*\)|\*", re.DOTALL)
ENTRIES = [match.groupdict() for match in ENTRY.finditer(GLOSSARY)]


def prose(text: str) -> str:
    """Return a text without code blocks, emphasis, addresses and the titles of other notebooks."""
    return NOT_PROSE.sub("", text)


def sections(path) -> dict[str, str]:
    """Return the prose of a notebook below each of its headings, by the heading's anchor."""
    cells = [cell for cell in read(path).cells if cell.cell_type == "markdown" and "badges" not in tags(cell)]
    text = "\n".join(cell.source for cell in cells)
    headings = re.split(r"^#{1,4} (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)[1:]
    anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings[::2]]
    return {
        anchor: f"{heading}\n{prose(body)}"
        for anchor, heading, body in zip(anchors, headings[::2], headings[1::2], strict=True)
    }


SERIES = {path.name: sections(path) for path in PATHS}


def uses(term: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(term)}(s|es|d)?(?!\w)", text, re.IGNORECASE) is not None


def before(name: str) -> str:
    """Return the prose of all notebooks before the one named."""
    earlier = takewhile(lambda other: other != name, SERIES)
    return "\n".join(text for other in earlier for text in SERIES[other].values())


def test_the_glossary_lists_terms_in_order_each_explained_briefly():
    assert len(ENTRIES) == GLOSSARY.count("\n## ")
    assert len(ENTRIES) > 60
    terms = [entry["terms"].lower() for entry in ENTRIES]
    assert terms == sorted(terms)
    assert not [entry for entry in ENTRIES if not re.fullmatch(r"[A-Z].{15,240}\.", entry["meaning"])]


def test_each_term_appears_where_the_glossary_says_and_in_no_notebook_before():
    for entry in ENTRIES:
        terms, places = entry["terms"].split(", "), PLACE.findall(entry["places"])
        assert len(places) == entry["places"].count("](") in (1, 2)
        for number, name, anchor in places:
            assert name.startswith(f"{int(number):02}_")
            assert any(uses(term, SERIES[name][anchor]) for term in terms), f"{name}#{anchor} has none of {terms}"
        used = [term for term in terms if uses(term, before(places[0][1]))]
        assert not used, f"{used} stands before {places[0][1]}: explain it there, and let the glossary name that place"


def test_every_word_that_a_notebook_introduces_is_in_the_glossary():
    """Where a notebook says `called **word**`, the glossary has that word."""
    text = "\n".join(cell.source for path in PATHS for cell in read(path).cells if cell.cell_type == "markdown")
    introduced = re.findall(r"\bcalled (?:its |the )?\*{1,2}([\w -]+?)\*{1,2}", text)
    terms = [term for entry in ENTRIES for term in entry["terms"].split(", ")]
    assert len(introduced) > 10
    assert not [word for word in introduced if not any(uses(term, word) for term in terms)]
