"""Images to label by hand: buttons and keys, what the labels come to, and a file to keep them in (notebook 2)."""

import base64
import hashlib
import io
import json
from html import escape
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from IPython.display import display
from PIL import Image

from helpers.data import CLASSES, to_image
from helpers.errors import ArgumentError
from helpers.figures import bundle, in_series_style, new_figure
from helpers.files import write_file

VIEW = "application/vnd.jupyter.widget-view+json"
NOTE = "To label these, run this cell: the buttons live while a kernel runs."
# While the buttons are alive, the picture kept for the saved notebook would show all images beforehand.
CSS = """<style>
.jp-OutputArea-child:has(.labelling) ~ .jp-OutputArea-child:has(.labelling-kept) { display: none }
.labelling { max-width: 640px; padding: 2px }
.labelling .widget-html, .labelling .widget-html-content { width: auto; max-width: 100%; height: auto }
.labelling button { min-height: 44px }
.labelling button:focus-visible { outline: 3px solid #0072B2 }
.labelling img { max-width: 100%; height: auto }
.labelling img.photo { width: 256px; image-rendering: pixelated; display: block }
.labelling p { margin: 4px 0; line-height: 1.4; color: var(--jp-ui-font-color1, inherit) }
</style>"""
# Keys count wherever in the panel the focus is. JupyterLab would take a digit for a command to the cell.
KEYS = """<script>
if (!window.labellingKeys) {
  window.labellingKeys = true;
  document.addEventListener("focusin", event => {
    const panel = event.target.closest?.(".labelling");
    if (panel) panel.dataset.lmSuppressShortcuts = "true";
  });
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const panel = event.target.closest?.(".labelling");
    const button = panel?.querySelector(`button.key-${CSS.escape(event.key)}`);
    if (button) { event.preventDefault(); button.click(); }
  });
}
</script>"""


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
        self.answers: list[int] = [CLASSES.index(name) for name in self._kept().get(self._which, [])]

    def _kept(self) -> dict[str, list[str]]:
        """Return what the file holds: class names, by the fingerprint of the images that they were given to."""
        try:
            kept = json.loads(self.file.read_bytes()) if self.file.exists() else {}
            if not all(name in CLASSES for names in kept.values() for name in names):
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
        if others := {which: names for which, names in self._kept().items() if which != self._which}:
            write_file(self.file, json.dumps(others).encode())
        else:
            self.file.unlink(missing_ok=True)
        return f"Forgotten, in {self.file} too."

    def result(self) -> str:
        """Say what the labels so far come to: two accuracies with their standard errors, and where they disagree."""
        done = len(self.answers)
        if not done:
            return "You have labelled no image yet."
        you, model = (np.array(given[:done]) == self.labels[:done] for given in (self.answers, self.model_answers))
        shares = []
        for right in (you, model):
            error = np.sqrt(right.mean() * (1 - right.mean()) / done)
            shares.append(f"{right.mean():.0%} ± {error:.0%} ({right.sum()} of {done})")
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
                ink = {"color": "white" if counts[row, column] > 4 else "black", "ha": "center", "va": "center"}
                axis.text(column, row, counts[row, column], **ink)
            axis.set(title=title, xlabel="answer", ylabel="true class")
            axis.set_xticks(range(10), CLASSES, rotation=90)
            axis.set_yticks(range(10), CLASSES)
        figure.words = self.result()
        return figure

    @in_series_style
    def still(self):
        """Draw all images with their numbers, for a saved notebook; return the figure."""
        lines = -(-len(self.images) // 10)
        figure, axes = new_figure(lines, 10, height=1.05 * lines, squeeze=False)
        for number, axis in enumerate(axes.flat):
            axis.axis("off")
            if number < len(self.images):
                axis.imshow(to_image(self.images[number]))
                axis.set_title(number + 1, fontsize=9)
        figure.words = NOTE
        return figure

    def show(self) -> None:
        """Show the next image below the cell, with buttons; and a still picture of all, for the saved notebook."""
        photo, news, tables = widgets.HTML(), widgets.HTML(), widgets.HTML()

        def update(said: str = "", result: bool = False) -> None:
            done, count = len(self.answers), len(self.images)
            if done < count:
                place = f"Image {done + 1} of {count}."
                said = said or (f"{place} You called the last one {CLASSES[self.answers[-1]]}." if done else place)
                file = io.BytesIO()
                Image.fromarray(to_image(self.images[done])).save(file, "PNG")
                seen = _img({"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": place}, "photo")
            else:
                seen, result = f"<p>All {count} are labelled.</p>", True
            photo.value = f'{CSS}{seen}<p><progress max="{count}" value="{done}" aria-label="labelled"></progress></p>'
            news.value = f'<p role="status">{escape(f"{said} {self.result()}" if result else said)}</p>'
            tables.value = _img(bundle(self.tables())[0]) if result and done else ""

        def button(text: str, key: str, action, *values) -> widgets.Button:
            def act(_) -> None:
                try:
                    said = action(*values) or ""
                except (ArgumentError, OSError) as error:
                    said = str(error)
                update(said, key == "r")

            made = widgets.Button(description=text, layout=widgets.Layout(width="auto")).add_class(f"key-{key}")
            made.on_click(act)
            return made

        classes = [button(f"{label} {name}", str(label), self.answer, label) for label, name in enumerate(CLASSES)]
        others = [button("Undo (u)", "u", self.undo), button("Result so far (r)", "r", str),
                  button("Save (s)", "s", self.save), button("Forget", "none", self.forget)]  # fmt: skip
        grid = widgets.Layout(grid_template_columns="repeat(auto-fill, minmax(116px, 1fr))", width="100%")
        row = widgets.Layout(flex_flow="row wrap")
        buttons = widgets.GridBox(classes, layout=grid), widgets.HBox(others, layout=row)
        root = widgets.VBox([photo, *buttons, news, tables]).add_class("labelling")
        update()
        view = {"version_major": 2, "version_minor": 0, "model_id": root.model_id}
        display({VIEW: view, "text/plain": "Buttons to label the images with."}, raw=True)
        data, metadata = bundle(self.still())
        data["text/html"] = f'<div class="labelling-kept"><p>{NOTE}</p>{_img(data)}</div>{KEYS}'
        display(data, metadata=metadata, raw=True)


def _img(data: dict, kind: str = "") -> str:
    return f'<img class="{kind}" src="data:image/png;base64,{data["image/png"]}" alt="{escape(data["text/plain"])}">'
