"""The kept trials as words: in a table, in a CSV file, as the parameters cell of notebook 6, and as a status."""

import csv
import io
import math
from dataclasses import asdict, replace
from html import escape
from typing import Any

import numpy as np

from helpers.errors import ArgumentError
from helpers.playground.training import LONGEST_TITLE, Settings, Trial, best_trial

RESULTS = ("training_accuracy", "validation_accuracy", "validation_loss")
COLUMNS = ("run", "name", *asdict(Settings()), "steps_done", "learning_rates", *RESULTS, "diverged", "best", "guess")


def percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"


def verdict(trial: Trial) -> str:
    """Return one sentence that puts the learner's guess beside the truth; empty without a guess or a truth."""
    if trial.guessed_right is None:
        return ""
    words = ": right." if trial.guessed_right else f"; the truth is “{trial.outcome}”."
    return f"You guessed “{trial.guess}”{words}"


def score(trials: list[Trial]) -> str:
    """Return how many of the learner's guesses came true; empty where there were none."""
    guessed = [trial.guessed_right for trial in trials if trial.done and trial.guessed_right is not None]
    return f"Your guesses so far: {sum(guessed)} of {len(guessed)} right." if guessed else ""


def _number(value: float) -> str:
    return f"{value:.6g}"


def _rates(trial: Trial) -> str:
    return " → ".join(_number(rate) for _, rate in trial.rates or [(0, trial.settings.learning_rate)])


def _differing(settings: Settings, other: Settings) -> str:
    """Return in words what sets settings apart from others: "learning rate 0.1, batch size 20"."""
    words = [
        f"{name.replace('_', ' ')} {_number(value) if isinstance(value, float) else value}"
        for name, value in settings.differences(other).items()
    ]
    return ", ".join(words).replace("divide by", "pixels divided by")


def table_rows(trials: list[Trial]) -> list[dict[str, str]]:
    """Return a row for each trial: its settings and its results, in words."""
    best = best_trial(trials)
    mark = {True: " ✓", False: " ✗", None: ""}
    return [
        {
            "run": trial.name,
            "name": trial.title or _differing(trial.settings, Settings())[:40] or "the defaults",
            "validation": percent(trial.validation_accuracy) + (" ★ best" if trial is best else ""),
            "training": percent(trial.training_accuracy),
            "result": trial.outcome,
            "your guess": trial.guess + mark[trial.guessed_right],
            "learning rate": _rates(trial),
            "schedule": trial.settings.schedule,
            "batch size": f"{trial.settings.batch_size:,}",
            "steps": f"{trial.step:,}" + ("" if trial.done else f" of {trial.settings.steps:,}"),
            "epochs": f"{trial.epochs:.3g}",
            "weight decay": _number(trial.settings.weight_decay),
            "pixels": f"0 to {255 / trial.settings.divide_by:.4g}",
            "seed": str(trial.settings.seed),
            "images": f"{trial.settings.images:,}",
        }
        for trial in trials
    ]


