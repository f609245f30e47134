"""The playground of notebook 8: turn the hyperparameters, watch a run, compare runs, look inside one prediction.

    settings -> trials -> prediction -> pictures -> panels

`Playground` trains and keeps the runs; the panels show them. Everything that the panels do can be done without them.
"""

import atexit
import math
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from helpers.arguments import check_settings
from helpers.data import load_data, split_indices
from helpers.errors import ArgumentError
from helpers.figures import show_figure, show_png
from helpers.files import write_file
from helpers.playground.panels import ComparePanel, PlaygroundPanel, PredictionPanel, TrainPanel
from helpers.playground.pictures import MOST_COMPARED, draw_comparison, shrinking_steps, together
from helpers.playground.prediction import change_image, explain, read_picture
from helpers.playground.settings import PRESETS, Settings
from helpers.playground.trials import GUESSES, LONGEST_TITLE, NO_TRIAL, Trial, best_trial, csv_text, text_table
from helpers.softmax import train

__all__ = ["GUESSES", "PRESETS", "Playground", "Settings", "change_image", "explain", "read_picture", "show_steps"]

PICTURES_A_SECOND = 4  # while a run is watched
EVALUATIONS = 20  # on the validation set, in a whole run

_latest: "Playground | None" = None


class Playground:
    """All runs of one session, each with its settings; the newest is trained in slices, in a thread of its own.

    A slice is one call of `train`; between two slices the learning rate may change and the run may stop. All methods
    may be called from any thread. After each change the panels are told, mostly from the thread that trains; of a run
    that nobody watches, at its end.

    Args:
        settings: fields of `Settings`, with which the controls begin.

    A new playground stops the run of the one before, so that running a cell twice leaves one thread.
    """

    def __init__(self, **settings):
        global _latest
        self.settings = Settings(**settings)
        _stop_latest()
        _latest = self
        self.data = load_data()
        self.training, self.validation = split_indices(len(self.data.labels_train))
        self.trials: dict[int, Trial] = {}  # by number, the newest last; replaced as a whole, as others may be reading
        self.pace = math.inf  # steps a second, at the most, of a run that is watched
        self.running = self.watched = False
        self.problem = ""  # one sentence, if the last run broke off by an error
        self.panels: dict[type, PlaygroundPanel] = {}  # of each kind the newest
        self.rate = 0.0  # the learning rate of the run that is under way
        self._lock, self._stop, self._ended = threading.Lock(), threading.Event(), threading.Event()
        self._ended.set()

    @property
    def trained(self) -> list[Trial]:
        """The runs that have something to show."""
        return [trial for trial in self.trials.values() if trial.run.step]

    @property
    def current(self) -> Trial:
        """The newest run, or `NO_TRIAL`."""
        return [NO_TRIAL, *self.trials.values()][-1]

    @property
    def best(self) -> Trial:
        """The run with the highest validation accuracy so far, or `NO_TRIAL`."""
        return best_trial(self.trials.values())

    def run(self, settings: str | Settings | None = None, guess: str = "") -> Trial:
        """Train to the end, without a panel, and return the trial.

        A run that is known already, with the same settings, title and guess, would come out the same to the last bit:
        it becomes the newest again, and is not trained anew.

        Args:
            settings: the name of a preset, a line of text such as "learning_rate=0.1, steps=500", or `Settings`; by
                default those that the playground began with.
            guess: one of `GUESSES`, to be shown beside the truth.

        Raises:
            ArgumentError: a value that makes no sense, or a run is under way already.
        """
        title, settings = "", settings or self.settings
        if guess not in ("", *GUESSES):
            raise ArgumentError(f"guess = {guess!r} is not known. Choose {', '.join(map(repr, GUESSES))}.")
        if isinstance(settings, str) and settings in PRESETS:
            title, settings = settings, replace(PRESETS[settings], seed=self.settings.seed)
        elif isinstance(settings, str):
            settings = Settings.parse(settings)
        wanted = (settings, guess, title, ((0, settings.learning_rate),))
        for trial in [] if self.running else self.trained:
            known = (trial.settings, trial.guess, trial.title, trial.rates)
            if known == wanted and trial.done:
                self.remove(trial.number)
                self._keep(trial)
                self._changed()
                return trial
        self.start(settings, guess, title, watched=False)
        return self._result()

    def go_on(self, learning_rate: float, steps: int) -> Trial:
        """Continue the newest run up to `steps`, at this learning rate, and return the trial.

        Raises `ArgumentError` where there is nothing to go on with, or a run is under way.
        """
        self.resume(learning_rate, steps, watched=False)
        return self._result()

    def _result(self) -> Trial:
        self.wait()
        if self.problem:
            raise ArgumentError(self.problem)
        return self.current

    def start(self, settings: Settings, guess: str, title: str, most: float = math.inf, watched: bool = True) -> None:
        """Begin a run, of which at most `most` steps are taken now, and return at once; see `run`."""
        check_settings(images=settings.images, batch_size=settings.batch_size)
        self._launch(
            Trial(max(self.trials, default=0) + 1, settings, guess, title=title), settings.learning_rate, most, watched
        )

    def resume(self, learning_rate: float, steps: int, most: float = math.inf, watched: bool = True) -> None:
        """Continue the newest run up to `steps`, of which at most `most` are taken now, and return at once."""
        check_settings(learning_rate=learning_rate, steps=steps)
        trial = self.current
        if not trial.number or trial.overflowed:
            raise ArgumentError("There is no run to go on with, or it has overflowed. Start a new one.")
        if trial.step >= steps:
            raise ArgumentError(f"{trial.name} has done {trial.step:,} steps. Give more steps to go on.")
        self._launch(replace(trial, settings=replace(trial.settings, steps=steps)), learning_rate, most, watched)

    def stop(self) -> None:
        """Stop the run after the present slice, and return then; what was learned is kept."""
        self._stop.set()
        self._ended.wait()

    def wait(self) -> None:
        """Return when no run is under way; an interrupt stops it."""
        try:
            while not self._ended.wait(0.1):  # not Thread.join: interrupted, that takes a thread for dead that is alive
                pass
        except KeyboardInterrupt:
            self.stop()

    def rename(self, number: int, title: str) -> None:
        """Give a run a title."""
        with self._lock:
            self._keep(replace(self.trials[number], title=" ".join(title.split())[:LONGEST_TITLE]))
        self._changed()

    def remove(self, number: int) -> None:
        """Forget a run. Raises `ArgumentError` where it is under way."""
        with self._lock:
            if self.running and number == self.current.number:
                raise ArgumentError(f"Run {number} is under way. Press Stop before you remove it.")
            self.trials = {other: trial for other, trial in self.trials.items() if other != number}
        self._changed()

    def _keep(self, trial: Trial) -> None:
        self.trials = self.trials | {trial.number: trial}

    def _changed(self) -> None:
        for panel in list(self.panels.values()):
            panel.on_runs()

    def _launch(self, trial: Trial, rate: float, most: float, watched: bool) -> None:
        """Let a thread take steps of this trial, at most `most`; raise `ArgumentError` while one does already."""
        with self._lock:
            if self.running:
                raise ArgumentError("A run is under way. Press Stop, or wait for its end.")
            self._keep(trial)
            self.rate, self.running, self.problem, self.watched = rate, True, "", watched
            self._stop.clear()
            self._ended.clear()
        end = int(min(trial.settings.steps, trial.step + most))
        threading.Thread(target=self._train, args=(trial, end), name="playground", daemon=True).start()

    def _train(self, trial: Trial, end: int) -> None:
        try:
            rows, settings, steps = self.training, trial.settings, 5
            if settings.images < len(rows):
                rows = np.random.default_rng(settings.seed).permutation(rows)[: settings.images]
            while trial.step < end and not trial.overflowed and not self._stop.is_set():
                begun, pace = time.monotonic(), self.pace if self.watched else math.inf
                steps = min(steps, end - trial.step)
                trial = self._take(trial, rows, steps)
                possible = steps / max(1e-3, time.monotonic() - begun)  # steps a second
                if self.watched:
                    self._changed()
                self._stop.wait(max(0.0, steps / pace - (time.monotonic() - begun)))
                steps = max(1, round(min(4 * steps, min(possible, pace) / PICTURES_A_SECOND)))
        except Exception as error:  # nothing may leave the thread: the learner would wait for ever
            self.problem = f"The run broke off ({type(error).__name__}: {error}). What it had learned is kept."
        finally:
            self.running = False
            try:
                self._changed()
            finally:
                self._ended.set()

    def _take(self, trial: Trial, rows: np.ndarray, steps: int) -> Trial:
        """Train the trial for one slice, keep what it has learned, and return it."""
        values = asdict(trial.settings) | {"learning_rate": self.rate}
        del values["images"]
        values |= {"validate_every": max(1, trial.settings.steps // EVALUATIONS), "until": trial.step + steps}
        values |= {"resume": trial.run if trial.step else None, "validation": self.validation, "progress": False}
        run = train(self.data.images_train, self.data.labels_train, indices=rows, **values)
        rate = values["learning_rate"]
        turned = [(trial.step, rate)] if not trial.rates or trial.rates[-1][1] != rate else []
        with self._lock:  # the title may be another by now
            grown = replace(self.trials[trial.number], run=run, rates=(*trial.rates, *turned))
            self._keep(grown)
        return grown

    def table(self) -> str:
        """Return the names of the runs, and their results, as text in columns."""
        return text_table(self.trained)

    def show_comparison(self) -> None:
        """Show the validation accuracy and loss of the newest runs, overlaid, below the cell."""
        curves = draw_comparison(self.trained)
        show_png(together(curves), " ".join(curve.alt for curve in curves))
        if len(self.trained) > MOST_COMPARED:
            print(f"The picture holds the newest {MOST_COMPARED} of {len(self.trained)} runs.")

    def save_table(self, path: str | Path) -> Path:
        """Write all runs to a CSV file, whole or not at all; raise `ArgumentError` where it can't be written."""
        return write_file(path, csv_text(self.trained).encode())

    def show(self) -> None:
        """Show the controls, the live pictures and the comparison below the cell."""
        train = TrainPanel(self)
        train.display(ComparePanel(self, train.use))

    def look_inside(self, index: int = 0) -> None:
        """Show one prediction, of test image `index` (0 to 9,999) to begin with, and what changes it, below the cell.

        Raises `ArgumentError` where there is no such image, or no run that could be asked.
        """
        PredictionPanel(self, index).display()


def show_steps(pictures: list) -> None:
    """Show what `read_picture` did to a picture, step by step, below the cell."""
    show_figure(shrinking_steps(pictures))


@atexit.register
def _stop_latest() -> None:
    """Let the thread come to its end before the process does: TensorFlow does not survive it otherwise."""
    if _latest is not None:
        _latest.stop()
