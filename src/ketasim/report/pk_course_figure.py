"""A published time course of every enantiomer and metabolite, with the model's curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ketasim.report.course_figure import COURSE_FORMATS
from ketasim.report.style import INK, INK2, LINE, SMALL, TEXT, WIDTH, bare, new_figure

__all__ = ["PkCourse", "pk_course_figure", "write_pk_course_figure"]

FloatArray = npt.NDArray[np.float64]

#: Colour, dashes and mark: total and S, and R.
_STYLES = (("#0072b2", "-", "o"), ("#d55e00", (0, (5.0, 2.0)), "s"))
_NAMES = {"ketamine": "Ketamine", "norketamine": "Norketamine", "dhnk": "Dehydronorketamine",
          "hnk": "Hydroxynorketamine"}  # fmt: skip
_HEIGHT_OF_ROW, _BELOW, _ABOVE = 2.75, 0.25, 0.15


@dataclass(frozen=True)
class PkCourse:
    """One regimen with what was published and what the model gives.

    Parameters
    ----------
    title : str
        What was given, in words.
    times_h : array, shape (times,)
        Hours from the first dose.
    quantities : mapping of str to array, shape (times,)
        The model's concentrations in ng/mL.
    rows : pandas.DataFrame
        Published values at a time: ``quantity``, ``site``, ``time_h`` and ``value``.
    """

    title: str
    times_h: FloatArray
    quantities: Mapping[str, FloatArray]
    rows: pd.DataFrame


def pk_course_figure(courses: list[PkCourse], source: str) -> Figure:
    """Draw a row of panels a regimen: ketamine and each metabolite, S and R together.

    Parameters
    ----------
    courses : list of PkCourse
        From top to bottom.
    source : str
        Who published them.

    Returns
    -------
    Figure
        Marks were published; lines are the model's.
    """
    height = _HEIGHT_OF_ROW * len(courses) + _BELOW + _ABOVE
    figure = new_figure(height)
    for line, course in enumerate(courses):
        species = [name for name in _NAMES if _of(course.rows, name)]
        bottom = _BELOW + _HEIGHT_OF_ROW * (len(courses) - 1 - line) + 0.6
        figure.text(
            0.012, (bottom + 2.02) / height, course.title, fontsize=TEXT, color=INK, va="bottom"
        )  # fmt: skip
        for place, name in enumerate(species):
            step = WIDTH / len(species)
            box = ((step * place + 0.7) / WIDTH, bottom / height, (step - 0.85) / WIDTH, 1.6 / height)
            _panel(figure.add_axes(box), course, name)
    sites = " and ".join(sorted({str(site) for course in courses for site in course.rows["site"]}))
    figure.text(
        0.012,
        0.08 / height,
        f"Marks: published ({source}), {sites}; lines: the model in an adult of 70 kg.",
        fontsize=SMALL,
        color=INK2,
        va="bottom",
    )
    return figure


def _of(rows: pd.DataFrame, species: str) -> list[str]:
    """Quantities of a species that were published: the total, S and R."""
    present = set(rows["quantity"])
    return [name for name in (species, f"s_{species}", f"r_{species}") if name in present]


def _panel(ax: Axes, course: PkCourse, species: str) -> None:
    for name in _of(course.rows, species):
        own = course.rows[course.rows["quantity"] == name]
        colour, dashes, mark = _STYLES[name.startswith("r_")]
        label = {"s_": "S", "r_": "R"}.get(name[:2], "S + R")
        for site in sorted(set(own["site"])):
            ax.plot(
                course.times_h,
                course.quantities[f"{name}_{site}"],
                color=colour,
                linestyle=dashes,
                linewidth=1.6,
                label=label,
            )
        ax.plot(
            own["time_h"], own["value"], mark, color=colour, markersize=4.2, markeredgecolor=INK,
            markeredgewidth=0.5, linestyle="none", zorder=3,
        )  # fmt: skip
    ax.set_xlim(0.0, float(course.times_h[-1]))
    ax.set_ylim(bottom=0.0)
    bare(ax)
    ax.grid(color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.set_title(_NAMES[species], loc="left", fontsize=SMALL, color=INK)
    ax.set_xlabel("hours", fontsize=SMALL, color=INK2)
    ax.set_ylabel("ng/mL", fontsize=SMALL, color=INK2)
    ax.legend(fontsize=SMALL, frameon=False, loc="upper left", labelcolor=INK)


def write_pk_course_figure(courses: list[PkCourse], source: str, path: Path) -> Path:
    """Write :func:`pk_course_figure` to a file whose ending (.svg, .png, .pdf) says the format.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path.write_bytes(COURSE_FORMATS[path.suffix.lower()](pk_course_figure(courses, source)))
    return path
