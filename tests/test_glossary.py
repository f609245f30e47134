"""The glossary names, for each term, the place where it first appears; the notebooks agree."""

import re

from tests.numbers import texts
from tests.series import PATHS, ROOT, read

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
ENTRY = re.compile(r"^## (.+)\n\n([A-Z].{15,240}\.)\n\n(First in .+\.)$", re.MULTILINE)
PLACE = re.compile(r"\[(\d+) · [^\]]+\]\(\.\./notebooks/([\w.]+)#([^)]+)\)")
CODE = re.compile(r"```.*?```", re.DOTALL)
# Emphasis, addresses and the titles of other notebooks.
NOT_PROSE = re.compile(r"<[^>]*>|\[[^\]]*\]\(\d\d_\w+\.ipynb[^)]*\)|\]\([^)]*\)|\*", re.DOTALL)
TERMS = [(terms.split(", "), places) for terms, _, places in ENTRY.findall(GLOSSARY)]
TEXTS = {path.name: CODE.sub("", "\n".join(texts(read(path)))) for path in PATHS}


def section(name: str, anchor: str) -> str:
    """Return the heading of that anchor in a notebook, and the prose below it."""
    parts = re.split(r"^#{1,4} (.+)$", TEXTS[name], flags=re.MULTILINE)[1:]
    for heading, body in zip(parts[::2], parts[1::2], strict=True):
        if re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") == anchor:
            return f"{heading}\n{NOT_PROSE.sub('', body)}"
    raise AssertionError(f"{name} has no heading #{anchor}")


def uses(term: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(term)}(s|es|d)?(?!\w)", text, re.IGNORECASE) is not None


def test_the_glossary_lists_terms_in_order_each_explained_briefly():
    assert len(TERMS) == GLOSSARY.count("\n## ") > 60
    listed = [", ".join(terms).lower() for terms, _ in TERMS]
    assert listed == sorted(listed)


def test_each_term_appears_where_the_glossary_says_and_in_no_notebook_before():
    for terms, where in TERMS:
        places = PLACE.findall(where)
        assert len(places) == where.count("](") in (1, 2)
        for number, name, anchor in places:
            assert name.startswith(f"{int(number):02}_")
            assert any(uses(term, section(name, anchor)) for term in terms), f"{name}#{anchor} has none of {terms}"
        before = NOT_PROSE.sub("", "\n".join(text for name, text in TEXTS.items() if name < places[0][1]))
        used = [term for term in terms if uses(term, before)]
        assert not used, f"{used} stands before {places[0][1]}: explain it there, and let the glossary name that place"


def test_every_word_that_a_notebook_introduces_is_in_the_glossary():
    """Where a notebook says `called **word**`, the glossary has that word."""
    introduced = re.findall(r"\bcalled (?:its |the )?\*{1,2}([\w -]+?)\*{1,2}", "\n".join(TEXTS.values()))
    assert len(introduced) > 10
    assert not [word for word in introduced if not any(uses(term, word) for terms, _ in TERMS for term in terms)]
