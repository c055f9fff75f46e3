"""Publications, observations, the scoreboard and the claims as the page gets them."""

from __future__ import annotations

import math

import pytest

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from ketasim.api.scenarios import read_scenario
from ketasim.app.cascade_rows import load_rows
from ketasim.app.citations import citation_reply, publication, publications
from ketasim.app.claim_list import claim_scenarios, claims_reply
from ketasim.app.observations import Asked, observations_reply
from ketasim.app.problems import AppProblem
from ketasim.app.scoreboard import PAGE, evidence_of_stage, evidence_reply, scoreboard
from ketasim.claims import CLAIMS, VERDICTS
from ketasim.dosing import parse_regimen
from ketasim.evidence import load_observations
from ketasim.model.chain import STAGES
from ketasim.model.options import load_options


def asked(variable: str, drug: str, route: str, dose: str, schedule: str = "once") -> Asked:
    return Asked.read(variable, drug, route, dose, schedule)


def test_a_publication_is_found_and_a_wrong_key_says_the_nearest() -> None:
    found = citation_reply("daly2018")
    assert (found["year"], found["journal"]) == (2018, "JAMA Psychiatry")
    with pytest.raises(AppProblem, match="daly2018") as caught:
        citation_reply("dally2018")
    assert caught.value.status == 404


def test_addresses_of_publications_are_of_known_places() -> None:
    places = (
        "https://doi.org/10.",
        "https://clinicaltrials.gov/study/NCT",
        "https://pubmed.ncbi.nlm.nih.gov/",
    )
    with_address = [item["url"] for item in publications().values() if item["url"]]
    assert len(with_address) > 50
    assert all(url.startswith(places) for url in with_address)


def test_a_matching_trial_is_drawn_and_another_dose_is_only_similar() -> None:
    found = observations_reply([asked("madrs", "ketamine", "iv", "0.5 mg/kg")])
    ids = {item["id"]: item for item in found["observations"]}
    assert ids["CLIN0019"]["value"] == -16.5
    assert ids["CLIN0019"]["relative"] == "baseline"
    assert all(item["difference"] == "" for item in found["observations"])
    assert found["matching"] == len(found["observations"])
    other = observations_reply([asked("madrs", "ketamine", "iv", "0.1 mg/kg")], looser=True)
    near = {item["id"]: item for item in other["observations"]}
    assert near["CLIN0019"]["difference"] == "0.5 mg/kg"
    counts = [item["differences"] for item in other["observations"]]
    assert counts == sorted(counts)


@pytest.mark.parametrize(("dose", "matches"), [("0.59 mg/kg", True), ("0.64 mg/kg", False), ("35 mg", True)])
def test_a_dose_matches_within_a_fifth_of_what_is_given(dose: str, matches: bool) -> None:
    # 0.5 mg/kg lies within 20 % of 0.59 and not of 0.64; 35 mg is 0.5 mg/kg at 70 kg.
    found = observations_reply([asked("madrs", "ketamine", "iv_infusion", dose)])
    assert ("CLIN0019" in {item["id"] for item in found["observations"]}) is matches


def test_schedule_route_and_drug_must_match() -> None:
    twice = observations_reply([asked("madrs", "esketamine", "intranasal", "84 mg", "twice weekly")])
    ids = {item["id"] for item in twice["observations"]}
    assert "CLIN0250" in ids
    assert not ids & {
        item["id"]
        for other in (
            asked("madrs", "esketamine", "intranasal", "84 mg", "once"),
            asked("madrs", "esketamine", "oral", "84 mg", "twice weekly"),
            asked("madrs", "ketamine", "intranasal", "84 mg", "twice weekly"),
        )
        for item in observations_reply([other])["observations"]
    }


def test_plasma_is_in_the_unit_of_its_row() -> None:
    found = observations_reply([asked("ketamine_venous", "esketamine", "iv", "20 mg")], looser=True)
    rows = {item["id"]: item for item in found["observations"]}
    own = load_observations(domain="pk").set_index("id")
    molar = [item for item in rows.values() if own.loc[item["id"], "unit"] == "uM"]
    assert molar
    for item in molar:
        # 237.7 g/mol, as in the table of parameters.
        assert item["value"] == pytest.approx(237.7 * own.loc[item["id"], "value"], rel=1e-12)
        assert item["unit"] == "ng/mL"


