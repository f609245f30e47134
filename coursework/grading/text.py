"""Text of a submission's, made harmless before anything else works with it."""

import re

ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # control characters, turned directions


def writable(text: str) -> str:
    """Return a text that can be written in UTF-8; what cannot is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def printable(text, most: int = 500) -> str:
    """Return at most so many characters of a text, odd ones escaped."""
    return ODD.sub(lambda odd: repr(odd[0])[1:-1], writable(str(text)[:most]))


def plain_markdown(text: str) -> str:
    """Return Markdown without HTML and pictures: it loads nothing, runs nothing, and shows its formulas."""
    return re.sub(r"!(?=\[)", "! ", re.sub(r"<(?=[A-Za-z/!?])", "< ", text))
