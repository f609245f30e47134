"""The playground's pictures. Each is drawn again and again, so its figure is built once."""

import io

import numpy as np
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image

from helpers.data import CLASSES, to_image
from helpers.figures import STYLE, Picture, in_series_style, new_figure
from helpers.playground.prediction import probabilities
from helpers.playground.results import comparison_words
from helpers.playground.training import Trial
from helpers.plots.figure import BLUE, CLASS_COLOURS, CLASS_MARKERS, GREY, ORANGE
from helpers.plots.smoothing import smooth
from helpers.plots.templates import SIGNED_COLOURS, hang, signed_image, usual_scale
from helpers.runs import GUESSING

DPI = 100
MOST_DOTS = 500
MOST_READ = 60  # points of one curve that the pointer can read
MOST_COMPARED = len(CLASS_MARKERS)
LINES = ("-", "--", "-.", ":")

Line = tuple[str, np.ndarray, np.ndarray, dict]  # a curve's name, its (n,) steps and values, and its look


class Canvas:
    """A figure without a window, `width` x `height` inches, that turns into a PNG fast."""

    def __init__(self, width: float, height: float):
        self.figure = Figure(figsize=(width, height), dpi=DPI, layout="none")  # type: ignore[arg-type]
        self._canvas = FigureCanvasAgg(self.figure)

    def image(self, left: float, bottom: float, width: float, height: float):
        """Return an image of 32 x 32 pixels, to be set, at this place, in shares of the figure."""
        axis = self.figure.add_axes((left, bottom, width, height))
        axis.axis("off")
        return axis.imshow(np.zeros((32, 32, 3), np.uint8))

    def read(self, axis, name: str, x: np.ndarray, y: np.ndarray) -> list[tuple[float, float, str]]:
        """Return where points (n,) of a named curve lie in the picture (`MOST_READ` or so), and what to say of each."""
        x, y = (values[:: max(1, len(x) // MOST_READ)] for values in (x, y))
        with np.errstate(all="ignore"):
            across, up = (axis.transData.transform(np.column_stack([x, y])) / self._canvas.get_width_height()).T
        left, bottom, right, top = (axis.get_position().extents).tolist()
        form = "{:.1%}" if "accuracy" in axis.get_ylabel() else "{:,.3f} nats"
        return [
            (round(float(a), 4), round(1 - float(u), 4), f"{name}, step {step:,}: {form.format(value)}")
            for a, u, step, value in zip(across, up, x, y, strict=True)
            if left <= a <= right and bottom <= u <= top
        ]

    def picture(self, alt: str, points=()) -> Picture:
        self._canvas.draw()
        return Picture(_encoded(np.asarray(self._canvas.buffer_rgba())[..., :3]), alt, points)


def _encoded(pixels: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "PNG", compress_level=1)
    return written.getvalue()


def side_by_side(rows: list[list[Picture]]) -> bytes:
    """Return one PNG made of several: a list of rows, each a list of pictures of one height."""
    bands = [np.hstack([np.asarray(Image.open(io.BytesIO(picture.png))) for picture in row]) for row in rows]
    widest = max(band.shape[1] for band in bands)
    missing = [((0, 0), (0, widest - band.shape[1]), (0, 0)) for band in bands]
    return _encoded(np.vstack([np.pad(band, m, constant_values=255) for band, m in zip(bands, missing, strict=True)]))


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)


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


class _Curves:
    """Accuracy and loss against steps: two pictures, `height` inches high, with `top` inches for the legend."""

    def __init__(self, height: float, top: float, prefix: str, **legend):
        self._legend = {"loc": "upper center", **legend}
        self._canvases = Canvas(4.2, height), Canvas(4.2, height)
        with style.context(STYLE):
            place = (0.2, 0.55 / height, 0.765, 1 - (0.55 + top) / height)  # numbers that grow longer move nothing
            self.axes = tuple(canvas.figure.add_axes(place) for canvas in self._canvases)
            parts = zip(self.axes, ("accuracy", "loss (nats)"), (0.1, GUESSING), strict=True)
            for axis, label, guessing in parts:
                axis.set(xlabel="step", ylabel=prefix + label)
                axis.yaxis.set_label_coords(-0.2, 0.5)  # in one place, however wide the numbers are
                axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
                axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
                axis.axhline(guessing, color="black", linestyle=":", linewidth=1.5)  # the first of its lines
                axis.annotate("guessing", (1, guessing), (0, 3), xycoords=("axes fraction", "data"),
                              textcoords="offset points", ha="right", fontsize=9,
                              bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0})  # fmt: skip
            self.axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))

    def _drawn(self, alt: str, steps: int, accuracies: list[Line], losses: list[Line]) -> list[Picture]:
        """Return two pictures, in which the pointer can read all curves but those that are only dots."""
        drawn = []
        with style.context(STYLE):
            for canvas, axis, lines in zip(self._canvases, self.axes, (accuracies, losses), strict=True):
                for artist in [*axis.lines[1:], *canvas.figure.legends]:
                    artist.remove()
                for name, x, y, look in lines:
                    axis.plot(x, y, label=name, **look)
                canvas.figure.legend(handles=axis.lines[1:], **self._legend)
                axis.set_xlim(-0.02 * steps, 1.02 * steps)
                curves = [line for line in lines if line[3].get("linestyle") != "none"]
                if lines is accuracies:
                    axis.set_ylim(0, min(1.03, 1.1 * max([0.5, *(float(y.max(initial=0.0)) for _, _, y, _ in curves)])))
                else:
                    _loss_scale(axis, [y for _, _, y, _ in lines])
                points = [point for name, x, y, _ in curves for point in canvas.read(axis, name, x, y)]
                drawn.append(canvas.picture(alt, points))
        return drawn


