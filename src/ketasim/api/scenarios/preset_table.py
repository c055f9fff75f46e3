"""Scenarios to start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from ketasim.api.scenarios.definition import Scenario

__all__ = ["Preset", "presets"]

_INFUSION: Final = "0.5 mg/kg ketamine iv over 40 min"
_MONTH_H: Final = 672.0


@dataclass(frozen=True)
class Preset:
    """A scenario with a name.

    Parameters
    ----------
    id, name, note : str
        As chosen, in words, and what there is to see.
    axis_end_h : float
        How far to look, in h since the first dose.
    scenario : Scenario
        The scenario.
    """

    id: str
    name: str
    note: str
    axis_end_h: float
    scenario: Scenario


#: Name, note, end and what differs from the default scenario.
_TABLE: Final[Mapping[str, tuple[str, str, float, dict[str, Any]]]] = {
    "one_infusion": (
        "One infusion",
        "The drug is gone in a day; the mood is lifted for longer.",
        _MONTH_H,
        {"regimen": _INFUSION},
    ),
    "repeated_infusions": (
        "Infusions twice weekly",
        "Eight infusions in four weeks: effects of single doses join.",
        _MONTH_H,
        {"regimen": f"{_INFUSION}, twice weekly x 4 weeks"},
    ),
    "esketamine_nasal": (
        "Esketamine nasal spray",
        "84 mg twice weekly with a new antidepressant, against a placebo spray with one.",
        _MONTH_H,
        {
            "regimen": "84 mg esketamine intranasal, twice weekly x 4 weeks",
            "setting": {"control": "saline", "comedication": ["new_antidepressant"]},
        },
    ),
    "oral": (
        "Ketamine by mouth",
        "Most is lost in gut and liver on the way: much norketamine, little ketamine.",
        _MONTH_H,
        {
            "regimen": "1 mg/kg ketamine oral, three times weekly x 3 weeks",
            "setting": {"control": "saline"},
        },
    ),
    "anaesthetic_dose": (
        "Anaesthetic dose",
        "2 mg/kg at once: deep block is not more of the same.",
        _MONTH_H,
        {
            "regimen": "2 mg/kg ketamine iv bolus",
            "setting": {"control": "saline", "context": "inpatient"},
        },
    ),
    "under_anaesthesia": (
        "Infusion under anaesthesia",
        "Nothing can be felt, so that belief stays at the chance by design.",
        _MONTH_H,
        {"regimen": _INFUSION, "setting": {"control": "saline", "context": "anaesthesia"}},
    ),
    "rapamycin_before": (
        "Sirolimus before the infusion",
        "By mouth it hardly reaches the brain; it acts on immune cells.",
        _MONTH_H,
        {"regimen": _INFUSION, "setting": {"comedication": ["rapamycin"]}},
    ),
    "mtorc1_off": (
        "mTORC1 switched off",
        "What a block within the brain would do; compare the wirings.",
        _MONTH_H,
        {"regimen": _INFUSION, "mechanism": {"switches": {"mtorc1": 0.0}}},
    ),
    "naltrexone_before": (
        "Naltrexone before the infusion",
        "With the opioid wiring the fast arm needs opioid tone.",
        _MONTH_H,
        {
            "regimen": _INFUSION,
            "setting": {"comedication": ["naltrexone"]},
            "mechanism": {"wiring": "opioid"},
        },
    ),
    "midazolam_alone": (
        "Midazolam alone",
        "The active control itself, against saline.",
        _MONTH_H,
        {"regimen": "0.045 mg/kg midazolam iv over 40 min", "setting": {"control": "saline"}},
    ),
    "acute_pain": (
        "Acute pain",
        "0.3 mg/kg over 15 min in a healthy person with pain of 7 of 10.",
        24.0,
        {
            "regimen": "0.3 mg/kg ketamine iv over 15 min",
            "person": {"illness": "healthy", "pain": 7},
            "setting": {"control": "saline"},
        },
    ),
    "recreational": (
        "Recreational use",
        "100 mg by the nose every day for twelve weeks: tolerance, thinking and the bladder.",
        2688.0,
        {
            "regimen": "100 mg ketamine intranasal, daily x 84",
            "person": {"illness": "healthy"},
            "setting": {"control": "none", "expectancy": "none"},
        },
    ),
    "six_months": (
        "Six months of maintenance",
        "Twice weekly, then weekly, then every two weeks; and what comes after the last dose.",
        5376.0,
        {
            "regimen": "84 mg esketamine intranasal, twice weekly x 4 weeks then 84 mg esketamine "
            "intranasal, weekly x 4 then 84 mg esketamine intranasal, every 14 days x 8",
            "setting": {"control": "saline", "comedication": ["new_antidepressant"]},
        },
    ),
}


@cache
def presets() -> tuple[Preset, ...]:
    """Every preset; the first is the one to open with."""
    return tuple(
        Preset(name, title, note, end_h, Scenario.model_validate(data))
        for name, (title, note, end_h, data) in _TABLE.items()
    )
