"""Pictures of the data itself (notebook 2): grids of images, channels, means, and the ladder of simple guesses."""

import numpy as np
from matplotlib.patches import Rectangle

from helpers.data import CLASSES, to_image
from helpers.figures import in_series_style
from helpers.plots.figure import BLUE, GREY, ORANGE, WIDTH, new_figure
from helpers.plots.templates import signed_image

__all__ = [
    "channel_pictures",
    "class_bars",
    "class_rows",
    "ladder_bars",
    "mean_and_variation",
    "picture_grid",
    "pixel_numbers",
    "subtraction_rows",
]

ENLARGED = 4  # each stored pixel becomes 4 x 4 before drawing, so that it stays a crisp square at any size
TILE = 32 * ENLARGED


def _picture(row: np.ndarray) -> np.ndarray:
    """Turn (3072,) values of 0 to 255 into an enlarged picture (128, 128, 3) uint8."""
    picture = to_image(np.asarray(row)).round().astype(np.uint8)
    return picture.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


def _tile(images: np.ndarray, columns: int, across: int, down: int) -> np.ndarray:
    """Lay (n, 3072) images out in rows on white, with gaps of `across` and `down`; return (height, width, 3) uint8."""
    rows = -(-len(images) // columns)
    canvas = np.full((rows * (TILE + down), columns * (TILE + across) - across, 3), 255, np.uint8)
    for place, image in enumerate(images):
        top, left = place // columns * (TILE + down) + down, place % columns * (TILE + across)
        canvas[top : top + TILE, left : left + TILE] = _picture(image)
    return canvas


@in_series_style
def class_rows(images: np.ndarray):
    """Draw one row of pictures for each class, its name on the left.

    Args:
        images: (10, k, 3072) uint8, k images of each class in the order of the labels.

    Returns:
        The figure.
    """
    gap = TILE // 12
    canvas = _tile(images.reshape(-1, images.shape[-1]), images.shape[1], gap, gap)
    figure, axis = new_figure(height=7.25)
    axis.imshow(canvas, interpolation="antialiased")
    axis.set_yticks(gap + TILE / 2 + (TILE + gap) * np.arange(len(images)), CLASSES[: len(images)], fontsize=12)
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


@in_series_style
def picture_grid(images: np.ndarray, titles, columns: int = 6):
    """Draw pictures in rows, each with its title above it.

    Args:
        images: (n, 3072) values of 0 to 255.
        titles: n short titles.
        columns: pictures a row.

    Returns:
        The figure.
    """
    across, down = TILE // 6, TILE // 3
    canvas = _tile(images, columns, across, down)
    figure, axis = new_figure(height=WIDTH * canvas.shape[0] / canvas.shape[1])
    axis.imshow(canvas, interpolation="antialiased")
    for place, title in enumerate(titles):
        top, left = place // columns * (TILE + down) + down, place % columns * (TILE + across)
        axis.text(left + TILE / 2, top - down / 8, title, ha="center", va="bottom", fontsize=12)
    axis.axis("off")
    return figure


@in_series_style
def channel_pictures(row: np.ndarray, title: str):
    """Draw an image beside its three channels: above each in its own colour, below the same numbers in grey.

    Args:
        row: (3072,) uint8, one stored image.
        title: what the image shows.

    Returns:
        The figure.
    """
    figure, axes = new_figure(2, 4, height=3.9, gridspec_kw={"width_ratios": [2.1, 1, 1, 1]})
    grid = axes[0, 0].get_gridspec()
    for axis in axes[:, 0]:
        axis.remove()
    whole = figure.add_subplot(grid[:, 0])
    whole.imshow(_picture(row))
    whole.set_title(title, fontsize=12)
    whole.axis("off")
    image = to_image(row)
    for channel, name in enumerate(("red", "green", "blue")):
        coloured = np.zeros_like(image)
        coloured[..., channel] = image[..., channel]
        upper, lower = axes[0, channel + 1], axes[1, channel + 1]
        upper.imshow(coloured, interpolation="nearest")
        lower.imshow(image[..., channel], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        upper.set_title(f"{name} channel", fontsize=12)
        lower.set_title("the same, in grey", fontsize=11)
        upper.axis("off")
        lower.axis("off")
    return figure


@in_series_style
def pixel_numbers(row: np.ndarray, top: int, left: int, size: int = 5):
    """Draw an image with a small square marked, and beside it that square enlarged, each pixel's numbers written in.

    Args:
        row: (3072,) uint8, one stored image.
        top: first pixel row of the square, 0 to 31.
        left: first pixel column of the square, 0 to 31.
        size: pixels along an edge of the square.

    Returns:
        The figure.
    """
    image = to_image(row)
    square = image[top : top + size, left : left + size]
    figure, (whole, close) = new_figure(1, 2, height=4.5, gridspec_kw={"width_ratios": [3, 4]})
    whole.imshow(image, interpolation="nearest")
    frame = {"fill": False, "linewidth": 2}
    whole.add_patch(Rectangle((left - 0.6, top - 0.6), size + 0.2, size + 0.2, edgecolor="white", **frame))
    whole.add_patch(Rectangle((left - 0.9, top - 0.9), size + 0.8, size + 0.8, edgecolor="black", **frame))
    whole.set_title("32 × 32 pixels")
    whole.axis("off")
    close.imshow(square, interpolation="nearest")
    for line in range(size):
        for column in range(size):
            red, green, blue = square[line, column].tolist()
            ink = "black" if 0.3 * red + 0.6 * green + 0.1 * blue > 120 else "white"
            text = f"R {red:>3}\nG {green:>3}\nB {blue:>3}"
            close.text(column, line, text, ha="center", va="center", color=ink, fontsize=10, family="monospace")
    close.set_title(f"{size} × {size} of them, with their numbers")
    close.set_xticks(range(size), range(left, left + size))
    close.set_yticks(range(size), range(top, top + size))
    close.set(xlabel="pixel column", ylabel="pixel row")
    close.tick_params(length=0)
    close.spines[:].set_visible(False)
    return figure


@in_series_style
def class_bars(training: np.ndarray, validation: np.ndarray):
    """Draw how many images each class has, as bars made of two parts.

    Args:
        training: (10,) counts in the part to learn from.
        validation: (10,) counts in the part held back.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=3.8)
    places = np.arange(len(CLASSES))
    axis.bar(places, training, width=0.7, color=BLUE, label="training part")
    axis.bar(
        places, validation, width=0.7, bottom=training, color=ORANGE, hatch="///", edgecolor="white",
        label="validation part",
    )  # fmt: skip
    for place, total in zip(places, training + validation, strict=True):
        axis.annotate(f"{total:,}", (place, total), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=11)
    axis.set_xticks(places, CLASSES, fontsize=11)
    axis.tick_params(axis="x", length=0)
    axis.set_yticks(range(0, 6_000, 1_000), [f"{count:,}" for count in range(0, 6_000, 1_000)])
    axis.set_ylabel("images")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.02), ncols=2, frameon=False)
    return figure


@in_series_style
def mean_and_variation(mean: np.ndarray, variation: np.ndarray):
    """Draw the mean image, and how far each pixel strays from it.

    Args:
        mean: (3072,) mean of each number over many images, 0 to 255.
        variation: (3072,) standard deviation of each number, in the same units.

    Returns:
        The figure.
    """
    figure, (left, right) = new_figure(1, 2, height=3.9)
    left.imshow(_picture(mean))
    left.set_title("the mean image")
    left.axis("off")
    drawn = right.imshow(to_image(variation).mean(axis=2), cmap="viridis", interpolation="nearest")
    right.set_title("how far pixels stray from it")
    right.axis("off")
    bar = figure.colorbar(drawn, ax=right, shrink=0.85)
    bar.set_label("standard deviation (of 0 to 255)")
    bar.outline.set_visible(False)
    return figure


@in_series_style
def subtraction_rows(images: np.ndarray, mean: np.ndarray, names):
    """Draw, for each image, the sum `image - mean = difference`; in a difference mid-grey is 0.

    Args:
        images: (n, 3072) values of 0 to 255.
        mean: (3072,) the image to subtract.
        names: n names for the images.

    Returns:
        The figure.
    """
    side, left, gap, row_height, top = 1.45, 1.25, 0.65, 1.6, 0.35  # inches
    height = row_height * len(images) + top
    figure, axes = new_figure(len(images), 3, height=height, squeeze=False)
    figure.set_layout_engine("none")  # places are given below: the signs stand between the pictures
    for line, column in np.ndindex(axes.shape):
        place = left + column * (side + gap), height - top - row_height * line - side
        axes[line, column].set_position((place[0] / WIDTH, place[1] / height, side / WIDTH, side / height))
    for axis, title in zip(axes[0], ("pixels, 0 to 255", "the mean image", "what is left, −255 to 255"), strict=True):
        axis.set_title(title)
    for line, image, name in zip(axes, images, names, strict=True):
        difference = np.asarray(image, np.float32) - mean
        for axis, picture in zip(line, (_picture(image), _picture(mean), signed_image(difference, 255)), strict=True):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=10, fontsize=12)
        for axis, sign in zip(line[1:], ("−", "="), strict=True):
            axis.text(-gap / side / 2, 0.5, sign, transform=axis.transAxes, ha="center", va="center", fontsize=24)
        average = round(float(difference.mean()))
        text = f"on average\n{average:+d}".replace("-", "−") if average else "on average\n0"
        line[2].text(1.08, 0.5, text, transform=line[2].transAxes, va="center", fontsize=11)
    return figure


@in_series_style
def ladder_bars(names, accuracies, count: int, band: tuple[float, float], band_name: str):
    """Draw accuracies as horizontal bars, worst on top, each with twice its standard error; chance is a dashed line.

    Args:
        names: the rungs.
        accuracies: their accuracies, 0 to 1.
        count: the number of images that each was measured on.
        band: two accuracies, 0 to 1; the range between them is shaded for comparison.
        band_name: what the band is.

    Returns:
        The figure.
    """
    accuracies = np.asarray(accuracies)
    errors = np.sqrt(accuracies * (1 - accuracies) / count)
    figure, axis = new_figure(height=0.55 * len(names) + 1.7)
    axis.axvspan(*band, color=ORANGE, alpha=0.25, linewidth=0)
    axis.annotate(band_name, (np.mean(band), 1), xycoords=("data", "axes fraction"), xytext=(0, 4),
                  textcoords="offset points", ha="center", va="bottom", fontsize=10)  # fmt: skip
    axis.barh(names, accuracies, height=0.6, color=BLUE, xerr=2 * errors, ecolor="black", capsize=4)
    axis.axvline(0.1, color=GREY, linestyle="--", linewidth=1.5)
    axis.annotate("chance", (0.1, 1), xycoords=("data", "axes fraction"), xytext=(0, 4), textcoords="offset points",
                  ha="center", va="bottom", fontsize=10)  # fmt: skip
    for place, (accuracy, error) in enumerate(zip(accuracies, errors, strict=True)):
        axis.annotate(f"{accuracy:.1%}", (accuracy + 2 * error, place), xytext=(6, 0), textcoords="offset points",
                      va="center", fontsize=12)  # fmt: skip
    axis.invert_yaxis()
    axis.set_xlim(0, max(0.4, accuracies.max() + 0.06))
    ticks = np.arange(0, axis.get_xlim()[1], 0.1)
    axis.set_xticks(ticks, [f"{tick:.0%}" for tick in ticks])
    axis.set_xlabel("accuracy on the validation set (whiskers: two standard errors)")
    axis.tick_params(axis="y", length=0, labelsize=11)
    return figure
