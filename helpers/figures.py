"""How figures are shown: each as a picture with a description made from what it draws.

A notebook needs no call for it. When `helpers` is imported, IPython learns how to show a Matplotlib figure: as PNG,
with alt text, and with the same words on a pixel beside it that only a screen reader finds, since JupyterLab (4.6)
shows pictures without their alt text. That holds for a learner's `plt.plot` as for the figures of `helpers.plots`.
"""

import base64
import functools
import io
import warnings
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

# A transparent picture of one pixel: GitHub strips styles, under which a paragraph would come into sight there.
UNSEEN = (
    '<img alt="{}" width="1" height="1" style="position: absolute" '
    'src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">'
)
STYLE = "helpers.series"
MOST_POINTS = 12  # of a line that are read out one by one
MOST_PICTURES = 40  # of a figure whose brightness is noted


class SeriesFigure(Figure):
    """A figure that the series draws: whatever style the learner has chosen, it keeps the series' own.

    Pyplot does not know it, so it can't get mixed up with what a learner draws. `words`, where given, says in a
    sentence what the data alone does not.
    """

    words: str = ""


def in_series_style(draw: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that draws: let it work in the series' style on top of Matplotlib's defaults."""

    @functools.wraps(draw)
    def styled(*args, **kwargs):
        with style.context(STYLE, after_reset=True):
            return draw(*args, **kwargs)

    return styled


def new_figure(rows: int = 1, columns: int = 1, *, height: float = 4.0, width: float = 8.0, **options):
    """Return (figure, axes) for a function decorated with `in_series_style`; sizes in inches.

    `options` go to Matplotlib's `Figure.subplots`.
    """
    figure = SeriesFigure(figsize=(width, height))
    return figure, figure.subplots(rows, columns, **options)


def _numbers(values: np.ndarray) -> list[str]:
    """Write numbers for a description: whole numbers whole, others with three digits that count and a point."""
    values = values + 0.0  # no -0
    if np.all(values == np.round(values)) and np.abs(values).max(initial=0) < 1e9:
        return [f"{value:,.0f}" for value in values]
    short = [f"{value:.3g}" for value in values]
    small = [("." in text and "e+" not in text) or "e-" in text for text in short]
    return [text if ok else f"{value:,.1f}" for text, ok, value in zip(short, small, values, strict=True)]


def _plain(text) -> str:
    return " ".join(str(text).replace("$", "").split())


def _values(axis: Axes, which: str, values, near: float = 0.0) -> list[str]:
    """Write values as the axis labels them: names of ticks (no further than `near`), percentages, else numbers."""
    values = np.ravel(np.asarray(values, dtype=float))
    formatter = getattr(axis, f"{which}axis").get_major_formatter()
    kind = type(formatter).__name__
    if kind == "PercentFormatter":
        return [f"{100 * value / formatter.xmax:.1f}%" for value in values]
    if kind == "StrMethodFormatter" and "%}" in formatter.fmt:
        return [f"{value:.1%}" for value in values]
    if kind == "StrCategoryFormatter" or isinstance(getattr(axis, f"{which}axis").get_major_locator(), FixedLocator):
        places = getattr(axis, f"get_{which}ticks")()
        names = dict(zip(places, map(_plain, formatter.format_ticks(places)), strict=True))
        found = [places[np.argmin(np.abs(places - value))] if len(places) else np.inf for value in values]
        if all(abs(place - value) <= near and names[place] for place, value in zip(found, values, strict=True)):
            return [names[place] for place in found]
    return _numbers(values)


def _named(artist, text: str) -> str:
    """Put the artist's label in front, where it has one of its own."""
    label = str(artist.get_label() or "")  # older Matplotlibs have None for error bars
    return text if label.startswith("_") or not label else f"{_plain(label)}: {text}"


def _filled(values) -> np.ndarray:
    """Return numbers as floats, with NaN where they are masked."""
    return np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)


