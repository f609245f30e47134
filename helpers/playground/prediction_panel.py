"""The panel in which a learner takes one prediction apart: a test image or a picture of their own."""

import contextlib
from typing import Any

import numpy as np

from helpers.arguments import check_settings
from helpers.data import CLASSES
from helpers.errors import ArgumentError
from helpers.figures import Picture, picture_bundle, png
from helpers.panel import options
from helpers.playground.own_picture import PictureError, read_picture
from helpers.playground.panels import PlaygroundPanel
from helpers.playground.pictures import Maps, Scores, shrinking_steps, side_by_side
from helpers.playground.prediction import COLOURS, change_image, explain
from helpers.playground.training import best_trial, read_whole
from helpers.softmax import predict_logits

ANY = "any class"
BRUSH = 1  # pixels covered to each side of the one that is drawn on
UNCHANGED = {
    "right": 0, "down": 0, "mirrored": False, "colours": "as they are", "patch": 0, "patch_left": 0, "patch_top": 0,
}  # fmt: skip
REACH = {"right": (-16, 16), "down": (-16, 16), "patch": (0, 32), "patch_left": (0, 31), "patch_top": (0, 31)}
RESULTS = ("image", "bars", "answer_map", "other_map")


class PredictionPanel(PlaygroundPanel):
    """Controls and pictures of one prediction by one of a playground's runs; `display` puts them below the cell."""

    BUTTONS = ("another", "mistake", "undo")

    def __init__(self, playground, index: int = 0):
        check_settings(index=index, images=len(playground.data.labels_test))
        if not playground.trained:
            raise ArgumentError("There is no run to look into yet. Train one first.")
        super().__init__(playground, "prediction")
        self._data = playground.data
        self._scores, self._maps = Scores(apart=True), Maps()
        self._random = np.random.default_rng(playground.settings.seed)
        self._own: np.ndarray | None = None
        self._index = index
        self._number = (best_trial(playground.trained) or playground.trained[-1]).number
        self._undo()
        self.show(html={"class": options((ANY, *CLASSES)), "colours": options(tuple(COLOURS))},
                  values={"class": ANY}, hidden={"steps": True})  # fmt: skip
        self.refresh()

    def act(self, name: str, value) -> None:
        if name in REACH:
            self._changes[name] = read_whole(name.replace("_", " "), value, *REACH[name])
        elif name in self._changes:
            self._changes[name] = value
        elif name == "drawn":
            for row, column in value:
                top, left = max(0, row - BRUSH), max(0, column - BRUSH)
                self._covered[top : row + BRUSH + 1, left : column + BRUSH + 1] = True
        elif name == "trial":
            self._number = int(value)
        elif name == "index":
            self._choose(read_whole("test image", value, 0, len(self._data.labels_test) - 1))
        elif name == "undo":
            self._undo()
        elif name in self.BUTTONS:
            self._pick(name == "mistake")
        if name != "class":  # where the buttons look
            self.refresh()

    def _choose(self, index: int) -> None:
        self._index, self._own = index, None
        self.show(hidden={"steps": True})

    def _undo(self) -> None:
        self._changes: dict[str, Any] = dict(UNCHANGED)
        self._covered = np.zeros((32, 32), bool)

    def restore(self) -> None:
        self.show(values=self._changes | {"trial": self._number, "index": self._index})

    def on_runs(self) -> None:
        """Offer the runs that there are now."""
        if not self._trainer.running and self._playground.trained:
            with contextlib.suppress(ArgumentError):  # of a run that has overflowed: that was said when it was chosen
                self.refresh()

    def _pick(self, mistaken: bool) -> None:
        """Go to a random test image of the chosen class; if `mistaken`, to one that the run gets wrong."""
        fitting, wanted = np.ones(len(self._data.labels_test), bool), self.value("class")
        if wanted != ANY:
            fitting &= self._data.labels_test == CLASSES.index(wanted)
        if mistaken:
            answers = predict_logits(self._data.images_test, self._trial().run).argmax(axis=1)
            fitting &= answers != self._data.labels_test
        fitting[self._index] = False
        places = np.flatnonzero(fitting)
        if len(places) == 0:
            raise ArgumentError("There is no other such image. Choose another class, or another run.")
        self._choose(int(self._random.choice(places)))
        if mistaken:
            self._undo()  # a changed image might be answered rightly

    def take(self, name: str, size: int, content: bytes | None, shrunk: list[int] | None) -> None:
        """Look at a picture of the learner's own.

        Args:
            name: of the file.
            size: of the file, in bytes.
            content: what the browser sends of it: the file, or the picture shrunk; None where it could do neither.
            shrunk: width and height of the picture that the browser shrank.
        """
        self.show(hidden={"steps": True, "result": True})  # until there is another answer, no old one stays
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
        steps = Picture(png(shrinking_steps(pictures)), f"How it was shrunk: {done}")
        self.show(pictures={"steps": steps}, hidden={"steps": False})
        self.refresh()
        self.say(done)

    def _trial(self):
        try:
            return self._trainer.trial(self._number)
        except ArgumentError:  # it was removed
            self._number = self._playground.trained[-1].number
            return self._trainer.trial(self._number)

    def refresh(self) -> None:
        """Ask the chosen run about the image as it is now, and draw the answer."""
        with self.lock:
            trial = self._trial()
            self.show(html={"trial": options({each.number: each.label for each in self._playground.trained})})
            self.restore()
            if trial.overflowed:
                raise ArgumentError(f"{trial.name} has overflowed: it has no scores. Ask another run.")
            truth = None if self._own is not None else int(self._data.labels_test[self._index])
            pixels = self._data.images_test[self._index] if self._own is None else self._own
            image = change_image(pixels, trial.run.mean, covered=self._covered, **self._changes)
            found = explain(trial.run, image, truth)
            title = "your picture" if truth is None else f"test image {self._index:,}: {CLASSES[truth]}"
            maps = []
            for label in (found["winner"], found["other"]):
                values, bias = found["contributions"][label], trial.run.biases[label]
                sums = f"{values.sum():+.2f}{bias:+.2f} = {found['logits'][label]:+.2f}".replace("-", "−")
                maps.append((f"{CLASSES[label]}: pixels + bias\n{sums}", values))
            pictures = [*self._scores.draw(image, found["logits"], title, truth), *self._maps.draw(maps)]
            self.show(
                pictures=dict(zip(RESULTS, pictures, strict=True)),
                texts={"answer": self._words(trial, found, truth)}, hidden={"result": False},
            )  # fmt: skip
            self.keep()

    def _words(self, trial, found: dict, truth: int | None) -> str:
        winner, other = found["winner"], CLASSES[found["other"]]
        verdict = f"{trial.label} says {CLASSES[winner]}, with a probability of {found['probabilities'][winner]:.0%}."
        if truth == winner:
            verdict += " Right."
        elif truth is not None:
            verdict += f" The label says {CLASSES[truth]}, which gets {found['probabilities'][truth]:.0%}."
        return f"{verdict} Orange raises the score of {CLASSES[winner]} or {other}, purple lowers it."

    def still(self) -> tuple[dict, dict]:
        pictures = [self.pictures[name] for name in RESULTS]
        alt = "One image, its ten scores and probabilities, and what each position adds to two of the scores. "
        return picture_bundle(side_by_side([pictures[:2], pictures[2:]]), alt + self.texts["answer"])
