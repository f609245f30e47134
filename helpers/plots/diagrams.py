"""Diagrams of the model: how pixels become one score, ten scores an image, and all of it a graph.

Every number in them comes from the arrays that are handed in.
"""

import numpy as np
from matplotlib.patches import FancyBboxPatch, Rectangle

from helpers.data import CLASSES, to_image
from helpers.errors import ArgumentError
from helpers.figures import in_series_style
from helpers.plots.figure import BLUE, GREEN, GREY, ORANGE, SMALL, drawing, put, shade, write
from helpers.plots.templates import signed_image, usual_scale

__all__ = ["matrix_product", "operation_graph", "weighted_sum"]

# Which of an image's 3,072 values a diagram writes out, by their names; None stands for the rest.
SHOWN = {0: "1st red", 1: "2nd red", 2: "3rd red", None: "⋮", 3071: "last blue"}


def _number(value: float, decimals: int) -> str:
    """Return a signed number with a true minus sign."""
    return f"{value:+.{decimals}f}".replace("-", "−")


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
    total, score = products.sum(), products.sum() + bias
    figure, axis = drawing(4.75)
    lefts, size, top = (1.25, 3.55, 5.85), 1.9, 2.45
    put(axis, signed_image(pixels, 1.0), lefts[0], top, size)
    put(axis, signed_image(weights, np.abs(weights).max()), lefts[1], top, size)
    places = products.reshape(3, 32, 32).sum(axis=0)
    reach = np.abs(places).max()
    put(axis, places, lefts[2], top, size, cmap="PuOr_r", vmin=-reach, vmax=reach)
    heads = ("pixels of one image", f"weights of “{class_name}”", "products (3 colours added)")
    for left, head, values in zip(lefts, heads, (pixels, weights, products), strict=True):
        axis.add_patch(Rectangle((left, top), size, size, fill=False, edgecolor=GREY, zorder=3))
        write(axis, left + size / 2, top + size + 0.1, head, va="baseline")
        for height, place in zip((2.2, 1.96, 1.72, 1.5, 1.26), SHOWN, strict=True):
            write(axis, left + size / 2, height, "⋮" if place is None else _number(values[place], 3))
    for height, (place, name) in zip((2.2, 1.96, 1.72, 1.5, 1.26), SHOWN.items(), strict=True):
        write(axis, 0.1, height, name, ha="left", color=GREY)
        for left, sign in zip(lefts[1:], "×=" if place is not None else "  ", strict=True):
            write(axis, left - 0.2, height, sign)
    for left, sign in zip(lefts[1:], "×=", strict=True):
        write(axis, left - 0.2, top + size / 2, sign, fontsize=20)
    axis.hlines(1.08, lefts[2], lefts[2] + size, color="black", linewidth=1)
    lines = {"sum of all 3,072 products": total, f"bias of “{class_name}”": bias, f"score for “{class_name}”": score}
    for height, weight, (text, value) in zip(
        (0.88, 0.6, 0.26), ("normal", "normal", "bold"), lines.items(), strict=True
    ):
        write(axis, lefts[2] - 0.1, height, text, ha="right", fontweight=weight)
        write(axis, lefts[2] + size / 2, height, _number(value, 3), fontweight=weight)
    meaning = "purple: takes\nfrom the score\n\norange: adds\nto the score"
    write(axis, 0.1, top + 0.35, meaning, ha="left", va="baseline", fontsize=SMALL, color=GREY)
    figure.words = (
        f"One image times the weights of {class_name}: 3,072 products, their sum {total:+.2f}, plus the bias "
        f"{bias:+.2f} is the score {score:+.2f}"
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
    count, logits = len(images), pixels @ weights + biases
    cell, line, row = 0.48, 0.25, 0.52
    left, right, wide = 0.8, 3.12, 10 * cell  # where the columns of the pixels and of the classes begin
    height = 3.15 + row * count
    figure, axis = drawing(height)
    columns = right + cell * (np.arange(10) + 0.5)
    for column, name, weight, bias in zip(columns, CLASSES, weights.T, biases, strict=True):
        write(axis, column, height - 0.17, name, fontsize=SMALL)
        put(axis, signed_image(weight, usual_scale(weights)), column - 0.2, height - 0.72, 0.4)
        for step, place in enumerate(SHOWN):
            text = "⋮" if place is None else _number(weight[place], 2)
            write(axis, column, height - 0.93 - line * step, text, fontsize=SMALL)
        write(axis, column, height - 2.37, _number(bias, 1), fontsize=SMALL)
    shade(axis, right, height - 2.07, wide, 1.29, ORANGE)
    shade(axis, right, height - 2.5, wide, 0.26, ORANGE)
    shade(axis, left, 0.08, 2.12, row * count, BLUE)
    shade(axis, right, 0.08, wide, row * count, GREEN)
    write(axis, right - 0.12, height - 1.42, "weights [3072, 10]", ha="right")
    write(axis, right - 0.12, height - 2.37, "+ biases [10]", ha="right")
    head = 0.08 + row * count + 0.17
    write(axis, left + 1.06, head, f"pixels [{count}, 3072]")
    scores = f"scores [{count}, 10] = pixels × weights + biases (largest of each row framed)"
    write(axis, right + wide / 2, head, scores, fontsize=SMALL)
    for number in range(count):
        middle = 0.08 + row * (count - number - 0.5)
        put(axis, to_image(images[number]), 0.22, middle - 0.23, 0.46)
        for value, place in zip((0.24, 0.69, 1.14, 1.5, 1.86), SHOWN, strict=True):
            text = "…" if place is None else _number(pixels[number, place], 2)
            write(axis, left + value, middle, text, fontsize=SMALL)
        best = int(np.argmax(logits[number]))
        for label, column in enumerate(columns):
            weight = "bold" if label == best else "normal"
            write(axis, column, middle, _number(logits[number, label], 1), fontsize=SMALL, fontweight=weight)
        corner = (columns[best] - cell / 2 + 0.01, middle - 0.15)
        axis.add_patch(Rectangle(corner, cell - 0.02, 0.3, fill=False, edgecolor="black", linewidth=1.5))
    answers = ", ".join(f"{CLASSES[best]} {logits[number, best]:+.1f}" for number, best in enumerate(logits.argmax(1)))
    figure.words = (
        f"Pixels [{count}, 3072], one image a row, times weights [3072, 10], one template a column, plus ten biases: "
        f"scores [{count}, 10]. The largest of each row: {answers}"
    )
    return figure


# Where each operation of the series' graph stands, by its TensorFlow type and, for an input or a variable, its name:
# what it does, and the place of its box, in columns and rows from the upper left.
_BOXES = {
    "pixels": ("pixels", 0, 0),
    "weights": ("weights", 1, 0),
    "MatMul": ("matrix product", 0, 1),
    "biases": ("biases", 1, 1),
    "AddV2": ("add: the logits", 0, 2),
    "labels": ("labels", 1, 3),
    "SparseSoftmaxCrossEntropyWithLogits": ("softmax and cross-entropy", 0, 3),
    "Mean of SparseSoftmaxCrossEntropyWithLogits": ("mean = loss", 0, 4),
    "ArgMax": ("index of the largest", 2, 3),
    "Equal": ("equal to the label?", 2, 4),
    "Cast": ("true to 1, false to 0", 2, 5),
    "Mean of Cast": ("mean = accuracy", 2, 6),
}
# Bookkeeping that is left out: it passes a tensor on, holds a setting or asks for a shape.
_PASSING = ("Identity", "ReadVariableOp")
_SETTINGS = ("Const", "Shape", "NoOp")


def _operations(concrete) -> tuple[dict, list[tuple[str, str]]]:
    """Return what a traced function computes: key in `_BOXES` to (type, shape, colour), and the arrows between keys."""
    names = {inner.op.name: v.name for outer, inner in concrete.graph.captures for v in concrete.variables
             if v.handle is outer}  # fmt: skip
    shapes = {variable.name: variable.shape for variable in concrete.variables}

    def key(operation) -> str:
        while operation.type in _PASSING:
            operation = operation.inputs[0].op
        if operation.type == "Placeholder":
            return names.get(operation.name, operation.name).split(":")[0]
        return f"Mean of {operation.inputs[0].op.type}" if operation.type == "Mean" else operation.type

    boxes, arrows = {}, []
    for operation in concrete.graph.get_operations():
        if operation.type in (*_PASSING, *_SETTINGS):
            continue
        name = key(operation)
        if name not in _BOXES:
            raise ArgumentError(f"This graph has {name!r}, which has no place in the picture. Give notebook 3's graph.")
        variable = names.get(operation.name)
        shape = operation.outputs[0].shape if variable is None else shapes[variable]
        kind = operation.type if operation.inputs else "input" if variable is None else "variable"
        colour = {"input": BLUE, "variable": ORANGE, "Mean": GREEN}.get(kind, "black")
        boxes[name] = kind, str(shape.as_list()) if shape.rank else "one number", colour
        arrows += [(key(tensor.op), name) for tensor in operation.inputs if tensor.op.type not in _SETTINGS]
    return boxes, arrows


@in_series_style
def operation_graph(concrete):
    """Draw the graph of the traced loss and accuracy: a box an operation, an arrow a tensor, results below.

    Args:
        concrete: what `get_concrete_function()` of a `tf.function` returns whose inputs are called pixels and labels
            and whose variables weights and biases.

    Returns:
        The figure. Operations that only pass a tensor on or hold a setting are left out.

    Raises:
        ArgumentError: an operation that the series' graph does not have.
    """
    boxes, arrows = _operations(concrete)
    width, height, column, row = 2.46, 0.66, 2.7, 1.05
    figure, axis = drawing(6 * row + height + 0.1)
    top = axis.get_ylim()[1] - 0.05 - height / 2
    where = {name: (1.3 + column * x, top - row * y) for name, (_, x, y) in _BOXES.items()}
    look = {"arrowstyle": "-|>", "color": GREY, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0}
    for start, end in arrows:
        (x0, y0), (x1, y1) = where[start], where[end]
        if y0 == y1:
            side = np.sign(x1 - x0) * width / 2
            tail, tip = (x0 + side, y0), (x1 - side, y1)
        else:
            aside = np.clip((x0 - x1) / 3, -0.8, 0.8)  # arrows from two sides meet a box apart
            tail, tip = (x0 - aside, y0 - height / 2), (x1 + aside, y1 + height / 2)
        axis.annotate("", tip, tail, arrowprops=look)
    for name, (kind, shape, colour) in boxes.items():
        x, y = where[name]
        edge = {"edgecolor": colour, "linewidth": 1.2 if colour == "black" else 2.5}
        rounded = "round,pad=0,rounding_size=0.08"
        corner = (x - width / 2, y - height / 2)
        axis.add_patch(FancyBboxPatch(corner, width, height, boxstyle=rounded, facecolor="white", zorder=3, **edge))
        write(axis, x, y + 0.19, _BOXES[name][0], fontsize=10.5, fontweight="bold", zorder=4)
        write(axis, x, y - 0.01, kind, fontsize=8, color=GREY, zorder=4)
        write(axis, x, y - 0.2, shape, fontsize=9, zorder=4)
    ways = [f"{_BOXES[start][0]} to {_BOXES[end][0]}" for start, end in arrows]
    figure.words = f"The traced graph, {len(boxes)} boxes and {len(arrows)} arrows: {'; '.join(ways)}"
    return figure
