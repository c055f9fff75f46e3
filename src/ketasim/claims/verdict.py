"""One rule that makes a verdict of what was computed and what was published.

================================  ==================================  =========================
publications that agree           every core criterion is met         a core criterion is missed
================================  ==================================  =========================
80 % or more                      supported                           disputed
60 to 80 %                        supported with limits               disputed
20 to 60 %                        disputed                            not supported
under 20 %                        not supported                       not supported
================================  ==================================  =========================

Where computation and publications speak against each other the claim is disputed, and not decided by either.

- *Supported* becomes *supported with limits* if a limit is missed, a published result that marks a limit
  contradicts, or fewer than two publications vote.
- *Supported* and *supported with limits* become *disputed* if a choice of an option that nobody has settled
  turns a core criterion around.
- Without a core criterion that could be computed, or without a published result, the claim is
  *not computable*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ketasim.claims.checks import Check, in_words
from ketasim.claims.evidence import Ballot, agreement

__all__ = ["VERDICTS", "Turned", "Verdict", "core_holds", "judge"]

Verdict = Literal["supported", "supported with limits", "disputed", "not supported", "not computable"]

#: From best to worst.
VERDICTS: tuple[Verdict, ...] = (
    "supported",
    "supported with limits",
    "disputed",
    "not supported",
    "not computable",
)

_MOST, _SOME, _FEW = 0.8, 0.6, 0.2
_LEAST_PUBLICATIONS = 2


@dataclass(frozen=True)
class Turned:
    """A choice of a disputed option, and whether it turns a core criterion around."""

    option: str
    choice: str
    turns: bool


def core_holds(checks: Sequence[Check]) -> bool | None:
    """Whether every core criterion that could be computed is met; None if none could."""
    known = [check.passed for check in checks if check.role == "core" and check.passed is not None]
    return all(known) if known else None


def judge(
    checks: Sequence[Check], ballots: Sequence[Ballot], turned: Sequence[Turned] = ()
) -> tuple[Verdict, tuple[str, ...]]:
    """Make a verdict by the rule of the module.

    Parameters
    ----------
    checks : sequence of Check
        What was computed.
    ballots : sequence of Ballot
        What was published.
    turned : sequence of Turned
        Choices of disputed options that nobody has settled.

    Returns
    -------
    verdict : str
        One of :data:`VERDICTS`.
    reasons : tuple of str
        One sentence each.
    """
    holds = core_holds(checks)
    share, publications = agreement(tuple(ballots))
    reasons = [*_computed(checks), *_published(ballots, share, publications)]
    if holds is None or not publications:
        return "not computable", tuple(reasons)
    verdict = _by_table(holds, share)
    if holds != (share >= _SOME):
        reasons.append("Computation and publications speak against each other.")
    limits = [*_limits(checks), *_published_limits(ballots, publications)]
    reasons += limits
    if verdict == "supported" and limits:
        verdict = "supported with limits"
    turning = [item for item in turned if item.turns]
    reasons += [f"It turns around with {item.option}={item.choice}." for item in turning]
    if turning and verdict in ("supported", "supported with limits"):
        verdict = "disputed"
    return verdict, tuple(reasons)


def _by_table(holds: bool, share: float) -> Verdict:
    if not holds:
        return "disputed" if share >= _SOME else "not supported"
    if share >= _MOST:
        return "supported"
    if share >= _SOME:
        return "supported with limits"
    return "disputed" if share >= _FEW else "not supported"


def _computed(checks: Sequence[Check]) -> list[str]:
    core = [check for check in checks if check.role == "core"]
    missed = [check for check in core if check.passed is False]
    met = sum(check.passed is True for check in core)
    found = []
    if met:
        found.append(f"The model meets {met} of {len(core)} core criteria.")
    found += [f"The model misses: {_words(check)}." for check in missed]
    found += [
        f"Not computed: {check.name.rstrip('.')} ({check.note.rstrip('.')})."
        for check in core
        if check.passed is None
    ]
    return found


def _published(ballots: Sequence[Ballot], share: float, publications: int) -> list[str]:
    if not publications:
        return ["No published result that was seen in a source bears on it."]
    noun = "publication" if publications == 1 else "publications"
    found = [f"Of {publications} {noun}, each with one voice, {100.0 * share:.0f} % agree."]
    votes = [ballot for ballot in ballots if ballot.role == "vote"]
    agreeing = {ballot.citation for ballot in votes if ballot.vote == "agree"}
    for words, vote in (("Against it", "contradict"), ("Nothing found", "null")):
        names = dict.fromkeys(b.citation for b in votes if b.vote == vote and b.citation not in agreeing)
        if names:
            found.append(f"{words}: {', '.join(names)}.")
    return found


def _limits(checks: Sequence[Check]) -> list[str]:
    limits = [check for check in checks if check.role == "limit"]
    missed = [f"Limit: {_words(check)}." for check in limits if check.passed is False]
    return missed


def _published_limits(ballots: Sequence[Ballot], publications: int) -> list[str]:
    found = [
        f"Published limit: {ballot.question} ({ballot.row} of {ballot.citation}: "
        f"{in_words(ballot.value, ballot.unit)})."
        for ballot in ballots
        if ballot.role == "limit" and ballot.vote != "agree"
    ]
    if publications < _LEAST_PUBLICATIONS:
        found.append("Limit: fewer than two publications vote.")
    return found


def _words(check: Check) -> str:
    value = "nothing" if check.value is None else in_words(check.value, check.unit)
    return f"{check.name} is {value}, not {check.criterion}"
