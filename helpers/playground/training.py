"""Training that can be watched: a run goes on in slices, in a thread of its own, and can be stopped between them."""

import atexit
import math
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

from helpers.arguments import check_settings
from helpers.data import Cifar10, mean_image, split_indices
from helpers.errors import ArgumentError, PlainError
from helpers.softmax import Run, train

PICTURES_A_SECOND = 6  # while a run is watched
LOOKS = 20  # at the validation set, in a whole run
GUESSES = ("diverges", "about 10%", "about 20%", "about 30%", "about 40%", "about 50%")


@dataclass(frozen=True)
class Settings:
    """The hyperparameters of a run, named as `train` names them, and how many images it learns from."""

    seed: int = 0
    learning_rate: float = 0.3
    schedule: str = "linear"
    batch_size: int = 100
    steps: int = 1_000
    weight_decay: float = 0.0
    divide_by: float = 255.0  # 1.0 leaves the pixels at 0 to 255, as the 2016 post did
    images: int = 45_000


PRESETS = {
    "the post's rate and pixels": Settings(learning_rate=0.005, schedule="constant", divide_by=1.0),
    "too slow": Settings(learning_rate=0.001),
    "just right": Settings(),
    "overfitting on 500 images": Settings(learning_rate=0.1, schedule="constant", steps=3_000, images=500),
    "smooth templates": Settings(weight_decay=0.03),
}


