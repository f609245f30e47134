"""The hyperparameters of a run, and what a learner may write for them."""

import contextlib
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from helpers.arguments import check_settings
from helpers.errors import ArgumentError
from helpers.softmax import train

MOST_IMAGES = 45_000
_BY_DEFAULT: Any = train.__kwdefaults__
THOUSANDS = re.compile(r"\d{1,3}([.,_'\s]\d{3})+")


def read_number(written, whole: bool = False):
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


def check_whole(name: str, value, least: int, most: int) -> int:
    """Return a whole number from `least` to `most`; raise `ArgumentError` where it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ArgumentError(f"{name} = {value!r} makes no sense. Give a whole number, {least} to {most:,}.")
    return value


@dataclass(frozen=True)
class Settings:
    """The hyperparameters of a run, named as `train` names them, and how many images it learns from.

    `str` turns them into one line of text, which `Settings.parse` reads again. Raises `ArgumentError` where one of them
    makes no sense.
    """

    seed: int = _BY_DEFAULT["seed"]
    learning_rate: float = _BY_DEFAULT["learning_rate"]
    schedule: str = _BY_DEFAULT["schedule"]
    batch_size: int = _BY_DEFAULT["batch_size"]
    steps: int = _BY_DEFAULT["steps"]
    weight_decay: float = _BY_DEFAULT["weight_decay"]
    divide_by: float = _BY_DEFAULT["divide_by"]  # 1.0 leaves the pixels at 0 to 255, as the 2016 post did
    images: int = MOST_IMAGES

    def __post_init__(self):
        values = asdict(self)
        check_whole("images", values.pop("images"), 1, MOST_IMAGES)
        check_settings(**values)

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in asdict(self).items())

    def changed(self, **written) -> "Settings":
        """Return these settings but for those given, each as a value or as text; raise `ArgumentError`."""
        for name in written:
            if name not in NAMES:
                raise ArgumentError(f"There is no setting {name!r}. Choose among {', '.join(NAMES)}.")
        return replace(self, **{n: read_number(text, isinstance(DEFAULTS[n], int)) for n, text in written.items()})

    @classmethod
    def parse(cls, line: str) -> "Settings":
        """Return the settings that a line of text names, such as "learning_rate=0.1, steps=500"; others by default."""
        found = re.findall(r"(\w+)\s*=\s*(.*?)\s*[,;]?\s*(?=\w+\s*=|$)", line.strip())
        if not found:
            raise ArgumentError(f"{line!r:.60} names no settings. Write them as in {str(cls())!r}.")
        return cls().changed(**{name: written.strip("'\"") for name, written in found})

    def parameters_cell(self) -> str:
        """Return the code to paste over the parameters cell of notebook 6, and in a comment what it has no name for."""
        names = ("seed", "learning_rate", "batch_size", "steps", "weight_decay")
        lines = [f"{name} = {getattr(self, name):_}" for name in names]
        apart = [f"{name}={value!r}" for name, value in self.differences().items() if name not in names]
        return "\n".join(lines + [f"# Not to be set there: {', '.join(apart)}"] * bool(apart))

    def differences(self) -> dict:
        """Return the fields that are not as they are by default, each with its value."""
        return {name: value for name, value in asdict(self).items() if value != DEFAULTS[name]}


NAMES = tuple(field.name for field in fields(Settings))
DEFAULTS = asdict(Settings())
PRESETS = {
    "the post's rate and pixels": Settings(learning_rate=0.005, schedule="constant", divide_by=1.0),
    "too slow": Settings(learning_rate=0.001),
    "just right": Settings(),
    "overfitting on 500 images": Settings(learning_rate=0.1, schedule="constant", steps=3_000, images=500),
    "smooth templates": Settings(weight_decay=0.03),
}
