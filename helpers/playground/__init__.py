"""The playground of notebook 8: turn the hyperparameters, watch a run, compare runs, look inside one prediction.

    training, own_picture, prediction -> results, pictures -> widgets -> training_panel, prediction_panel

`Playground` holds the runs; the panels show them. Everything that the panels do can be done without them.
"""

import weakref
from dataclasses import replace
from pathlib import Path

from helpers.data import load_data
from helpers.errors import ArgumentError
from helpers.playground.own_picture import read_picture
from helpers.playground.prediction import change_image, explain
from helpers.playground.training import GUESSES, PRESETS, Settings, Trainer, Trial, best_trial

__all__ = [
    "GUESSES",
    "PRESETS",
    "Playground",
    "Settings",
    "change_image",
    "explain",
    "read_picture",
    "show_steps",
]

_latest = lambda: None  # noqa: E731 (a reference that is dead)


class Playground:
    """All runs of one session, each with its settings.

    Args:
        settings: fields of `Settings`, with which the controls begin.

    A new playground stops the run of the one before, so that running a cell twice leaves one thread.
    """

    def __init__(self, **settings):
        global _latest
        if (earlier := _latest()) is not None:
            earlier.trainer.stop()
            earlier.trainer.wait()
        self.settings = Settings(**settings)
        self.data = load_data()
        self.listeners: list = []
        self.trainer = Trainer(self.data, self._changed)
        _latest = weakref.ref(self)

    def _changed(self) -> None:
        for listener in list(self.listeners):
            listener()

    @property
    def trials(self) -> list[Trial]:
        return self.trainer.trials

    @property
    def best(self) -> Trial | None:
        """The run with the highest validation accuracy so far."""
        return best_trial(self.trials)

    def run(self, settings: str | Settings | None = None, guess: str = "") -> Trial:
        """Train to the end, without a panel, and return the trial.

        Args:
            settings: the name of a preset, or settings; by default those that the playground began with.
            guess: one of `GUESSES`, to be shown beside the truth.

        Raises:
            ArgumentError: a value that makes no sense, or a run is under way already.
        """
        if isinstance(settings, str):
            if settings not in PRESETS:
                raise ArgumentError(f"There is no preset {settings!r}. Choose {', '.join(map(repr, PRESETS))}.")
            settings = replace(PRESETS[settings], seed=self.settings.seed)
        if guess not in ("", *GUESSES):
            raise ArgumentError(f"guess = {guess!r} is not known. Choose {', '.join(map(repr, GUESSES))}.")
        if not self.trainer.start(settings or self.settings, guess):
            raise ArgumentError("A run is under way. Press Stop, or wait for its end.")
        return self._wait()

    def go_on(self, learning_rate: float, steps: int) -> Trial:
        """Continue the newest run up to `steps`, at this learning rate, and return the trial.

        Raises `ArgumentError` where there is nothing to go on with, or a run is under way.
        """
        if not self.trainer.go_on(learning_rate, steps):
            raise ArgumentError("A run is under way. Press Stop, or wait for its end.")
        return self._wait()

    def _wait(self) -> Trial:
        self.trainer.wait()
        if self.trainer.problem:
            raise ArgumentError(self.trainer.problem)
        return self.trials[-1]

    def table(self) -> str:
        """Return what differs between the runs, and their results, as text in columns."""
        from helpers.playground.results import text_table

        return text_table(self.trials)

    def show_comparison(self) -> None:
        """Show the validation accuracy and loss of all runs, overlaid, below the cell."""
        from helpers.playground.pictures import Comparison, side_by_side
        from helpers.playground.results import comparison_words
        from helpers.plots import show_png

        show_png(side_by_side([Comparison().draw(self.trials)]), comparison_words(self.trials))

    def save_table(self, path: str | Path) -> Path:
        """Write all runs to a CSV file, whole or not at all; raise `ArgumentError` where it can't be written."""
        from helpers.playground.results import csv_text, write_file

        return write_file(path, csv_text(self.trials).encode())

    def save_picture(self, path: str | Path) -> Path:
        """Write the compared curves and the best run's templates to a PNG file, whole or not at all."""
        from helpers.playground.pictures import Comparison, Templates, side_by_side
        from helpers.playground.results import write_file

        return write_file(path, side_by_side([Comparison().draw(self.trials), [Templates().draw(self.best)]]))

    def show(self) -> None:
        """Show the controls, the live pictures and the comparison below the cell."""
        from helpers.playground.training_panel import TrainingPanel

        TrainingPanel(self).show()

    def look_inside(self, index: int = 0) -> None:
        """Show one prediction, and what changes it, below the cell.

        Args:
            index: of the test image to begin with, 0 to 9,999.
        """
        from helpers.playground.prediction_panel import PredictionPanel

        PredictionPanel(self, index).show()


def show_steps(pictures: list, alt: str) -> None:
    """Show what `read_picture` did to a picture, step by step, below the cell."""
    from helpers.playground.pictures import shrinking_steps
    from helpers.plots import show_png

    show_png(shrinking_steps(pictures), alt)
