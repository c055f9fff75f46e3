"""The typical adult in whom emergent items are computed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ketasim.dosing import parse_regimen
from ketasim.engine.schedule import InputPath
from ketasim.model.chain import build_chain
from ketasim.model.clamp import Clamp
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.patients import Patient
from ketasim.model.simulator import Run, Simulator
from ketasim.model.times import output_times

__all__ = ["NO_DRUG", "SINGLE", "Bench", "Finding", "Item", "Verdict", "later", "must", "spell"]

FloatArray = npt.NDArray[np.float64]

SINGLE = "0.5 mg/kg ketamine iv over 40 min"
#: A dose of nothing, so that the output times are those of an infusion.
NO_DRUG = "saline iv over 40 min"

#: Latent severity of the typical patient of the trials, in points.
_SEVERITY = 33.0

#: Numbers in words, and whether they hold; None when this part of Ketasim cannot compute them.
Finding = tuple[str, bool | None]


@dataclass(frozen=True)
class Verdict:
    """What an item came to.

    Parameters
    ----------
    item : str
        Its name.
    section : str
        Section of the model's description.
    text : str
        What must emerge.
    found : str
        The numbers.
    outcome : str
        ``pass``, ``miss`` or ``not computed``.
    """

    item: str
    section: str
    text: str
    found: str
    outcome: str


@dataclass(frozen=True)
class Item:
    """Something that must emerge; ``check`` returns the numbers in words and whether they hold."""

    name: str
    section: str
    text: str
    check: Callable[[Bench], Finding]


def must(section: str, text: str) -> Callable[[Callable[[Bench], Finding]], Item]:
    """Make an item of a check.

    Parameters
    ----------
    section : str
        Section of the model's description.
    text : str
        What must emerge, with the range in which it counts as a pass.

    Returns
    -------
    callable
        Decorator that turns a check into an :class:`Item` with the check's name.
    """

    def wrap(check: Callable[[Bench], Finding]) -> Item:
        return Item(check.__name__.strip("_"), section, text, check)

    return wrap


def later(name: str, section: str, text: str, reason: str) -> Item:
    """Make an item that is listed, but not computed, with the reason why."""
    return Item(name, section, text, lambda _bench: (reason, None))


def spell(value: float, unit: str, form: str = ".1f") -> str:
    """Write a length of time, or ``never`` for the NaN of what does not happen within a run."""
    return f"{value:{form}} {unit}" if math.isfinite(value) else "never"


@dataclass
class Bench:
    """Runs regimens for typical people, each once.

    Parameters
    ----------
    parameters : ParameterSet
        The values to judge.
    """

    parameters: ParameterSet = field(default_factory=load_parameters)
    _runs: dict[object, Run] = field(default_factory=dict, repr=False)
    #: What else was computed once, such as virtual trials.
    kept: dict[object, object] = field(default_factory=dict, repr=False)

    @cached_property
    def simulator(self) -> Simulator:
        """The model."""
        return Simulator(build_chain(parameters=self.parameters), 1e-5)

    @cached_property
    def depressed(self) -> Patient:
        """The typical patient."""
        return self.simulator.depressed(self.parameters, _SEVERITY)

    @cached_property
    def healthy(self) -> Patient:
        """The typical healthy adult."""
        return self.simulator.healthy(self.parameters)

    @cached_property
    def _patients(self) -> dict[object, Patient]:
        return {}

    def patient(self, *, well: bool = False, changed: Mapping[str, float] | None = None) -> Patient:
        """Return the typical person at rest; ``changed`` replaces parameters before rest is found."""
        if not changed:
            return self.healthy if well else self.depressed
        key = (well, tuple(sorted(changed.items())))
        if key not in self._patients:
            own = self.parameters.with_values(changed)
            resting = self.simulator.healthy(own) if well else self.simulator.depressed(own, _SEVERITY)
            self._patients[key] = resting
        return self._patients[key]

    def run(
        self,
        regimen: str = SINGLE,
        days: float = 28.0,
        *,
        well: bool = False,
        fine: bool = True,
        clamps: tuple[Clamp, ...] = (),
        changed: Mapping[str, float] | None = None,
        inputs: Mapping[str, float | InputPath] | None = None,
    ) -> Run:
        """Run a regimen, once.

        Parameters
        ----------
        regimen : str
            Doses as text.
        days : float
            Time from the first dose.
        well : bool
            A healthy person instead of the patient.
        fine : bool
            Whether peaks are followed closely after each dose.
        clamps : tuple of Clamp
            Quantities to hold.
        changed : mapping of str to float, optional
            Parameters to replace, in their tables' units.
        inputs : mapping of str to float or InputPath, optional
            Outside inputs; a number is constant from the start.

        Returns
        -------
        Run

        Raises
        ------
        KetasimError
            If a name is unknown or the equations cannot be solved.
        """
        given = {
            name: value if isinstance(value, InputPath) else InputPath((0.0,), (value,))
            for name, value in (inputs or {}).items()
        }
        key = (
            regimen,
            days,
            well,
            fine,
            clamps,
            tuple(sorted((changed or {}).items())),
            tuple(sorted(given.items(), key=lambda pair: pair[0])),
        )
        if key not in self._runs:
            doses = parse_regimen(regimen)
            times = output_times(doses, 24.0 * days, fine=fine)
            patient = self.patient(well=well, changed=changed)
            self._runs[key] = self.simulator.run(patient, doses, times, given, clamps)
        return self._runs[key]

    @staticmethod
    def at(run: Run, name: str, time_h: float) -> float:
        """Return a quantity at a time."""
        return float(np.interp(time_h, run.times_h, run.quantities[name]))

    @staticmethod
    def rest(run: Run, name: str) -> float:
        """Return a quantity at the start, before the first dose."""
        return float(run.quantities[name][0])

    def rise(self, run: Run, name: str, time_h: float) -> float:
        """Return a quantity at a time minus that at the start."""
        return self.at(run, name, time_h) - self.rest(run, name)

    @staticmethod
    def span(run: Run, name: str, start_h: float = 0.0, end_h: float = np.inf) -> FloatArray:
        """Return the values of a quantity from a time to a time, both included."""
        kept = (run.times_h >= start_h - 1e-9) & (run.times_h <= end_h + 1e-9)
        return np.asarray(run.quantities[name][kept], dtype=np.float64)

    @staticmethod
    def peak(run: Run, name: str) -> tuple[float, float]:
        """Return time and value of the highest point."""
        values = run.quantities[name]
        top = int(np.argmax(values))
        return float(run.times_h[top]), float(values[top])

    @staticmethod
    def area(run: Run, name: str, end_h: float = np.inf) -> float:
        """Return the area under a quantity by the trapezoidal rule, in its unit times hours."""
        kept = run.times_h <= end_h
        return float(np.trapezoid(run.quantities[name][kept], run.times_h[kept]))

    @staticmethod
    def falls_through(run: Run, name: str, level: float) -> float:
        """Return the first time after its peak at which a quantity is down to a level; NaN if never."""
        values = run.quantities[name]
        top = int(np.argmax(values))
        below = np.flatnonzero(values[top:] <= level)
        if values[top] < level or not below.size:
            return float("nan")
        after = top + int(below[0])
        if after == top:
            return float(run.times_h[top])
        share = (values[after - 1] - level) / (values[after - 1] - values[after])
        before, step = run.times_h[after - 1], run.times_h[after] - run.times_h[after - 1]
        return float(before + share * step)

    def effect(self, run: Run, time_h: float) -> float:
        """Return severity minus the resting one, which is that with dose zero if nothing else acts."""
        return self.rise(run, "severity", time_h)

    def effect_against_none(
        self, time_h: float, regimen: str = SINGLE, inputs: Mapping[str, float | InputPath] | None = None
    ) -> float:
        """Return severity minus that of the same person with the same inputs and no drug."""
        # Half a day more, so that the time asked for lies inside.
        days = time_h / 24.0 + 0.5
        drug, none = (self.run(doses, days, inputs=inputs) for doses in (regimen, NO_DRUG))
        return self.at(drug, "severity", time_h) - self.at(none, "severity", time_h)
