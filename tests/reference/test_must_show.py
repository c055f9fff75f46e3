"""What part 1 of the plan must show, through the public API."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import ketasim as ks
from ketasim.model.chain import MEDIATORS, SEVERITY_STATES, build_chain
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Simulator

SINGLE = "0.5 mg/kg ketamine iv over 40 min"
END = 2.0 / 3.0


@functools.cache
def course(regimen: str = SINGLE, days: str = "8d", **options: object) -> ks.Course:
    return ks.simulate(regimen, days=days, **options)


def values(found: ks.Course, name: str) -> tuple[np.ndarray, np.ndarray]:
    return found.trajectories["time"].to_numpy(), found.trajectories[name].to_numpy().reshape(-1)


def at(found: ks.Course, name: str, time_h: float) -> float:
    return float(np.interp(time_h, *values(found, name)))


def effect(found: ks.Course, time_h: float, control: ks.Course | None = None) -> float:
    """Drug-specific effect: severity minus that of the same person with dose zero."""
    without = course("none") if control is None else control
    return at(found, "severity", time_h) - at(without, "severity", time_h)


def test_venous_ketamine_at_40_minutes() -> None:
    assert 150.0 <= at(course(), "ketamine_venous", END) <= 230.0


def test_mean_block_at_the_arterial_peak() -> None:
    times, arterial = values(course(), "ketamine_arterial")
    peak = times[int(np.argmax(arterial))]
    assert 0.20 <= at(course(), "nmda_block_mean", float(peak)) <= 0.35


@pytest.mark.parametrize("name", ["pyramidal_rate", "glutamate"])
def test_surge_at_the_end_of_the_infusion_and_fall_at_ten_times_the_dose(name: str) -> None:
    tenfold = course("5 mg/kg ketamine iv over 40 min", days="2d")
    assert at(course(), name, END) > at(course(), name, 0.0)
    assert at(tenfold, name, END) < at(tenfold, name, 0.0)


def test_peaks_in_order() -> None:
    peaks = []
    for name in ("bdnf", "mtorc1", "synaptic_protein", "spine_density"):
        times, course_values = values(course(), name)
        peaks.append(times[int(np.argmax(course_values))])
    assert peaks == sorted(peaks)
    assert len(set(peaks)) == len(peaks)


def test_effect_is_largest_between_12_and_48_hours() -> None:
    times, severity = values(course(), "severity")
    effects = severity - np.interp(times, *values(course("none"), "severity"))
    assert 12.0 <= times[int(np.argmin(effects))] <= 48.0
    assert effects.min() < -4.0


def test_dissociation_is_gone_by_two_hours() -> None:
    _, cadss = values(course(), "cadss")
    assert cadss.max() > 4.0
    assert at(course(), "cadss", 2.0) < 0.05 * cadss.max()


@pytest.mark.parametrize(("illness", "limit"), [("depressed", 0.5), ("healthy", None)])
def test_untreated_drift_in_a_year(illness: str, limit: float | None) -> None:
    _, madrs = values(course("none", days="365d", illness=illness), "madrs")
    if limit is None:
        assert madrs.max() <= 2.0
    else:
        assert np.abs(madrs - madrs[0]).max() <= limit


def test_ampa_clamp_takes_the_effect_at_24_hours() -> None:
    clamped = course(clamp=("ampa_drive",))
    assert effect(clamped, 24.0) / effect(course(), 24.0) <= 0.20


def test_spine_clamp_spares_the_early_effect_and_takes_the_late_one() -> None:
    clamped = course(clamp=("spines_nascent", "spines_mature"))
    for hours in (2.0, 3.0, 4.0):
        assert effect(clamped, hours) / effect(course(), hours) >= 0.90
    assert effect(clamped, 168.0) / effect(course(), 168.0) <= 0.40


@pytest.mark.parametrize("quantity", ["ampa_drive", "synaptic_protein"])
def test_upstream_of_a_clamp_nothing_changes(quantity: str) -> None:
    """Within ten times rtol: LSODA's steps follow all states, so bits may differ."""
    clamped = course(clamp=(quantity,), days="2d")
    plain = course(days="2d")
    # Not the rates of the circuit: spine density is part of it, and closes a declared loop.
    for name in ("ketamine_venous", "norketamine_venous", "nmda_block_mean", "nmda_block_pv"):
        times, expected = values(plain, name)
        found = np.interp(times, *values(clamped, name))
        assert np.abs(found - expected).max() <= 10 * 1e-6 * np.abs(expected).max()


