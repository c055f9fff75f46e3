"""The spiking network's time loop, compiled by Numba.

Adaptive exponential cells, forward Euler, single precision. NMDA saturation is kept
on the sending side: the increment of the gate travels with the spike, so that the sum
at the receiving cell stays linear and is exact for a gate that opens at once. Each
cell has a random stream of its own.

Cells are laid out in tiles of sixteen: all of a tile's first variable, then all of its
second, and so on, in one array. The compiler can then see that the variables do not
overlap, and turns the update into vector instructions; with an array a variable it
must check that at run time, and the check costs more than the update. Unsigned indices
spare Numba's test for negative ones, which has the same effect. Each class begins a
tile of its own; what is left of its last tile is filled with lanes that belong to no cell.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "CURRENTS",
    "EVENT_LEVELS",
    "LANES",
    "MAGNESIUM_AFFINITY",
    "MAGNESIUM_SLOPE",
    "TILE",
    "VARIABLES",
    "integrate",
    "magnesium_polynomial",
]

#: What the current traces hold: mean over pyramidal cells.
CURRENTS = ("ampa", "nmda", "gaba_a", "gaba_b")
#: Most external events that a cell can receive in one step.
EVENT_LEVELS = 6
#: Mg2+ block of Jahr and Stevens: 1 / (1 + MAGNESIUM_AFFINITY [Mg] exp(-MAGNESIUM_SLOPE V)), per mM and mV.
MAGNESIUM_AFFINITY = 0.280112
MAGNESIUM_SLOPE = 0.062
LANES = 16
#: Potential, adaptation, refractory time left, conductances, threshold offset, share of NMDA not blocked.
VARIABLES = ("v", "w", "ref", "ampa", "nmda", "gabab", "gaba0", "gaba1", "gaba2", "offset", "conducts")
TILE = LANES * len(VARIABLES)

_CHLORIDE = np.float32(-70.0)
_POTASSIUM = np.float32(-95.0)
_SPIKE = np.float32(-30.0)
# Two spikes at most this far apart belong to a burst.
_BURST_MS = 20.0
# The open share of a channel is smoothed over this time before it moves the block.
_OPEN_SMOOTH_MS = 300.0
# The background drive is steered on windows that hold several of the slow waves that classes fire in.
_STEER_MS = 300
# It never falls by more than this at once.
_LARGEST_FALL = 0.5
_U = np.uint64
_W, _REF, _AMPA, _NMDA, _GABAB = (_U(LANES * k) for k in range(1, 6))
_GABA0, _GABA1, _GABA2, _OFFSET, _CONDUCTS = (_U(LANES * k) for k in range(6, 11))


def magnesium_polynomial(magnesium: float) -> NDArray[np.float32]:
    """Open share against voltage as a polynomial of degree 7 in (V + 60) / 40, from -100 to -20 mV."""
    voltage = np.linspace(-100.0, -20.0, 400)
    share = 1.0 / (1.0 + MAGNESIUM_AFFINITY * magnesium * np.exp(-MAGNESIUM_SLOPE * voltage))
    return np.polyfit((voltage + 60.0) / 40.0, share, 7)[::-1].astype(np.float32)


@njit(fastmath=True, error_model="numpy", nogil=True, cache=True)
def _open_share(mg, v):  # type: ignore[no-untyped-def]
    z = (v + np.float32(60.0)) * np.float32(0.025)
    high = mg[4] + z * (mg[5] + z * (mg[6] + z * mg[7]))
    return mg[0] + z * (mg[1] + z * (mg[2] + z * (mg[3] + z * high)))


@njit(fastmath=True, error_model="numpy", nogil=True, cache=True)
def _update(first, last, state, streams, spiked, mg, c, levels, xa, xn, decay, dt):  # type: ignore[no-untyped-def]
    """One step of the tiles of a class."""
    one = np.float32(1.0)
    zero = np.float32(0.0)
    leak, rest, threshold, sharp, reset = c[1], c[2], c[3], c[4], c[5]
    refractory, step = c[6], c[7]
    inverse_sharp = one / sharp
    per_capacitance = dt / c[0]
    forget = one - dt / c[8]
    m0, m1, m2, m3, m4, m5, m6, m7 = mg[0], mg[1], mg[2], mg[3], mg[4], mg[5], mg[6], mg[7]
    t0, t1, t2, t3, t4, t5 = levels[0], levels[1], levels[2], levels[3], levels[4], levels[5]
    d0, d1, d2, d3, d4, d5 = decay[0], decay[1], decay[2], decay[3], decay[4], decay[5]
    for tile in range(first, last):
        base = _U(tile) * _U(TILE)
        lane0 = _U(tile) * _U(LANES)
        for lane in range(_U(LANES)):
            i = base + lane
            j = lane0 + lane
            x = streams[j]
            x ^= np.uint32(x << np.uint32(13))
            x ^= np.uint32(x >> np.uint32(17))
            x ^= np.uint32(x << np.uint32(5))
            streams[j] = x
            u = np.float32(np.int32(x >> np.uint32(8))) * np.float32(5.9604645e-08)
            events = (
                (one if u > t0 else zero)
                + (one if u > t1 else zero)
                + (one if u > t2 else zero)
                + (one if u > t3 else zero)
                + (one if u > t4 else zero)
                + (one if u > t5 else zero)
            )
            v = state[i]
            w = state[i + _W]
            ref = state[i + _REF]
            ampa = state[i + _AMPA] + xa * events
            nmda = state[i + _NMDA] + xn * events
            gabab = state[i + _GABAB]
            g0 = state[i + _GABA0]
            g1 = state[i + _GABA1]
            g2 = state[i + _GABA2]
            z = (v + np.float32(60.0)) * np.float32(0.025)
            share = m0 + z * (m1 + z * (m2 + z * (m3 + z * (m4 + z * (m5 + z * (m6 + z * m7))))))
            # exp(e) as (1 + e / 1024)^1024: ten multiplications and no call.
            e = (v - threshold - state[i + _OFFSET]) * inverse_sharp
            e = min(max(e, np.float32(-20.0)), np.float32(9.0))
            e = one + e * np.float32(0.0009765625)
            e *= e
            e *= e
            e *= e
            e *= e
            e *= e
            e *= e
            e *= e
            e *= e
            e *= e
            e *= e
            current = (
                -leak * (v - rest)
                + leak * sharp * e
                - (ampa + nmda * share * state[i + _CONDUCTS]) * v
                - (g0 + g1 + g2) * (v - _CHLORIDE)
                - gabab * (v - _POTASSIUM)
                - w
            )
            active = one if ref <= zero else zero
            moved = v + active * per_capacitance * current
            fired = moved > _SPIKE
            state[i] = reset if fired else moved
            state[i + _W] = w * forget + (step if fired else zero)
            state[i + _REF] = refractory if fired else ref - dt
            spiked[j] = np.uint8(1) if fired else np.uint8(0)
            state[i + _AMPA] = ampa * d0
            state[i + _NMDA] = nmda * d1
            state[i + _GABAB] = gabab * d2
            state[i + _GABA0] = g0 * d3
            state[i + _GABA1] = g1 * d4
            state[i + _GABA2] = g2 * d5


@njit(fastmath=True, nogil=True, cache=True)
def _deliver_one(addresses, lo, hi, state, variable, weight):  # type: ignore[no-untyped-def]
    for c in range(lo, hi):
        state[_U(addresses[c]) + variable] += weight


@njit(fastmath=True, nogil=True, cache=True)
def _deliver_two(addresses, lo, hi, state, variable, weight, second, other):  # type: ignore[no-untyped-def]
    for c in range(lo, hi):
        i = _U(addresses[c])
        state[i + variable] += weight
        state[i + second] += other


@njit(nogil=True, cache=True)
def _poisson_levels(rate, dt, out):  # type: ignore[no-untyped-def]
    """Probability of at most 0, 1, 2 ... external events in one step."""
    for q in range(rate.shape[0]):
        mean = rate[q] * dt
        term = np.exp(-mean)
        total = 0.0
        for m in range(EVENT_LEVELS):
            total += term
            out[q, m] = np.float32(total)
            term *= mean / (m + 1.0)


@njit(fastmath=True, nogil=True, cache=True)
def _channel_kinetics(edges, place, state, mg, opened, reference, odds, trapped, speed):  # type: ignore[no-untyped-def]
    """Move each cell's block by one ms: a channel is entered when open, and left when open or not trapped."""
    one = np.float32(1.0)
    for q in range(4):
        for i in range(edges[q], edges[q + 1]):
            a = _U(place[i])
            now = state[a + _NMDA] * _open_share(mg, state[a])
            opened[i] += (now - opened[i]) * np.float32(1.0 / _OPEN_SMOOTH_MS)
            relative = opened[i] / reference[q]
            blocked = one - state[a + _CONDUCTS]
            enter = max(relative, np.float32(1e-6)) * odds[q]
            leave = one - trapped + trapped * max(relative, np.float32(1e-6))
            # Exact for what is constant over the ms, so that the largest odds stay stable.
            goal = enter / (enter + leave)
            blocked += (goal - blocked) * (one - np.exp(-speed * (enter + leave)))
            state[a + _CONDUCTS] = one - blocked


