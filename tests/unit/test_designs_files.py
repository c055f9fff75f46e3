"""Each of the 18 designs that trials of ketamine use is a shipped file that says its special rule."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from ketasim.trials.study import Analysis, Arm, DecisionRule, DropOut, Monitoring, Population, Study
from ketasim.trials.study.catalogue import shipped_studies
from ketasim.trials.study.graph import entry_times
from ketasim.trials.study.people import population_spec
from ketasim.trials.study.template import study_designs

#: The designs by number, and the files that show them.
DESIGNS = {
    1: ("berman2000", "zarate2006", "feder2014"),
    2: ("murrough2013", "fava2020"),
    3: ("daly2018_two_periods", "singh2016a"),
    4: ("singh2016b",),
    5: ("phillips2019",),
    6: ("loo2023",),
    7: ("popova2019", "fedgchin2019", "takahashi2021"),
    8: ("ochsross2020",),
    9: ("daly2019",),
    10: ("wajs2020",),
    11: ("canuso2018", "fu2020", "ionescu2021", "abbar2022"),
    12: ("anand2023", "reif2023"),
    13: ("aanhetrot2010", "murrough2013b"),
    14: ("abdallah2020", "williams2018", "mathew2010"),
    15: ("lii2023",),
    16: ("glue2024",),
    17: ("motov2015", "hardy2012"),
    18: ("mcintyre2020",),
}
# A study cannot be changed, so that one reading of each file will do.
load = cache(Study.load)
NAMES = sorted({name for names in DESIGNS.values() for name in names})


def rule(study: Study, name: str) -> DecisionRule:
    return next(item for item in study.rules if item.id == name)


def methods(study: Study) -> set[str]:
    return {item.method for item in study.analyses}


def test_every_design_has_a_file() -> None:
    assert sorted(DESIGNS) == list(range(1, 19))
    assert set(NAMES) <= set(shipped_studies())


@pytest.mark.parametrize("name", NAMES)
def test_a_design_loads_round_trips_and_can_be_drawn(name: str, tmp_path: Path) -> None:
    study = load(name)
    file = tmp_path / f"{name}.yaml"
    file.write_text(study.dump(), encoding="utf-8")
    again = Study.load(file)
    assert again == study
    assert again.dump() == study.dump()
    assert set(entry_times(study)) == {arm.id for arm in study.arms}
    assert all(0.0 <= study.allocation_of(arm.id) <= 1.0 for arm in study.arms)
    assert all(population_spec(study, arm.id).parent().sd > 0 for arm in study.first_arms)
    assert study.analyses or study.setting.relapse is not None


@pytest.mark.parametrize(
    "name", sorted({*NAMES} - {"murrough2013", "fava2020", "fedgchin2019", "takahashi2021"})
)
def test_a_new_file_says_what_is_special_and_what_is_assumed(name: str) -> None:
    study = load(name)
    assert study.notes
    assert study.assumed
    if study.rules:
        assert study.notes[0].startswith("What is special: ")


@pytest.mark.parametrize("name", [*DESIGNS[1], "abdallah2020", "williams2018"])
def test_1_crossover_leads_everybody_to_the_other_treatment(name: str) -> None:
    study = load(name)
    assert study.phases == ("period 1", "period 2")
    first, second = study.first_arms
    for arm in (first, second):
        (target,) = [study.arm(t) for r in study.rules if r.concerns(arm.id) for t in r.targets]
        other = second if arm is first else first
        assert target.dosing.doses == other.dosing.doses
        assert target.comedication == other.comedication
        assert target.phase == "period 2"
    assert "crossover" in methods(study)


def test_1_the_second_period_asks_for_the_illness() -> None:
    for name, text in (("zarate2006", "hamd17 >= 15"), ("feder2014", "caps5 >= 18")):
        study = load(name)
        crossing = [item for item in study.rules if item.targets]
        assert all(item.when == (text,) for item in crossing)
        leaving = [item for item in study.rules if not item.targets]
        assert len(leaving) == 1
        assert leaving[0].then.kind in ("withdraw", "stop")


def test_2_many_arms_share_the_error() -> None:
    study = load("fava2020")
    assert study.multiplicity[0].method == "dunnett"
    assert sum(item.family == "doses" for item in study.analyses) == 4
    assert "trend" in methods(study)
    murrough = {arm.id: arm.n for arm in load("murrough2013").arms}
    assert murrough == {"ketamine": 47, "midazolam": 25}


def test_3_placebo_patients_who_are_ill_are_randomised_again() -> None:
    daly = load("daly2018_two_periods")
    again = rule(daly, "again")
    assert again.arms == ("placebo",)
    assert again.then.kind == "randomise"
    assert again.then.strata == ("madrs >= 28",)
    assert len(again.then.targets) == 4
    assert daly.allocation_of("esketamine_84_2") == 0.75
    assert "sequential_parallel" in methods(daly)
    singh = load("singh2016a")
    assert rule(singh, "placebo_rest").then.kind == "randomise"
    assert rule(singh, "low_dose").otherwise is not None


def test_3_period_1_is_that_of_the_short_file() -> None:
    both, one = load("daly2018_two_periods"), load("daly2018")
    for arm in one.arms:
        same = both.arm(arm.id)
        assert (same.n, same.dosing, same.baseline) == (arm.n, arm.dosing, arm.baseline)


def test_4_escape_is_for_those_who_do_not_improve_and_counts_as_rescue() -> None:
    study = load("singh2016b")
    for name in ("escape_2x", "escape_3x"):
        item = rule(study, name)
        assert item.then.kind == "rescue"
        assert item.when == ("madrs improvement < 20 %",)
        assert min(item.at_h) == 336.0
        assert study.blinding_of(item.then.targets[0]) == "open_label"
    assert {item.estimand for item in study.analyses} == {"hypothetical", "treatment_policy"}
    short = load("singh2016")
    assert {arm.id: arm.n for arm in study.first_arms} == {arm.id: arm.n for arm in short.arms}


def test_5_three_phases_follow_each_other() -> None:
    study = load("phillips2019")
    assert study.phases == ("period 1", "period 2", "repeated", "maintenance")
    assert len(entry_times(study)["course"]) == 4
    kept = rule(study, "responders_go_on")
    assert (kept.clock, kept.when, kept.then.switch) == ("arm", ("responder",), "maintenance")
    # A relapse triggers the course at one of four visits; each of them leads to its own maintenance.
    assert len(entry_times(study)["maintenance"]) == 4


def test_6_an_amendment_changes_the_allocation_and_the_dose_follows_the_score() -> None:
    study = load("loo2023")
    assert study.randomisation is not None
    assert [stage.first for stage in study.randomisation.stages] == [68, 106]
    steps = [
        study.arm(name).dosing.doses[0].amount
        for name in ("guided_ketamine", "ketamine_0_6", "ketamine_0_75", "ketamine_0_9")
    ]
    assert steps == [0.5, 0.6, 0.75, 0.9]
    assert all(item.when == ("madrs improvement < 50 %",) for item in study.rules)
    assert study.allocation_of("ketamine_0_9") == 0.5


def test_7_a_lead_in_decides_who_is_randomised() -> None:
    study = load("popova2019")
    assert [arm.id for arm in study.first_arms] == ["lead_in"]
    chosen = rule(study, "no_response")
    assert chosen.then.kind == "randomise"
    assert chosen.otherwise is not None
    assert chosen.otherwise.kind == "withdraw"
    assert all("new_antidepressant" in study.arm(name).comedication for name in chosen.targets)
    assert "new_antidepressant" not in study.arm("lead_in").comedication
    assert load("takahashi2021").multiplicity[0].method == "dunnett"
    assert {item.imputation for item in study.analyses} == {"none", "jump_to_reference"}


def test_8_a_look_may_raise_the_number_of_patients() -> None:
    study = load("ochsross2020")
    (look,) = study.monitoring
    assert look.kind == "sample_size_reestimation"
    assert look.maximum is not None
    assert look.maximum > sum(arm.n or 0 for arm in study.first_arms) > look.at
    assert study.population.table == "elderly"
    assert ("age", ">=", 65.0) in study.population.covariate_rules


def test_9_only_the_stable_are_randomised_to_go_on_or_to_stop() -> None:
    study = load("daly2019")
    stable = [item for item in study.rules if item.then.kind == "randomise"]
    assert [item.when for item in stable] == [("remitter",), ("responder",)]
    assert [item.consecutive for item in stable] == [4, 2]
    for item in stable:
        active = [study.arm(name).active for name in item.targets]
        assert sorted(active) == [False, True]
        assert all(study.arm(name).n is None for name in item.targets)
    assert {look.kind for look in study.monitoring} == {"efficacy", "events"}
    assert {"logrank", "cox"} <= methods(study)


def test_10_the_interval_follows_the_severity_and_a_relapse_starts_again() -> None:
    study = load("wajs2020")
    courses = [item for item in study.rules if item.clock == "arm"]
    assert len(courses) == 4
    gaps = {
        name: [b.start_h - a.start_h for a, b in itertools.pairwise(doses)]
        for name, doses in ((arm.id, arm.dosing.doses) for arm in study.arms)
    }
    assert set(gaps["weekly"]) == {168.0}
    assert set(gaps["every_2_weeks"]) == {336.0}
    assert gaps["induction_again"] == gaps["induction"]
    assert rule(study, "relapse").then.switch == "induction_again"
    # People go round: they can enter the weekly course at every fourth week of the year.
    assert len(entry_times(study)["weekly"]) == 12


def test_11_an_emergency_is_in_hospital_with_usual_care() -> None:
    for name in DESIGNS[11]:
        study = load(name)
        assert study.setting.care == "inpatient"
        assert all("standard_of_care" in arm.comedication for arm in study.arms)
        assert {"ancova", "rank_ancova"} <= methods(study)
    twice = load("abbar2022")
    assert [dose.start_h for dose in twice.arm("ketamine").dosing.doses] == [0.0, 24.0]
    assert twice.randomisation is not None
    assert twice.randomisation.strata


def test_12_open_trials_against_other_treatments() -> None:
    ect = load("anand2023")
    assert ect.arm("ect").empirical == ("ect",)
    assert len(ect.arm("ect").dosing.doses) == 9
    assert not ect.arm("ect").active
    assert rule(ect, "never_began_ect").when == ("chance 16.3 %",)
    assert "remitter" in rule(ect, "ect_until_remission").when
    assert {item.margin for item in ect.analyses if item.method == "non_inferiority"} == {0.1}
    quetiapine = load("reif2023")
    assert quetiapine.arm("quetiapine").empirical == ("quetiapine",)
    assert quetiapine.analyses[0].estimand == "composite"
    assert all(item.leaves == "treatment" for item in quetiapine.dropout)


def test_13_a_series_is_followed_by_survival() -> None:
    study = load("aanhetrot2010")
    go_on = rule(study, "responders_go_on")
    assert go_on.then.switch == "course"
    assert go_on.otherwise is not None
    starts = [24.0 + dose.start_h for dose in study.arm("course").dosing.doses]
    assert starts == [48.0, 96.0, 168.0, 216.0, 264.0]
    curves = [item for item in study.analyses if item.method == "logrank"]
    assert len({item.event for item in curves}) == 2
    assert all(item.comparator is None for item in curves)
    assert load("murrough2013b").setting.relapse is not None


def test_14_probes_differ_only_in_what_is_given_before() -> None:
    for name, drug in (
        ("abdallah2020", "rapamycin"),
        ("williams2018", "naltrexone"),
        ("mathew2010", "lamotrigine"),
    ):
        one, other = load(name).first_arms
        assert (one.comedication, other.comedication) == ((drug,), ())
        assert one.dosing == other.dosing
    assert load("williams2018").monitoring[0].kind == "efficacy"
    riluzole = load("mathew2010")
    assert rule(riluzole, "responders").then.kind == "randomise"
    assert riluzole.arm("riluzole").comedication == ("riluzole",)
    assert riluzole.monitoring[0].kind == "futility"


def test_15_anaesthesia_masks_both_arms() -> None:
    study = load("lii2023")
    assert all(arm.masked and "general_anaesthesia" in arm.comedication for arm in study.arms)


def test_16_enrichment_chooses_responders_for_the_doses() -> None:
    study = load("glue2024")
    chosen = rule(study, "responders")
    assert set(chosen.when) == {"madrs <= 12", "responder"}
    assert len(chosen.targets) == 5
    assert study.multiplicity[0].method == "fixed_sequence"
    order = [item.arm for item in study.analyses if item.family == "doses"]
    assert order == ["dose_180", "dose_120", "dose_60", "dose_30"]


def test_17_pain_is_rated_in_minutes_or_days_with_rescue_and_stops() -> None:
    bolus = load("motov2015")
    assert bolus.population.pain is not None
    assert max(bolus.times_h) == 2.0
    assert rule(bolus, "still_in_pain").then.kind == "rescue"
    assert bolus.arm("morphine").empirical == ("morphine",)
    rising = load("hardy2012")
    assert rule(rising, "toxicity").then.kind == "stop"
    doses = [
        rising.arm(name).dosing.doses[0].amount for name in ("ketamine_100", "ketamine_300", "ketamine_500")
    ]
    assert doses == [100.0, 300.0, 500.0]
    assert rising.population.pain is not None
    assert rising.population.pain.opioid == 10.0


def test_18_a_clinic_has_no_control_and_loses_the_ill() -> None:
    study = load("mcintyre2020")
    assert (study.setting.control, study.setting.blinding) == ("none", "open_label")
    assert study.dropout[0].kind == "not_at_random"
    assert study.dropout[0].effect > 0
    assert study.setting.remission is not None
    assert study.setting.remission.scale == "qids_sr16"
    assert study.adherence is not None
    assert any(visit.window_h > 0 for visit in study.visits)


def test_the_reference_names_every_file_and_every_word_of_the_language() -> None:
    docs = Path(__file__).parents[2] / "docs" / "studies.md"
    text = docs.read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in shipped_studies())
    for names in DESIGNS.values():
        assert ", ".join(f"`{name}`" for name in names) in text
    assert all(f"| `{design}` |" in text for design in study_designs())
    for part in (Arm, Analysis, DecisionRule, DropOut, Monitoring, Population):
        assert all(f"`{name}`" in text for name in part.model_fields)


def test_the_example_lines_of_the_reference_are_read() -> None:
    docs = Path(__file__).parents[2] / "docs" / "studies.md"
    block = docs.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    lines = [line.partition(": ") for line in block.strip().splitlines()]
    assert [int(number) for number, _, _ in lines] == list(range(1, 19))
    read = 0
    for _, _, text in lines:
        data = yaml.safe_load(text)
        for part in (DecisionRule, Monitoring, DropOut, Analysis, Arm):
            if isinstance(data, dict) and set(data) <= set(part.model_fields) and "id" in data:
                try:
                    part.model_validate(data)
                except ValidationError:
                    continue
                read += 1
                break
    # All but the three that are keys of the file, not items with an id.
    assert read == 15