@pytest.mark.parametrize("drug", ["ketamine", "esketamine", "midazolam", "placebo"])
def test_every_value_that_can_be_drawn_is_seen_finite_and_has_a_source(drug: str) -> None:
    counted = set(load_observations()["id"])
    dose = "" if drug == "placebo" else "0.5 mg/kg"
    found = observations_reply([asked(row, drug, "iv", dose) for row in load_rows()], looser=True)
    for item in found["observations"]:
        assert item["id"] in counted
        assert math.isfinite(item["value"])
        assert item["time_h"] >= 0.0
        assert item["unit"] == load_rows()[item["variable"]].unit
        assert publication(item["citation"]) is not None
        assert item["url"] is None or item["url"].startswith("http")
        if item["spread"] is not None:
            assert item["spread"]["low"] <= item["value"] <= item["spread"]["high"]
    least = {"ketamine": 30, "esketamine": 50, "midazolam": 1, "placebo": 5}
    assert len(found["observations"]) >= least[drug]


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("variable", "mood", "/variable"),
        ("drug", "ketamin", "/drug"),
        ("route", "nose", "/route"),
        ("dose", "0.5", "/dose"),
        ("dose", "nan mg", "/dose"),
        ("weight", "70", "/weight"),
        ("weight", "900 kg", "/weight"),
    ],
)
def test_what_is_wrong_in_a_question_is_said(field: str, value: str, path: str) -> None:
    good = {"variable": "madrs", "drug": "ketamine", "route": "iv", "dose": "0.5 mg/kg", "schedule": ""}
    with pytest.raises(AppProblem) as caught:
        Asked.read(**{**good, field: value})
    assert caught.value.errors[0]["path"] == path


def test_the_scoreboard_is_searched_in_pages() -> None:
    everything = evidence_reply("", 1)
    assert everything["total"] == len(scoreboard()) > PAGE
    assert len(everything["rows"]) == PAGE
    last = evidence_reply("", everything["pages"])
    assert 0 < len(last["rows"]) <= PAGE
    assert evidence_reply("", everything["pages"] + 1)["rows"] == []
    daly = evidence_reply("Daly madrs", 1)
    assert daly["rows"]
    assert all(row["citation"].startswith("daly") for row in daly["rows"])
    misses = evidence_reply("", 1, "miss", "check")
    assert all(row["hit"] is False and row["use"] == "check" for row in misses["rows"])


def test_an_empty_search_names_three_studies() -> None:
    found = evidence_reply("murough 2013 midazolm", 1)
    assert found["rows"] == []
    assert len({row["study"] for row in found["nearest"]}) == 3


def test_rows_of_the_scoreboard_hold_what_a_reader_needs() -> None:
    for row in scoreboard():
        assert row["sources"]
        assert all(publication(source["key"]) is not None for source in row["sources"])
        assert row["use"] in ("calibration", "check")
        assert row["observed"] is not None
        assert row["source"]


def test_scenarios_of_the_scoreboard_can_be_read() -> None:
    seen = {id(row["scenario"]): row["scenario"] for row in scoreboard() if row["scenario"] is not None}
    assert len(seen) > 50
    for scenario in seen.values():
        parse_regimen(read_scenario(scenario).regimen)


def test_a_stage_has_the_rows_that_it_was_fitted_to_and_those_held_out() -> None:
    found = {stage.name: evidence_of_stage(stage.name) for stage in STAGES}
    assert sum(len(part["used"]) + len(part["held_out"]) for part in found.values()) == len(scoreboard())
    assert found["symptoms"]["used"]
    assert found["symptoms"]["held_out"]


def test_every_claim_has_its_verdict_and_each_scenario_is_of_a_claim() -> None:
    found = claims_reply()
    assert [card["id"] for card in found["claims"]] == [claim.name for claim in CLAIMS]
    for card, claim in zip(found["claims"], CLAIMS, strict=True):
        assert card["claim"] == claim.text
        assert card["verdict"] in VERDICTS
        assert card["reasons"]
        assert all(publication(source["key"]) is not None for source in card["sources"])
        assert card["sources"]
    assert set(claim_scenarios()) <= {claim.name for claim in CLAIMS}
    assert set(found["made_with"]) >= {"version", "model_hash", "parameter_hash"}


@pytest.mark.parametrize("claim", sorted(claim_scenarios()))
def test_the_scenario_of_a_claim_can_be_shown(claim: str) -> None:
    shown = claim_scenarios()[claim]
    scenario = read_scenario(shown["scenario"])
    parse_regimen(scenario.regimen)
    for option, choice in scenario.mechanism.options.items():
        assert choice in load_options()[option].choices
    assert shown["view"]["open"] in load_rows()
    assert shown["view"]["end_h"] > 0.0
