"""Every figure of the series. Each function draws one and returns it, and it shows itself."""

from helpers.plots.diagrams import *  # noqa: F403
from helpers.plots.figure import new_figure, show_png  # noqa: F401
from helpers.plots.hidden import *  # noqa: F403
from helpers.plots.live import *  # noqa: F403
from helpers.plots.program import *  # noqa: F403
from helpers.plots.records import *  # noqa: F403
from helpers.plots.templates import *  # noqa: F403
