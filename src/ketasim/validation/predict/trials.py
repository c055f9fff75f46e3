"""Runs a trial under draws of the parameters, as far as its published rows need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ketasim.trials.row_people import RowTables
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.study import Observation, Study

if TYPE_CHECKING:
    from ketasim.model.parameters import ParameterSet
    from ketasim.model.simulator import Simulator
    from ketasim.population.draws import Draws

__all__ = ["simulated_rows"]

#: Most patients and numbers of courses (8 bytes each) that are worked on together.
_MOST, _NUMBERS = 4096, 6_000_000
#: How many times as many patients are let in where rules send them on to other arms.
_MOST_TIMES = 4


def simulated_rows(
    study: Study,
    rows: Sequence[Observation],
    draws: Draws,
    per_draw: int,
    seed: int,
    *,
    simulator: Simulator,
    parameters: ParameterSet,
    common: bool = False,
    between_study: bool = False,
) -> RowTables:
    """Simulate a trial once a draw.

    Parameters
    ----------
    study : Study
        The trial.
    rows : sequence of Observation
        What is wanted of it: no longer and no other arms are simulated than these need.
    draws : Draws
        Of the parameters.
    per_draw : int
        Patients of each arm that is needed, in each draw.
    seed : int
        Names the random numbers.
    simulator : Simulator
        The model.
    parameters : ParameterSet
        What the draws move.
    common, between_study : bool
        As of :class:`~ketasim.trials.conduct.trial.Trial`.
    """
    from ketasim.trials.conduct.trial import Trial
    from ketasim.trials.runs.workers import chunks_of, run_chunk

    trial = Trial(
        study,
        simulator,
        parameters,
        seed,
        _sizes(study, rows, per_draw),
        _end_h(study, rows),
        with_twin=False,
        between_study=between_study,
        keep="scores",
        draws=draws,
        common=common,
    )
    width = trial.largest_grid * len(trial.recorded)
    size = max(1, min(_MOST, _NUMBERS // width))
    parts = [run_chunk(trial, chunk).outcomes for chunk in chunks_of(trial.count * len(draws), size)]
    return RowTables(study, Outcomes(parts))


def _sizes(study: Study, rows: Sequence[Observation], per_draw: int) -> dict[str, int]:
    """Patients of each arm: a single one where no row is about it or about an arm that is reached from it."""
    first = [arm.id for arm in study.first_arms]
    named = {name for row in rows for name in (*row.arms, *row.comparators)}
    later = any(row.origin != "entry" for row in rows) or bool(named - set(first))
    if not later:
        return {name: per_draw if name in named else 1 for name in first}
    # Arms that are reached by rules share those who enter: more enter, so that each has some in a draw.
    times = min(max(round((len(study.arms) - len(first)) / len(first)), 1), _MOST_TIMES)
    return dict.fromkeys(first, per_draw * times)


def _end_h(study: Study, rows: Sequence[Observation]) -> float | None:
    """Last time that the rows need; None for the end of the trial."""
    if any(row.origin != "entry" for row in rows):
        return None
    times = [0.0]
    for row in rows:
        times += [time for time in (row.time_h, row.with_time_h, row.among_time_h) if time is not None]
        if row.statistic == "relapse" and study.setting.relapse is not None:
            times.append(study.setting.relapse.after_h)
    # A trial has at least its first visit after entry.
    first = min((time for time in study.times_h if time > 0.0), default=None)
    return None if first is None else float(np.maximum(max(times), first))
