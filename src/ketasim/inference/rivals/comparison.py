"""The whole comparison of rival mechanisms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError, unknown_name
from ketasim.inference.rivals.candidates import Information, information, load_candidates
from ketasim.inference.rivals.held import Held, difference, held_back
from ketasim.inference.rivals.interventions import InterventionScores, run_interventions
from ketasim.inference.rivals.pairs import disagreements
from ketasim.model.hypotheses import DEFAULT_WIRING, WIRINGS
from ketasim.validation.between import Between, load_between

__all__ = ["Comparison", "Evidence", "Standing", "compare"]

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Standing:
    """How a wiring stands on rows that no fit has seen.

    Parameters
    ----------
    wiring, domain : str
        Which, and on what; an empty domain is all.
    rows : int
        Rows.
    log_score : float
        Mean log score of a row, in nats.
    behind, error : float
        By how much its sum of log scores is below that of the best, and the standard error of that, by study.
    interval_score : float
        Mean interval score of a number, over the mean of all wirings: below 1 is better than usual.
    interval_behind, interval_error : float
        Mean difference of that from the best wiring's by log score, and its standard error, by study.
    inside : float
        Share of numbers inside the 95 % interval.
    signs : float
        Share of signs that are met.
    """

    wiring: str
    domain: str
    rows: int
    log_score: float
    behind: float
    error: float
    interval_score: float
    interval_behind: float
    interval_error: float
    inside: float
    signs: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """What tells the wirings apart: a test, or rows of one stage in one domain.

    Parameters
    ----------
    name, kind : str
        What; ``test`` or ``held back``.
    rows : int
        Published rows in it.
    against_mean : array, shape (wirings,)
        Sum of log scores less the mean over wirings, in nats: above 0 speaks for a wiring.
    """

    name: str
    kind: str
    rows: int
    against_mean: FloatArray


@dataclass(frozen=True, eq=False)
class Comparison:
    """Rival mechanisms on the same footing.

    Parameters
    ----------
    wirings : tuple of str
        What was compared.
    held : Held
        Scores on rows that no fit has seen.
    tests : InterventionScores
        Interventions whose outcome is published.
    information : list of Information
        Experiments that could be done, the most telling first; over the rivals, without the default wiring.
    rivals : tuple of str
        Wirings between which those experiments are to decide.
    """

    wirings: tuple[str, ...]
    held: Held
    tests: InterventionScores
    information: list[Information]
    rivals: tuple[str, ...]

    def standings(self, domain: str = "") -> list[Standing]:
        """Wirings on held-back rows of a domain, or of all; the best first."""
        chosen = self.held.chosen(domain)
        if not chosen.any():
            return []
        studies = [row.study for row, own in zip(self.held.rows, chosen, strict=True) if own]
        logs, intervals = self.held.log_scores[chosen], self.held.interval_scores[chosen]
        relative = intervals / intervals.mean(axis=1, keepdims=True)
        numbers = np.isfinite(relative[:, 0])
        of_numbers = [study for study, own in zip(studies, numbers, strict=True) if own]
        best = int(np.argmax(logs.sum(axis=0)))
        found = []
        for place, name in enumerate(self.wirings):
            behind, error = difference(logs[:, best], logs[:, place], studies)
            wider, its_error = (
                difference(relative[numbers, place], relative[numbers, best], of_numbers)
                if numbers.any()
                else (np.nan, np.nan)
            )
            count = max(int(numbers.sum()), 1)
            met = self.held.inside[chosen][:, place]
            found.append(
                Standing(
                    name, domain, int(chosen.sum()), float(logs[:, place].mean()), behind, error,
                    _mean(relative[numbers, place]), wider / count, its_error / count,
                    _mean(met[numbers]), _mean(met[~numbers]),
                )
            )  # fmt: skip
        return sorted(found, key=lambda item: item.behind)

    def evidence(self) -> list[Evidence]:
        """What tells the wirings apart, the tests first; rows and tests that tell nothing are in it too."""
        found = []
        for name in dict.fromkeys(test.id for test in self.tests.tests):
            own = np.array([test.id == name for test in self.tests.tests])
            found.append(_evidence(name, "test", self.tests.log_scores[own]))
        groups = [f"{row.domain}: {row.stage}" for row in self.held.rows]
        for name in sorted(set(groups)):
            own = np.array([group == name for group in groups])
            found.append(_evidence(name, "held back", self.held.log_scores[own]))
        return found

    def telling(self, first: str, second: str, most: int = 3) -> list[tuple[str, float]]:
        """Evidence that tells two wirings apart best: what, and by how many nats it favours the first."""
        i, j = self.wirings.index(first), self.wirings.index(second)
        found = [(item.name, float(item.against_mean[i] - item.against_mean[j])) for item in self.evidence()]
        return sorted(found, key=lambda item: -abs(item[1]))[:most]

    def disagreements(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Experiments in which two rivals differ in sign or by three tenths, for every pair."""
        order = {item.id: place for place, item in enumerate(load_candidates())}
        ranked = sorted(self.information, key=lambda item: order[item.candidate.id])
        outcomes = np.array([item.effect for item in ranked])
        return disagreements(self.rivals, [item.candidate for item in ranked], outcomes)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain numbers."""
        from ketasim.inference.rivals.plain import plain

        return plain(self)


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _evidence(name: str, kind: str, scores: FloatArray) -> Evidence:
    sums = scores.sum(axis=0)
    return Evidence(name, kind, len(scores), sums - sums.mean())


def compare(
    names: Sequence[str] = (),
    *,
    sets: int = 30,
    per_draw: int = 4,
    seed: int = 1,
    progress: Progress = lambda *_: None,
    between: Between | None = None,
) -> Comparison:
    """Compare rival mechanisms.

    Parameters
    ----------
    names : sequence of str
        Wirings; default: all, the default one among them.
    sets, per_draw : int
        Draws of each wiring's parameters around its own fit, and persons an arm in each.
    seed : int
        Names the random numbers, which are the same for all wirings.
    progress : callable
        Told what is done, how much of it, and how much in all.
    between : Between, optional
        How much studies differ; default: as shipped, the same for all wirings.

    Returns
    -------
    Comparison

    Raises
    ------
    ModelError
        If a name is unknown, or fewer than two are given.
    """
    chosen = tuple(dict.fromkeys(names)) or tuple(WIRINGS)
    for name in chosen:
        if name not in WIRINGS:
            raise ModelError(f"hypotheses: {unknown_name('wiring', name, WIRINGS)}")
    if len(chosen) < 2:
        raise ModelError(f"hypotheses: {chosen[0]!r} alone has no rival; name two or more, or none for all.")
    spread = load_between() if between is None else between
    held = held_back(chosen, spread, sets=sets, per_draw=per_draw, seed=seed, progress=progress)
    tests = run_interventions(chosen, spread, sets=sets, per_draw=per_draw, seed=seed, progress=progress)
    rivals = tuple(name for name in chosen if name != DEFAULT_WIRING)
    rivals = rivals if len(rivals) > 1 else chosen
    # Both arms have the same persons there, so that half of them tell as much.
    told = information(
        rivals, spread, sets=sets, per_draw=max(per_draw // 2, 2), seed=seed, progress=progress
    )
    return Comparison(chosen, held, tests, told, rivals)
