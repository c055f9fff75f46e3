"""Answers to claims: computation, evidence and verdict joined."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from ketasim.claims.catalogue import named_claims
from ketasim.claims.checks import Check, not_computed
from ketasim.claims.claim import Claim, Computed
from ketasim.claims.evidence import Ballot, count_votes
from ketasim.claims.picture import Panel, Picture
from ketasim.claims.verdict import Turned, Verdict, core_holds, judge
from ketasim.claims.work import Work
from ketasim.errors import KetasimError, ModelError
from ketasim.model.options import load_options
from ketasim.model.parameters import ParameterSet

__all__ = ["Answer", "ChoiceAnswer", "answer_claim", "answer_claims"]

_PHASE = "claims"


@dataclass(frozen=True)
class ChoiceAnswer:
    """What becomes of a verdict with another side of a dispute.

    Parameters
    ----------
    option, choice : str
        The option, and one of its choices.
    current : bool
        Whether this is the choice that was computed with.
    settled : bool
        Whether the user has chosen.
    verdict : str
        With this choice taken as settled.
    """

    option: str
    choice: str
    current: bool
    settled: bool
    verdict: Verdict


@dataclass(frozen=True)
class Answer:
    """An answer to a claim.

    Parameters
    ----------
    name, text, shown : str
        The claim, and what is computed for it.
    verdict : str
        One of :data:`ketasim.claims.VERDICTS`.
    reasons : tuple of str
        One sentence each.
    checks : tuple of Check
        What was computed.
    ballots : tuple of Ballot
        What was published.
    choices : tuple of ChoiceAnswer
        The disputed options that bear on it.
    picture : Picture
        What its figure shows.
    """

    name: str
    text: str
    shown: str
    verdict: Verdict
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    ballots: tuple[Ballot, ...]
    choices: tuple[ChoiceAnswer, ...]
    picture: Picture

    @property
    def figure_name(self) -> str:
        """Name of the file that its figure is written to."""
        return f"claim-{self.name}.svg"

    def as_data(self, figure: str | None = None) -> dict[str, Any]:
        """Return plain data for JSON; ``figure`` is where the figure was written, or else its name."""
        return {
            "id": self.name,
            "claim": self.text,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "checks": [
                {
                    "name": check.name,
                    "value": check.value,
                    "unit": check.unit,
                    "criterion": check.criterion,
                    "passed": check.passed,
                    "role": check.role,
                    "note": check.note,
                }
                for check in self.checks
            ],
            "evidence": [
                {
                    "id": ballot.row,
                    "citation": ballot.citation,
                    "value": ballot.value,
                    "unit": ballot.unit,
                    "vote": ballot.vote,
                    "role": ballot.role,
                    "question": ballot.question,
                }
                for ballot in self.ballots
            ],
            "options": [
                {
                    "option": item.option,
                    "choice": item.choice,
                    "current": item.current,
                    "settled": item.settled,
                    "verdict": item.verdict,
                }
                for item in self.choices
            ],
            "figure": figure or self.figure_name,
        }


def _silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def answer_claims(
    names: Sequence[str] | None = None,
    parameters: ParameterSet | None = None,
    *,
    settled: Collection[str] = (),
    progress: Callable[[str, int, int], None] = _silent,
) -> list[Answer]:
    """Answer claims.

    Parameters
    ----------
    names : sequence of str, optional
        Which; default: all.
    parameters : ParameterSet, optional
        Default: the shipped human values.
    settled : collection of str
        Options that the user has settled; besides, those of which the parameters hold another choice than the
        default count as settled. A settled option no longer makes a claim disputed.
    progress : callable
        Told a phase, how many claims are done, and how many there are.

    Returns
    -------
    list of Answer
        In the order of the catalogue.

    Raises
    ------
    ModelError
        If a claim is unknown.
    """
    wanted = named_claims(names)
    work = Work() if parameters is None else Work(parameters)
    others: dict[tuple[str, str], Work] = {}
    found = []
    progress(_PHASE, 0, len(wanted))
    for done, claim in enumerate(wanted, start=1):
        found.append(answer_claim(claim, work, settled, others))
        progress(_PHASE, done, len(wanted))
    return found


def answer_claim(
    claim: Claim,
    work: Work,
    settled: Collection[str] = (),
    others: dict[tuple[str, str], Work] | None = None,
) -> Answer:
    """Answer one claim; see :func:`answer_claims`.

    Parameters
    ----------
    claim : Claim
        What is said.
    work : Work
        Where it is computed.
    settled : collection of str
        Options that the user has settled.
    others : dict of (option, choice) to Work, optional
        Other sides of disputes that were computed with already; added to.
    """
    others = {} if others is None else others
    computed = _computed(claim, work)
    ballots = count_votes(claim.name)
    holds = core_holds(computed.checks)
    alone, _ = judge(computed.checks, ballots)
    choices, turned = [], []
    for option in (name for name in claim.options if name in load_options()):
        current = work.current_choice(option)
        own = option in settled or current != load_options()[option].default
        for choice in load_options()[option].choices:
            if choice == current:
                choices.append(ChoiceAnswer(option, choice, True, own, alone))
                continue
            key = (option, choice)
            try:
                if key not in others:
                    others[key] = work.chosen(option, choice)
                checks = _computed(claim, others[key]).checks
            except ModelError:
                # Two choices that set one parameter cannot be had together.
                continue
            other, _ = judge(checks, ballots)
            choices.append(ChoiceAnswer(option, choice, False, own, other))
            if not own:
                turned.append(Turned(option, choice, core_holds(checks) != holds))
    verdict, reasons = judge(computed.checks, ballots, turned)
    return Answer(
        claim.name,
        claim.text,
        claim.shown,
        verdict,
        (*reasons, *_moved(choices, alone)),
        computed.checks,
        ballots,
        tuple(choices),
        computed.picture,
    )


def _moved(choices: Sequence[ChoiceAnswer], alone: Verdict) -> list[str]:
    return [
        f"With {item.option}={item.choice} it is {item.verdict}." for item in choices if item.verdict != alone
    ]


def _computed(claim: Claim, work: Work) -> Computed:
    """Compute a claim; one whose equations cannot be solved is a criterion without a number."""
    try:
        return claim.compute(work)
    except KetasimError as error:
        check = not_computed(claim.shown, "a result", str(error))
        empty = Panel("nothing to draw", "", "")
        return Computed((check,), Picture((empty,)))
