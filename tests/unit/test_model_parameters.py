"""Reading and replacing parameters, and what the derived numbers must meet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from ketasim.errors import ModelError, UnitError
from ketasim.model import ParameterSet, build_chain, load_parameters, read_overrides
from ketasim.model.parameters import Correlation, correlated
from ketasim.model.parameters.correlations import check_correlations, read_correlations
from ketasim.model.receptors import CELL_CLASSES, solve_block_scale

COLUMNS = "name,value,unit,low,high,distribution,iiv,iiv_source,source,grade,note"


@pytest.mark.parametrize("curve", ["shaffer2014", "gerhard2020"])
def test_block_scale_meets_the_anchor(curve: str) -> None:
    own = load_parameters().with_options({"block_curve": curve})
    values = {name: item.value for name, item in own.items()}
    scale, hill = build_chain().parameter_values(own)["block_scale"], values["block_hill"]
    total = sum(values[f"block_weight_{name}"] for name in CELL_CLASSES)
    # At the anchor the competition term x is 1, and a class is blocked by (s/r)^h / (1 + (s/r)^h).
    drive = {name: (scale / values[f"block_ratio_{name}"]) ** hill for name in CELL_CLASSES}
    mean = sum(values[f"block_weight_{name}"] * drive[name] / (1.0 + drive[name]) for name in CELL_CLASSES)
    assert mean / total == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("hill", [1.0, 0.6])
@pytest.mark.parametrize("ratio", [0.2, 1.0, 30.0])
def test_block_scale_of_equal_classes_is_their_ratio(ratio: float, hill: float) -> None:
    values = {f"block_ratio_{name}": ratio for name in CELL_CLASSES} | {"block_hill": hill}
    values |= {f"block_weight_{name}": 0.25 for name in CELL_CLASSES}
    assert solve_block_scale(values) == pytest.approx(ratio, rel=1e-12)


def test_values_are_replaced_in_a_copy() -> None:
    before = load_parameters()
    after = before.with_texts({"clearance": "1000 mL/min"})
    assert after["clearance"].value == pytest.approx(60.0)
    assert after["clearance"].unit == "L/h"
    assert before["clearance"].value != pytest.approx(60.0)
    assert before.values_in({"clearance": "mL/min"})["clearance"] == pytest.approx(
        before["clearance"].value * 1000.0 / 60.0
    )


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("clearence", "80 L/h", ModelError, "'clearence'; the nearest valid name is 'clearance'"),
        ("clearance", "80", UnitError, "--set clearance: '80' has no unit"),
        ("clearance", "80 mg/h", UnitError, "--set clearance: '80 mg/h': .*measure different things"),
        ("clearance", "much", UnitError, "--set clearance: 'much' is not a number"),
        ("clearance", "1e999 L/h", ModelError, "--set clearance: .*not a finite number"),
    ],
)
def test_wrong_values(name: str, text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_parameters().with_texts({name: text})


def test_unknown_species() -> None:
    with pytest.raises(ModelError, match="unknown species 'humans'; the nearest valid name is 'human'"):
        load_parameters("humans")


def test_overrides_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("name,value,unit\nclearance,90,L/h\nweight,80000,g\n", encoding="utf-8")
    found = read_overrides(file, load_parameters())
    assert (found["clearance"].value, found["weight"].value) == (90.0, pytest.approx(80.0))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("name,value\nclearance,90\n", ModelError, "column 'unit' is missing"),
        ("", ModelError, "the file is empty"),
        ("name,value,unit\nclearance,90,kg\n", UnitError, "own.csv, line 2"),
        ("name,value,unit\nweight,80,kg\nclearanc,90,L/h\n", ModelError, "'clearance'"),
        ("name,value,unit\nclearance\n", UnitError, "own.csv, line 2"),
    ],
)
def test_wrong_override_files(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    file = tmp_path / "own.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=message):
        read_overrides(file, load_parameters())


def test_override_file_that_is_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such file"):
        read_overrides(tmp_path / "none.csv", load_parameters())
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ModelError, match="cannot be read as text"):
        read_overrides(binary, load_parameters())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,1,L,2,3,normal,,,key,assumed,", "outside its range"),
        ("a,1,L,,,normal,,,key,guessed,", "unknown grade 'guessed'"),
        ("a,1,L,,,normal,,,,assumed,", "the source is empty"),
        ("a,one,L,,,normal,,,key,assumed,", "could not convert"),
        ("a,1,furlong^,,,normal,,,key,assumed,", "unknown unit"),
        ("a,1,L,,,normal,0.2,,key,assumed,", "iiv 0.2 with iiv_source ''"),
        ("a,1,L,,,normal,-0.2,key,key,assumed,", "iiv -0.2"),
        ("a,1,L,,,normal,,key,key,assumed,", "iiv 0 with iiv_source 'key'"),
        ("a,inf,L,,,normal,,,key,assumed,", "finite numbers"),
        ("a,nan,L,,,normal,,,key,assumed,", "finite numbers"),
    ],
)
def test_rows_that_break_the_rules(tmp_path: Path, row: str, message: str) -> None:
    from ketasim.model.parameters import _read_table

    file = tmp_path / "stage.csv"
    file.write_text(f"{COLUMNS}\n{row}\n", encoding="utf-8")
    with pytest.raises(ModelError, match=f"stage.csv, line 2, parameter 'a': .*{message}"):
        _read_table(file)


def test_a_table_may_say_what_varies_between_doses(tmp_path: Path) -> None:
    from ketasim.model.parameters import _read_table

    file = tmp_path / "stage.csv"
    columns = COLUMNS.replace("iiv_source,", "iiv_source,iov,iov_source,")
    row = "a,1,L,1,2,lognormal,0.3,key,{},key,assumed,"
    file.write_text(f"{columns}\n{row.format('0.2,other')}\n", encoding="utf-8")
    (found,) = _read_table(file)
    assert (found.iiv, found.iov, found.iov_source) == (0.3, 0.2, "other")
    for wrong in ("0.2,", "-0.2,key", ",key"):
        file.write_text(f"{columns}\n{row.format(wrong)}\n", encoding="utf-8")
        with pytest.raises(ModelError, match="line 2, parameter 'a': iov"):
            _read_table(file)
    for header in (columns.replace("iov_source,", ""), columns.replace("low,", ""), f"{COLUMNS},extra"):
        file.write_text(f"{header}\n", encoding="utf-8")
        with pytest.raises(
            ModelError, match=r"stage\.csv: the columns must be name, .* may be iov and iov_so"
        ):
            _read_table(file)


def test_a_share_deviates_on_the_logit_scale_and_the_rest_on_the_log_scale() -> None:
    share, volume = load_parameters()["nasal_fraction"], load_parameters()["volume_central"]
    assert (share.distribution, volume.distribution) == ("logitnormal", "lognormal")
    off = np.array([-3.0, -0.2, 0.0, 0.7, 3.0])
    # A few roundings of a double.
    assert share.varied(off) == pytest.approx(expit(logit(share.value) + off), rel=1e-14)
    assert volume.varied(off) == pytest.approx(volume.value * np.exp(off), rel=1e-14)
    assert share.times(2.0) == pytest.approx(expit(logit(share.value) + np.log(2.0)), rel=1e-14)
    assert share.at(0.9, off) == pytest.approx(expit(logit(0.9) + off), rel=1e-14)
    assert volume.at(2.0, 0.7) == pytest.approx(2.0 * np.exp(0.7), rel=1e-14)
    assert np.all(share.varied(np.array([-30.0, 30.0])) <= 1.0)
    # A share that someone sets to 0 or 1 stays there.
    assert (share.at(0.0, 3.0), share.at(1.0, 3.0)) == (0.0, 1.0)


PAIRS = (
    Correlation("a", "b", 0.5, "key", "derived"),
    Correlation("b", "c", -0.4, "key", "derived"),
    Correlation("d", "e", 0.8, "key", "derived"),
)


def test_deviates_go_together_as_asked() -> None:
    random = np.random.default_rng(1)
    free = {name: random.standard_normal(40_000) for name in "abcdef"}
    found = correlated(free, PAIRS)
    # Four standard errors of a correlation, 1/sqrt(n), and of an SD.
    expected = {"ab": 0.5, "bc": -0.4, "ac": 0.0, "de": 0.8, "ad": 0.0, "af": 0.0}
    for (first, second), value in expected.items():
        assert np.corrcoef(found[first], found[second])[0, 1] == pytest.approx(value, abs=0.02), (
            first + second
        )
    assert all(values.std() == pytest.approx(1.0, abs=0.015) for values in found.values())
    assert list(found) == list(free)


def test_one_person_has_the_same_deviates_alone_in_an_array_and_beside_other_parameters() -> None:
    random = np.random.default_rng(2)
    free = {name: random.standard_normal(50) for name in "abcdef"}
    many = correlated(free, PAIRS)
    alone = correlated({name: float(values[7]) for name, values in free.items()}, PAIRS)
    assert alone == {name: values[7] for name, values in many.items()}
    fewer = correlated({name: free[name] for name in "cab"}, PAIRS)
    assert all(np.array_equal(fewer[name], many[name]) for name in "abc")
    # What is in no pair, and the first of a group, stays as it was drawn.
    assert all(np.array_equal(free[name], many[name]) for name in "adf")
    # A pair with half of it missing is no pair.
    assert np.array_equal(correlated({"b": free["b"]}, PAIRS)["b"], free["b"])


def test_correlations_that_no_people_can_have() -> None:
    spreads = {"a": 0.1, "b": 0.1, "c": 0.1, "fixed": 0.0}

    def pair(first: str, second: str, value: float = 0.9) -> Correlation:
        return Correlation(first, second, value, "key", "derived")

    check_correlations([pair("a", "b"), pair("b", "c"), pair("a", "c")], spreads)
    for pairs, message in (
        ([pair("a", "b"), pair("b", "c"), pair("a", "c", -0.9)], "a, b, c: no people can have all"),
        ([pair("a", "bb")], "unknown parameter 'bb'; the nearest valid name is 'b'"),
        ([pair("a", "fixed")], "'fixed' does not vary between people"),
        ([pair("a", "a")], "goes with itself"),
        ([pair("a", "b"), pair("b", "a")], "the pair stands twice"),
    ):
        with pytest.raises(ModelError, match=message):
            check_correlations(pairs, spreads)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,b,1.2,key,derived", "correlation '1.2' is not a number between -1 and 1"),
        ("a,b,much,key,derived", "correlation 'much'"),
        ("a,b,0.2,,derived", "the source is empty"),
        ("a,b,0.2,key,derive", "nearest valid name is 'derived'"),
    ],
)
def test_rows_of_correlations_that_break_the_rules(tmp_path: Path, row: str, message: str) -> None:
    file = tmp_path / "correlations.csv"
    file.write_text(f"first,second,correlation,source,grade\n{row}\n", encoding="utf-8")
    with pytest.raises(ModelError, match=rf"correlations\.csv, line 2: .*{message}"):
        read_correlations(file)
    file.write_text("first,second,correlation\n", encoding="utf-8")
    with pytest.raises(ModelError, match="the columns must be first, second"):
        read_correlations(file)


def test_the_shipped_correlations_are_those_of_the_covariances() -> None:
    found = {(pair.first, pair.second): pair.correlation for pair in load_parameters().correlations}
    # Covariance over the roots of both variances, as published with three digits; rounded to as many.
    assert found["volume_central", "intrinsic_clearance_factor"] == pytest.approx(
        0.0226 / (0.0842 * 0.026) ** 0.5, abs=5e-4
    )
    assert found["norketamine_volume", "norketamine_clearance"] == pytest.approx(
        0.0446 / (0.0404 * 0.1032) ** 0.5, abs=5e-4
    )


def test_other_values_keep_the_correlations() -> None:
    own = load_parameters()
    assert own.correlations
    assert own.with_texts({"clearance": "80 L/h"}).correlations == own.correlations
    assert ParameterSet(own).correlations == ()
