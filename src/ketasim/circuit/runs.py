"""The table of network runs that the surfaces are fitted to.

The table ships with the package. Each row is one setting of the spiking network:
a ketamine concentration, the half-blocking concentration of each cell class, the
block that follows, and the rates and gamma power relative to no drug.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ketasim.circuit.formulas import CLASSES, OUTPUTS
from ketasim.errors import EvidenceError, unknown_name

__all__ = ["ORIGINS", "USES", "NetworkRun", "load_network_runs"]

ORIGINS = ("table", "rerun")
USES = ("fit", "check", "repeat")
_COLUMNS = (
    "origin",
    "rule",
    "use",
    "concentration",
    *(f"ic50_{name}" for name in CLASSES),
    *(f"block_{name}" for name in CLASSES),
    *OUTPUTS,
    "source",
)
# Blocks are written with ten digits, so they agree with C / (C + IC50) to a little less than that.
_BLOCK_TOLERANCE = 1e-8


@dataclass(frozen=True)
class NetworkRun:
    """One setting of the spiking network and what it did.

    Parameters
    ----------
    origin : str
        ``table`` (the feasibility report) or ``rerun`` (the same network, run again for the surfaces).
    rule : str
        How the half-blocking concentrations were chosen.
    use : str
        ``fit``, ``check`` (never fitted) or ``repeat`` (a table row run again, shown only).
    concentration : float
        Unbound ketamine, in uM.
    ic50, block : tuple of float
        Half-blocking concentration in uM (infinite: no block) and block from 0 to 1 of
        pyramidal, PV, SST and VIP cells.
    ratios : mapping of str to float
        Rates and gamma power relative to no drug; NaN where none was reported.
    source : str
        Where the row comes from.
    """

    origin: str
    rule: str
    use: str
    concentration: float
    ic50: tuple[float, ...]
    block: tuple[float, ...]
    ratios: Mapping[str, float]
    source: str


def load_network_runs(path: str | Path | None = None) -> tuple[NetworkRun, ...]:
    """Load network runs from a CSV file.

    Parameters
    ----------
    path : str or Path, optional
        A table with the columns of the shipped one, which is the default.

    Returns
    -------
    tuple of NetworkRun
        In the order of the file.

    Raises
    ------
    EvidenceError
        If the file is missing or a row breaks the rules; names the line and the column.
    """
    if path is None:
        with resources.as_file(resources.files("ketasim.circuit") / "network_runs.csv") as shipped:
            return _read(shipped)
    if not Path(path).is_file():
        raise EvidenceError(f"network runs {path}: there is no such file.")
    return _read(Path(path))


def _read(path: Path) -> tuple[NetworkRun, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            raise EvidenceError(f"{path.name}: the columns must be {', '.join(_COLUMNS)}.")
        return tuple(_run(f"{path.name}, line {reader.line_num}", row) for row in reader)


def _run(where: str, row: Mapping[str, str]) -> NetworkRun:
    for column, allowed in (("origin", ORIGINS), ("use", USES)):
        if row[column] not in allowed:
            raise EvidenceError(f"{where}: {unknown_name(column, row[column], allowed)}")
    concentration = _number(where, row, "concentration")
    ic50 = tuple(_number(where, row, f"ic50_{name}") for name in CLASSES)
    block = tuple(_number(where, row, f"block_{name}") for name in CLASSES)
    if not (concentration > 0.0 and all(value > 0.0 for value in ic50)):
        raise EvidenceError(f"{where}: concentration and ic50_* must be above 0 uM.")
    for name, half, value in zip(CLASSES, ic50, block, strict=True):
        expected = concentration / (concentration + half)
        if not abs(value - expected) <= _BLOCK_TOLERANCE:
            raise EvidenceError(
                f"{where}: block_{name} is {value:g}, but C / (C + IC50) is {expected:.10g}; "
                "correct one of them."
            )
    ratios = {output: _number(where, row, output) for output in OUTPUTS}
    for output, value in ratios.items():
        if value < 0.0 or math.isinf(value):
            raise EvidenceError(
                f"{where}: {output} is {value:g}; a ratio is finite and not negative, or nan."
            )
    return NetworkRun(
        row["origin"], row["rule"], row["use"], concentration, ic50, block, ratios, row["source"]
    )


def _number(where: str, row: Mapping[str, str], column: str) -> float:
    try:
        return float(row[column])
    except (TypeError, ValueError):
        raise EvidenceError(
            f"{where}: {column} is {row[column]!r}; write a number, 'inf' or 'nan'."
        ) from None
