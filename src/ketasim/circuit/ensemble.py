"""The ensemble of circuits that ships: weights, surfaces, and what share of circuits shows each sign.

The file ``ensemble.json`` is written by ``ketasim circuit ensemble`` and by nothing else.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ketasim.circuit.condition import Condition
from ketasim.circuit.parameters import NetworkParameters
from ketasim.circuit.ridge import Ridge
from ketasim.errors import ModelError, unknown_name

__all__ = [
    "Circuit",
    "Ensemble",
    "SignShare",
    "Surface",
    "circuit_names",
    "depressed_condition",
    "load_circuit",
    "load_ensemble",
    "read_ensemble",
    "write_ensemble",
]

_VERSION = 1
# Two-sided 95 % of a normal distribution.
_Z = 1.959964
_DIGITS = 5


@dataclass(frozen=True, eq=False)
class Surface:
    """Surfaces of one circuit and how well they hold.

    Parameters
    ----------
    ridge : Ridge
        Closed form; outputs are log ratios to rest.
    error : dict of str to float
        Cross-validated root mean square error of each output, in natural log.
    near_error : dict of str to float
        The same over the points that a drug reaches (block of all classes below 0.8 of the range).
    seed_spread : dict of str to float
        Standard deviation of a single run between seeds.
    """

    ridge: Ridge
    error: dict[str, float]
    near_error: dict[str, float]
    seed_spread: dict[str, float]


@dataclass(frozen=True, eq=False)
class Circuit:
    """An accepted circuit.

    Parameters
    ----------
    name : str
        Such as ``draw-0124``.
    weight : float
        Share of the ensemble.
    log_likelihood : float
        Of the published signs.
    parameters : NetworkParameters
        Strengths.
    drive : tuple of float
        External events per ms of each class.
    rest : tuple of float
        Baseline rates in Hz.
    effects : mapping of str to float
        What the probes showed.
    surface : Surface
        Closed forms of the log ratios of rates and gamma power, and their errors.
    """

    name: str
    weight: float
    log_likelihood: float
    parameters: NetworkParameters
    drive: tuple[float, ...]
    rest: tuple[float, ...]
    effects: Mapping[str, float]
    surface: Surface


@dataclass(frozen=True)
class SignShare:
    """How many accepted circuits show a sign.

    Parameters
    ----------
    name, title : str
        As in :data:`ketasim.circuit.signs.SIGNS`.
    shown, accepted : int
        Circuits that show it, and all accepted ones.
    causes : tuple of (str, float)
        Parameters that go most with the effect among accepted circuits, with their rank correlation.
    """

    name: str
    title: str
    shown: int
    accepted: int
    causes: tuple[tuple[str, float], ...]

    @property
    def share(self) -> float:
        """Share of accepted circuits that show the sign."""
        return self.shown / self.accepted

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share (Wilson)."""
        share, n = self.share, self.accepted
        spread = _Z**2 / n
        middle = (share + spread / 2.0) / (1.0 + spread)
        half = _Z * math.sqrt(share * (1.0 - share) / n + spread / (4.0 * n)) / (1.0 + spread)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """What ships.

    Parameters
    ----------
    tables : str
        Fingerprint of the tables that it was drawn from.
    draws : int
        Number of draws.
    refused : mapping of str to int
        Draws without a plausible baseline, by reason.
    signs : tuple of SignShare
        Over all accepted draws.
    circuits : tuple of Circuit
        Best first.
    """

    tables: str
    draws: int
    refused: Mapping[str, int]
    signs: tuple[SignShare, ...]
    circuits: tuple[Circuit, ...]

    @property
    def accepted(self) -> int:
        """Number of draws with a plausible baseline."""
        return self.draws - sum(self.refused.values())

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weights of the circuits, which sum to 1."""
        return np.array([circuit.weight for circuit in self.circuits])

    @property
    def effective_size(self) -> float:
        """Number of circuits of equal weight that would be as good."""
        return float(1.0 / (self.weights**2).sum())

    def circuit(self, name: str) -> Circuit:
        """Return one circuit by name.

        Raises
        ------
        ModelError
            If there is none of this name.
        """
        for circuit in self.circuits:
            if circuit.name == name:
                return circuit
        raise ModelError(unknown_name("circuit", name, [circuit.name for circuit in self.circuits]))


@cache
def load_ensemble() -> Ensemble:
    """Load the shipped ensemble."""
    with resources.as_file(resources.files("ketasim.circuit") / "ensemble.json") as path:
        return read_ensemble(path)


def circuit_names() -> tuple[str, ...]:
    """Names of the shipped circuits, the most likely first."""
    return tuple(circuit.name for circuit in load_ensemble().circuits)


def load_circuit(name: str | None = None) -> NetworkParameters:
    """Return the parameters of a shipped circuit; of the most likely one by default.

    Raises
    ------
    ModelError
        If there is none of this name.
    """
    return load_ensemble().circuit(name or circuit_names()[0]).parameters


@cache
def depressed_condition() -> Condition:
    """Return what a depressive episode does to the circuit, from the shipped table."""
    text = (resources.files("ketasim.circuit") / "depressed.csv").read_text(encoding="utf-8")
    values = {row["name"]: float(row["value"]) for row in csv.DictReader(text.splitlines())}
    gaba, density, sst = (values[name] for name in ("gaba_a_gain", "density", "sst_gain"))
    return Condition(gaba_a_gain=gaba, density=density, sst_gain=sst)


def _short(values: Any) -> Any:
    """Round to a few significant digits, which keeps the file small and its differences readable."""
    if isinstance(values, Mapping):
        return {name: _short(value) for name, value in values.items()}
    if isinstance(values, np.ndarray | list | tuple):
        return [_short(value) for value in values]
    return float(f"{values:.{_DIGITS}g}")


def write_ensemble(path: Path, ensemble: Ensemble) -> None:
    """Write an ensemble as JSON."""
    circuits = []
    for circuit in ensemble.circuits:
        ridge, surface = circuit.surface.ridge, circuit.surface
        circuits.append(
            {
                "name": circuit.name,
                "weight": _short(circuit.weight),
                "log_likelihood": _short(circuit.log_likelihood),
                "values": _short(circuit.parameters.values),
                "drive": _short(circuit.drive),
                "rest": _short(circuit.rest),
                "effects": _short(circuit.effects),
                "surface": {
                    "inputs": ridge.inputs,
                    "outputs": ridge.outputs,
                    "limit": ridge.limit,
                    **{
                        part: _short(getattr(ridge, part))
                        for part in ("weights", "offsets", "gains", "slopes")
                    },
                    **{
                        part: _short(getattr(surface, part))
                        for part in ("error", "near_error", "seed_spread")
                    },
                },
            }
        )
    content = {
        "version": _VERSION,
        "tables": ensemble.tables,
        "draws": ensemble.draws,
        "refused": ensemble.refused,
        "signs": [
            {
                "name": sign.name,
                "title": sign.title,
                "shown": sign.shown,
                "accepted": sign.accepted,
                "causes": sign.causes,
            }
            for sign in ensemble.signs
        ],
        "circuits": circuits,
    }
    # A list of numbers without a list inside goes on one line.
    text = re.sub(r"\[[^][{}\"]*\]", lambda found: " ".join(found[0].split()), json.dumps(content, indent=1))
    path.write_text(text + "\n", encoding="utf-8")


def read_ensemble(path: Path) -> Ensemble:
    """Read an ensemble.

    Raises
    ------
    ModelError
        If the file is not there or not of this version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            raise ModelError(f"{path}: version {content['version']}; this Ketasim reads version {_VERSION}.")
        signs = tuple(
            SignShare(
                row["name"],
                row["title"],
                row["shown"],
                row["accepted"],
                tuple((name, value) for name, value in row["causes"]),
            )
            for row in content["signs"]
        )
        circuits = tuple(_circuit(row) for row in content["circuits"])
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(
            f"{path}: this is no ensemble of circuits; 'ketasim circuit ensemble' makes one."
        ) from error
    return Ensemble(content["tables"], content["draws"], content["refused"], signs, circuits)


def _circuit(row: Mapping[str, Any]) -> Circuit:
    parts = row["surface"]
    ridge = Ridge(
        inputs=tuple(parts["inputs"]),
        outputs=tuple(parts["outputs"]),
        weights=np.array(parts["weights"]),
        offsets=np.array(parts["offsets"]),
        gains=np.array(parts["gains"]),
        slopes=np.array(parts["slopes"]),
        limit=parts["limit"],
    )
    surface = Surface(ridge, parts["error"], parts["near_error"], parts["seed_spread"])
    return Circuit(
        row["name"],
        row["weight"],
        row["log_likelihood"],
        NetworkParameters(row["name"], row["values"]),
        tuple(row["drive"]),
        tuple(row["rest"]),
        row["effects"],
        surface,
    )
