"""What is said about ketamine, answered by a computation, by what was published, and by one rule."""

from __future__ import annotations

from ketasim.claims.answers import Answer, ChoiceAnswer, answer_claim, answer_claims
from ketasim.claims.catalogue import CLAIMS, named_claims
from ketasim.claims.checks import Check
from ketasim.claims.claim import Claim
from ketasim.claims.evidence import Ballot, count_votes
from ketasim.claims.verdict import VERDICTS, Verdict, judge

__all__ = [
    "CLAIMS",
    "VERDICTS",
    "Answer",
    "Ballot",
    "Check",
    "ChoiceAnswer",
    "Claim",
    "Verdict",
    "answer_claim",
    "answer_claims",
    "count_votes",
    "judge",
    "named_claims",
]
