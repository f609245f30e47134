"""The panel in which a learner turns the hyperparameters and watches a run."""

import math
from dataclasses import asdict, replace

from helpers.data import CLASSES
from helpers.playground import results
from helpers.playground import widgets as ui
from helpers.playground.pictures import Curves, Scores, Templates, side_by_side
from helpers.playground.training import GUESSES, MOST_IMAGES, PRESETS, Settings, read_index, read_value
from helpers.softmax import predict_logits

OWN = "your own settings"
SPEEDS = {"slow motion": 40.0, "to watch": 200.0, "full speed": math.inf}
LABELS = {name: name.replace("_", " ").capitalize() for name in asdict(Settings())}
FIXED = ("preset", "guess", "line", *(name for name in LABELS if name != "learning_rate"))  # while a run is under way
PIXELS = {255.0: "divided by 255: sensible", 1.0: "0 to 255: as in the 2016 post"}


def _page() -> str:
    return "".join([
        ui.heading("Choose"),
        ui.row(
            ui.choice("preset", "Preset", "Settings with a story: each shows one thing that can happen",
                   {name: name for name in (OWN, *PRESETS)}),
            ui.choice("guess", "My guess: it", "What you expect, before you press Start", {"": "… no guess"} | {
                guess: guess if guess == GUESSES[0] else f"reaches {guess}" for guess in GUESSES}),
            ui.number("weight_decay", "Weight decay", "How strongly each step pulls weights to zero",
                   ui.stops(1e-5, 1, zero=True)),
            ui.number("batch_size", "Batch size", "Images a step: more are steadier, and slower; 45,000 at the most",
                   ui.stops(1, 1_000, whole=True)),
            ui.number("steps", "Steps", "How many times the weights are changed; Go on takes a larger number up",
                   ui.stops(10, 20_000, whole=True)),
            ui.number("images", "Images", "How many of the 45,000 training images the run learns from",
                   ui.stops(10, MOST_IMAGES, whole=True)),
            ui.choice("schedule", "Schedule", "Whether the learning rate stays as it is until the end",
                   {"constant": "constant: the rate stays", "linear": "linear: the rate falls to 0"}),
            ui.choice("divide_by", "Pixels", "What the pixels are divided by, after the mean image is subtracted", {}),
            ui.field("seed", "Seed", "Decides which images each step sees: same seed, same run"),
        ),
        ui.field("line", "As text", "All settings in a line: copy it, or paste one here and press Enter", "wide"),
        ui.heading("Train"),
        ui.row(ui.number("learning_rate", "Learning rate", "How far each step goes; a run under way follows at once",
                   ui.stops(1e-7, 10))),
        ui.row(
            ui.button("start", "Start", "Train a new run with these settings", primary=True),
            ui.button("stop", "Stop", "Stop the run; what it has learned is kept"),
            ui.button("one_step", "One step", "Take one step, of the run that was stopped or of a new one"),
            ui.button("go_on", "Go on", "Continue the newest run, at the learning rate and up to the steps shown"),
            ui.button("reset", "Reset", "Stop, and put the settings back; all runs are kept"),
            ui.choice("speed", "Speed", "How fast steps follow each other", {name: name for name in SPEEDS}, "short"),
        ),
        ui.row('<progress name="bar" max="1" value="0" aria-label="Part of the steps done"></progress>',
            '<span data-text="left"></span>'),
        ui.text("status"),
        ui.text("said", urgent=True),
        ui.row(*map(ui.picture, ("accuracy", "loss", "templates", "scores")), kind="pictures"),
        ui.row(ui.field("watched", "Watch test image", "Its ten scores are shown while the model trains: 0 to 9,999",
                  "short")),
    ])  # fmt: skip


