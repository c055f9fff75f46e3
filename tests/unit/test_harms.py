from __future__ import annotations

import csv
import math
from collections.abc import Callable
from importlib import resources

import numpy as np
import pytest

from ketasim.errors import EvidenceError, ModelError, StudyError
from ketasim.evidence import citation_text, load_observations
from ketasim.model.parameters.grades import GRADES, OWN_SOURCES
from ketasim.trials.harms import evidence as harm_evidence
from ketasim.trials.harms.derivation import Derived, derive_harms, harm_table, levels
from ketasim.trials.harms.events import (
    HARM_COLUMNS,
    Harm,
    adverse_events,
    incidence,
    load_harms,
    visit_chance,
)
from ketasim.trials.harms.evidence import Share, load_targets
from ketasim.trials.harms.exposure import exposure
from ketasim.trials.harms.people import VirtualTrials, virtual_trials

#: Of one visit at 84 mg in a typical person, at no dose, and at a dose between.
FULL = {"felt_effect": 0.81, "cadss": 3.9, "sedation": 4.96, "nausea": 0.24, "sbp_peak_change": 19.8}
NONE = {"felt_effect": 0.0, "cadss": 0.0, "sedation": 5.0, "nausea": 0.0, "sbp_peak_change": 0.0}
VISITS = 8
FRAILTIES = (
    "dissociation",
    "nausea",
    "dizziness",
    "sedation",
    "hypertension",
    "headache",
    "anxiety",
    "bladder",
)


@pytest.fixture(scope="module")
def trials() -> VirtualTrials:
    return virtual_trials()


@pytest.fixture(scope="module")
def derived(trials: VirtualTrials) -> Derived:
    return derive_harms(trials)


