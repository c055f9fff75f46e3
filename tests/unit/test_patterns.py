"""The machinery of patterns; whether the model shows one is for ``ketasim patterns`` to tell."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ketasim.cli.application import GuardedGroup
from ketasim.cli.patterns import patterns as patterns_command
from ketasim.errors import ModelError
from ketasim.report.patterns_figure import patterns_figure, write_pattern_figures
from ketasim.validation.bench import Bench
from ketasim.validation.patterns import PATTERNS, count_outcomes, patterns_markdown, show_patterns
from ketasim.validation.patterns.pattern import (
    Found,
    Shown,
    at_least,
    at_most,
    between,
    outcome_of,
    told,
)
from ketasim.validation.patterns.picture import Band, Bars, Curve, Panel, Picture, Published
from ketasim.validation.patterns.scored import null_share, skewness, two_humps
from ketasim.validation.patterns.stages import exponential_miss
from ketasim.validation.patterns.survival import first_events, staying_well
from ketasim.validation.patterns.tried import load_tried
from ketasim.validation.patterns.virtual import Arm, load_study, trial


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


def panel() -> Panel:
    line = Curve.of("model", (1.0, 10.0), (0.0, -5.0))
    return Panel(
        "A panel",
        "x",
        "y",
        (line,),
        bands=(Band("range", -6.0, -4.0),),
        published=(Published("p", (1.0,), (-1.0,)),),
    )


def shown(outcome: str = "miss", tried: tuple[str, ...] = ()) -> Shown:
    bars = Bars(("one", "two"), (1.0, math.nan), (math.nan, 2.0))
    checks = (at_least("size", 1.0, 2.0, "points", "a | note"), told("other", math.nan, "d"))
    picture = Picture((panel(), Panel("Bars", "", "points", bars=bars)))
    return Shown(
        "made", "11", "Something is seen", "miss" if outcome == "miss" else "pass", checks, picture, tried
    )


def test_criteria_hold_at_their_bounds_and_never_for_what_never_happens() -> None:
    assert at_least("a", 1.0, 1.0).passed is True
    assert at_least("a", 0.99, 1.0).passed is False
    assert at_most("a", 1.0, 1.0).passed is True
    assert at_most("a", 1.01, 1.0).passed is False
    assert between("a", 2.0, 1.0, 2.0, "d").passed is True
    assert between("a", 2.0, 1.0, 2.0, "d").criterion == "1 to 2 d"
    assert between("a", math.inf, 1.0, 2.0).passed is False
    # Infinite days to relapse are more than any bound, NaN days are no number of days.
    assert at_least("a", math.inf, 1.0).passed is True
    for made in (
        at_least("a", math.nan, 0.0),
        at_most("a", math.nan, 0.0),
        between("a", math.nan, -1.0, 1.0),
    ):
        assert made.passed is False
        assert made.in_words == "never"


def test_a_pattern_is_missed_by_one_criterion_and_only_reported_without_any() -> None:
    picture = Picture((panel(),))
    good, bad, free = at_least("a", 1.0, 0.0), at_least("b", -1.0, 0.0), told("c", 5.0)
    assert outcome_of(Found((good, free), picture)) == "pass"
    assert outcome_of(Found((good, bad, free), picture)) == "miss"
    assert outcome_of(Found((free,), picture)) == "reported"


def test_names_are_unique_and_cover_section_eleven() -> None:
    names = [item.name for item in PATTERNS]
    assert len(set(names)) == len(names)
    wanted = {
        "onset",
        "peak",
        "decay",
        "dose",
        "accumulation",
        "relapse",
        "placebo",
        "masking",
        "spread",
        "nulls",
    }
    assert set(names) >= wanted | {"consolidation", "mtorc1", "steps", "sirolimus"}


def test_product_limit_curve_by_hand() -> None:
    """Five people, events at 1 and 3 d, one leaves at 2 d: 4/5, then 4/5 of 2/3."""
    curve = staying_well(np.array([1.0, 2.0, 3.0, 4.0, 4.0]), np.array([True, False, True, False, False]))
    assert curve.at(0.5) == 1.0
    assert curve.at(1.0) == pytest.approx(0.8, abs=1e-12)
    assert curve.at(3.5) == pytest.approx(0.8 * 2.0 / 3.0, abs=1e-12)
    assert curve.quantile(0.2) == 1.0
    assert math.isnan(curve.quantile(0.5))
    # Beyond the follow-up: the constant hazard that leaves 8/15 after 4 d.
    days, beyond = curve.median()
    assert beyond
    assert days == pytest.approx(4.0 * math.log(2.0) / math.log(15.0 / 8.0), rel=1e-12)


def test_median_within_follow_up_and_of_those_who_never_relapse() -> None:
    curve = staying_well(np.array([2.0, 3.0, 9.0, 9.0]), np.array([True, True, False, False]))
    assert curve.median() == (3.0, False)
    well = staying_well(np.array([9.0, 9.0]), np.array([False, False]))
    assert well.median() == (math.inf, True)
    nobody = staying_well(np.empty(0), np.empty(0, dtype=bool))
    assert math.isnan(nobody.median()[0])


def test_events_need_visits_in_a_row_and_count_from_the_first() -> None:
    bad = np.array([[1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 0, 1], [1, 1, 0, 0]], dtype=bool)
    seen = np.ones_like(bad)
    seen[3, 1:] = False
    when, happened = first_events(bad, seen, np.array([1.0, 2.0, 3.0, 4.0]), 2)
    assert happened.tolist() == [True, True, False, False]
    # The third is followed to the end, the fourth to the only visit with a score.
    assert when.tolist() == [1.0, 3.0, 4.0, 1.0]


def test_an_exponential_is_found_and_what_is_none_is_not() -> None:
    times = np.linspace(0.0, 24.0, 481)
    miss, tau = exponential_miss(times, -0.3 * (1.0 - np.exp(-times / 3.0)))
    # The grid of time constants is 0.3 % wide, which misses the curve by about a tenth of that.
    assert miss < 1e-3
    assert tau == pytest.approx(3.0, rel=5e-3)
    pulse, _ = exponential_miss(times, np.exp(-times / 6.0) - np.exp(-times / 0.5))
    assert pulse > 0.3
    # Two equal lags one after the other: the textbook sigmoid, 1 - (1 + t) exp(-t).
    lagged, _ = exponential_miss(times, 1.0 - (1.0 + times) * np.exp(-times))
    assert 0.05 < lagged < 0.2
    # Early on a lagged response is small, and an exponential that fits the rest misses it by more of itself.
    assert exponential_miss(times, 1.0 - (1.0 + times) * np.exp(-times), pointwise=True)[0] > lagged
    assert exponential_miss(times, 1.0 - np.exp(-times / 3.0), pointwise=True)[0] < 2e-3
    assert math.isnan(exponential_miss(times, np.zeros_like(times))[0])


def test_shape_of_a_distribution() -> None:
    two = np.repeat([0.0, 1.0], 500)
    even = np.linspace(0.0, 1.0, 2000)
    assert two_humps(two) == pytest.approx(1.0, abs=0.01)
    assert two_humps(even) == pytest.approx(5.0 / 9.0, abs=0.01)
    assert skewness(even) == pytest.approx(0.0, abs=1e-9)
    # The skewness of an exponential distribution is 2; of 2000 quantiles the tail is cut a little.
    assert skewness(-np.log1p(-np.linspace(0.0, 0.9999, 20000))) == pytest.approx(2.0, abs=0.1)


def test_what_was_tried_is_read_and_checked() -> None:
    found = load_tried(["relapse", "dose"], 'pattern,tried\nrelapse,"one, two"\nrelapse,three\n')
    assert found == {"relapse": ("one, two", "three")}
    with pytest.raises(ModelError, match=r"line 2.*'relapse'"):
        load_tried(["relapse"], "pattern,tried\nrelaps,one\n")
    with pytest.raises(ModelError, match="say what was tried"):
        load_tried(["relapse"], "pattern,tried\nrelapse, \n")
    with pytest.raises(ModelError, match="columns"):
        load_tried(["relapse"], "name,tried\n")
    assert set(load_tried([item.name for item in PATTERNS])) <= {item.name for item in PATTERNS}


def test_markdown_tells_misses_what_was_tried_and_numbers() -> None:
    text = patterns_markdown([shown(tried=("more spread",))], {"made": "images/made.png"})
    assert "| [made](#made) | 11 | miss | 0 of 1 |" in text
    assert "| size | 1 points | at least 2 points | missed | a / note |" in text
    assert "| other | never | reported | reported |  |" in text
    assert "![Something is seen](images/made.png)" in text
    assert text.endswith("- more spread")
    assert "nothing is on record" in patterns_markdown([shown()])
    assert count_outcomes([shown(), shown("pass")]) == "1 pass, 1 miss, 0 reported"


def test_plain_data_have_no_number_that_json_lacks() -> None:
    data = json.loads(json.dumps(shown().as_data("f.svg"), allow_nan=False))
    assert data["checks"][1]["value"] is None
    assert data["figure"] == "f.svg"
    assert data["outcome"] == "miss"


def test_figure_shows_the_criteria_and_is_the_same_each_time(tmp_path: Path) -> None:
    drawn = patterns_figure(shown())
    words = [item.get_text() for item in drawn.texts]
    assert any(text.startswith("missed: size: 1 points (wanted: at least 2 points)") for text in words)
    assert len(drawn.axes) == 2
    first, again = (
        write_pattern_figures([shown()], tmp_path / name)["made"].read_bytes() for name in ("a", "b")
    )
    assert first == again
    assert write_pattern_figures([shown()], tmp_path, "png")["made"].read_bytes().startswith(b"\x89PNG")


def test_a_trial_is_simulated_once_and_arms_are_told_apart(bench: Bench) -> None:
    seen = trial(bench, "one_infusion", 12, twin=True)
    assert trial(bench, "one_infusion", 12, twin=True) is seen
    assert trial(bench, "one_infusion", 12, twin=True, changed={"mood_time": 6.0}) is not seen
    ketamine, saline = Arm(seen, "ketamine"), Arm(seen, "saline")
    # Who has no stable rest has no score.
    assert len(ketamine.effect(24.0)) == np.isfinite(ketamine.at(24.0, "severity")).sum()
    assert len(ketamine.effect(24.0)) >= 9
    # Saline is what the twin gets too, so nothing but rounding lies between them.
    assert np.abs(saline.effect(24.0)).max() < 1e-6
    assert ketamine.effect(24.0).mean() < -1.0
    pooled = Arm(seen, "ketamine + saline")
    assert len(pooled.at(24.0)) == 24
    moved = ketamine.at(24.0) - ketamine.at(0.0)
    assert ketamine.change(24.0) == pytest.approx(moved[np.isfinite(moved)], abs=1e-12)
    seen_at_both = moved[np.isfinite(moved)]
    halved = (ketamine.at(24.0) <= 0.5 * ketamine.at(0.0)).sum() / len(seen_at_both)
    assert ketamine.response(24.0) == pytest.approx(halved, abs=1e-12)
    with pytest.raises(ModelError, match="no visit"):
        ketamine.at(25.0)
    with pytest.raises(ModelError, match="no arm 'nothing'"):
        Arm(seen, "nothing").at(24.0)


def test_studies_of_patterns_come_from_here_and_others_from_the_shipped_ones() -> None:
    assert load_study("one_infusion").id == "one_infusion"
    assert load_study("lii2023").id == "lii2023"


def test_trials_without_a_drug_effect_are_nearly_all_null(bench: Bench) -> None:
    """Without a fast arm and expectancy 5 % of trials are false positives by definition."""
    nothing = {"fast_arm_rate": 1e-9, "mood_spine_weight": 1e-9, "placebo_acute": 1e-9, "placebo_slow": 1e-9}
    inert = Bench(bench.parameters.with_values(nothing))
    inert.simulator = bench.simulator
    # Of 60 trials 57 are expected to be null; fewer than 51 have a chance below 1 in 500.
    assert null_share(inert, "lii2023") >= 51 / 60


def test_patterns_are_computed_by_name(bench: Bench) -> None:
    told_of: list[tuple[str, int, int]] = []
    found = show_patterns(["mtorc1"], bench, lambda *step: told_of.append(step))
    assert [item.name for item in found] == ["mtorc1"]
    assert found[0].outcome in {"pass", "miss"}
    assert len(found[0].checks) == 5
    assert told_of == [("patterns", 0, 1), ("patterns", 1, 1)]
    with pytest.raises(ModelError, match="'relapse'"):
        show_patterns(["relapses"], bench)


def test_patterns_follow_the_parameters(bench: Bench) -> None:
    """With feedback that takes months mTORC1 stays up under a constant drive, and the pattern is missed."""
    stiff = Bench(bench.parameters.with_values({"rheb_time": 2000.0}))
    stiff.simulator = bench.simulator
    (found,) = show_patterns(["mtorc1"], stiff)
    assert found.outcome == "miss"
    assert [check.passed for check in found.checks if "left" in check.name] == [False]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> typer.Typer:
    monkeypatch.setattr(Bench, "simulator", bench.simulator)
    made = typer.Typer(cls=GuardedGroup, add_completion=False, pretty_exceptions_enable=False)
    made.command("patterns")(patterns_command)
    made.command("other")(lambda: None)
    return made


def test_command_as_table_json_and_markdown(app: typer.Typer, tmp_path: Path) -> None:
    runner = CliRunner()
    table = runner.invoke(app, ["patterns", "mtorc1", "--out", str(tmp_path)])
    assert table.exit_code == 0, table.output
    assert (tmp_path / "pattern_mtorc1.svg").stat().st_size > 1000
    assert table.stdout.startswith("mtorc1: mTORC1 peaks and falls")
    data = json.loads(runner.invoke(app, ["patterns", "mtorc1", "--json"]).stdout)
    assert [set(row) for row in data] == [{"name", "section", "text", "outcome", "checks", "tried", "figure"}]
    assert data[0]["figure"] is None
    assert runner.invoke(app, ["patterns", "mtorc1", "--markdown"]).stdout.startswith("| pattern |")


def test_command_refuses_what_it_cannot_do(app: typer.Typer, tmp_path: Path) -> None:
    runner = CliRunner()
    a_file = tmp_path / "file"
    a_file.write_text("x", encoding="utf-8")
    for arguments, words in (
        (["--json", "--markdown"], "keep one"),
        (["--out", str(a_file)], "name a folder"),
        (["--png"], "--out FOLDER"),
        (["mtorc2"], "'mtorc1'"),
    ):
        refused = runner.invoke(app, ["patterns", *arguments])
        assert refused.exit_code == 2
        assert words in refused.output
