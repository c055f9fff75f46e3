"""Exports of the model for other tools."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ketasim.api.options import length_h
from ketasim.api.regimens import prepare
from ketasim.dosing import Regimen
from ketasim.interop import chain_document
from ketasim.model.simulator import Case

__all__ = ["export_sbml"]


def export_sbml(
    regimen: Regimen | str = "none",
    *,
    days: str | float = "14d",
    weight: str = "70 kg",
    illness: str = "depressed",
    severity: float = 33.0,
    set: Mapping[str, str] | None = None,
) -> str:
    """Write the whole chain for one person under a regimen as SBML.

    Parameters
    ----------
    regimen, days, weight, illness, severity, set
        As for :func:`~ketasim.api.simulate_regimen`. Doses after ``days`` are left out.

    Returns
    -------
    str
        An SBML Level 3 Version 2 document.

    Raises
    ------
    DoseError, ModelError, UnitError
        If something given cannot be used, or python-libsbml is not installed.
    """
    simulator, regimen, patient = prepare(regimen, weight=weight, illness=illness, severity=severity, set=set)
    end = (regimen.first_start_h or 0.0) + length_h(days)
    return chain_document(simulator, Case(patient, regimen, np.array([0.0, end])))
