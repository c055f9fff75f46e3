"""The machinery of the emergent items; whether an item passes is for ``ketasim emergent`` to tell."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from ketasim.cli.application import app
from ketasim.engine.schedule import InputPath
from ketasim.errors import ModelError, SolverError
from ketasim.model.simulator import Run
from ketasim.validation import ITEMS, Bench, Item, Verdict, check_items, markdown, tally
from ketasim.validation.bench import NO_DRUG, SINGLE, must, spell

# Half a minute together: long series of doses, held quantities (each compiles the model anew), years.
SLOW = {
    "relapse_order",
    "bladder_heavy",
    "bladder_clinical",
    "dissociation_fades",
    "frequency",
    "serial_doses",
}
SLOW |= {"networks_weightless", "inflammation_small", "elimination_unchanged", "ampa_clamp", "mtorc1_adapts"}
SLOW |= {"relapse_medians", "placebo_and_null_trials", "patient_spread", "sirolimus_two_weeks", "cancer_pain"}
SLOW |= {
    "onset_without_spines",
    "nasal_graded",
    "inverted_u",
    "second_pulse",
    "pressure_without_tolerance",
    "erased_spines",
}
OUTCOMES = {"pass", "miss", "not computed"}


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.fixture(scope="module")
def verdicts(bench: Bench) -> list[Verdict]:
    return check_items(bench, [item.name for item in ITEMS if item.name not in SLOW])


def course(values: list[float]) -> Run:
    return Run(np.arange(len(values), dtype=float), {"x": np.array(values)}, 1)


def test_names_are_unique_and_sections_in_order() -> None:
    names = [item.name for item in ITEMS]
    assert len(set(names)) == len(names)
    assert set(names) >= SLOW
    sections = [int(item.section.rstrip("b")) for item in ITEMS]
    assert sections == sorted(sections)
    assert set(sections) >= set(range(14))


def test_each_item_says_what_must_emerge_and_what_was_found(verdicts: list[Verdict]) -> None:
    assert len(verdicts) == len(ITEMS) - len(SLOW)
    for verdict in verdicts:
        assert verdict.outcome in OUTCOMES
        assert len(verdict.text) > 10
        assert not re.search(r"\b(nan|inf)\b", verdict.found), verdict
        # What was computed is told in numbers, what was not with a reason.
        assert re.search(r"\d", verdict.found) or verdict.outcome == "not computed", verdict
        assert verdict.found != verdict.text


def test_not_computed_are_those_that_say_so(verdicts: list[Verdict]) -> None:
    skipped = [verdict.found for verdict in verdicts if verdict.outcome == "not computed"]
    # The connectome is the user's, and rival wirings have a command of their own.
    assert len(skipped) == 2
    assert all(any(word in reason for word in ("ketasim hypotheses", "ketasim brain")) for reason in skipped)


def test_an_item_that_cannot_be_solved_is_a_miss_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, bench: Bench
) -> None:
    def fail(*_args: object, **_options: object) -> Run:
        raise SolverError("the solver stopped at 3 h.")

    monkeypatch.setattr(Bench, "run", fail)
    (verdict,) = check_items(bench, ["onset"])
    assert (verdict.outcome, verdict.found) == ("miss", "the solver stopped at 3 h.")


def test_verdicts_follow_the_parameters(bench: Bench) -> None:
    """An item judges the values it is given, here how much ketamine takes consciousness."""
    outcomes = []
    for c50 in (0.5, 100.0):
        given = Bench(bench.parameters.with_values({"consciousness_c50": c50}))
        outcomes.append(check_items(given, ["unconscious"])[0].outcome)
    assert outcomes == ["pass", "miss"]


def test_unknown_item_is_refused_with_the_nearest_name(bench: Bench) -> None:
    with pytest.raises(ModelError, match="'nasal_peak'"):
        check_items(bench, ["nasal_peek"])


def test_order_and_progress(bench: Bench) -> None:
    told: list[tuple[str, int, int]] = []
    found = check_items(bench, ["awake", "onset"], lambda *step: told.append(step))
    assert [verdict.item for verdict in found] == ["onset", "awake"]
    assert told == [("emergent items", done, 2) for done in (0, 1, 2)]


def test_must_makes_an_item_with_the_name_of_its_check(bench: Bench) -> None:
    @must("1", "something")
    def _a_check(_bench: Bench) -> tuple[str, bool | None]:
        return "1 of 2", None

    assert isinstance(_a_check, Item)
    assert (_a_check.name, _a_check.section, _a_check.check(bench)) == ("a_check", "1", ("1 of 2", None))


def test_tally_and_markdown() -> None:
    made = [Verdict("a", "1", "x|y", "2", "pass"), Verdict("b", "2", "z", "3\n4", "miss")]
    assert tally(made) == "1 pass, 1 miss, 0 not computed"
    lines = markdown(made).splitlines()
    assert lines[2] == "| 1 | a | x/y | 2 | pass |"
    assert lines[3] == "| 2 | b | z | 3 4 | miss |"
    assert lines[-1] == tally(made)


def test_falls_through_interpolates_after_the_peak() -> None:
    run = course([0.0, 4.0, 2.0, 0.0])
    assert Bench.falls_through(run, "x", 3.0) == pytest.approx(1.5, abs=1e-12)
    assert Bench.falls_through(run, "x", 4.0) == 1.0
    assert math.isnan(Bench.falls_through(run, "x", -1.0))
    assert math.isnan(Bench.falls_through(run, "x", 5.0))
    assert spell(Bench.falls_through(run, "x", 5.0), "h") == "never"
    assert spell(1.26, "h") == "1.3 h"


def test_area_span_and_rise(bench: Bench) -> None:
    run = course([1.0, 3.0, 3.0])
    assert bench.area(run, "x") == pytest.approx(5.0, abs=1e-12)
    assert bench.area(run, "x", 1.0) == pytest.approx(2.0, abs=1e-12)
    assert bench.span(run, "x", 1.0).tolist() == [3.0, 3.0]
    assert bench.rise(run, "x", 0.5) == pytest.approx(1.0, abs=1e-12)


def test_runs_are_kept_and_told_apart(bench: Bench) -> None:
    plain = bench.run(days=1.0)
    assert bench.run(days=1.0) is plain
    assert bench.run(days=1.0, well=True) is not plain
    pulse = {"ampa_antagonist": InputPath((0.0, 6.0), (1.0, 0.0))}
    antagonised = bench.run(days=1.0, inputs=pulse)
    assert bench.at(antagonised, "ampa_drive", 3.0) == pytest.approx(0.0, abs=1e-12)
    assert bench.at(plain, "ampa_drive", 3.0) > 0.1


def test_effect_against_none_takes_what_the_input_does_alone_away(bench: Bench) -> None:
    inputs = {"life_stress": 1.0}
    drug, none = (bench.run(text, 1.5, inputs=inputs) for text in (SINGLE, NO_DRUG))
    assert bench.effect(none, 24.0) > 0.1
    expected = bench.effect(drug, 24.0) - bench.effect(none, 24.0)
    # Both differences are of the same runs, so only rounding separates them.
    assert bench.effect_against_none(24.0, inputs=inputs) == pytest.approx(expected, abs=1e-9)


def test_command_as_table_json_and_markdown() -> None:
    runner = CliRunner()
    table = runner.invoke(app, ["emergent", "--only", "awake", "--only", "rival_wirings"])
    assert table.exit_code == 0
    assert (
        re.sub(r" +", " ", table.stdout.splitlines()[0]).strip()
        == "section item what must emerge found outcome"
    )
    assert re.fullmatch(r"\d pass, \d miss, 1 not computed", table.stdout.splitlines()[-1])
    rows = json.loads(runner.invoke(app, ["emergent", "--only", "rival_wirings", "--json"]).stdout)
    assert [set(row) for row in rows] == [{"item", "section", "text", "found", "outcome"}]
    assert rows[0]["outcome"] == "not computed"
    written = runner.invoke(app, ["emergent", "--only", "rival_wirings", "--markdown"]).stdout
    assert written.startswith("| section | item |")


def test_command_refuses_what_it_cannot_do() -> None:
    runner = CliRunner()
    unknown = runner.invoke(app, ["emergent", "--only", "awoke"])
    assert unknown.exit_code == 2
    assert "'awake'" in unknown.output
    both = runner.invoke(app, ["emergent", "--json", "--markdown"])
    assert both.exit_code == 2
    assert "keep one" in both.output
