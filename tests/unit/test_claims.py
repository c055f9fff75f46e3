"""The rule of claims, their evidence, and the claims themselves."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ketasim.api.claims import answer_claims, write_claim_figures
from ketasim.claims import (
    CLAIMS,
    VERDICTS,
    Answer,
    Ballot,
    Check,
    answer_claim,
    count_votes,
    judge,
    named_claims,
)
from ketasim.claims.checks import at_least, at_most, between, not_computed
from ketasim.claims.course import response
from ketasim.claims.evidence import agreement, named_rows, read_named_rows
from ketasim.claims.verdict import Turned, core_holds
from ketasim.claims.work import Work, share
from ketasim.cli.application import GuardedGroup
from ketasim.cli.claims import claims
from ketasim.errors import EvidenceError, ModelError
from ketasim.evidence import load_observations, load_parameters, load_publications
from ketasim.model.options import load_options
from ketasim.model.parameters import load_parameters as load_model_parameters
from ketasim.report.claims_figure import claim_figure
from ketasim.report.claims_table import claims_markdown, count_verdicts

DOCS = Path(__file__).parents[2] / "docs"
HEADER = "claim,row,against,compare,low,high,null_low,null_high,role,question\n"
MET, MISSED = at_least("met", 2.0, 1.0), at_least("missed", 0.5, 1.0)
LIMIT = at_least("limit", 0.5, 1.0, role="limit")
UNKNOWN = not_computed("unknown", "at least 1", "the model has none")

runner = CliRunner()
app = typer.Typer(cls=GuardedGroup)
app.callback()(lambda: None)
app.command("claims")(claims)


def _ballots(agree: int, others: int) -> tuple[Ballot, ...]:
    votes = ["agree"] * agree + ["contradict"] * others
    return tuple(
        Ballot(f"row{i}", f"paper{i}", 1.0, "ratio", vote, "vote", "") for i, vote in enumerate(votes)
    )


@pytest.fixture(scope="module")
def work() -> Work:
    return Work(subjects=20)


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    return answer_claims(["gaba-depletion", "supervised"])


class TestCriteria:
    def test_bounds_are_included(self) -> None:
        assert at_least("x", 1.0, 1.0).passed
        assert at_most("x", 1.0, 1.0).passed
        assert not at_most("x", 1.0 + 1e-9, 1.0).passed
        assert between("x", 2.0, 1.0, 2.0, "h").criterion == "1 to 2 h"

    def test_what_never_happens_meets_no_criterion(self) -> None:
        for check in (at_least("x", math.nan, 0.0), at_most("x", math.nan, 0.0)):
            assert check.passed is False

    def test_a_share_of_nothing_is_no_number(self) -> None:
        assert math.isnan(share(1.0, 0.0))
        assert share(1.0, 4.0) == 0.25

    def test_core_holds_ignores_limits_and_what_is_not_computed(self) -> None:
        assert core_holds([MET, LIMIT, UNKNOWN]) is True
        assert core_holds([MET, MISSED]) is False
        assert core_holds([UNKNOWN, LIMIT]) is None


class TestRule:
    @pytest.mark.parametrize(
        ("check", "agree", "others", "verdict"),
        [
            (MET, 4, 1, "supported"),
            (MET, 7, 3, "supported with limits"),
            (MET, 3, 3, "disputed"),
            (MET, 1, 4, "disputed"),
            (MET, 1, 9, "not supported"),
            (MISSED, 5, 0, "disputed"),
            (MISSED, 3, 2, "disputed"),
            (MISSED, 1, 1, "not supported"),
            (MISSED, 0, 5, "not supported"),
        ],
    )
    def test_table(self, check: Check, agree: int, others: int, verdict: str) -> None:
        assert judge([check], _ballots(agree, others))[0] == verdict

    def test_a_missed_limit_takes_the_plain_support_away(self) -> None:
        verdict, reasons = judge([MET, LIMIT], _ballots(5, 0))
        assert verdict == "supported with limits"
        assert any("limit is 0.5" in reason for reason in reasons)

    def test_a_published_limit_that_contradicts_does_too(self) -> None:
        limit = Ballot("x", "paper", 0.0, "ratio", "contradict", "limit", "seen in clinics")
        assert judge([MET], (*_ballots(5, 0), limit))[0] == "supported with limits"

    def test_one_publication_is_a_limit(self) -> None:
        assert judge([MET], _ballots(1, 0))[0] == "supported with limits"

    def test_nothing_to_judge_by_is_not_computable(self) -> None:
        assert judge([UNKNOWN], _ballots(5, 0))[0] == "not computable"
        assert judge([MET], ())[0] == "not computable"

    def test_an_open_dispute_that_turns_the_core_makes_it_disputed(self) -> None:
        turning = Turned("block_curve", "gerhard2020", turns=True)
        verdict, reasons = judge([MET], _ballots(5, 0), [turning])
        assert verdict == "disputed"
        assert "It turns around with block_curve=gerhard2020." in reasons
        still = Turned("block_curve", "gerhard2020", turns=False)
        assert judge([MET], _ballots(5, 0), [still])[0] == "supported"

    def test_each_publication_has_one_voice_and_a_null_does_not_agree(self) -> None:
        def ballot(row: str, paper: str, vote: str) -> Ballot:
            return Ballot(row, paper, 0.0, "ratio", vote, "vote", "")  # type: ignore[arg-type]

        many = tuple(ballot(f"a{i}", "large", "agree") for i in range(9))
        assert agreement((*many, ballot("b", "small", "null"))) == (0.5, 2)


class TestEvidence:
    def test_every_claim_has_a_published_result_that_was_seen(self) -> None:
        seen = {*load_observations()["id"], *load_parameters()["id"]}
        keys = set(load_publications()["key"])
        names = {claim.name for claim in CLAIMS}
        assert {item.claim for item in named_rows()} == names
        for item in named_rows():
            assert item.row in seen
            assert not item.against or item.against in seen
            assert item.question
        for claim in CLAIMS:
            votes = [ballot for ballot in count_votes(claim.name) if ballot.role == "vote"]
            assert votes
            assert all(set(ballot.citation.split(";")) <= keys for ballot in votes)

    def _votes(self, tmp_path: Path, *lines: str) -> list[str]:
        path = tmp_path / "evidence.csv"
        path.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
        return [ballot.vote for ballot in count_votes("x", read_named_rows(path))]

    def test_votes_follow_from_values(self, tmp_path: Path) -> None:
        # M026 is an increase, M041 no detectable change, CLIN0485 an effect of 0.24 whose interval holds 0.
        votes = self._votes(
            tmp_path,
            "x,M026,,,1,,0,0,vote,up",
            "x,M026,,,,-1,0,0,vote,down",
            "x,M041,,,1,,0,0,vote,up",
            "x,CLIN0485,,,0.2,,-0.2,0.2,vote,effect",
        )
        assert votes == ["agree", "contradict", "null", "null"]

    def test_two_rows_can_be_compared(self, tmp_path: Path) -> None:
        # 6 points at 24 h against 13 at 2 h, in one trial.
        path = tmp_path / "evidence.csv"
        path.write_text(
            HEADER + "x,CLIN0246,CLIN0243,difference,,-2,-2,2,vote,below placebo\n"
            "x,CLIN0246,CLIN0243,ratio,,1,,,vote,ratio\n",
            encoding="utf-8",
        )
        difference, ratio = count_votes("x", read_named_rows(path))
        assert difference.value == pytest.approx(-17.6 + 9.7)
        assert ratio.value == pytest.approx(17.6 / 9.7)
        assert (difference.vote, ratio.vote) == ("agree", "contradict")
        assert difference.citation == "daly2018"

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("x,M0266,,,1,,,,vote,up", "M026"),
            ("x,M026,,,one,,,,vote,up", "'one' is no number"),
            ("x,M026,,,1,,,,vots,up", "vote"),
            ("x,M026,M027,,1,,,,vote,up", "go together"),
            ("x,CLIN0540,,,1,,,,vote,up", "holds no number"),
        ],
    )
    def test_faults_name_the_line(self, tmp_path: Path, line: str, said: str) -> None:
        with pytest.raises(EvidenceError, match=r"evidence\.csv, line 2") as caught:
            self._votes(tmp_path, line)
        assert said in str(caught.value)

    def test_what_was_only_remembered_cannot_vote(self, tmp_path: Path) -> None:
        table = load_observations(seen_only=False)
        recalled = table.loc[(table["seen"] == "recalled") & table["value"].notna(), "id"].iloc[0]
        with pytest.raises(EvidenceError, match="seen in a source"):
            self._votes(tmp_path, f"x,{recalled},,,1,,,,vote,up")


class TestClaims:
    @pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
    def test_every_claim_is_computed_with_a_figure(self, claim, work: Work) -> None:  # type: ignore[no-untyped-def]
        found = claim.compute(work)
        core = [check for check in found.checks if check.role == "core"]
        assert core
        if claim.name != "rumination":  # the one that the model cannot say
            assert any(check.passed is not None for check in core)
        for check in found.checks:
            assert check.criterion
            assert (check.value is None) == (check.passed is None)
        assert found.picture.panels
        for panel in found.picture.panels:
            assert panel.y_label
            assert panel.curves or panel.bars
            assert all(np.isfinite(curve.x).all() and len(curve.x) == len(curve.y) for curve in panel.curves)

    def test_a_choice_changes_the_verdict_that_depends_on_it(self, work: Work) -> None:
        (claim,) = named_claims(["nmda"])
        usual = answer_claim(claim, work)
        other = answer_claim(claim, work.chosen("block_curve", "gerhard2020"))
        # 0.31 of all channels by one source, 0.43 by the other, around a bound of a third.
        assert (usual.verdict, other.verdict) == ("supported with limits", "supported")
        chosen = {item.choice: item for item in usual.choices if item.option == "block_curve"}
        assert chosen["shaffer2014"].current
        assert not chosen["shaffer2014"].settled
        assert chosen["gerhard2020"].verdict == other.verdict
        # And back again: the first choice sets one value, the second ten.
        back = {item.choice: item for item in other.choices if item.option == "block_curve"}
        assert back["shaffer2014"].verdict == usual.verdict
        assert back["gerhard2020"].settled
        assert {item.choice for item in other.choices if item.current} >= {"gerhard2020"}

    def test_a_settled_dispute_turns_no_claim_around(self, work: Work) -> None:
        (claim,) = named_claims(["dmn-over"])
        usual = answer_claim(claim, work)
        other = answer_claim(claim, work.chosen("network_baseline", "whole_brain"))
        assert usual.verdict != other.verdict
        assert "It turns around with network_baseline=whole_brain." in usual.reasons
        for answer in (other, answer_claim(claim, work, {"network_baseline"})):
            assert not any("turns around" in reason for reason in answer.reasons)

    def test_options_of_claims_exist(self) -> None:
        assert {option for claim in CLAIMS for option in claim.options} <= set(load_options())

    def test_the_choice_in_force_is_read_from_values(self) -> None:
        base = load_model_parameters()
        assert Work(base).current_choice("block_curve") == "shaffer2014"
        changed = base.with_options({"block_curve": "gerhard2020"})
        assert Work(changed).current_choice("block_curve") == "gerhard2020"
        assert Work(base.with_values({"block_hill": 0.9})).current_choice("block_curve") is None
        back = Work(changed).chosen("block_curve", "shaffer2014").parameters
        assert back["ic50_s_ketamine"].value == base["ic50_s_ketamine"].value
        with pytest.raises(ModelError, match="block_curve"):
            Work(base).chosen("block_curv", "shaffer2014")

    def test_unknown_names_are_refused_with_the_nearest(self) -> None:
        with pytest.raises(ModelError, match="nmda"):
            named_claims(["nmad"])
        with pytest.raises(ModelError, match="block_curve"):
            answer_claims(["nmda"], options={"block_curv": "gerhard2020"})

    def test_response_counts_who_was_not_seen_as_none(self) -> None:
        times = np.array([0.0, 24.0, 48.0])
        scores = np.array([[30.0, 15.0, np.nan], [30.0, 16.0, 10.0]])
        assert response(times, scores).tolist() == [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


class TestWriting:
    def test_figures_are_written_and_are_the_same_each_time(
        self, answers: list[Answer], tmp_path: Path
    ) -> None:
        paths = write_claim_figures(answers, tmp_path / "a")
        again = write_claim_figures(answers, tmp_path / "b")
        for name, path in paths.items():
            assert path.read_text(encoding="utf-8") == again[name].read_text(encoding="utf-8")
        axes = claim_figure(answers[0]).axes
        assert axes[0].get_xlabel() == "severity, MADRS points"
        assert axes[0].get_ylabel().replace("\n", " ") == "GABA against health, %"
        file = tmp_path / "file"
        file.write_text("x")
        with pytest.raises(ModelError, match="name a folder"):
            write_claim_figures(answers, file)

    def test_markdown_cites_each_source(self, answers: list[Answer]) -> None:
        text = claims_markdown(answers, {"gaba-depletion": "images/x.png"})
        assert "Schur RR et al. 2016" in text
        assert "![gaba-depletion](images/x.png)" in text
        assert count_verdicts(answers) in text

    def test_the_page_of_the_documentation_has_every_claim(self) -> None:
        page = (DOCS / "claims.md").read_text(encoding="utf-8")
        for claim in CLAIMS:
            assert f"| [{claim.name}](#{claim.name}) | {claim.text} |" in page
            assert f"### {claim.name}\n" in page

    def test_command(self, answers: list[Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ketasim.api.claims.answer_claims", lambda *_, **__: answers[:1])
        found = runner.invoke(app, ["claims", "gaba-depletion", "--json", "--out", str(tmp_path)])
        assert found.exit_code == 0, found.output
        (row,) = json.loads(found.stdout)
        assert set(row) == {
            *("id", "claim", "verdict", "reasons", "checks", "evidence", "options", "figure"),
        }
        assert row["verdict"] in VERDICTS
        assert set(row["checks"][0]) >= {"name", "value", "unit", "criterion", "passed"}
        assert set(row["evidence"][0]) >= {"id", "citation", "value", "unit", "vote"}
        assert Path(row["figure"]).read_text(encoding="utf-8").startswith("<?xml")
        shown = runner.invoke(app, ["claims", "gaba-depletion"])
        assert "schur2016" in shown.stdout
        assert "Computation" in shown.stdout
        monkeypatch.undo()
        for wrong, said in (
            (["nmad"], "nmda"),
            (["nmda", "--wiring", "hnkk"], "hnk"),
            (["nmda", "--json", "--markdown"], "keep one"),
        ):
            refused = runner.invoke(app, ["claims", *wrong])
            assert refused.exit_code == 2
            assert said in refused.stderr
