"""The playground's panels: one to train, one to compare runs, one to take a prediction apart."""

import math
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from helpers.arguments import check_settings
from helpers.data import CLASSES
from helpers.errors import ArgumentError
from helpers.figures import Picture, picture_bundle, png
from helpers.panel import Panel, options
from helpers.playground import pictures as draw
from helpers.playground.prediction import COLOURS, PictureError, change_image, explain, read_picture
from helpers.playground.settings import NAMES, PRESETS, Settings, check_whole, read_number
from helpers.playground.trials import GUESSES, best_trial, html_table, score, status
from helpers.plots.templates import usual_scale
from helpers.softmax import predict_logits

OWN = "your own settings"
SPEEDS = {"slow motion": 40.0, "to watch": 200.0, "full speed": math.inf}
WAITING = {"start", "one_step", "preset", "guess", "line", *NAMES} - {"learning_rate"}  # while a run is under way
ANY = "any class"
BRUSH = 1  # pixels covered to each side of the one that is drawn on
REACH = {"right": (-16, 16), "down": (-16, 16), "patch": (0, 32), "patch_left": (0, 31), "patch_top": (0, 31)}
UNCHANGED = dict.fromkeys(REACH, 0) | {"mirrored": False, "colours": "as they are"}


class PlaygroundPanel(Panel):
    """A panel about the runs of a `Playground`.

    Args:
        playground: whose runs they are.
        page: the name of the page.
    """

    WORDS = "The controls of the playground."
    NOTE = (
        "The controls live while a kernel runs. If you see none above, choose Run > Run All Cells (in Colab: Runtime > "
        "Run all). If there are none after that, install anywidget where Jupyter itself is installed, and start "
        "Jupyter again. Below is how things stood when this notebook was saved."
    )
    KEPT: tuple[str, ...] = ()  # pictures that the saved notebook holds
    ALT = ""  # their words, before those in `told`
    told = ""

    def __init__(self, playground, page: str):
        super().__init__(Path(__file__).with_name(f"{page}.html"))
        self._playground, self.data = playground, playground.data
        playground.panels[type(self)] = self

    def on_runs(self) -> None:
        """Take in what has become of the runs: called after each change, by the thread that trains or the learner's."""
        if not self._playground.running:  # most can wait for the end of a run
            self.refresh()

    def refresh(self) -> None:
        """Draw all anew."""

    def still(self) -> tuple[dict, dict]:
        return picture_bundle(draw.together([self.pictures[name] for name in self.KEPT]), f"{self.ALT} {self.told}")

    def index(self, value) -> int:
        """Return the number of the test image that is meant; raise `ArgumentError` where there is none."""
        return check_whole("test image", read_number(value, True), 0, len(self.data.labels_test) - 1)


class TrainPanel(PlaygroundPanel):
    """Controls and live pictures of the newest run."""

    KEPT = ("accuracy", "loss", "templates", "scores")
    ALT = "The newest run: accuracy against steps, loss against steps, the ten templates, the scores of one image."

    def __init__(self, playground):
        self._settings, self._title, self._watched = playground.settings, "", 0
        super().__init__(playground, "train")
        guesses = {"": "… no guess", **{guess: guess for guess in GUESSES}}
        schedules = {"constant": "constant: the rate stays", "linear": "linear: the rate falls to 0"}
        menus = {"preset": (OWN, *PRESETS), "guess": guesses, "schedule": schedules, "speed": tuple(SPEEDS)}
        items = {name: options(choices) for name, choices in menus.items()}
        self.show(html=items, values={"guess": "", "speed": "to watch"})
        playground.pace = SPEEDS["to watch"]
        self.on_runs()

    def use(self, settings: Settings, title: str = "") -> None:
        """Set the controls; a run that is under way keeps its settings, but for the learning rate."""
        self._settings, self._title = settings, title
        self._playground.rate = settings.learning_rate
        self.restore()

    def act(self, name: str, value) -> None:
        playground, settings = self._playground, self._settings
        if name in NAMES:
            if (changed := settings.changed(**{name: value})) != settings:
                self.use(changed)
        elif name == "preset" and value in PRESETS:
            self.use(replace(PRESETS[value], seed=settings.seed), value)
        elif name == "line":
            self.use(Settings.parse(value))
        elif name == "reset":
            playground.stop()
            self.show(values={"guess": ""})
            self.use(playground.settings)
        elif name == "speed":
            playground.pace = SPEEDS[value]
        elif name == "watched":
            self._watched = self.index(value)
            self.on_runs()
        elif name == "stop":
            playground.stop()
        elif name in ("start", "one_step", "go_on") and not playground.running:
            most = 1 if name == "one_step" else math.inf
            if name == "go_on" or (name == "one_step" and not self.disabled["go_on"]):
                playground.resume(settings.learning_rate, settings.steps, most)
            else:
                playground.start(settings, self.value("guess"), self._title, most)
            self.show(values={"guess": ""})  # each run has one of its own

    def restore(self) -> None:
        with self.lock:  # or what was true before the run's end could be shown after it
            settings, trial, running = self._settings, self._playground.current, self._playground.running
            resumable = trial.number and not trial.overflowed and trial.step < settings.steps
            self.told = said = status(trial, running)
            if not running:
                said = f"{self._playground.problem or said} {score(self._playground.trials.values())}"
            epochs = settings.steps * settings.batch_size / settings.images
            values = {"preset": self._title or OWN, "line": str(settings), "code": settings.parameters_cell()}
            values |= {"watched": self._watched, "bar": trial.step / trial.settings.steps}
            self.show(
                values=asdict(settings) | values,
                texts={"epochs": f"{settings.steps:,} steps are {epochs:.3g} epochs", "status": said},
                disabled=dict.fromkeys(WAITING, running) | {"stop": not running, "go_on": running or not resumable},
            )

    def on_runs(self) -> None:
        with self.lock:
            self.restore()
            trial, index = self._playground.current, self._watched
            image, truth = self.data.images_test[index], int(self.data.labels_test[index])
            title = f"test image {index:,}: {CLASSES[truth]}"
            scores = draw.draw_scores(predict_logits(image[np.newaxis], trial.run)[0], title, truth)
            drawn = (*draw.draw_run(trial, self.told), draw.draw_templates(trial.run.weights), scores)
            self.show(pictures=dict(zip(self.KEPT, drawn, strict=True)) | {"image": draw.draw_image(image, title)})
            if self._playground.watched and not self._playground.running:
                self.keep()  # a run of a later cell would give its answer away


