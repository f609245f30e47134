"""The panel in which a learner turns the hyperparameters, watches a run and compares it with others."""

import contextlib
import math
import threading
from dataclasses import asdict, replace

import ipywidgets as widgets

from helpers.errors import PlainError
from helpers.playground import results
from helpers.playground.pictures import MOST_COMPARED, Comparison, Curves, Templates, side_by_side
from helpers.playground.training import GUESSES, PRESETS, Settings
from helpers.playground.widgets import (
    Shown,
    check_version,
    labelled,
    number,
    on_click,
    page,
    picture,
    row,
    unseen,
    words,
)

OWN = "your own settings"
SPEEDS = {"slow motion": 40.0, "to watch": 200.0, "full speed": math.inf}


class TrainingPanel:
    """Controls, live pictures and comparison of one `Playground`; `show` puts them below the cell."""

    def __init__(self, playground):
        check_version()
        self._playground, self._trainer = playground, playground.trainer
        self._lock = threading.RLock()  # one thread at a time draws
        self._cleared = False
        self._setting = False  # True while a preset moves the controls
        self._kept_step = None
        self._shown: Shown | None = None
        self._curves, self._templates, self._comparison = Curves(), Templates(), Comparison()
        self._build(playground.settings)

    def _build(self, settings: Settings) -> None:
        most = len(self._trainer.training)
        self.fields, boxes = {}, []
        for name, label, least, largest, zero in (
            ("learning_rate", "Learning rate", 1e-7, 10.0, False),
            ("weight_decay", "Weight decay", 1e-5, 1.0, True),
            ("batch_size", "Batch size", 1, 1_000, False),
            ("steps", "Steps", 10, 20_000, False),
            ("images", "Images", 10, most, False),
        ):
            self.fields[name], box = number(label, getattr(settings, name), least, largest, zero)
            boxes.append(box)
        self.fields["schedule"] = labelled(widgets.Dropdown, "Schedule", "390px", value=settings.schedule, options=[
            ("constant: the rate stays", "constant"), ("linear: the rate falls to 0", "linear")])  # fmt: skip
        self.fields["divide_by"] = labelled(widgets.Dropdown, "Pixels", "390px", value=settings.divide_by, options=[
            ("divided by 255: sensible", 255.0), ("0 to 255: as in the 2016 post", 1.0)])  # fmt: skip
        self.fields["seed"] = labelled(widgets.BoundedIntText, "Seed", "190px", value=settings.seed, min=0, max=2**31)
        boxes += [self.fields[name] for name in ("schedule", "divide_by", "seed")]

        self.preset = labelled(widgets.Dropdown, "Preset", "390px", options=[OWN, *PRESETS])
        self.guess = labelled(widgets.Dropdown, "My guess: it", "270px", options=[("… no guess", ""), *(
            (guess if guess == GUESSES[0] else f"reaches {guess}", guess) for guess in GUESSES)])  # fmt: skip
        self.speed = labelled(widgets.Dropdown, "Speed", "250px", options=list(SPEEDS), value="to watch")
        self.start = on_click("Start", "play", self._on_start, "Train a new run with these settings", "primary")
        self.stop = on_click("Stop", "stop", self._trainer.stop, "Stop the run; what it has learned is kept")
        self.go_on = on_click("Go on", "step-forward", self._on_go_on, "Continue the newest run")
        self.reset = on_click("Reset", "undo", self._on_reset, "Stop, and put the settings back; all runs are kept")
        self.bar = widgets.FloatProgress(value=0, min=0, max=1, layout=widgets.Layout(width="270px"))
        self.time_left, self.status = widgets.HTML(), widgets.HTML()
        self.pictures = [picture() for _ in range(3)]
        self.alt = widgets.HTML()

        self.chosen = widgets.Box(layout=widgets.Layout(display="flex", flex_flow="row wrap"))
        self.table, self.compared = widgets.HTML(), [picture(), picture()]
        self.file = labelled(widgets.Text, "File name", "270px", value="my-runs")
        self.save_table = on_click("Save table (CSV)", "table", self._on_save_table, "Write all runs to a CSV file")
        self.save_picture = on_click("Save picture (PNG)", "image", self._on_save_picture, "Write the curves to a PNG")
        self.of_run = labelled(widgets.Dropdown, "Values of", "230px", options=[])
        self.values = on_click("Set these in notebook 6", "share", self._on_values, "Show the cell to paste there")
        self.message = widgets.HTML()
        self.cell = widgets.Textarea(rows=6, layout=widgets.Layout(width="420px", max_width="100%", display="none"))

        for field in self.fields.values():
            field.observe(self._on_setting, "value")
        self.preset.observe(self._on_preset, "value")
        self.speed.observe(self._on_speed, "value")
        self._on_speed()
        self.root = page(
            widgets.HTML("<h4>Choose</h4>"),
            row(self.preset, self.guess),
            row(*(widgets.Box([box], layout=widgets.Layout(width="420px")) for box in boxes)),
            widgets.HTML("<h4>Train</h4>"),
            row(self.start, self.stop, self.go_on, self.reset, self.speed),
            row(self.bar, self.time_left),
            self.status,
            row(*self.pictures),
            self.alt,
            widgets.HTML("<h4>Compare</h4>"),
            self.table,
            self.chosen,
            row(*self.compared),
            row(self.file, self.save_table, self.save_picture),
            row(self.of_run, self.values),
            self.message,
            self.cell,
        )

    def show(self) -> None:
        """Put the panel below the cell and follow the runs from now on."""
        self._playground.listeners[:] = [
            listener for listener in self._playground.listeners if not isinstance(_owner(listener), TrainingPanel)
        ]
        self._sync_runs()
        self.refresh()
        self._shown = Shown(self.root, *self._still())
        self._playground.listeners.append(self.refresh)

    # What the learner does. Nothing here may raise: a traceback would go where nobody looks.

    def _on_start(self) -> None:
        values = {name: field.value for name, field in self.fields.items()}
        with self._told():
            if self._trainer.start(Settings(**values), self.guess.value):
                self._cleared = False
                self._sync_runs()
                self.refresh()

    def _on_go_on(self) -> None:
        with self._told():
            self._trainer.go_on(self.fields["learning_rate"].value, self.fields["steps"].value)
            self.refresh()

    def _on_reset(self) -> None:
        self._trainer.stop()
        self._trainer.wait()
        self._cleared = True
        self.preset.value, self.guess.value = OWN, ""
        self._set(self._playground.settings)
        self.message.value, self.cell.layout.display = "", "none"
        self.refresh()

    def _on_setting(self, change) -> None:
        if self._setting:
            return
        self.preset.value = OWN
        if change["owner"] is self.fields["learning_rate"]:
            with self._told():
                self._trainer.turn(change["new"])
        self._update_buttons()

    def _on_preset(self, change) -> None:
        if change["new"] != OWN:
            self._set(replace(PRESETS[change["new"]], seed=self.fields["seed"].value))

    def _on_speed(self, change=None) -> None:
        self._trainer.pace = SPEEDS[self.speed.value]

    def _on_save_table(self) -> None:
        with self._told():
            path = self._playground.save_table(f"{self.file.value}.csv")
            self.message.value = words(f"Saved all runs to {path}.")

    def _on_save_picture(self) -> None:
        with self._told(), self._lock:
            path = self._playground.save_picture(f"{self.file.value}.png")
            self.message.value = words(f"Saved the curves and the best run's templates to {path}.")

    def _on_values(self) -> None:
        if self.of_run.value is None:
            self.message.value = words("There are no runs yet. Press Start.")
            return
        self.cell.value = results.parameters_cell(self._playground.trials[self.of_run.value - 1])
        self.cell.layout.display = ""
        self.message.value = words("Copy this over the parameters cell of notebook 6, near its top, and run all cells.")

    @contextlib.contextmanager
    def _told(self):
        """Show the sentence of an error below the buttons."""
        try:
            yield
        except PlainError as error:
            self.status.value = self.message.value = words(str(error), urgent=True)

    def _set(self, settings: Settings) -> None:
        self._setting = True
        try:
            for name, value in asdict(settings).items():
                self.fields[name].value = value
        finally:
            self._setting = False
        if self._trainer.running:
            self._trainer.turn(self.fields["learning_rate"].value)

    # What the panel shows.

    def _sync_runs(self) -> None:
        """Give each new run its box to tick; only the newest runs fit into one picture."""
        known = len(self.chosen.children)
        boxes = list(self.chosen.children)
        for trial in self._playground.trials[known:]:
            box = widgets.Checkbox(value=True, description=trial.name, indent=False,
                                   layout=widgets.Layout(width="90px"))  # fmt: skip
            box.observe(lambda _: self._compare(), "value")
            boxes.append(box)
        self.chosen.children = boxes
        if boxes:
            self.of_run.options = [(f"Run {place + 1}", place + 1) for place in range(len(boxes))]

    def _update_buttons(self) -> None:
        running, trial = self._trainer.running, None if self._cleared else self._trainer.current
        self.start.disabled, self.stop.disabled = running, not running
        resumable = trial is not None and not trial.overflowed and self.fields["steps"].value > trial.step
        self.go_on.disabled = running or not resumable

    def refresh(self) -> None:
        """Draw what has changed; called from the thread that trains and from the learner's."""
        with self._lock:
            running, trial = self._trainer.running, None if self._cleared else self._trainer.current
            self._update_buttons()
            text = results.status(trial, running, self._trainer.problem)
            self.status.value = words(text, urgent=trial is not None and not running)
            self.bar.value = trial.step / trial.settings.steps if trial else 0
            left = self._trainer.seconds_left
            self.time_left.value = f"about {max(1, round(left))} s left" if running and math.isfinite(left) else ""
            for image, png in zip(self.pictures, [*self._curves.draw(trial), self._templates.draw(trial)], strict=True):
                image.value = png
            if not running:
                self.alt.value = unseen(f"Pictures: accuracy and loss against steps, and the ten templates. {text}")
                self.table.value = results.html_table(self._playground.trials)
                if self._playground.best:
                    self.of_run.value = self._playground.best.number
                self._compare()
                if self._shown:
                    self._shown.keep(*self._still())

    def _compare(self) -> None:
        with self._lock:
            ticked = [
                trial for trial, box in zip(self._playground.trials, self.chosen.children, strict=False) if box.value
            ]
            for image, png in zip(self.compared, self._comparison.draw(ticked), strict=True):
                image.value = png
            hidden = len(ticked) - MOST_COMPARED
            if hidden > 0:
                self.message.value = words(f"The picture shows the newest {MOST_COMPARED} of the chosen runs.")

    def _still(self) -> tuple[bytes, str]:
        """Return the picture for the saved notebook and its alt text."""
        trial = None if self._cleared else self._trainer.current
        png = side_by_side([[self.pictures[0].value, self.pictures[1].value], [self.pictures[2].value]])
        return png, ("The newest run: accuracy against steps, loss against steps, and the ten templates. "
                     + results.status(trial, False))  # fmt: skip


def _owner(listener):
    return getattr(listener, "__self__", None)
