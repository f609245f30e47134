"""How CIFAR-10 is stored and used: an image as numbers, a record as bytes, training against testing, the three sets."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Patch, Rectangle

from helpers.data import CLASSES, to_image
from helpers.figures import SeriesFigure, in_series_style
from helpers.plots.figure import BLUE, GREEN, GREY, ORANGE, WIDTH, new_figure

__all__ = ["feedback_loop", "guess_histogram", "image_as_numbers", "record_blocks", "side_by_side", "split_bars"]

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
        stored.text(column, line, value, ha="center", va="center", color="white" if value < 128 else "black")
    stored.set_title("what the computer gets: red")
    for axis, first, step in ((seen, (0, 0), 8), (stored, (top, left), 1)):
        ticks = np.arange(0, 32 if axis is seen else size, step)
        axis.set_xticks(ticks, ticks + first[1])
        axis.set_yticks(ticks, ticks + first[0])
        axis.set_xlabel("column")
        axis.set_ylabel("row")
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
        axis.set_xticks([])
        axis.set_yticks([])
    for axis in axes[:, 0]:
        axis.axis("off")
    for axis in axes[1]:
        axis.axis("off")
    axes[0, 0].set_title("byte 0\nlabel")
    _write_values(axes[1, 0], [label], more=False)
    axes[2, 0].text(0.5, 0.62, f"classes[{label}]\n= {CLASSES[label]}", ha="center", va="center", fontsize=12)
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
    return figure


def _write_values(axis, values: Sequence[int], more: bool) -> None:
    """Write values into a row of boxes, followed by dots if there are more."""
    count = len(values) + more
    width = count if more else 3
    axis.set_xlim(0, width)
    axis.set_ylim(0, 1)
    for place, value in enumerate(values, start=0 if more else 1):
        axis.add_patch(Rectangle((place + 0.04, 0.1), 0.92, 0.8, facecolor="white", edgecolor="black"))
        axis.text(place + 0.5, 0.47, str(value), ha="center", va="center")
    if more:
        axis.text(count - 0.5, 0.5, "…", ha="center", va="center")


@in_series_style
def side_by_side(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Draw pictures, each (height, width, 3) uint8, side by side under their titles; return the figure."""
    figure, axes = new_figure(1, len(pictures), height=3.6, squeeze=False)
    for axis, picture, title in zip(axes.flat, pictures, titles, strict=True):
        axis.imshow(picture)
        axis.set_title(title)
        axis.axis("off")
    return figure


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
    figure = SeriesFigure(figsize=(WIDTH, height), layout="none")
    axis = figure.add_axes((0, 0, 1, 1))
    axis.axis("off")
    for middle, title, rows in ((3.65, "Training", training), (0.8, "Testing", testing)):
        axis.text(0.1, middle + 0.85, title, fontsize=13, fontweight="bold", va="center")
        for place, row in enumerate(rows):
            left, bottom = 0.1 + 0.7 * place, middle - 0.33
            axis.imshow(to_image(row), extent=(left, left + 0.65, bottom, bottom + 0.65))
        axis.text(1.12, middle - 0.5, "images", ha="center", va="center")
        _arrow(axis, (2.2, middle), (2.65, middle))
        _arrow(axis, (4.4, middle), (4.85, middle))
        _box(axis, (4.85, middle - 0.45), 1.35, 0.9, "answers\na class for each", BLUE)
    _box(axis, (2.65, 3.2), 1.75, 0.9, "model\nparameters change", ORANGE)
    _box(axis, (2.65, 0.35), 1.75, 0.9, "model\nparameters fixed", GREY)
    _box(axis, (6.6, 3.1), 1.3, 1.1, "\n".join(["labels", *(classes[label] for label in training_labels)]), GREEN)
    _box(axis, (5.1, 2.05), 2.6, 0.5, "compare", GREY)
    _arrow(axis, (5.52, 3.2), (5.52, 2.55))
    _arrow(axis, (7.25, 3.1), (7.25, 2.55))
    axis.plot([5.1, 3.52], [2.3, 2.3], color=ORANGE, linewidth=3, linestyle="--")
    _arrow(axis, (3.52, 2.3), (3.52, 3.2), colour=ORANGE, width=3, style="--")
    axis.text(3.35, 2.55, "feedback:\nhow to change", ha="right", va="center")
    axis.text(6.45, 0.8, "no labels go in,\nno feedback", va="center")
    axis.plot([0.1, WIDTH - 0.1], [1.88, 1.88], color="#cccccc", linewidth=1)
    axis.set(xlim=(0, WIDTH), ylim=(0, height), aspect="equal")
    return figure


