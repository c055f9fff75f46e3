"""The rival without biology: stages 3 to 9 replaced by one delayed, saturating filter of block.

Plasma, block, stress, consolidation, scoring and all people stay as they are. Between block and mood stands

    first'  = (block - first) / rise
    second' = (first - second) / fall
    fast arm = 1 + gain * second / (half + second)

with block on pyramidal cells and spines that never move. Everything outside that acts on the replaced
stages (an AMPA antagonist, rapamycin, a lost BDNF) still can be given, and does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ketasim.inference.calibration.prior import SCORING, Prior
from ketasim.inference.calibration.search import Block, Fit, Misses, fit, gauss_newton
from ketasim.inference.calibration.trial_rows import TrialRows
from ketasim.inference.calibration.typical import TypicalTargets
from ketasim.inference.targets import SCENARIOS, Target, load_targets
from ketasim.model.chain import STAGES, Chain, build_chain
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.simulator import Simulator
from ketasim.model.stage import Equations, Input, Provides, Reads, Stage, State, Symbols
from ketasim.population.draws import Draws

__all__ = [
    "DELAY_FREE",
    "FILTER",
    "REPLACED",
    "Delay",
    "DelayFit",
    "delay_chain",
    "delay_parameters",
    "delay_targets",
    "fit_delay",
]

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: Stages 3 to 9.
REPLACED = ("circuit", "glutamate", "ampa", "neurotrophin", "translation", "synapses", "networks")

#: The filter's numbers and their ranges. They take the names of numbers that the replaced stages leave
#: free, so that populations, tables of animals and draws know them.
FILTER: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "bdnf_time": (0.2, 40.0),  # rise, h
        "fast_arm_time": (10.0, 1000.0),  # fall, h
        "plasticity_half": (3e-5, 0.3),  # filtered block of half effect
        "evoked_gain": (0.3, 10.0),  # largest effect
    }
)

#: What else is refitted: stress, mood and consolidation, which both models have.
_SHARED = (
    "stress_shift",
    "stress_feedback",
    "antidepressant_stress_gain",
    "life_stress_size",
    "mood_time",
    "mood_stress_weight",
    "mood_consolidation_weight",
    "consolidation_build_time",
    "consolidation_fade_time",
)
DELAY_FREE = (*FILTER, *_SHARED)

#: Accuracy of the runs in a fit, as for the whole chain.
_RTOL = 1e-4


@dataclass(frozen=True)
class Delay(Stage):
    """One delayed filter from block to mood."""

    name: ClassVar[str] = "delay"
    title: ClassVar[str] = "A delayed filter of block"
    section: ClassVar[str] = "3 to 9"
    states: ClassVar[tuple[State, ...]] = (
        State("delay_first", "ratio", "block after the first delay", 0.1),
        State("delay_second", "ratio", "block after the second delay", 0.01),
    )
    reads: ClassVar[tuple[Reads, ...]] = (Reads("nmda_block_pyramidal", "ratio"),)
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("fast_arm", "ratio", "filtered block, saturating", "healthy"),
        Provides("spine_density", "ratio", "spines, which never move", "healthy"),
        Provides("trkb_site", "ratio", "share of TrkB whose site is whole, which is all", "healthy"),
    )
    inputs: ClassVar[tuple[Input, ...]] = tuple(
        item for stage in STAGES if stage.name in REPLACED for item in stage.inputs
    )
    borrowed: ClassVar[tuple[str, ...]] = tuple(FILTER)

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:  # noqa: ARG002 - nothing outside acts on it
        """Return two transits in a row, and what they do to mood."""
        return Equations(
            rates={
                "delay_first": (q.nmda_block_pyramidal - x.delay_first) / p.bdnf_time,
                "delay_second": (x.delay_first - x.delay_second) / p.fast_arm_time,
            },
            provides={
                "fast_arm": 1 + p.evoked_gain * x.delay_second / (p.plasticity_half + x.delay_second),
                "spine_density": 1 + 0 * x.delay_second,
                "trkb_site": 1 + 0 * x.delay_second,
            },
        )


def delay_parameters(parameters: ParameterSet | None = None) -> ParameterSet:
    """Tables of the rival before its fit: the filter's numbers in the middle of their ranges."""
    base = load_parameters() if parameters is None else parameters
    own = {
        name: replace(
            base[name], value=float(np.sqrt(low * high)), low=low, high=high, distribution="lognormal"
        )
        for name, (low, high) in FILTER.items()
    }
    return ParameterSet({**base, **own}, base.correlations)


