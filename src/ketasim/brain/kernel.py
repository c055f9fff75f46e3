"""Compiled steps of the whole-brain simulation.

Loops run over regions with nothing in them that keeps a compiler from doing several at a time; the
exponential is written out for that reason.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["advance_blood", "advance_gates"]

_Floats = NDArray[np.float64]

# exp(x) = 2^k exp(r), |r| <= log(2)/2: adding _MAGIC leaves the rounded k in the lowest bits.
_MAGIC = 1.5 * 2.0**52
_LOG2_E = 1.0 / math.log(2.0)
_LN2_HIGH = 0.693145751953125
_LN2_LOW = 1.42860682030941723212e-6
_C2, _C3, _C4, _C5, _C6 = (1.0 / math.factorial(k) for k in range(2, 7))
_C7, _C8, _C9, _C10, _C11 = (1.0 / math.factorial(k) for k in range(7, 12))
_LOWEST, _HIGHEST = -300.0, 300.0
_SERIES = 1e-5
_LEAST_FLOW = 0.05


@njit(inline="always")
def _exp(x: float) -> float:  # pragma: no cover - compiled
    t = x * _LOG2_E + _MAGIC
    k = t - _MAGIC
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = _C9 + r * (_C10 + r * _C11)
    p = _C6 + r * (_C7 + r * (_C8 + r * p))
    p = _C3 + r * (_C4 + r * (_C5 + r * p))
    p = 1.0 + r * (1.0 + r * (_C2 + r * p))
    bits = (np.float64(t).view(np.int64) + 1023) << 52
    return p * np.int64(bits).view(np.float64)


@njit(inline="always")
def _shape(z: float) -> float:  # pragma: no cover - compiled
    """Compute z / (1 - exp(-z)) without overflow or division by zero."""
    z = min(max(z, _LOWEST), _HIGHEST)
    near = abs(z) < _SERIES
    safe = 1.0 if near else z
    value = safe / (1.0 - _exp(-safe))
    return 1.0 + 0.5 * z if near else value


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _multiply(columns, s, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Add the columns of a matrix, weighted by s, to out; four at a time."""
    n = len(s)
    whole = n - n % 4
    for j in range(0, whole, 4):
        a, b, c, d = s[j], s[j + 1], s[j + 2], s[j + 3]
        for i in range(n):
            out[i] += (
                columns[j, i] * a + columns[j + 1, i] * b + columns[j + 2, i] * c + columns[j + 3, i] * d
            )
    for j in range(whole, n):
        a = s[j]
        for i in range(n):
            out[i] += columns[j, i] * a


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def advance_gates(  # type: ignore[no-untyped-def]
    gates, noise, network, scalars, inner, opened, sums
):  # pragma: no cover - compiled
    """Advance the gates by one volume.

    Parameters
    ----------
    gates : (2, n) array
        S_E and S_I; changed in place.
    noise : (steps, 2, n) float32 array
        Standard normal numbers.
    network : tuple of array
        Scaled weights onto excitatory and onto inhibitory cells, (n, n), transposed: row j holds what
        region j sends. Then, (n,) each, scaled drives of both, inhibition, and own excitation of
        inhibitory cells.
    scalars : (9,) array
        Step over both decay times, step times opening, step, scale of inhibitory current, scales of
        both rates, noise per step, and 1 if inhibitory cells have long-range input.
    inner : int
        Steps in a blood step.
    opened : (blood steps, n) array of zeros
        Receives the mean of S_E over each blood step.
    sums : (2, n) array of zeros
        Receives the sums of both rates over the steps.
    """
    steps, _, n = noise.shape
    onto_e, onto_i, drive_e, drive_i, inhibition, local_i = network
    decay_e, decay_i, opening, step, scale_i, rate_e, rate_i, sigma, forward = scalars
    s_e, s_i = gates[0], gates[1]
    z_e, z_i = np.empty(n), np.empty(n)
    for k in range(steps):
        blood = opened[k // inner]
        shock_e, shock_i = noise[k, 0], noise[k, 1]
        for i in range(n):
            z_e[i] = drive_e[i] - inhibition[i] * s_i[i]
        _multiply(onto_e, s_e, z_e)
        if forward > 0.0:
            for i in range(n):
                z_i[i] = drive_i[i] - scale_i * s_i[i]
            _multiply(onto_i, s_e, z_i)
        else:
            for i in range(n):
                z_i[i] = drive_i[i] - scale_i * s_i[i] + local_i[i] * s_e[i]
        for i in range(n):
            r_e, r_i = rate_e * _shape(z_e[i]), rate_i * _shape(z_i[i])
            e = s_e[i] * (1.0 - decay_e) + (1.0 - s_e[i]) * opening * r_e + sigma * shock_e[i]
            s_e[i] = min(max(e, 0.0), 1.0)
            s_i[i] = max(s_i[i] * (1.0 - decay_i) + step * r_i + sigma * shock_i[i], 0.0)
            blood[i] += s_e[i]
            sums[0, i] += r_e
            sums[1, i] += r_i
    opened /= inner


@njit(nogil=True, cache=True, error_model="numpy")
def advance_blood(states, opened, constants):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Advance signal, flow, volume and deoxyhaemoglobin, (4, n) in place, through all blood steps.

    Parameters
    ----------
    states : (4, n) array
        Changed in place.
    opened : (blood steps, n) array
        Mean open gate above rest over each blood step.
    constants : (6,) array
        Step, signal decay, autoregulation, transit time, stiffness and extraction.
    """
    step, decay, feedback, transit, stiffness, extraction = constants
    kept = math.log(1.0 - extraction)
    for k in range(len(opened)):
        for i in range(opened.shape[1]):
            x, f, v, q = states[0, i], states[1, i], states[2, i], states[3, i]
            out = math.exp(math.log(v) / stiffness)
            taken = 1.0 - math.exp(kept / f)
            states[0, i] = x + step * (opened[k, i] - decay * x - feedback * (f - 1.0))
            states[1, i] = max(f + step * x, _LEAST_FLOW)
            states[2, i] = v + step / transit * (f - out)
            states[3, i] = q + step / transit * (f * taken / extraction - out * q / v)
