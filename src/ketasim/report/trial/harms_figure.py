"""Harms as dots: how often in each arm, and how much more often than in the comparator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ketasim.report.style import INK, INK2, INK3, LINE, SMALL, WIDTH, ArmStyle, arm_styles, bare, new_figure
from ketasim.report.trial.forest_figure import compared_arms
from ketasim.report.trial.layout import (
    EDGE,
    KeyItem,
    count_text,
    draw_heading,
    empty_figure,
    fitted,
    heading_height,
    left_room,
    place,
)
from ketasim.report.trial.phase import trial_from
from ketasim.report.trial.tables import Tables, Trial, arm_names, event_words
from ketasim.report.words import MINUS
from ketasim.trials.analysis.binary import risk_difference_interval
from ketasim.trials.study import Study

__all__ = ["LEAST_SHARE", "harm_dots_caption", "harm_dots_figure"]

#: A harm is shown if so large a share of an arm had it.
LEAST_SHARE = 0.05
_MOST_TERMS = 24
_MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True)
class _Harms:
    """Persons with each harm, shape (harms, arms), persons of each arm, and who is compared."""

    terms: tuple[str, ...]
    arms: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    people: npt.NDArray[np.int64]
    comparator: int | None
    left_out: int

    @property
    def shares(self) -> npt.NDArray[np.float64]:
        """Share of persons with each harm; NaN in an arm without persons."""
        people = np.where(self.people > 0, self.people, np.nan).astype(np.float64)
        return (self.counts / people).astype(np.float64)


def harm_dots_figure(
    tables: Tables,
    study: Study,
    *,
    comparator: str = "",
    least: float = LEAST_SHARE,
    replicate: int | None = None,
    origin: str = "entry",
) -> Figure:
    """Draw the share of people with each harm, and its difference from the comparator's.

    Parameters
    ----------
    tables : Tables
        The results.
    study : Study
        The design.
    comparator : str
        An arm; without one, the first arm without ketamine.
    least : float
        A harm is shown if at least this share of an arm had it.
    replicate : int, optional
        Which one; without it, the first.
    origin : str
        ``entry``, or the label of a phase; see :func:`~ketasim.report.trial.phase.trial_from`.

    Returns
    -------
    Figure
        Sorted by the largest difference, or by the largest share if there is no comparator.

    Raises
    ------
    StudyError
        If the study has no such arm.
    """
    trial = trial_from(tables, study, replicate, origin)
    title = "Harms: people with at least one"
    harms = _harms(trial, study, comparator, least)
    if not harms.people.any():
        return empty_figure(title, "The trial has no people.")
    if not harms.terms:
        why = "No harm was recorded."
        if harms.left_out:
            why = f"No harm reached {100.0 * least:g} % of any arm; {harms.left_out} were rarer."
        return empty_figure(title, why)
    return _drawn(harms, study, title)


def _drawn(harms: _Harms, study: Study, title: str) -> Figure:
    """Draw the shares, and the differences if there is a comparator."""
    names, styles = arm_names(study), arm_styles(study)
    items = [
        KeyItem.of_arm(
            f"{names[arm]}, {count_text(int(people))}", styles[arm], _MARKERS[index % len(_MARKERS)]
        )
        for index, (arm, people) in enumerate(zip(harms.arms, harms.people, strict=True))
    ]
    drawn = [styles[arm] for arm in harms.arms]
    row = max(0.3, 0.095 * len(harms.arms) + 0.06)
    tall = row * len(harms.terms)
    words = [event_words(term) for term in harms.terms]
    left = left_room(words, least=1.2, most=2.4)
    top = heading_height(title, items) + 0.3
    figure = new_figure(top + tall + 0.62)
    draw_heading(figure, title, items)
    wide = WIDTH - left - EDGE - 0.1
    first = wide * 0.46 if harms.comparator is not None else wide
    ax = place(figure, left, top, first, tall)
    _shares(ax, harms, drawn, [fitted(word, left - 0.15) for word in words])
    if harms.comparator is not None:
        other = place(figure, left + first + 0.3, top, wide - first - 0.3, tall)
        against = f"difference from {names[harms.arms[harms.comparator]]}"
        _differences(other, harms, drawn, fitted(against, wide - first - 0.3))
    return figure


def _harms(trial: Trial, study: Study, comparator: str, least: float) -> _Harms:
    """Count the people with each harm, and sort the harms."""
    arms = trial.arms(study)
    pair = compared_arms(study, comparator=comparator, origin=trial.origin)
    against = arms.index(pair[1]) if pair is not None and pair[1] in arms else None
    people = np.array([int((trial.patients["arm"] == arm).sum()) for arm in arms], dtype=np.int64)
    if against is not None and people[against] == 0:
        against = None
    rows = trial.events[trial.events["kind"] == "adverse_event"]
    rows = rows.drop_duplicates(["arm", "subject", "detail"])
    counted = rows.groupby(["detail", "arm"], observed=True).size()
    terms = sorted({str(term) for term in rows["detail"].unique()})
    counts = np.array(
        [[int(counted.get((term, arm), 0)) for arm in arms] for term in terms], dtype=np.int64
    ).reshape(len(terms), len(arms))
    found = _Harms(tuple(terms), arms, counts, people, against, 0)
    shares = np.nan_to_num(found.shares)
    size = shares.max(axis=1, initial=0.0)
    lead = size
    if against is not None:
        others = np.delete(shares, against, axis=1)
        lead = others.max(axis=1, initial=0.0) - shares[:, against]
    keep = [k for k in np.lexsort((np.array(terms), -size, -lead)) if size[k] >= least][:_MOST_TERMS]
    return _Harms(tuple(terms[k] for k in keep), arms, counts[keep], people, against, len(terms) - len(keep))


def _offsets(count: int) -> npt.NDArray[np.float64]:
    """Places of the arms' marks within a row, from top to bottom."""
    places = np.arange(count, dtype=np.float64) - 0.5 * (count - 1)
    return places * min(0.2, 0.7 / max(1, count))


