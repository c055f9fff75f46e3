"""The shipped evidence tables are sound, and the loaders return only what counts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ketasim import evidence
from ketasim.errors import EvidenceError


@pytest.fixture(scope="module")
def everything() -> pd.DataFrame:
    return evidence.load_observations(seen_only=False, duplicates=True, excluded=True)


def test_shipped_tables_have_no_fault() -> None:
    assert evidence.check_tables() == []


def test_recalled_rows_are_never_returned_by_default(everything: pd.DataFrame) -> None:
    recalled = set(everything.loc[everything["seen"] == "recalled", "id"])
    assert recalled
    assert recalled.isdisjoint(evidence.load_observations()["id"])
    assert set(evidence.load_parameters()["seen"]) == {"seen"}
    assert "recalled" in set(evidence.load_parameters(seen_only=False)["seen"])


def test_a_row_whose_note_denies_that_it_was_read_is_recalled() -> None:
    assert "SAF-O-056" not in set(evidence.load_observations(citation="vankawala2021")["id"])


def test_second_row_for_one_number_is_dropped_unless_asked_for() -> None:
    once = evidence.load_observations(citation="murrough2013", quantity="madrs_change")
    both = evidence.load_observations(citation="murrough2013", quantity="madrs_change", duplicates=True)
    assert list(once["id"]) == ["CLIN0019", "CLIN0020"]
    assert set(both["id"]) - set(once["id"]) == {"CLIN1054", "CLIN1055"}
    assert both.set_index("id").loc["CLIN1054", "duplicate_of"] == "CLIN0019"


def test_no_unflagged_pair_tells_one_number_twice() -> None:
    rows = evidence.load_observations()
    # All that makes two rows the same result; the digitised curves have one row a time.
    key = [
        "citation",
        "population",
        "arm",
        "drug",
        "route",
        "dose",
        "schedule",
        "quantity",
        "time_h",
        "value",
    ]
    twice = rows[rows.duplicated([*key, "comparator", "spread_low"], keep=False) & rows["value"].notna()]
    assert list(twice["id"]) == []


def test_excluded_rows_need_asking_for_and_have_a_reason() -> None:
    corrections = evidence.load_corrections()
    excluded = corrections[corrections["action"] == "exclude"]
    assert set(excluded["id"]) == {"CLIN0106", "CLIN0108", "CLIN0109"}
    assert (excluded["reason"].str.len() > 20).all()
    assert set(excluded["id"]).isdisjoint(evidence.load_observations()["id"])
    assert set(excluded["id"]) <= set(evidence.load_observations(excluded=True)["id"])


def test_model_output_is_marked() -> None:
    nasal = evidence.load_observations(citation="perezruixo2021")
    assert len(nasal) == 72
    assert set(nasal["source_kind"]) == {"model_output"}
    assert set(evidence.load_observations(citation="daly2018")["source_kind"]) == {"measured"}


def test_rates_are_fractions_and_keep_what_was_printed(everything: pd.DataFrame) -> None:
    rows = everything.set_index("id")
    assert rows.loc["CLIN0256", "value"] == pytest.approx(0.55)
    assert rows.loc["CLIN0256", "unit"] == "probability"
    assert (rows.loc["CLIN0256", "reported_value"], rows.loc["CLIN0256", "reported_unit"]) == (
        "55",
        "percent",
    )


@pytest.mark.parametrize(
    ("row", "factor"),
    [
        ("percent", 0.01),
        ("% of patients", 0.01),
        ("percent_change", 0.01),
        ("ug/mL", 1000.0),
        ("ng*min/mL", 1 / 60),
    ],
)
def test_every_converted_value_follows_from_the_reported_one(
    everything: pd.DataFrame, row: str, factor: float
) -> None:
    rows = everything[(everything["reported_unit"] == row) & everything["value"].notna()]
    assert len(rows) > 0
    expected = rows["reported_value"].astype(float) * factor
    # Values are written with ten digits.
    assert rows["value"].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9)


def test_times_follow_from_the_reported_ones(everything: pd.DataFrame) -> None:
    hours = {"min": 1 / 60, "d": 24.0, "week": 168.0}
    told = everything[everything["time_h"].notna() & (everything["reported_time"] != "")]
    parts = told["reported_time"].str.split(" ", n=1, expand=True)
    known = parts[1].isin(list(hours))
    assert known.sum() > 300
    expected = parts[0][known].astype(float) * parts[1][known].map(hours)
    assert told["time_h"][known].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9)


def test_types_are_strict(everything: pd.DataFrame) -> None:
    numbers = [
        "n",
        "dose",
        "dose_low",
        "dose_high",
        "duration_min",
        "time_h",
        "value",
        "spread_low",
        "spread_high",
    ]
    assert all(everything[column].dtype == "float64" for column in numbers)
    texts = [column for column in everything.columns if column not in numbers]
    assert all(isinstance(everything[column].dtype, pd.StringDtype) for column in texts)
    assert not everything[texts].isna().any().any()


def test_filters_combine_and_take_several_names() -> None:
    rows = evidence.load_observations("clinical", ["daly2018", "lii2023"], quantity="madrs_change")
    assert set(rows["citation"]) == {"daly2018"}
    assert set(rows["quantity"]) == {"madrs_change"}
    assert len(rows) == 20


def test_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(EvidenceError, match="'daly2018'"):
        evidence.load_observations(citation="daly2081")
    with pytest.raises(EvidenceError, match="'madrs_change'"):
        evidence.load_observations(quantity="madrs_chnge")
    with pytest.raises(EvidenceError, match="'clinical'"):
        evidence.load_observations(domain="clinicl")


def test_a_returned_table_can_be_changed_without_harm() -> None:
    first = evidence.load_observations(citation="daly2018")
    first["value"] = 0.0
    assert (evidence.load_observations(citation="daly2018")["value"] != 0.0).any()


def test_two_publications_of_one_group_and_year_are_apart() -> None:
    publications = evidence.load_publications().set_index("key")
    assert "bipolar" in publications.loc["zarate2012", "title"]
    assert "metabolites" in publications.loc["zarate2012_metabolites", "title"]
    assert publications.index.is_unique


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("daly2018", "Daly EJ et al. 2018, JAMA Psychiatry"),
        ("abbott2020", "Abbott JA and Popescu GK 2020, Mol Pharmacol"),
        ("autry2011;gideons2014", "Autry AE et al. 2011, Nature; Gideons ES et al. 2014, PNAS"),
    ],
)
def test_citation_text(key: str, text: str) -> None:
    assert evidence.citation_text(key) == text


def test_every_publication_can_be_named() -> None:
    for key in evidence.load_publications()["key"].sample(40, random_state=1):
        assert len(evidence.citation_text(key)) > 5
    with pytest.raises(EvidenceError, match="'daly2018'"):
        evidence.citation_text("daly201")


def test_the_documented_counts_are_those_of_the_tables(everything: pd.DataFrame) -> None:
    text = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
    seen = (everything["seen"] == "seen").sum()
    second = (everything["duplicate_of"] != "").sum()
    default = evidence.load_observations()
    output = (default["source_kind"] == "model_output").sum()
    assert f"| all | {len(everything)} | {seen} | {second} | 3 | {len(default)} | {output} |" in text
    for row in evidence.load_corrections()["id"]:
        assert row in text
