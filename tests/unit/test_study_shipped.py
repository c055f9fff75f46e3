from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from ketasim.evidence import load_observations
from ketasim.trials.study import Study
from ketasim.trials.study.catalogue import shipped_studies
from ketasim.trials.study.check import check_study, study_warnings

# A study cannot be changed, so that one reading of each file will do.
load = cache(Study.load)
NAMES = shipped_studies()
ASKED_FOR = {
    "daly2018",
    "lii2023",
    "singh2016",
    "fava2020",
    "salloum2020",
    "murrough2013",
    "takahashi2021",
}
# What the file states in another form than the evidence row, with the reason in its notes: quartiles
# of a time turned into fractions, counts into fractions, a test or a bound into a direction, two groups
# into their arm, a specificity into its complement.
RESTATED = {
    *("CLIN0113", "CLIN0157", "CLIN0163", "CLIN0166", "CLIN0196", "CLIN0197", "CLIN0198", "CLIN0199"),
    *("CLIN0200", "CLIN0481", "CLIN0482", "CLIN0488", "CLIN0489", "CLIN0533", "CLIN0540", "CLIN0545"),
    *("CLIN0576", "CLIN0577", "CLIN1059", "CLIN1063"),
}
TURNED = "the sign is turned"
DERIVED_SPREAD = {
    "CLIN0019",
    "CLIN0020",
    "CLIN0376",
    "CLIN0378",
    "CLIN0381",
    "CLIN0383",
    "CLIN0386",
    "CLIN0388",
}
# Published without what a standard error needs: changes without the number of people (CLIN0171, CLIN0172),
# medians with a range, differences, an odds ratio and quotients of changes without any spread.
WITHOUT_SPREAD = tuple(
    f"observation CLIN{number:04d} has no"
    for number in (171, 172, 358, 363, 368, 373, 1025, 1026, 1027, 1028, 141, 443, 444, *range(446, 455))
)


def evidence_id(row_id: str) -> str:
    return row_id.partition("-")[0]


def test_the_studies_asked_for_are_there() -> None:
    assert set(NAMES) >= ASKED_FOR


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_study_loads_and_needs_no_second_look(name: str) -> None:
    study = load(name)
    assert study.id == name
    assert Study.parse(study.dump()) == study
    assert [text for text in study_warnings(study) if not text.startswith(WITHOUT_SPREAD)] == []
    assert check_study(name)[0].startswith(f"study {name}: ")


@pytest.mark.parametrize("name", NAMES)
def test_every_dose_and_entry_rule_parses(name: str) -> None:
    study = load(name)
    # Study time counts from the first dose, or from the first visit of a lead-in without doses.
    starts = [arm.dosing.first_start_h for arm in study.first_arms]
    assert set(starts) <= {0.0, None}
    for arm in study.arms:
        assert study.baseline(arm.id).sd > 0
    scale = study.population.baseline.scale
    assert all(rule.scale == scale for rule in study.population.entry_rules)


def test_every_value_is_one_row_of_one_study() -> None:
    ids = Counter(row.id for name in NAMES for row in load(name).observations)
    assert max(ids.values()) == 1


def test_values_are_those_of_the_seen_evidence() -> None:
    table = load_observations("clinical").set_index("id")
    for name in NAMES:
        for row in load(name).observations:
            published = table.loc[evidence_id(row.id)]
            assert published["citation"] == row.citation
            if evidence_id(row.id) in RESTATED:
                continue
            # Improvement that a source counts as positive is a fall of the score here.
            turned = any(
                item.field == f"observations.{row.id}.value" and TURNED in item.reason
                for item in load(name).assumed
            )
            sign, low = (-1, "spread_high") if turned else (1, "spread_low")
            # The tables round as printed; a fraction made from a percentage adds rounding only.
            assert row.value == pytest.approx(sign * published["value"], abs=1e-9)
            if evidence_id(row.id) not in DERIVED_SPREAD:
                assert row.spread_low == (sign * published[low] if row.spread_kind != "none" else None)


@pytest.mark.parametrize("name", NAMES)
def test_what_differs_from_the_evidence_is_named_as_assumed(name: str) -> None:
    study = load(name)
    table = load_observations("clinical").set_index("id")
    assumed = [item.field for item in study.assumed]
    for row in study.observations:
        if evidence_id(row.id) in DERIVED_SPREAD:
            assert f"observations.{row.id}.spread_low" in assumed
        published_n = table.loc[evidence_id(row.id), "n"]
        n_recalled = "n" in table.loc[evidence_id(row.id), "recalled_fields"].split(";")
        if row.n is not None and (row.n != published_n or n_recalled):
            own, of_arm = f"observations.{row.id}.n", f"arms.{row.arm}.n"
            assert own in assumed or of_arm in assumed
    for arm in study.arms:
        base = study.baseline(arm.id)
        if base.source is None:
            places = ("population.baseline", f"arms.{arm.id}.baseline")
            assert any(field.startswith(places) for field in assumed)


def test_baselines_with_a_source_are_those_of_the_evidence() -> None:
    table = load_observations("clinical").set_index("id")
    compared = 0
    for name in NAMES:
        for arm in load(name).arms:
            if arm.baseline is None or arm.baseline.source is None:
                continue
            published = table.loc[arm.baseline.source]
            assert arm.baseline.mean == pytest.approx(published["value"], abs=1e-9)
            if published["spread_kind"] == "sd":
                assert arm.baseline.sd == pytest.approx(published["spread_low"], abs=1e-9)
            compared += 1
    assert compared >= 10


def test_daly_as_published() -> None:
    study = load("daly2018")
    assert {arm.id: arm.n for arm in study.arms} == {
        "placebo": 33,
        "esketamine_28": 11,
        "esketamine_56": 11,
        "esketamine_84": 12,
    }
    assert all([dose.start_h for dose in arm.dosing.doses] == [0.0, 72.0] for arm in study.arms)
    assert study.times_h == (2.0, 24.0, 168.0)
    assert len(study.observations) == 36
    assert study.allocation == pytest.approx(34 / 67, rel=1e-12)


def test_lii_is_masked_and_singh_counts_its_doses() -> None:
    assert all(arm.masked for arm in load("lii2023").arms)
    doses = {arm.id: len(arm.dosing.doses) for arm in load("singh2016").arms}
    assert doses == {"ketamine_2x": 4, "saline_2x": 4, "ketamine_3x": 6, "saline_3x": 6}
