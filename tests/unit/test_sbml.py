from __future__ import annotations

import math
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
from typer.testing import CliRunner

from ketasim.api import export_sbml
from ketasim.cli.application import app
from ketasim.dosing import parse_regimen
from ketasim.engine import Bolus, Infusion, InputPath, Reset, Schedule, System
from ketasim.errors import ModelError
from ketasim.interop import Description, Unit, chain_document, sbml_document
from ketasim.model import Simulator, build_chain
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Case
from ketasim.units import UnitSystem

libsbml = pytest.importorskip("libsbml")
roadrunner = pytest.importorskip("roadrunner")

INFUSION = "0.5 mg/kg ketamine iv over 40 min"


def symbols(names: str) -> Any:
    return sp.symbols(names, real=True, seq=True)


def decay(rate: str = "k") -> System:
    """One compartment with an input that adds to it, and twice its content as a quantity."""
    x, k, u, q = symbols(f"x {rate} u twice")
    return System((x,), (k,), (u,), (u - k * x,), {q: 2 * x}, (1.0,))


def written(schedule: Schedule, span: tuple[float, float] = (0.0, 10.0), **changes: Any) -> str:
    given: dict[str, Any] = {"system": decay(), "parameters": {"k": 0.5}, "start": {"x": 1.0}}
    return sbml_document(**(given | {"defaults": {"u": 0.0}} | changes), schedule=schedule, span=span)


def solved(text: str, times: list[float], name: str = "x") -> np.ndarray:
    runner: Any = roadrunner.RoadRunner(text)
    runner.integrator.setValue("relative_tolerance", 1e-11)
    runner.integrator.setValue("absolute_tolerance", [1e-13])
    return np.array(runner.simulate(times=[0.0, *times], selections=[name]))[1:, 0]


def infused(start: float, end: float, amount: float, time: float, k: float = 0.5) -> float:
    """Content at a time of what was infused, in closed form."""
    stop = min(end, time)
    if stop <= start:
        return 0.0
    return amount / (end - start) / k * (math.exp(-k * (time - stop)) - math.exp(-k * (time - start)))


#: What libRoadRunner reaches in these runs at the tolerances of `solved`, with room for its restarts.
CLOSE = {"rel": 1e-8, "abs": 1e-10}
TIMES = [0.5, 1.5, 2.5, 3.5, 6.0, 9.5]


def test_boluses_at_the_start_later_and_two_at_once() -> None:
    schedule = Schedule([Bolus("x", 0.0, 2.0), Bolus("x", 3.0, 1.0), Bolus("x", 3.0, 0.5)])
    expected = [
        3.0 * math.exp(-0.5 * t) + (1.5 * math.exp(-0.5 * (t - 3.0)) if t > 3.0 else 0.0) for t in TIMES
    ]
    assert solved(written(schedule), TIMES) == pytest.approx(expected, **CLOSE)
    assert solved(written(schedule), TIMES, "twice") == pytest.approx([2.0 * x for x in expected], **CLOSE)


def test_infusions_overlap_and_one_outlasts_the_run() -> None:
    pieces = [(0.0, 2.0, 4.0), (1.0, 3.0, 1.0), (5.0, 50.0, 9.0)]
    schedule = Schedule(infusions=[Infusion("x", *piece) for piece in pieces])
    expected = [math.exp(-0.5 * t) + sum(infused(*piece, t) for piece in pieces) for t in TIMES]
    assert solved(written(schedule), TIMES) == pytest.approx(expected, **CLOSE)


def test_a_run_that_starts_late_counts_from_there() -> None:
    schedule = Schedule([Bolus("x", 1.0, 100.0), Bolus("x", 5.0, 2.0)], [Infusion("x", 2.0, 6.0, 4.0)])
    # The bolus before the start has been given; the infusion goes on from there until hour 3 of the run.
    expected = [
        math.exp(-0.5 * t)
        + infused(0.0, 3.0, 3.0, t)
        + (2.0 * math.exp(-0.5 * (t - 2.0)) if t > 2.0 else 0.0)
        for t in TIMES
    ]
    assert solved(written(schedule, (3.0, 13.0)), TIMES) == pytest.approx(expected, **CLOSE)


