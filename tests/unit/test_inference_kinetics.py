"""The rules of the kinetic fit: what a row weighs, what a miss costs, and where priors lie."""

from __future__ import annotations

import csv
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim.evidence import load_publications
from ketasim.evidence.readings import load_readings
from ketasim.inference.kinetics import (
    KineticFit,
    _robust,
    _standard_error,
    _targets,
    _weights,
    calibrate_kinetics,
    load_pk_priors,
    write_kinetics,
)
from ketasim.model.options import read_options
from ketasim.model.parameters import ParameterSet, load_parameters

HUMAN = Path(str(resources.files("ketasim.model.parameters"))) / "human"


def target(**changed: object) -> dict[str, object]:
    row: dict[str, object] = {
        "citation": "someone2020", "statistic": "value_at", "kind": "measured", "quantity": "ketamine",
        "value": 100.0, "spread_kind": "none", "spread_low": np.nan, "spread_high": np.nan, "n": np.nan,
        "weight_share": 1.0,
    }  # fmt: skip
    return row | changed


def weights(*rows: dict[str, object]) -> list[float]:
    return _weights(pd.DataFrame(list(rows))).tolist()


def test_a_row_weighs_one_over_its_standard_deviation() -> None:
    plain, peak, model, curve = weights(
        target(), target(statistic="tmax"), target(kind="model_output"), target(kind="curve")
    )
    assert plain == pytest.approx(1.0 / 0.15)
    assert peak == pytest.approx(1.0 / 0.25)
    assert model == pytest.approx(1.0 / 0.12)
    assert curve == pytest.approx(1.0 / 0.30)
    # A mean with an SD of 40 % in 16 people has a standard error of 10 %, beside the 15 % between studies.
    (spread,) = weights(target(spread_kind="sd", spread_low=40.0, n=16.0))
    assert spread == pytest.approx(1.0 / np.hypot(0.15, 0.10))
    (quarter,) = weights(target(weight_share=0.25))
    assert quarter == pytest.approx(0.5 / 0.15)


@pytest.mark.parametrize(
    ("kind", "low", "high", "n", "expected"),
    [
        ("sd", 20.0, np.nan, 25.0, 0.04),
        ("sd", 20.0, np.nan, 0.0, 0.2 / np.sqrt(10.0)),
        ("sd", 20.0, np.nan, np.nan, 0.2 / np.sqrt(10.0)),
        ("se", 5.0, np.nan, 25.0, 0.05),
        ("ci95", 80.4, 119.6, 25.0, 0.1),
        ("range", 50.0, 150.0, 25.0, 0.0),
        ("sd", np.nan, np.nan, 25.0, 0.0),
    ],
)
def test_standard_errors(kind: str, low: float, high: float, n: float, expected: float) -> None:
    assert _standard_error(100.0, kind, low, high, n) == pytest.approx(expected)


def test_each_source_of_hnk_has_the_weight_of_two_rows() -> None:
    several = [target(quantity="s_hnk", citation="many2020") for _ in range(10)]
    one = [target(quantity="hnk", citation="one2021")]
    others = [target(quantity="dhnk", citation="many2020")]
    found = np.array(weights(*several, *one, *others)) ** 2 * 0.15**2
    assert found[:10].sum() == pytest.approx(2.0)
    assert found[10] == pytest.approx(2.0)
    assert found[11] == pytest.approx(1.0)


def test_a_small_miss_costs_its_square_and_a_large_one_its_size() -> None:
    small = np.array([-1e-3, 0.0, 1e-3])
    assert _robust(small) == pytest.approx(small, rel=1e-6)
    assert _robust(-np.array([2.0, 5.0])) == pytest.approx(-_robust(np.array([2.0, 5.0])))
    costs = _robust(np.array([1e4, 2e4, 3e4])) ** 2
    # Beyond 1.5 standard deviations the slope is twice the limit.
    assert np.diff(costs) == pytest.approx([2.0 * 1.5 * 1e4] * 2, rel=1e-6)
    raw = np.linspace(0.1, 10.0, 50)
    assert (_robust(raw) < raw).all()
    assert (np.diff(_robust(raw)) > 0.0).all()


def test_targets_are_the_rows_to_fit_and_points_of_curves() -> None:
    readings = load_readings(use=("fit", "check"))
    found = _targets(readings)
    curves = found[found["kind"] == "curve"]
    assert len(found) - len(curves) == int((readings["use"] == "fit").sum())
    assert "check" not in set(found["use"].dropna())
    assert len(curves) > 0
    assert set(curves["weight_share"]) == {0.25}
    assert np.isfinite(_weights(found)).all()
    assert (found["value"] > 0.0).all()


