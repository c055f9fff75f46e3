"""From open gates to the BOLD signal: the Balloon-Windkessel model, and its linear response at rest.

With signal x, flow f, volume v and deoxyhaemoglobin q (Friston et al. 2003)::

    dx/dt = z - kappa x - gamma (f - 1),   df/dt = x
    tau dv/dt = f - v^(1/alpha),           tau dq/dt = f E(f) / rho - v^(1/alpha) q / v
    y = V0 (k1 (1 - q) + k2 (1 - q/v) + k3 (1 - v)),   E(f) = 1 - (1 - rho)^(1/f)
    k1 = 7 rho,  k2 = 2,  k3 = 2 rho - 0.2

z is how far the NMDA gate is open above rest, so that all states are at rest without drug.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.brain.tables import read_table
from ketasim.errors import BrainError

__all__ = ["Haemodynamics", "load_haemodynamics"]

_Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class Haemodynamics:
    """Constants of the Balloon-Windkessel model; the table ``haemodynamics.csv`` says where each comes from.

    Parameters
    ----------
    signal_decay : float
        kappa, in 1/s.
    autoregulation : float
        gamma, in 1/s2.
    transit_time : float
        tau, in s.
    stiffness : float
        Grubb's exponent alpha.
    extraction : float
        Resting oxygen extraction rho, between 0 and 1.
    volume_fraction : float
        Resting blood volume V0.

    Raises
    ------
    BrainError
        If a number is not above 0 or the extraction is not below 1.
    """

    signal_decay: float
    autoregulation: float
    transit_time: float
    stiffness: float
    extraction: float
    volume_fraction: float

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise BrainError(f"haemodynamics {name} is {value}; it must be finite and above 0.")
        if self.extraction >= 1.0:
            raise BrainError(f"haemodynamics extraction is {self.extraction}; it must be below 1.")

    @property
    def signal_weights(self) -> tuple[float, float, float]:
        """k1, k2 and k3 of the signal (Friston et al. 2003)."""
        return 7.0 * self.extraction, 2.0, 2.0 * self.extraction - 0.2

    @property
    def poles(self) -> _Complex:
        """The four poles of the linear response at rest, in 1/s."""
        root = np.sqrt(complex(self.signal_decay**2 / 4.0 - self.autoregulation))
        middle = -self.signal_decay / 2.0
        rest = -1.0 / self.transit_time
        return np.array([middle + root, middle - root, rest / self.stiffness, rest], dtype=np.complex128)

    def _numerator(self, s: _Complex) -> _Complex:
        k1, k2, k3 = self.signal_weights
        rho, tau, alpha = self.extraction, self.transit_time, self.stiffness
        # Slope of f E(f) / rho at rest: what more flow brings of deoxyhaemoglobin.
        slope = 1.0 + (1.0 - rho) * math.log1p(-rho) / rho
        deoxy = slope * (tau * s + 1.0 / alpha) - (1.0 / alpha - 1.0)
        return self.volume_fraction * ((k2 - k3) * (tau * s + 1.0) - (k1 + k2) * deoxy)

    def transfer(self, s: ArrayLike) -> _Complex:
        """Linear response of the signal to the open gate.

        Parameters
        ----------
        s : array_like
            Laplace variable, in 1/s; 2 pi i f for a frequency f in Hz.

        Returns
        -------
        array of complex
            Of the shape of ``s``.
        """
        at = np.asarray(s, dtype=np.complex128)
        transit = self.transit_time
        flow = at * (at + self.signal_decay) + self.autoregulation
        return self._numerator(at) / (flow * (transit * at + 1.0 / self.stiffness) * (transit * at + 1.0))

    def residues(self) -> _Complex:
        """Residues of the linear response at its poles, in 1/s, in their order."""
        poles = self.poles
        others = [np.prod(np.delete(pole - poles, k)) for k, pole in enumerate(poles)]
        scale = np.array(others) * self.transit_time**2
        return np.asarray(self._numerator(poles) / scale, dtype=np.complex128)


@cache
def load_haemodynamics(path: str | Path | None = None) -> Haemodynamics:
    """Load the constants of the Balloon-Windkessel model.

    Parameters
    ----------
    path : str or Path, optional
        A table with the columns and rows of the shipped ``haemodynamics.csv``, which is the default.

    Returns
    -------
    Haemodynamics
        The values of the table.

    Raises
    ------
    BrainError
        If the file is missing or a row breaks the rules.
    """
    names = [field.name for field in fields(Haemodynamics)]
    return Haemodynamics(**read_table("haemodynamics.csv" if path is None else Path(path), names))
