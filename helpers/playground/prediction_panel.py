"""The panel in which a learner takes one prediction apart: a test image or a picture of their own."""

from typing import Any

import numpy as np

from helpers.arguments import check_settings
from helpers.data import CLASSES
from helpers.errors import ArgumentError
from helpers.playground import widgets as ui
from helpers.playground.own_picture import PictureError, read_picture
from helpers.playground.pictures import Prediction, shrinking_steps, side_by_side
from helpers.playground.prediction import COLOURS, change_image, explain
from helpers.playground.training import best_trial, read_index
from helpers.softmax import predict_logits

ANY = "any class"
BRUSH = 1  # pixels covered to each side of the one that is drawn on
UNCHANGED = {
    "right": 0, "down": 0, "mirrored": False, "colours": COLOURS[0], "patch": 0, "patch_left": 0, "patch_top": 0,
}  # fmt: skip
REACH = {"right": (-16, 16), "down": (-16, 16), "patch": (0, 32), "patch_left": (0, 31), "patch_top": (0, 31)}
RESULTS = ("image", "bars", "answer_map", "other_map")


def _page() -> str:
    def slider(name: str, label: str, hint: str) -> str:
        least, most = REACH[name]
        return ui.number(name, label, hint, list(range(least, most + 1)))

    return "".join([
        ui.heading("Choose an image"),
        ui.row(
            ui.choice("trial", "Ask", "The run whose opinion you want", {}),
            ui.field("index", "Test image", "Its number among the 10,000 test images: 0 to 9,999"),
            ui.choice("class", "Class", "Where the two buttons below look", {name: name for name in (ANY, *CLASSES)}),
        ),
        ui.row(
            ui.button("another", "Another image", "A random image of this class; your changes stay"),
            ui.button("mistake", "A mistake", "A random image that the run gets wrong, without changes"),
            ui.upload("picture", "Your own picture", "A PNG, JPEG, GIF, WebP or BMP file of yours", "image/*"),
        ),
        ui.text("said", urgent=True),
        ui.row(ui.picture("steps"), kind="pictures", part="steps"),
        ui.heading("Change it"),
        ui.row(
            slider("right", "Shift right", "Move the image by so many pixels; below 0, to the left"),
            slider("down", "Shift down", "Move the image by so many pixels; below 0, up"),
            ui.choice("colours", "Colours", "What is done to the colours", {name: name for name in COLOURS}),
            ui.check("mirrored", "Mirrored", "Exchange left and right"),
            slider("patch", "Cover: size", "Cover a square of so many pixels with the mean image"),
            slider("patch_left", "Cover: column", "Where the square begins, from the left"),
            slider("patch_top", "Cover: row", "Where the square begins, from the top"),
        ),
        ui.row(ui.button("undo", "Undo all changes", "Show the image as it is")),
        ui.heading("What the model makes of it"),
        ui.row(ui.text("answer"),
            "<p>Draw on the image with the mouse or a finger to cover what you like.</p>",
            ui.row(ui.picture("image", draw=Prediction.AREA), *map(ui.picture, RESULTS[1:]), kind="pictures"),
            kind="results", part="result"),
    ])  # fmt: skip


