"""All figures of a report, by name, and how they are written to files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from ketasim.report.chain_figure import chain_figure
from ketasim.report.contrast_figures import contrast_figure, harms_figure, influence_figure
from ketasim.report.data import ReportData
from ketasim.report.observation_figure import observation_figure
from ketasim.report.outcome_figures import outcome_figure
from ketasim.report.style import OVERVIEW_DPI, save_figure, stacked_png

__all__ = ["FIGURES", "write_figures", "write_overview"]

#: Figures in the order of the report. Each gives None where a study has nothing to show in it.
FIGURES: Mapping[str, Callable[[ReportData], Figure | None]] = {
    "chain": chain_figure,
    "outcomes": outcome_figure,
    "observations": observation_figure,
    "contrasts": contrast_figure,
    "harms": harms_figure,
    "influence": influence_figure,
}


def write_figures(data: ReportData, folder: Path) -> list[Path]:
    """Write each figure as SVG and PNG.

    Parameters
    ----------
    data : ReportData
        The results of one run.
    folder : Path
        Made if it does not exist.

    Returns
    -------
    list of Path
        What was written. A figure that has nothing to show for this study (no control arm, no
        published numbers) is left out.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for name, draw in FIGURES.items():
        figure = draw(data)
        if figure is not None:
            written += save_figure(figure, folder, name)
    return written


def write_overview(data: ReportData, path: Path) -> Path:
    """Write the chain and the outcomes as one PNG, for a front page.

    Parameters
    ----------
    data : ReportData
        The results of one run.
    path : Path
        The PNG file; its folder is made if it does not exist.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = [chain_figure(data), outcome_figure(data)]
    path.write_bytes(stacked_png([figure for figure in drawn if figure is not None], OVERVIEW_DPI))
    return path
