"""How stages are joined, and each way in which they can fail to fit. Small stages stand for the real ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ketasim.errors import ModelError, UnitError
from ketasim.model import (
    MEDIATORS,
    SEVERITY_STATES,
    Derived,
    Equations,
    Input,
    Parameter,
    ParameterSet,
    Provides,
    Reads,
    Stage,
    State,
    Symbols,
    build_chain,
    load_parameters,
)
from ketasim.units import UnitSystem

Equation = Callable[[Symbols, Symbols, Symbols, Symbols], Equations]


def stage(name: str, equations: Equation, **declared: Any) -> Stage:
    """A stage of a class of its own."""

    def method(_self: Stage, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        return equations(x, p, q, u)

    body = {"name": name, "title": name, "section": "0", "equations": method, **declared}
    made: Stage = type(name.title(), (Stage,), body)()
    return made


def parameter(name: str, owner: str, value: float, unit: str) -> Parameter:
    return Parameter(name, owner, value, unit, value, value, "fixed", 0.0, "", "assumed", "assumed", "")


PARAMETERS = ParameterSet(
    {
        item.name: item
        for item in (
            parameter("elimination", "plasma", 0.5, "1/h"),
            parameter("volume", "plasma", 20.0, "L"),
            parameter("half", "effect", 2.0, "uM"),
        )
    }
)


def plasma(**changes: Any) -> Stage:
    declared: dict[str, Any] = {
        "states": (State("amount", "umol", "amount", 10.0),),
        "provides": (Provides("concentration", "uM", "concentration"),),
    }
    return stage(
        "plasma",
        changes.pop(
            "equations",
            lambda x, p, _q, _u: Equations(
                {"amount": -p.elimination * x.amount}, {"concentration": x.amount / p.volume}
            ),
        ),
        **{**declared, **changes},
    )


def effect(**changes: Any) -> Stage:
    declared: dict[str, Any] = {
        "reads": (Reads("concentration", "uM"),),
        "provides": (Provides("effect_share", "ratio", "share of the full effect", "healthy"),),
    }
    return stage(
        "effect",
        changes.pop(
            "equations",
            lambda _x, p, q, _u: Equations(
                {}, {"effect_share": q.concentration / (p.half + q.concentration)}
            ),
        ),
        **{**declared, **changes},
    )


def test_what_fits_is_joined_in_order() -> None:
    chain = build_chain((effect(), plasma()), PARAMETERS)
    names = [symbol.name for symbol in chain.system.quantities]
    # The order of evaluation follows what reads what, not the order of the stages.
    assert names == ["concentration", "effect_share"]
    assert list(chain.quantities) == ["effect_share", "concentration"]
    assert chain.edges() == [("plasma", "concentration", "effect")]
    assert chain.owner == {"amount": "plasma", "concentration": "plasma", "effect_share": "effect"}
    assert chain.system.scales == (10.0,)


def test_reading_what_no_stage_provides() -> None:
    with pytest.raises(ModelError, match=r"stage 'effect' reads what no stage provides: .*'concentration'"):
        build_chain((effect(),), PARAMETERS)


def test_two_providers_of_one_quantity() -> None:
    second = stage(
        "copy",
        lambda _x, _p, _q, _u: Equations({}, {"concentration": 0}),
        provides=(Provides("concentration", "uM", "again"),),
    )
    with pytest.raises(ModelError, match="'concentration' is provided by stage 'plasma' and by stage 'copy'"):
        build_chain((plasma(), second), PARAMETERS)


def test_two_owners_of_one_state() -> None:
    second = stage(
        "copy",
        lambda _x, _p, _q, _u: Equations({"amount": 0}, {}),
        states=(State("amount", "umol", "again"),),
    )
    with pytest.raises(ModelError, match=r"state 'amount' .*'plasma'.*'copy'"):
        build_chain((plasma(), second), PARAMETERS)


def test_state_with_the_name_of_a_parameter() -> None:
    second = stage(
        "copy", lambda _x, _p, _q, _u: Equations({"volume": 0}, {}), states=(State("volume", "L", "volume"),)
    )
    with pytest.raises(ModelError, match="parameter 'volume' has the name of a state"):
        build_chain((plasma(), second), PARAMETERS)


def test_input_with_the_name_of_a_quantity() -> None:
    with pytest.raises(ModelError, match="input 'concentration' has the name of a quantity"):
        build_chain((plasma(inputs=(Input("concentration", "uM", "given"),)),), PARAMETERS)


def test_reader_with_another_unit_names_both_stages() -> None:
    reader = effect(reads=(Reads("concentration", "mg/L"),))
    message = "stage 'effect' reads 'concentration' in 'mg/L', but stage 'plasma' provides it in 'uM'"
    with pytest.raises(UnitError, match=message):
        build_chain((plasma(), reader), PARAMETERS)


def test_reader_with_another_reference_names_both_stages() -> None:
    reader = effect(reads=(Reads("concentration", "uM", "healthy"),))
    message = (
        "'effect' reads 'concentration' relative to 'healthy', "
        "but stage 'plasma' provides it relative to 'none'"
    )
    with pytest.raises(UnitError, match=message):
        build_chain((plasma(), reader), PARAMETERS)


def test_wrong_unit_of_a_rate_names_stage_and_equation() -> None:
    wrong = plasma(
        equations=lambda x, p, _q, _u: Equations(
            {"amount": -p.elimination * x.amount / p.volume}, {"concentration": x.amount / p.volume}
        )
    )
    with pytest.raises(UnitError, match="stage 'plasma', equation of 'amount': the two sides"):
        build_chain((wrong,), PARAMETERS)


def test_wrong_unit_of_a_parameter_names_the_stage_and_who_feeds_it() -> None:
    wrong = ParameterSet({**PARAMETERS, "half": parameter("half", "effect", 2.0, "mg/L")})
    message = "stage 'effect', equation of 'effect_share': .* are added. It reads from stage 'plasma'"
    with pytest.raises(UnitError, match=message):
        build_chain((plasma(), effect()), wrong)


def test_shipped_chain_with_a_wrong_unit_in_one_table() -> None:
    shipped = load_parameters()
    half = shipped["ic50_s_ketamine"]
    wrong = ParameterSet({**shipped, half.name: parameter(half.name, half.stage, half.value, "mg/L")})
    with pytest.raises(UnitError, match=r"stage 'receptors'.*from stage 'pharmacokinetics'"):
        build_chain(parameters=wrong)


def test_loop_without_a_state_between() -> None:
    first = stage(
        "first",
        lambda _x, _p, q, _u: Equations({}, {"one": 1 + q.two}),
        reads=(Reads("two", "ratio"),),
        provides=(Provides("one", "ratio", "one"),),
    )
    second = stage(
        "second",
        lambda _x, _p, q, _u: Equations({}, {"two": 2 * q.one}),
        reads=(Reads("one", "ratio"),),
        provides=(Provides("two", "ratio", "two"),),
    )
    with pytest.raises(ModelError, match=r"depend on each other without a state between: (one|two) -> "):
        build_chain((first, second), PARAMETERS)


@pytest.mark.parametrize(
    ("rates", "provides", "message"),
    [
        ({}, {"concentration": 0}, "rate 'amount' is declared without an equation"),
        ({"amount": 0, "other": 0}, {"concentration": 0}, "rate 'other'"),
        ({"amount": 0}, {}, "quantity 'concentration' is declared without an equation"),
        ({"amount": 0}, {"concentration": 0, "other": 0}, "quantity 'other'"),
    ],
)
def test_declarations_and_equations_must_match(
    rates: dict[str, Any], provides: dict[str, Any], message: str
) -> None:
    wrong = plasma(equations=lambda _x, _p, _q, _u: Equations(rates, provides))
    with pytest.raises(ModelError, match=f"stage 'plasma': {message}"):
        build_chain((wrong,), PARAMETERS)


@pytest.mark.parametrize(
    ("equations", "message"),
    [
        (lambda x, _p, _q, _u: Equations({"amount": x.amont}, {}), "unknown state 'amont'.*'amount'"),
        (lambda _x, p, _q, _u: Equations({"amount": p.half}, {}), "unknown parameter 'half'"),
        (lambda _x, _p, q, _u: Equations({"amount": q.effect_share}, {}), "unknown quantity 'effect_share'"),
        (lambda _x, _p, _q, u: Equations({"amount": u.stress}, {}), "unknown input 'stress'"),
    ],
)
def test_stage_sees_only_what_it_declares(equations: Equation, message: str) -> None:
    with pytest.raises(ModelError, match=f"stage 'plasma': {message}"):
        build_chain((plasma(equations=equations), effect()), PARAMETERS)


def test_derived_and_borrowed_parameters_in_other_units() -> None:
    lender = plasma(
        derived=(Derived("clearance", "L/h", "clearance", lambda p: p["elimination"] * p["volume"]),),
        equations=lambda x, p, _q, _u: Equations(
            {"amount": -p.clearance / p.volume * x.amount}, {"concentration": x.amount / p.volume}
        ),
    )
    borrower = effect(
        borrowed=("volume",),
        provides=(Provides("amount_seen", "umol", "amount"),),
        equations=lambda _x, p, q, _u: Equations({}, {"amount_seen": q.concentration * p.volume}),
    )
    chain = build_chain((lender, borrower), PARAMETERS, UnitSystem(time="min", volume="mL"))
    values = chain.parameter_values(PARAMETERS)
    assert values["volume"] == pytest.approx(20_000.0)
    assert values["clearance"] == pytest.approx(0.5 * 20.0 * 1000.0 / 60.0)
    assert values["elimination"] == pytest.approx(0.5 / 60.0)


def test_borrowing_what_does_not_exist() -> None:
    with pytest.raises(ModelError, match="unknown parameter 'volum'"):
        build_chain((plasma(borrowed=("volum",)),), PARAMETERS)


def test_shipped_chain_has_every_stage_and_the_declared_mediators() -> None:
    chain = build_chain()
    assert [stage.section for stage in chain.stages] == [
        "0", "1", "14", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
    ]  # fmt: skip
    symptoms = next(stage for stage in chain.stages if stage.name == "symptoms")
    assert {read.name for read in symptoms.reads} == set(MEDIATORS)
    assert set(SEVERITY_STATES) <= {state.name for state in symptoms.states}


def test_symptoms_know_no_dose() -> None:
    chain = build_chain()
    system = chain.system
    drug = {state.name for s in chain.stages if s.name == "pharmacokinetics" for state in s.states}
    severity_rates = [
        rate for state, rate in zip(system.states, system.rates, strict=True) if state.name in SEVERITY_STATES
    ]
    used = {symbol.name for rate in severity_rates for symbol in rate.free_symbols}
    assert len(severity_rates) == len(SEVERITY_STATES)
    assert not used & drug
    assert used & set(chain.quantities) <= set(MEDIATORS)
