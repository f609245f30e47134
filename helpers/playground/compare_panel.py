"""The panel in which a learner compares, names, keeps and removes runs, and takes their settings elsewhere."""

from collections.abc import Collection
from pathlib import PurePath

from helpers.errors import ArgumentError
from helpers.panel import options
from helpers.playground import results
from helpers.playground.panels import PlaygroundPanel
from helpers.playground.pictures import MOST_COMPARED, Comparison, Templates
from helpers.playground.training import NO_TRIAL, best_trial

CURVES = ("accuracy", "loss")
TEMPLATES = ("first", "second", "difference")


class ComparePanel(PlaygroundPanel):
    """The table and the compared pictures of all runs of a `Playground`.

    Args:
        playground: whose runs they are.
        use: what sets the controls of the other panel to given settings and a title.
    """

    BUTTONS = ("save_table", "save_picture", "cell", "again", "remove")

    def __init__(self, playground, use):
        super().__init__(playground, "compare")
        self._use = use
        self._shown: dict[int, bool] = {}  # of each run whether its curves are shown, those ticked last at the end
        self._pair: list[int] = []  # numbers of the runs whose templates are shown
        self._comparison, self._templates = Comparison(), Templates()
        self.show(hidden={"code": True, "templates": True}, values={"file": "my-runs", "of_run": ""})
        self.on_runs()

    def act(self, name: str, value) -> None:
        action, _, number = name.partition(":")
        if action == "show":
            self._shown.pop(int(number), None)
            self._shown[int(number)] = bool(value)
        elif action == "title":
            self._trainer.rename(int(number), value)
        elif action == "remove":
            self._trainer.remove(int(number))
        elif action == "again":
            trial = self._trainer.trial(int(number))
            self._use(trial.settings, trial.title)
            self.say(f"The controls above now hold the settings of {trial.name}.")
        elif action in ("one", "other"):
            self._pair[action == "other"] = int(value)
        elif action == "file":
            self._file_name()
        elif action == "cell":
            cell = results.parameters_cell(self._trainer.trial(int(self.value("of_run") or 0)))
            self.show(values={"code": cell}, hidden={"code": False})
            self.say("Copy this over the parameters cell of notebook 6, near its top, and run all cells.")
        elif action == "save_table":
            path = self._playground.save_table(f"{self._file_name()}.csv")
            self.say(f"Saved all runs to {path.name}.")
        elif action == "save_picture":
            with self.lock:
                path = self._playground.save_picture(f"{self._file_name()}.png")
            self.say(f"Saved the curves and the best run's templates to {path.name}.")
        if action in ("show", "one", "other") or (action == "remove" and self._trainer.running):
            self.refresh()

    def take(self, name: str, size: int, content: bytes | None, shrunk) -> None:
        if content is None:
            raise ArgumentError(f"{name} has {size / 1e6:.0f} MB: no table of runs is that large. Choose another file.")
        added = self._playground.load_table(content, name)
        self.say(f"Added {len(added)} runs of {name}: their settings and results, without curves.")

    def _file_name(self) -> str:
        """Return the file's name without the ending that is added; refuse what leads elsewhere."""
        written = self.value("file").strip()
        name = written.removesuffix(".csv").removesuffix(".png")
        if not name or name.startswith(".") or PurePath(name).name != name or "\\" in name:
            raise ArgumentError(f"{written!r} is no name for a file beside this notebook. Give one such as my-runs.")
        return name

    def on_runs(self) -> None:
        if not self._trainer.running:  # what is compared waits for the end of the run
            best = best_trial(self._playground.trials) or NO_TRIAL
            self.refresh()
            self.show(values={"of_run": best.number or ""})

    def _choose(self, numbers: Collection[int]) -> None:
        """Decide which runs with these numbers are shown, at first all, and whose templates stand side by side."""
        self._shown = {number: on for number, on in self._shown.items() if number in numbers}
        self._shown |= {number: True for number in numbers if number not in self._shown}
        ticked = [number for number, on in self._shown.items() if on]
        if over := ticked[:-MOST_COMPARED]:
            self._shown |= dict.fromkeys(over, False)
            names = ", ".join(f"Run {number}" for number in over)
            self.say(f"The picture holds {MOST_COMPARED} runs. Hidden now: {names}. Tick a run to see it again.")
        best = best_trial(self._playground.trained) or NO_TRIAL
        wanted = dict.fromkeys([*self._pair, best.number, *reversed(list(numbers))])  # what was chosen stays
        self._pair = [number for number in wanted if number in numbers][:2] if len(numbers) > 1 else []

    def refresh(self) -> None:
        """Take in the runs that there are now, and draw those that are ticked."""
        with self.lock:
            trials = {trial.number: trial for trial in self._playground.trials}
            with_run = {trial.number: trial.label for trial in self._playground.trained}
            self._choose(with_run)
            shown = [trial for number, trial in trials.items() if self._shown.get(number)]
            pictures = dict(zip(CURVES, self._comparison.draw(shown), strict=True))
            if self._pair:
                pair = self._templates.draw_pair(*(trials[number] for number in self._pair))
                pictures |= dict(zip(TEMPLATES, pair, strict=True))
            self.show(
                html={"one": options(with_run), "other": options(with_run),
                      "of_run": options({trial.number: trial.label for trial in trials.values()}),
                      "table": results.html_table(list(trials.values()), self._shown)},
                values=dict(zip(("one", "other"), self._pair, strict=False))
                | {f"show:{number}": self._shown.get(number, False) for number in trials}
                | {f"title:{trial.number}": trial.title for trial in trials.values()},
                pictures=pictures,
                hidden={"templates": not self._pair},
            )  # fmt: skip
