"""Published values that can be drawn on a row, matched to what is given on it.

A match has the row's quantity, the same drug and route, a dose within 20 %, and the same schedule. A looser
match differs in some of these, and says in which. The 20 % are our choice, not from a source.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from ketasim.app.cascade_rows import Row, load_rows
from ketasim.app.citations import publication, sources_of
from ketasim.app.problems import AppProblem
from ketasim.app.schedule_words import schedule_class
from ketasim.app.scoreboard import use_of_rows
from ketasim.dosing import find_drug, find_route
from ketasim.dosing.units_of_dose import DOSE_UNITS, find_unit
from ketasim.errors import KetasimError, unknown_name
from ketasim.model.chain import STAGES
from ketasim.model.parameters import load_parameters
from ketasim.units import convert, parse_quantity, same_dimension

__all__ = ["Asked", "observations_reply", "published_values"]

_Result = TypeVar("_Result")
_WITHIN = 0.2
_MOST = 80
#: Statistics that are a value of the row, and what the others are relative to.
_RELATIVE: Mapping[str, str | None] = {
    "mean": None,
    "median": None,
    "value": None,
    "incidence": None,
    "change": "baseline",
    "difference": "control",
}
#: Rows whose quantity is also printed under another name; esketamine is all of the ketamine there is then.
_ALSO = {"ketamine_venous": "s_ketamine_venous", "norketamine_venous": "s_norketamine_venous"}
#: Words in a quantity's name that make it no value at a time.
_NO_VALUE = ("auc", "tmax", "half_life", "duration", "ratio", "time", "rate", "range", "recovery", "fraction")
_SPECIES = {"ketamine": "ketamine", "norketamine": "norketamine", "hnk": "hnk"}
_UNITS = {"point": "points", "beat/min": "1/min"}


@dataclass(frozen=True)
class Asked:
    """What is given on the page.

    Parameters
    ----------
    row : Row
        The row to draw on.
    drug, route : str
        Their names.
    dose, unit : float and str
        Amount of one dose.
    schedule : str
        As :func:`~ketasim.app.schedule_words.schedule_class` names it.
    weight_kg : float
        Weight by which doses per kg and in mg are compared.
    """

    row: Row
    drug: str
    route: str
    dose: float
    unit: str
    schedule: str
    weight_kg: float

    @classmethod
    def read(
        cls, variable: str, drug: str, route: str, dose: str, schedule: str, weight: str = "70 kg"
    ) -> Asked:
        """Read what a request names.

        Raises
        ------
        AppProblem
            422 at the field that is wrong.
        """
        rows = load_rows()
        if variable not in rows:
            raise _invalid("/variable", variable, unknown_name("row", variable, rows))
        drug_name = _read("/drug", drug, find_drug).name
        route_name = _read("/route", route, find_route).name
        number, unit = _read("/dose", dose, _amount)
        kilos = _read("/weight", weight, lambda text: parse_quantity(text, "kg", "weight"))
        if not 1.0 <= kilos <= 400.0:
            raise _invalid("/weight", weight, "weight: give 1 kg to 400 kg.")
        return cls(rows[variable], drug_name, route_name, number, unit, schedule_class(schedule), kilos)


def _invalid(path: str, value: str, hint: str) -> AppProblem:
    return AppProblem(422, "invalid", "Not valid", hint, [{"path": path, "value": value, "hint": hint}])


def _read(path: str, text: str, read: Callable[[str], _Result]) -> _Result:
    """Read one field, and name it if it is wrong."""
    try:
        return read(text)
    except KetasimError as error:
        raise _invalid(path, text, str(error)) from error


def _amount(text: str) -> tuple[float, str]:
    """Read an amount with a unit; nothing is the dose of a placebo."""
    words = text.split(maxsplit=1)
    if not words:
        return 0.0, "mg"
    try:
        number = float(words[0])
    except ValueError:
        number = math.nan
    if len(words) < 2 or not math.isfinite(number):
        raise KetasimError(f"dose: {text!r} is no amount; write for example '0.5 mg/kg'.")
    return number, find_unit(words[1]).name


def _milligrams(amount: float, unit: str, weight_kg: float) -> float | None:
    """Mass of a dose in mg; None if it is a rate, per body surface or an amount of substance."""
    kind = DOSE_UNITS.get(unit)
    if kind is None or kind.is_substance or kind.per_time or kind.per_m2:
        return None
    return convert(amount, kind.amount, "mg") * (weight_kg if kind.per_kg else 1.0)


@cache
def published_values() -> dict[str, tuple[dict[str, Any], ...]]:
    """Rows of the evidence that are values of a row of the page, by its id."""
    # Late: tables of evidence need pandas, and the first curve does not.
    from ketasim.evidence import load_observations
    from ketasim.evidence.quantity_map import load_quantity_map

    outputs = {
        (row["domain"], row["quantity"]): row["output"]
        for row in load_quantity_map().to_dict("records")
        if row["status"] == "modelled"
    }
    frame = load_observations()
    own = frame[frame["species"].eq("human") & frame["statistic"].isin(list(_RELATIVE))]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in load_rows()}
    also = {other: name for name, other in _ALSO.items()}
    for line in own.to_dict("records"):
        output = outputs.get((line["domain"], line["quantity"]), "")
        name = also.get(output, output)
        if name not in found or (also.get(output) and line["drug"] != "esketamine"):
            continue
        value = _value(load_rows()[name], {str(key): item for key, item in line.items()})
        if value is not None:
            found[name].append(value)
    return {name: tuple(values) for name, values in found.items()}


def _number(value: Any) -> float | None:
    """Return a number, or None where the table has none."""
    found = math.nan if value is None else float(value)
    return found if math.isfinite(found) else None


def _text(value: Any) -> str:
    """Return a text; the table has NaN where there is none."""
    return value if isinstance(value, str) else ""


@cache
def _shown_units() -> dict[str, str]:
    return {item.name: item.shown_unit for stage in STAGES for item in stage.provides}


def _factor(row: Row, unit: str) -> float | None:
    """What a published value is multiplied by to be a value of a row; None if it is something else."""
    target = _shown_units()[row.id]
    unit = _UNITS.get(unit, unit)
    try:
        if same_dimension(unit, target):
            return convert(1.0, unit, target) * row.scale
        if same_dimension(unit, "uM") and same_dimension(target, "mg/L"):
            mass = load_parameters()[f"molar_mass_{_SPECIES[row.id.partition('_')[0]]}"]
            return convert(convert(1.0, unit, "mol/L") * mass.value, "g/L", target) * row.scale
    except KetasimError:
        return None
    return None


def _value(row: Row, line: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a line of the evidence in the unit of a row; None if it is no value at a time."""
    quantity = str(line["quantity"])
    factor = _factor(row, _text(line["unit"]))
    value, time = _number(line["value"]), _number(line["time_h"])
    if factor is None or value is None or any(word in quantity.split("_") for word in _NO_VALUE):
        return None
    minutes = _number(line["duration_min"])
    note = ""
    if time is None and quantity.endswith("_cmax") and minutes is not None:
        time, note = minutes / 60.0, "a peak, drawn at the end of the infusion"
    if time is None:
        return None
    sources = sources_of(_text(line["citation"]))
    about = publication(sources[0]["key"]) or {}
    return {
        "id": _text(line["id"]),
        "variable": row.id,
        "time_h": time,
        "value": value * factor,
        "unit": row.unit,
        "relative": _RELATIVE[str(line["statistic"])],
        "statistic": str(line["statistic"]),
        "spread": _spread(line, value, factor),
        "n": _number(line["n"]),
        "population": _text(line["population"]),
        "arm": _text(line["arm"]),
        "citation": sources[0]["key"],
        "sources": sources,
        "source": "; ".join(source["text"] for source in sources),
        "url": about.get("url") or _web(_text(line["source_url"])),
        "use": use_of_rows().get(_text(line["id"]), "not scored"),
        "measured": line["source_kind"] == "measured",
        "note": note,
        **{name: _text(line[name]) for name in ("drug", "route", "dose_unit", "schedule")},
        "dose": _number(line["dose"]),
    }


