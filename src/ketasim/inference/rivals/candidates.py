"""Experiments that could be done, and what each outcome would tell about which wiring is right."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from ketasim.errors import ModelError
from ketasim.inference.rivals.tables import best_of, draws_of
from ketasim.model.chain import STAGES
from ketasim.population.draws import Draws
from ketasim.trials.experiment import Experiment, simulate_experiment
from ketasim.validation.between import Between
from ketasim.validation.predict.reading_error import error_of

__all__ = ["Candidate", "Information", "effects", "information", "load_candidates", "mutual_information"]

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

_FILE = "candidates.yaml"
#: The outcome stands in an experiment as a row whose published value is not looked at.
_ROW = {"id": "outcome", "statistic": "difference", "value": 0.0, "use": "check", "citation": "none"}
#: Points of the grid on which outcomes are integrated, and how many SDs it goes beyond the outermost mean.
_POINTS, _BEYOND = 4001, 8.0
#: An outcome that varies less than this is one that cannot be told from a fixed one.
_SMALLEST_SD = 1e-6


@dataclass(frozen=True)
class Candidate:
    """An experiment that could be done.

    Parameters
    ----------
    id, title : str
        Name, and what is done.
    n : int
        Persons or animals an arm.
    experiment : Experiment
        Arms, and the outcome as its only row.
    """

    id: str
    title: str
    n: int
    experiment: Experiment

    @property
    def outcome(self) -> str:
        """What is read, in words."""
        row = self.experiment.observations[0]
        when = "at rest" if row.measure == "rest" else f"at {row.time}"
        return f"{row.quantity} {when}: {row.arm} less {row.comparator}"


@dataclass(frozen=True, eq=False)
class Information:
    """What an experiment is expected to tell.

    Parameters
    ----------
    candidate : Candidate
        The experiment.
    bits : float
        Mutual information of wiring and outcome, every wiring as likely as another before.
    mean, sd : array, shape (wirings,)
        Of the outcome under each wiring, in the unit of the quantity: parameters, sample and studies in it.
    effect : array, shape (wirings,)
        The outcome in a large sample at the best values of each wiring.
    """

    candidate: Candidate
    bits: float
    mean: FloatArray
    sd: FloatArray
    effect: FloatArray


@cache
def load_candidates() -> tuple[Candidate, ...]:
    """The declared experiments."""
    text = (resources.files(__package__) / _FILE).read_text(encoding="utf-8")
    return tuple(_candidate(item) for item in yaml.safe_load(text))


def _candidate(item: Mapping[str, Any]) -> Candidate:
    from ketasim.trials.experiment.definition import model_quantities

    outcome = item["outcome"]
    unit = model_quantities()[outcome["quantity"]]
    data = {
        "schema": 1,
        "kind": "experiment",
        "id": f"candidate_{item['id']}",
        "title": item["title"],
        "citation": "none",
        "domain": "mechanism",
        "species": item["species"],
        "subjects": {"state": "depressed" if item["species"] == "human" else "stressed"},
        "arms": [{"n": item["n"], **arm} for arm in item["arms"]],
        "observations": [{**_ROW, **outcome, "unit": unit}],
    }
    text = yaml.safe_dump(data, sort_keys=False)
    return Candidate(item["id"], item["title"], item["n"], Experiment.parse(text, f"{_FILE}, {item['id']}"))


def mutual_information(mean: FloatArray, sd: FloatArray) -> float:
    """Mutual information of a wiring and a normal outcome, in bits; all wirings are as likely before.

    Parameters
    ----------
    mean, sd : array, shape (wirings,)
        Of the outcome under each; SDs above 0.

    Returns
    -------
    float
        0 if the outcome is the same under all; the logarithm of their number if it always tells them apart.
    """
    # Each wiring has its own grid, so that a narrow one among wide ones is not stepped over.
    steps = np.linspace(-_BEYOND, _BEYOND, _POINTS)
    weights = np.exp(-0.5 * steps**2)
    weights /= weights.sum()
    total = 0.0
    for own_mean, own_sd in zip(mean, sd, strict=True):
        z = (own_mean + own_sd * steps[:, None] - mean) / sd
        logs = -0.5 * z**2 - np.log(sd)
        own = -0.5 * steps**2 - np.log(own_sd)
        top = logs.max(axis=1)
        mixed = top + np.log(np.exp(logs - top[:, None]).mean(axis=1))
        total += float(weights @ (own - mixed))
    return max(total / len(mean) / math.log(2.0), 0.0)


def information(
    wirings: Sequence[str],
    between: Between,
    *,
    sets: int = 40,
    per_draw: int = 2,
    seed: int = 1,
    progress: Progress = lambda *_: None,
    candidates: Sequence[Candidate] | None = None,
) -> list[Information]:
    """Rank experiments by what they are expected to tell about the wirings.

    Parameters
    ----------
    wirings : sequence of str
        Names; at least two.
    between, sets, per_draw, seed, progress
        As of :func:`ketasim.inference.rivals.held.held_back`.
    candidates : sequence of Candidate, optional
        Default: the declared ones.

    Returns
    -------
    list of Information
        The most telling first.

    Raises
    ------
    ModelError
        If there are fewer than two wirings.
    """
    if len(wirings) < 2:
        raise ModelError(f"hypotheses: nothing can tell {', '.join(wirings)} from itself; name two or more.")
    chosen = load_candidates() if candidates is None else candidates
    table = effects(wirings, candidates=chosen, seed=seed)
    found = []
    for place, candidate in enumerate(chosen):
        moments = [_outcome(candidate, draws_of(name, sets), per_draw, seed, between) for name in wirings]
        mean, sd = np.array(moments).T
        found.append(Information(candidate, mutual_information(mean, sd), mean, sd, table[place]))
        progress("experiments that could be done", place + 1, len(chosen))
    return sorted(found, key=lambda item: -item.bits)


def _outcome(
    candidate: Candidate, draws: Draws, per_draw: int, seed: int, between: Between
) -> tuple[float, float]:
    """Mean and SD of the outcome of an experiment of the size that is declared."""
    first, second = _arms(candidate, draws, per_draw, seed, common=False)
    paired = first - second
    means = _mean(paired)
    means = means[np.isfinite(means)]
    if len(means) < 2:
        raise ModelError(f"hypotheses: candidate {candidate.id}: nobody can be simulated; choose another.")
    # The same persons are in both arms, so that chance between persons hardly moves the mean.
    parameters = max(float(means.var(ddof=1)) - _variance(paired) / per_draw, 0.0)
    within = sum(_within(candidate, arm) for arm in (first, second))
    studies = between.sd("absolute", candidate.experiment.domain) ** 2 * within
    sd = float(np.sqrt(parameters + within / candidate.n + studies))
    return float(means.mean()), max(sd, _SMALLEST_SD)


def _variance(values: FloatArray) -> float:
    """Variance between persons of one draw, over all draws; 0 where no draw has two."""
    off = values - _mean(values)[:, None]
    freedom = np.maximum(np.isfinite(values).sum(axis=1) - 1, 0).sum()
    return float(np.nansum(off**2)) / float(freedom) if freedom else 0.0


def _within(candidate: Candidate, values: FloatArray) -> float:
    """Variance between persons of what is read of them, the error of a reading included."""
    quantity = candidate.experiment.observations[0].quantity
    owners = {item.name: stage.name for stage in STAGES for item in stage.provides}
    error = error_of(quantity, owners[quantity])
    found = _variance(values)
    if error is None:
        return found
    size = error.value if error.kind == "absolute" else error.value * values
    return found + float(np.nanmean(np.square(size)))


def _arms(
    candidate: Candidate, draws: Draws, per_draw: int, seed: int, *, common: bool
) -> tuple[FloatArray, FloatArray]:
    """The outcome's quantity in both arms, shape (draws, persons).

    The same persons are in both arms; NaN for who cannot be simulated in one of them.
    """
    same = candidate.experiment.model_copy(update={"crossover": True})
    readings = simulate_experiment(same, draws=draws, per_draw=per_draw, seed=seed, common=common)
    (row,) = same.observations
    first, second = (
        readings.values(arm, row.quantity, row.measure, row.time_h) for arm in (*row.arms, *row.comparators)
    )
    missing = np.isnan(first) | np.isnan(second)
    return np.where(missing, np.nan, first), np.where(missing, np.nan, second)


def effects(
    wirings: Sequence[str],
    *,
    candidates: Sequence[Candidate] | None = None,
    persons: int = 6,
    seed: int = 1,
) -> FloatArray:
    """Outcome of each experiment at the best values of each wiring.

    Parameters
    ----------
    wirings : sequence of str
        Names.
    candidates : sequence of Candidate, optional
        Default: the declared ones.
    persons : int
        Persons an arm: the same ones in every arm and under every wiring, so that few are enough.
    seed : int
        Names them.

    Returns
    -------
    array, shape (candidates, wirings)
        In the unit of the quantity.
    """
    draws = best_of(tuple(wirings))
    chosen = load_candidates() if candidates is None else candidates
    found = []
    for candidate in chosen:
        first, second = _arms(candidate, draws, persons, seed, common=True)
        found.append(_mean(first - second))
    return np.array(found)


def _mean(values: FloatArray) -> FloatArray:
    """Mean over the persons of each draw who could be simulated; NaN without any."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return np.where(count > 0, sums / np.maximum(count, 1), np.nan)
