"""Panels of controls below a cell: what passes between the page and Python, and what a saved notebook holds instead."""

import threading
from html import escape
from pathlib import Path

import anywidget
import traitlets
from IPython.display import display

from helpers.errors import PlainError
from helpers.figures import image_tag

HERE = Path(__file__).parent
VIEW = "application/vnd.jupyter.widget-view+json"


def options(choices) -> str:
    """Return the choices of a menu, given as {value: words}, or as words that are values, as HTML."""
    pairs = choices.items() if isinstance(choices, dict) else zip(choices, choices, strict=True)
    return "".join(f'<option value="{escape(str(value))}">{escape(words)}</option>' for value, words in pairs)


class Panel(anywidget.AnyWidget):
    """A page of controls and pictures below a cell. A subclass says in `act` what happens when a control is used.

    Args:
        page: the file, of HTML; what is in it becomes controls as panel.js says.

    All that the page shows lies in dictionaries by name; `show` changes some of it. Any thread may call it.
    """

    _esm = HERE / "panel.js"
    _css = HERE / "panel.css"
    page = traitlets.Unicode().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)  # by the browser: (value, how many times) of each control, the latest last
    values = traitlets.Dict().tag(sync=True)  # of controls: (value, how many times the browser had asked by then)
    texts = traitlets.Dict().tag(sync=True)
    html = traitlets.Dict().tag(sync=True)
    pictures = traitlets.Dict().tag(sync=True)  # each a figures.Picture
    disabled = traitlets.Dict().tag(sync=True)  # of controls, and
    hidden = traitlets.Dict().tag(sync=True)  # of parts of the page: true or false
    WORDS = "Controls."  # in the saved notebook, in place of the panel
    NOTE = ""  # and above the picture that stands for it

    def __init__(self, page: Path):
        super().__init__(page=page.read_text(encoding="utf-8"))
        self.lock = threading.RLock()
        self._seen: dict[str, int] = {}
        self._handle = None  # of the picture in the saved notebook; there is none outside of IPython
        self.observe(self._on_asked, "asked")
        self.on_msg(self._on_message)

    def act(self, name: str, value) -> None:
        """Do what the control `name` asks for; raise `PlainError` where that can't be."""
        raise NotImplementedError

    def take(self, name: str, size: int, content: bytes | None, shrunk: list[int] | None) -> None:
        """Take a file: its name, its size in bytes, what came of it, and its size in pixels where it was shrunk."""

    def restore(self) -> None:
        """Let the controls show what counts: called after each use of one, whether it made sense or not."""

    def still(self) -> tuple[dict, dict]:
        """Return the picture that stands for the panel in the saved notebook, as `helpers.figures.bundle` does."""
        raise NotImplementedError

    def show(self, **changes) -> None:
        """Change by name what the page shows: texts=, html=, pictures=, values=, disabled= or hidden=."""
        with self.lock, self.hold_sync():
            for trait, new in changes.items():
                if trait == "values":
                    new = {name: [value, self._seen.get(name, 0)] for name, value in new.items()}
                setattr(self, trait, getattr(self, trait) | new)

    def say(self, words: str) -> None:
        self.show(texts={"said": words})

    def value(self, name: str):
        """Return what a control shows."""
        return self.values[name][0]

    def _on_asked(self, change) -> None:
        new = {name: value for name, (value, count) in change["new"].items() if count != self._seen.get(name, 0)}
        self._seen = {name: count for name, (_, count) in change["new"].items()}
        self.show(values=new)
        for name, value in new.items():
            self._told(self.act, name, value)

    def _on_message(self, _, content: dict, buffers: list) -> None:
        if "file" in content:
            received = bytes(buffers[0]) if buffers else None
            self._told(self.take, content["file"], content["bytes"], received, content["shrunk"])

    def _told(self, do, *arguments) -> None:
        """Call a function and show its error as a sentence: nobody looks where a traceback would go."""
        self.say("")
        try:
            do(*arguments)
        except PlainError as error:
            self.say(str(error))
        except Exception as error:
            self.say(f"That did not work ({type(error).__name__}: {error}).")
        self.restore()

    def display(self, *others: "Panel") -> None:
        """Put the panel below the cell, and others; and the picture that stands for them in the saved notebook."""
        for panel in (self, *others):
            view = {"version_major": 2, "version_minor": 0, "model_id": panel.model_id}
            display({VIEW: view, "text/plain": panel.WORDS}, raw=True)
        data, metadata = self._kept()
        self._handle = display(data, raw=True, metadata=metadata, display_id=True)

    def keep(self) -> None:
        """Replace the picture that the saved notebook holds."""
        if self._handle is not None:
            data, metadata = self._kept()
            self._handle.update(data, raw=True, metadata=metadata)

    def _kept(self) -> tuple[dict, dict]:
        data, metadata = self.still()
        image = image_tag(data, style="max-width: 100%; height: auto")
        words = f'<p class="series-note">{escape(self.NOTE)}</p>'
        return data | {"text/html": f'<div class="series-kept">{words}{image}</div>'}, metadata
