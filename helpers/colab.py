"""What the first cell of a notebook does on Google Colab, once it has fetched this package."""

from importlib.metadata import requires, version

from packaging.requirements import Requirement

from helpers.data import find_data
from helpers.errors import PlainError


class VersionError(PlainError):
    """A package that is too old, or too new, for the series."""


def prepare() -> None:
    """Fetch the data, and leave all that Colab has installed as it is.

    Raises:
        VersionError: Colab's TensorFlow is none that the series runs on.
        DatasetError: no source has the data.
    """
    needs = map(Requirement, requires("ten-templates") or ())
    wanted = next(need.specifier for need in needs if need.name == "tensorflow")
    if (found := version("tensorflow")) not in wanted:
        raise VersionError(
            f"This runtime has TensorFlow {found}; the series needs {wanted}. "
            "Choose Runtime > Change runtime type > Runtime version > Latest, then run this cell again."
        )
    find_data()
