"""The glossary names, for each term, the place where it first appears; the notebooks agree."""

import re
from itertools import takewhile

import pytest

from tests.series import PATHS, ROOT, read

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
    text = "\n".join(
        cell.source
        for cell in read(path).cells
        if cell.cell_type == "markdown" and "badges" not in cell.metadata.get("tags", [])
    )
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


def test_every_entry_has_the_form_and_stands_in_order():
    assert len(ENTRIES) == GLOSSARY.count("\n## ")
    assert len(ENTRIES) > 60
    terms = [entry["terms"].lower() for entry in ENTRIES]
    assert terms == sorted(terms)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["terms"])
def test_a_term_is_explained_briefly_and_appears_where_the_glossary_says(entry):
    assert re.fullmatch(r"[A-Z].{15,240}\.", entry["meaning"])
    assert len(re.findall(r"\.( |$)", entry["meaning"])) <= 3
    places = PLACE.findall(entry["places"])
    assert len(places) == entry["places"].count("](") in (1, 2)
    terms = entry["terms"].split(", ")
    for number, name, anchor in places:
        assert name.startswith(f"{int(number):02}_")
        assert any(uses(term, SERIES[name][anchor]) for term in terms), f"{name}#{anchor} has none of {terms}"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["terms"])
def test_no_notebook_uses_a_term_before_it_first_appears(entry):
    _, name, _ = PLACE.findall(entry["places"])[0]
    used = [term for term in entry["terms"].split(", ") if uses(term, before(name))]
    assert not used, f"{used} stands before {name}: explain it there, and let the glossary name that place"


def test_every_word_that_a_notebook_introduces_is_in_the_glossary():
    """Where a notebook says `called **word**`, the glossary has that word."""
    text = "\n".join(cell.source for path in PATHS for cell in read(path).cells if cell.cell_type == "markdown")
    introduced = re.findall(r"\bcalled (?:its |the )?\*{1,2}([\w -]+?)\*{1,2}", text)
    terms = [term for entry in ENTRIES for term in entry["terms"].split(", ")]
    assert len(introduced) > 10
    assert not [word for word in introduced if not any(uses(term, word) for term in terms)]


def test_a_term_used_too_early_would_be_noticed():
    assert uses("loss", SERIES["03_build_the_softmax_graph.ipynb"]["from-probabilities-to-one-loss-cross-entropy"])
    assert uses("Gradient", "follow the gradients")
    assert not uses("graph", "60,000 photographs")
    assert "gradient" not in prose("see [4 · The gradient](04_train.ipynb)")
    assert before("01_load_cifar10.ipynb") == ""
    assert uses("label", before("02_look_at_the_images.ipynb"))
