"""The ensemble of circuits as parameters of the chain: the default's table, and the others as an option."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np

from ketasim.circuit.ensemble import Ensemble, load_ensemble
from ketasim.circuit.formulas import coefficients_of
from ketasim.errors import ModelError

__all__ = ["circuit_values", "draw_circuits", "write_circuit_table"]

_SOURCE = "circuit_network_runs"
_COLUMNS = (
    "name",
    "value",
    "unit",
    "low",
    "high",
    "distribution",
    "iiv",
    "iiv_source",
    "source",
    "grade",
    "note",
)
_NOTE = "surface of the network; changes with all others of its circuit, by the option circuit"


def circuit_values(name: str) -> dict[str, float]:
    """Coefficients of a circuit by the names of the chain's parameters.

    Parameters
    ----------
    name : str
        As :func:`ketasim.circuit.circuit_names` gives them.

    Raises
    ------
    ModelError
        If there is no such circuit.
    """
    return coefficients_of(load_ensemble().circuit(name).surface.ridge)


def draw_circuits(rng: np.random.Generator, count: int) -> Sequence[str]:
    """Draw circuits with their weights, as the uncertainty of stage 3.

    Coefficients of one circuit belong together, so that circuits are drawn, never coefficients.

    Parameters
    ----------
    rng : numpy Generator
        Where the numbers come from.
    count : int
        How many.

    Returns
    -------
    sequence of str
        Names, for the option ``circuit``.
    """
    if count < 0:
        raise ModelError(f"count is {count}; it must not be negative.")
    ensemble = load_ensemble()
    names = [circuit.name for circuit in ensemble.circuits]
    return [names[k] for k in rng.choice(len(names), size=count, p=ensemble.weights / ensemble.weights.sum())]


def write_circuit_table(path: Path, ensemble: Ensemble) -> None:
    """Write the chain's parameter table of stage 3 from the ensemble's first circuit.

    Parameters
    ----------
    path : Path
        The CSV file; an existing one is replaced.
    ensemble : Ensemble
        Whose first circuit it is.
    """
    coefficients = coefficients_of(ensemble.circuits[0].surface.ridge)
    # What the network's runs do not tell stays as the shipped table has it.
    others = [row for row in _shipped_rows() if row[0] not in coefficients]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for name, value in coefficients.items():
            text = f"{value:.6g}"
            writer.writerow([name, text, "ratio", text, text, "fixed", "", "", _SOURCE, "derived", _NOTE])
        writer.writerows(others)


def _shipped_rows() -> list[list[str]]:
    """Rows of the shipped table of stage 3."""
    table = files("ketasim.model.parameters") / "human" / "circuit.csv"
    return list(csv.reader(table.read_text(encoding="utf-8").splitlines()))[1:]
