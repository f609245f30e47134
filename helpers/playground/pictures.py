"""The playground's pictures. Each is drawn again and again, so its figure is built once and its artists are reused."""

import io

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image

from helpers.data import CLASSES, to_image
from helpers.figures import STYLE
from helpers.playground.training import Trial
from helpers.plots.curves import smooth
from helpers.plots.figure import BLUE, CLASS_COLOURS, CLASS_MARKERS, GREY, ORANGE
from helpers.plots.templates import SIGNED_COLOURS, signed_image, usual_scale
from helpers.runs import GUESSING

DPI = 100
MOST_DOTS = 500
MOST_READ = 60  # points of one curve that the pointer can read
MOST_COMPARED = len(CLASS_MARKERS)
LINES = ("-", "--", "-.", ":")

Points = list[tuple[float, float, str]]  # places in a picture, as shares of its width and height from the top left


class Canvas:
    """A figure without a window, `width` x `height` inches, that turns into a PNG fast."""

    def __init__(self, width: float, height: float):
        self.figure = Figure(figsize=(width, height), dpi=DPI, layout="none")  # type: ignore[arg-type]
        self._canvas = FigureCanvasAgg(self.figure)

    def axes(self, left: float, bottom: float, right: float, top: float):
        """Return axes with these margins, in inches: nothing is laid out again when a number grows longer."""
        width, height = self.figure.get_size_inches()
        return self.figure.add_axes(
            (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
        )

    def places(self, axis, x: np.ndarray, y: np.ndarray, words: list[str]) -> Points:
        """Return where these points of an axis, (n,) each, lie in the picture, with what is to be said of each."""
        with np.errstate(all="ignore"):
            across, up = (axis.transData.transform(np.column_stack([x, y])) / self._canvas.get_width_height()).T
        left, bottom, right, top = (axis.get_position().extents).tolist()
        return [
            (round(float(a), 4), round(1 - float(u), 4), word)
            for a, u, word in zip(across, up, words, strict=True)
            if left <= a <= right and bottom <= u <= top
        ]

    def png(self) -> bytes:
        self._canvas.draw()
        width, height = self._canvas.get_width_height()
        return _encoded(Image.frombuffer("RGBA", (width, height), self._canvas.buffer_rgba(), "raw", "RGBA", 0, 1))


def _encoded(picture: Image.Image) -> bytes:
    written = io.BytesIO()
    picture.convert("RGB").save(written, "PNG", compress_level=1)
    return written.getvalue()


def side_by_side(rows: list[list[bytes]]) -> bytes:
    """Return one PNG made of several: a list of rows, each a list of PNGs."""
    pictures = [[Image.open(io.BytesIO(png)) for png in row] for row in rows]
    size = max(sum(p.width for p in row) for row in pictures), sum(max(p.height for p in row) for row in pictures)
    whole, top = Image.new("RGB", size, "white"), 0
    for row in pictures:
        left = 0
        for picture in row:
            whole.paste(picture, (left, top))
            left += picture.width
        top += max(picture.height for picture in row)
    return _encoded(whole)


def _steps_axis(axis, steps: int) -> None:
    axis.set_xlim(-0.02 * steps, 1.02 * steps)
    axis.set_xlabel("step")
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _loss_scale(axis, losses: list[np.ndarray]) -> None:
    """Give the loss a linear axis, or a logarithmic one where it leaves the sizes of a run that learns."""
    finite = np.concatenate([np.zeros(0), *losses])
    finite = finite[np.isfinite(finite)]
    highest = float(finite.max(initial=GUESSING))
    if highest > 10:
        axis.set_yscale("log")
        axis.set_ylim(max(1e-2, 0.7 * float(finite.min(initial=1.0))), 1.5 * highest)
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}" if value < 1e6 else f"{value:.0e}")
    else:
        axis.set_yscale("linear")
        axis.set_ylim(min(1.2, 0.95 * float(finite.min(initial=1.2))), max(2.5, 1.05 * highest))


