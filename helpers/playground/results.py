"""The kept trials as words: in a table, in a CSV file, and as the parameters cell of notebook 6."""

import csv
import io
import math
import os
from html import escape
from pathlib import Path

import numpy as np

from helpers.errors import ArgumentError
from helpers.playground.training import Trial, best_trial

PIXELS = {255.0: "0 to 1", 1.0: "0 to 255"}
SHORT = {"your guess": "guess", "learning rate": "rate", "batch size": "batch", "weight decay": "decay"}


def percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{share:.1%}"


def verdict(trial: Trial) -> str:
    """Return one sentence that puts the learner's guess beside the truth; empty without a guess or a truth."""
    if not (trial.guess and trial.outcome):
        return ""
    if trial.guess == trial.outcome:
        return f"You guessed “{trial.guess}”: right."
    return f"You guessed “{trial.guess}”; the truth is “{trial.outcome}”."


def _number(value: float) -> str:
    return f"{value:.6g}"


def _rates(trial: Trial) -> str:
    turns = [_number(rate) for _, rate in trial.rates] or [_number(trial.settings.learning_rate)]
    return " → ".join(turns)


def table_rows(trials: list[Trial]) -> list[dict[str, str]]:
    """Return a row for each trial: its settings and its results, in words."""
    best = best_trial(trials)
    return [
        {
            "run": trial.name,
            "validation": percent(trial.validation_accuracy) + (" ★ best" if trial is best else ""),
            "training": percent(trial.training_accuracy),
            "result": trial.outcome,
            "your guess": trial.guess,
            "learning rate": _rates(trial),
            "schedule": trial.settings.schedule,
            "batch size": f"{trial.settings.batch_size:,}",
            "steps": f"{trial.step:,}" + ("" if trial.done else f" of {trial.settings.steps:,}"),
            "weight decay": _number(trial.settings.weight_decay),
            "pixels": PIXELS[trial.settings.divide_by],
            "seed": str(trial.settings.seed),
            "images": f"{trial.settings.images:,}",
        }
        for trial in trials
    ]


def text_table(trials: list[Trial]) -> str:
    """Return the settings and results that differ between the trials, in columns narrow enough for a small window."""
    rows = [
        {SHORT.get(name, name): value.removesuffix(" best") for name, value in row.items()}
        for row in table_rows(trials)
    ]
    shown = [name for name in rows[0] if name == "run" or len({row[name] for row in rows}) > 1] if rows else []
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in shown}
    lines = ["  ".join(f"{name:{widths[name]}}" for name in shown)]
    lines += ["  ".join(f"{row[name]:{widths[name]}}" for name in shown) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def html_table(trials: list[Trial]) -> str:
    """Return all settings and results as an HTML table with headers that a screen reader reads."""
    rows, best = table_rows(trials), best_trial(trials)
    if not rows:
        return "<p>No runs yet. Press Start.</p>"
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = ""
    for trial, row in zip(trials, rows, strict=True):
        name, *values = row.values()
        cells = "".join(f"<td>{escape(value)}</td>" for value in values)
        body += f'<tr{" class=best" if trial is best else ""}><th scope="row">{escape(name)}</th>{cells}</tr>'
    return f'<div class="runs" tabindex="0" role="region" aria-label="All runs"><table><thead><tr>{head}</tr></thead>' \
           f"<tbody>{body}</tbody></table></div>"  # fmt: skip


def comparison_words(trials: list[Trial]) -> str:
    """Return the alt text of the compared curves."""
    ends = "; ".join(
        f"{trial.name} {'diverges at' if trial.run.diverged else 'ends at'} {percent(trial.validation_accuracy)}"
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
    writer.writerow(
        ["run", "seed", "learning_rate", "schedule", "batch_size", "steps", "weight_decay", "divide_by", "images",
         "steps_done", "learning_rates", "training_accuracy", "validation_accuracy", "validation_loss", "diverged",
         "best", "guess"]
    )  # fmt: skip
    for trial in trials:
        settings, run = trial.settings, trial.run
        loss = float(run.validation_loss[-1]) if run and len(run.validation_loss) else math.nan
        results = ["" if math.isnan(value) else round(value, 6)
                   for value in (trial.training_accuracy, trial.validation_accuracy, loss)]  # fmt: skip
        writer.writerow(
            [trial.number, settings.seed, settings.learning_rate, settings.schedule, settings.batch_size,
             settings.steps, settings.weight_decay, settings.divide_by, settings.images, trial.step,
             "; ".join(f"{rate:.6g} from step {step}" for step, rate in trial.rates), *results,
             bool(run and run.diverged), trial is best_trial(trials), trial.guess]
        )  # fmt: skip
    return written.getvalue()


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


def write_file(path: str | os.PathLike, content: bytes) -> Path:
    """Write a file, whole or not at all; return its path. Raises `ArgumentError` where it can't be written."""
    path = Path(path).expanduser()
    if not path.name:
        raise ArgumentError(f"{str(path)!r} names no file. Give a name, such as my-runs.")
    work = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        try:
            work.write_bytes(content)
            os.replace(work, path)
        finally:
            work.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ArgumentError(
            f"{path} can't be written: {reason}. Nothing was changed. Choose another name or folder."
        ) from error
    return path


def status(trial: Trial | None, running: bool, problem: str = "") -> str:
    """Return what there is to say about the newest trial, in one or two sentences."""
    if problem:
        return problem
    if trial is None:
        return "Ready. Choose settings, or a preset, and press Start."
    run, settings = trial.run, trial.settings
    if run is None:
        return f"{trial.name} begins."
    where = f"{trial.name}, step {trial.step:,} of {settings.steps:,}"
    if trial.overflowed:
        return f"{where}: it diverges. The numbers have grown too large to go on. Lower the learning rate."
    if run.diverged:
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
    words += f" {verdict(trial)}" if verdict(trial) else ""
    return f"{words} Done: see Compare, below." if trial.done else f"{words} Stopped; Go on continues."
