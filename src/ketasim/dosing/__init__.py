"""Doses: drugs, routes, regimens as text and objects, and one event table behind both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader
from ketasim.dosing.dose import (
    FORMS,
    Dose,
    im,
    inhaled,
    intranasal,
    ip,
    iv_bolus,
    iv_infusion,
    oral,
    oral_prolonged_release,
    rectal,
    sc,
    sublingual,
)
from ketasim.dosing.dose_table import DoseTable, dose_table
from ketasim.dosing.drugs import DRUGS, Drug, find_drug
from ketasim.dosing.regimen import Administration, Regimen, repeat
from ketasim.dosing.routes import ROUTES, Route, find_route
from ketasim.dosing.rules import DosingRule, Fixed, PatientControlled, StopWhen, Titration
from ketasim.dosing.table import EVENT_COLUMNS, event_table, regimen_from_table
from ketasim.dosing.text import parse_regimen
from ketasim.dosing.units_of_dose import DOSE_UNITS, body_surface_area

if TYPE_CHECKING:
    from ketasim.dosing.nonmem import COMPARTMENTS, NonmemData, nonmem_table, read_nonmem, write_nonmem
    from ketasim.dosing.target_controlled import (
        PUMPS,
        PumpModel,
        TargetControlled,
        target_controlled_infusion,
    )

__all__ = [
    "COMPARTMENTS",
    "DOSE_UNITS",
    "DRUGS",
    "EVENT_COLUMNS",
    "FORMS",
    "PUMPS",
    "ROUTES",
    "Administration",
    "Dose",
    "DoseTable",
    "DosingRule",
    "Drug",
    "Fixed",
    "NonmemData",
    "PatientControlled",
    "PumpModel",
    "Regimen",
    "Route",
    "StopWhen",
    "TargetControlled",
    "Titration",
    "body_surface_area",
    "dose_table",
    "event_table",
    "find_drug",
    "find_route",
    "im",
    "inhaled",
    "intranasal",
    "ip",
    "iv_bolus",
    "iv_infusion",
    "nonmem_table",
    "oral",
    "oral_prolonged_release",
    "parse_regimen",
    "read_nonmem",
    "rectal",
    "regimen_from_table",
    "repeat",
    "sc",
    "sublingual",
    "target_controlled_infusion",
    "write_nonmem",
]

# Tables need pandas, and pumps need SciPy: one person's course must wait for neither.
# Hidden from type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(
        __name__,
        {
            "ketasim.dosing.nonmem": (
                "COMPARTMENTS",
                "NonmemData",
                "nonmem_table",
                "read_nonmem",
                "write_nonmem",
            ),
            "ketasim.dosing.target_controlled": (
                "PUMPS",
                "PumpModel",
                "TargetControlled",
                "target_controlled_infusion",
            ),
        },
    )