def _box(axis, corner: tuple[float, float], width: float, height: float, text: str, colour: str) -> None:
    """Draw a rounded white box with a coloured edge and a text in its middle; lengths in inches."""
    axis.add_patch(
        FancyBboxPatch(
            (corner[0] + 0.08, corner[1] + 0.08),
            width - 0.16,
            height - 0.16,
            boxstyle="round,pad=0.08",
            facecolor="white",
            edgecolor=colour,
            linewidth=2,
        )
    )
    axis.text(corner[0] + width / 2, corner[1] + height / 2, text, ha="center", va="center", fontsize=10)


def _arrow(axis, start: tuple[float, float], end: tuple[float, float], colour="black", width=1.5, style="-") -> None:
    """Draw an arrow from start to end; lengths in inches."""
    axis.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=18,
            shrinkA=0,
            shrinkB=0,
            color=colour,
            linewidth=width,
            linestyle=style,
        )
    )


@in_series_style
def split_bars(training: np.ndarray, validation: np.ndarray, test: int = 10_000, first: int = 100) -> Figure:
    """Draw the three sets by size, and to which of them each of the first training images goes.

    Args:
        training: (n,) integers, the images to learn from.
        validation: (m,) integers, the images to validate with; the two together are 0 to n + m - 1.
        test: number of test images.
        first: how many images of the training file are shown one by one.

    Returns:
        The figure.
    """
    looks = {
        "training": (BLUE, "", f"training: {len(training):,}"),
        "validation": (ORANGE, "////", f"validation: {len(validation):,}"),
        "test": ("white", "", f"test: {test:,}"),
    }
    figure, (sizes, places) = new_figure(2, 1, height=3.6, gridspec_kw={"height_ratios": [1.3, 1]})
    together = len(training) + len(validation)
    shipped = [("", 0, together, "#dddddd"), ("test", together, test, None)]
    used = [("training", 0, len(training), None), ("validation", len(training), len(validation), None), shipped[1]]
    for height, bars in ((1, shipped), (0, used)):
        for name, start, length, colour in bars:
            face, hatch, _ = looks.get(name, (colour, "", ""))
            sizes.barh(height, length, left=start, height=0.6, color=face, hatch=hatch, edgecolor="black")
    sizes.text(together / 2, 1, f"training file: {together:,}", ha="center", va="center")
    sizes.text(together + test / 2, 1, f"test: {test:,}", ha="center", va="center")
    sizes.set_yticks([1, 0], ["as it comes", "as you use it"])
    sizes.set_xlim(0, 1.002 * (together + test))
    sizes.set_xticks(
        np.linspace(0, together + test, 7), [f"{tick:,.0f}" for tick in np.linspace(0, together + test, 7)]
    )
    sizes.spines["left"].set_visible(False)
    sizes.tick_params(left=False)
    handles = [
        Patch(facecolor=face, hatch=hatch, edgecolor="black", label=text) for face, hatch, text in looks.values()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    held = set(validation.tolist())
    per_row = first // 2
    for place in range(first):
        face, hatch, _ = looks["validation" if place in held else "training"]
        corner = place % per_row, 1 - place // per_row
        places.add_patch(Rectangle(corner, 0.9, 0.8, facecolor=face, hatch=hatch, edgecolor="black", linewidth=0.8))
    places.set_xlim(-0.5, per_row + 0.5)
    places.set_ylim(-0.2, 2)
    places.set_yticks([1.4, 0.4], [f"0 to {per_row - 1}", f"{per_row} to {first - 1}"])
    places.set_xticks([])
    figure.get_layout_engine().set(hspace=0.15)  # or the title below would read as the axis label above
    places.set_title(f"the first {first} images of the training file, one by one", fontsize=11, loc="left")
    for side in ("left", "bottom"):
        places.spines[side].set_visible(False)
    places.tick_params(left=False)
    return figure


@in_series_style
def guess_histogram(accuracies: np.ndarray, again: float) -> Figure:
    """Draw how the accuracies of many guessers spread, and what the best of them reaches on other images.

    Args:
        accuracies: (n,) values, 0 to 1, on the images by which the best is chosen.
        again: accuracy, 0 to 1, of the best on other images.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=3.2)
    axis.hist(100 * accuracies, bins=18, color="#cccccc", edgecolor="white")
    top = axis.get_ylim()[1]
    best = 100 * accuracies.max(), "the best of them,\nwhere it was chosen", ORANGE, "--"
    for place, text, colour, style in (best, (100 * again, "the same one,\non other images", BLUE, "-")):
        axis.plot([place, place], [0, 1.08 * top], color=colour, linestyle=style)
        axis.text(place, 1.1 * top, f"{text}: {place:.1f}%", ha="center", va="bottom")
    axis.set_ylim(0, 1.4 * top)
    axis.set_xlabel("accuracy in %")
    axis.set_ylabel("guessers")
    return figure
