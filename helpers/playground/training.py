"""Training that can be watched: a run goes on in slices, in a thread of its own, and can be stopped between them."""

import atexit
import contextlib
import itertools
import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from helpers.arguments import check_settings
from helpers.data import Cifar10, split_indices
from helpers.errors import ArgumentError, PlainError
from helpers.softmax import Run, train

PICTURES_A_SECOND = 6  # while a run is watched
EVALUATIONS = 20  # on the validation set, in a whole run
MOST_IMAGES = 45_000
LONGEST_TITLE = 30
GUESSES = ("diverges", "about 10%", "about 20%", "about 30%", "about 40%", "about 50%")
THOUSANDS = re.compile(r"\d{1,3}([.,_'\s]\d{3})+")


def _read(written, whole: bool):
    """Return the number that a learner means by what they wrote; where it is none, what they wrote.

    A decimal comma counts as a point; what stands between the thousands of a whole number counts as nothing.
    """
    if not isinstance(written, str):
        return written
    value = written.strip().replace("−", "-")
    if whole and THOUSANDS.fullmatch(value):
        return int(re.sub(r"\D", "", value))
    with contextlib.suppress(ValueError):
        number = float(value.replace(",", "."))
        return int(number) if whole and number.is_integer() else number
    return value


def read_value(name: str, written) -> int | float | str:
    """Return a setting as the number or name that is meant; raise `ArgumentError` where it can have no such value."""
    value: Any = _read(written, isinstance(getattr(Settings, name), int))
    return getattr(Settings(**{name: value}), name)


def read_whole(name: str, written, least: int, most: int) -> int:
    """Return a whole number that is meant; raise `ArgumentError` where it is none, or out of reach."""
    return _whole(name, _read(written, True), least, most)


def _whole(name: str, value, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise ArgumentError(f"{name} = {value!r} makes no sense. Give a whole number, {least} to {most:,}.")
    return int(value)


@dataclass(frozen=True)
class Settings:
    """The hyperparameters of a run, named as `train` names them, and how many images it learns from.

    `str` turns them into one line of text, which `Settings.parse` reads again. Raises `ArgumentError` where one of them
    makes no sense.
    """

    seed: int = 0
    learning_rate: float = 0.3
    schedule: str = "linear"
    batch_size: int = 100
    steps: int = 1_000
    weight_decay: float = 0.0
    divide_by: float = 255.0  # 1.0 leaves the pixels at 0 to 255, as the 2016 post did
    images: int = MOST_IMAGES

    def __post_init__(self):
        values = asdict(self)
        _whole("images", values.pop("images"), 1, MOST_IMAGES)
        check_settings(**values)

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in asdict(self).items())

    @classmethod
    def parse(cls, line: str) -> "Settings":
        """Return the settings that a line of text names, such as "learning_rate=0.1, steps=500"; others by default."""
        found = re.findall(r"(\w+)\s*=\s*(.*?)\s*[,;]?\s*(?=\w+\s*=|$)", line.strip())
        for name, _ in found:
            if name not in asdict(cls()):
                raise ArgumentError(f"There is no setting {name!r}. Choose among {', '.join(asdict(cls()))}.")
        if not found:
            raise ArgumentError(f"{line!r:.60} names no settings. Write them as in {str(cls())!r}.")
        values: dict[str, Any] = {name: read_value(name, written.strip("'\"")) for name, written in found}
        return cls(**values)

    def differences(self, other: "Settings") -> dict:
        """Return the fields in which these settings differ from others, with the value here."""
        return {name: value for name, value in asdict(self).items() if value != getattr(other, name)}


PRESETS = {
    "the post's rate and pixels": Settings(learning_rate=0.005, schedule="constant", divide_by=1.0),
    "too slow": Settings(learning_rate=0.001),
    "just right": Settings(),
    "overfitting on 500 images": Settings(learning_rate=0.1, schedule="constant", steps=3_000, images=500),
    "smooth templates": Settings(weight_decay=0.03),
}


NOTHING = Run(np.zeros((3072, 10), np.float32), np.zeros(10, np.float32), np.zeros(3072, np.float32), 255.0)


