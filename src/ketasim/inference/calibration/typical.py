"""Targets about the typical patient, for many parameter sets at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ketasim.dosing import parse_regimen
from ketasim.engine.schedule import InputPath
from ketasim.errors import KetasimError
from ketasim.inference.calibration.prior import Prior
from ketasim.inference.targets import SCENARIOS, SEVERITY, Bench, Target
from ketasim.model.chain import build_chain
from ketasim.model.patients import Wanted
from ketasim.model.simulator import Case, Simulator
from ketasim.model.times import output_times

__all__ = ["TypicalTargets"]

FloatArray = npt.NDArray[np.float64]

#: Accuracy of the runs; their noise must stay far below what a step changes.
_RTOL = 1e-4
#: A miss beyond this counts no further.
_WORST = 30.0


@dataclass(frozen=True, eq=False)
class TypicalTargets:
    """Residuals of targets about one typical patient.

    Parameters
    ----------
    targets : tuple of Target
        What is aimed at.
    prior : Prior
        The free parameters.
    """

    targets: tuple[Target, ...]
    prior: Prior
    _simulators: list[Simulator] = field(default_factory=list, repr=False)

    @property
    def aims(self) -> tuple[Target, ...]:
        """One a residual."""
        return self.targets

    @property
    def moved_by(self) -> frozenset[str]:
        """Every parameter."""
        return frozenset(self.prior.names)

    @property
    def step(self) -> float:
        """Far above the solver's noise."""
        return 0.02

    @property
    def _simulator(self) -> Simulator:
        if not self._simulators:
            self._simulators.append(Simulator(build_chain(parameters=self.prior.base), _RTOL))
        return self._simulators[0]

    @cached_property
    def _quantities(self) -> tuple[str, ...]:
        known = self._simulator.chain.quantities
        wanted = dict.fromkeys(("severity", *(target.quantity for target in self.targets)))
        return tuple(name for name in wanted if name in known)

    def reached(self, z: FloatArray) -> FloatArray:
        """What is reached, shape (sets, targets); NaN for a set at which the model has no solution."""
        sets = self.prior.sets(z)
        patients = self._simulator.depressed_many([Wanted(own, SEVERITY, 0.0) for own in sets])
        benches = {
            place: Bench(self._simulator, own, patient)
            for place, (own, patient) in enumerate(zip(sets, patients, strict=True))
            if not isinstance(patient, KetasimError)
        }
        for name in dict.fromkeys(target.scenario for target in self.targets if target.scenario in SCENARIOS):
            self._run(name, benches)
        found = np.full((len(sets), len(self.targets)), np.nan)
        for place, bench in benches.items():
            found[place] = [bench.value(target) for target in self.targets]
        found[~np.isfinite(found).all(axis=1)] = np.nan
        return found

    def residuals(self, z: FloatArray) -> FloatArray:
        """Misses in SDs of the targets, shape (sets, targets); NaN where there is no solution."""
        values = np.array([target.value for target in self.targets])
        sds = np.array([target.sd for target in self.targets])
        misses: FloatArray = (self.reached(z) - values) / sds
        return np.clip(misses, -_WORST, _WORST)

    def finely(self, z: FloatArray) -> None:
        """None: nothing here is chance."""

    def _run(self, name: str, benches: dict[int, Bench]) -> None:
        """Run a scenario for all sets at once; a set that cannot be run is left out."""
        scenario = SCENARIOS[name]
        regimen = parse_regimen(scenario.regimen)
        times = output_times(regimen, 24.0 * scenario.days)
        inputs = {given: InputPath((0.0,), (value,)) for given, value in scenario.inputs}
        places = list(benches)
        cases = [Case(benches[place].patient, regimen, times, inputs, scenario.clamps) for place in places]
        found = self._simulator.run_many(cases, self._quantities)
        for place, run in zip(places, found, strict=True):
            if isinstance(run, KetasimError):
                del benches[place]
            else:
                benches[place].keep(name, run)