def _ground(ax: Axes, rows: int, name: str, title: str) -> None:
    bare(ax)
    ax.xaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    for row in range(1, rows, 2):
        ax.axhspan(row - 0.5, row + 0.5, color=LINE, alpha=0.35, linewidth=0)
    ax.set_ylim(rows - 0.5, -0.5)
    ax.set_xlabel(name, fontsize=SMALL, color=INK2)
    ax.set_title(title, fontsize=SMALL, color=INK, loc="left", pad=6)


def _shares(ax: Axes, harms: _Harms, styles: list[ArmStyle], words: list[str]) -> None:
    _ground(ax, len(harms.terms), "people with the harm, %", "how often")
    y = np.arange(len(harms.terms))
    for index, offset in enumerate(_offsets(len(harms.arms))):
        ax.plot(
            100.0 * harms.shares[:, index],
            y + offset,
            linestyle="none",
            color=styles[index].colour,
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=5.0,
        )
    ax.set_xlim(left=0.0, right=max(10.0, 108.0 * float(np.nanmax(harms.shares))))
    ax.set_yticks(y, words)
    ax.tick_params(axis="y", labelcolor=INK)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))


def _differences(ax: Axes, harms: _Harms, styles: list[ArmStyle], title: str) -> None:
    _ground(ax, len(harms.terms), "percentage points, with 95 % interval", title)
    ax.axvline(0.0, color=INK3, linewidth=1.0)
    against = harms.comparator
    for index, offset in enumerate(_offsets(len(harms.arms))):
        if index == against or against is None or not harms.people[index]:
            continue
        gap = harms.shares[:, index] - harms.shares[:, against]
        low, high = risk_difference_interval(
            harms.counts[:, index], harms.people[index], harms.counts[:, against], harms.people[against]
        )
        y = np.arange(len(harms.terms)) + offset
        ax.hlines(y, 100.0 * low, 100.0 * high, color=styles[index].colour, linewidth=1.3)
        ax.plot(
            100.0 * gap,
            y,
            linestyle="none",
            color=styles[index].colour,
            markersize=5.0,
            marker=_MARKERS[index % len(_MARKERS)],
        )
    ax.set_yticks([])
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda x, _: f"{x:+.0f}".replace("-", MINUS).replace("+0", "0"))
    )


def harm_dots_caption(
    tables: Tables,
    study: Study,
    *,
    comparator: str = "",
    least: float = LEAST_SHARE,
    replicate: int | None = None,
    origin: str = "entry",
) -> str:
    """Say in a sentence what :func:`harm_dots_figure` shows."""
    trial = trial_from(tables, study, replicate, origin)
    harms = _harms(trial, study, comparator, least)
    if not harms.terms:
        return "No harm was frequent enough to be shown."
    what = "sorted by the share"
    if harms.comparator is not None:
        against = arm_names(study)[harms.arms[harms.comparator]]
        what = (
            f"with its difference from {against} and the score interval of Miettinen and Nurminen, "
            "sorted by the largest difference"
        )
    rest = f"; {harms.left_out} rarer ones are left out" if harms.left_out else ""
    return (
        "Share of people of each arm with a harm at least once, whatever the treatment then, "
        f"{what}, for harms of at least {100.0 * least:g} % of an arm{rest}{trial.words}."
    )