def rows() -> list[dict[str, str]]:
    text = resources.files("ketasim.trials.harms").joinpath("harms.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def repeated(peaks: dict[str, float], n: int) -> dict[str, np.ndarray]:
    return {name: np.full(n, value) for name, value in peaks.items()}


def simulated(
    peaks: dict[str, np.ndarray], is_active: bool, seed: int, sessions: int = VISITS
) -> dict[str, np.ndarray]:
    """Events of people, shape (people, sessions); ``peaks`` are (people, sessions)."""
    random = np.random.default_rng(seed)
    n = len(next(iter(peaks.values())))
    frailty = {name: random.standard_normal(n) for name in FRAILTIES}
    found: dict[str, list[np.ndarray]] = {}
    for session in range(sessions):
        now = adverse_events(
            {name: values[:, session] for name, values in peaks.items()},
            np.full(n, is_active),
            frailty,
            np.full(n, session + 1),
            lambda _: random.random(n),
        )
        for name, events in now.items():
            found.setdefault(name, []).append(events)
    return {name: np.stack(events, axis=1) for name, events in found.items()}


def test_every_number_has_range_source_and_grade() -> None:
    seen = set()
    for row in rows():
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        assert tuple(row) == HARM_COLUMNS
        # The limits have as many digits as the value.
        assert low <= value * (1 + 1e-5), row
        assert value <= high * (1 + 1e-5), row
        assert row["grade"] in GRADES, row
        for source in row["source"].split(";"):
            if source in OWN_SOURCES:
                assert row["grade"] == "assumed", row
            else:
                assert citation_text(source)
        assert row["note"], row
        seen.add((row["harm"], row["number"]))
    assert len(seen) == len(rows())
    assert {harm for harm, _ in seen} == set(load_harms())


def test_shipped_numbers_are_those_of_the_derivation(derived: Derived) -> None:
    """Six digits are written, and another computer's rounding moves the solver by less than the rest."""
    fresh = list(csv.DictReader(harm_table(derived).splitlines()))
    for shipped, again in zip(rows(), fresh, strict=True):
        for column in HARM_COLUMNS:
            if column in ("value", "low", "high"):
                assert float(shipped[column]) == pytest.approx(float(again[column]), rel=2e-2), (
                    shipped,
                    column,
                )
            else:
                assert shipped[column] == again[column]


def test_four_weeks_have_the_published_shares(derived: Derived, trials: VirtualTrials) -> None:
    """What the hazards were solved for, with the solver's tolerance of 1e-6 on their logarithms."""
    for name, target in load_targets().items():
        harm = derived.harms[name]
        background = incidence(np.full(1, VISITS * harm.background), harm.spread)
        assert background == pytest.approx(target.placebo.value, abs=1e-5), name
        if math.isinf(harm.threshold):
            assert trials.share(harm, target.doses) == pytest.approx(target.drug.value, abs=1e-5), name


def test_first_weeks_fit_as_told(derived: Derived) -> None:
    """The spread is fitted; how well is told: no first week is off by more than 2.6 standard errors."""
    spread = derived.spread
    assert set(spread.deviations) == {
        "dissociation", "dizziness", "vertigo", "nausea", "sedation", "blood_pressure_increased",
    }  # fmt: skip
    assert spread.degrees_of_freedom == 5
    assert spread.chi_square == pytest.approx(sum(value**2 for value in spread.deviations.values()), rel=1e-6)
    assert max(abs(value) for value in spread.deviations.values()) < 2.6
    assert 2.0 < spread.low < spread.value < spread.high
    without = {
        name: levels(harm.with_numbers(spread=0.0), load_targets()[name], virtual_trials())
        for name, harm in derived.harms.items()
        if name in spread.deviations
    }
    # Without a frailty the same people would not be hit again: too few are hit in the first week.
    for name, harm in without.items():
        target = load_targets()[name]
        assert target.week is not None
        assert virtual_trials().share(harm, target.doses, 2) < target.week.low, name


def test_derivation_finds_the_spread_that_made_the_shares(trials: VirtualTrials) -> None:
    """Shares of a known harm, without error, give its numbers back."""
    from dataclasses import replace

    from ketasim.trials.harms.derivation import common_spread

    names, known = ("dizziness", "nausea"), 1.7
    targets, shipped = load_targets(), load_harms()
    made = {}
    for name in names:
        true = shipped[name].with_numbers(background=0.004, drug=0.03, spread=known)
        drug = trials.share(true, targets[name].doses)
        made[name] = replace(
            targets[name],
            placebo=Share.counted(incidence(np.full(1, VISITS * 0.004), known), 1000),
            drug=Share.counted(drug, 1000),
            week=Share.counted(trials.share(true, targets[name].doses, 2), 1000),
        )
    found = common_spread({name: shipped[name] for name in names}, made, trials)
    # The search stops within 1e-4 of the least.
    assert found.value == pytest.approx(known, abs=2e-3)
    again = levels(shipped["nausea"].with_numbers(spread=known), made["nausea"], trials)
    assert again.background == pytest.approx(0.004, rel=1e-4)
    assert again.drug == pytest.approx(0.03, rel=1e-4)


def test_held_out_shares_are_met_or_missed_as_documented(derived: Derived, trials: VirtualTrials) -> None:
    """Rows that nothing was fitted to. A band of 95 % of what a trial of that size gives."""
    table = load_observations("safety")
    values, sizes = (
        dict(zip(table["id"], table[name].astype(float), strict=True)) for name in ("value", "n")
    )

    def inside(harm: str, row: str, doses: dict[float, float]) -> bool:
        share = Share.counted(values[row], sizes[row])
        return share.low <= trials.share(derived.harms[harm], doses) <= share.high

    halves, full = {56.0: 0.5, 84.0: 0.5}, {84.0: 1.0}
    label = {
        "nausea": "SAF-O-120", "headache": "SAF-O-123", "vomiting": "SAF-O-129", "vertigo": "SAF-O-122",
        "blood_pressure_increased": "SAF-O-128", "euphoric_mood": "SAF-O-132", "dizziness": "SAF-O-119",
    }  # fmt: skip
    assert {name for name, row in label.items() if inside(name, row, halves)} == set(label)
    aspire = {
        "nausea": "SAF-O-148", "vomiting": "SAF-O-152", "headache": "SAF-O-150", "somnolence": "SAF-O-149",
        "blood_pressure_increased": "SAF-O-151", "anxiety": "SAF-O-153", "sedation": "SAF-O-154",
        "dissociation": "SAF-O-147", "dizziness": "SAF-O-146",
    }  # fmt: skip
    # In suicidal inpatients these two were commoner than in outpatients; nothing here accounts for that.
    missed = {name for name, row in aspire.items() if not inside(name, row, full)}
    assert missed == {"dizziness", "sedation"}
    above_4 = trials.share(derived.harms["cadss_above_4"], halves)
    assert 0.61 <= above_4 <= 0.84, "published over studies: 61 to 84 %"


def test_low_doses_are_too_often_felt() -> None:
    """A known miss: a meta-analysis has low doses at 0.31 and 0.45 of the incidence at high ones."""
    trials, targets = virtual_trials(), load_targets()
    for name, published in (("dissociation", 0.31), ("nausea", 0.45)):
        ratio = targets[name].ratio
        assert ratio is not None
        assert ratio == pytest.approx(published, abs=0.01)
        harm = load_harms()[name]
        found = trials.share(harm, {28.0: 1.0}) / trials.share(harm, {56.0: 0.5, 84.0: 0.5})
        assert ratio + 0.1 < found < 0.9


def test_chance_is_the_background_exactly_without_drug() -> None:
    n = 1000
    frailty = np.random.default_rng(1).standard_normal(n)
    session = np.arange(n) % 8 + 1
    for harm in load_harms().values():
        expected = -np.expm1(-harm.background * np.exp(harm.spread * frailty))
        assert np.array_equal(visit_chance(harm, np.zeros(n), frailty, session), expected), harm.name
        assert np.array_equal(harm.hazard(np.zeros(n), session), np.full(n, harm.background)), harm.name


def test_a_visit_without_drug_is_background_whatever_an_earlier_dose_left() -> None:
    n = 2000
    frailty = {name: np.random.default_rng(2).standard_normal(n) for name in FRAILTIES}
    uniforms = {name: np.random.default_rng(3).random(n) for name in load_harms()}
    off = [
        adverse_events(repeated(peaks, n), np.zeros(n, bool), frailty, np.ones(n, int), uniforms.__getitem__)
        for peaks in (FULL, NONE)
    ]
    on = adverse_events(repeated(NONE, n), np.ones(n, bool), frailty, np.ones(n, int), uniforms.__getitem__)
    for name in load_harms():
        assert np.array_equal(off[0][name], off[1][name]), name
        assert np.array_equal(off[0][name], on[name]), name


def test_more_drug_never_takes_a_harm_away() -> None:
    """With the same random numbers events only add up, for every person, and in number they do."""
    n = 5000
    random = np.random.default_rng(4)
    frailty = {name: random.standard_normal(n) for name in FRAILTIES}
    uniforms = {name: random.random(n) for name in load_harms()}
    before: dict[str, np.ndarray] = {}
    for part in (0.0, 0.25, 0.5, 1.0, 1.5):
        peaks = {name: FULL[name] * part for name in FULL}
        peaks["felt_effect"], peaks["nausea"] = min(peaks["felt_effect"], 1.0), min(peaks["nausea"], 1.0)
        peaks["sedation"] = 5.0 - 0.04 * part
        now = adverse_events(
            repeated(peaks, n), np.full(n, part > 0.0), frailty, np.ones(n, int), uniforms.__getitem__
        )
        for name, events in before.items():
            assert not (events & ~now[name]).any(), (name, part)
        before = now
    first = adverse_events(
        repeated(NONE, n), np.zeros(n, bool), frailty, np.ones(n, int), uniforms.__getitem__
    )
    assert all(before[name].sum() > first[name].sum() for name in load_harms())


def test_events_cluster_in_persons() -> None:
    """The variance of counts is far above that of a binomial with the same mean (ratio 1, error 0.02)."""
    n = 20_000
    peaks = {name: np.full((n, VISITS), value) for name, value in FULL.items()}
    for name, events in simulated(peaks, is_active=True, seed=5).items():
        counts, mean = events.sum(axis=1), events.mean()
        assert counts.var() / (VISITS * mean * (1.0 - mean)) > 2.0, name


def test_harms_that_share_a_frailty_go_together() -> None:
    n = 20_000
    peaks = {name: np.full((n, VISITS), value) for name, value in FULL.items()}
    ever = {name: events.any(axis=1) for name, events in simulated(peaks, is_active=True, seed=6).items()}
    together = (ever["nausea"] & ever["vomiting"]).mean()
    # By chance alone 20,000 people would leave the product within 0.003.
    assert together > ever["nausea"].mean() * ever["vomiting"].mean() + 0.02
    apart = (ever["nausea"] & ever["headache"]).mean()
    assert apart == pytest.approx(ever["nausea"].mean() * ever["headache"].mean(), abs=0.01)


def test_drawn_arms_have_the_labels_incidences(trials: VirtualTrials) -> None:
    """Persons with at least one event, in drawn arms, against what was published (95 % of one trial)."""
    targets = load_targets()
    people = len(trials.peaks[56.0]["cadss"])
    copies = 10
    drug = {
        name: np.concatenate([np.tile(trials.peaks[dose][name], (copies, 1)) for dose in (56.0, 84.0)])
        for name in FULL
    }
    arms = {
        "drug": simulated(drug, is_active=True, seed=7),
        "placebo": simulated(drug, is_active=False, seed=8),
    }
    assert people > 380
    for name, target in targets.items():
        for arm, share in (("drug", target.drug), ("placebo", target.placebo)):
            found = arms[arm][name].any(axis=1).mean()
            low, high = (0.61, 0.84) if (name, arm) == ("cadss_above_4", "drug") else (share.low, share.high)
            assert low <= found <= high, (name, arm, found)


def test_pressure_does_not_fade_and_the_felt_does(trials: VirtualTrials) -> None:
    harms = load_harms()

    def first_and_last(name: str) -> tuple[float, float]:
        harm = harms[name]
        hazard = harm.hazard(exposure(harm.exposure, trials.peaks[56.0]), np.arange(1, VISITS + 1)).mean(
            axis=0
        )
        return float(hazard[0]), float(hazard[-1])

    for name in ("blood_pressure_increased", "systolic_rise_40", "diastolic_rise_25"):
        first, last = first_and_last(name)
        assert last == pytest.approx(first, rel=2e-3), name
    for name in ("dissociation", "dizziness", "nausea", "vomiting", "euphoric_mood"):
        first, last = first_and_last(name)
        assert last < 0.75 * first, name


def test_incidence_is_the_mean_over_frailty() -> None:
    """Against draws; 200,000 of them have a standard error of 0.0011 at most."""
    random = np.random.default_rng(9)
    hazard = np.array([0.001, 0.05, 2.0])
    for spread in (0.0, 0.7, 3.5):
        frailty = random.standard_normal((200_000, 1))
        drawn = -np.expm1(-hazard * np.exp(spread * frailty)).mean()
        assert incidence(hazard, spread) == pytest.approx(drawn, abs=0.004)
    assert incidence(np.array([np.inf]), 1.0) == pytest.approx(1.0)


def test_cadss_above_four_is_a_harm_by_definition() -> None:
    harm = load_harms()["cadss_above_4"]
    chance = visit_chance(harm, np.array([4.0, 4.001]), np.full(2, -8.0), 1)
    assert chance[0] < 1e-9
    assert chance[1] == 1.0


def test_drowsiness_is_felt_or_asleep() -> None:
    peaks = {"felt_effect": [0.0, 0.4, 0.4, 1.0], "sedation": [5.0, 5.0, 2.5, 0.0]}
    assert exposure("drowsiness", peaks) == pytest.approx([0.0, 0.4, 0.7, 1.0])
    hazard = exposure("nausea_hazard", {"nausea": [0.0, 0.5, 1.0]})
    assert hazard[:2] == pytest.approx([0.0, math.log(2.0)])
    assert np.isfinite(hazard[2])


def refused(action: Callable[[], object], *words: str) -> None:
    with pytest.raises((StudyError, ModelError, EvidenceError)) as caught:
        action()
    for word in words:
        assert word in str(caught.value)


def test_errors_name_the_field_and_the_cure() -> None:
    n = 3
    frailty = {name: np.zeros(n) for name in FRAILTIES}
    active, session, peaks = np.ones(n, bool), np.ones(n, int), repeated(FULL, n)

    def draw(**changed: object) -> Callable[[], object]:
        given = {
            "peaks": peaks, "is_active": active, "frailty": frailty, "session": session,
            "uniforms": lambda _: np.zeros(n), **changed,
        }  # fmt: skip
        return lambda: adverse_events(**given)  # type: ignore[arg-type]

    refused(draw(session=np.zeros(n, int)), "session", "0", "from 1")
    refused(draw(frailty={}), "frailty", "dissociation")
    refused(draw(peaks={name: peaks[name] for name in ("felt_effect", "cadss")}), "peaks", "nausea")
    refused(draw(peaks={**peaks, "cadss": np.array([1.0, np.nan, 2.0])}), "cadss", "1 people")
    refused(lambda: exposure("dizzyness", peaks), "exposure", "dizzyness")
    refused(lambda: Harm("a", "A", "cadss", "nausea", background=-1.0), "background", "-1.0", "0 or more")
    refused(lambda: Harm("a", "A", "cadss", "nausea", exponent=0.0), "exponent", "above 0")


def test_only_seen_rows_stand_behind_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = load_observations("safety")
    without = everything[everything["id"] != "SAF-O-086"]
    monkeypatch.setattr(harm_evidence, "load_observations", lambda _: without)
    refused(load_targets, "SAF-O-086", "seen in a source")
    changed = everything.copy()
    changed.loc[changed["id"] == "SAF-O-086", "comparator"] = "placebo"
    monkeypatch.setattr(harm_evidence, "load_observations", lambda _: changed)
    refused(load_targets, "SAF-O-086", "comparator")


def test_pooled_arms_and_counts_are_read_as_printed() -> None:
    targets = load_targets()
    nausea = targets["nausea"]
    assert nausea.drug.value == pytest.approx((0.27 * 115 + 0.319 * 116) / 231)
    assert nausea.placebo.value == pytest.approx(0.106)
    assert nausea.placebo.n == 113
    assert nausea.doses == pytest.approx({56.0: 115 / 231, 84.0: 116 / 231})
    rise = targets["systolic_rise_40"]
    assert rise.drug.value == pytest.approx(29 / 346)
    assert rise.placebo.value == pytest.approx(1 / 222)
    across = targets["cadss_above_4"].placebo
    assert (across.low, across.value, across.high) == pytest.approx((0.05, 0.105, 0.16))
