"""What there is to choose from, and the stages opened: told as the model has them."""

from __future__ import annotations

import csv
import json
import re
from importlib import resources
from typing import Any
from xml.etree import ElementTree

import pytest
import sympy as sp

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from ketasim.api import scenarios
from ketasim.api.scenarios.mechanisms import OF_PERSON
from ketasim.app.cascade_rows import load_edges, load_rows
from ketasim.app.catalogue import etag, meta, meta_body
from ketasim.app.problems import AppProblem
from ketasim.app.stages import shown_chain, stage_card
from ketasim.model.chain import STAGES, Chain
from ketasim.model.hypotheses import WIRINGS
from ketasim.model.options import load_options

_COLOURS = {
    *("plasma", "block", "circuit", "glutamate", "ampa", "neurotrophin", "translation", "synapses"),
    *("networks", "inflammation", "symptoms", "pain", "harms"),
}


@pytest.fixture(scope="module")
def chain() -> Chain:
    return shown_chain()


def test_rows_are_quantities_of_their_stages(chain: Chain) -> None:
    assert set(load_rows()) == set(scenarios.scenario_rows())
    for row in load_rows().values():
        assert chain.owner[row.id] == row.stage
        assert row.low < row.high
        assert row.group in ("main", "harms", "more")
        assert row.colour in _COLOURS
        # One line of small text beside the curve.
        assert len(row.measure) <= 34


def test_a_row_in_another_unit_is_a_share_in_per_cent(chain: Chain) -> None:
    for row in load_rows().values():
        if row.scale != 1.0:
            assert (row.scale, row.unit) == (100.0, "%")
            assert chain.quantities[row.id].shown_unit in ("ratio", "probability")


def test_arrows_are_paths_of_the_model(chain: Chain) -> None:
    # What can be reached from a stage against the direction of cause, and the stage itself.
    givers: dict[str, set[str]] = {stage.name: {stage.name} for stage in STAGES}
    for _ in STAGES:
        for giver, _, reader in chain.edges():
            givers[reader] |= givers[giver]
    rows = load_rows()
    for edge in load_edges():
        assert rows[edge.parent].stage in givers[rows[edge.child].stage]
        assert edge.sign in (1, -1)
        assert edge.kind in ("chain", "fast", "bar", "branch")


def test_the_chain_runs_from_dose_to_mood_without_a_gap(chain: Chain) -> None:
    parents = {edge.child: edge.parent for edge in load_edges() if edge.kind == "chain"}
    main = [row for row in load_rows().values() if row.group == "main"]
    assert main[0].id == "ketamine_venous"
    assert main[-1].id == "madrs"
    for row in main[1:]:
        path = [row.id]
        while path[-1] in parents:
            path.append(parents[path[-1]])
            assert len(set(path)) == len(path)
        assert path[-1] == "ketamine_venous"
    # A stage that no other reads has a row that leads nowhere.
    read = {giver for giver, _, reader in chain.edges() if giver != reader}
    below = {edge.parent for edge in load_edges()}
    for row in main[:-1]:
        assert row.id in below or row.stage not in read


def test_everything_to_choose_from_is_named_once() -> None:
    found = meta()
    for name in (
        *("rows", "stages", "presets", "wirings", "switches", "drugs", "schedules", "controls"),
        *("expectancies", "contexts", "comedications", "person_fields", "options", "limits"),
    ):
        ids = [item["id"] for item in found[name]]
        assert ids
        assert len(set(ids)) == len(ids)
    assert [item["id"] for item in found["wirings"]] == list(WIRINGS)
    assert [item["id"] for item in found["stages"]] == [stage.name for stage in STAGES]
    assert {item["id"] for item in found["options"]} == set(load_options())
    stages = {stage.name for stage in STAGES}
    assert {item["stage"] for item in found["options"]} <= stages
    rows = {item["id"]: item for item in found["rows"]}
    for switch in found["switches"]:
        assert switch["stage"] in stages
        assert rows[switch["row"]]["switch"] is not None
    assert {row["switch"] for row in rows.values()} - {None} <= {item["id"] for item in found["switches"]}


