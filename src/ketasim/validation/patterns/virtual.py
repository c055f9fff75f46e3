"""Small virtual trials for patterns, each simulated once for a bench."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError
from ketasim.trials.conduct.trial import Trial
from ketasim.trials.runs.outcomes import Matrix, Outcomes
from ketasim.trials.runs.workers import chunk_size, chunks_of, run_chunk
from ketasim.trials.study import Study
from ketasim.validation.bench import Bench

__all__ = ["Arm", "arm_of", "load_study", "trial"]

FloatArray = npt.NDArray[np.float64]

_SAME_TIME_H = 1e-6
#: Quantities of the model that a study of this package may name.
_BESIDE_OUTCOMES = ("fast_arm", "spine_density")


def load_study(name: str) -> Study:
    """Read a study: one of this package, or a shipped one."""
    own = resources.files("ketasim.validation.patterns") / "studies" / f"{name}.yaml"
    if own.is_file():
        return Study.parse(own.read_text(encoding="utf-8"), own.name, _BESIDE_OUTCOMES)
    return Study.load(name)


def trial(
    bench: Bench,
    name: str,
    subjects: int | Mapping[str, int] | None,
    *,
    twin: bool = False,
    replicates: int = 1,
    between: bool = False,
    changed: Mapping[str, float] | None = None,
    edit: Callable[[Study], Study] | None = None,
    edited: str = "",
) -> Outcomes:
    """Simulate a virtual trial, once.

    Parameters
    ----------
    bench : Bench
        Its parameters and its compiled model.
    name : str
        A study.
    subjects : int, mapping or None
        As of :class:`~ketasim.trials.conduct.trial.Trial`.
    twin : bool
        Whether each person is also simulated with dose zero.
    replicates : int
        How often.
    between : bool
        Whether replicates differ as trials do.
    changed : mapping of str to float, optional
        Parameters to replace, in their tables' units.
    edit : callable, optional
        Changes the study; ``edited`` names the change.
    """
    sizes = tuple(sorted(subjects.items())) if isinstance(subjects, Mapping) else subjects
    replaced = tuple(sorted((changed or {}).items()))
    key = ("trial", name, sizes, twin, replicates, between, replaced, edited)
    if key not in bench.kept:
        study = load_study(name)
        made = Trial(
            study if edit is None else edit(study),
            bench.simulator,
            bench.parameters.with_values(changed) if changed else bench.parameters,
            subjects=subjects,
            with_twin=twin,
            between_study=between,
            keep="scores",
        )
        parts = chunks_of(made.count * replicates, chunk_size(made, replicates, lively=False))
        bench.kept[key] = Outcomes([run_chunk(made, part).outcomes for part in parts])
    found = bench.kept[key]
    if not isinstance(found, Outcomes):
        raise ModelError(f"patterns: {key!r} is not a trial.")
    return found


class Arm:
    """What was seen of the persons of one arm.

    Parameters
    ----------
    outcomes : Outcomes
        Of the whole trial.
    names : str
        The arm to which they were randomised, or several joined by `` + ``.
    """

    def __init__(self, outcomes: Outcomes, names: str) -> None:
        self._outcomes = outcomes
        self._names = [name.strip() for name in names.split("+")]

    def table(self, quantity: str = "madrs") -> tuple[FloatArray, FloatArray]:
        """Times (h) and values, shape (persons, times); who was not seen is NaN."""
        found: Matrix = self._outcomes.matrix(quantity)
        for name in self._names:
            if name not in found.words:
                raise ModelError(f"patterns: there is no arm {name!r}; there are {', '.join(found.words)}.")
        return found.times_h, found.values[np.isin(found.arm, self._names)]

    def at(self, time_h: float, quantity: str = "madrs") -> FloatArray:
        """One value a person; NaN for who was not seen."""
        times, values = self.table(quantity)
        place = int(np.argmin(np.abs(times - time_h)))
        if abs(times[place] - time_h) > _SAME_TIME_H:
            raise ModelError(f"patterns: there is no visit at {time_h:g} h.")
        return values[:, place]

    def change(self, time_h: float, quantity: str = "madrs") -> FloatArray:
        """Value at a time minus that at entry, of those who were seen at both."""
        moved = self.at(time_h, quantity) - self.at(0.0, quantity)
        return np.asarray(moved[np.isfinite(moved)], dtype=np.float64)

    def response(self, time_h: float, quantity: str = "madrs") -> float:
        """Share of those seen at entry and at a time whose score has at least halved."""
        start, now = self.at(0.0, quantity), self.at(time_h, quantity)
        seen = np.isfinite(start) & np.isfinite(now)
        return float(np.mean(now[seen] <= 0.5 * start[seen]))

    def effect(self, time_h: float) -> FloatArray:
        """What the drug itself did to severity: against the same person with dose zero."""
        moved = self.at(time_h, "severity") - self.at(time_h, "severity_without_drug")
        return np.asarray(moved[np.isfinite(moved)], dtype=np.float64)

    def replicate(self, quantity: str = "madrs") -> npt.NDArray[np.int64]:
        """Replicate of each person."""
        found = self._outcomes.matrix(quantity)
        return np.asarray(found.replicate[np.isin(found.arm, self._names)])


def arm_of(outcomes: Outcomes, names: str) -> Arm:
    """Return what was seen of an arm."""
    return Arm(outcomes, names)
