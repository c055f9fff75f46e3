"""``ketasim pk`` and what is behind it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ketasim.api.kinetics import nearest_readings, simulate_pk
from ketasim.cli.application import app
from ketasim.dosing import parse_regimen
from ketasim.errors import ModelError
from ketasim.model.parameters import load_parameters

INFUSION = "0.5 mg/kg ketamine iv over 40 min"


def command(*words: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["pk", *words])
    return found.exit_code, found.stdout, found.stderr


def test_exposure_is_what_the_table_of_parameters_says() -> None:
    result = simulate_pk("20 mg esketamine iv over 30 min")
    p = {name: item.value for name, item in load_parameters().items()}
    found = result.exposure["s_ketamine_venous"]
    # By trapezoids on the outputs, which are 2 min apart at the peak.
    assert found["clearance"] == pytest.approx(p["clearance"], rel=5e-3)
    assert found["auc_infinity"] == pytest.approx(20_000.0 / p["clearance"], rel=5e-3)
    assert "clearance_over_f" not in found
    assert set(result.species) == {"s_ketamine", "s_norketamine", "s_hnk", "s_dhnk"}
    assert result.notes == ()


def test_clearance_over_f_is_never_called_clearance() -> None:
    found = simulate_pk("84 mg esketamine intranasal").exposure["s_ketamine_venous"]
    assert "clearance" not in found
    assert "volume_ss" not in found
    assert found["clearance_over_f"] > 1.5 * load_parameters()["clearance"].value


def test_a_bolus_starts_at_its_height() -> None:
    result = simulate_pk("70 mg esketamine iv bolus")
    volume = load_parameters()["volume_central"].value
    assert result.exposure["s_ketamine_arterial"]["cmax"] == pytest.approx(70_000.0 / volume, rel=1e-3)


def test_even_doses_accumulate_and_uneven_ones_are_not_compared() -> None:
    grown = simulate_pk("50 mg ketamine oral, every 4 h x 30").accumulation
    assert grown["interval_h"] == 4.0
    assert 1.0 < grown["cmax"] < grown["auc"] < 4.0
    assert simulate_pk("50 mg ketamine oral; 20 mg ketamine oral, at 4 h").accumulation == {}


def test_steady_state_gives_numbers_of_one_interval() -> None:
    single = simulate_pk("50 mg ketamine oral").exposure["ketamine_venous"]
    steady = simulate_pk("50 mg ketamine oral, every 8 h at steady state").exposure["ketamine_venous"]
    # What a dose gives in all is what an interval gives at steady state.
    assert steady["auc_interval"] == pytest.approx(single["auc_infinity"], rel=5e-3)
    assert steady["clearance_over_f"] == pytest.approx(single["clearance_over_f"], rel=5e-3)
    assert "auc_infinity" not in steady


def test_the_person_and_what_is_taken_beside_change_the_course() -> None:
    plain = simulate_pk("30 mg ketamine oral").exposure["ketamine_venous"]["auc_infinity"]
    beside = simulate_pk("30 mg ketamine oral", beside="rifampicin").exposure["ketamine_venous"][
        "auc_infinity"
    ]
    assert beside < 0.3 * plain
    scaled = simulate_pk("30 mg ketamine oral", options={"hnk_scale": "weiss_abstract"}).exposure[
        "hnk_venous"
    ]
    pooled = simulate_pk("30 mg ketamine oral").exposure["hnk_venous"]
    assert scaled["auc_infinity"] < 0.5 * pooled["auc_infinity"]
    surface = simulate_pk("20 mg/m2 ketamine im", height="1.60 m", weight="81 kg")
    assert surface.mass_mg == pytest.approx(20.0 * np.sqrt(160.0 * 81.0 / 3600.0))


def test_published_rows_are_those_of_the_nearest_regimen() -> None:
    rows = nearest_readings(parse_regimen(INFUSION))
    assert "zarate2006" in set(rows["citation"])
    assert set(rows["published_regimen"]) == {INFUSION}
    nasal = simulate_pk("84 mg esketamine intranasal").observations
    assert set(nasal["ancestry"]) == {"none"}
    assert set(simulate_pk("84 mg esketamine intranasal", ancestry="japanese").observations["ancestry"]) == {
        "japanese"
    }
    assert nearest_readings(parse_regimen("500 mg ketamine oral")).empty


def test_json_holds_every_curve_and_no_nan() -> None:
    code, text, _ = command(INFUSION, "--json", "--at", "40min")
    assert code == 0
    found = json.loads(text, parse_constant=pytest.fail)
    assert set(found) >= {
        "time_h",
        "curves",
        "exposure",
        "occupancy",
        "targets",
        "observations",
        "notes",
        "at",
    }
    for name in ("s_norketamine_venous", "r_hnk_venous", "s_dhnk_arterial", "unbound_r_ketamine_arterial"):
        curve = found["curves"][name]
        assert len(curve["values"]) == len(found["time_h"])
        assert curve["unit"] in ("ng/mL", "uM")
    assert found["at"]["40min"]["ketamine_venous"] == pytest.approx(185.0, rel=0.10)


def test_the_screen_and_the_figure(tmp_path: Path) -> None:
    path = tmp_path / "pk.svg"
    code, text, _ = command("84 mg esketamine intranasal", "--figure", str(path), "--with", "ticlopidine")
    assert code == 0
    assert "CL/F" in text
    assert path.read_text(encoding="utf-8").startswith("<?xml")
    assert "not validated" in command("30 mg ketamine im")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["0.5 mg/kg ketamin iv over 40 min"], "ketamine"),
        (["-0.5 mg/kg ketamine iv over 40 min"], "above 0"),
        (["0.5 mg/kg ketamine sc"], "ka 2.5 /h"),
        ([INFUSION, "--with", "rifampin"], "rifampicin"),
        ([INFUSION, "--with", "itraconazole"], "leave it out"),
        ([INFUSION, "--option", "hnk_scale=weis"], "weiss_abstract"),
        ([INFUSION, "--option", "hnk_scale"], "name=choice"),
        ([INFUSION, "--option", "hnk=pooled"], "hnk_scale"),
        ([INFUSION, "--weight", "70"], "unit"),
        ([INFUSION, "--weight", "700 kg"], "3 to 400 kg"),
        ([INFUSION, "--height", "170 m"], "0.5 to 2.5 m"),
        ([INFUSION, "--age", "7"], "adults"),
        ([INFUSION, "--ancestry", "japan"], "japanese"),
        ([INFUSION, "--at", "40 weeks"], "--duration"),
        ([INFUSION, "--duration", "-3 h"], "--duration"),
        ([INFUSION, "--set", "clearence=80 L/h"], "clearance"),
        ([INFUSION, "--figure", "x.gif"], ".svg"),
        (["saline iv over 40 min"], "no drug"),
        (["none"], "no drug"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_paragraph(words: list[str], said: str) -> None:
    code, text, error = command(*words)
    assert code == 2
    assert text == ""
    assert error.startswith("Error: ")
    assert said in error
    assert error.count("\n") == 1


def test_wrong_types_are_told() -> None:
    with pytest.raises(ModelError, match="--age"):
        simulate_pk(INFUSION, age="forty")  # type: ignore[arg-type]


def test_a_short_look_at_a_long_course_and_another_drug_beside() -> None:
    assert simulate_pk(f"{INFUSION}, weekly x 4", duration="2h").accumulation == {}
    beside = simulate_pk(f"20 mg memantine oral, daily at steady state; {INFUSION}, at 1 h")
    found = beside.exposure["ketamine_venous"]
    assert "clearance_over_f" not in found
    assert "zarate2006" in set(beside.observations["citation"])
    weekly = simulate_pk(f"{INFUSION}, weekly x 4").exposure["ketamine_venous"]
    assert "mrt" not in weekly
    assert weekly["tmax"] == pytest.approx(2.0 / 3.0)


def test_an_option_that_changes_nothing_in_this_person_is_told() -> None:
    chosen = {"sex_clearance": "sigtermans2009"}
    assert any("--female" in note for note in simulate_pk(INFUSION, options=chosen).notes)
    assert simulate_pk(INFUSION, options=chosen, female=True).notes == ()
    assert simulate_pk(INFUSION, options={"sex_clearance": "none"}).notes == ()


def test_a_placebo_beside_a_dose_changes_no_number() -> None:
    alone = simulate_pk(INFUSION).exposure["ketamine_venous"]
    beside = simulate_pk(f"{INFUSION}; placebo oral, at 0 h").exposure["ketamine_venous"]
    assert beside["clearance"] == pytest.approx(alone["clearance"], rel=1e-9)
    assert "mrt" in beside
