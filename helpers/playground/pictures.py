"""The playground's pictures: each takes some hundredths of a second, and is drawn anew whenever something changes."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image

from helpers.data import CLASSES, to_image
from helpers.figures import Picture, in_series_style, new_figure
from helpers.playground.prediction import probabilities
from helpers.playground.trials import Trial
from helpers.plots.figure import BLUE, CLASS_COLOURS, CLASS_MARKERS, GREY, ORANGE
from helpers.plots.templates import SIGNED_COLOURS, hang, signed_image, usual_scale
from helpers.runs import GUESSING

DPI = 100
WIDTH, HEIGHT = 4.2, 3.1  # inches
MOST_DOTS = 500
MOST_READ = 60  # points of one curve that the pointer can read
MOST_COMPARED = len(CLASS_MARKERS)
LINES = ("-", "--", "-.", ":")
PLACES = tuple((10 + 42 * row, 36 * column) for row in range(2) for column in range(5))  # of templates: top, left

Line = tuple[str, np.ndarray, np.ndarray, dict]  # a curve's name, its (n,) steps and values, and its look


def _encoded(pixels: np.ndarray | Image.Image) -> bytes:
    written = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(written, "PNG", compress_level=1)
    return written.getvalue()


def _figure(height: float = HEIGHT) -> Figure:
    return Figure((WIDTH, height), DPI, layout="none")  # type: ignore[arg-type]


def _drawn(figure: Figure, alt: str, points: Sequence[tuple[float, float, str]] = ()) -> Picture:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Picture(_encoded(np.asarray(canvas.buffer_rgba())[..., :3]), alt, points)


def together(pictures: Sequence[Picture]) -> bytes:
    """Return one PNG made of several pictures of one width, two a row."""
    images = [Image.open(io.BytesIO(picture.png)) for picture in pictures]
    width, height = images[0].width, max(image.height for image in images)
    sheet = Image.new("RGB", (2 * width, (len(images) + 1) // 2 * height), "white")
    for place, image in enumerate(images):
        sheet.paste(image, (place % 2 * width, place // 2 * height))
    return _encoded(sheet)


def draw_image(row: np.ndarray, alt: str) -> Picture:
    """Draw an image (3072,) uint8, enlarged; prediction.html says where in the picture it lies, to be drawn on."""
    sheet = Image.new("RGB", (int(DPI * WIDTH), int(DPI * HEIGHT)), "white")
    sheet.paste(Image.fromarray(to_image(row)).resize((288, 288), Image.Resampling.NEAREST), (66, 11))
    return Picture(_encoded(sheet), alt)


def finite(values: np.ndarray) -> np.ndarray:
    """Return the values with 0 for what is no number, as in a run that has overflowed."""
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


def _readable(axis: Axes, height: float, name: str, x: np.ndarray, y: np.ndarray) -> list[tuple[float, float, str]]:
    """Return where points (n,) of a named curve lie in the picture (`MOST_READ` or so), and what to say of each."""
    x, y = (values[:: max(1, len(x) // MOST_READ)] for values in (x, y))
    with np.errstate(all="ignore"):
        places = axis.transData.transform(np.column_stack([x, y])) / (DPI * WIDTH, DPI * height)
    form = "{:.1%}" if "accuracy" in axis.get_ylabel() else "{:,.3f} nats"
    return [
        (round(float(across), 4), round(1 - float(up), 4), f"{name}, step {step:,.0f}: {form.format(value)}")
        for (across, up), step, value in zip(places, x, y, strict=True)
        if axis.get_position().contains(across, up)
    ]


@in_series_style
def _draw_curves(kind: str, prefix: str, lines: list[Line], steps: int, words: str) -> Picture:
    """Draw "accuracy" or "loss" against steps; the pointer can read all curves but those that are only dots."""
    accuracy, legend = kind == "accuracy", 0.3 + 0.16 * (len(lines) // 2 + 1)  # inches; "guessing" has a place in it
    height = 2.55 + legend
    figure = _figure(height)
    axis = figure.add_axes((0.2, 0.55 / height, 0.74, 2 / height))  # numbers that grow longer move nothing
    for name, x, y, look in lines:
        axis.plot(x, y, label=name.replace("$", r"\$"), **look)  # what a learner wrote is no formula
    guessing = 0.1 if accuracy else GUESSING
    axis.axhline(guessing, label="guessing", color="black", linestyle=":", linewidth=1.5)
    figure.legend(handles=axis.lines, loc="upper center", ncols=2, fontsize=8, borderaxespad=0.2, columnspacing=1)
    axis.set(xlabel="step", ylabel=prefix + ("accuracy" if accuracy else "loss (nats)"))
    axis.set_xlim(-0.02 * steps, 1.02 * steps)
    axis.yaxis.set_label_coords(-0.2, 0.5)  # in one place, however wide the numbers are
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    curves = [line for line in lines if line[3].get("linestyle") != "none"]
    shown = np.concatenate([[guessing], *(y for _, _, y, _ in (curves if accuracy else lines))])
    shown = shown[np.isfinite(shown)]
    lowest, highest = float(shown.min()), float(shown.max())
    if accuracy:
        axis.set_ylim(0, min(1.03, 1.1 * max(0.5, highest)))
        axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    elif highest > 10:  # it has left the sizes of a run that learns
        axis.set(yscale="log", ylim=(max(1e-2, 0.7 * lowest), 1.5 * highest))
    else:
        axis.set_ylim(min(1.2, 0.95 * lowest), max(2.5, 1.05 * highest))
    points = [point for name, x, y, _ in curves for point in _readable(axis, height, name, x, y)]
    return _drawn(figure, f"{(prefix + kind).capitalize()} against steps. {words}", points)


def draw_run(trial: Trial, words: str = "") -> list[Picture]:
    """Draw accuracy and loss of one trial, two pictures; `words` say how it stands."""
    run, pictures = trial.run, []
    step, every = np.arange(run.step), slice(None, None, max(1, run.step // MOST_DOTS))
    dots = {"color": GREY, "marker": ".", "linestyle": "none", "markersize": 2.5, "alpha": 0.5}
    seldom = {"color": ORANGE, "marker": "s", "linestyle": "--", "markersize": 5}
    for kind in ("accuracy", "loss"):
        values = getattr(run, kind)
        window = max(1, min(trial.settings.steps // 20, run.step))
        averaged = np.convolve(values, np.ones(window) / window, "valid") if run.step else values
        middle = np.arange(len(averaged)) + window / 2
        lines: list[Line] = [
            ("one batch", step[every], values[every], dots),
            ("training", middle[every], averaged[every], {"color": BLUE}),
            ("validation", run.validation_step, getattr(run, f"validation_{kind}"), seldom),
        ]
        pictures.append(_draw_curves(kind, "", lines, trial.settings.steps, words))
    return pictures


def draw_comparison(trials: list[Trial]) -> list[Picture]:
    """Draw validation accuracy and loss of the newest `MOST_COMPARED` trials, two pictures.

    Each has a look of its own, by its number as long as that is free. Markers take turns: runs that are equal all show.
    """
    trials = trials[-MOST_COMPARED:]
    looks: list[int] = []
    for trial in trials:
        wanted = [(trial.number - 1 + further) % MOST_COMPARED for further in range(MOST_COMPARED)]
        looks.append(next(look for look in wanted if look not in looks))
    pictures, steps = [], max([trial.step for trial in trials], default=1)
    for kind in ("accuracy", "loss"):
        lines, ends = list[Line](), []
        for turn, (trial, look) in enumerate(zip(trials, looks, strict=True)):
            done, title = trial.run.validation_step, trial.title
            each = 5 if len(done) >= 10 else 1  # of how many points one is marked
            options = {"color": CLASS_COLOURS[look], "marker": CLASS_MARKERS[look], "markersize": 5, "linewidth": 1.5}
            options |= {"linestyle": LINES[look % len(LINES)], "markevery": (turn % each, each)}
            name = f"{trial.number}: {title[:26]}{'…' * (len(title) > 26)}" if title else trial.name
            values = getattr(trial.run, f"validation_{kind}")
            lines.append((name, done, values, options))
            last = f"{values[-1]:{'.1%' if kind == 'accuracy' else ',.2f'}}" if len(values) else "–"
            ends.append(f"{trial.label} {'diverges' if trial.run.diverged else 'ends'} at {last}")
        words = f"One curve a run: {'; '.join(ends) or 'none yet'}."
        pictures.append(_draw_curves(kind, "validation ", lines, steps, words))
    return pictures


@in_series_style
def draw_templates(weights: np.ndarray, scale: float | None = None, title: str = "") -> Picture:
    """Draw (3072, 10) weights in two rows of five; `scale`, by default their usual size, is shown as full colour."""
    weights = finite(weights)
    scale = scale or usual_scale(weights)
    pixels = np.ones((84, 176, 3))  # one image: ten would take twice as long to draw
    figure = _figure(2.4)
    axis = figure.add_axes((0.024, 0.112, 0.952, 0.804))
    axis.axis("off")
    for (top, left), name, template in zip(PLACES, CLASSES, weights.T, strict=True):
        pixels[top : top + 32, left : left + 32] = signed_image(template, scale)
        axis.text(left + 15.5, top - 1.5, name, ha="center", va="bottom", fontsize=10)
    axis.imshow(pixels)
    figure.text(0.5, 0.93, title.replace("$", r"\$"), ha="center", fontsize=11)
    ends = f"mid-grey: 0    brightest: +{scale:.2g}    darkest: −{scale:.2g}"
    figure.text(0.5, 0.03, ends, ha="center", fontsize=9)
    return _drawn(figure, f"Ten templates, one a class{', of ' * bool(title)}{title}.")


@in_series_style
def draw_scores(logits: np.ndarray, title: str, truth: int | None) -> Picture:
    """Draw the ten scores (10,) of an image called `title`, as bars.

    The bar of the answer is blue, that of the true class hatched. Scores that are all 0 give no answer.
    """
    logits = finite(logits)
    winner, words = int(logits.argmax()) if logits.any() else None, []
    figure = _figure()
    axis = figure.add_axes((0.171, 0.15, 0.376, 0.75))
    reach = max(1.0, 1.1 * float(np.abs(logits).max()))
    bars = axis.barh(range(10), logits, height=0.7, color=GREY, edgecolor="white")
    axis.axvline(0, color="black", linewidth=1)
    axis.set(title=title, xlim=(-reach, reach), ylim=(9.5, -0.5), xlabel="score, and probability")
    axis.set_yticks(range(10), CLASSES)
    axis.tick_params(axis="y", length=0)
    axis.xaxis.set_major_locator(MaxNLocator(3))
    for place, (score, probability) in enumerate(zip(logits, probabilities(logits), strict=True)):
        written = f"{score:+,.0f}" if abs(score) >= 100 else f"{score:+.1f}"
        said = f"{written}, {probability:.0%}{' ← true' * (place == truth)}".replace("-", "−")
        bold = "bold" if place == winner else "normal"
        axis.text(1.04, place, said, transform=axis.get_yaxis_transform(), va="center", fontsize=10, weight=bold)
        words.append(f"{CLASSES[place]} {said.replace(' ←', ',')}")
    if winner is not None:
        bars[winner].set_facecolor(BLUE)
    if truth is not None:
        bars[truth].set_hatch("//")
    return _drawn(figure, f"Scores and probabilities of {title}: {'; '.join(words)}.")


@in_series_style
def draw_map(title: str, contributions: np.ndarray, scale: float) -> Picture:
    """Draw what each position adds to a score, (32, 32); `scale` is the size shown as full colour."""
    figure = _figure()
    axis = figure.add_axes((0.048, 0.069, 0.667, 0.741), title=title)
    axis.axis("off")
    heat = axis.imshow(contributions, cmap=SIGNED_COLOURS, vmin=-scale, vmax=scale)
    bar = figure.colorbar(heat, cax=figure.add_axes((0.78, 0.12, 0.035, 0.62)))
    bar.set_ticks([-scale, 0, scale], labels=[f"−{scale:.2g}", "0", f"+{scale:.2g}"])
    return _drawn(figure, f"What each pixel adds to {title}.")


@in_series_style
def shrinking_steps(pictures: list[tuple[str, Image.Image]]) -> Figure:
    """Draw pictures side by side, each below its caption: what was done to a learner's own."""
    figure, axes = new_figure(1, len(pictures), width=4.2, height=1.9)
    hang(axes, [np.asarray(shown) for _, shown in pictures], [caption for caption, _ in pictures], fontsize=10)
    figure.words = f"How a picture becomes one that the model reads: {', then '.join(name for name, _ in pictures)}"
    return figure
