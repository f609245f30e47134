"""One slider and the picture that follows it: a live control for a notebook's own figure."""

from collections.abc import Callable, Sequence

import ipywidgets as widgets
from IPython.display import display
from matplotlib.figure import Figure
from packaging.version import Version

from helpers.errors import PlainError
from helpers.figures import bundle, picture_bundle, png

__all__ = ["slide"]

OLDEST = "7.7"
VIEW = "application/vnd.jupyter.widget-view+json"


class WidgetsError(PlainError):
    """An ipywidgets that is too old for live controls."""


def check_version() -> None:
    """Raise `WidgetsError` where the installed ipywidgets is older than what the live controls run on."""
    if Version(widgets.__version__) < Version(OLDEST):
        raise WidgetsError(
            f"These controls need ipywidgets {OLDEST} or later; this is {widgets.__version__}. "
            "Run `%pip install --upgrade ipywidgets` in a cell, then restart the kernel."
        )


def slide(label: str, values: Sequence, draw: Callable[..., Figure], alt: str = "", start=None) -> None:
    """Show a slider over `values`, and below it the picture that `draw(value)` gives for the chosen one.

    Args:
        label: what the slider changes.
        values: what can be chosen.
        draw: turns a value into a figure.
        alt: a sentence for those who cannot see the picture, in place of the figure's own description; `{}` in it
            stands for the chosen value.
        start: the value to begin with; the first by default.
    """
    check_version()
    start = values[0] if start is None else start

    def draw_bundle(value) -> tuple[dict, dict]:
        figure = draw(value)
        return picture_bundle(png(figure), alt.format(value)) if alt else bundle(figure)

    slider = widgets.SelectionSlider(
        description=label, options=[(f"{value}", value) for value in values], value=start,
        style={"description_width": "initial"}, layout=widgets.Layout(width="480px", max_width="100%"),
    )  # fmt: skip
    view = {"version_major": 2, "version_minor": 0, "model_id": slider.model_id}
    display({VIEW: view, "text/plain": f"A slider: {label}. It moves while a kernel runs."}, raw=True)
    data, metadata = draw_bundle(start)
    shown = display(data, metadata=metadata, raw=True, display_id=True)

    def follow(change) -> None:
        data, metadata = draw_bundle(change["new"])
        shown.update(data, metadata=metadata, raw=True)

    slider.observe(follow, "value")