class ComparePanel(PlaygroundPanel):
    """The table and the compared pictures of all runs; `use` sets the other panel's controls."""

    def __init__(self, playground, use):
        self._use = use
        self._hidden: set[int] = set()  # numbers of the runs whose curves are not shown
        self._pair: list[int] = []  # and of those whose templates are
        super().__init__(playground, "compare")
        self.show(values={"file": "my-runs"})
        self.refresh()

    def act(self, name: str, value) -> None:
        action, _, of = name.partition(":")
        playground, number = self._playground, int(of or 0)
        if action == "show":
            self._hidden = self._hidden - {number} if value else self._hidden | {number}
        elif action in ("one", "other"):
            self._pair[action == "other"] = int(value)
        elif action == "title":
            playground.rename(number, value)
        elif action == "remove":
            playground.remove(number)
        elif action == "again":
            trial = playground.trials[number]
            self._use(trial.settings, trial.title)
            self.say(f"The controls above now hold the settings of {trial.name}.")
        elif action == "save_table":
            name = self.value("file").strip().removesuffix(".csv")
            if not re.fullmatch(r"\w[\w .-]*", name):
                raise ArgumentError(f"{name!r} is no name for a file beside this notebook. Give one such as my-runs.")
            self.say(f"Saved all runs to {playground.save_table(name + '.csv').name}.")
        if of or action in ("one", "other"):
            self.refresh()

    def refresh(self) -> None:
        """Take in the runs that there are now, and draw those that are ticked."""
        with self.lock:
            trained = {trial.number: trial for trial in self._playground.trained}
            shown = [trial for number, trial in trained.items() if number not in self._hidden]
            more = f"The picture holds the newest {draw.MOST_COMPARED} of {len(shown)} runs. Untick some to see others."
            pictures = dict(zip(("accuracy", "loss"), draw.draw_comparison(shown), strict=True))
            wanted = dict.fromkeys([*self._pair, best_trial(trained.values()).number, *reversed(trained)])
            self._pair = [number for number in wanted if number in trained][:2]  # what was chosen stays
            if len(self._pair) == 2:
                pair = [trained[number] for number in self._pair]
                scale = max(usual_scale(draw.finite(trial.run.weights)) for trial in pair)
                for name, trial in zip(("one", "other"), pair, strict=True):
                    pictures[name] = draw.draw_templates(trial.run.weights, scale, trial.label)
            menu = options({number: trial.label for number, trial in trained.items()})
            values = dict(zip(("one", "other"), self._pair, strict=False))
            values |= {f"show:{number}": number not in self._hidden for number in trained}
            values |= {f"title:{number}": trial.title for number, trial in trained.items()}
            self.show(
                html={"one": menu, "other": menu, "table": html_table(trained.values())},
                texts={"more": more if len(shown) > draw.MOST_COMPARED else ""},
                values=values,
                pictures=pictures,
                hidden={"templates": len(self._pair) < 2},
            )


