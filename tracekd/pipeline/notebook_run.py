"""The run that a notebook works in: one that saves figures and tables, and shows sentences."""

from IPython.display import Markdown, display
from matplotlib import rcParams

from tracekd import run
from tracekd.pipeline import artefacts
from tracekd.plots import style
from tracekd.text import named


class NotebookRun(run.Run):
    """A run that saves artefacts below its folder."""

    save_figure, save_table = artefacts.save_figure, artefacts.save_table

    def say(self, text: str) -> None:
        """Show ``text`` as rendered Markdown in a notebook (plain text elsewhere), data sets by their owners' names."""
        display(Markdown(named(text)))


def open_run(notebook: str, profile: str, seed: int = 121, data: str = "") -> NotebookRun:
    """Open a notebook's run in the project's style of figures: arguments and errors of ``run.open_run``."""
    rcParams.update(style.STYLE)
    return run.open_run(notebook, profile, seed, data, kind=NotebookRun)