class Curves(_Curves):
    """Accuracy and loss of one trial while it grows."""

    def __init__(self):
        super().__init__(3.1, 0.55, "", ncols=3, fontsize=10, handlelength=1.6, columnspacing=1.0)

    def draw(self, trial: Trial, words: str = "") -> list[Picture]:
        """Return two pictures, accuracy and loss; `words` say how the trial stands."""
        run, kinds = trial.run, list[list[Line]]()
        step, every = np.arange(run.step), slice(None, None, max(1, run.step // MOST_DOTS))
        dots = {"color": GREY, "marker": ".", "linestyle": "none", "markersize": 2.5, "alpha": 0.5}
        for kind in ("accuracy", "loss"):
            values = getattr(run, kind)
            averaged = smooth(values, max(1, trial.settings.steps // 20)) if run.step else values
            kinds.append([
                ("one batch", step[every], values[every], dots),
                ("training", step[every], averaged[every], {"color": BLUE}),
                ("validation", run.validation_step, getattr(run, f"validation_{kind}"),
                 {"color": ORANGE, "marker": "s", "linestyle": "--", "markersize": 5}),
            ])  # fmt: skip
        return self._drawn(f"Accuracy, and beside it loss, against steps. {words}", trial.settings.steps, *kinds)


class Comparison(_Curves):
    """Validation accuracy and loss of several trials in one frame, each with its colour, line and marker.

    A trial keeps its look as long as it is shown, and no two that are shown look the same. Markers take turns, so that
    of two runs that are equal both are to be seen.
    """

    def __init__(self):
        super().__init__(3.6, 1.0, "validation ", ncols=2, fontsize=8, handlelength=1.9, handletextpad=0.4,
                         columnspacing=0.6, labelspacing=0.4, borderaxespad=0.2)  # fmt: skip
        self.looks: dict[int, int] = {}  # of each trial shown, by its number

    def draw(self, trials: list[Trial]) -> list[Picture]:
        """Return two pictures, accuracy and loss, of at most `MOST_COMPARED` trials."""
        trials = [trial for trial in trials if trial.run.step][-MOST_COMPARED:]
        self.looks = {trial.number: self.looks[trial.number] for trial in trials if trial.number in self.looks}
        for trial in trials:
            free = set(range(MOST_COMPARED)) - set(self.looks.values())
            usual = (trial.number - 1) % MOST_COMPARED
            self.looks.setdefault(trial.number, usual if usual in free else min(free, default=usual))
        kinds: tuple[list[Line], list[Line]] = ([], [])
        for turn, trial in enumerate(trials):
            look, steps = self.looks[trial.number], trial.run.validation_step
            each = 5 if len(steps) >= 10 else 1  # of how many points one is marked
            options = {"color": CLASS_COLOURS[look], "marker": CLASS_MARKERS[look], "markersize": 5, "linewidth": 1.5,
                       "linestyle": LINES[look % len(LINES)], "markevery": (turn % each, each)}  # fmt: skip
            for lines, values in zip(kinds, (trial.run.validation_accuracy, trial.run.validation_loss), strict=True):
                lines.append((_shortened(trial), steps, values, options))
        most = max([trial.settings.steps for trial in trials], default=1_000)
        return self._drawn(comparison_words(trials), most, *kinds)


def _shortened(trial: Trial, most: int = 26) -> str:
    """Return a name of which two fit side by side into a legend."""
    title = trial.title if len(trial.title) <= most else trial.title[: most - 1] + "…"
    return f"{trial.number}: {title}" if title else trial.name


class Templates:
    """The ten templates in two rows of five, on one symmetric scale around mid-grey."""

    PLACES = tuple((10 + 42 * row, 36 * column) for row in range(2) for column in range(5))  # top and left, in pixels

    def __init__(self):
        with style.context(STYLE):
            self._canvas = Canvas(4.2, 2.4)
            axis = self._canvas.figure.add_axes((0.024, 0.112, 0.952, 0.804))
            axis.axis("off")
            self._pixels = np.ones((84, 176, 3))  # one image: ten would take twice as long to draw
            self._shown = axis.imshow(self._pixels)
            for (top, left), name in zip(self.PLACES, CLASSES, strict=True):
                axis.text(left + 15.5, top - 1.5, name, ha="center", va="bottom", fontsize=10)
            self._title = self._canvas.figure.text(0.5, 0.93, "", ha="center", fontsize=11)
            self._scale = self._canvas.figure.text(0.5, 0.03, "", ha="center", fontsize=9)

    def draw(self, weights: np.ndarray, scale: float | None = None, title: str = "") -> Picture:
        """Draw (3072, 10) weights; `scale` is the size shown as full colour, their usual one by default."""
        weights = _finite(weights)
        scale = scale or usual_scale(weights)
        for (top, left), template in zip(self.PLACES, weights.T, strict=True):
            self._pixels[top : top + 32, left : left + 32] = signed_image(template, scale)
        self._shown.set_data(self._pixels)
        self._scale.set_text(f"mid-grey: 0    brightest: +{scale:.2g}    darkest: −{scale:.2g}")
        self._title.set_text(title)
        return self._canvas.picture(f"Ten templates, one a class{', of ' * bool(title)}{title}.")

    def draw_pair(self, first: Trial, second: Trial) -> list[Picture]:
        """Draw, on one scale, two trials' templates, and their difference."""
        one, other = (_finite(trial.run.weights) for trial in (first, second))
        scale = max(usual_scale(one), usual_scale(other))
        named = (first.label, one), (second.label, other), (f"{first.name} less {second.name}", one - other)
        return [self.draw(weights, scale, name) for name, weights in named]


class Scores:
    """One image and its ten scores, as bars that move: in one picture, or (`apart`) the image in one of its own."""

    def __init__(self, apart: bool = False):
        with style.context(STYLE):
            self._canvases = [Canvas(4.2, 3.1), Canvas(4.2, 3.1)] if apart else [Canvas(4.2, 2.4)]
            # Where it lies apart, prediction.html says as well: it can be drawn on there.
            place = (0.2143, 0.0645, 0.5714, 0.7742) if apart else (0.012, 0.208, 0.333, 0.583)
            self._image = self._canvases[0].image(*place)
            self._title = self._image.axes.set_title("", fontsize=11 if apart else 9)
            place = (0.171, 0.129, 0.376, 0.774) if apart else (0.464, 0.146, 0.202, 0.833)
            axis = self._canvases[-1].figure.add_axes(place)
            size = 10 if apart else 8
            self._bars = axis.barh(range(10), np.zeros(10), height=0.7)
            self._numbers = [axis.text(1.04, place, "", transform=axis.get_yaxis_transform(), va="center",
                                       fontsize=size) for place in range(10)]  # fmt: skip
            axis.axvline(0, color="black", linewidth=1)
            axis.set_yticks(range(10), CLASSES, fontsize=size)
            axis.tick_params(axis="y", length=0)
            axis.tick_params(axis="x", labelsize=8)
            axis.set_xlabel("score, and probability", fontsize=9, labelpad=0)
            axis.xaxis.set_major_locator(MaxNLocator(4))
            axis.invert_yaxis()
            self._axis = axis

    def draw(self, row: np.ndarray, logits: np.ndarray, title: str, truth: int | None) -> list[Picture]:
        """Draw an image (3072,) uint8, called `title`, and its scores (10,).

        The bar of the answer is blue, that of the true class hatched. Scores that are all 0 give no answer.
        """
        self._image.set_data(to_image(row))
        self._title.set_text(title)
        logits = _finite(logits)
        winner = int(logits.argmax()) if logits.any() else None
        words = []
        parts = zip(self._bars, self._numbers, logits, probabilities(logits), strict=True)
        for place, (bar, number, score, probability) in enumerate(parts):
            bar.set(width=score, facecolor=BLUE if place == winner else GREY, edgecolor="white",
                    hatch="//" if place == truth else "")  # fmt: skip
            written = f"{score:+,.0f}" if abs(score) >= 100 else f"{score:+.1f}"
            number.set_text(f"{written}, {probability:.0%}{' ← true' * (place == truth)}".replace("-", "−"))
            words.append(f"{CLASSES[place]} {number.get_text().replace(' ←', ',')}")
            number.set_fontweight("bold" if place == winner else "normal")
        reach = max(1.0, 1.1 * float(np.abs(logits).max()))
        self._axis.set_xlim(-reach, reach)
        alts = f"{title}, as it is asked about.", f"Scores and probabilities of {title}: {'; '.join(words)}."
        return [canvas.picture(alt) for canvas, alt in zip(self._canvases, alts[-len(self._canvases) :], strict=True)]


class Maps:
    """What each position of an image adds to two of its scores."""

    def __init__(self):
        self._canvases = Canvas(4.2, 2.9), Canvas(4.2, 2.9)
        with style.context(STYLE):
            self._heats = [canvas.image(0.048, 0.069, 0.667, 0.741) for canvas in self._canvases]
            for canvas, heat in zip(self._canvases, self._heats, strict=True):
                heat.set(cmap=SIGNED_COLOURS, clim=(-1, 1), data=np.zeros((32, 32)))
                canvas.figure.colorbar(heat, cax=canvas.figure.add_axes((0.78, 0.12, 0.035, 0.62)))

    def draw(self, contributions: list[tuple[str, np.ndarray]]) -> list[Picture]:
        """Draw each (name, (32, 32) contributions), on one scale."""
        scale = max(usual_scale(values) for _, values in contributions)
        for (name, values), heat in zip(contributions, self._heats, strict=True):
            heat.set_data(values / scale)
            heat.axes.set_title(name, fontsize=11)
            heat.colorbar.set_ticks([-1, 0, 1], labels=[f"−{scale:.2g}", "0", f"+{scale:.2g}"])
        alts = [f"What each pixel adds to {name}." for name, _ in contributions]
        return [canvas.picture(alt) for canvas, alt in zip(self._canvases, alts, strict=True)]


@in_series_style
def shrinking_steps(pictures: list[tuple[str, Image.Image]]) -> Figure:
    """Draw pictures side by side, each below its caption: what was done to a learner's own."""
    figure, axes = new_figure(1, len(pictures), width=4.2, height=1.9)
    hang(axes, [np.asarray(shown) for _, shown in pictures], [caption for caption, _ in pictures], fontsize=10)
    figure.words = f"How a picture becomes one that the model reads: {', then '.join(name for name, _ in pictures)}"
    return figure
