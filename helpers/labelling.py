"""Images to label by hand: buttons and keys, what the labels come to, and a file to keep them in (notebook 2)."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.data import CLASSES, to_image
from helpers.errors import ArgumentError
from helpers.figures import Picture, bundle, describe, in_series_style, new_figure, png
from helpers.files import write_file
from helpers.panel import Panel
from helpers.plots.templates import captioned_images


class Labelling:
    """Images to label one after another, beside a model's answers to the same ones.

    Args:
        images: (n, 3072) values of 0 to 255, channel first.
        labels: (n,) integers, 0 to 9, the true classes.
        model_answers: (n,) integers, 0 to 9, what the model says.
        file: where `save` keeps the labels; what it holds for the same images is taken up again.

    Raises:
        ArgumentError: the three are not of one length, or the file holds something else.
    """

    def __init__(self, images, labels, model_answers, file: str | Path = "my-labels.json"):
        self.images = np.asarray(images).round().astype(np.uint8)
        self.labels, self.model_answers, self.file = np.asarray(labels), np.asarray(model_answers), Path(file)
        if not len(self.images) == len(self.labels) == len(self.model_answers) > 0:
            sizes = f"{len(self.images)} images, {len(self.labels)} labels, {len(self.model_answers)} model's answers"
            raise ArgumentError(f"{sizes} don't belong together. Give one of each for every image.")
        self._which = hashlib.sha256(self.images.tobytes()).hexdigest()[:16]  # the file may hold labels of others too
        self.answers = [CLASSES.index(name) for name in self._kept().get(self._which, [])]

    def _kept(self) -> dict[str, list[str]]:
        """Return what the file holds: class names, by the fingerprint of the images that they were given to."""
        try:
            kept = json.loads(self.file.read_bytes()) if self.file.exists() else {}
            if not {name for names in kept.values() for name in names} <= {*CLASSES}:
                raise ValueError("a name that is no class")
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise ArgumentError(f"{self.file} holds no labels of yours. Move it away, and run this again.") from error
        return kept

    def answer(self, label: int) -> None:
        """Label the next image with 0 to 9; do nothing when all are labelled."""
        if len(self.answers) < len(self.images):
            self.answers.append(label)

    def undo(self) -> None:
        """Take the last label back, if there is one."""
        self.answers = self.answers[:-1]

    def save(self) -> str:
        """Keep the labels in the file, whole or not at all, and say so; raise `ArgumentError` where that can't be."""
        names = [CLASSES[label] for label in self.answers]
        write_file(self.file, json.dumps(self._kept() | {self._which: names}).encode())
        return f"Saved in {self.file}: {len(names)} labels."

    def forget(self) -> str:
        """Drop the labels, in the file too; say so."""
        self.answers = []
        self.save()
        return f"Forgotten, in {self.file} too."

    def result(self) -> str:
        """Say what the labels so far come to: two accuracies with their standard errors, and where they disagree."""
        done = len(self.answers)
        if not done:
            return "You have labelled no image yet."
        you, model = (np.array(given[:done]) == self.labels[:done] for given in (self.answers, self.model_answers))
        shares = [f"{it.mean():.0%} ± {it.std() / np.sqrt(done):.0%} ({it.sum()} of {done})" for it in (you, model)]
        only_you, only_model = int(np.sum(you & ~model)), int(np.sum(~you & model))
        return (
            f"You: {shares[0]}. The model: {shares[1]}. Only you are right on {only_you}, only the model on "
            f"{only_model}; luck is ± {np.sqrt(only_you + only_model):.1f}."
        )

    @in_series_style
    def tables(self):
        """Draw your confusion matrix beside the model's, a row for each true class; return the figure."""
        done = len(self.answers)
        figure, axes = new_figure(1, 2, height=4.3)
        for axis, given, title in zip(axes, (self.answers, self.model_answers), ("you", "the model"), strict=True):
            counts = np.zeros((10, 10), int)
            np.add.at(counts, (self.labels[:done], np.array(given[:done], int)), 1)
            axis.imshow(counts, cmap="Blues", vmin=0, vmax=8)
            for row, column in np.argwhere(counts):
                ink = "white" if counts[row, column] > 4 else "black"
                axis.text(column, row, counts[row, column], color=ink, ha="center", va="center")
            axis.set(title=title, xlabel="answer", ylabel="true class")
            axis.set_xticks(range(10), CLASSES, rotation=90)
            axis.set_yticks(range(10), CLASSES)
        figure.words = self.result()
        return figure

    def show(self) -> None:
        """Show the next image below the cell, with buttons; and a still picture of all, for the saved notebook."""
        LabellingPanel(self).display()


class LabellingPanel(Panel):
    """The next image of a `Labelling`, buttons for its classes, and what the labels come to."""

    WORDS = "Buttons to label the images with."
    NOTE = "To label these, run this cell: the buttons live while a kernel runs."

    def __init__(self, labelling: Labelling):
        super().__init__(Path(__file__).with_suffix(".html"))
        self._labelling = labelling
        self._update()

    def act(self, name: str, value) -> None:
        labelling = self._labelling
        if name in CLASSES:
            labelling.answer(CLASSES.index(name))
            self._update()
        elif name == "result":
            self._update(result=True)
        else:
            self._update({"undo": labelling.undo, "save": labelling.save, "forget": labelling.forget}[name]())

    def _update(self, said: str | None = None, result: bool = False) -> None:
        """Show the next image, or that there is none; say what was `said`, and the result where it is asked for."""
        labelling = self._labelling
        done, count = len(labelling.answers), len(labelling.images)
        pictures, place = {}, f"Image {done + 1} of {count}."
        if done < count:
            last = f" You called the last one {CLASSES[labelling.answers[-1]]}." if done else ""
            said = said or place + last
            file = io.BytesIO()
            Image.fromarray(to_image(labelling.images[done])).save(file, "PNG")
            pictures["photo"] = Picture(file.getvalue(), place)
        else:
            said, result = f"All {count} are labelled. {said or ''}", True
        if result:
            said += f" {labelling.result()}"
        if result and done:
            tables = labelling.tables()
            pictures["tables"] = Picture(png(tables), describe(tables))
        hidden = {"photo": done == count, "tables": "tables" not in pictures}
        self.show(pictures=pictures, values={"done": done / count}, texts={"news": said}, hidden=hidden)

    def still(self) -> tuple[dict, dict]:
        images = self._labelling.images
        figure = captioned_images(images, [str(number + 1) for number in range(len(images))], columns=10)
        figure.words = self.NOTE
        return bundle(figure)
