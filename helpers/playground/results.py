"""The kept trials as words: in a table, in a CSV file, as the parameters cell of notebook 6, and as a status."""

import csv
import io
import math
from dataclasses import replace
from html import escape

import numpy as np

from helpers.errors import ArgumentError
from helpers.playground.training import LONGEST_TITLE, Loaded, Settings, Trial, best_trial

SHORT = {"your guess": "guess", "learning rate": "rate", "batch size": "batch", "weight decay": "decay"}
WORDS = {
    "learning_rate": "learning rate", "batch_size": "batch size", "weight_decay": "weight decay",
    "divide_by": "pixels divided by",
}  # fmt: skip
COLUMNS = (
    "run", "name", "seed", "learning_rate", "schedule", "batch_size", "steps", "weight_decay", "divide_by", "images",
    "steps_done", "learning_rates", "training_accuracy", "validation_accuracy", "validation_loss", "diverged", "best",
    "guess",
)  # fmt: skip


def pixels(divide_by: float) -> str:
    """Return the range of the pixels before the mean image is subtracted."""
    return f"0 to {255 / divide_by:.4g}"


def percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"


def verdict(trial: Trial) -> str:
    """Return one sentence that puts the learner's guess beside the truth; empty without a guess or a truth."""
    if trial.guessed_right is None:
        return ""
    if trial.guessed_right:
        return f"You guessed “{trial.guess}”: right."
    return f"You guessed “{trial.guess}”; the truth is “{trial.outcome}”."


def score(trials: list[Trial]) -> str:
    """Return how many of the learner's guesses came true; empty where there were none."""
    guessed = [trial.guessed_right for trial in trials if trial.done and trial.guessed_right is not None]
    return f"Your guesses so far: {sum(guessed)} of {len(guessed)} right." if guessed else ""


def _number(value: float) -> str:
    return f"{value:.6g}"


def _rates(trial: Trial) -> str:
    turns = [_number(rate) for _, rate in trial.rates] or [_number(trial.settings.learning_rate)]
    return " → ".join(turns)


def _differing(settings: Settings, other: Settings) -> str:
    """Return in words what sets settings apart from others: "learning rate 0.1, batch size 20"."""
    found = settings.differences(other)
    return ", ".join(
        f"{WORDS.get(name, name)} {_number(v) if isinstance(v, float) else v}" for name, v in found.items()
    )


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
            "pixels": pixels(trial.settings.divide_by),
            "seed": str(trial.settings.seed),
            "images": f"{trial.settings.images:,}",
        }
        for trial in trials
    ]


def differing_rows(trials: list[Trial], always: tuple[str, ...] = ("run",)) -> list[dict[str, str]]:
    """Return the rows of the table without the columns in which all agree, but for those named in `always`."""
    rows = table_rows(trials)
    shown = [name for name in rows[0] if name in always or len({row[name] for row in rows}) > 1] if rows else []
    return [{name: row[name] for name in shown} for row in rows]


