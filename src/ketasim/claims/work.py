"""Where claims are computed: the typical person, species, disputed choices and small virtual trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources

import numpy as np
import numpy.typing as npt

from ketasim.engine.schedule import InputPath
from ketasim.errors import ModelError, unknown_name
from ketasim.model.clamp import Clamp
from ketasim.model.hypotheses import wired
from ketasim.model.options import load_options
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.simulator import Run
from ketasim.trials.conduct.trial import Trial
from ketasim.trials.runs.outcomes import Matrix, Outcomes
from ketasim.trials.runs.workers import Chunk, run_chunk
from ketasim.trials.study import Study
from ketasim.validation.bench import NO_DRUG, SINGLE, Bench

__all__ = ["AMPA_BLOCKED", "DAY", "END", "SINGLE", "WEEK", "Work", "infusion", "share"]

FloatArray = npt.NDArray[np.float64]

DAY, WEEK = 24.0, 168.0
#: An AMPA antagonist: present from the dose on and then gone, as one with a short life is.
AMPA_BLOCKED = {"ampa_antagonist": InputPath((0.0, 6.0), (1.0, 0.0))}
#: End of the usual infusion, in hours.
END = 2.0 / 3.0


def infusion(dose: float) -> str:
    """Return the regimen of one infusion of 40 min, for a dose in mg/kg."""
    return f"{dose:g} mg/kg ketamine iv over 40 min"


def share(part: float, whole: float) -> float:
    """Part of a whole; NaN, which meets no criterion, when there is no whole."""
    return part / whole if abs(whole) > 1e-9 else math.nan


@dataclass
class Work:
    """Computes claims for one set of parameters, each run once.

    Parameters
    ----------
    parameters : ParameterSet
        Human values; default: the shipped ones.
    subjects : int
        Patients of each arm of a virtual trial.
    """

    parameters: ParameterSet = field(default_factory=load_parameters)
    subjects: int = 200
    _trials: dict[str, Outcomes] = field(default_factory=dict, repr=False)

    @cached_property
    def bench(self) -> Bench:
        """Runs the typical person."""
        return Bench(self.parameters)

    @cached_property
    def rat(self) -> Bench:
        """Runs the typical rat.

        Raises
        ------
        ModelError
            If there is no table of parameters for rats.
        """
        bench = Bench(load_parameters("rat"))
        bench.simulator = self.bench.simulator
        return bench

    def chosen(self, option: str, choice: str) -> Work:
        """The same with a disputed option settled in another way; the compiled model is shared.

        Raises
        ------
        ModelError
            If the option or the choice is unknown.
        """
        # First back to the tables: another choice of the same option may have set more.
        tables = self.parameters.origin
        back = self.parameters.with_values({name: tables[name].value for name in _set_by(option)})
        other = Work(back.with_options({option: choice}), self.subjects)
        other.bench.simulator = self.bench.simulator
        return other

    def wired(self, wiring: str) -> Work:
        """The same with a rival mechanism; the compiled model is shared.

        Raises
        ------
        ModelError
            If there is no such wiring.
        """
        other = Work(wired(self.parameters, wiring), self.subjects)
        other.bench.simulator = self.bench.simulator
        return other

    def current_choice(self, option: str) -> str | None:
        """Return the choice of an option that the parameters hold; None if they hold another value."""
        for choice in load_options()[option].choices.values():
            if choice.settings and self._holds(option, choice.name):
                return choice.name
        default = load_options()[option].default
        return default if self._holds(option, default) else None

    def _holds(self, option: str, choice: str) -> bool:
        """Whether every parameter that an option can set is as a choice has it."""
        wanted = self.parameters.origin.with_options({option: choice})
        return all(
            math.isclose(self.parameters[name].value, wanted[name].value, rel_tol=1e-6)
            for name in _set_by(option)
        )

    def has(self, *quantities: str) -> bool:
        """Whether the model has all of these quantities."""
        return all(name in self.bench.simulator.chain.quantities for name in quantities)

    def takes(self, name: str) -> bool:
        """Whether the model has this outside input."""
        return name in self.bench.simulator.chain.input_defaults()

    def lost(
        self,
        time_h: float,
        *,
        inputs: Mapping[str, float | InputPath] | None = None,
        clamps: tuple[Clamp, ...] = (),
        changed: Mapping[str, float] | None = None,
        regimen: str = SINGLE,
    ) -> float:
        """Share of the drug's effect on severity at a time that an intervention takes away."""
        bench = self.bench
        usual = bench.effect_against_none(time_h, regimen)
        days = time_h / DAY + 0.5
        pair = [
            bench.at(
                bench.run(doses, days, inputs=inputs, clamps=clamps, changed=changed), "severity", time_h
            )
            for doses in (regimen, NO_DRUG)
        ]
        return 1.0 - share(pair[0] - pair[1], usual)

    def ill_over_well(self, quantity: str) -> float:
        """A quantity at rest in the typical patient, over that in a healthy adult."""
        bench = self.bench
        ill, well = (bench.rest(bench.run("none", 1.0, well=well), quantity) for well in (False, True))
        return share(ill, well)

    def rest_at(self, severity: float, quantity: str) -> float:
        """A quantity at rest in a patient of a given severity (points)."""
        simulator = self.bench.simulator
        return simulator.baseline(simulator.depressed(self.parameters, severity))[quantity]

    def days_above(self, run: Run, quantity: str, level: float) -> float:
        """Days from the peak until a quantity is down to a level; NaN if never within the run."""
        return (self.bench.falls_through(run, quantity, level) - self.bench.peak(run, quantity)[0]) / DAY

    def trial(self, name: str) -> Outcomes:
        """Simulate a virtual trial, once: a shipped study, or ``one_infusion`` of this package."""
        if name not in self._trials:
            trial = Trial(
                _study(name),
                self.bench.simulator,
                self.parameters,
                subjects=self.subjects,
                with_twin=False,
                keep="scores",
            )
            self._trials[name] = Outcomes([run_chunk(trial, Chunk(0, 0, trial.count)).outcomes])
        return self._trials[name]

    def scores(self, trial: str, arm: str, scale: str = "madrs") -> tuple[FloatArray, FloatArray]:
        """Times (h) and scores of an arm, shape (persons, times); who was not seen is NaN."""
        table: Matrix = self.trial(trial).matrix(scale)
        if arm not in table.words:
            raise ModelError(f"trial {trial!r}: there is no arm {arm!r}; there are {', '.join(table.words)}.")
        own = table.arm_code == list(table.words).index(arm)
        return table.times_h, table.values[own]


def _set_by(option: str) -> set[str]:
    """Parameters that some choice of an option sets."""
    if option not in load_options():
        raise ModelError(unknown_name("option", option, load_options()))
    sides = load_options()[option].choices.values()
    return {setting.parameter for side in sides for setting in side.settings}


def _study(name: str) -> Study:
    own = resources.files("ketasim.claims") / f"{name}.yaml"
    if own.is_file():
        return Study.parse(own.read_text(encoding="utf-8"), own.name)
    return Study.load(name)
