"""Doses: drugs, routes, regimens as text and objects, and one event table behind both."""

from __future__ import annotations

from ketasim.dosing.dose import (
    FORMS,
    Dose,
    im,
    inhaled,
    intranasal,
    iv_bolus,
    iv_infusion,
    oral,
    oral_prolonged_release,
    rectal,
    sc,
    sublingual,
)
from ketasim.dosing.drugs import DRUGS, Drug, find_drug
from ketasim.dosing.regimen import Administration, Regimen, repeat
from ketasim.dosing.routes import ROUTES, Route, find_route
from ketasim.dosing.table import EVENT_COLUMNS, event_table, regimen_from_table
from ketasim.dosing.text import parse_regimen
from ketasim.dosing.units_of_dose import DOSE_UNITS, body_surface_area

__all__ = [
    "DOSE_UNITS",
    "DRUGS",
    "EVENT_COLUMNS",
    "FORMS",
    "ROUTES",
    "Administration",
    "Dose",
    "Drug",
    "Regimen",
    "Route",
    "body_surface_area",
    "event_table",
    "find_drug",
    "find_route",
    "im",
    "inhaled",
    "intranasal",
    "iv_bolus",
    "iv_infusion",
    "oral",
    "oral_prolonged_release",
    "parse_regimen",
    "rectal",
    "regimen_from_table",
    "repeat",
    "sc",
    "sublingual",
]
