"""What the form of a regimen offers: drugs, routes, amounts, lengths and schedules, from two tables."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from ketasim.dosing import DRUGS

__all__ = ["Schedule", "drugs_as_data", "load_schedules", "schedules_as_data"]

_HOURS_A_DAY = 24.0


@dataclass(frozen=True)
class Schedule:
    """A way to repeat a dose.

    Parameters
    ----------
    id, name : str
        Its words in a form, and in a list to choose from.
    step_h : float or None
        Hours after which it begins anew; None for a single dose.
    days : tuple of int
        Days within a step on which a dose falls.
    most : int
        Most doses that a form offers.
    """

    id: str
    name: str
    step_h: float | None
    days: tuple[int, ...]
    most: int

    def starts_h(self, times: int) -> tuple[float, ...]:
        """Times of so many doses in h."""
        each = len(self.days)
        step = self.step_h or 0.0
        return tuple(
            step * (number // each) + _HOURS_A_DAY * self.days[number % each] for number in range(times)
        )

    def times_within(self, span_h: float) -> int:
        """How many doses begin within a time in h, at least one."""
        if self.step_h is None:
            return 1
        whole, rest = divmod(span_h, self.step_h)
        # A span is written in weeks or days: a hair of rounding must not add a dose.
        inside = sum(_HOURS_A_DAY * day < rest - 1e-9 for day in self.days)
        return max(1, int(whole) * len(self.days) + inside)


def _rows(name: str) -> list[dict[str, str]]:
    text = (resources.files("ketasim.app") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def load_schedules() -> Mapping[str, Schedule]:
    """Every schedule of the form by its words."""
    return {
        row["id"]: Schedule(
            row["id"],
            row["name"],
            float(row["step_h"]) if row["step_h"] else None,
            tuple(int(day) for day in row["days"].split()) or (0,),
            int(row["most"]),
        )
        for row in _rows("schedules.csv")
    }


def schedules_as_data() -> list[dict[str, Any]]:
    """Every schedule as plain data."""
    return [
        {"id": item.id, "name": item.name, "step_h": item.step_h, "most": item.most}
        for item in load_schedules().values()
    ]


def _amount(row: Mapping[str, str]) -> dict[str, Any]:
    numbers = {name: float(row[name]) for name in ("low", "high", "step", "default")}
    return {"unit": row["unit"], **numbers}


def _duration(row: Mapping[str, str]) -> dict[str, Any] | None:
    if not row["over_low_min"]:
        return None
    names = ("low", "high", "default")
    return {"unit": "min", **{name: float(row[f"over_{name}_min"]) for name in names}}


def drugs_as_data() -> list[dict[str, Any]]:
    """Every drug with the routes, units and ranges that the form offers.

    A regimen in words takes more than the form: its ranges are those of sliders, and no advice.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in _rows("dose_form.csv"):
        routes = found.setdefault(row["drug"], {})
        route = routes.setdefault(
            row["route"],
            {
                "id": row["route"],
                "name": row["route_name"],
                "amount": {"units": []},
                "duration": _duration(row),
            },
        )
        if row["unit"]:
            route["amount"]["units"].append({**_amount(row), "duration": _duration(row)})
    return [
        {
            "id": name,
            "name": DRUGS[name].label,
            "active": DRUGS[name].is_active,
            "device_mg": DRUGS[name].nasal_device_mg,
            "routes": list(routes.values()),
        }
        for name, routes in found.items()
    ]
