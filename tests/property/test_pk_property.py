"""What must hold for the kinetics at any dose: linearity, balance of amounts, exposure by closed form."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.engine import Bolus, Infusion, ReferenceEngine, Schedule, System
from ketasim.model import Chain, build_chain, load_parameters
from ketasim.model.pharmacokinetics import DEPOTS, ENANTIOMERS, GIVEN_RATES, Pharmacokinetics

#: Accuracy asked of the engine here, so that its own error stays below the 1e-8 that linearity must meet.
RTOL = 1e-8

TIMES = np.array([0.0, 0.25, 0.5, 2.0 / 3.0, 1.0, 2.0, 5.0, 12.0, 30.0])
FOREVER = np.array([0.0, 10.0, 100.0, 2000.0])
SITES = st.sampled_from([f"{name}_{e}" for e in ENANTIOMERS for name in ("central", *DEPOTS, *GIVEN_RATES)])
HOURS = st.sampled_from([0.0, 0.1, 0.75, 3.0, 10.0])
EVENTS = st.lists(
    st.one_of(
        st.builds(Bolus, SITES, HOURS, st.floats(1.0, 500.0)),
        st.tuples(SITES, HOURS, st.floats(0.1, 6.0), st.floats(1.0, 500.0)).map(
            lambda drawn: Infusion(drawn[0], drawn[1], drawn[1] + drawn[2], drawn[3])
        ),
    ),
    min_size=1,
    max_size=4,
)
Events = list[Bolus | Infusion]


@cache
def chain() -> Chain:
    return build_chain((Pharmacokinetics(),))


@cache
def engine() -> ReferenceEngine:
    return ReferenceEngine(chain().system)


@cache
def with_exposure() -> ReferenceEngine:
    """The same system, and beside it the integrals of some concentrations."""
    system = chain().system
    watched = [symbol for symbol in system.quantities if symbol.name.endswith(("_arterial", "_venous"))]
    watched += [symbol for symbol in system.quantities if symbol.name.startswith("unbound_")]
    watched = list(dict.fromkeys(watched))
    extra = tuple(sp.Symbol(f"auc_{symbol.name}", real=True) for symbol in watched)
    return ReferenceEngine(
        System(
            states=system.states + extra,
            parameters=system.parameters,
            inputs=system.inputs,
            rates=system.rates + tuple(watched),
            quantities=system.quantities,
            scales=system.scales + (1.0,) * len(extra),
        )
    )


def values() -> dict[str, float]:
    return chain().parameter_values(chain().parameters)


def inputs() -> dict[str, float]:
    return chain().input_defaults()


def as_schedule(events: Events) -> Schedule:
    return Schedule(
        boluses=[event for event in events if isinstance(event, Bolus)],
        infusions=[event for event in events if isinstance(event, Infusion)],
    )


def solve(events: Events) -> np.ndarray:
    start = np.zeros(len(chain().system.states))
    return engine().solve(values(), start, as_schedule(events), TIMES, inputs(), RTOL).states


def exposure(events: Events) -> dict[str, float]:
    """Integrals to infinity (2,000 h, when nothing is left)."""
    solver = with_exposure()
    start = np.zeros(len(solver.system.states))
    found = solver.solve(values(), start, as_schedule(events), FOREVER, inputs(), RTOL)
    names = [symbol.name for symbol in solver.system.states]
    return {
        name.removeprefix("auc_"): float(found.states[index, -1])
        for index, name in enumerate(names)
        if name.startswith("auc_")
    }


def times_dose(events: Events, factor: float) -> Events:
    scaled: Events = []
    for event in events:
        if isinstance(event, Bolus):
            scaled.append(Bolus(event.state, event.time, factor * event.amount))
        else:
            scaled.append(Infusion(event.state, event.start, event.end, factor * event.amount))
    return scaled


def given_amount(events: Events) -> float:
    return sum(event.amount for event in events)


@given(EVENTS, st.sampled_from([0.1, 3.0, 10.0]))
@settings(max_examples=12)
def test_dose_linearity(events: Events, factor: float) -> None:
    one, more = solve(events), solve(times_dose(events, factor))
    size = given_amount(events) * factor
    assert np.max(np.abs(more - factor * one)) <= 1e-8 * size


@given(EVENTS, EVENTS)
@settings(max_examples=12)
def test_superposition(first: Events, second: Events) -> None:
    together = solve(first + second)
    apart = solve(first) + solve(second)
    assert np.max(np.abs(together - apart)) <= 1e-8 * given_amount(first + second)


@given(EVENTS)
@settings(max_examples=12)
def test_amounts_and_concentrations_are_not_negative(events: Events) -> None:
    assert solve(events).min() >= -1e-9 * max(1.0, given_amount(events))


@given(EVENTS)
@settings(max_examples=12)
def test_no_more_is_in_the_body_than_was_given(events: Events) -> None:
    names = [symbol.name for symbol in chain().system.states]
    amounts = [i for i, name in enumerate(names) if not name.startswith("venous_")]
    infused = sum(
        np.clip(TIMES - e.start, 0.0, e.end - e.start) * e.rate for e in events if isinstance(e, Infusion)
    )
    jumped = sum(np.where(e.time < TIMES, e.amount, 0.0) for e in events if isinstance(e, Bolus))
    # What is swallowed may be lost in the gut wall, and metabolites are eliminated: less, never more.
    assert np.all(solve(events)[amounts].sum(axis=0) <= infused + jumped + 1e-8 * given_amount(events))


def clearances(e: str) -> dict[str, float]:
    """Clearances and shares from the table, independent of the equations."""
    p = {name: item.value for name, item in load_parameters().items() if item.stage == "pharmacokinetics"}
    flow = (p["weight"] / p["weight_reference"]) ** p["allometric_exponent"]
    names = ("clearance_ratio_r", "norketamine_clearance_ratio_r", "hnk_clearance_ratio_r")
    ratio, norketamine_ratio, hnk_ratio = (p[name] if e == "r" else 1.0 for name in names)
    systemic = flow * p["clearance"] * ratio
    return {
        "ketamine": systemic,
        "norketamine": flow * p["norketamine_clearance"] * norketamine_ratio,
        "hnk": flow * p["hnk_clearance"] * hnk_ratio,
        "dhnk": flow * p["dhnk_clearance"],
        "hepatic_survival": 1.0 - systemic / (flow * p["flow_hepatic"]),
    }


@pytest.mark.parametrize("e", ENANTIOMERS)
def test_all_that_is_given_iv_is_eliminated_by_the_clearances(e: str) -> None:
    p = load_parameters()
    clear, dose = clearances(e), 100.0
    auc = exposure([Infusion(f"central_{e}", 0.0, 2.0 / 3.0, dose)])
    unbound, metabolites = p["unbound_fraction"].value, p["unbound_fraction_metabolites"].value
    # Amount in = area under the concentration times clearance, for the drug and for each metabolite formed.
    assert auc[f"unbound_{e}_ketamine_arterial"] / unbound * clear["ketamine"] == pytest.approx(
        dose, rel=1e-7
    )
    formed = p["norketamine_fraction"].value * dose
    eliminated = auc[f"unbound_{e}_norketamine_arterial"] / metabolites * clear["norketamine"]
    assert eliminated == pytest.approx(formed, rel=1e-7)
    for name in ("hnk", "dhnk"):
        made = p[f"{name}_fraction"].value * formed
        eliminated = auc[f"unbound_{name}_arterial"] / metabolites * clear[name]
        assert eliminated == pytest.approx(made, rel=1e-7)
    # A venous sample lags behind arterial blood, and takes nothing from it.
    assert auc[f"{e}_ketamine_venous"] == pytest.approx(auc[f"{e}_ketamine_arterial"], rel=1e-7)


@pytest.mark.parametrize("e", ENANTIOMERS)
@pytest.mark.parametrize("depot", ["gut_swallowed", "gut_oral", "gut_prolonged"])
def test_swallowed_drug_passes_gut_wall_and_liver(e: str, depot: str) -> None:
    p = load_parameters()
    clear = clearances(e)
    iv = exposure([Bolus(f"central_{e}", 0.0, 100.0)])
    swallowed = exposure([Bolus(f"{depot}_{e}", 0.0, 100.0)])
    name = f"{e}_ketamine_arterial"
    survival = p["gut_survival"].value
    assert swallowed[name] / iv[name] == pytest.approx(survival * clear["hepatic_survival"], rel=1e-7)
    # All that is absorbed and not eliminated as something else becomes norketamine, in gut wall or liver.
    formed = p["norketamine_fraction"].value * survival + p["gut_norketamine_fraction"].value * (
        1.0 - survival
    )
    ratio = swallowed[f"unbound_{e}_norketamine_arterial"] / iv[f"unbound_{e}_norketamine_arterial"]
    assert ratio == pytest.approx(formed / p["norketamine_fraction"].value, rel=1e-7)


@pytest.mark.parametrize("depot", ["nose", "mucosa", "muscle", *GIVEN_RATES])
def test_what_is_absorbed_into_blood_is_as_good_as_iv(depot: str) -> None:
    iv = exposure([Bolus("central_s", 0.0, 100.0)])
    absorbed = exposure([Bolus(f"{depot}_s", 0.0, 100.0)])
    for name, area in iv.items():
        assert absorbed[name] == pytest.approx(area, rel=1e-7, abs=1e-9), name


def test_enantiomers_do_not_touch_each_other() -> None:
    names = [symbol.name for symbol in chain().system.states]
    other = [index for index, name in enumerate(names) if name.endswith("_r")]
    found = solve([Bolus("central_s", 0.0, 100.0), Bolus("gut_oral_s", 0.0, 50.0)])
    assert not found[other].any()
    assert len(other) == len(names) / 2


@pytest.mark.parametrize("factor", [0.5, 1.6])
def test_weight_scales_volumes_and_flows(factor: float) -> None:
    """With the dose per kg kept, peaks after a bolus stay and exposure grows with size^(1 - exponent)."""
    p = load_parameters()
    heavy = chain().parameter_values(p.with_values({"weight": 70.0 * factor}))
    start = np.zeros(len(with_exposure().system.states))
    index = [s.name for s in with_exposure().system.states].index("auc_s_ketamine_arterial")
    areas = [
        with_exposure()
        .solve(numbers, start, as_schedule([Bolus("central_s", 0.0, dose)]), FOREVER, inputs(), RTOL)
        .states[index, -1]
        for numbers, dose in ((values(), 100.0), (heavy, 100.0 * factor))
    ]
    expected = factor ** (1.0 - p["allometric_exponent"].value)
    assert areas[1] / areas[0] == pytest.approx(expected, rel=1e-7)
