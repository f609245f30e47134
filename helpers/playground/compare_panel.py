"""The panel in which a learner compares, names, keeps and removes runs, and takes their settings elsewhere."""

from pathlib import PurePath

from helpers.errors import ArgumentError
from helpers.playground import results
from helpers.playground.pictures import MOST_COMPARED, Comparison, Templates
from helpers.playground.training import NO_TRIAL, Trial, best_trial
from helpers.playground.widgets import Panel, options

CURVES = ("accuracy", "loss")
TEMPLATES = ("first", "second", "difference")


class ComparePanel(Panel):
    """The table and the compared pictures of all runs of a `Playground`.

    Args:
        playground: whose runs they are.
        use: what sets the controls of the other panel to given settings and a title.
    """

    LAST = ("save_table", "save_picture", "cell", "again", "remove")

    def __init__(self, playground, use):
        super().__init__("compare")
        self._playground, self._trainer, self._use = playground, playground.trainer, use
        self._ticked: list[int] = []  # numbers of the runs that are shown, in the order in which they came
        self._known: set[int] = set()
        self._drawn: set[int] = set()
        self._pair: list[int] = []
        self._file, self._of_run = "my-runs", 0
        self._comparison, self._templates = Comparison(), Templates()
        self.show(hidden=["code"])
        self.refresh()

    def act(self, name: str, value) -> None:
        action, _, number = name.partition(":")
        if action == "show":
            self._ticked = [each for each in self._ticked if each != int(number)] + [int(number)] * bool(value)
            self._limit()
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
        elif action == "of_run":
            self._of_run = int(value)
        elif action == "file":
            self._file = value.strip()
            self._file_name()
        elif action == "cell":
            cell = results.parameters_cell(self._trainer.trial(self._of_run))
            self.show(values={"code": cell}, hidden=[part for part in self.hidden if part != "code"])
            self.say("Copy this over the parameters cell of notebook 6, near its top, and run all cells.")
        elif action == "save_table":
            path = self._playground.save_table(f"{self._file_name()}.csv")
            self.say(f"Saved all runs to {path.name}.")
        elif action == "save_picture":
            with self.lock:
                path = self._playground.save_picture(f"{self._file_name()}.png")
            self.say(f"Saved the curves and the best run's templates to {path.name}.")
        if action in ("show", "one", "other"):
            self._draw()

    def take(self, name: str, size: int, content: bytes | None, shrunk) -> None:
        if content is None:
            raise ArgumentError(f"{name} has {size / 1e6:.0f} MB: no table of runs is that large. Choose another file.")
        added = self._playground.load_table(content, name)
        self.say(f"Added {len(added)} runs of {name}: their settings and results, without curves.")

    def restore(self) -> None:
        self.show(values={"file": self._file, "of_run": self._of_run or ""})

    def _file_name(self) -> str:
        """Return the file's name without the ending that is added; refuse what leads elsewhere."""
        name = self._file.removesuffix(".csv").removesuffix(".png")
        if not name or name.startswith(".") or PurePath(name).name != name or "\\" in name:
            raise ArgumentError(f"{self._file!r} is no name for a file beside this notebook. Give one such as my-runs.")
        return name

    def _limit(self) -> None:
        """Show so many runs as one picture holds, the newest to be ticked; say which have to go."""
        hidden, self._ticked = self._ticked[:-MOST_COMPARED], self._ticked[-MOST_COMPARED:]
        if hidden:
            names = ", ".join(f"Run {number}" for number in hidden)
            self.say(f"The picture holds {MOST_COMPARED} runs. Hidden now: {names}. Tick a run to see it again.")

    def refresh(self) -> None:
        """Take in the runs that there are now; called from the thread that trains and from the learner's."""
        with self.lock:
            trials, with_run = list(self._playground.trials), self._playground.trained
            if self._trainer.running and self._drawn <= {trial.number for trial in trials}:
                return  # nothing was removed: the rest waits for the end of the run
            numbers, best = [trial.number for trial in with_run], best_trial(trials)
            self._ticked = [number for number in self._ticked if number in numbers]
            self._ticked += [number for number in numbers if number not in self._known]
            self._known.update(numbers)
            self._limit()
            self._choose_pair(with_run)
            names, every_name = ({trial.number: trial.label for trial in some} for some in (with_run, trials))
            self._of_run = best.number if best else 0
            self.show(html=dict.fromkeys(("one", "other"), options(names)) | {"of_run": options(every_name)})
            self.restore()
            self._draw()

    def _choose_pair(self, trials: list[Trial]) -> None:
        """Keep the two runs whose templates stand side by side while both exist; at first the best and the newest."""
        numbers = [trial.number for trial in trials]
        best = best_trial(trials) or trials[-1] if trials else NO_TRIAL
        usual = [best.number, numbers[-1]] if len(numbers) > 1 else []  # one run has none to stand beside
        self._pair = [old if old in numbers else new for old, new in zip(self._pair or usual, usual, strict=False)]
        if self._pair and self._pair[0] == self._pair[1]:
            self._pair[1] = next(number for number in reversed(numbers) if number != self._pair[0])

    def _draw(self) -> None:
        with self.lock:
            trials = {trial.number: trial for trial in self._playground.trials}
            self._drawn = set(trials)
            shown = [trial for number, trial in trials.items() if number in self._ticked]
            curves, points = self._comparison.draw(shown)
            pictures = dict(zip(CURVES, curves, strict=True))
            alts = dict.fromkeys(CURVES, results.comparison_words(shown))
            if self._pair:
                drawn = self._templates.draw_pair(*(trials[number] for number in self._pair))
                for part, (name, png) in zip(TEMPLATES, drawn, strict=True):
                    pictures[part], alts[part] = png, f"Ten templates, on one scale: {name}."
            hidden = [part for part in self.hidden if part != "templates"] + ["templates"] * (not self._pair)
            self.show(
                html={"table": results.html_table(list(trials.values()), self._ticked)},
                values=dict(zip(("one", "other"), self._pair, strict=False))
                | {f"show:{number}": number in self._ticked for number in trials}
                | {f"title:{trial.number}": trial.title for trial in trials.values()},
                pictures=pictures, alts=alts, points=dict(zip(CURVES, points, strict=True)), hidden=hidden,
            )  # fmt: skip