class TrainPanel(ui.Panel):
    """Controls and live pictures of the newest run of a `Playground`."""

    LAST = ("start", "stop", "one_step", "go_on", "reset")

    def __init__(self, playground):
        super().__init__(_page())
        self._playground, self._trainer = playground, playground.trainer
        self._settings, self._title, self._guess, self._watched = playground.settings, "", "", 0
        self._cleared = False
        self._mine = 0  # number of the newest run that these controls began
        self.keep = lambda: None  # called when such a run has come to its end
        self._curves, self._templates, self._scores = Curves(), Templates(), Scores()
        self._show_settings()
        self.act("speed", "to watch")
        self.refresh()

    def use(self, settings: Settings, title: str = "") -> None:
        """Set the controls; a run that is under way keeps its settings, but for the learning rate."""
        self._settings, self._title = settings, title
        if self._trainer.running:
            self._trainer.turn(settings.learning_rate)
        self._show_settings()

    def act(self, name: str, value) -> None:
        self.say("")
        if name in LABELS:
            self._set(name, value)
        elif name == "preset":
            if value in PRESETS:
                self.use(replace(PRESETS[value], seed=self._settings.seed), value)
        elif name == "guess":
            self._guess = value
        elif name == "line":
            self._show_settings()  # what was typed gives way to what counts, if it can't be read
            self.use(Settings.parse(value))
        elif name == "speed":
            self._trainer.pace = SPEEDS[value]
            self.show(values={"speed": value})
        elif name == "watched":
            self._watch(value)
        elif name == "stop":
            self._trainer.stop()
        elif name == "reset":
            self._reset()
        else:
            self._train(name)

    def _train(self, name: str) -> None:
        trial, settings = self._newest(), self._settings
        pause = 1 if name == "one_step" else math.inf
        if name == "go_on" or (name == "one_step" and self._resumable()):
            steps = settings.steps if name == "go_on" else max(settings.steps, trial.step + 1)
            began = self._trainer.go_on(settings.learning_rate, steps, pause)
        else:
            began = self._trainer.start(settings, self._guess, self._title, pause)
        if began:
            self._cleared, self._mine = False, self._trainer.current.number
            self.refresh()

    def _set(self, name: str, written) -> None:
        try:
            value = read_value(name, written)
        finally:
            self._show_settings()  # where it makes no sense, the old value stays
        if value == getattr(self._settings, name):
            return
        if name == "learning_rate":
            self._trainer.turn(value)
        self._settings, self._title = replace(self._settings, **{name: value}), ""
        self._show_settings()

    def _watch(self, written) -> None:
        try:
            self._watched = read_index(written, len(self._playground.data.labels_test))
        finally:
            self.show(values={"watched": self._watched})
        self.refresh()

    def _reset(self) -> None:
        self._trainer.stop()
        self._trainer.wait()
        self._cleared, self._guess = True, ""
        self.use(self._playground.settings)
        self.refresh()

    def _newest(self):
        return None if self._cleared else self._trainer.current

    def _resumable(self) -> bool:
        trial = self._newest()
        return trial is not None and not trial.overflowed and self._settings.steps > trial.step

    def _show_settings(self) -> None:
        settings = self._settings
        sizes = {settings.divide_by: f"divided by {settings.divide_by:g}"} | PIXELS
        epochs = settings.steps * settings.batch_size / settings.images
        self.show(
            html={"divide_by": ui.options(sizes)},
            values=asdict(settings)
            | {
                "divide_by": str(settings.divide_by),
                "preset": self._title or OWN,
                "guess": self._guess,
                "line": str(settings),
                "watched": self._watched,
            },
            texts={"left": f"{settings.steps:,} steps are {epochs:.3g} epochs"} if not self._trainer.running else {},
        )
        self._show_buttons()

    def _show_buttons(self) -> None:
        if running := self._trainer.running:
            disabled = ["start", "one_step", "go_on", *FIXED]
        else:
            disabled = ["stop", *([] if self._resumable() else ["go_on"])]
        kept = "" if running else results.what_go_on_keeps(self._newest(), self._settings)
        self.show(disabled=disabled, texts={"status": " ".join(filter(None, (self._status(running), kept)))})

    def _status(self, running: bool) -> str:
        text = results.status(self._newest(), running, self._trainer.problem)
        return text if running else " ".join(filter(None, (text, results.score(self._playground.trials))))

    def refresh(self) -> None:
        """Draw what has changed; called from the thread that trains and from the learner's."""
        with self.lock:
            running, trial = self._trainer.running, self._newest()
            run = trial.run if trial else None
            row_, truth = (part[self._watched] for part in (self._playground.data.images_test,
                                                            self._playground.data.labels_test))  # fmt: skip
            logits = [0.0] * 10 if run is None else predict_logits(row_[None], run)[0]
            title = f"test image {self._watched:,}: {CLASSES[truth]}"
            curves, points = self._curves.draw(trial)
            self.show(
                pictures={
                    "accuracy": curves[0], "loss": curves[1],
                    "templates": self._templates.draw(run.weights if run else None),
                    "scores": self._scores.draw(row_, logits, title, int(truth)),
                },
                points=dict(zip(("accuracy", "loss"), points, strict=True)),
                values={"bar": trial.step / trial.settings.steps if trial else 0},
            )  # fmt: skip
            left = self._trainer.seconds_left
            if running and math.isfinite(left):
                self.show(texts={"left": f"about {max(1, round(left))} s left"})
            if not running:
                if trial and trial.done:
                    self._guess = ""  # each run has a guess of its own
                words = results.status(trial, False)
                self.show(alts={
                    "accuracy": f"Accuracy against steps. {words}", "loss": f"Loss against steps. {words}",
                    "templates": "The ten templates, one a class.",
                    "scores": f"The ten scores of {title}: " + ", ".join(
                        f"{name} {score:+.1f}" for name, score in zip(CLASSES, logits, strict=True)),
                })  # fmt: skip
                self._show_settings()
                if trial and trial.number == self._mine:
                    self.keep()  # a run of a later cell would give its answer away
            else:
                self._show_buttons()

    def still(self) -> tuple[bytes, str, str]:
        """Return the picture for the saved notebook, its alt text, and the settings of the newest run as a line."""
        trial = self._newest()
        names = ("accuracy", "loss"), ("templates", "scores")
        png = side_by_side([[self.pictures[name] for name in row] for row in names])
        alt = "The newest run: accuracy against steps, loss against steps, the ten templates, the scores of one image. "
        return png, alt + results.status(trial, False), str(trial.settings) if trial else ""
