"""Calibration: targets that can be computed, priors, and values that go back into the tables."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from ketasim.errors import ModelError
from ketasim.inference import load_targets, write_values
from ketasim.inference.calibration import FREE, INFORMED, Prior, shrinkage
from ketasim.inference.targets import SCENARIOS, Bench
from ketasim.model.chain import build_chain
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.simulator import Simulator

HEADER = "name,value,unit,low,high,distribution,iiv,iiv_source,source,grade,note\n"
FIRST = (
    'uptake,2.0,1/h,1,4,lognormal,0.2,assumed,someone2020,assumed,"slow, in places"\n'
    "exponent,1.0,ratio,0.5,2,lognormal,,,assumed,calibrated,steep | fit: posterior SD 0.41 of the prior SD\n"
    "left,3.0,ratio,1,5,lognormal,,,assumed,measured,\n"
)
SECOND = "bare,10.0,h,5,20,lognormal,,,assumed,assumed,\n"
THIRD = "other,1.0,h,0.5,2,lognormal,,,assumed,assumed,untouched\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("a", FIRST), ("b", SECOND), ("c", THIRD)):
        (tmp_path / f"{name}.csv").write_text(HEADER + text, encoding="utf-8", newline="")
    return tmp_path


def fitted(values: dict[str, tuple[float, float]]) -> SimpleNamespace:
    numbers = np.array(list(values.values())).reshape(-1, 2)
    return SimpleNamespace(names=tuple(values), values=numbers[:, 0], shrinkage=numbers[:, 1])


FIT = fitted({"uptake": (2.5, 0.3), "exponent": (1.25, 0.9), "bare": (12.3456789, INFORMED)})


def rows(folder: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found |= {row["name"]: row for row in csv.DictReader(file)}
    return found


def test_only_value_grade_and_note_of_fitted_names_change(folder: Path) -> None:
    before, third = rows(folder), (folder / "c.csv").read_bytes()
    write_values(FIT, folder)
    after = rows(folder)
    assert list(after) == list(before)
    for name, row in after.items():
        changed = {key for key in row if row[key] != before[name][key]}
        assert changed <= ({"value", "grade", "note"} if name in FIT.names else set()), name
    assert [after[name]["value"] for name in FIT.names] == ["2.5", "1.25", "12.3457"]
    assert (folder / "c.csv").read_bytes() == third
    assert (folder / "a.csv").read_text(encoding="utf-8").startswith(HEADER)


def test_only_what_the_targets_narrowed_is_calibrated(folder: Path) -> None:
    write_values(FIT, folder)
    grades = {name: row["grade"] for name, row in rows(folder).items()}
    assert (grades["uptake"], grades["bare"]) == ("calibrated", "calibrated")
    # It was, but this fit does not bear it out.
    assert grades["exponent"] == "assumed"
    assert grades["left"] == "measured"


def test_notes_tell_the_last_fit_alone(folder: Path) -> None:
    write_values(FIT, folder)
    found = rows(folder)
    assert found["uptake"]["note"] == "slow, in places | fit: posterior SD 0.30 of the prior SD"
    assert found["exponent"]["note"] == "steep | fit: posterior SD 0.90 of the prior SD"
    assert found["bare"]["note"] == "fit: posterior SD 0.70 of the prior SD"


def test_writing_twice_is_writing_once(folder: Path) -> None:
    write_values(FIT, folder)
    once = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_values(FIT, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == once


@pytest.mark.parametrize(
    ("values", "word"),
    [({"uptake": (2.5, 0.3), "left": (5.2, 0.3)}, "outside its range 1 to 5"), ({"up": (1.0, 0.3)}, "'up'")],
)
def test_what_the_tables_cannot_hold_leaves_them_as_they_are(
    folder: Path, values: dict[str, tuple[float, float]], word: str
) -> None:
    before = rows(folder)
    with pytest.raises(ModelError, match=word):
        write_values(fitted(values), folder)
    assert rows(folder) == before


def test_a_prior_has_95_percent_between_low_and_high() -> None:
    parameters = load_parameters()
    prior = Prior(parameters, FREE)
    for name, middle, width in zip(FREE, prior.centre, prior.sd, strict=True):
        ends = np.log([parameters[name].low, parameters[name].high])
        # 1.959964 is rounded at the seventh digit.
        assert norm.cdf(ends, middle, width) == pytest.approx([0.025, 0.975], abs=1e-8), name


def test_a_prior_needs_a_positive_range() -> None:
    shipped = load_parameters()
    item = shipped["mood_time"]
    for low, high in ((0.0, item.high), (item.value, item.value)):
        changed = ParameterSet({**shipped, "mood_time": replace(item, low=low, high=high)})
        with pytest.raises(ModelError, match=r"'mood_time': its range .* cannot be a prior"):
            Prior(changed, ("mood_time",))
    with pytest.raises(ModelError, match="'mood_time'"):
        Prior(shipped, ("mood_tim",))


def test_shrinkage_of_one_parameter_by_hand() -> None:
    # One target with a slope of 3 beside the prior's 1: precision 10.
    assert shrinkage([[3.0], [1.0]]) == pytest.approx([1.0 / math.sqrt(10.0)])
    assert shrinkage(np.eye(2)) == pytest.approx([1.0, 1.0])


def test_targets_are_named_once_with_a_source_and_a_width() -> None:
    targets = load_targets()
    assert len({target.name for target in targets}) == len(targets) > 20
    for target in targets:
        assert target.source, target.name
        assert target.sd > 0.0, target.name
        assert target.scenario in SCENARIOS or target.scenario == "rest", target.name
        timed = target.measure not in ("at", "peak_ratio", "peak_time")
        assert (target.time_h is not None) == timed, target.name


def test_every_target_can_be_computed() -> None:
    parameters = load_parameters()
    # The accuracy with which the calibration runs.
    bench = Bench(Simulator(build_chain(parameters=parameters), 1e-4), parameters)
    found = {target.name: bench.value(target) for target in load_targets()}
    assert all(math.isfinite(value) for value in found.values()), found
    assert found["rest_load"] == bench.patient.parameters["illness_load"].value
    assert found["effect_24h"] < 0.0
    run = bench.run("single")
    severity = run.quantities["severity"]
    assert found["effect_24h"] == pytest.approx(severity[run.times_h == 24.0][0] - severity[0], abs=1e-12)
    assert found["low_24h"] * found["effect_24h"] == pytest.approx(
        np.interp(24.0, bench.run("low").times_h, bench.run("low").quantities["severity"])
        - bench.run("low").quantities["severity"][0]
    )