def _name_axes(accuracy, loss, kind: str = "") -> None:
    accuracy.set_ylabel(f"{kind}accuracy")
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    loss.set_ylabel(f"{kind}loss (nats)")
    for axis in (accuracy, loss):
        axis.yaxis.set_label_coords(-0.2, 0.5)  # in one place, however wide the numbers are


class Curves:
    """Accuracy and loss of one trial while it grows."""

    def __init__(self):
        with style.context(STYLE):
            self._left, self._right = Canvas(4.2, 3.1), Canvas(4.2, 3.1)
            self._accuracy, self._loss = (canvas.axes(0.85, 0.55, 0.15, 0.55) for canvas in (self._left, self._right))
            self._lines = []
            for axis in (self._accuracy, self._loss):
                (dots,) = axis.plot([], [], ".", color=GREY, markersize=2.5, alpha=0.5, label="one batch")
                (learned,) = axis.plot([], [], color=BLUE, label="training")
                (evaluated,) = axis.plot([], [], "s--", color=ORANGE, markersize=5, label="validation")
                self._lines.append((dots, learned, evaluated))
            _name_axes(self._accuracy, self._loss)
            self._loss.axhline(GUESSING, color="black", linestyle=":", linewidth=1.5)
            self._guessing = self._loss.annotate(
                "guessing: 2.303", (1, GUESSING), (0, 3), xycoords=("axes fraction", "data"),
                textcoords="offset points", ha="right", fontsize=9,
            )  # fmt: skip
            for canvas, axis in ((self._left, self._accuracy), (self._right, self._loss)):
                canvas.figure.legend(*axis.get_legend_handles_labels(), loc="upper center", ncols=3, fontsize=10,
                                     handlelength=1.6, columnspacing=1.0)  # fmt: skip

    def draw(self, trial: Trial | None) -> tuple[list[bytes], list[Points]]:
        """Return two PNGs, accuracy and loss, and of each what the pointer can read."""
        run, steps = (trial.run, trial.settings.steps) if trial else (None, 1_000)
        points = []
        for canvas, axis, lines, kind in zip((self._left, self._right), (self._accuracy, self._loss), self._lines,
                                             ("accuracy", "loss"), strict=True):  # fmt: skip
            values, step = (getattr(run, kind), np.arange(run.step)) if run else (np.zeros(0), np.zeros(0))
            measured = getattr(run, f"validation_{kind}") if run else values
            known = run.validation_step if run else values
            averaged = smooth(values, max(1, steps // 20)) if run else values
            every, few = (max(1, len(step) // most) for most in (MOST_DOTS, MOST_READ))
            for line, x, y in zip(lines, (step[::every], step[::every], known),
                                  (values[::every], averaged[::every], measured), strict=True):  # fmt: skip
                line.set_data(x, y)
            if kind == "accuracy":
                axis.set_ylim(0, min(1.03, 1.1 * float(averaged.max(initial=0.5))))
            else:
                _loss_scale(axis, [values, measured])
            _steps_axis(axis, steps)
            curves = [("training", step[::few], averaged[::few]), ("validation", known, measured)]
            points.append(_read(canvas, axis, curves))
        return [self._left.png(), self._right.png()], points


def _read(canvas: Canvas, axis, curves: list[tuple[str, np.ndarray, np.ndarray]]) -> Points:
    """Return what the pointer reads off named curves, each (n,) steps and (n,) accuracies or losses."""
    points = []
    for name, steps, values in curves:
        said = [f"{v:.1%}" if "accuracy" in axis.get_ylabel() else f"{v:,.3f} nats" for v in values]
        words = [f"{name}, step {step:,}: {value}" for step, value in zip(steps, said, strict=True)]
        points += canvas.places(axis, steps, values, words)
    return points


class Templates:
    """The ten templates in two rows of five, on one symmetric scale around mid-grey."""

    GAP, TOP = 4, 10  # pixels between two templates, and above each for its name

    def __init__(self):
        with style.context(STYLE):
            self._canvas = Canvas(4.2, 2.4)
            axis = self._canvas.axes(0.1, 0.27, 0.1, 0.2)
            self._title = self._canvas.figure.text(0.5, 0.93, "", ha="center", fontsize=11)
            axis.axis("off")
            self._mosaic = np.ones((2 * (32 + self.TOP), 5 * 32 + 4 * self.GAP, 3))
            self._shown = axis.imshow(self._mosaic, vmin=0, vmax=1)
            for place, name in enumerate(CLASSES):
                left, top = self._corner(place)
                axis.text(left + 15.5, top - 1.5, name, ha="center", va="bottom", fontsize=10)
            self._scale = self._canvas.figure.text(0.5, 0.03, "", ha="center", fontsize=9)

    def _corner(self, place: int) -> tuple[int, int]:
        return place % 5 * (32 + self.GAP), place // 5 * (32 + self.TOP) + self.TOP

    def draw(self, weights: np.ndarray | None, scale: float | None = None, title: str = "") -> bytes:
        """Return a PNG of (3072, 10) weights; `scale` is the size shown as full colour, their usual one by default."""
        weights = np.zeros((3072, 10)) if weights is None else np.nan_to_num(weights, nan=0.0, posinf=0.0, neginf=0.0)
        scale = scale or usual_scale(weights)
        for place, template in enumerate(weights.T):
            left, top = self._corner(place)
            self._mosaic[top : top + 32, left : left + 32] = signed_image(template, scale)
        self._shown.set_data(self._mosaic)
        self._scale.set_text(f"mid-grey: 0    brightest: +{scale:.2g}    darkest: −{scale:.2g}")
        self._title.set_text(title)
        return self._canvas.png()

    def draw_pair(self, first: Trial, second: Trial) -> list[bytes]:
        """Return three PNGs on one scale: the templates of two trials, and the first less the second."""
        pair = [np.nan_to_num(trial.learned.weights, nan=0.0, posinf=0.0, neginf=0.0) for trial in (first, second)]
        scale = max(map(usual_scale, pair))
        between = f"{first.name} less {second.name}"
        return [
            self.draw(weights, scale, title)
            for weights, title in zip([*pair, pair[0] - pair[1]], (first.label, second.label, between), strict=True)
        ]


class Comparison:
    """Validation accuracy and loss of several trials in one frame, each with its colour, line and marker.

    A trial keeps its look as long as it is shown, and no two that are shown look the same. Markers take turns, so that
    of two runs that are equal both are to be seen.
    """

    def __init__(self):
        with style.context(STYLE):
            self._left, self._right = Canvas(4.2, 3.6), Canvas(4.2, 3.6)
            self._accuracy, self._loss = (canvas.axes(0.85, 0.55, 0.15, 1.0) for canvas in (self._left, self._right))
            _name_axes(self._accuracy, self._loss, "validation ")
        self._looks: dict[int, int] = {}  # of each trial shown, by its number

    def draw(self, trials: list[Trial]) -> tuple[list[bytes], list[Points]]:
        """Return two PNGs, accuracy and loss, of at most `MOST_COMPARED` trials, and what the pointer can read."""
        trials = [trial for trial in trials if trial.run is not None][-MOST_COMPARED:]
        self._looks = {trial.number: self._looks[trial.number] for trial in trials if trial.number in self._looks}
        for trial in trials:
            free = [look for look in range(MOST_COMPARED) if look not in self._looks.values()]
            usual = (trial.number - 1) % MOST_COMPARED
            self._looks.setdefault(trial.number, usual if usual in free else free[0] if free else usual)
        best = max((float(trial.learned.validation_accuracy.max(initial=0.0)) for trial in trials), default=0.0)
        self._accuracy.set_ylim(0, max(0.5, 1.1 * best))
        _loss_scale(self._loss, [trial.learned.validation_loss for trial in trials])
        points = []
        with style.context(STYLE):
            for canvas, axis, kind in ((self._left, self._accuracy, "accuracy"), (self._right, self._loss, "loss")):
                for artist in [*axis.lines, *canvas.figure.legends]:
                    artist.remove()
                _steps_axis(axis, max([trial.settings.steps for trial in trials], default=1_000))
                for turn, trial in enumerate(trials):
                    look = self._looks[trial.number]
                    each = 5 if len(trial.learned.validation_step) >= 10 else 1  # of how many points one is marked
                    axis.plot(
                        trial.learned.validation_step, getattr(trial.learned, f"validation_{kind}"),
                        color=CLASS_COLOURS[look], marker=CLASS_MARKERS[look], linestyle=LINES[look % len(LINES)],
                        markevery=(turn % each, each), markersize=5, linewidth=1.5, label=_shortened(trial),
                    )  # fmt: skip
                if trials:
                    canvas.figure.legend(*axis.get_legend_handles_labels(), loc="upper center", ncols=2, fontsize=8,
                                         handlelength=1.9, handletextpad=0.4, columnspacing=0.6, labelspacing=0.4,
                                         borderaxespad=0.2)  # fmt: skip
                points.append(_read(canvas, axis, [
                    (trial.label, trial.learned.validation_step, getattr(trial.learned, f"validation_{kind}"))
                    for trial in trials]))  # fmt: skip
        return [self._left.png(), self._right.png()], points


def _shortened(trial: Trial, most: int = 26) -> str:
    """Return a name of which two fit side by side into a legend."""
    title = trial.title if len(trial.title) <= most else trial.title[: most - 1] + "…"
    return f"{trial.number}: {title}" if title else trial.name


def _fill(bars, widths: np.ndarray, winner: int | None, truth: int | None) -> None:
    """Give ten bars their widths; the winner's is blue, that of the true class is hatched."""
    for place, bar in enumerate(bars):
        bar.set(width=widths[place], facecolor=BLUE if place == winner else GREY, hatch="//" if place == truth else "",
                edgecolor="white")  # fmt: skip


class Scores:
    """One test image and its ten scores, as bars that move while the model trains."""

    def __init__(self):
        with style.context(STYLE):
            self._canvas = Canvas(4.2, 2.4)
            picture = self._canvas.axes(0.05, 0.5, 2.75, 0.5)
            picture.axis("off")
            self._image = picture.imshow(np.zeros((32, 32, 3), np.uint8))
            self._title = self._canvas.figure.text(0.18, 0.87, "", ha="center", fontsize=9)
            self._answer = self._canvas.figure.text(0.18, 0.08, "", ha="center", fontsize=9)
            self._axis = self._canvas.axes(2.4, 0.32, 0.15, 0.1)
            self._bars = self._axis.barh(range(10), np.zeros(10), height=0.7, color=GREY)
            self._axis.axvline(0, color="black", linewidth=1)
            self._axis.set_yticks(range(10), CLASSES, fontsize=9)
            self._axis.tick_params(axis="y", length=0)
            self._axis.tick_params(axis="x", labelsize=8)
            self._axis.set_xlabel("score", fontsize=9, labelpad=0)
            self._axis.xaxis.set_major_locator(MaxNLocator(4))
            self._axis.invert_yaxis()

    def draw(self, row: np.ndarray, logits: np.ndarray, title: str, truth: int) -> bytes:
        """Return a PNG of an image (3072,) uint8 and its scores (10,); the bar of the true class is hatched."""
        self._image.set_data(to_image(row))
        self._title.set_text(title)
        logits = np.nan_to_num(logits, nan=0.0, posinf=0.0, neginf=0.0)
        winner = int(logits.argmax())
        _fill(self._bars, logits, winner if logits.any() else None, truth)
        reach = max(1.0, 1.1 * float(np.abs(logits).max()))
        self._axis.set_xlim(-reach, reach)
        self._answer.set_text(f"answer: {CLASSES[winner]}" if logits.any() else "no answer yet")
        return self._canvas.png()


class Prediction:
    """One image, its ten scores and probabilities, and what each position adds to two of the scores."""

    AREA = (0.9 / 4.2, 0.5 / 3.1, 2.4 / 4.2, 2.4 / 3.1)  # of the image in its picture: left, top, width, height

    def __init__(self):
        with style.context(STYLE):
            self._top, self._bottom = Canvas(4.2, 3.1), Canvas(4.2, 3.1)
            picture = self._top.axes(0.9, 0.2, 0.9, 0.5)
            picture.axis("off")
            self._image = picture.imshow(np.zeros((32, 32, 3), np.uint8))
            self._title = picture.set_title("")
            bars = self._bottom.axes(0.72, 0.2, 1.25, 0.5)
            bars.set_title("probability, and score", fontsize=11)
            bars.set_xlim(0, 1)
            bars.set_xticks([])
            bars.spines["bottom"].set_visible(False)
            self._bars = bars.barh(range(10), np.zeros(10), height=0.7, color=GREY)
            bars.set_yticks(range(10), CLASSES)
            bars.tick_params(axis="y", length=0)
            bars.invert_yaxis()
            self._numbers = [bars.text(0, place, "", va="center", fontsize=10) for place in range(10)]
            self._maps = [Canvas(4.2, 2.9) for _ in range(2)]
            self._parts = []
            for canvas in self._maps:
                axis = canvas.axes(0.2, 0.2, 1.2, 0.55)
                axis.axis("off")
                heat = axis.imshow(np.zeros((32, 32)), cmap=SIGNED_COLOURS, vmin=-1, vmax=1)
                bar = canvas.figure.add_axes((0.78, 0.12, 0.035, 0.62))
                canvas.figure.colorbar(heat, cax=bar, ticks=[-1, 0, 1])
                self._parts.append((heat, axis, bar))

    def draw(self, row: np.ndarray, logits: np.ndarray, probabilities: np.ndarray, title: str,
             contributions: list[tuple[str, np.ndarray]], truth: int | None) -> list[bytes]:  # fmt: skip
        """Return four PNGs: the image, the bars, and a map for each (name, (32, 32) contributions), on one scale."""
        self._image.set_data(to_image(row))
        self._title.set_text(title)
        winner = int(probabilities.argmax())
        _fill(self._bars, probabilities, winner, truth)
        for place, number in enumerate(self._numbers):
            mark = "  ← true" if place == truth else ""
            number.set_text(f"{probabilities[place]:.0%}, {logits[place]:+.1f}{mark}".replace("-", "−"))
            number.set(x=probabilities[place] + 0.02, fontweight="bold" if place == winner else "normal")
        scale = max(usual_scale(values) for _, values in contributions)
        for (name, values), (heat, axis, bar) in zip(contributions, self._parts, strict=True):
            heat.set_data(values / scale)
            axis.set_title(name, fontsize=11)
            bar.set_yticks([-1, 0, 1], [f"−{scale:.2g}", "0", f"+{scale:.2g}"])
        return [self._top.png(), self._bottom.png(), *(canvas.png() for canvas in self._maps)]


def shrinking_steps(pictures: list[tuple[str, Image.Image]]) -> bytes:
    """Return a PNG of the pictures side by side, each with its caption: what was done to a learner's own image."""
    with style.context(STYLE):
        canvas = Canvas(4.2, 1.9)
        for place, (caption, picture) in enumerate(pictures):
            axis = canvas.figure.add_axes(((place + 0.05) / len(pictures), 0.05, 0.9 / len(pictures), 0.72))
            axis.imshow(np.asarray(picture))
            axis.axis("off")
            axis.set_title(caption, fontsize=10)
        return canvas.png()