@dataclass(frozen=True)
class Trial:
    """A run with its number, its settings, a title, what the learner guessed, each (step, rate) turned to, its results.

    Accuracies are shares, 0 to 1, not a number before they are known; the loss is in nats. `training_accuracy` is the
    mean of the last tenth of the batches.
    """

    number: int
    settings: Settings = Settings()
    guess: str = ""
    run: Run = NOTHING  # before the first slice, and where the trial comes from a table
    rates: tuple[tuple[int, float], ...] = ()
    title: str = ""  # the preset's name, or what the learner wrote
    step: int = 0
    training_accuracy: float = math.nan
    validation_accuracy: float = math.nan
    validation_loss: float = math.nan
    diverged: bool = False

    @property
    def name(self) -> str:
        return f"Run {self.number}"

    @property
    def label(self) -> str:
        """The name, and the title where there is one."""
        return f"{self.name}: {self.title}" if self.title else self.name

    @property
    def loaded(self) -> bool:
        return self.step > self.run.step

    @property
    def epochs(self) -> float:
        """How often the run has seen each of its images, on average."""
        return self.step * self.settings.batch_size / self.settings.images

    @property
    def done(self) -> bool:
        return self.step >= self.settings.steps

    @property
    def overflowed(self) -> bool:
        """True if the run has no numbers left to go on with."""
        return not all(np.isfinite(numbers).all() for numbers in (self.run.loss[-1:], self.run.weights))

    def grown(self, run: Run, rates: tuple[tuple[int, float], ...]) -> "Trial":
        """Return the trial with a run that has come further, and its results."""
        names = ("validation_accuracy", "validation_loss") if len(run.validation_step) else ()
        last: dict[str, Any] = {name: float(getattr(run, name)[-1]) for name in names}
        accuracy = float(run.accuracy[-max(1, run.step // 10) :].mean())
        return replace(self, run=run, rates=rates, step=run.step, training_accuracy=accuracy, diverged=run.diverged,
                       **last)  # fmt: skip

    @property
    def outcome(self) -> str:
        """What became of the run, in the words of `GUESSES`; empty before anything is known."""
        if math.isnan(self.validation_accuracy):
            return ""
        tens = min(max(round(10 * self.validation_accuracy), 1), 5)
        return "diverges" if self.diverged else f"about {tens}0%"

    @property
    def guessed_right(self) -> bool | None:
        """Whether the guess has come true; None without a guess, or before the end."""
        return self.guess == self.outcome if self.guess and self.outcome else None


NO_TRIAL = Trial(0)


def best_trial(trials: list[Trial]) -> Trial | None:
    """Return the trial with the highest validation accuracy (the earliest of equals), or None."""
    known = [trial for trial in trials if not math.isnan(trial.validation_accuracy)]
    return max(known, key=lambda trial: trial.validation_accuracy, default=None)


class Trainer:
    """Keeps all trials and trains the newest, one slice after the other, in a thread of its own.

    A slice is one call of `train`; between two slices the learning rate may change and the run may stop. All methods
    may be called from any thread and return at once, but for `wait`. After each slice, and when the run has come to a
    stop, `changed` is called from the thread that trains.
    """

    def __init__(self, data: Cifar10, changed: Callable[[], None] = lambda: None):
        self.training, self.validation = split_indices(len(data.labels_train))
        self.pace = math.inf  # steps a second, at the most
        self.problem = ""  # one sentence, if the last run broke off by an error
        self.running = False
        self.changed = changed
        self._data = data
        self._kept: dict[int, Trial] = {}  # by number, the newest last
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._ended = threading.Event()  # not Thread.join: interrupted, that takes a thread for dead that is alive
        self._ended.set()
        self._rate = 0.0
        self._end = math.inf  # the step to pause at
        atexit.register(_bring_to_end, self._stop, self._ended)

    @property
    def trials(self) -> list[Trial]:
        return list(self._kept.values())

    @property
    def current(self) -> Trial | None:
        """The newest trial that was trained here."""
        return next((trial for trial in reversed(self.trials) if not trial.loaded), None)

    def trial(self, number: int) -> Trial:
        """Return the trial with this number; raise `ArgumentError` where there is none."""
        if (trial := self._kept.get(number)) is None:
            choice = f"Choose {', '.join(map(str, self._kept))}." if self._kept else "Train one first."
            raise ArgumentError(f"There is no run {number!r}. {choice}")
        return trial

    def start(self, settings: Settings, guess: str = "", title: str = "", pause_after: float = math.inf) -> None:
        """Begin a new trial.

        Raises `ArgumentError` where the settings make no sense together, or a run is under way.
        """
        check_settings(images=settings.images, batch_size=settings.batch_size)
        with self._launching(settings.learning_rate, pause_after):
            self.keep(Trial(0, settings, guess, title=title[:LONGEST_TITLE]))

    def go_on(self, learning_rate: float, steps: int, pause_after: float = math.inf) -> None:
        """Continue the newest trial up to `steps`.

        Raises `ArgumentError` where there is nothing to go on with, or a run is under way.
        """
        check_settings(learning_rate=learning_rate, steps=steps)
        with self._launching(learning_rate, pause_after):
            trial = self.current
            if trial is None:
                raise ArgumentError("There is no run to go on with. Press Start.")
            if trial.overflowed:
                raise ArgumentError(f"{trial.name} has overflowed: it has no numbers to go on with. Press Start.")
            if trial.step >= steps:
                raise ArgumentError(f"{trial.name} has done {trial.step:,} steps. Give more steps to go on.")
            self._kept[trial.number] = replace(trial, settings=replace(trial.settings, steps=steps))

    def renew(self, settings: Settings, guess: str, title: str) -> Trial | None:
        """Return the finished trial that has just these, with its rate never turned, and make it the newest; or None.

        While a run is under way there is none.
        """
        with self._lock:
            for number, trial in [] if self.running else list(self._kept.items()):
                same = (trial.settings, trial.guess, trial.title) == (settings, guess, title)
                if same and not trial.loaded and len(trial.rates) == 1 and (trial.done or trial.overflowed):
                    self._kept[number] = self._kept.pop(number)
                    self.changed()
                    return trial
        return None

    def keep(self, trial: Trial) -> Trial:
        """Add a trial; it gets the next number. Return it."""
        with self._lock:
            number = next(self._numbers)
            self._kept[number] = replace(trial, number=number)
            return self._kept[number]

    def rename(self, number: int, title: str) -> None:
        """Give a trial a title."""
        with self._lock:
            self._kept[number] = replace(self.trial(number), title=" ".join(title.split())[:LONGEST_TITLE])
        self.changed()

    def remove(self, number: int) -> None:
        """Forget a trial. Raises `ArgumentError` where there is none, or it is under way."""
        with self._lock:
            trial = self.trial(number)
            if self.running and trial is self.current:
                raise ArgumentError(f"{trial.name} is under way. Press Stop before you remove it.")
            del self._kept[number]
        self.changed()

    def turn(self, learning_rate: float) -> None:
        """Let the run that is under way go on at another learning rate."""
        check_settings(learning_rate=learning_rate)
        self._rate = learning_rate

    def stop(self) -> None:
        """Ask the run to stop after the present slice; what was learned is kept."""
        self._stop.set()

    def wait(self) -> None:
        """Return when no run is under way; an interrupt stops it."""
        try:
            while not self._ended.wait(0.1):
                pass
        except KeyboardInterrupt:
            self.stop()
            self._ended.wait()

    def learned_from(self, settings: Settings) -> np.ndarray:
        """Return the rows that a run with these settings learns from: those of notebook 6."""
        if settings.images == len(self.training):
            return self.training
        return np.random.default_rng(settings.seed).permutation(self.training)[: settings.images]

    @contextlib.contextmanager
    def _launching(self, learning_rate: float, pause_after: float) -> Iterator[None]:
        """Train what the block makes the newest trial; raise `ArgumentError` while one is running."""
        if self._stop.is_set():
            self._ended.wait()
        with self._lock:
            if self.running:
                raise ArgumentError("A run is under way. Press Stop, or wait for its end.")
            yield
            trial = self.current or NO_TRIAL
            self._end = trial.step + pause_after
            self._rate, self.running, self.problem = learning_rate, True, ""
            self._stop.clear()
            self._ended.clear()
            threading.Thread(target=self._train, args=(trial,), name="playground", daemon=True).start()

    def _train(self, trial: Trial) -> None:
        try:
            rows = self.learned_from(trial.settings)
            steps = 5
            while not (self._stop.is_set() or trial.done or trial.overflowed) and (left := self._end - trial.step) > 0:
                begun, steps, pace = time.monotonic(), int(min(steps, left)), self.pace
                trial = self._take(trial, rows, steps)
                possible = steps / max(1e-3, time.monotonic() - begun)  # steps a second
                self.changed()
                self._stop.wait(max(0.0, steps / pace - (time.monotonic() - begun)))
                steps = max(1, round(min(4 * steps, min(possible, pace) / PICTURES_A_SECOND)))
        except PlainError as error:
            self.problem = str(error)
        except Exception as error:  # nothing may leave the thread: the learner would wait for ever
            self.problem = f"The run broke off ({type(error).__name__}: {error}). What it had learned is kept."
        finally:
            self.running = False
            try:
                self.changed()
            finally:
                self._ended.set()

    def _take(self, trial: Trial, rows: np.ndarray, steps: int) -> Trial:
        """Train the trial for one slice, keep what it has learned, and return it."""
        rate = self._rate
        values = asdict(trial.settings) | {"learning_rate": rate}
        images, seed = values.pop("images"), values["seed"]
        # The mean of all images takes as long as a picture: that of an earlier run is the same.
        known = [each.run.mean for each in self.trials if each.run.step and each.settings.images == images
                 and each.settings.seed == seed]  # fmt: skip
        run = train(
            self._data.images_train, self._data.labels_train, indices=rows, validation=self.validation,
            mean=known[0] if known else None, validate_every=max(1, trial.settings.steps // EVALUATIONS),
            resume=trial.run if trial.step else None, until=trial.step + steps, progress=False, **values,
        )  # fmt: skip
        turned = not trial.rates or trial.rates[-1][1] != rate
        rates = (*trial.rates, (trial.step, rate)) if turned else trial.rates
        with self._lock:  # the title may be another by now
            grown = self._kept[trial.number] = self.trial(trial.number).grown(run, rates)
        return grown


def _bring_to_end(stop: threading.Event, ended: threading.Event) -> None:
    """Let a thread come to its end before the process does: TensorFlow does not survive it otherwise."""
    stop.set()
    ended.wait()
