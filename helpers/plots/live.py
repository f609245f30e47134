"""One slider and the picture that follows it: a live control for a notebook's own figure."""

import base64
import io
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure
from packaging.version import Version

from helpers.errors import PlainError
from helpers.plots.figure import DPI

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


def slide(label: str, values: Sequence, draw: Callable[..., Figure], alt: str) -> None:
    """Show a slider over `values`, and below it the picture that `draw(value)` gives for the chosen one.

    Args:
        label: what the slider changes.
        values: what can be chosen; the picture begins with the first.
        draw: turns a value into a figure.
        alt: one or two sentences for those who cannot see the picture; `{}` in it stands for the chosen value.
    """
    check_version()

    def bundle(value) -> dict:
        figure, png = draw(value), io.BytesIO()
        figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
        plt.close(figure)
        words = alt.format(value)
        return {
            "data": {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": words},
            "metadata": {"image/png": {"alt": words}},
        }

    slider = widgets.SelectionSlider(
        description=label, options=[(f"{value}", value) for value in values],
        style={"description_width": "initial"}, layout=widgets.Layout(width="480px", max_width="100%"),
    )  # fmt: skip
    view = {"version_major": 2, "version_minor": 0, "model_id": slider.model_id}
    display({VIEW: view, "text/plain": f"A slider: {label}. It moves while a kernel runs."}, raw=True)
    first = bundle(values[0])
    shown = display(first["data"], raw=True, metadata=first["metadata"], display_id=True)

    def follow(change) -> None:
        new = bundle(change["new"])
        shown.update(new["data"], raw=True, metadata=new["metadata"])

    slider.observe(follow, "value")