def text_table(trials: list[Trial]) -> str:
    """Return the names, results and guesses of the trials, in columns narrow enough for a small window."""
    rows = table_rows(trials)
    if not rows:
        return "No runs yet."
    kept = ["run", "name", "validation", "training", "result"] + ["your guess"] * any(row["your guess"] for row in rows)
    lines = [[name.removeprefix("your ") for name in kept]]
    lines += [[row[name].removesuffix(" best") for name in kept] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def html_table(trials: list[Trial], shown: dict[int, bool]) -> str:
    """Return names, results and what differs as an HTML table, with controls to show, name, repeat and remove a run.

    Args:
        trials: the trials.
        shown: of each that has curves, by its number, whether they are shown.
    """
    rows, best = table_rows(trials), best_trial(trials)
    if not rows:
        return "<p>No runs yet. Press Start.</p>"
    columns = [name for name in rows[0] if name in ("validation", "training", "result")
               or (name not in ("run", "name") and len({row[name] for row in rows}) > 1)]  # fmt: skip
    head = "".join(f'<th scope="col">{name}</th>' for name in ("shown", "run", "name", *columns, "actions"))
    body = ""
    for trial, row in zip(trials, rows, strict=True):
        name, number = trial.name, trial.number
        ticked = " checked" * shown.get(number, False) + " disabled" * (number not in shown)
        body += (
            f'<tr{" class=best" * (trial is best)}><td><input type="checkbox" name="show:{number}"{ticked} '
            f'aria-label="Show the curves of {name}" title="Show or hide its curves"></td><th scope="row">{name}</th>'
            f'<td><input type="text" name="title:{number}" value="{escape(trial.title)}" size="24" maxlength='
            f'"{LONGEST_TITLE}" placeholder="{escape(row["name"])}" aria-label="Name of {name}" '
            'title="Give the run a name of your own"></td>'
            f"{''.join(f'<td>{escape(row[column])}</td>' for column in columns)}"
            f'<td><button type="button" name="again:{number}" title="Set the controls to the settings of {name}" '
            f'aria-label="Use the settings of {name}">use</button> <button type="button" name="remove:{number}" '
            f'title="Forget {name}" aria-label="Remove {name}">remove</button></td></tr>'
        )
    return f'<div class="runs" tabindex="0" role="region" aria-label="All runs"><table><thead><tr>{head}</tr></thead>' \
           f"<tbody>{body}</tbody></table></div>"  # fmt: skip


def comparison_words(trials: list[Trial]) -> str:
    """Return the alt text of the compared curves."""
    ends = "; ".join(
        f"{trial.label} {'diverges at' if trial.diverged else 'ends at'} {percent(trial.validation_accuracy)}"
        for trial in trials
        if trial.run.step
    )
    return f"Validation accuracy, and beside it validation loss, against steps, one curve a run: {ends or 'none yet'}."


def csv_text(trials: list[Trial]) -> str:
    """Return the trials as CSV: one row each, numbers as numbers."""
    written = io.StringIO()
    writer = csv.DictWriter(written, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for trial in trials:
        found = {name: getattr(trial, name) for name in RESULTS}
        writer.writerow(asdict(trial.settings) | {
            # A spreadsheet would take such a title for a formula.
            "run": trial.number, "name": f"'{trial.title}" if trial.title[:1] in tuple("=+-@") else trial.title,
            "learning_rates": "; ".join(f"{rate:.6g} from step {step}" for step, rate in trial.rates),
            "steps_done": trial.step, "diverged": trial.diverged, "best": trial is best_trial(trials),
            "guess": trial.guess,
        } | {name: "" if math.isnan(value) else round(value, 6) for name, value in found.items()})  # fmt: skip
    return written.getvalue()


def read_csv(text: str, name: str) -> list[Trial]:
    """Return the trials of a saved table, without their runs.

    Args:
        text: what `csv_text` wrote.
        name: of the file, for what is said about it.

    Raises:
        ArgumentError: it is no such table.
    """

    trials = []
    try:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            settings = Settings.parse(", ".join(f"{field}={row[field]}" for field in asdict(Settings())))
            rates = tuple((int(step), float(rate)) for rate, step in (
                turn.split(" from step ") for turn in row["learning_rates"].split("; ") if turn))  # fmt: skip
            found: dict[str, Any] = {name: float(row[name] or "nan") for name in RESULTS}
            title = (row["name"] or "from a table").removeprefix("'")
            trials.append(Trial(0, settings, row["guess"], rates=rates, title=title, step=int(row["steps_done"]),
                                diverged=row["diverged"] == "True", **found))  # fmt: skip
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise ArgumentError(f"{name} is no table of runs, or is damaged. Give a file that Save table wrote.") from error
    if not trials:
        raise ArgumentError(f"{name} holds no runs. Give a file that Save table wrote.")
    return trials


def parameters_cell(trial: Trial) -> str:
    """Return the code to paste over the parameters cell of notebook 6, with a comment on what it has no name for."""
    settings = trial.settings
    names = ("seed", "learning_rate", "batch_size", "steps", "weight_decay")
    lines = [f"{name} = {getattr(settings, name):_}" for name in names]
    apart = [f"{name}={value!r}" for name, value in settings.differences(Settings()).items() if name not in names]
    if len(trial.rates) > 1:
        apart.append(f"the rate was turned: {_rates(trial)}")
    if apart:
        lines.append(f"# {trial.name} had besides: {', '.join(apart)}. The parameters cell has no names for these.")
    return "\n".join(lines)


def status(trial: Trial, running: bool = False) -> str:
    """Return what there is to say about the newest trial, in one or two sentences."""
    if trial.number == 0:
        return "Ready. Choose settings, or a preset, and press Start."
    if not trial.step:
        return f"{trial.label} begins."
    where = f"{trial.label}, step {trial.step:,} of {trial.settings.steps:,} ({trial.epochs:.2f} epochs)"
    if trial.overflowed:
        return f"{where}: it diverges. The numbers have grown too large to go on. Lower the learning rate."
    if trial.diverged:
        loss = float(np.mean(trial.run.loss[-max(1, trial.step // 10) :]))
        words = f"{where}: it diverges. The loss is {loss:,.2f}, and guessing has 2.30. Lower the learning rate."
    else:
        words = f"{where}: training accuracy {percent(trial.training_accuracy)}"
        if not math.isnan(trial.validation_accuracy):
            words += f", validation accuracy {percent(trial.validation_accuracy)}"
        words += "."
        if trial.training_accuracy > trial.validation_accuracy + 0.15:
            words += " It knows its own images far better than new ones: it overfits."
    if running:
        return words
    if not trial.done:
        return f"{words} Stopped; Go on and One step continue."
    return " ".join(filter(None, (words, verdict(trial), "Done: see Compare, below.")))


def what_go_on_keeps(trial: Trial, settings: Settings) -> str:
    """Return which settings a stopped trial keeps though the controls say otherwise; empty where there are none."""
    if trial.number == 0 or trial.done:
        return ""
    kept = _differing(trial.settings, replace(settings, learning_rate=trial.settings.learning_rate,
                                              steps=trial.settings.steps))  # fmt: skip
    return f"Go on keeps {trial.name}'s {kept}; Start begins a new run with all settings above." if kept else ""