def _line(axis: Axes, line) -> str:
    x, y = [_filled(part).ravel() for part in line.get_data(orig=False)]
    seen = np.isfinite(x) & np.isfinite(y)
    if not seen.any():
        return "nothing to draw"
    x, y = x[seen], y[seen]
    there, here = _values(axis, "y", y), _values(axis, "x", x)
    if len(y) > 1 and np.ptp(y) == 0:
        return f"level at {there[0]}"
    if len(y) > 1 and np.ptp(x) == 0:
        if line.get_linestyle() == "None":
            return f"{len(y)} points at {here[0]}, from {there[np.argmin(y)]} to {there[np.argmax(y)]}"
        return f"upright at {here[0]}"
    if len(y) <= MOST_POINTS:
        return ", ".join(f"{value} at {place}" for value, place in zip(there, here, strict=True))
    lowest, highest = there[np.argmin(y)], there[np.argmax(y)]
    return f"from {there[0]} at {here[0]} to {there[-1]} at {here[-1]}, lowest {lowest}, highest {highest}"


def _bars(axis: Axes, bars: BarContainer) -> str:
    upright = bars.orientation != "horizontal"
    places = [bar.get_x() + bar.get_width() / 2 if upright else bar.get_y() + bar.get_height() / 2 for bar in bars]
    sizes = [bar.get_height() if upright else bar.get_width() for bar in bars]
    names, values = _values(axis, "x" if upright else "y", places, 0.45), _values(axis, "y" if upright else "x", sizes)
    if len(sizes) > 2 * MOST_POINTS:
        tallest = int(np.argmax(sizes))
        return f"{len(sizes)} bars, the tallest {values[tallest]} at {names[tallest]}"
    return ", ".join(f"{bar} {value}" for bar, value in zip(names, values, strict=True))


def _axes(axis: Axes) -> str:
    """Describe what one pair of axes draws; of a diagram, whose axes are off, say what is written in it."""
    if not axis.axison and not axis.images:
        written = [_plain(text.get_text()) for text in axis.texts]
        return ": ".join(filter(None, (_plain(axis.get_title()), ", ".join(filter(None, written)))))
    parts: list[str] = []
    owners: dict[Any, ErrorbarContainer] = {}
    whiskers: set[Any] = set()
    for container in axis.containers:
        if isinstance(container, BarContainer):
            parts.append(_named(container, _bars(axis, container)))
        if isinstance(container, ErrorbarContainer):
            owners[container.lines[0]] = container
            whiskers.update(container.lines[1])
    for line in axis.lines:
        if line.get_visible() and line not in whiskers:
            parts.append(_named(owners.get(line, line), _line(axis, line)))
    for points in axis.collections:
        if isinstance(points, PathCollection) and np.shape(points.get_offsets())[0]:
            parts.append(_named(points, f"{np.shape(points.get_offsets())[0]:,} points"))
    for image in axis.images:
        height, width = _filled(image.get_array()).shape[:2]
        parts.append(f"a picture of {width} × {height}")
    title, x, y = (_plain(text) for text in (axis.get_title(), axis.get_xlabel(), axis.get_ylabel()))
    against = " against ".join(filter(None, (y, x))) if parts and not axis.images else ""
    head = ", ".join(filter(None, (title, against)))
    return f"{head}: {'; '.join(parts)}" if head and parts else head or "; ".join(parts)


