"""Block of NMDA channels by cell class: from declared class ratios, or from the subunits of each class.

The classes' half-blocking concentrations 5 : 2 : 1.5 : 3 (pyramidal, PV, SST, VIP) are declared and
uncertain, and the sign of disinhibition hangs on them. Subunits, as far as they are known from memory, give
less selectivity than that; both can be run.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

import numpy as np
from scipy.optimize import brentq

from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.parameters import NetworkParameters
from ketasim.errors import ModelError, unknown_name

__all__ = ["ANTAGONISTS", "CLASS_IC50", "blocks_at", "blocks_at_mean", "subunit_blocks"]

#: Half-blocking concentrations of ketamine for the four classes, in the network's own scale (uM).
CLASS_IC50 = (5.0, 2.0, 1.5, 3.0)
#: NMDA antagonists whose subunit preferences are in the table.
ANTAGONISTS = ("ketamine", "memantine", "mk801", "glun2b_antagonist")
Blocks = tuple[float, float, float, float]


def blocks_at(concentration: float, ic50: Sequence[float] = CLASS_IC50) -> Blocks:
    """Block of the four classes, C / (C + IC50).

    Parameters
    ----------
    concentration : float
        In the unit of ``ic50``; not negative.
    ic50 : sequence of four floats
        Half-blocking concentrations; infinite for a class that is not blocked.

    Raises
    ------
    ModelError
        If a number is out of range.
    """
    if not concentration >= 0.0 or math.isinf(concentration):
        raise ModelError(f"concentration is {concentration:g}; it must be finite and not negative.")
    if len(ic50) != len(CLASSES) or not all(value > 0.0 for value in ic50):
        raise ModelError(f"ic50 is {tuple(ic50)}; give four values above 0, for {', '.join(CLASSES)}.")
    first, second, third, fourth = (concentration / (concentration + half) for half in ic50)
    return first, second, third, fourth


def blocks_at_mean(mean: float, ic50: Sequence[float] = CLASS_IC50) -> Blocks:
    """Block of the four classes whose mean, weighted by their shares of cells, is given.

    Parameters
    ----------
    mean : float
        From 0 to below 1. About 0.24 at the end of an antidepressant infusion, 0.52 at awakening.
    ic50 : sequence of four floats
        Only their ratios matter.

    Raises
    ------
    ModelError
        If the mean cannot be reached.
    """
    if not 0.0 <= mean < 1.0:
        raise ModelError(f"mean block is {mean:g}; it is a fraction from 0 to below 1.")
    if mean == 0.0:
        return blocks_at(0.0, ic50)
    shares = NetworkParameters("table", {}).of_classes("share")

    def excess(log_concentration: float) -> float:
        return float(shares @ np.array(blocks_at(math.exp(log_concentration), ic50))) - mean

    if excess(20.0) < 0.0:
        raise ModelError(f"mean block is {mean:g}; classes that are not blocked keep it below that.")
    return blocks_at(math.exp(float(brentq(excess, -20.0, 20.0, xtol=1e-12))), ic50)


@cache
def _subunits() -> Mapping[tuple[str, str], tuple[float, ...]]:
    text = (resources.files("ketasim.circuit") / "subunits.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        (row["kind"], row["name"]): tuple(float(row[f"glun2{letter}"]) for letter in "abcd") for row in rows
    }


def subunit_blocks(antagonist: str, concentration: float) -> Blocks:
    """Block of the four classes from their subunits: the sum of share times C / (C + IC50).

    Parameters
    ----------
    antagonist : str
        One of :data:`ANTAGONISTS`.
    concentration : float
        In uM.

    Raises
    ------
    ModelError
        If the antagonist is unknown or the concentration is negative.
    """
    if antagonist not in ANTAGONISTS:
        raise ModelError(unknown_name("NMDA antagonist", antagonist, ANTAGONISTS))
    by_subunit = blocks_at(concentration, _subunits()["ic50", antagonist])
    first, second, third, fourth = (
        sum(share * block for share, block in zip(_subunits()["share", name], by_subunit, strict=True))
        for name in CLASSES
    )
    return first, second, third, fourth
