"""Bands: what is not known, and how people differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.columns import five_digits
from ketasim.api.scenarios.courses import Courses, Look, courses_of
from ketasim.api.scenarios.faults import Fault, ScenarioError
from ketasim.api.scenarios.people import Kind
from ketasim.api.scenarios.rows import OUTPUTS, PLACES
from ketasim.api.scenarios.solving import Lot, Stop

__all__ = ["BANDS", "BandKind", "Spread", "examples_of", "quantiles_of", "spreads_of"]

FloatArray = npt.NDArray[np.float64]
BandKind = Literal["none", "knowledge", "people", "both"]

#: What a band may be of.
BANDS: Final[tuple[BandKind, ...]] = ("none", "knowledge", "people", "both")
#: Accuracy of people and draws: quantiles then move by less than 0.0002 of the largest value.
_RTOL: Final = 1e-3
#: Numbers that are held at once (half a gigabyte), and doses and days that are solved (about 20 s).
_MOST_NUMBERS: Final = 64_000_000
_MOST_WORK: Final = 400_000
_QUANTILES: Final = {"q05": 0.05, "q25": 0.25, "q75": 0.75, "q95": 0.95}


@dataclass(frozen=True, eq=False)
class Spread:
    """Courses behind the bands of one scenario.

    Parameters
    ----------
    knowledge : Courses or None
        The typical person under draws of what is not known.
    people : Courses or None
        Virtual people.
    band : str
        Which bands are shown.
    """

    knowledge: Courses | None
    people: Courses | None
    band: BandKind

    def shown(self) -> dict[str, Courses]:
        """Courses of the bands that are shown, by what they are of."""
        wanted = ("knowledge", "people") if self.band == "both" else (self.band,)
        found = {"knowledge": self.knowledge, "people": self.people}
        return {kind: own for kind, own in found.items() if own is not None and kind in wanted}


def spreads_of(
    looks: Sequence[Look],
    band: BandKind,
    draws: int,
    people: int,
    seed: int,
    *,
    examples: bool = False,
    stop: Stop | None = None,
) -> list[Spread]:
    """Simulate draws and people of several scenarios in one go.

    Parameters
    ----------
    looks : sequence of Look
        The scenarios.
    band : str
        One of :data:`BANDS`.
    draws, people : int
        Draws, and people; a band of people has as many as draws at least.
    seed : int
        Names the random numbers of people.
    examples : bool
        Whether people are looked at one by one.
    stop : array of int, shape (1,), optional
        As for :func:`~ketasim.api.scenarios.solving.solve_lots`.
    """
    persons = max(people, draws) if band in ("people", "both") else people
    counts = {"knowledge": draws if band in ("knowledge", "both") else 0, "people": persons}
    asked: list[tuple[Look, tuple[Lot, Lot]]] = []
    kinds: tuple[Kind, ...] = ("knowledge", "people")
    for look in looks:
        for kind in kinds:
            # People who are only counted need not be looked at in every column.
            shown = band in (kind, "both") or (examples and kind == "people")
            times = look.band_times_h if shown else look.count_times_h
            if counts[kind]:
                asked.append((look, look.lots(times, kind, counts[kind], seed)))
    _check_size(asked)
    found = iter(courses_of(asked, _RTOL, stop=stop))
    spreads = []
    for _ in looks:
        knowledge = next(found) if counts["knowledge"] else None
        spreads.append(Spread(knowledge, next(found) if counts["people"] else None, band))
    return spreads


def _check_size(asked: Sequence[tuple[Look, tuple[Lot, Lot]]]) -> None:
    """Refuse what would fill the memory, or take much longer than anybody waits before a screen."""
    numbers = work = 0
    for look, (drug, _) in asked:
        numbers += 2 * len(drug.block) * len(drug.times_h) * len(OUTPUTS)
        work += 2 * len(drug.block) * (len(drug.regimen.doses) + look.days)
    if numbers > _MOST_NUMBERS or work > _MOST_WORK:
        allowed = "fewer draws, people, columns, doses or scenarios at once"
        message = (
            f"{sum(len(drug.block) for _, (drug, _) in asked)} draws and people of {len(asked)} kinds with "
            f"their doses are too many at once; give {allowed}."
        )
        hint = "Simulate one scenario after the other, or run a trial, which has no such limit."
        raise ScenarioError([Fault("draws", message, None, allowed, None, hint)])


def quantiles_of(spread: Spread, values: Mapping[str, FloatArray]) -> dict[str, FloatArray] | None:
    """Quantiles of a row over the columns, by their public names.

    Parameters
    ----------
    spread : Spread
        Says which bands are shown.
    values : dict of str to array, shape (persons, columns)
        Values of each of :meth:`Spread.shown`.
    """
    found: dict[str, FloatArray] = {}
    for kind, own in values.items():
        prefix = "people_" if spread.band == "both" and kind == "people" else ""
        levels = five_digits(np.quantile(own, list(_QUANTILES.values()), axis=0))
        found |= {f"{prefix}{name}": level for name, level in zip(_QUANTILES, levels, strict=True)}
    return found or None


def examples_of(spread: Spread, rows: Sequence[str], count: int) -> dict[str, FloatArray] | None:
    """Courses of the first virtual people who could be solved, one by one.

    Parameters
    ----------
    spread : Spread
        Whose people; made with ``examples``.
    rows : sequence of str
        Rows that are wanted.
    count : int
        How many people, at most.

    Returns
    -------
    dict of str to array, shape (people, columns), or None
        None if there are none.
    """
    people = spread.people
    if people is None or not count:
        return None
    courses = people.solved[0].values[:count]
    found = {name: courses[:, :, PLACES[name]] for name in rows} | {"madrs": people.scores[0][:count]}
    return {name: five_digits(people.at_columns(found[name])) for name in rows}
