"""What is said about ketamine, answered: what a user calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ketasim.api.options import Progress, silent
from ketasim.claims import Answer
from ketasim.claims import answer_claims as _answered
from ketasim.errors import ModelError
from ketasim.model.hypotheses import wired
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.report.claims_figure import claim_figure
from ketasim.report.style import figure_svg

__all__ = ["answer_claims", "write_claim_figures"]


def answer_claims(
    ids: Sequence[str] | None = None,
    parameters: ParameterSet | None = None,
    *,
    set: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    wiring: str | None = None,
    progress: Progress = silent,
) -> list[Answer]:
    """Answer what is said about ketamine, by a computation, by what was published, and by one rule.

    Parameters
    ----------
    ids : sequence of str, optional
        Which claims, such as ``["nmda", "bladder"]``; default: all.
    parameters : ParameterSet, optional
        Default: the shipped human values.
    set : mapping of str to str, optional
        Parameter values with units, such as ``{"mood_time": "5 h"}``.
    options : mapping of str to str, optional
        Disputes to settle, such as ``{"block_curve": "gerhard2020"}``; a settled one no longer makes a claim
        disputed.
    wiring : str, optional
        A rival mechanism to compute with, such as ``hnk``.
    progress : callable
        Told a phase, how many claims are done, and how many there are.

    Returns
    -------
    list of Answer
        In the order of the catalogue, whatever the order of ``ids``.

    Raises
    ------
    ModelError, UnitError
        If something given cannot be used.

    Examples
    --------
    >>> from ketasim.api.claims import answer_claims
    >>> [answer.name for answer in answer_claims(["gaba-depletion"])]
    ['gaba-depletion']
    """
    chosen = load_parameters() if parameters is None else parameters
    if wiring is not None:
        chosen = wired(chosen, wiring)
    chosen = chosen.with_options(options or {}).with_texts(set or {})
    return _answered(ids, chosen, settled=tuple(options or ()), progress=progress)


def write_claim_figures(answers: Sequence[Answer], folder: Path | str) -> dict[str, Path]:
    """Write the figure of each claim as SVG.

    Parameters
    ----------
    answers : sequence of Answer
        What to draw.
    folder : Path or str
        Made if it does not exist.

    Returns
    -------
    dict of str to Path
        The file, by claim.

    Raises
    ------
    ModelError
        If the folder is a file.
    OSError
        If a file cannot be written.
    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise ModelError(f"--out {place}: this is a file; name a folder.")
    place.mkdir(parents=True, exist_ok=True)
    written = {}
    for answer in answers:
        path = place / answer.figure_name
        path.write_text(figure_svg(claim_figure(answer)), encoding="utf-8")
        written[answer.name] = path
    return written