@dataclass(frozen=True)
class Trial:
    """A run with its number, its settings, what the learner guessed, and each (step, learning rate) turned to."""

    number: int
    settings: Settings
    guess: str = ""
    run: Run | None = None  # None before the first slice
    rates: tuple[tuple[int, float], ...] = ()

    @property
    def name(self) -> str:
        return f"Run {self.number}"

    @property
    def step(self) -> int:
        return self.run.step if self.run else 0

    @property
    def done(self) -> bool:
        return self.step >= self.settings.steps

    @property
    def overflowed(self) -> bool:
        """True if the run has no numbers left to go on with."""
        return self.run is not None and not (math.isfinite(self.run.loss[-1]) and np.isfinite(self.run.weights).all())

    @property
    def validation_accuracy(self) -> float:
        """The accuracy, 0 to 1, at the last look at the validation set; not a number before the first."""
        return float(self.run.validation_accuracy[-1]) if self.run and len(self.run.validation_step) else math.nan

    @property
    def training_accuracy(self) -> float:
        """The mean accuracy, 0 to 1, of the last tenth of the batches."""
        return float(self.run.accuracy[-max(1, self.step // 10) :].mean()) if self.run else math.nan

    @property
    def outcome(self) -> str:
        """What became of the run, in the words of `GUESSES`; empty before anything is known."""
        if self.run is None or math.isnan(self.validation_accuracy):
            return ""
        tens = min(max(round(10 * self.validation_accuracy), 1), 5)
        return "diverges" if self.run.diverged else f"about {tens}0%"


def best_trial(trials: list[Trial]) -> Trial | None:
    """Return the trial with the highest validation accuracy (the earliest of equals), or None."""
    looked = [trial for trial in trials if not math.isnan(trial.validation_accuracy)]
    return max(looked, key=lambda trial: trial.validation_accuracy, default=None)


class Trainer:
    """Keeps all trials and trains the newest, one slice after the other, in a thread of its own.

    A slice is one call of `train`; between two slices the learning rate may change and the run may stop. All methods
    may be called from any thread and return at once, but for `wait`. After each slice, and when the run has come to a
    stop, `changed` is called from the thread that trains.
    """

    def __init__(self, data: Cifar10, changed: Callable[[], None] = lambda: None):
        self.training, self.validation = split_indices(len(data.labels_train))
        self.trials: list[Trial] = []
        self.pace = math.inf  # steps a second, at the most
        self.seconds_left = math.nan
        self.problem = ""  # one sentence, if the last run broke off by an error
        self.changed = changed
        self._data = data
        self._means: dict[tuple, np.ndarray] = {}
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread = threading.Thread()
        self._running = False
        self._rate = 0.0
        _stop_at_exit(self)

    @property
    def running(self) -> bool:
        return self._running

    @property
    def current(self) -> Trial | None:
        """The newest trial."""
        return self.trials[-1] if self.trials else None

    def start(self, settings: Settings, guess: str = "") -> bool:
        """Begin a new trial; return False, and do nothing, while one is running.

        Raises `ArgumentError` where the settings make no sense.
        """
        values = asdict(settings)
        images = values.pop("images")
        if not 1 <= images <= len(self.training):
            raise ArgumentError(f"images = {images!r} makes no sense. Give 1 to {len(self.training):,}.")
        check_settings(images=images, **values)
        self._finish_stopping()
        with self._lock:
            if self._running:
                return False
            self.trials.append(Trial(len(self.trials) + 1, settings, guess))
            self._launch(settings.learning_rate)
        return True

    def go_on(self, learning_rate: float, steps: int) -> bool:
        """Continue the newest trial up to `steps`; return False, and do nothing, while it is running.

        Raises `ArgumentError` where there is nothing to go on with.
        """
        check_settings(learning_rate=learning_rate, steps=steps)
        self._finish_stopping()
        with self._lock:
            if self._running:
                return False
            trial = self.current
            if trial is None:
                raise ArgumentError("There is no run to go on with. Press Start.")
            if trial.overflowed:
                raise ArgumentError(f"{trial.name} has overflowed: it has no numbers to go on with. Press Start.")
            if trial.step >= steps:
                raise ArgumentError(f"{trial.name} has done {trial.step:,} steps. Give more steps to go on.")
            self.trials[-1] = replace(trial, settings=replace(trial.settings, steps=steps))
            self._launch(learning_rate)
        return True

    def turn(self, learning_rate: float) -> None:
        """Let the run that is under way go on at another learning rate."""
        check_settings(learning_rate=learning_rate)
        self._rate = learning_rate

    def stop(self) -> None:
        """Ask the run to stop after the present slice; what was learned is kept."""
        if self._running:
            self._stop.set()

    def wait(self) -> None:
        """Return when no run is under way; an interrupt stops it."""
        try:
            while self._thread.is_alive():
                self._thread.join(0.1)
        except KeyboardInterrupt:
            self.stop()
            self._thread.join()

    def learned_from(self, settings: Settings) -> np.ndarray:
        """Return the rows that a run with these settings learns from: those of notebook 6."""
        if settings.images == len(self.training):
            return self.training
        return np.random.default_rng(settings.seed).permutation(self.training)[: settings.images]

    def _finish_stopping(self) -> None:
        thread = self._thread
        if self._stop.is_set() and thread.is_alive() and thread is not threading.current_thread():
            thread.join()

    def _launch(self, learning_rate: float) -> None:
        self._rate, self._running, self.problem, self.seconds_left = learning_rate, True, "", math.nan
        self._stop.clear()
        self._thread = threading.Thread(target=self._train, name="playground", daemon=True)
        self._thread.start()

    def _train(self) -> None:
        try:
            rows = self.learned_from(self.current.settings)
            begun, first, slice_steps = time.monotonic(), self.current.step, 5
            while not (self._stop.is_set() or self.current.done or self.current.overflowed):
                slice_begun = time.monotonic()
                self._take(rows, slice_steps)
                spent = time.monotonic() - slice_begun
                fitting = max(1, round(slice_steps / max(spent, 1e-3) / PICTURES_A_SECOND))
                self.changed()
                pace, taken = self.pace, self.current.step - first
                self._stop.wait(max(0.0, slice_steps / pace - (time.monotonic() - slice_begun)))
                rate = taken / (time.monotonic() - begun)
                self.seconds_left = (self.current.settings.steps - self.current.step) / rate
                slice_steps = max(1, round(min(fitting, 4 * slice_steps, pace / PICTURES_A_SECOND)))
        except PlainError as error:
            self.problem = str(error)
        except Exception as error:  # nothing may leave the thread: the learner would wait for ever
            self.problem = f"The run broke off ({type(error).__name__}: {error}). What it had learned is kept."
        finally:
            self._running = False
            self.changed()

    def _take(self, rows: np.ndarray, steps: int) -> None:
        """Train the newest trial for one slice and keep what it has learned."""
        trial, rate = self.current, self._rate
        values = asdict(trial.settings) | {"learning_rate": rate}
        key = (values["seed"], values.pop("images"))
        if key not in self._means:
            self._means[key] = mean_image(self._data.images_train, rows)
        run = train(
            self._data.images_train, self._data.labels_train, indices=rows, validation=self.validation,
            mean=self._means[key], validate_every=max(1, trial.settings.steps // LOOKS), resume=trial.run,
            until=trial.step + steps, progress=False, **values,
        )  # fmt: skip
        turned = not trial.rates or trial.rates[-1][1] != rate
        rates = (*trial.rates, (trial.step, rate)) if turned else trial.rates
        with self._lock:
            self.trials[trial.number - 1] = replace(trial, run=run, rates=rates)


def _stop_at_exit(trainer: Trainer) -> None:
    """Let the thread come to its end before the process does: TensorFlow does not survive it otherwise."""
    known = weakref.ref(trainer)

    def stop() -> None:
        if (alive := known()) is not None:
            alive.stop()
            alive.wait()

    atexit.register(stop)