class PredictionPanel(PlaygroundPanel):
    """Controls and pictures of one prediction by one of the runs, of a test image or a picture of the learner's own."""

    KEPT = ("image", "bars", "answer_map", "other_map")
    ALT = "One image, its ten scores and probabilities, and what each position adds to two of the scores."

    def __init__(self, playground, index: int = 0):
        check_settings(index=index, images=len(playground.data.labels_test))
        runs = [trial for trial in playground.trained if not trial.overflowed]
        if not runs:
            raise ArgumentError("There is no run to look into yet. Train one first.")
        best = best_trial(runs)
        self._trial = best if best.number else runs[-1]
        self._random = np.random.default_rng(playground.settings.seed)
        super().__init__(playground, "prediction")
        self._undo()
        self._choose(index)
        menus = {"class": options((ANY, *CLASSES)), "colours": options(tuple(COLOURS))}
        self.show(html=menus, values={"class": ANY})
        self.refresh()

    def act(self, name: str, value) -> None:
        if name in REACH:
            self._changes[name] = check_whole(name.replace("_", " "), read_number(value, True), *REACH[name])
        elif name in UNCHANGED:
            self._changes[name] = value
        elif name == "drawn":
            for row, column in value:
                top, left = max(0, row - BRUSH), max(0, column - BRUSH)
                self._covered[top : row + BRUSH + 1, left : column + BRUSH + 1] = True
        elif name == "trial":
            self._trial = self._playground.trials[int(value)]
        elif name == "index":
            self._choose(self.index(value))
        elif name == "undo":
            self._undo()
        elif name in ("another", "mistake"):
            self._pick(name == "mistake")
        if name != "class":  # where the buttons look
            self.refresh()

    def _choose(self, index: int) -> None:
        self._truth: int | None = int(self.data.labels_test[index])
        self._chosen, self._image = index, self.data.images_test[index]
        self._name = f"test image {index:,}: {CLASSES[self._truth]}"
        self.show(hidden={"steps": True})

    def _undo(self) -> None:
        self._changes: dict[str, Any] = dict(UNCHANGED)
        self._covered = np.zeros((32, 32), bool)

    def _pick(self, mistaken: bool) -> None:
        """Go to a random test image of the chosen class; if `mistaken`, to one that the run gets wrong."""
        labels, wanted = self.data.labels_test, self.value("class")
        fitting = np.arange(len(labels)) != self._chosen
        if wanted != ANY:
            fitting &= labels == CLASSES.index(wanted)
        if mistaken:
            fitting &= predict_logits(self.data.images_test, self._trial.run).argmax(axis=1) != labels
            self._undo()  # a changed image might be answered rightly
        if not fitting.any():
            raise ArgumentError("There is no other such image. Choose another class, or another run.")
        self._choose(int(self._random.choice(np.flatnonzero(fitting))))

    def take(self, name: str, size: int, content: bytes | None, shrunk: list[int] | None) -> None:
        """Look at a picture of the learner's own."""
        self.show(hidden={"steps": True, "result": True})  # until there is another answer, no old one stays
        megabytes = f"{size / 1e6:,.1f} MB"
        if content is None:
            raise PictureError(f"{name} has {megabytes}, and your browser can't read it. Choose a smaller picture.")
        self._image, steps, done = read_picture(content, name)
        self._truth, self._name = None, "your picture"
        self._undo()
        if shrunk:
            done = f"{name} has {shrunk[0]:,} × {shrunk[1]:,} pixels and {megabytes}: shrunk on its way. {done}"
        shown = Picture(png(draw.shrinking_steps(steps)), f"How it was shrunk: {done}")
        self.show(pictures={"steps": shown}, hidden={"steps": False})
        self.refresh()
        self.say(done)

    def restore(self) -> None:
        self.show(values=self._changes | {"trial": self._trial.number, "index": self._chosen})

    def refresh(self) -> None:
        """Ask the chosen run, or the newest where it is gone, about the image as it is now, and draw the answer."""
        with self.lock:
            runs = {trial.number: trial for trial in self._playground.trained if not trial.overflowed}
            trial = self._trial = runs.get(self._trial.number, [self._trial, *runs.values()][-1])
            image = change_image(self._image, trial.run.mean, covered=self._covered, **self._changes)
            found = explain(trial.run, image, self._truth)
            pair, contributions = (found["winner"], found["other"]), found["contributions"]
            scale, maps = max(usual_scale(contributions[label]) for label in pair), []
            for label in pair:
                total, bias, logit = contributions[label].sum(), trial.run.biases[label], found["logits"][label]
                sums = f"{total:+.2f}{bias:+.2f} ≈ {logit:+.2f}".replace("-", "−")
                maps.append(draw.draw_map(f"{CLASSES[label]}: pixels + bias\n{sums}", contributions[label], scale))
            scores = draw.draw_scores(found["logits"], self._name, self._truth)
            drawn = (draw.draw_image(image, f"{self._name}, as it is asked about."), scores, *maps)
            answer, other = (CLASSES[label] for label in pair)
            self.told = f"{trial.label} says {answer}, with a probability of {found['probabilities'][pair[0]]:.0%}."
            if self._truth is not None:
                self.told += " Right." if self._truth == pair[0] else f" The label says {other}."
            self.told += f" Orange raises the score of {answer} or {other}, purple lowers it."
            self.show(
                html={"trial": options({number: each.label for number, each in runs.items()})},
                texts={"answer": self.told},
                pictures=dict(zip(self.KEPT, drawn, strict=True)),
                hidden={"result": False},
            )
            self.restore()
            self.keep()
