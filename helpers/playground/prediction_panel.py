"""The panel in which a learner takes one prediction apart: a test image or a picture of their own."""

import threading

import ipywidgets as widgets
import numpy as np

from helpers.data import CLASSES
from helpers.errors import ArgumentError, PlainError
from helpers.playground.own_picture import read_picture
from helpers.playground.pictures import Prediction, shrinking_steps, side_by_side
from helpers.playground.prediction import COLOURS, change_image, explain
from helpers.playground.widgets import Shown, check_version, labelled, on_click, page, picture, row, unseen, words
from helpers.softmax import predict_logits

ANY = "any class"


class PredictionPanel:
    """Controls and pictures of one prediction by one of a playground's runs; `show` puts them below the cell."""

    def __init__(self, playground, index: int = 0):
        check_version()
        self._playground, self._data = playground, playground.data
        if not playground.trials:
            raise ArgumentError("There is no run to look into yet. Train one first.")
        if not 0 <= index < len(self._data.labels_test):
            raise ArgumentError(f"index = {index!r} makes no sense. Give 0 to {len(self._data.labels_test) - 1:,}.")
        self._lock = threading.RLock()
        self._shown: Shown | None = None
        self._draw = Prediction()
        self._random = np.random.default_rng(playground.settings.seed)
        self._answers: dict[int, np.ndarray] = {}  # of each run to all test images, by the run's number and step
        self._own: np.ndarray | None = None
        self._busy = False
        self._build(index)

    def _build(self, index: int) -> None:
        best = self._playground.best or self._playground.trials[-1]
        self.trial = labelled(widgets.Dropdown, "Ask", "230px", options=self._runs(), value=best.number)
        self.index = labelled(widgets.BoundedIntText, "Test image", "190px", value=index, min=0,
                              max=len(self._data.labels_test) - 1)  # fmt: skip
        self.name = labelled(widgets.Dropdown, "Class", "230px", options=[ANY, *CLASSES])
        self.another = on_click("Another image", "random", lambda: self._pick(False), "A random image of this class")
        self.mistake = on_click("A mistake", "times", lambda: self._pick(True), "A random image it gets wrong")
        self.upload = widgets.FileUpload(description="Your own picture", accept="image/*", multiple=False,
                                         layout=widgets.Layout(width="auto"))  # fmt: skip
        self.steps, self.said = picture(), widgets.HTML()
        self.steps.layout.display = "none"

        def slider(label: str, least: int, most: int) -> widgets.IntSlider:
            return labelled(widgets.IntSlider, label, "390px", value=0, min=least, max=most)

        self.right, self.down = slider("Shift right", -16, 16), slider("Shift down", -16, 16)
        self.patch = slider("Cover: size", 0, 32)
        self.patch_left, self.patch_top = slider("Cover: column", 0, 31), slider("Cover: row", 0, 31)
        self.mirrored = labelled(widgets.Checkbox, "Mirrored", "270px", value=False, indent=True)
        self.colours = labelled(widgets.Dropdown, "Colours", "390px", options=COLOURS)
        self.undo = on_click("Undo all changes", "undo", self._undo, "Show the image as it is")
        self.changes = {
            name: getattr(self, name)
            for name in ("right", "down", "mirrored", "colours", "patch", "patch_left", "patch_top")
        }
        self.answer, self.alt = widgets.HTML(), widgets.HTML()
        self.pictures = [picture() for _ in range(4)]
        for control in (self.trial, self.index, *self.changes.values()):
            control.observe(self._on_change, "value")
        self.upload.observe(self._on_upload, "value")
        self.root = page(
            widgets.HTML("<h4>Choose an image</h4>"),
            row(self.trial, self.index),
            row(self.name, self.another, self.mistake, self.upload),
            self.said,
            self.steps,
            widgets.HTML("<h4>Change it</h4>"),
            row(*(widgets.Box([each], layout=widgets.Layout(width="420px")) for each in (
                self.right, self.down, self.patch, self.patch_left, self.patch_top, self.colours, self.mirrored))),
            row(self.undo),
            widgets.HTML("<h4>What the model makes of it</h4>"),
            self.answer,
            row(*self.pictures),
            self.alt,
        )  # fmt: skip

    def show(self) -> None:
        """Put the panel below the cell; runs that are trained from now on can be chosen, too."""
        self._playground.listeners[:] = [
            listener
            for listener in self._playground.listeners
            if not isinstance(getattr(listener, "__self__", None), PredictionPanel)
        ]
        self.refresh()
        self._shown = Shown(self.root, *self._still())
        self._playground.listeners.append(self._on_runs)

    def _runs(self) -> list[tuple[str, int]]:
        return [(trial.name, trial.number) for trial in self._playground.trials if trial.run is not None]

    def _on_runs(self) -> None:
        """Offer the runs that there are now; called from the thread that trains."""
        if not self._playground.trainer.running:
            with self._lock:
                if self._runs() != list(self.trial.options):
                    chosen, self._busy = self.trial.value, True
                    self.trial.options = self._runs()
                    self.trial.value, self._busy = chosen, False
                self.refresh()

    def _on_change(self, change) -> None:
        if self._busy:
            return
        if change["owner"] is self.index:
            self._forget_own()
        self.refresh()

    def _forget_own(self) -> None:
        self._own, self.said.value, self.steps.layout.display = None, "", "none"

    def _undo(self) -> None:
        self._busy = True
        for name, control in self.changes.items():
            control.value = COLOURS[0] if name == "colours" else False if name == "mirrored" else 0
        self._busy = False
        self.refresh()

    def _chosen(self):
        return self._playground.trials[self.trial.value - 1]

    def _pick(self, mistaken: bool) -> None:
        """Go to a random test image of the chosen class; if `mistaken`, to one that the run gets wrong."""
        fitting = np.ones(len(self._data.labels_test), bool)
        if self.name.value != ANY:
            fitting &= self._data.labels_test == CLASSES.index(self.name.value)
        if mistaken:
            trial = self._chosen()
            key = (trial.number, trial.step)
            if key not in self._answers:
                self._answers = {key: predict_logits(self._data.images_test, trial.run).argmax(axis=1)}
            fitting &= self._answers[key] != self._data.labels_test
        fitting[self.index.value] = False
        places = np.flatnonzero(fitting)
        if len(places) == 0:
            self.answer.value = words("There is no such image.")
            return
        self._forget_own()
        self.index.value = int(self._random.choice(places))

    def _on_upload(self, change) -> None:
        value = change["new"]
        if not value:
            return
        # ipywidgets 8 gives a tuple of files, 7 a dictionary by name.
        name, file = next(iter(value.items())) if isinstance(value, dict) else (value[0]["name"], value[0])
        self.open(bytes(file["content"]), name)

    def open(self, content: bytes, name: str) -> None:
        """Look at a picture of the learner's own, given as a file's content and its name."""
        try:
            self._own, pictures, done = read_picture(content, name)
        except PlainError as error:
            self.said.value = words(str(error), urgent=True)
            return
        with self._lock:
            self.steps.value, self.steps.layout.display = shrinking_steps(pictures), ""
        self.said.value = words(done)
        self.refresh()

    def refresh(self) -> None:
        """Ask the chosen run about the image as it is now, and draw the answer."""
        with self._lock:
            trial = self._chosen()
            if trial.overflowed:
                self.answer.value = words(f"{trial.name} has overflowed: it has no scores. Ask another run.", True)
                return
            own = self._own is not None
            row_ = self._own if own else self._data.images_test[self.index.value]
            truth = None if own else int(self._data.labels_test[self.index.value])
            changes = {name: control.value for name, control in self.changes.items()}
            image = change_image(row_, trial.run.mean, **changes)
            found = explain(trial.run, image, truth)
            title = "your picture" if own else f"test image {self.index.value}: {CLASSES[truth]}"
            maps = []
            for label in (found["winner"], found["other"]):
                values, bias = found["contributions"][label], trial.run.biases[label]
                sums = f"{values.sum():+.2f}{bias:+.2f} = {found['logits'][label]:+.2f}".replace("-", "−")
                maps.append((f"{CLASSES[label]}: pixels + bias\n{sums}", values))
            pngs = self._draw.draw(image, found["logits"], found["probabilities"], title, maps, truth)
            for image_, png in zip(self.pictures, pngs, strict=True):
                image_.value = png
            text = self._words(trial, found, truth)
            self.answer.value = words(text)
            self.alt.value = unseen(f"Pictures: {title}; bars of ten probabilities; two maps of contributions. " + text)
            self._text = text
            if self._shown:
                self._shown.keep(*self._still())

    def _words(self, trial, found: dict, truth: int | None) -> str:
        winner, probability = CLASSES[found["winner"]], found["probabilities"][found["winner"]]
        text = f"{trial.name} says {winner}, with a probability of {probability:.0%}."
        if truth == found["winner"]:
            text += " Right."
        elif truth is not None:
            text += f" The label says {CLASSES[truth]}, which gets {found['probabilities'][truth]:.0%}."
        return text + f" Orange raises the score of {winner} or {CLASSES[found['other']]}, purple lowers it."

    def _still(self) -> tuple[bytes, str]:
        """Return the picture for the saved notebook and its alt text."""
        images = [image.value for image in self.pictures]
        return side_by_side([images[:2], images[2:]]), (
            "One image, its ten scores and probabilities, and what each position adds to two of the scores. "
            + self._text
        )  # fmt: skip
