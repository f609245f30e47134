"""Diagrams of the model: how pixels become scores, scores become probabilities and a loss, and all of it a graph.

Every number in them comes from the arrays that are handed in.
"""

import numpy as np
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.ticker import PercentFormatter

from helpers.data import CLASSES, to_image
from helpers.figures import in_series_style
from helpers.plots.figure import BLUE, CLASS_COLOURS, CLASS_MARKERS, GREEN, GREY, ORANGE, WIDTH, new_figure
from helpers.plots.templates import signed_image

__all__ = [
    "class_panels",
    "image_row",
    "loss_curve",
    "matrix_product",
    "operation_graph",
    "scale_curves",
    "weighted_sum",
]

SHOWN = (0, 1, 2, None, 3071)  # which of an image's 3,072 values a diagram writes out; None stands for the rest
SMALL = 9.5  # points


def _number(value: float, decimals: int) -> str:
    """Return a signed number with a true minus sign."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def _drawing(height: float):
    """Return a figure and one axis without frame, measured in inches from its lower left corner."""
    figure, axis = new_figure(height=height)
    axis.set(xlim=(0, WIDTH), ylim=(0, height))
    axis.axis("off")
    return figure, axis


def _picture(axis, image: np.ndarray, left: float, bottom: float, size: float) -> None:
    """Put a picture (32, 32, 3) into a drawing; position and size in inches."""
    extent = (left, left + size, bottom, bottom + size)
    axis.imshow(image, extent=extent, aspect="auto", interpolation="nearest", zorder=2)


@in_series_style
def image_row(images: np.ndarray, titles: list[str], columns: int = 5):
    """Draw (n, 3072) uint8 images side by side, each under its title; return the figure."""
    rows = -(-len(images) // columns)
    figure, axes = new_figure(rows, columns, height=1.8 * rows, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(to_image(image), interpolation="nearest")
        axis.set_title(title)
    return figure


@in_series_style
def class_panels(panels: dict[str, np.ndarray], label: int | None = None, line: float | None = None,
                 most: float | None = None):  # fmt: skip
    """Draw several sets of ten values, one value a class, as horizontal bars beside one another.

    Args:
        panels: title to (10,) values.
        label: the true class, named with an arrow in front; none by default.
        line: a value to mark with a dashed line in the first panel.
        most: where the axes of all panels end, so that pictures can be compared; at the largest value by default.

    Returns:
        The figure.
    """
    figure, axes = new_figure(1, len(panels), height=3.9, sharey=True, squeeze=False)
    for axis, (title, values) in zip(axes[0], panels.items(), strict=True):
        values = np.asarray(values)
        decimals = 1 if np.abs(values).max() >= 10 else 2
        axis.barh(range(10), values, color=CLASS_COLOURS, height=0.7)
        axis.axvline(0, color="black", linewidth=0.8)
        for row, value in enumerate(values):
            text = _number(value, decimals) if values.min() < 0 else f"{value:.{decimals}f}"
            axis.annotate(text, (value, row), xytext=(4 if value >= 0 else -4, 0), textcoords="offset points",
                          va="center", ha="left" if value >= 0 else "right", fontsize=SMALL)  # fmt: skip
        low, high = min(values.min(), 0), max(values.max(), 0) if most is None else most
        room = (0.45 if most is None else 0.1) * (high - low)  # for the numbers beside the bars
        axis.set_xlim(low - (room if low < 0 else 0), high + (room if high > 0 else 0))
        axis.locator_params(axis="x", nbins=4)
        axis.set_title(title, fontsize=11)
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
    if line is not None:
        axes[0, 0].axvline(line, color=GREY, linestyle="--", linewidth=1.5)
    names = [f"truth → {name}" if number == label else name for number, name in enumerate(CLASSES)]
    axes[0, 0].set_yticks(range(10), names, fontsize=11)
    axes[0, 0].invert_yaxis()
    return figure


@in_series_style
def weighted_sum(pixels: np.ndarray, weights: np.ndarray, bias: float, class_name: str):
    """Draw how one image gets its score for one class: pixels times weights, added up, plus the bias.

    Args:
        pixels: (3072,) scaled pixels of the image.
        weights: (3072,) weights of the class.
        bias: of the class.
        class_name: its name.

    Returns:
        The figure.
    """
    products = pixels * weights
    figure, axis = _drawing(4.75)
    lefts, size, top = (1.25, 3.55, 5.85), 1.9, 2.45
    for left, values, scale in zip(lefts[:2], (pixels, weights), (1.0, np.abs(weights).max()), strict=True):
        _picture(axis, signed_image(values, scale), left, top, size)
    places = products.reshape(3, 32, 32).sum(axis=0)
    reach = np.abs(places).max()
    axis.imshow(places, extent=(lefts[2], lefts[2] + size, top, top + size), aspect="auto", cmap="PuOr_r",
                vmin=-reach, vmax=reach, interpolation="nearest", zorder=2)  # fmt: skip
    heads = ("pixels of one image", f"weights of “{class_name}”", "products (3 colours added)")
    for left, head in zip(lefts, heads, strict=True):
        axis.add_patch(Rectangle((left, top), size, size, fill=False, edgecolor=GREY, zorder=3))
        axis.text(left + size / 2, top + size + 0.1, head, ha="center", fontsize=11)
    names = {0: "1st red", 1: "2nd red", 2: "3rd red", 3071: "last blue"}
    heights = [2.2, 1.96, 1.72, 1.5, 1.26]
    centres = [left + size / 2 for left in lefts]
    for height, place in zip(heights, SHOWN, strict=True):
        values = [_number(part[place], 3) for part in (pixels, weights, products)] if place is not None else ["⋮"] * 3
        for centre, value in zip(centres, values, strict=True):
            axis.text(centre, height, value, ha="center", va="center", fontsize=11)
        axis.text(0.1, height, names.get(place, "⋮"), ha="left", va="center", fontsize=11, color=GREY)
        if place is not None:
            for left, sign in zip(lefts[1:], "×=", strict=True):
                axis.text(left - 0.2, height, sign, ha="center", va="center", fontsize=11)
    for left, sign in zip(lefts[1:], "×=", strict=True):
        axis.text(left - 0.2, top + size / 2, sign, ha="center", va="center", fontsize=20)
    axis.plot((lefts[2], lefts[2] + size), (1.08, 1.08), color="black", linewidth=1)
    score = products.sum() + bias
    lines = [("sum of all 3,072 products", products.sum(), "normal"), (f"bias of “{class_name}”", bias, "normal"),
             (f"score for “{class_name}”", score, "bold")]  # fmt: skip
    for height, (text, value, weight) in zip((0.88, 0.6, 0.26), lines, strict=True):
        axis.text(lefts[2] - 0.1, height, text, ha="right", va="center", fontsize=11, fontweight=weight)
        axis.text(centres[2], height, _number(value, 3), ha="center", va="center", fontsize=11, fontweight=weight)
    axis.text(
        0.1, top + 0.35, "purple: takes\nfrom the score\n\norange: adds\nto the score", fontsize=SMALL, color=GREY
    )
    return figure


@in_series_style
def matrix_product(images: np.ndarray, pixels: np.ndarray, weights: np.ndarray, biases: np.ndarray):
    """Draw pixels times weights plus biases for a batch, each result where its row and its column meet.

    Args:
        images: (n, 3072) uint8, shown at the left of their rows; n from 1 to about 10.
        pixels: (n, 3072) the same images, scaled.
        weights: (3072, 10), each column under its picture.
        biases: (10,).

    Returns:
        The figure. The largest score of each row is framed.
    """
    count = len(images)
    logits = pixels @ weights + biases
    cell, line, row = 0.48, 0.25, 0.52
    left, right = 0.8, 3.12  # where the columns of the pixels and of the classes begin
    height = 3.15 + row * count
    figure, axis = _drawing(height)
    columns = right + cell * (np.arange(10) + 0.5)
    values = left + np.array([0.24, 0.69, 1.14, 1.5, 1.86])
    style = {"ha": "center", "va": "center", "fontsize": SMALL}
    scale = np.percentile(np.abs(weights), 99.5) or 1.0
    for column, name, weight, bias in zip(columns, CLASSES, weights.T, biases, strict=True):
        axis.text(column, height - 0.17, name, **style)
        _picture(axis, signed_image(weight, scale), column - 0.2, height - 0.72, 0.4)
        for step, place in enumerate(SHOWN):
            text = "⋮" if place is None else _number(weight[place], 2)
            axis.text(column, height - 0.93 - line * step, text, **style)
        axis.text(column, height - 2.37, _number(bias, 1), **style)
    shades = {"alpha": 0.13, "linewidth": 0}
    wide = 10 * cell
    axis.add_patch(Rectangle((right, height - 2.07), wide, 1.29, color=ORANGE, **shades))
    axis.add_patch(Rectangle((right, height - 2.5), wide, 0.26, color=ORANGE, **shades))
    axis.add_patch(Rectangle((left, 0.08), 2.12, row * count, color=BLUE, **shades))
    axis.add_patch(Rectangle((right, 0.08), wide, row * count, color=GREEN, **shades))
    axis.text(right - 0.12, height - 1.42, "weights [3072, 10]", ha="right", va="center", fontsize=11)
    axis.text(right - 0.12, height - 2.37, "+ biases [10]", ha="right", va="center", fontsize=11)
    head = 0.08 + row * count + 0.17
    axis.text(left + 1.06, head, f"pixels [{count}, 3072]", ha="center", va="center", fontsize=11)
    axis.text(right + wide / 2, head, f"scores [{count}, 10] = pixels × weights + biases (largest of each row framed)",
              ha="center", va="center", fontsize=SMALL)  # fmt: skip
    for number in range(count):
        middle = 0.08 + row * (count - number - 0.5)
        _picture(axis, to_image(images[number]), 0.22, middle - 0.23, 0.46)
        for value, place in zip(values, SHOWN, strict=True):
            axis.text(value, middle, "…" if place is None else _number(pixels[number, place], 2), **style)
        best = int(np.argmax(logits[number]))
        for label, column in enumerate(columns):
            text = _number(logits[number, label], 1)
            axis.text(column, middle, text, fontweight="bold" if label == best else "normal", **style)
        corner = (columns[best] - cell / 2 + 0.01, middle - 0.15)
        axis.add_patch(Rectangle(corner, cell - 0.02, 0.3, fill=False, edgecolor="black", linewidth=1.5))
    return figure


@in_series_style
def loss_curve(probabilities: np.ndarray, labels: np.ndarray):
    """Draw -ln p against p, the probability of the truth, with a point for each image.

    Args:
        probabilities: (n,) that the model gives to the true class of each image.
        labels: (n,) the true classes.

    Returns:
        The figure.
    """
    figure, axis = new_figure(height=3.8)
    truth = np.geomspace(0.001, 1, 400)
    axis.plot(truth, -np.log(truth), color=GREY, label="loss = −ln p", zorder=1)
    axis.axhline(np.log(10), color=GREY, linestyle=":", linewidth=1.5, label="ln 10 = 2.303, guessing", zorder=0)
    for number, (probability, label) in enumerate(zip(probabilities, labels, strict=True)):
        loss = -np.log(probability)
        axis.scatter(probability, loss, s=80, color=CLASS_COLOURS[label], marker=CLASS_MARKERS[label], zorder=3,
                     label=f"image {number}, {CLASSES[label]}: p = {probability:.2f}, loss {loss:.2f}")  # fmt: skip
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.1, max(5.0, 0.5 - np.log(np.min(probabilities)))))
    axis.set_xlabel("probability p that the model gives to the true class", fontsize=11)
    axis.set_ylabel("loss of one image", fontsize=11)
    figure.legend(fontsize=10, frameon=False, loc="outside right upper")
    return figure


@in_series_style
def scale_curves(factors: np.ndarray, losses: np.ndarray, accuracies: np.ndarray):
    """Draw loss (nats) and accuracy (0 to 1) against the factor that multiplies all scores; return the figure."""
    figure, axes = new_figure(1, 2, height=3.4)
    axes[0].plot(factors, losses, color=ORANGE, marker="s")
    axes[0].axhline(np.log(10), color=GREY, linestyle=":", linewidth=1.5)
    axes[0].text(factors[-1], np.log(10) * 1.12, "ln 10: guessing", ha="right", va="bottom", fontsize=10, color=GREY)
    axes[0].set(xscale="log", yscale="log", ylim=(1, 2 * np.max(losses)))
    axes[0].set_title("Loss", fontsize=12)
    axes[1].plot(factors, accuracies, color=BLUE, marker="o")
    axes[1].axhline(0.1, color=GREY, linestyle=":", linewidth=1.5)
    axes[1].text(factors[-1], 0.11, "10%: guessing", ha="right", va="bottom", fontsize=10, color=GREY)
    axes[1].set(xscale="log", ylim=(0, 0.5))
    axes[1].set_title("Accuracy", fontsize=12)
    axes[1].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    for axis in axes:
        axis.set_xlabel("all scores times", fontsize=11)
    return figure


# What a box of the graph is called, by the type of its operation; any other type stands under its own name.
_FRIENDLY = {
    "MatMul": "matrix product",
    "AddV2": "add",
    "SparseSoftmaxCrossEntropyWithLogits": "softmax and cross-entropy",
    "Mean": "mean",
    "ArgMax": "index of the largest",
    "Equal": "equal to the label?",
    "Cast": "true to 1, false to 0",
    "Relu": "negative to 0",
}
# Bookkeeping that is left out: it passes a tensor on, holds a setting or asks for a shape.
_PASSING = ("Identity", "ReadVariableOp")
_SETTINGS = ("Const", "Shape", "NoOp")


def _boxes(concrete, outputs: tuple[str, ...]) -> tuple[dict, list[tuple[str, str]]]:
    """Return the boxes of a traced function, name to (title, type, shape, colour), and the arrows between them."""
    variables = {
        inner.op.name: variable
        for outer, inner in concrete.graph.captures
        for variable in concrete.variables
        if variable.handle is outer
    }

    def source(tensor) -> str:
        while tensor.op.type in _PASSING:
            tensor = tensor.op.inputs[0]
        return tensor.op.name

    results = {source(tensor): name for tensor, name in zip(concrete.outputs, outputs, strict=True)}
    boxes, arrows = {}, []
    for operation in concrete.graph.get_operations():
        if operation.type in (*_PASSING, *_SETTINGS):
            continue
        name = operation.name
        shape = variables[name].shape if name in variables else operation.outputs[0].shape
        shape = str(shape.as_list()) if shape.rank else "one number"
        if name in variables:
            boxes[name] = variables[name].name.split(":")[0], "variable", shape, ORANGE
        elif operation.type == "Placeholder":
            boxes[name] = name, "input", shape, BLUE
        else:
            title = _FRIENDLY.get(operation.type, operation.type)
            title = f"{title} = {results[name]}" if name in results else title
            boxes[name] = title, operation.type, shape, GREEN if name in results else "black"
            arrows += [(source(tensor), name) for tensor in operation.inputs if tensor.op.type not in _SETTINGS]
    return boxes, arrows


def _layers(names: list[str], arrows: list[tuple[str, str]]) -> tuple[list[list], list[tuple]]:
    """Arrange names in layers, every arrow going down one layer, with few crossings; long arrows get bends.

    Follows K. Sugiyama, S. Tagawa, M. Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981.
    """
    depth = dict.fromkeys(names, 0)
    for _ in names:
        for start, end in arrows:
            depth[end] = max(depth[end], depth[start] + 1)
    for name in set(names) - {end for _, end in arrows}:  # inputs stand just above their first use
        depth[name] = max(0, min((depth[end] for start, end in arrows if start == name), default=1) - 1)
    layers = [[name for name in names if depth[name] == level] for level in range(max(depth.values()) + 1)]
    pieces = []
    for start, end in arrows:
        bends = [(start, end, level) for level in range(depth[start] + 1, depth[end])]
        for bend in bends:
            layers[bend[2]].append(bend)
        pieces += list(zip([start, *bends], [*bends, end], strict=True))
    for sweep in range(8):
        down = sweep % 2 == 0
        for level in range(1, len(layers)) if down else range(len(layers) - 2, -1, -1):
            beside = layers[level - 1 if down else level + 1]
            place = {name: index - (len(beside) - 1) / 2 for index, name in enumerate(beside)}
            near = {
                name: [
                    place[a if down else b]
                    for a, b in pieces
                    if (b if down else a) == name and (a if down else b) in place
                ]
                for name in layers[level]
            }
            layers[level].sort(key=lambda name, near=near: np.mean(near[name]) if near[name] else 0.0)
    return layers, pieces


def _centres(layers: list[list], pieces: list[tuple], width: float) -> dict:
    """Return where each box or bend is centred across the page, in inches: near its neighbours, none overlapping."""
    beside = {name: [] for layer in layers for name in layer}
    for start, end in pieces:
        beside[start].append(end)
        beside[end].append(start)
    half = {name: (width / 2 + 0.12 if isinstance(name, str) else 0.2) for name in beside}
    centre = {}
    for layer in layers:
        room = WIDTH - 2 * sum(half[name] for name in layer)
        edge = room / (len(layer) + 1)
        for name in layer:
            centre[name] = edge + half[name]
            edge += 2 * half[name] + room / (len(layer) + 1)
    for _ in range(30):
        for layer in layers:
            for index, name in enumerate(layer):
                low = centre[layer[index - 1]] + half[layer[index - 1]] if index else 0.0
                high = centre[layer[index + 1]] - half[layer[index + 1]] if index + 1 < len(layer) else WIDTH
                wish = np.mean([centre[other] for other in beside[name]]) if beside[name] else WIDTH / 2
                centre[name] = min(max(wish, low + half[name]), high - half[name])
    return centre


@in_series_style
def operation_graph(concrete, outputs: tuple[str, ...] = ()):
    """Draw the graph of a traced function: a box an operation, an arrow a tensor, inputs above, results below.

    Args:
        concrete: what `get_concrete_function()` of a `tf.function` returns. Inputs should bear names.
        outputs: a name for each of its results.

    Returns:
        The figure. Operations that only pass a tensor on or hold a setting are left out.
    """
    boxes, arrows = _boxes(concrete, outputs)
    layers, pieces = _layers(list(boxes), arrows)
    box_width, box_height, gap = 2.8, 0.66, 0.44
    height = len(layers) * (box_height + gap) - gap + 0.1
    figure, axis = _drawing(height)
    centres = _centres(layers, pieces, box_width)
    where = {
        name: (centres[name], height - 0.05 - box_height / 2 - level * (box_height + gap))
        for level, layer in enumerate(layers)
        for name in layer
    }
    style = {"color": GREY, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
    for start, end in pieces:
        (x0, y0), (x1, y1) = where[start], where[end]
        aside = np.clip((x0 - x1) / 4, -0.5, 0.5) if end in boxes else 0.0  # arrows from two sides meet apart
        tail, tip = (x0, y0 - box_height / 2), (x1 + aside, y1 + box_height / 2)
        axis.annotate("", tip, tail, arrowprops={"arrowstyle": "-|>" if end in boxes else "-", **style})
        if start not in boxes:
            axis.plot((x0, x0), (y0 - box_height / 2, y0 + box_height / 2), color=GREY, linewidth=1.5)
    for name, (title, kind, shape, colour) in boxes.items():
        x, y = where[name]
        axis.add_patch(FancyBboxPatch((x - box_width / 2, y - box_height / 2), box_width, box_height,
                       boxstyle="round,pad=0,rounding_size=0.08", facecolor="white", edgecolor=colour,
                       linewidth=1.2 if colour == "black" else 2.5, zorder=3))  # fmt: skip
        axis.text(x, y + 0.19, title, ha="center", va="center", fontsize=11, fontweight="bold", zorder=4)
        axis.text(x, y - 0.01, kind, ha="center", va="center", fontsize=9, color=GREY, zorder=4)
        axis.text(x, y - 0.2, shape, ha="center", va="center", fontsize=9, zorder=4)
    return figure
