"""Words, form and calendar of a regimen say the same, in every direction."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from ketasim.app.contract import RegimenIn
from ketasim.app.dose_forms import drugs_as_data, load_schedules
from ketasim.app.limits import limit
from ketasim.app.problems import AppProblem
from ketasim.app.regimens import regimen_reply
from ketasim.app.schedule_words import schedule_class
from ketasim.dosing import DRUGS, parse_regimen


def reply(**given: Any) -> dict[str, Any]:
    return regimen_reply(RegimenIn.model_validate(given))


def refused(**given: Any) -> AppProblem:
    with pytest.raises(AppProblem) as caught:
        reply(**given)
    return caught.value


TEXTS = [
    "none",
    "0.5 mg/kg ketamine iv over 40 min",
    "0.5 mg/kg ketamine iv over 40 min, twice weekly x 4 weeks",
    "84 mg esketamine intranasal, twice weekly x 4 weeks; 84 mg esketamine intranasal, on day 36",
    "0.5 mg/kg ketamine sc (F 0.9, ka 2.5 /h), weekly x 4",
    "100 mg ketamine hydrochloride oral, daily x 5",
    "0.2 mg/kg ketamine iv bolus; 0.3 mg/kg/h ketamine iv over 2 h, at 0 h, 30 h",
    "50 mg ketamine oral, every 8 h at steady state x 6",
    "saline iv over 40 min, weekly x 4",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_calendar_gives_its_words_back(text: str) -> None:
    found = reply(text=text)
    assert parse_regimen(found["text"]) == parse_regimen(text)
    assert reply(events=found["events"]) == found
    if found["form"] is not None:
        assert reply(form=found["form"]) == found


def form_cases() -> list[tuple[str, str, str | None, str | None]]:
    """Every choice of the form: drug, route, amount and length."""
    found = []
    for drug in drugs_as_data():
        for route in drug["routes"]:
            over = route["duration"]
            length = None if over is None else f"{over['default']:g} min"
            for unit in route["amount"]["units"] or [None]:
                for name in ("low", "default", "high") if unit else ("default",):
                    amount = None if unit is None else f"{unit[name]:g} {unit['unit']}"
                    found.append((drug["id"], route["id"], amount, length))
    return found


@pytest.mark.parametrize(("drug", "route", "amount", "over"), form_cases())
def test_all_that_the_form_offers_can_be_given(
    drug: str, route: str, amount: str | None, over: str | None
) -> None:
    found = reply(
        form={"drug": drug, "route": route, "amount": amount, "over": over, "every": "weekly", "times": 3}
    )
    assert (found["drug"], found["route"]) == (drug, route)
    assert len(found["events"]) == 3
    assert reply(text=found["text"]) == found
    assert reply(form=found["form"]) == found


def test_the_form_offers_every_drug_and_its_ranges_hold_their_defaults() -> None:
    assert {drug["id"] for drug in drugs_as_data()} == set(DRUGS)
    for drug in drugs_as_data():
        for route in drug["routes"]:
            for unit in route["amount"]["units"]:
                assert unit["low"] <= unit["default"] <= unit["high"]
                assert unit["step"] > 0.0


@given(
    every=st.sampled_from(sorted(load_schedules())),
    times=st.integers(1, 20),
    dose=st.integers(1, 400).map(lambda n: n / 200),
)
def test_any_schedule_and_number_of_doses_is_read_back(every: str, times: int, dose: float) -> None:
    times = 1 if every == "once" else times
    form = {"drug": "ketamine", "route": "iv_infusion", "amount": f"{dose!r} mg/kg", "over": "40 min"}
    found = reply(form={**form, "every": every, "times": times})
    assert [event["time_h"] for event in found["events"]] == list(load_schedules()[every].starts_h(times))
    again = reply(text=found["text"])
    assert again == found
    # One dose is one dose, whatever the form called it.
    assert found["form"]["every"] == ("once" if times == 1 else every)
    assert found["form"]["times"] == times


@pytest.mark.parametrize(
    ("every", "span", "times"),
    [
        ("twice weekly", "4 weeks", 8),
        ("three times weekly", "2 weeks", 6),
        ("daily", "5 d", 5),
        ("weekly", "10 d", 2),
        ("twice weekly", "1 d", 1),
        ("once", "4 weeks", 1),
        ("every 3 days", "12 d", 4),
    ],
)
def test_a_length_of_time_counts_the_doses_in_it(every: str, span: str, times: int) -> None:
    form = {"drug": "ketamine", "route": "im", "amount": "0.5 mg/kg", "every": every, "for": span}
    assert len(reply(form=form)["events"]) == times


GOOD = {"drug": "ketamine", "route": "iv_infusion", "amount": "0.5 mg/kg", "over": "40 min"}


@pytest.mark.parametrize(
    ("given_", "path", "nearest"),
    [
        ({"text": "0.5 mg/kg ketamin iv over 40 min"}, "/text", "ketamine"),
        ({"text": "0.5 ketamine iv"}, "/text", None),
        ({"text": ""}, "/text", None),
        ({"form": {**GOOD, "drug": "ketamin"}}, "/form/drug", "ketamine"),
        ({"form": {**GOOD, "route": "intranasl"}}, "/form/route", "intranasal"),
        ({"form": {**GOOD, "amount": "0.5"}}, "/form/amount", None),
        ({"form": {**GOOD, "amount": "0.5 mg/kgg"}}, "/form/amount", "mg/kg"),
        ({"form": {**GOOD, "amount": "-1 mg"}}, "/form/amount", None),
        ({"form": {**GOOD, "over": "40"}}, "/form/over", None),
        ({"form": {**GOOD, "over": "-3 min"}}, "/form/over", None),
        ({"form": {**GOOD, "over": None}}, "/form/over", None),
        ({"form": {**GOOD, "every": "twice wekly"}}, "/form/every", "twice weekly"),
        ({"form": {**GOOD, "every": "every -3 d"}}, "/form/every", None),
        ({"form": {**GOOD, "every": "once", "times": 2}}, "/form/times", None),
        ({"form": {**GOOD, "every": "daily", "times": 2, "for": "2 d"}}, "/form/for", None),
        ({"form": {**GOOD, "drug": "midazolam", "route": "oral"}}, "/form/route", None),
        ({"events": [{"time_h": 0.0}]}, "/events/0/drug", None),
        ({"events": [{"time_h": 0.0, "drug": "ketamine", "route": "im"}]}, "/events/0/amount", None),
        ({"events": [], "text": "none"}, "", None),
        ({}, "", None),
    ],
)
def test_what_is_wrong_is_said_at_its_field(given_: dict[str, Any], path: str, nearest: str | None) -> None:
    problem = refused(**given_)
    assert problem.status == 422
    assert [error["path"] for error in problem.errors] == [path]
    assert problem.errors[0]["nearest"] == nearest
    assert problem.errors[0]["hint"]


def test_a_dose_added_on_a_day_is_like_the_first() -> None:
    first = {"time_h": 0.0, "drug": "ketamine", "route": "iv_infusion", "amount": 0.5, "unit": "mg/kg"}
    found = reply(events=[{**first, "duration_h": 0.5}, {"time_h": 72.0}, {"time_h": 96.0, "amount": 1.0}])
    assert [event["duration_h"] for event in found["events"]] == [0.5] * 3
    assert [event["amount"] for event in found["events"]] == [0.5, 0.5, 1.0]
    assert found["form"] is None


def test_too_many_doses_and_too_long_a_text_are_too_large() -> None:
    most = int(limit("events").value)
    for given_ in (
        {"text": f"10 mg ketamine im, daily x {most + 1}"},
        {"events": [{"time_h": float(n), "drug": "ketamine", "route": "im"} for n in range(most + 1)]},
        {"form": {**GOOD, "every": "daily", "times": most + 1}},
        {"text": "x" * (int(limit("regimen").value) + 1)},
    ):
        problem = refused(**given_)
        assert (problem.status, problem.code) == (413, "too_large")


def test_sentence_and_warnings_are_for_readers() -> None:
    assert reply(text="none")["sentence"] == "No treatment."
    assert reply(text=TEXTS[1])["sentence"].endswith("one dose.")
    assert reply(text=TEXTS[2])["sentence"].endswith("8 doses from day 1 to day 25.")
    double = reply(text="10 mg ketamine im; 20 mg ketamine im")
    assert double["warnings"] == ["Two doses begin together on day 1."]
    overlap = reply(text="0.5 mg/kg ketamine iv over 4 h, at 0 h, 2 h")
    assert overlap["warnings"] == ["On day 1 a dose begins before the infusion ahead of it has ended."]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2x/wk x4 wk + new oral antidepressant", "twice weekly"),
        ("3x/wk, up to 6 infusions over 12 d", "three times weekly"),
        ("twice weekly", "twice weekly"),
        ("weekly x4", "weekly"),
        ("single", "single"),
        ("once", "single"),
        ("", "single"),
        ("every 2 days", "every 2 days"),
        ("continuous low dose", "repeated"),
    ],
)
def test_schedules_of_publications_and_forms_meet(text: str, name: str) -> None:
    assert schedule_class(text) == name
