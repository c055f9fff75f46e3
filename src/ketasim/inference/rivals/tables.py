"""The fitted values and sets of the wirings as tables, and as draws for any experiment or trial."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from ketasim.errors import ModelError
from ketasim.inference.calibration import INFORMED, SCORING
from ketasim.inference.rivals.calibration import WiringFit
from ketasim.model.hypotheses import WIRINGS, load_wiring_values
from ketasim.model.parameters import load_parameters
from ketasim.population.draws import Draws, load_posterior

__all__ = ["DRAWS_FILE", "VALUES_FILE", "best_of", "draws_of", "write_wirings"]

VALUES_FILE, DRAWS_FILE = "wirings.csv", "wiring_draws.csv"
_HEADS = ("wiring", "parameter", "value", "grade")


def write_wirings(found: Mapping[str, WiringFit], folder: Path) -> Path:
    """Write the values of each wiring, and beside them the sets drawn around each fit.

    Parameters
    ----------
    found : mapping of str to WiringFit
        Fits.
    folder : Path
        Where ``wirings.csv`` and ``wiring_draws.csv`` are put.

    Returns
    -------
    Path
        The table of values.
    """
    path = folder / VALUES_FILE
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEADS)
        for name, fit in found.items():
            rows = zip(fit.names, fit.values.tolist(), fit.shrinkage.tolist(), strict=True)
            for parameter, value, share in rows:
                grade = "calibrated" if share <= INFORMED else "assumed"
                writer.writerow((name, parameter, f"{value:.6g}", grade))
    names = tuple(dict.fromkeys(parameter for fit in found.values() for parameter in fit.names))
    with (folder / DRAWS_FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("wiring", "draw", *names))
        for name, fit in found.items():
            for number, row in enumerate(fit.prior.values(fit.ensemble.z).tolist(), 1):
                own = dict(zip(fit.names, row, strict=True))
                cells = (f"{own[parameter]:.6g}" if parameter in own else "" for parameter in names)
                writer.writerow((name, number, *cells))
    return path


@cache
def _sets() -> Mapping[str, tuple[Mapping[str, float], ...]]:
    """Shipped sets by wiring."""
    table = resources.files("ketasim.model.parameters") / DRAWS_FILE
    if not table.is_file():
        raise ModelError(
            f"hypotheses: there is no {DRAWS_FILE} beside the parameter tables; "
            "'ketasim calibrate wirings --write FOLDER' makes it."
        )
    found: dict[str, list[Mapping[str, float]]] = {}
    for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines()):
        own = {name: float(text) for name, text in row.items() if name not in ("wiring", "draw") and text}
        found.setdefault(row["wiring"], []).append(own)
    return {name: tuple(rows) for name, rows in found.items()}


def draws_of(name: str, count: int) -> Draws:
    """Draws of a wiring, for people and animals alike.

    Parameters
    ----------
    name : str
        One of the wirings.
    count : int
        Draws; from the beginning again if there are fewer.

    Returns
    -------
    Draws
        What the wiring fixes is the same in all. They move away from the shipped human tables. What is
        scored beside biology has the shipped posterior in every wiring.

    Raises
    ------
    ModelError
        If the wiring was not calibrated.
    """
    sets = _sets().get(name, ())
    if not sets:
        raise ModelError(f"hypotheses: {DRAWS_FILE} has no set of {name!r}; calibrate the wirings again.")
    rows = [{**WIRINGS[name].fixed, **sets[place % len(sets)]} for place in range(count)]
    scored = load_posterior().only(SCORING)
    extra = scored.values[np.arange(count) % len(scored)]
    names = (*rows[0], *scored.names)
    values = np.array([list(row.values()) for row in rows])
    centres = np.array([load_parameters()[parameter].value for parameter in names])
    return Draws(names, np.hstack([values, extra]), centres)


def best_of(names: tuple[str, ...]) -> Draws:
    """One draw a wiring, at its best values, so that many wirings are simulated at once.

    Parameters
    ----------
    names : tuple of str
        Wirings.

    Returns
    -------
    Draws
        In this order.
    """
    tables = load_parameters()
    found = load_wiring_values()
    for name in names:
        if not found[name]:
            raise ModelError(f"hypotheses: {VALUES_FILE} has no value of {name!r}; calibrate the wirings.")
    rows = [{**WIRINGS[name].fixed, **found[name]} for name in names]
    every = tuple(dict.fromkeys(parameter for row in rows for parameter in row))
    centres = np.array([tables[parameter].value for parameter in every])
    values = np.array([[row.get(parameter, tables[parameter].value) for parameter in every] for row in rows])
    return Draws(every, values, centres)