def test_priors_have_sources_and_the_scale_of_their_parameter() -> None:
    table, known = load_parameters(), {*load_publications()["key"], "assumed"}
    names = [prior.name for prior in load_pk_priors()]
    assert len(names) == len(set(names))
    for prior in load_pk_priors():
        parameter = table[prior.name]
        assert parameter.stage == "pharmacokinetics", prior.name
        assert prior.source in known, prior.name
        assert prior.is_share == (parameter.distribution == "logitnormal"), prior.name
        # The value itself is within what the prior calls likely: 3.5 of its SDs.
        assert prior.value(-3.5) < parameter.value < prior.value(3.5), prior.name
        if prior.is_share:
            assert 0.0 < prior.value(-6.0) < prior.value(6.0) < 1.0


@pytest.mark.parametrize("without", ["", "kamp2020bja", "nasal"])
def test_the_fit_is_the_best_compromise_with_the_prior(monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    prior = next(prior for prior in load_pk_priors() if prior.name == "clearance")
    asked: list[pd.DataFrame] = []

    def predicted(readings: pd.DataFrame, sets: list[ParameterSet], _workers: int) -> np.ndarray:
        """Every row is met by a clearance 10 % (on the log scale) above the prior's."""
        asked.append(readings)
        off = np.array([np.log(own["clearance"].value / prior.value(0.0)) - 0.1 for own in sets])
        return readings["value"].to_numpy() * np.exp(off)[:, None]

    monkeypatch.setattr("ketasim.inference.kinetics.predict_readings", predicted)
    fit = calibrate_kinetics(without=without)
    targets = asked[0]
    assert without not in {*targets["citation"], *targets["route"]}
    # Normal rows and a normal prior: precisions add up. Misses are small, so that the loss is a square.
    precision = float((_weights(targets) ** 2).sum())
    share = precision / (precision + prior.sd**-2)
    place = fit.names.index("clearance")
    assert np.log(fit.values[place] / prior.value(0.0)) == pytest.approx(0.1 * share, rel=1e-3)
    assert fit.shrinkage[place] == pytest.approx(np.sqrt(1.0 - share), rel=1e-2)
    others = np.delete(np.arange(len(fit.names)), place)
    assert fit.shrinkage[others] == pytest.approx(1.0)
    assert fit.values[others] == pytest.approx(
        [own.value(0.0) for own in load_pk_priors() if own.name != "clearance"]
    )
    assert len(fit.readings) == len(load_readings(use=("fit", "check")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(HUMAN, tmp_path / "human")
    shutil.copy(HUMAN.parent / "options.csv", tmp_path / "options.csv")
    return tmp_path / "human"


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "pharmacokinetics.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_what_is_written_reads_back(folder: Path) -> None:
    priors = load_pk_priors()
    values = np.array([prior.value(0.3) for prior in priors])
    shares = np.where(np.arange(len(priors)) % 2 == 0, 0.4, 0.95)
    names = tuple(prior.name for prior in priors)
    choices = {("hnk_scale", "simons2022a"): 33.25}
    untouched = {name: row for name, row in rows(folder).items() if name not in names}
    write_kinetics(KineticFit(names, values, shares, 1.0, pd.DataFrame(), choices), folder)
    after = rows(folder)
    for prior, value, share in zip(priors, values.tolist(), shares.tolist(), strict=True):
        row = after[prior.name]
        assert float(row["value"]) == pytest.approx(value, rel=1e-4)
        low, high = float(row["low"]), float(row["high"])
        assert low < float(row["value"]) < high
        # 95 % of what the fit leaves, at the three digits of the table.
        width = np.log(high / low) if not prior.is_share else np.log(high / (1 - high) * (1 - low) / low)
        assert width == pytest.approx(2.0 * 1.96 * share * prior.sd, rel=0.1, abs=0.02)
        if share <= 0.7:
            assert (row["grade"], row["source"]) == ("calibrated", "pk_calibration")
        else:
            assert row["grade"] == ("assumed" if prior.source == "assumed" else "derived")
            assert row["source"] == prior.source
    assert {name: after[name] for name in untouched} == untouched
    (setting,) = read_options(folder.parent / "options.csv")["hnk_scale"].choices["simons2022a"].settings
    assert setting.value == 33.25


def test_a_fit_of_an_unknown_parameter_writes_nothing(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    options = (folder.parent / "options.csv").read_bytes()
    (folder / "pharmacokinetics.csv").write_bytes(
        before["pharmacokinetics.csv"].replace(b"\nvolume_shallow,", b"\nvolume_else,")
    )
    changed = (folder / "pharmacokinetics.csv").read_bytes()
    priors = load_pk_priors()
    values = np.array([prior.value(0.0) for prior in priors])
    names = tuple(prior.name for prior in priors)
    fit = KineticFit(
        names, values, np.full(len(priors), 0.5), 1.0, pd.DataFrame(), {("hnk_scale", "hasan2021"): 1.0}
    )
    with pytest.raises(ValueError, match="volume_shallow"):
        write_kinetics(fit, folder)
    assert (folder / "pharmacokinetics.csv").read_bytes() == changed
    assert (folder.parent / "options.csv").read_bytes() == options