def describe(figure: Figure) -> str:
    """Return the alt text of a figure, made from its titles, labels and the data drawn in it.

    A line is told by its first, last, lowest and highest value, a short one point by point; bars by their names and
    sizes; a row of pictures by their titles. A `SeriesFigure`'s own words come first.
    """
    parts, pictures, words = [], [], getattr(figure, "words", "")
    for axis in figure.axes:
        if not axis.get_visible() or axis.get_label() == "<colorbar>":
            continue
        if axis.images and not axis.lines and not axis.containers:
            height, width = _filled(axis.images[0].get_array()).shape[:2]
            pictures.append((_plain(axis.get_title()), f"{width} × {height}"))
        elif (axis.axison or not words) and (text := _axes(axis)):
            parts.append(text)
    if pictures:
        titles, sizes = [title for title, _ in pictures if title], {size for _, size in pictures}
        count = "A picture" if len(pictures) == 1 else f"{len(pictures)} pictures"
        parts.insert(0, f"{count} of {' and '.join(sorted(sizes))}" + (f": {', '.join(titles)}" if titles else ""))
    title = _plain(figure.get_suptitle())
    sentences = [words, title, *parts, _plain(figure.get_supxlabel())]
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences if sentence) or "An empty figure."


def brightness(figure: Figure) -> list[list[float]]:
    """Return, for each picture in a figure (40 at the most), the mean of its four quarters, from 0 to 1 of its scale.

    A comparison of two figures reads it: the description alone does not tell one picture from another.
    """
    levels: list[list[float]] = []
    for axis in figure.axes:
        for image in axis.images[: MOST_PICTURES - len(levels)]:
            values = np.nan_to_num(_filled(image.get_array()))  # a notebook's JSON has no NaN
            if values.ndim == 2:
                values = np.asarray(image.norm(values), dtype=float)[..., np.newaxis]
            elif np.asarray(image.get_array()).dtype == np.uint8:
                values = values / 255
            middle = np.array(values.shape[:2]) // 2
            quarters = [half for rows in np.split(values, [middle[0]]) for half in np.split(rows, [middle[1]], axis=1)]
            levels.append([round(float(quarter.mean()), 3) if quarter.size else 0.0 for quarter in quarters])
    return levels


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file: a `SeriesFigure` in the series' style, any other in the learner's."""
    file = io.BytesIO()
    tight = None if figure.get_layout_engine() else "tight"
    options: dict[str, Any] = dict(format="png", metadata={"Software": None}, bbox_inches=tight)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a layout too narrow: no words for a learner's page
        if isinstance(figure, SeriesFigure):
            with style.context(STYLE, after_reset=True):
                figure.savefig(file, dpi=100, **options)
        else:
            figure.savefig(file, dpi=figure.dpi, **options)
    return file.getvalue()


def bundle(figure: Figure) -> tuple[dict, dict]:
    """Return (data, metadata) of a figure, as a notebook keeps them and `IPython.display.display(raw=True)` takes them.

    The data hold the PNG and the description, the metadata the alt text and each picture's brightness.
    """
    return picture_bundle(png(figure), describe(figure), shows=brightness(figure))


def picture_bundle(picture: bytes, alt: str, **metadata) -> tuple[dict, dict]:
    """Return the same for a picture that is a PNG already."""
    data = {"image/png": base64.b64encode(picture).decode(), "text/plain": alt}
    return data, {"image/png": {"alt": alt, **metadata}}


class Picture(NamedTuple):
    """A PNG, its words for those who can't see it, and what is to be said where a pointer comes near a point.

    Points are (from the left, from the top, words), as shares of the picture's width and height.
    """

    png: bytes
    alt: str
    points: Sequence[tuple[float, float, str]] = ()


def image_tag(data: dict, **attributes: str) -> str:
    """Return the picture of a bundle as an element of HTML."""
    more = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f'<img src="data:image/png;base64,{data["image/png"]}" alt="{escape(data["text/plain"])}"{more}>'


def _show(data: dict, metadata: dict) -> None:
    from IPython.display import display

    display(data, metadata=metadata, raw=True)
    display({"text/html": UNSEEN.format(escape(data["text/plain"])), "text/plain": ""}, raw=True)


def show_png(picture: bytes, alt: str) -> None:
    """Show a picture that is a PNG already, with its alt text, below the cell."""
    _show(*picture_bundle(picture, alt))


def show_figure(figure: Figure) -> None:
    """Show a figure below the cell: what IPython calls for every figure once `helpers` is imported."""
    _show(*bundle(figure))
