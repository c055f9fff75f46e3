"""Answers to claims as a table in Markdown, with what stands behind each below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ketasim.claims import VERDICTS, Answer, Ballot, Check
from ketasim.claims.checks import in_words
from ketasim.evidence import citation_text

__all__ = ["claims_markdown", "count_verdicts"]


def count_verdicts(answers: Sequence[Answer]) -> str:
    """Count verdicts in one line, as ``12 supported, 15 supported with limits, ...``."""
    found = [answer.verdict for answer in answers]
    return ", ".join(f"{found.count(verdict)} {verdict}" for verdict in VERDICTS)


def claims_markdown(answers: Sequence[Answer], images: Mapping[str, str] | None = None) -> str:
    """Write answers as Markdown: a table of verdicts, then the computation and the evidence of each.

    Parameters
    ----------
    answers : sequence of Answer
        One a row.
    images : mapping of str to str, optional
        Address of a picture, by claim.

    Returns
    -------
    str
        Without a final line break.
    """
    lines = ["| id | claim | verdict | why |", "|---|---|---|---|"]
    lines += [
        f"| [{answer.name}](#{answer.name}) | {_cell(answer.text)} | **{answer.verdict}** | "
        f"{_cell(' '.join(answer.reasons))} |"
        for answer in answers
    ]
    lines += ["", count_verdicts(answers), ""]
    for answer in answers:
        lines += _section(answer, (images or {}).get(answer.name))
    return "\n".join(lines).rstrip()


def _section(answer: Answer, image: str | None) -> list[str]:
    lines = [
        f"### {answer.name}",
        "",
        f"“{answer.text}”: **{answer.verdict}**. Computed: {answer.shown}.",
        "",
    ]
    if image is not None:
        lines += [f"![{answer.name}]({image})", ""]
    lines += ["| criterion | found | wanted | outcome |", "|---|---|---|---|"]
    lines += [_criterion(check) for check in answer.checks]
    lines += ["", "| published result | value | question | vote |", "|---|---|---|---|"]
    lines += [_published(ballot) for ballot in answer.ballots]
    if answer.choices:
        lines += ["", "| option | choice | verdict with it settled |", "|---|---|---|"]
        lines += [
            f"| {item.option} | {item.choice}{' (taken)' if item.current else ''} | {item.verdict} |"
            for item in answer.choices
        ]
    return [*lines, ""]


def _criterion(check: Check) -> str:
    outcome = {True: "met", False: "missed", None: "not computed"}[check.passed]
    value = check.value
    found = "-" if value is None else in_words(value, check.unit)
    name = f"{check.name} (limit)" if check.role == "limit" else check.name
    note = f"; {check.note}" if check.note else ""
    return f"| {_cell(name + note)} | {found} | {check.criterion} | {outcome} |"


def _published(ballot: Ballot) -> str:
    source = "; ".join(citation_text(key) for key in ballot.citation.split(";"))
    vote = f"{ballot.vote} (limit)" if ballot.role == "limit" else ballot.vote
    value = in_words(ballot.value, ballot.unit)
    return f"| {_cell(source)} ({ballot.row}) | {value} | {_cell(ballot.question)} | {vote} |"


def _cell(text: str) -> str:
    # A bar or a line break in a cell would end it.
    return " ".join(text.replace("|", "/").split())