def delay_chain(parameters: ParameterSet) -> Chain:
    """The model with one filter in the place of stages 3 to 9."""
    kept = [stage for stage in STAGES if stage.name not in REPLACED]
    place = [stage.name for stage in kept].index("receptors") + 1
    return build_chain((*kept[:place], Delay(), *kept[place:]), parameters)


@cache
def delay_targets() -> tuple[Target, ...]:
    """Targets about quantities that the rival has and that hold nothing of what it lacks."""
    known = {"illness_load", *(name for stage in STAGES for name in _provided(stage))}
    found = []
    for target in load_targets():
        scenario = SCENARIOS.get(target.scenario)
        clamps = () if scenario is None else scenario.clamps
        lacks = any(clamp.quantity not in known for clamp in clamps)
        if target.quantity in known and not lacks:
            found.append(target)
    return tuple(found)


def _provided(stage: Stage) -> list[str]:
    return [] if stage.name in REPLACED else [item.name for item in stage.provides]


@dataclass(frozen=True, eq=False)
class _DelayRows(TrialRows):
    """Rows of trials, which tell of every free number of the rival."""

    @property
    def moved_by(self) -> frozenset[str]:
        return frozenset(self.prior.names)


@dataclass(frozen=True, eq=False)
class DelayFit:
    """The rival as fitted.

    Parameters
    ----------
    prior : Prior
        Its free numbers.
    typical, best : Fit
        Fitted to targets about the typical patient, and polished against rows of trials too.
    z : array, shape (sets, parameters)
        Sets that targets and rows leave possible: the normal approximation at the best fit.
    parameters : ParameterSet
        The tables with the best values.
    simulator : Simulator
        The rival.
    """

    prior: Prior
    typical: Fit
    best: Fit
    z: FloatArray
    parameters: ParameterSet
    simulator: Simulator

    @property
    def draws(self) -> Draws:
        """Draws around the best values."""
        values = np.array([self.parameters[name].value for name in self.prior.names])
        return Draws(self.prior.names, self.prior.values(self.z), values)


def fit_delay(
    *,
    seed: int = 1,
    starts: int = 96,
    trial_steps: int = 2,
    sets: int = 64,
    progress: Progress = lambda *_: None,
) -> DelayFit:
    """Fit the rival as the whole chain is fitted.

    Parameters
    ----------
    seed, starts : int
        Of the search by the targets about the typical patient.
    trial_steps : int
        Most steps of the polish against rows of trials; 0 leaves them out.
    sets : int
        Sets that are drawn around the fit.
    progress : callable
        Told what is done, how much of it, and how much in all.
    """
    base = delay_parameters()
    simulator = Simulator(delay_chain(base), _RTOL)
    prior = Prior(base, DELAY_FREE)
    typical = fit(
        Misses(prior, [TypicalTargets(delay_targets(), prior, [simulator])]),
        seed=seed,
        starts=starts,
        progress=progress,
    )
    best = typical
    if trial_steps:
        prior = Prior(base, (*DELAY_FREE, *SCORING))
        blocks: list[Block] = [TypicalTargets(delay_targets(), prior, [simulator])]
        rows = _DelayRows.shipped(prior)
        blocks.append(replace(rows, _simulators=[simulator]))
        start = np.concatenate([typical.z, prior.here()[len(DELAY_FREE) :]])
        best = gauss_newton(Misses(prior, blocks), start[None], trial_steps, progress, "rows of trials")[0]
    values = dict(zip(prior.names, prior.values(best.z).tolist(), strict=True))
    return DelayFit(
        prior, typical, best, _laplace(prior, best, sets, seed), base.with_values(values), simulator
    )


def _laplace(prior: Prior, found: Fit, sets: int, seed: int) -> FloatArray:
    """Sets of the normal approximation at a fit, shape (sets, parameters)."""
    random = np.random.Generator(np.random.Philox(key=seed))
    root = np.linalg.cholesky(found.covariance)
    return prior.inside(found.z + random.standard_normal((sets, len(found.z))) @ root.T)