def text_table(trials: list[Trial]) -> str:
    """Return the names, results and guesses of the trials, in columns narrow enough for a small window."""
    kept = ("run", "name", "validation", "training", "result", "your guess")
    rows = [
        {SHORT.get(name, name): row[name].removesuffix(" best") for name in kept} for row in table_rows(trials)
    ]  # fmt: skip
    if not any(row["guess"] for row in rows):
        rows = [{name: value for name, value in row.items() if name != "guess"} for row in rows]
    if not rows:
        return "No runs yet."
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in rows[0]}
    lines = ["  ".join(f"{name:{width}}" for name, width in widths.items())]
    lines += ["  ".join(f"{row[name]:{width}}" for name, width in widths.items()) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def html_table(trials: list[Trial], shown: set[int]) -> str:
    """Return names, results and what differs as an HTML table, with controls to show, name, repeat and remove a run.

    Args:
        trials: the trials.
        shown: numbers of those whose curves are shown.
    """
    rows, best = differing_rows(trials, ("run", "name", "validation", "training", "result")), best_trial(trials)
    if not rows:
        return "<p>No runs yet. Press Start.</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in ["shown", *rows[0], "actions"])
    body = ""
    for trial, row in zip(trials, rows, strict=True):
        name, number = trial.name, trial.number
        cells = "".join(f"<td>{escape(value)}</td>" for column, value in row.items() if column not in ("run", "name"))
        ticked = " checked" if number in shown else ""
        able = "disabled " if trial.run is None else ""
        body += (
            f'<tr{" class=best" if trial is best else ""}><td><input type="checkbox" name="show:{number}"{ticked} '
            f'{able}aria-label="Show the curves of {name}" title="Show or hide its curves"></td>'
            f'<th scope="row">{name}</th><td>'
            f'<input type="text" name="title:{number}" value="{escape(trial.title)}" size="24" '
            f'placeholder="{escape(row["name"])}" maxlength="{LONGEST_TITLE}" '
            f'aria-label="Name of {name}" title="Give the run a name of your own"></td>{cells}'
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
        if trial.run is not None
    )
    return (
        f"Validation accuracy, and beside it validation loss, against steps, one curve a run: {ends or 'no run yet'}."
    )


def csv_text(trials: list[Trial]) -> str:
    """Return the trials as CSV: one row each, numbers as numbers."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trial in trials:
        settings = trial.settings
        found = (trial.training_accuracy, trial.validation_accuracy, trial.validation_loss)
        results = ["" if math.isnan(value) else round(value, 6) for value in found]
        # A spreadsheet would take such a title for a formula.
        title = f"'{trial.title}" if trial.title[:1] in ("=", "+", "-", "@") else trial.title
        writer.writerow(
            [trial.number, title, settings.seed, settings.learning_rate, settings.schedule, settings.batch_size,
             settings.steps, settings.weight_decay, settings.divide_by, settings.images, trial.step,
             "; ".join(f"{rate:.6g} from step {step}" for step, rate in trial.rates), *results,
             trial.diverged, trial is best_trial(trials), trial.guess]
        )  # fmt: skip
    return written.getvalue()


def read_csv(text: str, name: str) -> list[Trial]:
    """Return the trials of a saved table, without their runs.

    Args:
        text: what `csv_text` wrote.
        name: of the file, for what is said about it.

    Raises:
        ArgumentError: it is no such table.
    """

    def number(written: str) -> float:
        return float(written) if written else math.nan

    trials = []
    try:
        for row in csv.DictReader(io.StringIO(text, newline="")):
            settings = Settings.parse(", ".join(f"{field}={row[field]}" for field in Settings.__dataclass_fields__))
            rates = tuple((int(step), float(rate)) for rate, step in (
                turn.split(" from step ") for turn in row["learning_rates"].split("; ") if turn))  # fmt: skip
            loaded = Loaded(int(row["steps_done"]), *(number(row[f"{column}"]) for column in COLUMNS[12:15]),
                            row["diverged"] == "True")  # fmt: skip
            title = (row["name"] or "from a table").removeprefix("'")
            trials.append(Trial(0, settings, row["guess"], rates=rates, title=title, loaded=loaded))
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise ArgumentError(f"{name} is no table of runs, or is damaged. Give a file that Save table wrote.") from error
    if not trials:
        raise ArgumentError(f"{name} holds no runs. Give a file that Save table wrote.")
    return trials


def parameters_cell(trial: Trial) -> str:
    """Return the code to paste over the parameters cell of notebook 6, with a comment on what it has no name for."""
    settings = trial.settings
    lines = [
        f"seed = {settings.seed}",
        f"learning_rate = {settings.learning_rate!r}",
        f"batch_size = {settings.batch_size}",
        f"steps = {settings.steps:_}",
        f"weight_decay = {settings.weight_decay!r}",
    ]
    apart = []
    if len(trial.rates) > 1:
        apart.append(f"the rate was turned: {_rates(trial)}")
    if settings.schedule != "linear":
        apart.append(f'schedule="{settings.schedule}"')
    if settings.divide_by != 255.0:
        apart.append(f"divide_by={settings.divide_by}")
    if settings.images != 45_000:
        apart.append(f"{settings.images:,} images")
    if apart:
        lines.append(f"# {trial.name} had besides: {', '.join(apart)}. The parameters cell has no names for these.")
    return "\n".join(lines)


def status(trial: Trial | None, running: bool, problem: str = "") -> str:
    """Return what there is to say about the newest trial, in one or two sentences."""
    if problem:
        return problem
    if trial is None:
        return "Ready. Choose settings, or a preset, and press Start."
    run, settings = trial.run, trial.settings
    if run is None:
        return f"{trial.label} begins."
    where = f"{trial.label}, step {trial.step:,} of {settings.steps:,} ({trial.epochs:.2f} epochs)"
    if trial.overflowed:
        return f"{where}: it diverges. The numbers have grown too large to go on. Lower the learning rate."
    if trial.diverged:
        loss = float(np.mean(run.loss[-max(1, trial.step // 10) :]))
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


def what_go_on_keeps(trial: Trial | None, settings: Settings) -> str:
    """Return which settings a stopped trial keeps though the controls say otherwise; empty where there are none."""
    if trial is None or trial.done or trial.loaded:
        return ""
    kept = _differing(trial.settings, replace(settings, learning_rate=trial.settings.learning_rate,
                                              steps=trial.settings.steps))  # fmt: skip
    return f"Go on keeps {trial.name}'s {kept}; Start begins a new run with all settings above." if kept else ""
