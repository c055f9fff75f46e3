"""Parameters of the spiking network: one table, and the arrays that the network is built from."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ketasim.circuit.formulas import CLASSES
from ketasim.errors import ModelError, unknown_name

__all__ = ["CELL_COLUMNS", "NetworkParameter", "NetworkParameters", "draw_parameters", "network_table"]

#: What is said of a cell class, in the order of the kernel.
CELL_COLUMNS = (
    "capacitance",
    "leak",
    "rest",
    "threshold",
    "sharpness",
    "reset",
    "refractory",
    "adaptation_step",
    "adaptation_time",
)
INTERNEURONS = CLASSES[1:]
# What the network divides by, or needs some of.
_DIVISORS = (
    "capacitance",
    "sharpness",
    "adaptation_time",
    "ampa_decay",
    "nmda_decay",
    "gabab_decay",
    "gaba_decay",
    "share",
    "delay",
)
_ROUNDING = 1e-9
# A range in the table is plus or minus this many standard deviations.
_RANGE_DEVIATIONS = 2.0


@dataclass(frozen=True)
class NetworkParameter:
    """One number of the network with its origin; ``distribution`` is ``fixed`` or ``lognormal``."""

    name: str
    value: float
    unit: str
    low: float
    high: float
    distribution: str
    source: str
    grade: str
    note: str


@cache
def network_table() -> Mapping[str, NetworkParameter]:
    """Return the shipped table of the network's parameters, by name."""
    text = (resources.files("ketasim.circuit") / "network.csv").read_text(encoding="utf-8")
    table = {}
    for row in csv.DictReader(text.splitlines()):
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        texts = (row["distribution"], row["source"], row["grade"], row["note"])
        table[row["name"]] = NetworkParameter(row["name"], value, row["unit"], low, high, *texts)
    return table


@dataclass(frozen=True)
class NetworkParameters:
    """A full set of the network's parameters.

    Parameters
    ----------
    name : str
        What the set is called.
    values : mapping of str to float
        Differences from the shipped table, in the table's units.

    Raises
    ------
    ModelError
        If a name is unknown, a value is out of range or the shares of the classes do not add up to 1.
    """

    name: str
    values: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, value in self.values.items():
            if name not in network_table():
                raise ModelError(unknown_name("parameter of the network", name, network_table()))
            unit = network_table()[name].unit
            if not math.isfinite(value) or (value < 0.0 and unit != "mV"):
                raise ModelError(
                    f"{self.name}: {name} is {value:g} {unit}; it must be finite and not negative."
                )
            if value == 0.0 and name.startswith(_DIVISORS):
                raise ModelError(f"{self.name}: {name} is 0 {unit}; it must be above 0.")
            if value > 1.0 and unit == "ratio":
                raise ModelError(f"{self.name}: {name} is {value:g}; it is a share from 0 to 1.")
        shares = self.of_classes("share").sum()
        if abs(shares - 1.0) > _ROUNDING:
            raise ModelError(
                f"{self.name}: the shares of the four classes add up to {shares:g}; make them 1."
            )

    def value(self, name: str) -> float:
        """One parameter, in the table's unit."""
        return self.values.get(name, network_table()[name].value)

    def of_classes(self, prefix: str, classes: Sequence[str] = CLASSES) -> NDArray[np.float64]:
        """Parameters ``<prefix>_<class>`` as an array in the order of the classes."""
        return np.array([self.value(f"{prefix}_{name}") for name in classes])

    def cells(self) -> NDArray[np.float64]:
        """Cell properties, shape (4, 9), columns as :data:`CELL_COLUMNS`."""
        return np.stack([self.of_classes(column) for column in CELL_COLUMNS], axis=1)

    def connection(self) -> NDArray[np.float64]:
        """Probability of a connection, shape (4 from, 4 to)."""
        return np.stack([self.of_classes(f"connect_{name}") for name in CLASSES])

    def inhibition(self) -> NDArray[np.float64]:
        """GABA-A conductance of one spike, in nS, shape (3 from, 4 to)."""
        return np.stack([self.of_classes(f"gaba_{name}") for name in INTERNEURONS])


def draw_parameters(rng: np.random.Generator, name: str) -> NetworkParameters:
    """Draw a set: each free parameter log-normally, with the table's range as two standard deviations.

    Parameters
    ----------
    rng : numpy Generator
        Where the numbers come from.
    name : str
        What the set is called.
    """
    values = {}
    for entry in network_table().values():
        if entry.distribution == "lognormal":
            spread = math.log(entry.high / entry.low) / (2.0 * _RANGE_DEVIATIONS)
            values[entry.name] = float(entry.value * math.exp(spread * rng.standard_normal()))
    return NetworkParameters(name, values)
