"""The playground of notebook 8: turn the hyperparameters, watch a run, compare runs, look inside one prediction.

    training, own_picture, prediction -> results -> pictures -> train_panel, compare_panel, prediction_panel

`Playground` holds the runs; the panels show them. Everything that the panels do can be done without them.
"""

import math
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.data import load_data
from helpers.errors import ArgumentError
from helpers.figures import show_figure, show_png
from helpers.files import write_file
from helpers.playground import results
from helpers.playground.own_picture import read_picture
from helpers.playground.pictures import MOST_COMPARED, Comparison, Templates, shrinking_steps, side_by_side
from helpers.playground.prediction import change_image, explain
from helpers.playground.training import GUESSES, NO_TRIAL, PRESETS, Settings, Trainer, Trial, best_trial

if TYPE_CHECKING:
    from helpers.playground.panels import PlaygroundPanel

__all__ = ["GUESSES", "PRESETS", "Playground", "Settings", "change_image", "explain", "read_picture", "show_steps"]

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
            for panel in earlier._panels.values():
                panel.close()
        self.settings = Settings(**settings)
        self.data = load_data()
        self._panels: dict[type, PlaygroundPanel] = {}  # of each kind the newest
        self.trainer = Trainer(self.data, self._changed)
        _latest = weakref.ref(self)

    def _changed(self) -> None:
        for panel in list(self._panels.values()):
            panel.on_runs()

    def follow(self, panel: "PlaygroundPanel") -> None:
        """Tell a panel of each change of a run; an earlier one of the same kind is closed."""
        if (earlier := self._panels.get(type(panel))) is not None:
            earlier.close()
        self._panels[type(panel)] = panel

    @property
    def trials(self) -> list[Trial]:
        return self.trainer.trials

    @property
    def trained(self) -> list[Trial]:
        """The runs that have something to show: neither just begun nor from a table."""
        return [trial for trial in self.trials if trial.run.step]

    @property
    def best(self) -> Trial | None:
        """The run with the highest validation accuracy so far."""
        return best_trial(self.trials)

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
        title = ""
        if isinstance(settings, str):
            if settings in PRESETS:
                title, settings = settings, replace(PRESETS[settings], seed=self.settings.seed)
            elif "=" in settings:
                settings = Settings.parse(settings)
            else:
                raise ArgumentError(f"There is no preset {settings!r}. Choose {', '.join(map(repr, PRESETS))}.")
        if guess not in ("", *GUESSES):
            raise ArgumentError(f"guess = {guess!r} is not known. Choose {', '.join(map(repr, GUESSES))}.")
        settings = settings or self.settings
        if (known := self.trainer.renew(settings, guess, title)) is not None:
            return known
        return self._through(self.trainer.start, settings, guess, title)

    def go_on(self, learning_rate: float, steps: int) -> Trial:
        """Continue the newest run up to `steps`, at this learning rate, and return the trial.

        Raises `ArgumentError` where there is nothing to go on with, or a run is under way.
        """
        return self._through(self.trainer.go_on, learning_rate, steps)

    def _through(self, begin: Callable, *arguments) -> Trial:
        """Begin a run, and return the trial at its end."""
        pace, self.trainer.pace = self.trainer.pace, math.inf  # nobody watches
        try:
            begin(*arguments)
            self.trainer.wait()
        finally:
            self.trainer.pace = pace
        if self.trainer.problem:
            raise ArgumentError(self.trainer.problem)
        return self.trainer.current

    def table(self) -> str:
        """Return the names of the runs, and their results, as text in columns."""
        return results.text_table([trial for trial in self.trials if trial.step])

    def show_comparison(self) -> None:
        """Show the validation accuracy and loss of the newest runs, overlaid, below the cell."""
        curves = Comparison().draw(self.trained)
        show_png(side_by_side([curves]), curves[0].alt)
        if len(self.trained) > MOST_COMPARED:
            print(f"The picture holds the newest {MOST_COMPARED} of {len(self.trained)} runs.")

    def save_table(self, path: str | Path) -> Path:
        """Write all runs to a CSV file, whole or not at all; raise `ArgumentError` where it can't be written."""
        return write_file(path, results.csv_text(self.trials).encode())

    def load_table(self, source: str | Path | bytes, name: str = "The file") -> list[Trial]:
        """Add the runs of a saved table, their settings and results without what they learned; return them.

        Args:
            source: the file's path, or its content.
            name: of the file, where its content is given.

        Raises:
            ArgumentError: the file can't be read, or is no such table.
        """
        try:
            if not isinstance(source, bytes):
                name = str(source)
                source = Path(source).read_bytes()
            found = results.read_csv(source.decode("utf-8-sig"), name)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ArgumentError(f"{name} can't be read: {reason}. Give a file that save_table wrote.") from error
        for trial in found:
            self.trainer.keep(trial)
        self._changed()
        return self.trials[-len(found) :]

    def save_picture(self, path: str | Path) -> Path:
        """Write the compared curves and the best run's templates to a PNG file, whole or not at all."""
        best = best_trial(self.trained) or NO_TRIAL
        templates = Templates().draw(best.run.weights, title=best.label if best.number else "")
        return write_file(path, side_by_side([Comparison().draw(self.trials), [templates]]))

    def show(self) -> None:
        """Show the controls, the live pictures and the comparison below the cell."""
        from helpers.playground.compare_panel import ComparePanel
        from helpers.playground.train_panel import TrainPanel

        train = TrainPanel(self)
        compare = ComparePanel(self, train.use)
        train.display(compare)
        for panel in (train, compare):
            self.follow(panel)

    def look_inside(self, index: int = 0) -> None:
        """Show one prediction, and what changes it, below the cell.

        Args:
            index: of the test image to begin with, 0 to 9,999.
        """
        from helpers.playground.prediction_panel import PredictionPanel

        panel = PredictionPanel(self, index)
        panel.display()
        self.follow(panel)


def show_steps(pictures: list) -> None:
    """Show what `read_picture` did to a picture, step by step, below the cell."""
    show_figure(shrinking_steps(pictures))