def test_input_paths_and_resets_come_in_order() -> None:
    path = InputPath((-1.0, 2.0), (0.25, 0.0))
    schedule = Schedule([Bolus("x", 4.0, 50.0)], inputs={"u": path}, resets=[Reset("x", 4.0, 3.0)])
    early = [1.0 + (0.5 - 1.0) * (1.0 - math.exp(-0.5 * min(t, 2.0))) for t in TIMES]
    expected = [
        3.0 * math.exp(-0.5 * (t - 4.0)) if t > 4.0 else x * math.exp(-0.5 * max(t - 2.0, 0.0))
        for t, x in zip(TIMES, early, strict=True)
    ]
    assert solved(written(schedule), TIMES) == pytest.approx(expected, **CLOSE)


def test_functions_of_sympy_are_said_as_they_are() -> None:
    x, y, k = symbols("x y k")
    rate = sp.log(1 + sp.exp(-x)) + sp.sqrt(k) * sp.Rational(1, 3) - sp.Max(x, k) ** -2 + sp.tanh(x) * sp.E
    system = System((x,), (k,), (), (rate,), {y: rate}, (1.0,))
    document = written(Schedule(), system=system, start={"x": 0.7}, parameters={"k": 1.9}, defaults={})
    runner: Any = roadrunner.RoadRunner(document)
    # Both are double arithmetic on one formula.
    assert runner["y"] == pytest.approx(float(rate.subs({x: 0.7, k: 1.9})), rel=1e-14)


@pytest.mark.parametrize("name", ["pi", "time", "avogadro", "e", "inf"])
def test_a_parameter_with_the_name_of_a_constant_is_that_parameter(name: str) -> None:
    text = written(Schedule(), system=decay(name), parameters={name: 0.25})
    assert f"<ci> {name} </ci>" in text


INTO_X = Schedule(infusions=[Infusion("x", 0.0, 1.0, 1.0)])


@pytest.mark.parametrize(
    ("schedule", "changes", "message"),
    [
        (Schedule([Bolus("y", 1.0, 1.0)]), {}, "unknown state 'y'"),
        (Schedule(inputs={"v": InputPath((0.0,), (1.0,))}), {}, "unknown input 'v'"),
        (Schedule(), {"parameters": {}}, "parameter 'k' has no value"),
        (Schedule(), {"start": {"x": math.nan}}, "state 'x' is nan; give a finite number"),
        (Schedule(), {"defaults": {}}, "input 'u' has no value"),
        (Schedule(), {"span": (2.0, 2.0)}, "from 2 to 2 has no length"),
        (Schedule(), {"system": decay("1st-order")}, "'1st-order' is no identifier"),
        (INTO_X, {"system": decay("infusion_into_x")}, "two things have the name 'infusion_into_x'"),
    ],
)
def test_what_cannot_be_written_is_refused(schedule: Schedule, changes: dict[str, Any], message: str) -> None:
    if "system" in changes:
        changes["parameters"] = {symbol.name: 1.0 for symbol in changes["system"].parameters}
    with pytest.raises(ModelError, match=message):
        written(schedule, **changes)


def test_a_formula_that_sbml_lacks_names_its_equation() -> None:
    x, y = symbols("x y")
    system = System((x,), (), (), (sp.besselj(0, x),), {y: x}, (1.0,), origins={"x": "stage pain"})
    with pytest.raises(ModelError, match="besselj"):
        written(Schedule(), system=system, parameters={}, defaults={})
    system = replace(system, rates=(sp.Piecewise((x, x > 1), (1, True)),))
    with pytest.raises(ModelError, match="stage pain, equation of 'x': SBML cannot say this"):
        written(Schedule(), system=system, parameters={}, defaults={})


def test_without_a_description_the_document_says_no_units_and_no_notes() -> None:
    text = written(Schedule([Bolus("x", 1.0, 1.0)]))
    assert "notes" not in text
    assert "units=" not in text
    assert "Units" not in text


def test_units_of_doses_follow_the_state() -> None:
    amount, hour = Unit("mg", (("gram", -3, 1.0, 1.0),)), Unit("h", (("second", 0, 3600.0, 1.0),))
    about = Description("one", "A <note> & more.", {"x": "content"}, {"k": "how fast"}, {"x": amount}, hour)
    schedule = Schedule([Bolus("x", 1.0, 1.0)], [Infusion("x", 2.0, 3.0, 1.0)])
    document = libsbml.readSBMLFromString(written(schedule, description=about))
    model = document.getModel()
    units = {
        item.getId(): item.getUnits()
        for item in (model.getParameter(i) for i in range(model.getNumParameters()))
    }
    assert units["event_1_x"] == units["x"] == "unit_mg"
    assert units["event_2_infusion_into_x"] == units["infusion_into_x"] == "unit_mg_per_h"
    assert units["event_1_time"] == model.getTimeUnits() == "unit_h"
    assert "A &lt;note&gt; &amp; more." in model.getNotesString()
    assert model.getParameter("x").getName() == "content"


