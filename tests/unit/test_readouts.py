"""What is read from a simulated course for a published row, and the scores and the fit on it."""

from __future__ import annotations

import math
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ketasim.cli.application import app
from ketasim.evidence.readings import load_readings
from ketasim.inference.kinetics import KineticFit, calibrate_kinetics, load_pk_priors, write_kinetics
from ketasim.model.parameters import load_parameters
from ketasim.model.readouts import predict_readings
from ketasim.validation.pharmacokinetics import FEWEST, score_readings


def reading(**changed: object) -> pd.DataFrame:
    row: dict[str, object] = {
        "row": "test", "regimen": "20 mg esketamine iv over 30 min", "weight_kg": 70.0, "age_y": 40.0,
        "ancestry": "none", "site": "arterial", "quantity": "s_ketamine", "statistic": "clearance",
        "reference": "", "modifier": "none", "time_h": math.nan, "until_h": math.nan,
    }  # fmt: skip
    return pd.DataFrame([row | changed])


def predicted(**changed: object) -> float:
    return float(predict_readings(reading(**changed), [load_parameters()])[0, 0])


def test_clearance_volume_and_bioavailability_are_those_of_the_table() -> None:
    p = {name: item.value for name, item in load_parameters().items()}
    # The area is by trapezoids on a fine grid, so that a part in a thousand is left.
    assert predicted() == pytest.approx(p["clearance"], rel=1e-3)
    assert predicted(site="venous") == pytest.approx(p["clearance"], rel=1e-3)
    racemate = {"regimen": "20 mg ketamine iv over 30 min"}
    assert predicted(**racemate, quantity="r_ketamine") == pytest.approx(
        p["clearance"] * p["clearance_ratio_r"], rel=1e-3
    )
    volumes = p["volume_central"] + p["volume_shallow"] + p["volume_deep"]
    # The liver holds drug too, less than in arterial blood by its extraction.
    held = p["volume_liver"] * (1.0 - p["clearance"] / p["flow_hepatic"])
    assert predicted(statistic="vss") == pytest.approx(volumes + held, rel=0.015)
    oral = {"regimen": "20 mg esketamine oral", "statistic": "bioavailability"}
    expected = p["gut_survival"] * (1.0 - p["clearance"] / p["flow_hepatic"])
    assert predicted(**oral) == pytest.approx(expected, rel=2e-3)


def test_areas_peaks_and_half_lives() -> None:
    p = {name: item.value for name, item in load_parameters().items()}
    area = predicted(statistic="auc_inf")
    assert area == pytest.approx(20_000.0 / p["clearance"], rel=1e-3)
    assert predicted(statistic="auc_0_6h") < predicted(statistic="auc_0_24h") < area
    assert predicted(statistic="tmax") == pytest.approx(0.5, abs=1.0 / 60.0)
    peak = predicted(statistic="cmax")
    assert predicted(statistic="value_at", time_h=0.5) == pytest.approx(peak, rel=1e-6)
    assert 4.0 < predicted(statistic="half_life", time_h=12.0, until_h=24.0) < 12.0
    ratio = predicted(statistic="auc_ratio", quantity="s_norketamine", reference="s_ketamine")
    formed = p["norketamine_fraction"] * p["clearance"] / p["norketamine_clearance"]
    assert ratio == pytest.approx(formed * p["molar_mass_norketamine"] / p["molar_mass_ketamine"], rel=2e-3)


def test_a_peak_can_be_that_of_a_later_dose() -> None:
    two = "20 mg esketamine iv over 30 min; 40 mg esketamine iv over 30 min, at 6 h"
    first = predicted(statistic="cmax", regimen=two, until_h=6.0)
    second = predicted(statistic="cmax", regimen=two, time_h=6.0)
    assert 1.9 < second / first < 2.4
    assert predicted(statistic="tmax", regimen=two, time_h=6.0) == pytest.approx(0.5, abs=1.0 / 60.0)


def test_modifiers_are_ratios_of_two_scenarios() -> None:
    ratio = predicted(statistic="auc_modifier_ratio", modifier="rifampicin", regimen="20 mg esketamine oral")
    assert 0.1 < ratio < 0.18
    cleared = predicted(statistic="clearance_modifier_ratio", modifier="rifampicin")
    assert cleared == pytest.approx(1.0 / predicted(statistic="auc_modifier_ratio", modifier="rifampicin"))


