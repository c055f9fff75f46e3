"""What is read from a run of the network: rates, rhythms, currents, bursts, cells that wake."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.kernel import CURRENTS
from ketasim.errors import ModelError

__all__ = ["GAMMA_HZ", "NetworkActivity", "Swap", "swap"]

#: Band of the gamma rhythm.
GAMMA_HZ = (30.0, 90.0)
_SAMPLE_HZ = 1000.0
_SEGMENT = 512
# A cell slower than the first of these is silent, one faster than the second is active (Hz).
_SILENT_HZ = 0.5
_ACTIVE_HZ = 2.0
_BIN_MS = 5


@dataclass(frozen=True, eq=False)
class NetworkActivity:
    """One run of the network; times in ms, currents in pA, everything counted after the warm-up.

    Parameters
    ----------
    edges : int64 array, shape (5,)
        First cell of each class, then the number of cells.
    counted_ms, warm_ms : float
        Length of the part that is counted, and of the part before it.
    spikes, burst_spikes : int64 arrays, shape (cells,)
        Spikes of each cell, and how many of them belong to a burst (a neighbour within 20 ms).
    currents : float32 array, shape (ms, 4)
        Mean AMPA, NMDA, GABA-A and GABA-B current into pyramidal cells; inward is positive.
    population : int32 array, shape (ms, 4)
        Spikes of each class in each ms, the warm-up included.
    raster : int32 array, shape (spikes, 2)
        Step and cell of the spikes that were kept.
    voltage, open_conductance, block : float64 arrays, shape (4,)
        Means of each class: potential (mV), open NMDA conductance before block (nS), block.
    """

    edges: NDArray[np.int64]
    counted_ms: float
    warm_ms: float
    spikes: NDArray[np.int64]
    burst_spikes: NDArray[np.int64]
    currents: NDArray[np.float32]
    population: NDArray[np.int32]
    raster: NDArray[np.int32]
    voltage: NDArray[np.float64]
    open_conductance: NDArray[np.float64]
    block: NDArray[np.float64]

    def _of(self, index: int) -> slice:
        return slice(int(self.edges[index]), int(self.edges[index + 1]))

    @property
    def rates(self) -> NDArray[np.float64]:
        """Mean rate of each class in Hz, shape (4,)."""
        return np.array([self.cell_rates[self._of(q)].mean() for q in range(len(CLASSES))])

    @property
    def cell_rates(self) -> NDArray[np.float64]:
        """Rate of each cell in Hz."""
        return self.spikes / (self.counted_ms / 1000.0)

    @property
    def burst_share(self) -> float:
        """Share of pyramidal spikes that belong to a burst; 0 without spikes."""
        pyramidal = self._of(0)
        return float(self.burst_spikes[pyramidal].sum() / max(self.spikes[pyramidal].sum(), 1))

    @property
    def synchrony(self) -> float:
        """Coefficient of variation of pyramidal firing in bins of 5 ms: about 0.1 if cells fire alone."""
        after = self.population[round(self.warm_ms) :, 0]
        bins = after[: len(after) // _BIN_MS * _BIN_MS].reshape(-1, _BIN_MS).sum(axis=1)
        return float(bins.std() / max(bins.mean(), 1e-9))

    @property
    def silent_share(self) -> float:
        """Share of pyramidal cells below 0.5 Hz."""
        return float((self.cell_rates[self._of(0)] < _SILENT_HZ).mean())

    @property
    def drift(self) -> float:
        """Pyramidal firing of the second half over that of the first."""
        after = self.population[round(self.warm_ms) :, 0]
        half = len(after) // 2
        return float(after[half:].sum() / max(after[:half].sum(), 1))

    @property
    def mean_currents(self) -> dict[str, float]:
        """Mean current of each kind into a pyramidal cell, in pA; inward is positive."""
        after = self.currents[round(self.warm_ms) :]
        return dict(zip(CURRENTS, after.mean(axis=0, dtype=np.float64).tolist(), strict=True))

    @property
    def excitation_over_inhibition(self) -> float:
        """Excitatory over inhibitory synaptic current into a pyramidal cell, sizes."""
        mean = self.mean_currents
        return (mean["ampa"] + mean["nmda"]) / max(-(mean["gaba_a"] + mean["gaba_b"]), 1e-9)

    @property
    def field_potential(self) -> NDArray[np.float64]:
        """Proxy of the local field: sizes of AMPA and GABA-A currents into pyramidal cells, each ms."""
        after = self.currents[round(self.warm_ms) :].astype(np.float64)
        return np.abs(after[:, 0]) + np.abs(after[:, 2])

    def spectrum(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Power of the field proxy: frequency in Hz and power in pA^2/Hz (Welch, half-second windows)."""
        trace = self.field_potential
        frequency, power = welch(trace - trace.mean(), fs=_SAMPLE_HZ, nperseg=min(_SEGMENT, len(trace)))
        return frequency, power

    @property
    def gamma(self) -> float:
        """Power of the field proxy from 30 to 90 Hz, in pA^2."""
        frequency, power = self.spectrum()
        band = (frequency >= GAMMA_HZ[0]) & (frequency <= GAMMA_HZ[1])
        return float(power[band].sum() * (frequency[1] - frequency[0]))


@dataclass(frozen=True)
class Swap:
    """Which pyramidal cells change sides, as shares of those that were silent and of those active.

    Parameters
    ----------
    woken : float
        Share of silent cells (below 0.5 Hz) that are active (above 2 Hz) afterwards.
    silenced : float
        Share of active cells that are silent afterwards.
    silent, active : int
        How many there were.
    """

    woken: float
    silenced: float
    silent: int
    active: int


def swap(before: NetworkActivity, after: NetworkActivity) -> Swap:
    """Compare pyramidal cells of one network in two runs; a share is 0 where there were no such cells."""
    if len(before.spikes) != len(after.spikes):
        raise ModelError(
            f"the runs have {len(before.spikes)} and {len(after.spikes)} cells; compare runs of one network."
        )
    pyramidal = slice(int(before.edges[0]), int(before.edges[1]))
    first, then = before.cell_rates[pyramidal], after.cell_rates[pyramidal]
    silent, active = first < _SILENT_HZ, first > _ACTIVE_HZ
    woken = float((then[silent] > _ACTIVE_HZ).mean()) if silent.any() else 0.0
    silenced = float((then[active] < _SILENT_HZ).mean()) if active.any() else 0.0
    return Swap(woken, silenced, int(silent.sum()), int(active.sum()))
