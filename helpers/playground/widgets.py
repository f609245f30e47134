"""What both panels share: a page of widgets with its style, labelled controls, and how a panel is shown and saved."""

import base64
import math
from collections.abc import Callable
from html import escape

import ipywidgets as widgets
from IPython.display import display
from packaging.version import Version

from helpers.errors import PlainError
from helpers.figures import UNSEEN

OLDEST = "7.7"
VIEW = "application/vnd.jupyter.widget-view+json"
NOTE = ("The controls live while a kernel runs. If you see none above, choose Run > Run All Cells (in Colab: "
        "Runtime > Run all). Below is how things stood when this notebook was saved.")  # fmt: skip

# While the controls are alive, the note and the picture kept for the saved notebook only repeat what they show.
CSS = """<style>
.jp-OutputArea-child:has(.playground) ~ .jp-OutputArea-child:has(.playground-note, .jp-RenderedImage) { display: none }
.playground { max-width: 900px; padding: 2px }
.playground .widget-image, .playground img { max-width: 100%; height: auto; object-fit: contain }
.playground .jupyter-widgets { max-width: calc(100% - 4px); box-sizing: border-box }
.playground .widget-html-content { min-width: 0; max-width: 100% }
.playground .widget-label, .playground .widget-readout { color: var(--jp-ui-font-color1, inherit) }
.playground :focus-visible { outline: 2px solid #56B4E9; outline-offset: 1px }
.playground h4 { margin: 10px 0 2px; font-size: 1.1em }
.playground p { margin: 2px 0; line-height: 1.4 }
.playground .words { min-height: 2.8em; font-size: 1.05em; white-space: normal }
.playground .runs { overflow-x: auto }
.playground table { border-collapse: collapse; font-size: 12px; white-space: nowrap }
.playground th, .playground td { padding: 2px 8px; text-align: left; border-bottom: 1px solid #8888 }
.playground tr.best { font-weight: bold }
</style>"""
ROW = {"display": "flex", "flex_flow": "row wrap", "align_items": "center"}


class WidgetsError(PlainError):
    """An ipywidgets that is too old for live controls."""


def check_version() -> None:
    """Raise `WidgetsError` where the installed ipywidgets is older than what the live controls run on."""
    if Version(widgets.__version__) < Version(OLDEST):
        raise WidgetsError(
            f"These controls need ipywidgets {OLDEST} or later; this is {widgets.__version__}. "
            "Run `%pip install --upgrade ipywidgets` in a cell, then restart the kernel."
        )


def row(*children) -> widgets.Box:
    """Return children side by side, that wrap where the window is narrow."""
    return widgets.Box(children, layout=widgets.Layout(**ROW))


def page(*children) -> widgets.VBox:
    """Return the root of a panel."""
    root = widgets.VBox([widgets.HTML(CSS, layout=widgets.Layout(display="none")), *children])
    root.add_class("playground")
    return root


def words(text: str, urgent: bool = False) -> str:
    """Return text as HTML that a screen reader reads out when it changes."""
    return f'<p class="words" role="{"alert" if urgent else "status"}">{escape(text)}</p>'


def unseen(text: str) -> str:
    """Return a picture's alt text as HTML that only a screen reader finds."""
    return UNSEEN.format(escape(text))


def labelled(kind: type, label: str, width: str = "270px", **options):
    """Return a control of a kind with its label on the left."""
    style = {"description_width": "105px"}
    return kind(description=label, style=style, layout=widgets.Layout(width=width), **options)


def picture() -> widgets.Image:
    return widgets.Image(
        format="png",
        layout=widgets.Layout(flex="1 1 300px", min_width="0", max_width="min(420px, 100% - 4px)", margin="2px"),
    )


def number(label: str, value: float, least: float, most: float, zero: bool = False) -> tuple:
    """Return a number field with its label, and a box that holds it and a logarithmic slider for the same number.

    The slider moves in steps of a tenth of a power of ten, and its number is rounded to two digits. With `zero`, its
    left end stands for 0. Whole numbers stay whole.
    """
    whole = isinstance(value, int)
    field = labelled(widgets.BoundedIntText if whole else widgets.BoundedFloatText, label, "190px", value=value,
                     min=0 if zero else least, max=most)  # fmt: skip
    low, high = math.log10(least), math.log10(most)
    slider = widgets.FloatLogSlider(
        value=max(value, least), min=low, max=high, step=0.1, readout=False, continuous_update=True,
        layout=widgets.Layout(width="200px"),
    )  # fmt: skip
    following = []

    def notch(value: float) -> int:
        return round(10 * math.log10(max(value, least)) - 10 * low)

    def follow(change, source) -> None:
        if following:
            return
        following.append(source)
        try:
            if source is field:
                slider.value = min(max(field.value, least), most)
            elif notch(slider.value) == notch(field.value):
                pass  # the browser puts the slider into its next notch, which nobody asked for
            elif zero and notch(slider.value) == notch(0):
                field.value = 0
            else:
                rounded = float(f"{slider.value:.2g}")
                field.value = min(max(round(rounded) if whole else rounded, field.min), most)
        finally:
            following.clear()

    field.observe(lambda change: follow(change, field), "value")
    slider.observe(lambda change: follow(change, slider), "value")
    return field, row(field, slider)


class Shown:
    """A panel below a cell, with the picture that stands for it in the saved notebook."""

    def __init__(self, root: widgets.Widget, png: bytes, alt: str):
        view = {"version_major": 2, "version_minor": 0, "model_id": root.model_id}
        display({VIEW: view, "text/plain": "The controls of the playground."}, raw=True)
        note = f'<p class="playground-note">{escape(NOTE)}</p>'
        display({"text/html": note, "text/plain": NOTE}, raw=True)
        data, metadata = self._bundle(png, alt)
        self._handle = display(data, raw=True, metadata=metadata, display_id=True)

    @staticmethod
    def _bundle(png: bytes, alt: str) -> tuple[dict, dict]:
        return {"image/png": base64.b64encode(png).decode(), "text/plain": alt}, {"image/png": {"alt": alt}}

    def keep(self, png: bytes, alt: str) -> None:
        """Replace the picture that the saved notebook holds."""
        data, metadata = self._bundle(png, alt)
        if self._handle is not None:  # there is none outside of IPython
            self._handle.update(data, raw=True, metadata=metadata)


def on_click(label: str, icon: str, action: Callable[[], None], tooltip: str, style: str = "") -> widgets.Button:
    """Return a button that calls `action`."""
    button = widgets.Button(description=label, icon=icon, tooltip=tooltip, button_style=style,
                            layout=widgets.Layout(width="auto", min_width="88px"))  # fmt: skip
    button.on_click(lambda _: action())
    return button