def test_a_set_that_cannot_be_solved_gives_no_number() -> None:
    wrong = load_parameters().with_values({"clearance": 1e4})
    found = predict_readings(reading(), [load_parameters(), wrong])
    assert np.isfinite(found[0, 0])
    assert np.isnan(found[1, 0])


def test_scores_hold_the_bars_that_were_set() -> None:
    scores = score_readings()
    everything, _, vein, nasal = scores.headline
    assert (everything.group, everything.kind) == ("all", "measured")
    assert everything.median is not None
    assert everything.median <= 0.20
    assert vein.median is not None
    assert vein.median <= 0.15
    assert (nasal.group, nasal.kind) == ("nasal", "model_output")
    assert nasal.median is not None
    assert nasal.median <= 0.15
    assert all((error.median is None) == (error.n < FEWEST) for error in scores.by_route)
    assert {"sc", "rectal", "im"} <= {error.group for error in scores.by_route}
    assert len(scores.rows) == len(load_readings(use=("fit", "check")))
    # Every row that is far off says why.
    assert scores.far["why"].str.len().min() > 20


def test_scores_on_the_command_line() -> None:
    runner = CliRunner()
    text = runner.invoke(app, ["pk-scores"])
    assert text.exit_code == 0
    assert "not validated" in text.stdout
    markdown = runner.invoke(app, ["pk-scores", "--markdown"]).stdout
    assert markdown.count("### ") == 6
    assert markdown.count("\n| pk_") > 280


def test_priors_are_of_parameters_and_lie_in_their_world() -> None:
    table = load_parameters()
    for prior in load_pk_priors():
        assert prior.name in table
        assert prior.sd > 0.0
        low, high = prior.value(-3.0), prior.value(3.0)
        assert low < table[prior.name].value < high, prior.name


def test_a_few_steps_of_a_fit_meet_the_rows_better_than_the_priors() -> None:
    priors = load_parameters().with_values({prior.name: prior.value(0.0) for prior in load_pk_priors()})
    rows = load_readings(use="fit")
    before = np.abs(np.log(predict_readings(rows, [priors])[0] / rows["value"]))
    fit = calibrate_kinetics(max_steps=2, without="nasal")
    own = fit.readings[fit.readings["use"] == "fit"]
    after = np.abs(np.log(own["predicted"] / own["value"]))
    used = (own["route"] != "nasal").to_numpy()
    assert np.median(after[used]) < 0.8 * np.median(before[used])
    assert len(fit.readings) == len(load_readings(use=("fit", "check")))
    assert set(fit.shrinkage <= 1.0 + 1e-9) == {True}


def test_fitted_values_are_written_with_ranges_and_options(tmp_path: Path) -> None:
    shipped = Path(str(resources.files("ketasim.model.parameters")))
    shutil.copytree(shipped / "human", tmp_path / "human")
    shutil.copy(shipped / "options.csv", tmp_path / "options.csv")
    priors = load_pk_priors()
    values = np.array([prior.value(0.1) for prior in priors])
    informed = np.where(np.arange(len(priors)) % 2, 0.5, 0.9)
    names = tuple(prior.name for prior in priors)
    choices = {("hnk_scale", "hasan2021"): 12.5}
    write_kinetics(KineticFit(names, values, informed, 1.0, pd.DataFrame(), choices), tmp_path / "human")
    text = (tmp_path / "human" / "pharmacokinetics.csv").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("volume_shallow,"))
    assert "calibrated" in row
    assert "posterior SD 0.50" in row
    assert "hasan2021,hnk_clearance,12.5," in (tmp_path / "options.csv").read_text(encoding="utf-8")


def test_what_cannot_be_left_out_is_told() -> None:
    runner = CliRunner()
    wrong = runner.invoke(app, ["calibrate", "pharmacokinetics", "--without", "hassan2021"])
    assert wrong.exit_code == 2
    assert "hasan2021" in wrong.stderr
    other = runner.invoke(app, ["calibrate", "biology", "--without", "hasan2021"])
    assert other.exit_code == 2
