"""Simulation of the whole brain with noise and the full Balloon-Windkessel model.

The linear theory (:mod:`ketasim.brain.linear`) gives the same connectivity at a fraction of the cost;
this is its check, and what shows whether a network stays near its fixed point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.equations import Terms
from ketasim.brain.haemodynamics import Haemodynamics, load_haemodynamics
from ketasim.brain.kernel import advance_blood, advance_gates
from ketasim.brain.model import BrainModel, FixedPoint, Influence, resting
from ketasim.errors import BrainError

__all__ = ["BrainRun", "simulate"]

_Floats = NDArray[np.float64]
# A region whose excitatory rate is this many times the target has left the state that the model is about.
_RUNAWAY = 10.0
_BLOOD_STEP = 0.01
_GATE_LIMIT = 0.2


@dataclass(frozen=True, eq=False)
class BrainRun:
    """What a simulation recorded, one row a volume.

    Parameters
    ----------
    times : (t,) array
        End of each volume after the start of recording, in s.
    bold : (t, n) array
        BOLD signal relative to rest, at the end of the volume.
    rate_e, rate_i : (t, n) array
        Firing rates averaged over the volume, in Hz.
    """

    times: _Floats
    bold: _Floats
    rate_e: _Floats
    rate_i: _Floats

    @property
    def fc(self) -> _Floats:
        """Correlation of the BOLD signals of the regions, (n, n)."""
        return np.asarray(np.corrcoef(self.bold.T), dtype=np.float64)


def simulate(
    model: BrainModel,
    influence: Influence | None = None,
    seconds: float = 600.0,
    seed: int = 0,
    *,
    step: float = 1e-3,
    repetition: float = 0.72,
    transient: float = 60.0,
    haemodynamics: Haemodynamics | None = None,
    start: FixedPoint | None = None,
) -> BrainRun:
    """Simulate the network by the Euler-Maruyama method.

    Parameters
    ----------
    model : BrainModel
        The network.
    influence : Influence, optional
        Acts from the first step on; default: none.
    seconds : float
        Recorded time.
    seed : int
        Seed of the noise; the same seed gives the same numbers, whatever else runs.
    step : float
        Step of the gates in s; at most a fifth of the GABA gate's decay.
    repetition : float
        Time between volumes in s, a multiple of 0.01 s.
    transient : float
        Time before recording, in s.
    haemodynamics : Haemodynamics, optional
        Default: the shipped constants.
    start : FixedPoint, optional
        Gates at the first step; default: the state without influence.

    Returns
    -------
    BrainRun
        Signals and rates.

    Raises
    ------
    BrainError
        If a time does not fit, or rates run away; names the region, its rate and when.
    """
    inner, outer, volumes, skipped = _counts(model, seconds, step, repetition, transient)
    blood = load_haemodynamics() if haemodynamics is None else haemodynamics
    n, terms = model.n_regions, model.terms(influence)
    begin = resting(model, model.terms()) if start is None else start
    gates = np.array([begin.s_e, begin.s_i])
    states = np.array([np.zeros(n), np.ones(n), np.ones(n), np.ones(n)])
    network, scalars = _kernel_input(terms, step)
    constants = _blood_constants(blood, inner * step)
    random = np.random.default_rng(seed)
    record = np.zeros((3, volumes, n))
    for volume in range(-skipped, volumes):
        noise = random.standard_normal((outer * inner, 2, n), dtype=np.float32)
        opened = np.zeros((outer, n))
        sums = np.zeros((2, n))
        advance_gates(gates, noise, network, scalars, inner, opened, sums)
        advance_blood(states, opened - model.resting_gate, constants)
        sums /= outer * inner
        _check_rates(model, sums[0], (volume + skipped + 1) * repetition)
        if volume >= 0:
            record[0, volume] = _signal(blood, states)
            record[1:, volume] = sums
    times = repetition * np.arange(1, volumes + 1, dtype=np.float64)
    return BrainRun(times, record[0], record[1], record[2])


def _counts(
    model: BrainModel, seconds: float, step: float, repetition: float, transient: float
) -> tuple[int, int, int, int]:
    """Gate steps in a blood step, blood steps in a volume, volumes to record and to skip."""
    longest = _GATE_LIMIT * model.node.time_inhibitory
    inner = round(_BLOOD_STEP / step) if step > 0.0 else 0
    if not 0.0 < step <= longest * (1.0 + 1e-9) or abs(inner * step - _BLOOD_STEP) > 1e-9:
        raise BrainError(f"step is {step} s; it must be at most {longest:g} s and divide {_BLOOD_STEP} s.")
    outer = round(repetition / _BLOOD_STEP)
    if outer < 1 or abs(outer * _BLOOD_STEP - repetition) > 1e-9:
        raise BrainError(f"repetition is {repetition} s; it must be a multiple of {_BLOOD_STEP} s.")
    volumes = int(seconds / repetition + 1e-9)
    if volumes < 2 or not np.isfinite(seconds):
        raise BrainError(f"seconds is {seconds}; it must hold at least two volumes of {repetition} s.")
    if not 0.0 <= transient < np.inf:
        raise BrainError(f"transient is {transient} s; it must be finite and not negative.")
    return inner, outer, volumes, int(np.ceil(transient / repetition - 1e-9))


def _kernel_input(terms: Terms, step: float) -> tuple[tuple[_Floats, ...], _Floats]:
    """Scale currents to the arguments of the transfer functions, so that the kernel has least to do."""
    node = terms.node
    scale_e = node.curvature_excitatory * node.gain_excitatory
    scale_i = node.curvature_inhibitory * node.gain_inhibitory
    onto_e = scale_e * (terms.remote_excitatory + np.diag(terms.local_excitatory))
    onto_i = scale_i * (terms.remote_inhibitory + np.diag(terms.local_inhibitory))
    arrays = (
        np.ascontiguousarray(onto_e.T),
        np.ascontiguousarray(onto_i.T),
        scale_e * terms.drive_excitatory - node.curvature_excitatory * node.threshold_excitatory,
        scale_i * terms.drive_inhibitory - node.curvature_inhibitory * node.threshold_inhibitory,
        scale_e * terms.inhibition,
        scale_i * terms.local_inhibitory,
    )
    scalars = (
        step / node.time_excitatory,
        step / node.time_inhibitory,
        step * node.opening,
        step,
        scale_i,
        1.0 / node.curvature_excitatory,
        1.0 / node.curvature_inhibitory,
        node.noise * np.sqrt(step),
        float(np.any(terms.remote_inhibitory)),
    )
    return arrays, np.array(scalars)


def _blood_constants(blood: Haemodynamics, step: float) -> _Floats:
    return np.array(
        [
            step,
            blood.signal_decay,
            blood.autoregulation,
            blood.transit_time,
            blood.stiffness,
            blood.extraction,
        ]
    )


def _signal(blood: Haemodynamics, states: _Floats) -> _Floats:
    """BOLD signal from the four states of each region, (4, n)."""
    _, _, v, q = states
    k1, k2, k3 = blood.signal_weights
    signal = blood.volume_fraction * (k1 * (1.0 - q) + k2 * (1.0 - q / v) + k3 * (1.0 - v))
    return np.asarray(signal, dtype=np.float64)


def _check_rates(model: BrainModel, mean: _Floats, time: float) -> None:
    highest = _RUNAWAY * model.node.target_rate
    if not float(mean.max()) <= highest:
        worst = int(np.argmax(np.where(np.isfinite(mean), mean, np.inf)))
        raise BrainError(
            f"rates run away: region {model.connectome.labels[worst]} fires at {mean[worst]:.3g} Hz at "
            f"{time:.1f} s, more than {highest:g} Hz; lower the local weights or the global coupling, or "
            "make the influence weaker."
        )