class PredictionPanel(ui.Panel):
    """Controls and pictures of one prediction by one of a playground's runs; `display` puts them below the cell."""

    LAST = ("another", "mistake", "undo")

    def __init__(self, playground, index: int = 0):
        self._playground, self._data = playground, playground.data
        check_settings(index=index, images=len(self._data.labels_test))
        if not playground.trained:
            raise ArgumentError("There is no run to look into yet. Train one first.")
        super().__init__(_page())
        self._shown: ui.Shown | None = None
        self._draw = Prediction()
        self._random = np.random.default_rng(playground.settings.seed)
        self._answers: dict[tuple, np.ndarray] = {}  # of a run to all test images, by its number and step
        self._own: np.ndarray | None = None
        self._changes: dict[str, Any] = dict(UNCHANGED)
        self._covered = np.zeros((32, 32), bool)
        self._index, self._class = index, ANY
        self._number = (best_trial(playground.trained) or playground.trained[-1]).number
        self.show(values=self._changes | {"class": ANY}, hidden=["steps"])
        self.refresh()

    def display(self) -> None:
        """Put the panel below the cell; runs that are trained from now on can be chosen, too."""
        self._playground.follow(self, self._on_runs)
        self._shown = ui.Shown([self], *self.still())

    def act(self, name: str, value) -> None:
        self.say("")
        if name in REACH:
            self._move(name, value)
        elif name in self._changes:
            self._changes[name] = value
        elif name == "drawn":
            for row_, column in value:
                top, left = max(0, row_ - BRUSH), max(0, column - BRUSH)
                self._covered[top : row_ + BRUSH + 1, left : column + BRUSH + 1] = True
        elif name == "trial":
            self._number = int(value)
        elif name == "class":
            self._class = value
            return
        elif name == "index":
            self._choose(value)
        elif name == "undo":
            self._undo()
        else:
            self._pick(name == "mistake")
        self.refresh()

    def _move(self, name: str, written) -> None:
        (least, most), text_ = REACH[name], str(written).strip().replace("−", "-")
        try:
            value = int(text_)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:
            self.show(values={name: self._changes[name]})
            raise ArgumentError(f"{written!r} makes no sense here. Give a whole number, {least} to {most}.")
        self._changes[name] = value

    def _choose(self, written) -> None:
        try:
            self._index = read_index(written, len(self._data.labels_test))
        except ArgumentError as error:
            self.show(values={"index": self._index})
            raise ArgumentError(f"{written!r} is no test image. Give a whole number, 0 to 9,999.") from error
        self._forget_own()

    def _forget_own(self) -> None:
        self._own = None
        self.show(hidden=["steps"])

    def _undo(self) -> None:
        self._changes = dict(UNCHANGED)
        self._covered[:] = False

    def _on_runs(self) -> None:
        """Offer the runs that there are now; called from the thread that trains."""
        if not self._playground.trainer.running:
            with self.lock:
                if self._playground.trained:
                    self.refresh()

    def _pick(self, mistaken: bool) -> None:
        """Go to a random test image of the chosen class; if `mistaken`, to one that the run gets wrong."""
        fitting = np.ones(len(self._data.labels_test), bool)
        if self._class != ANY:
            fitting &= self._data.labels_test == CLASSES.index(self._class)
        if mistaken:
            trial = self._trial()
            key = (trial.number, trial.step)
            if key not in self._answers:
                self._answers = {key: predict_logits(self._data.images_test, trial.run).argmax(axis=1)}
            fitting &= self._answers[key] != self._data.labels_test
        fitting[self._index] = False
        places = np.flatnonzero(fitting)
        if len(places) == 0:
            raise ArgumentError("There is no other such image. Choose another class, or another run.")
        self._forget_own()
        if mistaken:
            self._undo()  # a changed image might be answered rightly
        self._index = int(self._random.choice(places))

    def take(self, name: str, size: int, content: bytes | None, shrunk: list[int] | None) -> None:
        """Look at a picture of the learner's own.

        Args:
            name: of the file.
            size: of the file, in bytes.
            content: what the browser sends of it: the file, or the picture shrunk; None where it could do neither.
            shrunk: width and height of the picture that the browser shrank.
        """
        self.show(hidden=["steps", "result"])  # until there is another answer, no old one stays
        if content is None:
            raise PictureError(
                f"{name} has {size / 1e6:,.0f} MB, and your browser can't read it as a picture. Choose a smaller one."
            )
        self._own, pictures, done = read_picture(content, name)
        self._undo()
        if shrunk:
            done = (
                f"{name} has {shrunk[0]:,} × {shrunk[1]:,} pixels and {size / 1e6:,.1f} MB: shrunk on its way. {done}"
            )
        with self.lock:
            self.show(
                pictures={"steps": shrinking_steps(pictures)}, alts={"steps": f"How it was shrunk: {done}"}, hidden=[]
            )
        self.refresh()
        self.say(done)

    def _trial(self):
        try:
            return self._playground.trainer.trial(self._number)
        except ArgumentError:  # it was removed
            self._number = self._playground.trained[-1].number
            return self._playground.trainer.trial(self._number)

    def refresh(self) -> None:
        """Ask the chosen run about the image as it is now, and draw the answer."""
        with self.lock:
            trial = self._trial()
            run = trial.learned
            names = {each.number: each.label for each in self._playground.trained}
            self.show(
                html={"trial": ui.options(names)}, values=self._changes | {"trial": self._number, "index": self._index}
            )
            if trial.overflowed:
                raise ArgumentError(f"{trial.name} has overflowed: it has no scores. Ask another run.")
            truth = None if self._own is not None else int(self._data.labels_test[self._index])
            pixels = self._data.images_test[self._index] if self._own is None else self._own
            image = change_image(pixels, run.mean, covered=self._covered, **self._changes)
            found = explain(run, image, truth)
            title = "your picture" if truth is None else f"test image {self._index:,}: {CLASSES[truth]}"
            maps = []
            for label in (found["winner"], found["other"]):
                values, bias = found["contributions"][label], run.biases[label]
                sums = f"{values.sum():+.2f}{bias:+.2f} = {found['logits'][label]:+.2f}".replace("-", "−")
                maps.append((f"{CLASSES[label]}: pixels + bias\n{sums}", values))
            pngs = self._draw.draw(image, found["logits"], found["probabilities"], title, maps, truth)
            words = self._words(trial, found, truth)
            chances = ", ".join(f"{name} {p:.0%}" for name, p in zip(CLASSES, found["probabilities"], strict=True))
            self.show(
                pictures=dict(zip(RESULTS, pngs, strict=True)),
                alts={
                    "image": f"{title}, as it is asked about.", "bars": f"Probabilities: {chances}.",
                    "answer_map": f"What each pixel adds to {maps[0][0]}.", "other_map": f"The same for {maps[1][0]}.",
                },
                texts={"answer": words}, hidden=[part for part in self.hidden if part != "result"],
            )  # fmt: skip
            if self._shown:
                self._shown.keep(*self.still())

    def _words(self, trial, found: dict, truth: int | None) -> str:
        winner, probability = CLASSES[found["winner"]], found["probabilities"][found["winner"]]
        text_ = f"{trial.label} says {winner}, with a probability of {probability:.0%}."
        if truth == found["winner"]:
            text_ += " Right."
        elif truth is not None:
            text_ += f" The label says {CLASSES[truth]}, which gets {found['probabilities'][truth]:.0%}."
        return text_ + f" Orange raises the score of {winner} or {CLASSES[found['other']]}, purple lowers it."

    def still(self) -> tuple[bytes, str]:
        """Return the picture for the saved notebook and its alt text."""
        pngs = [self.pictures[name] for name in RESULTS]
        return side_by_side([pngs[:2], pngs[2:]]), (
            "One image, its ten scores and probabilities, and what each position adds to two of the scores. "
            + self.texts["answer"]
        )  # fmt: skip