@njit(fastmath=True, nogil=True, cache=True)
def _currents(cells, state, mg, out):  # type: ignore[no-untyped-def]
    """Mean synaptic currents into the pyramidal cells, which fill the first tiles."""
    ia = np.float32(0.0)
    im = np.float32(0.0)
    ii = np.float32(0.0)
    ib = np.float32(0.0)
    for tile in range((cells + LANES - 1) // LANES):
        base = _U(tile) * _U(TILE)
        for lane in range(_U(min(LANES, cells - tile * LANES))):
            i = base + lane
            v = state[i]
            ia -= state[i + _AMPA] * v
            im -= state[i + _NMDA] * _open_share(mg, v) * state[i + _CONDUCTS] * v
            ii -= (state[i + _GABA0] + state[i + _GABA1] + state[i + _GABA2]) * (v - _CHLORIDE)
            ib -= state[i + _GABAB] * (v - _POTASSIUM)
    out[0] = ia / cells
    out[1] = im / cells
    out[2] = ii / cells
    out[3] = ib / cells


@njit(nogil=True, cache=True)
def _sample(edges, place, state, mg, mean_v, mean_open, mean_block):  # type: ignore[no-untyped-def]
    for q in range(4):
        for i in range(edges[q], edges[q + 1]):
            a = _U(place[i])
            mean_v[q] += state[a]
            mean_open[q] += state[a + _NMDA] * _open_share(mg, state[a])
            mean_block[q] += 1.0 - state[a + _CONDUCTS]


@njit(nogil=True, cache=True)
def _steer(window, edges, rate, goal, gain):  # type: ignore[no-untyped-def]
    """Move the background drive of each class towards its target rate.

    The error is linear in the rate, so that its mean is zero where the mean rate is right, however
    unevenly the cells fire.
    """
    for q in range(4):
        hertz = window[q] / (edges[q + 1] - edges[q]) / (0.001 * _STEER_MS)
        rate[q] = max(0.02, rate[q] * max(_LARGEST_FALL, 1.0 + gain * (goal[q] - hertz) / goal[q]))
        window[q] = 0.0


@njit(fastmath=True, nogil=True, cache=True)
def integrate(  # type: ignore[no-untyped-def]
    edges, tiles, place, owner, segments, addresses, offset, cell, wa, wn, wg, wgb, xa, xn, rate, decay,
    block, mg, gate_step, nmda_decay, steps, delay, dt, warm, streams, kinetic, odds, reference, trapped,
    speed, goal, gain, raster,
):  # fmt: skip
    """Run the network.

    Parameters
    ----------
    edges, tiles, place, owner, segments, addresses, offset
        As in :class:`ketasim.circuit.wiring.Wiring`.
    cell : float32 array, shape (4, 9)
        Cell properties.
    wa, wn : float32 arrays, shape (4,)
        AMPA and NMDA conductance of a pyramidal spike, in nS.
    wg, wgb : float32 arrays, shapes (3, 4) and (4,)
        GABA-A of each interneuron class and GABA-B of SST cells, in nS.
    xa, xn, rate : arrays, shape (4,)
        AMPA and NMDA conductance of an external event (nS) and events per ms. ``rate`` is changed in
        place while ``gain`` is above 0.
    decay : float32 array, shape (6,)
        Factors a step of AMPA, NMDA, GABA-B and the three kinds of GABA-A.
    block : float32 array, shape (4,)
        Block of NMDA channels of each class at the start, and throughout unless ``kinetic``.
    mg : float32 array, shape (8,)
        From :func:`magnesium_polynomial`.
    gate_step, nmda_decay : float
        Saturation of the NMDA gate, and its decay in ms.
    steps, delay, warm : int
        Steps to run, steps from spike to synapse, steps before counting begins.
    dt : float32
        Step in ms.
    streams : uint32 array, shape (lanes,)
        State of each lane's random stream; changed in place.
    kinetic, odds, reference, trapped, speed
        State-dependent block; see :func:`_channel_kinetics`.
    goal, gain : float64 array of shape (4,), float
        Rates in Hz that the background drive is steered to, and how strongly.
    raster : int32 array, shape (capacity, 2)
        Filled with step and cell of spikes after ``warm``.

    Returns
    -------
    tuple
        Spikes of each cell; spikes in bursts of each cell; current traces (ms, 4) in pA; spikes of each
        class a ms (ms, 4); number of spikes in the raster; of each class the mean potential, open NMDA
        conductance, block, and drive over the second half.
    """
    f = np.float32
    cells = edges[4]
    per_ms = int(1.0 / dt + 0.5)
    lanes = len(owner)
    state = np.zeros(lanes // LANES * TILE, f)
    spiked = np.zeros(lanes, np.uint8)
    # Silent stretches are skipped eight lanes at a time.
    word = spiked.view(np.uint64)
    kind = np.empty(cells, np.int64)
    opened = np.empty(cells, f)
    for lane in range(lanes):
        state[lane // LANES * TILE + lane % LANES] = f(-70.0)
    for q in range(4):
        for i in range(edges[q], edges[q + 1]):
            kind[i] = q
            opened[i] = reference[q]
            a = _U(place[i])
            spread = f(streams[i] >> np.uint32(8)) * f(5.9604645e-08)
            state[a] = cell[q, 2] + f(12.0) * spread
            state[a + _OFFSET] = offset[i]
            state[a + _CONDUCTS] = f(1.0) - block[q]
    gate = np.zeros(edges[1])
    gate_at = np.zeros(edges[1], np.int64)
    slots = delay + 1
    queue = np.empty((slots, cells), np.int32)
    strength = np.empty((slots, cells), f)
    queued = np.zeros(slots, np.int64)
    count = np.zeros(cells, np.int64)
    bursting = np.zeros(cells, np.int64)
    last = np.full(cells, -1_000_000, np.int64)
    in_burst = np.zeros(cells, np.uint8)
    duration = steps // per_ms
    current = np.zeros((duration, 4), f)
    population = np.zeros((duration, 4), np.int32)
    levels = np.empty((4, EVENT_LEVELS), f)
    _poisson_levels(rate, dt, levels)
    window = np.zeros(4)
    mean_v = np.zeros(4)
    mean_open = np.zeros(4)
    mean_block = np.zeros(4)
    mean_rate = np.zeros(4)
    sampled = 0
    steered = 0
    burst = int(_BURST_MS / dt + 0.5)
    kept = 0
    for k in range(steps):
        slot = k % slots
        due = (k + 1) % slots
        if k >= delay:
            for m in range(queued[due]):
                j = queue[due, m]
                q = kind[j]
                for to in range(4):
                    lo = segments[j, to]
                    hi = segments[j, to + 1]
                    if q == 0:
                        gated = wn[to] * strength[due, m]
                        _deliver_two(addresses, lo, hi, state, _AMPA, wa[to], _NMDA, gated)
                    elif q == 1:
                        _deliver_one(addresses, lo, hi, state, _GABA0, wg[0, to])
                    elif q == 2:
                        _deliver_two(addresses, lo, hi, state, _GABA1, wg[1, to], _GABAB, wgb[to])
                    else:
                        _deliver_one(addresses, lo, hi, state, _GABA2, wg[2, to])
        for q in range(4):
            _update(
                tiles[q],
                tiles[q + 1],
                state,
                streams,
                spiked,
                mg,
                cell[q],
                levels[q],
                xa[q],
                xn[q],
                decay,
                dt,
            )
        ms = k // per_ms
        m = 0
        for b in range(len(word)):
            if word[b] == 0:
                continue
            for lane in range(8 * b, 8 * b + 8):
                i = owner[lane]
                if spiked[lane] == 0 or i < 0:
                    continue
                q = kind[i]
                queue[slot, m] = i
                if q == 0:
                    left = gate[i] * np.exp((gate_at[i] - k) * dt / nmda_decay)
                    rise = gate_step * (1.0 - left)
                    gate[i] = left + rise
                    gate_at[i] = k
                    strength[slot, m] = f(rise)
                m += 1
                window[q] += 1.0
                if ms < duration:
                    population[ms, q] += 1
                if k < warm:
                    continue
                count[i] += 1
                if k - last[i] <= burst:
                    bursting[i] += 1 if in_burst[i] == 1 else 2
                    in_burst[i] = 1
                else:
                    in_burst[i] = 0
                last[i] = k
                if kept < raster.shape[0]:
                    raster[kept, 0] = k
                    raster[kept, 1] = i
                    kept += 1
        queued[slot] = m
        if k % per_ms == 0 and ms < duration:
            _currents(edges[1], state, mg, current[ms])
            if kinetic:
                _channel_kinetics(edges, place, state, mg, opened, reference, odds, trapped, speed)
            if k >= warm and ms % 10 == 0:
                sampled += 1
                _sample(edges, place, state, mg, mean_v, mean_open, mean_block)
        if gain > 0.0 and (k + 1) % (per_ms * _STEER_MS) == 0:
            _steer(window, edges, rate, goal, gain)
            _poisson_levels(rate, dt, levels)
            if 2 * k > steps:
                mean_rate += rate
                steered += 1
    for q in range(4):
        many = max(sampled, 1) * (edges[q + 1] - edges[q])
        mean_v[q] /= many
        mean_open[q] /= many
        mean_block[q] /= many
        mean_rate[q] = mean_rate[q] / steered if steered > 0 else rate[q]
    return count, bursting, current, population, kept, mean_v, mean_open, mean_block, mean_rate
