"""The panel in which a learner turns the hyperparameters and watches a run."""

import math
from dataclasses import asdict, replace
from html import escape

from helpers.data import CLASSES
from helpers.figures import picture_bundle
from helpers.panel import options
from helpers.playground import results
from helpers.playground.panels import PlaygroundPanel
from helpers.playground.pictures import Curves, Scores, Templates, side_by_side
from helpers.playground.training import GUESSES, NO_TRIAL, PRESETS, Settings, Trial, read_value, read_whole
from helpers.softmax import predict_logits

OWN = "your own settings"
SPEEDS = {"slow motion": 40.0, "to watch": 200.0, "full speed": math.inf}
FIXED = ("preset", "guess", "line", *asdict(Settings()).keys() - {"learning_rate"})  # while a run is under way
PICTURES = ("accuracy", "loss", "templates", "scores")
PIXELS = {255.0: "divided by 255: sensible", 1.0: "0 to 255: as in the 2016 post"}


class TrainPanel(PlaygroundPanel):
    """Controls and live pictures of the newest run of a `Playground`."""

    BUTTONS = ("start", "stop", "one_step", "go_on", "reset")

    def __init__(self, playground):
        super().__init__(playground, "train")
        guesses = {"": "… no guess"} | {guess: f"reaches {guess}" for guess in GUESSES} | {GUESSES[0]: GUESSES[0]}
        schedules = {"constant": "constant: the rate stays", "linear": "linear: the rate falls to 0"}
        menus = {"preset": (OWN, *PRESETS), "guess": guesses, "schedule": schedules, "speed": tuple(SPEEDS)}
        self.show(html={name: options(choices) for name, choices in menus.items()},
                  values={"guess": "", "speed": "to watch"})  # fmt: skip
        self._trainer.pace = SPEEDS["to watch"]
        self._settings, self._title, self._watched = playground.settings, "", 0
        self._cleared = False
        self._mine = 0  # number of the newest run that these controls began
        self._curves, self._templates, self._scores = Curves(), Templates(), Scores()
        self.on_runs()

    def use(self, settings: Settings, title: str = "") -> None:
        """Set the controls; a run that is under way keeps its settings, but for the learning rate."""
        self._settings, self._title = settings, title
        if self._trainer.running:
            self._trainer.turn(settings.learning_rate)
        self.restore()

    def act(self, name: str, value) -> None:
        if hasattr(self._settings, name):
            if (read := read_value(name, value)) != getattr(self._settings, name):
                self.use(replace(self._settings, **{name: read}))
        elif name == "preset" and value in PRESETS:
            self.use(replace(PRESETS[value], seed=self._settings.seed), value)
        elif name == "line":
            self.use(Settings.parse(value))
        elif name == "speed":
            self._trainer.pace = SPEEDS[value]
        elif name == "watched":
            self._watched = read_whole("test image", value, 0, len(self._playground.data.labels_test) - 1)
            self.on_runs()
        elif name == "stop":
            self._trainer.stop()
        elif name == "reset":
            self._trainer.stop()
            self._trainer.wait()
            self._cleared = True
            self.show(values={"guess": ""})
            self.use(self._playground.settings)
            self.on_runs()
        elif name in self.BUTTONS and not self._trainer.running:
            self._train(name)

    def _train(self, name: str) -> None:
        trial, settings = self._newest, self._settings
        pause = 1 if name == "one_step" else math.inf
        if name == "go_on" or (name == "one_step" and self._resumable):
            steps = settings.steps if name == "go_on" else max(settings.steps, trial.step + 1)
            self._trainer.go_on(settings.learning_rate, steps, pause)
        else:
            self._trainer.start(settings, self.value("guess"), self._title, pause)
        self._cleared, self._mine = False, self._trainer.current.number
        self.show(values={"guess": ""})  # each run has one of its own
        self.on_runs()

    @property
    def _newest(self) -> Trial:
        return NO_TRIAL if self._cleared else self._trainer.current or NO_TRIAL

    @property
    def _resumable(self) -> bool:
        trial = self._newest
        return trial.number > 0 and not trial.overflowed and self._settings.steps > trial.step

    def restore(self) -> None:
        with self.lock:  # or what was true before the run's end could be shown after it
            settings, trial, running = self._settings, self._newest, self._trainer.running
            sizes = {settings.divide_by: f"divided by {settings.divide_by:g}"} | PIXELS
            disabled = dict.fromkeys(("start", "one_step", *FIXED), running)
            disabled |= {"stop": not running, "go_on": running or not self._resumable}
            status = [results.status(trial, running)]
            if not running:
                status = [self._trainer.problem or status[0], results.score(self._playground.trials),
                          results.what_go_on_keeps(trial, settings)]  # fmt: skip
            others = {
                "divide_by": str(settings.divide_by), "preset": self._title or OWN, "line": str(settings),
                "watched": self._watched, "bar": trial.step / trial.settings.steps,
            }  # fmt: skip
            epochs = settings.steps * settings.batch_size / settings.images
            words = {
                "epochs": f"{settings.steps:,} steps are {epochs:.3g} epochs",
                "status": " ".join(filter(None, status)),
            }
            self.show(
                html={"divide_by": options(sizes)}, values=asdict(settings) | others, texts=words, disabled=disabled
            )

    def on_runs(self) -> None:
        with self.lock:
            trial, data = self._newest, self._playground.data
            image, truth = data.images_test[self._watched], int(data.labels_test[self._watched])
            logits, title = predict_logits(image[None], trial.run)[0], f"test image {self._watched:,}: {CLASSES[truth]}"
            pictures = [
                *self._curves.draw(trial, results.status(trial, self._trainer.running)),
                self._templates.draw(trial.run.weights), *self._scores.draw(image, logits, title, truth),
            ]  # fmt: skip
            self.show(pictures=dict(zip(PICTURES, pictures, strict=True)))
            self.restore()
            if not self._trainer.running and trial.number and trial.number == self._mine:
                self.keep()  # a run of a later cell would give its answer away

    def still(self) -> tuple[dict, dict]:
        trial, pictures = self._newest, [self.pictures[name] for name in PICTURES]
        alt = "The newest run: accuracy against steps, loss against steps, the ten templates, the scores of one image. "
        data, metadata = picture_bundle(side_by_side([pictures[:2], pictures[2:]]), alt + results.status(trial))
        if trial.number:
            data["text/html"] = f"<p>Settings of the newest run: <code>{escape(str(trial.settings))}</code></p>"
        return data, metadata
