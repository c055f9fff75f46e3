"""A regimen as words, as a form and as a calendar: each of the three gives the other two."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from ketasim.app.contract import DoseForm, DoseIn, RegimenIn
from ketasim.app.dose_forms import Schedule, load_schedules
from ketasim.app.limits import limit
from ketasim.app.problems import AppProblem, too_large
from ketasim.dosing import ROUTES, Dose, Regimen, find_drug, find_route, parse_regimen
from ketasim.dosing.schedule import time_text
from ketasim.dosing.units_of_dose import find_unit
from ketasim.errors import KetasimError, unknown_name
from ketasim.units import parse_duration

__all__ = ["regimen_reply"]

_Result = TypeVar("_Result")
_AMOUNT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*")
_NEAREST = re.compile(r"nearest (?:valid name|value allowed) is '?([^'.;]+)'?")
_OWN_FIELD = re.compile(r"(\w+): ")
_EVERY = re.compile(r"every (.+)")
_HOURS_A_DAY = 24.0


def regimen_reply(request: RegimenIn) -> dict[str, Any]:
    """Return a regimen in all of its forms.

    Parameters
    ----------
    request : RegimenIn
        Exactly one of text, events and form.

    Returns
    -------
    dict
        As :class:`~ketasim.app.contract.RegimenOut`.

    Raises
    ------
    AppProblem
        422 at the field that is wrong; 413 if it holds too much.
    """
    given = [name for name in ("text", "events", "form") if getattr(request, name) is not None]
    if len(given) != 1:
        raise _invalid("", ", ".join(given) or None, "give one of text, events and form.")
    if request.text is not None:
        regimen = _from_text(request.text)
    elif request.events is not None:
        regimen = _from_events(request.events, request.drug)
    else:
        regimen = _from_form(request.form) if request.form is not None else Regimen()
    most = int(limit("events").value)
    if len(regimen.doses) > most:
        raise too_large("events", f"a regimen of {len(regimen.doses)} doses", f"/{given[0]}")
    return _described(regimen)


def _invalid(path: str, value: Any, hint: str) -> AppProblem:
    near = _NEAREST.search(hint)
    error = {"path": path, "value": value, "nearest": near[1] if near else None, "hint": hint}
    return AppProblem(422, "invalid", "Not valid", hint, [error])


def _at(path: str, value: Any, read: Callable[..., _Result], *arguments: Any) -> _Result:
    """Read something, and name its field if it is wrong."""
    try:
        return read(*arguments)
    except KetasimError as error:
        raise _invalid(path, value, str(error)) from error


def _from_text(text: str) -> Regimen:
    if len(text) > limit("regimen").value:
        raise too_large("regimen", f"a text of {len(text)} characters", "/text")
    return _at("/text", text, parse_regimen, text)


def _from_events(events: list[DoseIn], drug: str | None) -> Regimen:
    if len(events) > limit("events").value:
        raise too_large("events", f"a calendar of {len(events)} doses", "/events")
    doses: list[Dose] = []
    for position, event in enumerate(events):
        # A dose that is added by a press on a day is like the first.
        like = doses[0] if doses else None
        doses.append(_event(f"/events/{position}", event, drug, like))
    return _at("/events", f"{len(events)} doses", Regimen, tuple(doses))


def _event(path: str, event: DoseIn, drug: str | None, like: Dose | None) -> Dose:
    values = {name: value for name, value in event if value is not None and name != "time_h"}
    if drug is not None:
        values.setdefault("drug", drug)
    if like is not None:
        for name in ("drug", "route", "amount", "unit"):
            values.setdefault(name, getattr(like, name))
        if "duration_h" not in values and ROUTES[like.route].is_infusion and values["route"] == like.route:
            values["duration_h"] = like.duration_h
    for name in ("drug", "route"):
        if name not in values:
            raise _invalid(
                f"{path}/{name}", None, f"the {name} is missing; name it, as in 'ketamine' or 'im'."
            )
    if not _at(f"{path}/drug", values["drug"], find_drug, values["drug"]).is_active:
        values |= {"amount": 0.0, "unit": "mg"}
    for name in ("amount", "unit"):
        if name not in values:
            raise _invalid(f"{path}/{name}", None, f"the {name} is missing, as in 0.5 and 'mg/kg'.")
    return _dose(path, {"start_h": event.time_h, **values}, {"start_h": "time_h"})


def _dose(path: str, values: dict[str, Any], fields: dict[str, str]) -> Dose:
    """Make a dose, and name the field that its error speaks of."""
    try:
        return Dose(**values)
    except KetasimError as error:
        message = str(error)
        own = _OWN_FIELD.match(message)
        name = own[1] if own else ""
        shown = fields.get(name, name)
        where = f"{path}/{shown}" if name in values or name in fields else path
        raise _invalid(where, values.get(name), message) from error


def _from_form(form: DoseForm) -> Regimen:
    drug = _at("/form/drug", form.drug, find_drug, form.drug)
    route = _at("/form/route", form.route, find_route, form.route)
    amount, unit = 0.0, "mg"
    if drug.is_active:
        amount, unit = _amount(form.amount)
    duration = None
    if route.is_infusion:
        if form.over is None:
            raise _invalid("/form/over", None, "the length is missing; write for example '40 min'.")
        duration = _at("/form/over", form.over, parse_duration, form.over, "over")
    values = {
        "drug": drug.name,
        "route": route.name,
        "amount": amount,
        "unit": unit,
        "duration_h": duration,
    }
    dose = _dose("/form", values, {"duration": "over", "duration_h": "over", "unit": "amount"})
    schedule = _schedule(form.every)
    times = _times(form, schedule)
    return _at("/form/times", times, Regimen, tuple(dose.at(start) for start in schedule.starts_h(times)))


def _amount(text: str | None) -> tuple[float, str]:
    match = _AMOUNT.fullmatch(text or "")
    if match is None or not match[2]:
        raise _invalid("/form/amount", text, "write a number and a unit, for example '0.5 mg/kg'.")
    unit = _at("/form/amount", text, find_unit, match[2])
    return float(match[1]), unit.name


def _schedule(words: str) -> Schedule:
    known = load_schedules()
    plain = " ".join(words.lower().split())
    if plain in known:
        return known[plain]
    match = _EVERY.fullmatch(plain)
    if match is None:
        hint = unknown_name("schedule", words, known) + " Any step may be given as 'every 3 days'."
        raise _invalid("/form/every", words, hint)
    step = _at("/form/every", words, parse_duration, match[1], "every")
    if not step > 0.0:
        raise _invalid("/form/every", words, "the time between doses must be above 0.")
    return Schedule(plain, plain, step, (0,), int(limit("events").value))


def _times(form: DoseForm, schedule: Schedule) -> int:
    if form.times is not None and form.for_ is not None:
        raise _invalid("/form/for", form.for_, "give times or for, not both.")
    times = form.times or 1
    if form.for_ is not None:
        span = _at("/form/for", form.for_, parse_duration, form.for_, "for")
        if not 0.0 < span < 1e6:
            raise _invalid("/form/for", form.for_, "give a length of time above 0, such as '4 weeks'.")
        times = schedule.times_within(span)
    if times > limit("events").value:
        raise too_large("events", f"{times} doses", "/form/times")
    if schedule.step_h is None and times > 1:
        raise _invalid("/form/times", times, "'once' is one dose; choose another schedule for more.")
    return times


def _described(regimen: Regimen) -> dict[str, Any]:
    doses = regimen.doses
    drugs, routes = {dose.drug for dose in doses}, {dose.route for dose in doses}
    return {
        "text": regimen.text,
        "drug": next(iter(drugs)) if len(drugs) == 1 else None,
        "route": next(iter(routes)) if len(routes) == 1 else None,
        "form": _form_of(regimen),
        "events": [
            {
                "time_h": dose.start_h,
                "amount": dose.amount,
                "unit": dose.unit,
                "drug": dose.drug,
                "route": dose.route,
                "duration_h": dose.duration_h,
                "form": dose.form,
                "bioavailability": dose.bioavailability,
                "absorption_rate": dose.absorption_rate,
                "steady_state_h": dose.steady_state_h,
            }
            for dose in doses
        ],
        "sentence": _sentence(regimen),
        "warnings": _warnings(regimen),
    }


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def _form_of(regimen: Regimen) -> dict[str, Any] | None:
    """Return what a form says of a regimen; None if its doses differ, or are not at its times."""
    if regimen.is_empty:
        return None
    first = regimen.doses[0]
    plain = first.form == "base" and first.bioavailability is None and first.steady_state_h is None
    starts = tuple(dose.start_h for dose in regimen.doses)
    same = all(dose.at(first.start_h) == first for dose in regimen.doses)
    if not plain or not same or starts[0] != 0.0:
        return None
    every = _every(starts)
    if every is None:
        return None
    return {
        "drug": first.drug,
        "route": first.route,
        "amount": f"{_number(first.amount)} {first.unit}" if first.is_active else None,
        "over": None if first.duration_h is None else time_text(first.duration_h),
        "every": every,
        "times": len(starts),
    }


def _every(starts: tuple[float, ...]) -> str | None:
    for schedule in load_schedules().values():
        fits = schedule.step_h is not None or len(starts) == 1
        if fits and schedule.starts_h(len(starts)) == starts:
            return schedule.id
    step = starts[1]
    if step > 0.0 and all(start == index * step for index, start in enumerate(starts)):
        days = step / _HOURS_A_DAY
        return f"every {_number(days)} days" if days == int(days) else f"every {time_text(step)}"
    return None


def _day(hours: float) -> str:
    return f"day {int(hours // _HOURS_A_DAY) + 1}"


def _sentence(regimen: Regimen) -> str:
    if regimen.is_empty:
        return "No treatment."
    words = regimen.text[0].upper() + regimen.text[1:]
    count = len(regimen.doses)
    if count == 1:
        return f"{words}: one dose."
    first, last = regimen.doses[0].start_h, regimen.doses[-1].start_h
    span = f"on {_day(first)}" if _day(first) == _day(last) else f"from {_day(first)} to {_day(last)}"
    return f"{words}: {count} doses {span}."


def _warnings(regimen: Regimen) -> list[str]:
    """Say what is allowed and yet rarely meant."""
    found: dict[str, None] = {}
    for before, after in zip(regimen.doses, regimen.doses[1:], strict=False):
        if after.start_h == before.start_h:
            found[f"Two doses begin together on {_day(after.start_h)}."] = None
        elif after.start_h < before.end_h:
            found[f"On {_day(after.start_h)} a dose begins before the infusion ahead of it has ended."] = None
    return list(found)[:20]