def _web(text: str) -> str | None:
    """Return an address if a page may link to it: a link runs whatever else it is."""
    plain = text.startswith(("https://", "http://")) and not any(mark in text for mark in ' <>"')
    return text if plain else None


def _spread(line: Mapping[str, Any], value: float, factor: float) -> dict[str, Any] | None:
    kind = _text(line["spread_kind"])
    low, high = _number(line["spread_low"]), _number(line["spread_high"])
    if kind in ("sd", "se") and low is not None:
        return {"kind": kind, "low": (value - low) * factor, "high": (value + low) * factor}
    if kind in ("ci95", "range", "iqr") and low is not None and high is not None:
        return {"kind": kind, "low": low * factor, "high": high * factor}
    return None


def _route(name: str) -> str:
    return "iv_infusion" if name == "iv" else name


def _differences(item: Mapping[str, Any], asked: Asked) -> list[str]:
    """Say in words where a published result was found under other conditions."""
    found = []
    if _route(item["route"]) != asked.route:
        found.append(f"given {item['route'].replace('_', ' ')}")
    published = None
    if item["dose"] is not None and item["dose_unit"]:
        published = _milligrams(item["dose"], item["dose_unit"], asked.weight_kg)
    wanted = _milligrams(asked.dose, asked.unit, asked.weight_kg)
    if published is None or wanted is None:
        if not (item["dose"] == asked.dose and item["dose_unit"] == asked.unit):
            found.append("dose not stated" if item["dose"] is None else _dose_words(item))
    elif abs(published - wanted) > _WITHIN * wanted:
        found.append(_dose_words(item))
    if schedule_class(item["schedule"]) != asked.schedule:
        found.append(f"schedule: {item['schedule'] or 'not stated'}")
    return found


def _dose_words(item: Mapping[str, Any]) -> str:
    return f"{item['dose']:g} {item['dose_unit']}"


def observations_reply(asked: Sequence[Asked], *, looser: bool = False) -> dict[str, Any]:
    """Return published values for rows as :class:`~ketasim.app.contract.ObservationList`.

    Parameters
    ----------
    asked : sequence of Asked
        What is given, one a row.
    looser : bool
        Also what was found with another dose, route or schedule of the same drug.

    Returns
    -------
    dict
        Full matches have the difference ``""``; the looser ones of a row follow, the nearest first.
        ``matching`` and ``similar`` count what there is, over all rows.
    """
    shown: list[dict[str, Any]] = []
    matching = similar = 0
    for item in asked:
        close, other = _matched(item)
        matching += len(close)
        similar += len(other)
        shown += (close + other if looser else close)[:_MOST]
    return {"observations": shown, "similar": similar, "matching": matching}


def _matched(asked: Asked) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return full matches, and the looser ones in the order of how many differences they have."""
    close: list[dict[str, Any]] = []
    other: list[dict[str, Any]] = []
    for item in published_values()[asked.row.id]:
        if item["drug"] != asked.drug:
            continue
        differences = _differences(item, asked)
        found = {**item, "difference": "; ".join(differences), "differences": len(differences)}
        (other if differences else close).append(found)
    other.sort(key=lambda found: found["differences"])
    return close, other
