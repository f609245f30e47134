"""What the panels share: the parts of a page, what passes between it and Python, and how a panel is shown and saved."""

import base64
import json
import threading
from html import escape
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from IPython.display import display

from helpers.errors import PlainError
from helpers.figures import picture_bundle

HERE = Path(__file__).parent
VIEW = "application/vnd.jupyter.widget-view+json"
NOTE = (
    "The controls live while a kernel runs. If you see none above, choose Run > Run All Cells (in Colab: Runtime > Run "
    "all). If there are none after that, install anywidget where Jupyter itself is installed, and start Jupyter again. "
    "Below is how things stood when this notebook was saved."
)


def stops(least: float, most: float, zero: bool = False, whole: bool = False) -> list[float]:
    """Return the values of a logarithmic slider: ten for each power of ten, of two digits; 0 first if asked for."""
    exponents = np.arange(round(10 * np.log10(least)), round(10 * np.log10(most)) + 1) / 10
    values = [float(f"{10**exponent:.2g}") for exponent in exponents]
    values = [*[0.0] * zero, *values[:-1], float(most)]
    return sorted({round(value) for value in values}) if whole else values


def _labelled(label: str, hint: str, control: str, kind: str = "", after: str = "") -> str:
    return (
        f'<div class="field {kind}"><label title="{escape(hint)}"><span>{escape(label)}</span>{control}</label>'
        f"{after}</div>"
    )


def number(name: str, label: str, hint: str, values: list[float]) -> str:
    """Return a text field for a number with its label, and beside it a slider over `values`."""
    shared = f'name="{name}" title="{escape(hint)}"'
    typed = f'<input class="number" type="text" inputmode="decimal" autocomplete="off" {shared}>'
    return _labelled(label, hint, typed, after=(
        f'<input type="range" {shared} min="0" max="{len(values) - 1}" data-stops="{json.dumps(values)}" '
        f'aria-label="{escape(label)}, slider">'))  # fmt: skip


def field(name: str, label: str, hint: str, kind: str = "") -> str:
    """Return a text field with its label; `kind` is "wide", "short", or empty."""
    typed = f'<input type="text" name="{name}" autocomplete="off" spellcheck="false" title="{escape(hint)}">'
    return _labelled(label, hint, typed, kind)


def options(choices: dict) -> str:
    """Return the choices of a menu, given as {value: words}."""
    return "".join(f'<option value="{escape(str(value))}">{escape(words)}</option>' for value, words in choices.items())


def choice(name: str, label: str, hint: str, choices: dict, kind: str = "") -> str:
    """Return a menu with its label. Its choices, {value: words}, can be changed through `html`, by its name."""
    menu = f'<select name="{name}" data-html="{name}" title="{escape(hint)}">{options(choices)}</select>'
    return _labelled(label, hint, menu, kind)


def check(name: str, label: str, hint: str) -> str:
    """Return a box to tick, with its label."""
    return _labelled(label, hint, f'<input type="checkbox" name="{name}" title="{escape(hint)}">')


def button(name: str, label: str, hint: str, primary: bool = False) -> str:
    kind = ' class="primary"' if primary else ""
    return f'<button type="button" name="{name}"{kind} title="{escape(hint)}">{escape(label)}</button>'


def upload(name: str, label: str, hint: str, accept: str) -> str:
    """Return a button that lets the learner choose a file."""
    return (
        f'<label class="button" title="{escape(hint)}">{escape(label)}<input class="unseen" type="file" name="{name}" '
        f'accept="{accept}" title="{escape(hint)}"></label>'
    )


def text(name: str, urgent: bool = False) -> str:
    """Return a place for a sentence, which a screen reader reads out when it changes."""
    kind, role = ("words urgent", "alert") if urgent else ("words", "status")
    return f'<p class="{kind}" role="{role}" data-text="{name}"></p>'


def picture(name: str, draw: tuple[float, float, float, float] | None = None) -> str:
    """Return a place for a picture; `draw` says where in it can be drawn: left, top, width and height, as shares."""
    area = f' data-draw="{json.dumps(draw)}"' if draw else ""
    return (
        f'<figure data-picture="{name}"{area}><img alt="" draggable="false"><span class="dot" hidden></span>'
        '<span class="tip" hidden></span></figure>'
    )


def row(*parts: str, kind: str = "row", part: str = "") -> str:
    """Return parts side by side, that wrap where the window is narrow; `part` is a name by which they can be hidden."""
    return f'<div class="{kind}"{f" data-part={part}" if part else ""}>{"".join(parts)}</div>'


