"""The runs of a playground with what is known of them, and as words: in a table, in a file, as a status."""

import csv
import io
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from html import escape

import numpy as np

from helpers.playground.settings import NAMES, Settings
from helpers.runs import Run

LONGEST_TITLE = 30
GUESSES = ("diverges", "about 10%", "about 20%", "about 30%", "about 40%", "about 50%")
NOTHING = Run(np.zeros((3072, 10), np.float32), np.zeros(10, np.float32), np.zeros(3072, np.float32), 255.0)
DEFAULT = Settings()
RESULTS = ("validation", "training", "result")  # the columns of `table_rows` that every table shows


@dataclass(frozen=True)
class Trial:
    """A run with its number, its settings, what the learner guessed, a title, and each (step, rate) it was turned to.

    Accuracies are shares, 0 to 1, not a number before they are known.
    """

    number: int
    settings: Settings = DEFAULT
    guess: str = ""
    title: str = ""  # the preset's name, or what the learner wrote
    run: Run = NOTHING  # before the first slice
    rates: tuple[tuple[int, float], ...] = ()

    @property
    def name(self) -> str:
        return f"Run {self.number}"

    @property
    def label(self) -> str:
        """The name, and the title where there is one."""
        return f"{self.name}: {self.title}" if self.title else self.name

    @property
    def step(self) -> int:
        return self.run.step

    @property
    def epochs(self) -> float:
        """How often the run has seen each of its images, on average."""
        return self.step * self.settings.batch_size / self.settings.images

    @property
    def done(self) -> bool:
        return self.step >= self.settings.steps or self.overflowed

    @property
    def overflowed(self) -> bool:
        """True if the run has no numbers left to go on with."""
        return not all(np.isfinite(numbers).all() for numbers in (self.run.loss[-1:], self.run.weights))

    @property
    def training_accuracy(self) -> float:
        """The mean of the last tenth of the batches."""
        return float(self.run.accuracy[-max(1, self.step // 10) :].mean()) if self.step else math.nan

    @property
    def validation_accuracy(self) -> float:
        return float([math.nan, *self.run.validation_accuracy[-1:]][-1])

    @property
    def outcome(self) -> str:
        """What became of the run, in the words of `GUESSES`; empty before anything is known."""
        if math.isnan(self.validation_accuracy):
            return "diverges" if self.overflowed else ""
        tens = min(max(round(10 * self.validation_accuracy), 1), 5)
        return "diverges" if self.run.diverged else f"about {tens}0%"

    @property
    def guessed_right(self) -> bool | None:
        """Whether the guess has come true; None without a guess, or before anything is known."""
        return self.guess == self.outcome if self.guess and self.outcome else None

    @property
    def turns(self) -> str:
        """The learning rates in words: "0.3 → 0.1"."""
        return " → ".join(f"{rate:.6g}" for _, rate in self.rates or [(0, self.settings.learning_rate)])


NO_TRIAL = Trial(0)


def best_trial(trials: Collection[Trial]) -> Trial:
    """Return the trial with the highest validation accuracy (the earliest of equals), or `NO_TRIAL`."""
    known = [trial for trial in trials if not math.isnan(trial.validation_accuracy)]
    return max(known, key=lambda trial: trial.validation_accuracy, default=NO_TRIAL)


def percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"


def table_rows(trials: Collection[Trial]) -> list[dict[str, str]]:
    """Return a row for each trial: its settings and its results, in words."""
    best, rows = best_trial(trials), []
    for trial in trials:
        settings = {name.replace("_", " "): f"{value}" for name, value in asdict(trial.settings).items()}
        apart = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in trial.settings.differences().items())
        named = {"run": trial.name, "name": trial.title or apart[:40] or "the defaults"}
        results = {
            "validation": percent(trial.validation_accuracy) + " ★" * (trial is best),
            "training": percent(trial.training_accuracy),
            "result": trial.outcome,
            "guess": trial.guess + {True: " ✓", False: " ✗", None: ""}[trial.guessed_right],
        }
        steps = f"{trial.step:,}" + ("" if trial.step == trial.settings.steps else f" of {trial.settings.steps:,}")
        turned = {"learning rate": trial.turns, "steps": steps, "epochs": f"{trial.epochs:.3g}"}
        rows.append(named | results | settings | turned)
    return rows


def text_table(trials: Collection[Trial]) -> str:
    """Return the names, results and guesses of the trials, in columns narrow enough for a small window."""
    rows = table_rows(trials)
    names = ["run", "name", *RESULTS] + ["guess"] * any(row["guess"] for row in rows)
    lines = [names, *([row[name] for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def html_table(trials: Collection[Trial]) -> str:
    """Return names, results and what differs as an HTML table, with controls to show, name, repeat and remove a run."""
    rows, best = table_rows(trials), best_trial(trials)
    if not rows:
        return "<p>No runs yet. Press Start.</p>"
    differs = {name for name in rows[0] if len({row[name] for row in rows}) > 1}
    columns = [name for name in rows[0] if name in RESULTS or (name in differs and name not in ("run", "name"))]
    head = "".join(f'<th scope="col">{name}</th>' for name in ("shown", "run", "name", *columns, "actions"))
    body = ""
    for trial, row in zip(trials, rows, strict=True):
        name, number = trial.name, trial.number
        cells = [
            f'<input type="checkbox" name="show:{number}" '
            f'aria-label="Show the curves of {name}" title="Show or hide its curves">',
            name,
            f'<input type="text" name="title:{number}" size="24" maxlength="{LONGEST_TITLE}" placeholder='
            f'"{escape(row["name"])}" aria-label="Name of {name}" title="Give the run a name of your own">',
            *(escape(row[column]) for column in columns),
            f'<button name="again:{number}" title="Set the controls to the settings of {name}" '
            f'aria-label="Use the settings of {name}">use</button> '
            f'<button name="remove:{number}" title="Forget {name}" aria-label="Remove {name}">remove</button>',
        ]
        body += f"<tr{' class=best' * (trial is best)}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    return (
        '<div class="runs" tabindex="0" role="region" aria-label="All runs"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def csv_text(trials: Collection[Trial]) -> str:
    """Return the trials as CSV: one row each, numbers as numbers."""
    written = io.StringIO()
    results = ("number", "title", "step", "training_accuracy", "validation_accuracy", "outcome", "guess", "turns")
    writer = csv.DictWriter(written, (*results, *NAMES), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: getattr(trial, name) for name in results} | asdict(trial.settings) for trial in trials)
    return written.getvalue()


def status(trial: Trial, running: bool = False) -> str:
    """Return what there is to say about the newest trial, in a few sentences."""
    if not trial.step:
        return f"{trial.label} begins." if trial.number else "Ready. Choose settings, or a preset, and press Start."
    words = f"{trial.label}, step {trial.step:,} of {trial.settings.steps:,} ({trial.epochs:.2f} epochs): "
    if trial.overflowed:
        words += "it diverges. Its numbers have become too large. Lower the learning rate, and press Start."
    elif trial.run.diverged:
        words += f"it diverges. The loss is {trial.run.loss[-1]:,.2f}, and guessing has 2.30. "
        words += "If it does not fall by itself, lower the learning rate."
    else:
        accuracies = f"{percent(trial.training_accuracy)}, validation accuracy {percent(trial.validation_accuracy)}"
        words += f"training accuracy {accuracies}."
        if trial.training_accuracy > trial.validation_accuracy + 0.15:
            words += " It knows its own images far better than new ones: it overfits."
    if running:
        return words
    if not trial.done:
        return f"{words} Stopped; Go on and One step continue, with all else as it began."
    if trial.guessed_right is not None:
        truth = "right" if trial.guessed_right else f"the truth is “{trial.outcome}”"
        words += f" You guessed “{trial.guess}”: {truth}."
    return f"{words} Done: see Compare, below."


def score(trials: Collection[Trial]) -> str:
    """Return how many of the learner's guesses came true; empty where there were none."""
    guessed = [trial.guessed_right for trial in trials if trial.done and trial.guessed_right is not None]
    return f"Your guesses so far: {sum(guessed)} of {len(guessed)} right." if guessed else ""