def test_no_path_from_dose_to_severity_without_the_mediators() -> None:
    """Walk the symbolic Jacobian with the declared mediator edges removed."""
    system = build_chain().system
    mediators = {symbol for symbol in system.quantities if symbol.name in MEDIATORS}
    assert {symbol.name for symbol in mediators} == set(MEDIATORS)
    severity = {symbol for symbol in system.states if symbol.name in SEVERITY_STATES}
    feeds: dict[object, set[object]] = {}
    targets = [*zip(system.states, system.rate_partials, strict=True), *system.quantity_partials.items()]
    for target, partials in targets:
        for source in partials:
            if target in severity and source in mediators:
                continue
            feeds.setdefault(source, set()).add(target)
    entries = ("central_", "nose_", "gut_", "muscle_", "mucosa_")
    reached: set[object] = {symbol for symbol in system.states if symbol.name.startswith(entries)}
    frontier = list(reached)
    while frontier:
        new = feeds.get(frontier.pop(), set()) - reached
        reached |= new
        frontier += list(new)
    assert not reached & severity
    # The walk is real: with the mediators the dose does reach severity.
    assert mediators & reached


def test_vip_blocked_like_sst_makes_the_pyramidal_rise_smaller() -> None:
    """Few plausible circuits lose it altogether, and the default one does not: `ketasim emergent` tells."""
    ratio = load_parameters()["block_ratio_sst"].value
    changed = ks.simulate(SINGLE, days="1d", set={"block_ratio_vip": f"{ratio} ratio"})
    times, rate = values(changed, "pyramidal_rate")
    during = times <= END
    _, usual = values(course(), "pyramidal_rate")
    assert usual.max() > 1.1 * usual[0]
    assert rate[during].max() - rate[0] < 0.95 * (usual.max() - usual[0])


def test_two_abutting_halves_are_one_infusion() -> None:
    halves = course("0.25 mg/kg ketamine iv over 20 min then 0.25 mg/kg ketamine iv over 20 min", days="3d")
    whole = course(days="3d")
    for name in whole.trajectories.data_vars:
        times, expected = values(whole, str(name))
        found = np.interp(times, *values(halves, str(name)))
        assert np.abs(found - expected).max() <= 1e-8 * max(1.0, np.abs(expected).max())


def test_shifting_all_times_changes_nothing() -> None:
    later = ks.simulate(f"{SINGLE}, at 1008 h", days="8d")
    for name in later.trajectories.data_vars:
        times, expected = values(course(), str(name))
        found_times, found = values(later, str(name))
        np.testing.assert_allclose(found_times, times, atol=1e-9)
        assert np.abs(found - expected).max() <= 1e-8 * max(1.0, np.abs(expected).max()), name


def test_other_units_inside_give_the_same_outputs() -> None:
    units = ks.UnitSystem(time="min", substance="nmol", volume="L", mass="g")
    other = ks.simulate(SINGLE, days="8d", units=units)
    for name in other.trajectories.data_vars:
        _, expected = values(course(), str(name))
        _, found = values(other, str(name))
        assert np.abs(found - expected).max() <= 1e-8 * max(1.0, np.abs(expected).max()), name


def test_same_seed_same_result_for_any_number_of_workers() -> None:
    study = ks.Study.load("murrough2013")
    # So few patients would be one part, which one process does whatever is asked for.
    one, two = (ks.simulate(study, subjects=3, seed=7, workers=workers, chunk=2) for workers in (1, 2))
    assert one.outcomes.equals(two.outcomes)
    assert one.patients.equals(two.patients)
    assert one.events.equals(two.events)
    other = ks.simulate(study, subjects=3, seed=8, workers=1)
    assert not one.outcomes["value"].equals(other.outcomes["value"])


def test_masking_acts_on_what_is_felt_never_on_biology() -> None:
    study = ks.Study.load("daly2018")
    arms = tuple(arm.model_copy(update={"masked": True}) for arm in study.arms)
    masked = study.model_copy(update={"arms": arms})
    plain, blind = (ks.simulate(item, subjects=2, workers=1) for item in (study, masked))
    rows = plain.outcomes
    biology = (rows["statistic"] != "score") & ~rows["quantity"].isin(["belief", "placebo"])
    assert {"severity", "severity_without_drug", "cadss", "felt_effect"} <= set(rows["quantity"][biology])
    assert rows[biology].equals(blind.outcomes[biology])
    assert not rows[~biology].equals(blind.outcomes[~biology])
    harms = plain.events["kind"] == "adverse_event"
    assert plain.events[harms].equals(blind.events[blind.events["kind"] == "adverse_event"])


def test_simulator_reaches_any_severity() -> None:
    simulator = Simulator(build_chain())
    parameters = load_parameters()
    for severity in (8.0, 20.0, 33.0, 48.0):
        patient = simulator.depressed(parameters, severity)
        assert abs(simulator.baseline(patient)["severity"] - severity) < 1e-8