def test_probes_are_of_switches() -> None:
    text = (resources.files("ketasim.app") / "probes.csv").read_text(encoding="utf-8")
    probes = {row["switch"] for row in csv.DictReader(text.splitlines())}
    assert probes <= {switch.id for switch in scenarios.switches()}


def test_presets_can_be_read() -> None:
    assert len(meta()["presets"]) >= 8
    for preset in meta()["presets"]:
        assert scenarios.read_scenario(preset["scenario"]).to_data() == preset["scenario"]
        assert preset["axis_end_h"] > 0.0


def test_the_document_is_json_and_its_tag_follows_it() -> None:
    body = meta_body()
    assert json.loads(body) == json.loads(json.dumps(meta()))
    assert etag(body) == etag(bytes(body))
    assert etag(body) != etag(body + b" ")
    assert re.fullmatch(r'"[0-9a-f]{24}"', etag(body))


def words_of(name: str) -> str:
    return name.replace("_", " ")


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
def test_equations_are_those_of_the_model(chain: Chain, stage: str) -> None:
    system = chain.system
    expressions = dict(zip(chain.states, system.rates, strict=True))
    expressions |= {symbol.name: value for symbol, value in system.quantities.items()}
    own = {name for name, owner in chain.owner.items() if owner == stage}
    found = stage_card(stage)["equations"]
    names = [formula["name"] for formula in found]
    assert own <= set(names)
    assert len(set(names)) == len(names)
    for formula in found:
        expression = expressions[formula["name"]]
        assert formula["text"].endswith(f" = {sp.sstr(expression)}")
        root = ElementTree.fromstring(formula["mathml"])
        assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
        shown = {item.text for item in root.iter("{http://www.w3.org/1998/Math/MathML}mi")}
        # Each symbol of the equation stands in it as words, and nothing else does but the left side.
        symbols = {symbol.name for symbol in expression.free_symbols}
        used = {words_of(name) for name in symbols}
        assert used <= shown
        # Functions, and Euler's number, are names too.
        left = {words_of(formula["name"]), f"d {words_of(formula['name'])}", "d t"}
        assert shown - used - left <= {"log", "exp", "\u2147"}
        for name in used:
            assert name.replace(" ", r"\ ") in formula["latex"]
        assert formula["latex"].count("{") == formula["latex"].count("}")
        # A value of no stage's own has its equation here too.
        own_of_model = {*chain.states, *chain.quantities, *chain.inputs}
        parameters = {name for table in chain.stage_parameters.values() for name in table}
        assert symbols - own_of_model - parameters <= set(names)


@pytest.mark.parametrize("stage", [stage.name for stage in STAGES])
def test_a_stage_is_opened_with_all_that_it_has(chain: Chain, stage: str) -> None:
    card = stage_card(stage)
    own = {name for name, item in chain.parameters.items() if item.stage == stage}
    shown: dict[str, dict[str, Any]] = {item["id"]: item for item in card["parameters"]}
    # What the person says is set there; a scenario refuses it among its parameters.
    assert own - set(OF_PERSON) <= set(shown)
    assert not set(OF_PERSON) & set(shown)
    for name, item in shown.items():
        parameter = chain.parameters[name]
        assert (item["value"], item["unit"]) == (parameter.value, parameter.unit)
        assert item["grade"] == parameter.grade
        assert item["source"]
        assert item["borrowed"] is (parameter.stage != stage)
    stage_itself = next(item for item in STAGES if item.name == stage)
    assert [item["id"] for item in card["states"]] == [item.name for item in stage_itself.states]
    assert [item["id"] for item in card["reads"]] == [item.name for item in stage_itself.reads]
    assert [item["id"] for item in card["provides"]] == [item.name for item in stage_itself.provides]
    assert len(card["disputes"]) == len(card["options"])
    json.dumps(card, allow_nan=False)


def test_every_dispute_stands_in_one_stage() -> None:
    found = [option["id"] for stage in STAGES for option in stage_card(stage.name)["options"]]
    assert sorted(found) == sorted(load_options())


def test_a_stage_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(AppProblem, match="nearest valid name is 'ampa'") as caught:
        stage_card("amppa")
    assert caught.value.status == 404