@cache
def chain_case() -> tuple[Simulator, Case]:
    simulator = Simulator(build_chain())
    patient = simulator.depressed(load_parameters().with_texts({"clearance": "80 L/h"}), 33.0)
    return simulator, Case(patient, parse_regimen(INFUSION), np.array([0.0, 48.0]))


@cache
def chain_model() -> Any:
    document = libsbml.readSBMLFromString(chain_document(*chain_case()))
    # The model is part of the document: without it, it is gone.
    return document, document.getModel()


def test_the_chain_has_no_error_and_no_warning_not_even_of_units() -> None:
    document, _ = chain_model()
    document.checkConsistency()
    assert [document.getError(i).getMessage() for i in range(document.getNumErrors())] == []


def test_the_chain_is_whole_and_starts_at_rest() -> None:
    simulator, case = chain_case()
    _, model = chain_model()
    chain = simulator.chain
    assert model.getNumRules() == len(chain.states) + len(chain.system.quantities)
    for name, value in zip(chain.states, case.patient.state, strict=True):
        # libSBML writes 15 digits.
        assert model.getParameter(name).getValue() == pytest.approx(value, rel=1e-14, abs=0.0)
        assert model.getParameter(name).getName() == chain.states[name].label
    # The end of the infusion; its start is the start of the document.
    assert model.getNumEvents() == 1
    assert model.getParameter("event_1_time").getValue() == pytest.approx(2.0 / 3.0)
    assert model.getParameter("infusion_into_central_s").getValue() > 0.0


def test_the_chain_says_units_sources_and_what_was_changed() -> None:
    _, model = chain_model()
    hour = model.getUnitDefinition(model.getTimeUnits()).getUnit(0)
    assert (hour.getKind(), hour.getMultiplier()) == (libsbml.UNIT_KIND_SECOND, 3600.0)
    assert model.getParameter("volume_central").getUnits() == "unit_L"
    assert "unit points" in model.getParameter("madrs").getNotesString()
    typical = f"typical value, {load_parameters()['clearance'].value:g} L/h, has the source:"
    assert typical in model.getParameter("clearance").getNotesString()
    for name, item in load_parameters().items():
        if model.getParameter(name) is not None:
            assert f"grade {item.grade}" in model.getParameter(name).getNotesString(), name
    assert "Ketasim 0" in model.getNotesString()
    assert INFUSION in model.getNotesString()


def test_other_units_inside_are_refused() -> None:
    _, case = chain_case()
    other = Simulator(build_chain(units=UnitSystem(time="min")))
    with pytest.raises(ModelError, match="default units"):
        chain_document(other, case)


def test_doses_after_the_last_day_are_left_out() -> None:
    document = libsbml.readSBMLFromString(export_sbml(f"{INFUSION}, on days 1, 4, 8", days=5))
    assert document.getModel().getNumEvents() == 3


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libsbml", None)
    result = CliRunner().invoke(app, ["export", "sbml", "none"])
    assert result.exit_code == 2
    assert "pip install 'ketasim[sbml]'" in result.stderr


def test_the_command_writes_a_file_once(tmp_path: Path) -> None:
    out = tmp_path / "chain.xml"
    command = ["export", "sbml", INFUSION, "--days", "2d", "--weight", "90 kg", "--out", str(out)]
    first = CliRunner().invoke(app, command)
    assert (first.exit_code, first.stdout) == (0, "")
    document = libsbml.readSBMLFromFile(str(out))
    assert document.getModel().getParameter("weight").getValue() == pytest.approx(90e6)
    second = CliRunner().invoke(app, command)
    assert second.exit_code == 2
    assert "--force" in second.stderr
    assert CliRunner().invoke(app, [*command, "--force"]).exit_code == 0
    shown = CliRunner().invoke(app, command[:-2])
    assert shown.stdout == out.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0.5 mg/kg ketamin iv"], "nearest valid name is 'ketamine'"),
        (["none", "--days", "-3d"], "--days"),
        (["none", "--illness", "sad"], "--illness"),
        (["none", "--set", "clearanc=80 L/h"], "'clearance'"),
        (["none", "--out", "no/such/folder/a.xml"], "existing folder"),
        (["none", "--out", "."], "existing folder"),
    ],
)
def test_bad_input_is_one_paragraph(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["export", "sbml", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
