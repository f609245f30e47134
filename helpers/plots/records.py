"""How CIFAR-10 is stored and used: an image as numbers, a record as bytes, training against testing (notebook 1)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from helpers.data import CLASSES, to_image
from helpers.figures import SeriesFigure, in_series_style
from helpers.plots.figure import BLUE, GREEN, GREY, ORANGE, WIDTH, new_figure, write

__all__ = ["feedback_loop", "image_as_numbers", "record_blocks"]

CHANNELS = ("red", "green", "blue")
# From none to full brightness of one channel; kept light enough at the end to tell the three apart by their labels.
CHANNEL_MAPS = tuple(
    LinearSegmentedColormap.from_list(name, ["black", full])
    for name, full in zip(CHANNELS, ("#ff4040", "#40e040", "#5080ff"), strict=True)
)


@in_series_style
def image_as_numbers(row: np.ndarray, top: int = 12, left: int = 12, size: int = 8) -> Figure:
    """Draw an image as you see it, and the red values, 0 to 255, of a square of its pixels as a computer gets them.

    Args:
        row: (3072,) uint8, one stored image, channel first.
        top: first row of the square.
        left: first column of the square.
        size: its side, in pixels.

    Returns:
        The figure.
    """
    picture = to_image(row)
    figure, (seen, stored) = new_figure(1, 2, height=4.2)
    seen.imshow(picture)
    for colour, width in (("black", 4), ("white", 2)):
        seen.add_patch(Rectangle((left - 0.5, top - 0.5), size, size, fill=False, edgecolor=colour, linewidth=width))
    seen.set_title("what you see")
    values = picture[top : top + size, left : left + size, 0]
    stored.imshow(values, cmap="gray", vmin=0, vmax=255)
    for (line, column), value in np.ndenumerate(values):
        write(stored, column, line, value, color="white" if value < 128 else "black")
    stored.set_title("what the computer gets: red")
    for axis, first, step in ((seen, (0, 0), 8), (stored, (top, left), 1)):
        ticks = np.arange(0, 32 if axis is seen else size, step)
        axis.set_xticks(ticks, ticks + first[1])
        axis.set_yticks(ticks, ticks + first[0])
        axis.set(xlabel="column", ylabel="row")
    figure.words = f"Left, a photo with a square marked. Right, the square's {values.size} red values, 0 to 255"
    return figure


@in_series_style
def record_blocks(record: np.ndarray, first: int = 4) -> Figure:
    """Draw one record of CIFAR-10's binary files: its label byte, then three blocks of 1,024 bytes.

    Args:
        record: (3073,) uint8.
        first: how many values at the beginning of each block are written out.

    Returns:
        The figure: on top each block as a strip, under it its first values, below it folded into 32 x 32.
    """
    label, blocks = int(record[0]), record[1:].reshape(3, 1024)
    figure, axes = new_figure(
        3, 4, height=4.3, gridspec_kw={"height_ratios": [0.5, 0.5, 2.6], "width_ratios": [0.62, 1, 1, 1]}
    )
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    for axis in (*axes[:, 0], *axes[1]):
        axis.axis("off")
    axes[0, 0].set_title("byte 0\nlabel")
    _write_values(axes[1, 0], [label], more=False)
    write(axes[2, 0], 0.5, 0.62, f"classes[{label}]\n= {CLASSES[label]}", fontsize=12)
    for number, (values, strip, texts, plane) in enumerate(zip(blocks, *axes[:, 1:], strict=True)):
        start = 1 + 1024 * number
        # Aspect "auto" squeezes 1,024 values into a strip of some 200 dots; each dot is then a mean of its values.
        strip.imshow(
            values[None], cmap=CHANNEL_MAPS[number], vmin=0, vmax=255, aspect="auto", interpolation="antialiased"
        )
        strip.set_title(f"bytes {start:,} to {start + 1023:,}\n{CHANNELS[number]}")
        _write_values(texts, values[:first], more=True)
        plane.imshow(values.reshape(32, 32), cmap=CHANNEL_MAPS[number], vmin=0, vmax=255)
        plane.set_xlabel(f"{CHANNELS[number]}, folded into\n32 rows of 32")
    figure.words = (
        f"A record: a label byte, {label}, then 1,024 bytes each of red, green and blue. Folded into 32 rows of 32, "
        "each of the three blocks is the whole picture in one colour"
    )
    return figure


def _write_values(axis, values: Sequence[int], more: bool) -> None:
    """Write values into a row of boxes, followed by dots if there are more."""
    count = len(values) + more
    width = count if more else 3
    axis.set(xlim=(0, width), ylim=(0, 1))
    for place, value in enumerate(values, start=0 if more else 1):
        axis.add_patch(Rectangle((place + 0.04, 0.1), 0.92, 0.8, facecolor="white", edgecolor="black"))
        write(axis, place + 0.5, 0.47, str(value))
    if more:
        write(axis, count - 0.5, 0.5, "…")


@in_series_style
def feedback_loop(
    training: np.ndarray, training_labels: np.ndarray, testing: np.ndarray, classes: Sequence[str] = CLASSES
) -> Figure:
    """Draw how a model is trained, with feedback from the labels, and how it is tested, without.

    Args:
        training: (3, 3072) uint8, images to learn from.
        training_labels: (3,) integers, 0 to 9, their labels.
        testing: (3, 3072) uint8, images not learned from.
        classes: the ten names.

    Returns:
        The figure.
    """
    height = 4.8
    figure = SeriesFigure(figsize=(WIDTH, height), layout="none")  # type: ignore[arg-type]  # Matplotlib knows it, its types do not
    axis = figure.add_axes((0, 0, 1, 1))
    axis.axis("off")
    for middle, title, rows in ((3.65, "Training", training), (0.8, "Testing", testing)):
        write(axis, 0.1, middle + 0.85, title, fontsize=13, fontweight="bold", ha="left")
        for place, row in enumerate(rows):
            left, bottom = 0.1 + 0.7 * place, middle - 0.33
            picture = figure.add_axes((left / WIDTH, bottom / height, 0.65 / WIDTH, 0.65 / height))
            picture.imshow(to_image(row))
            picture.axis("off")
        write(axis, 1.12, middle - 0.5, "images")
        _arrow(axis, (2.2, middle), (2.65, middle))
        _arrow(axis, (4.4, middle), (4.85, middle))
        _box(axis, (4.85, middle - 0.45), 1.35, 0.9, "answers\na class for each", BLUE)
    _box(axis, (2.65, 3.2), 1.75, 0.9, "model\nparameters change", ORANGE)
    _box(axis, (2.65, 0.35), 1.75, 0.9, "model\nparameters fixed", GREY)
    _box(axis, (6.6, 3.1), 1.3, 1.1, "\n".join(["labels", *(classes[label] for label in training_labels)]), GREEN)
    _box(axis, (5.1, 2.05), 2.6, 0.5, "compare", GREY)
    _arrow(axis, (5.52, 3.2), (5.52, 2.55))
    _arrow(axis, (7.25, 3.1), (7.25, 2.55))
    _arrow(axis, (5.1, 2.3), (3.52, 2.3), colour=ORANGE, width=3, style="--", head="-")
    _arrow(axis, (3.52, 2.3), (3.52, 3.2), colour=ORANGE, width=3, style="--")
    write(axis, 3.35, 2.55, "feedback:\nhow to change", ha="right")
    write(axis, 6.45, 0.8, "no labels go in,\nno feedback", ha="left")
    _arrow(axis, (0.1, 1.88), (WIDTH - 0.1, 1.88), colour="#cccccc", width=1, head="-")
    axis.set(xlim=(0, WIDTH), ylim=(0, height), aspect="equal")
    figure.words = (
        "Training: images go into the model, its answers are compared with the labels, and feedback changes the "
        "parameters. Testing: other images, fixed parameters, answers, and no way back"
    )
    return figure


def _box(axis, corner: tuple[float, float], width: float, height: float, text: str, colour: str) -> None:
    """Draw a rounded white box with a coloured edge and a text in its middle; lengths in inches."""
    inner = (corner[0] + 0.08, corner[1] + 0.08), width - 0.16, height - 0.16
    axis.add_patch(FancyBboxPatch(*inner, boxstyle="round,pad=0.08", facecolor="white", edgecolor=colour, linewidth=2))
    write(axis, corner[0] + width / 2, corner[1] + height / 2, text, fontsize=10)


def _arrow(
    axis, start: tuple[float, float], end: tuple[float, float], colour="black", width=1.5, style="-", head="-|>"
):
    """Draw an arrow from start to end, or with `head="-"` a line; lengths in inches."""
    look = {"arrowstyle": head, "mutation_scale": 18, "shrinkA": 0, "shrinkB": 0}
    axis.add_patch(FancyArrowPatch(start, end, color=colour, linewidth=width, linestyle=style, **look))
