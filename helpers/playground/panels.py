"""What the playground's panels share: whose runs they show, and what is said where they can't live."""

from pathlib import Path

from helpers.panel import Panel


class PlaygroundPanel(Panel):
    """A panel about the runs of a `Playground`.

    Args:
        playground: whose runs they are.
        page: the name of the page.
    """

    WORDS = "The controls of the playground."
    NOTE = (
        "The controls live while a kernel runs. If you see none above, choose Run > Run All Cells (in Colab: Runtime > "
        "Run all). If there are none after that, install anywidget where Jupyter itself is installed, and start "
        "Jupyter again. Below is how things stood when this notebook was saved."
    )

    def __init__(self, playground, page: str):
        super().__init__(Path(__file__).with_name(f"{page}.html"))
        self._playground, self._trainer = playground, playground.trainer

    def on_runs(self) -> None:
        """Take in what has become of the runs: called after each change, by the thread that trains or the learner's."""
        raise NotImplementedError