def heading(words: str) -> str:
    return f"<h3>{escape(words)}</h3>"


class Panel(anywidget.AnyWidget):
    """A page of controls and pictures below a cell. A subclass says in `act` what happens when a control is used.

    All that the page shows lies in dictionaries by name; `show` changes some of it. Any thread may call it.
    """

    _esm = HERE / "panel.js"
    _css = HERE / "panel.css"
    page = traitlets.Unicode().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)  # by the browser: (value, how many times) of each control
    values = traitlets.Dict().tag(sync=True)  # of controls: (value, how many times the browser had asked by then)
    texts = traitlets.Dict().tag(sync=True)
    html = traitlets.Dict().tag(sync=True)
    pictures = traitlets.Dict().tag(sync=True)  # PNGs
    alts = traitlets.Dict().tag(sync=True)
    points = traitlets.Dict().tag(sync=True)  # of each picture: what the pointer can read, see pictures.Points
    disabled: traitlets.List = traitlets.List().tag(sync=True)
    hidden: traitlets.List = traitlets.List().tag(sync=True)
    # Controls whose use waits for that of all others: what was typed counts before a button is pressed.
    LAST: tuple[str, ...] = ()

    def __init__(self, page: str):
        super().__init__(page=page)
        self.lock = threading.RLock()
        self._seen: dict[str, int] = {}
        self.observe(self._on_asked, "asked")
        self.on_msg(self._on_message)

    def act(self, name: str, value) -> None:
        """Do what the control `name` asks for."""
        raise NotImplementedError

    def take(self, name: str, size: int, content: bytes | None, shrunk: list[int] | None) -> None:
        """Take a file: its name, its size in bytes, what came of it, and its size in pixels where it was shrunk."""

    def show(self, **changes) -> None:
        """Change what the page shows: texts=, html=, pictures=, alts=, points= and values= by name; or lists, whole."""
        with self.lock, self.hold_sync():
            for trait, new in changes.items():
                if trait == "values":
                    new = {name: [value, self._seen.get(name, 0)] for name, value in new.items()}
                setattr(self, trait, new if isinstance(new, list) else getattr(self, trait) | new)

    def say(self, words: str) -> None:
        self.show(texts={"said": words})

    def _on_asked(self, change) -> None:
        new = {name: value for name, (value, count) in change["new"].items() if count != self._seen.get(name, 0)}
        self._seen = {name: count for name, (_, count) in change["new"].items()}
        for name in sorted(new, key=lambda name: name.partition(":")[0] in self.LAST):
            self._told(self.act, name, new[name])

    def _on_message(self, _, content: dict, buffers: list) -> None:
        if "file" in content:
            received = bytes(buffers[0]) if buffers else None
            self._told(self.take, content["file"], content["bytes"], received, content["shrunk"])

    def _told(self, do, *arguments) -> None:
        """Call a function and show its error as a sentence: nobody looks where a traceback would go."""
        try:
            do(*arguments)
        except PlainError as error:
            self.say(str(error))
        except Exception as error:
            self.say(f"That did not work ({type(error).__name__}: {error}).")


class Shown:
    """Panels below a cell, with the picture that stands for them in the saved notebook."""

    def __init__(self, panels: list[Panel], png: bytes, alt: str, line: str = ""):
        for panel in panels:
            view = {"version_major": 2, "version_minor": 0, "model_id": panel.model_id}
            display({VIEW: view, "text/plain": "The controls of the playground."}, raw=True)
        data, metadata = self._bundle(png, alt, line)
        self._handle = display(data, raw=True, metadata=metadata, display_id=True)

    @staticmethod
    def _bundle(png: bytes, alt: str, line: str) -> tuple[dict, dict]:
        data, metadata = picture_bundle(png, alt)
        encoded = base64.b64encode(png).decode()
        settings = f"<p>Settings of the newest run: <code>{escape(line)}</code></p>" if line else ""
        data["text/html"] = (
            f'<div class="playground-kept"><p class="playground-note">{escape(NOTE)}</p>{settings}<img '
            f'src="data:image/png;base64,{encoded}" alt="{escape(alt)}" style="max-width: 100%; height: auto"></div>'
        )
        return data, metadata

    def keep(self, png: bytes, alt: str, line: str = "") -> None:
        """Replace the picture that the saved notebook holds."""
        data, metadata = self._bundle(png, alt, line)
        if self._handle is not None:  # there is none outside of IPython
            self._handle.update(data, raw=True, metadata=metadata)
