"""What the panels share: what passes between a page and Python, and how a panel is shown and saved."""

import threading
from collections.abc import Callable
from html import escape
from pathlib import Path

import anywidget
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


def options(choices) -> str:
    """Return the choices of a menu, given as {value: words}, or as words that are values, as HTML."""
    pairs = choices.items() if isinstance(choices, dict) else zip(choices, choices, strict=True)
    return "".join(f'<option value="{escape(str(value))}">{escape(words)}</option>' for value, words in pairs)


class Panel(anywidget.AnyWidget):
    """A page of controls and pictures below a cell. A subclass says in `act` what happens when a control is used.

    Args:
        page: which of the files panel.*.html it is.

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
        super().__init__(page=(HERE / f"panel.{page}.html").read_text(encoding="utf-8"))
        self.lock = threading.RLock()
        self._seen: dict[str, int] = {}
        self.observe(self._on_asked, "asked")
        self.on_msg(self._on_message)

    def act(self, name: str, value) -> None:
        """Do what the control `name` asks for; raise `PlainError` where that can't be."""
        raise NotImplementedError

    def take(self, name: str, size: int, content: bytes | None, shrunk: list[int] | None) -> None:
        """Take a file: its name, its size in bytes, what came of it, and its size in pixels where it was shrunk."""

    def restore(self) -> None:
        """Let the controls show what counts: called after each use of one, whether it made sense or not."""

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
        self.say("")
        try:
            do(*arguments)
        except PlainError as error:
            self.say(str(error))
        except Exception as error:
            self.say(f"That did not work ({type(error).__name__}: {error}).")
        with self.lock:
            self.restore()


class Shown:
    """Panels below a cell, with the picture that stands for them in the saved notebook.

    Args:
        panels: the panels.
        still: returns that picture as PNG, its alt text, and the settings of the newest run as a line, or "".
    """

    def __init__(self, panels: list[Panel], still: Callable[[], tuple[bytes, str, str]]):
        self._still = still
        for panel in panels:
            view = {"version_major": 2, "version_minor": 0, "model_id": panel.model_id}
            display({VIEW: view, "text/plain": "The controls of the playground."}, raw=True)
        data, metadata = self._bundle()
        self._handle = display(data, raw=True, metadata=metadata, display_id=True)

    def _bundle(self) -> tuple[dict, dict]:
        png, alt, line = self._still()
        data, metadata = picture_bundle(png, alt)
        settings = f"<p>Settings of the newest run: <code>{escape(line)}</code></p>" if line else ""
        data["text/html"] = (
            f'<div class="playground-kept"><p class="playground-note">{escape(NOTE)}</p>{settings}<img '
            f'src="data:image/png;base64,{data["image/png"]}" alt="{escape(alt)}" '
            'style="max-width: 100%; height: auto"></div>'
        )
        return data, metadata

    def keep(self) -> None:
        """Replace the picture that the saved notebook holds."""
        if self._handle is not None:  # there is none outside of IPython
            data, metadata = self._bundle()
            self._handle.update(data, raw=True, metadata=metadata)
