"""Published rows that no fit has seen, and how each wiring foretold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.errors import KetasimError, ModelError
from ketasim.inference.rivals.scoring import interval_score, log_score
from ketasim.inference.rivals.tables import draws_of
from ketasim.trials.works import load_work, shipped_works
from ketasim.validation.between import Between
from ketasim.validation.predict import Predicted, predict_works

__all__ = ["Held", "Row", "difference", "held_back", "held_works", "predictions"]

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: Domains in which the wirings disagree.
DOMAINS = ("clinical", "mechanism")


@dataclass(frozen=True)
class Row:
    """A published row.

    Parameters
    ----------
    study, id, domain, stage, kind : str
        As of :class:`~ketasim.validation.predict.Predicted`.
    quantity, statistic, arm : str
        What was published.
    time_h : float or None
        When.
    observed : float
        The published value.
    """

    study: str
    id: str
    domain: str
    stage: str
    kind: str
    quantity: str
    statistic: str
    arm: str
    time_h: float | None
    observed: float


@dataclass(frozen=True, eq=False)
class Held:
    """Scores of the wirings on rows that no fit has seen.

    Parameters
    ----------
    wirings : tuple of str
        The columns.
    rows : tuple of Row
        The rows; only those that every wiring predicts.
    log_scores, interval_scores, predicted : array, shape (rows, wirings)
        In nats, on the scale of the row's class, and in its unit. Interval scores of signs are NaN.
    inside : array, shape (rows, wirings)
        1 where the published number is inside the 95 % interval, or the sign is met; else 0.
    failed : dict of str to str
        Works that cannot be simulated, and why.
    """

    wirings: tuple[str, ...]
    rows: tuple[Row, ...]
    log_scores: FloatArray
    interval_scores: FloatArray
    predicted: FloatArray
    inside: FloatArray
    failed: dict[str, str]

    def chosen(self, domain: str = "") -> npt.NDArray[np.bool_]:
        """Which rows are of a domain; all without one."""
        return np.array([not domain or row.domain == domain for row in self.rows], dtype=bool)


def held_works(domains: Iterable[str] = DOMAINS) -> list[Any]:
    """Shipped works with those of their measured rows that no fit may use, and no others."""
    found = []
    for name in shipped_works():
        try:
            work = load_work(name)
        except KetasimError:
            # Faults of shipped files are told where they belong: by their own check.
            continue
        if getattr(work, "domain", "clinical") not in set(domains):
            continue
        rows = tuple(row for row in work.observations if row.use == "check" and row.source_kind == "measured")
        if rows:
            found.append(work.model_copy(update={"observations": rows}))
    return found


def predictions(
    works: Sequence[Any],
    wirings: Sequence[str],
    *,
    sets: int,
    per_draw: int,
    seed: int,
    progress: Progress,
    failed: dict[str, str],
) -> list[dict[tuple[str, str], Predicted]]:
    """What each wiring says of the rows of some works, by study and row.

    Parameters
    ----------
    works : sequence of Study or Experiment
        The works.
    wirings : sequence of str
        Names.
    sets, per_draw, seed : int
        Draws of each wiring's parameters, persons an arm in each, and the name of the random numbers, which
        are the same in all wirings.
    progress : callable
        Told what is done, how much of it, and how much in all.
    failed : dict
        Works that cannot be simulated are added to it.
    """
    found = []
    for place, name in enumerate(wirings):

        def told(_phase: str, done: int, total: int, place: int = place) -> None:
            progress("published rows", place * total + done, len(wirings) * total)

        items = predict_works(
            works,
            draws=draws_of(name, sets),
            per_draw=per_draw,
            seed=seed,
            workers=1,
            progress=told,
            failed=lambda work, error: failed.update({work.id: str(error)}),
        )
        found.append({(item.study, item.row.id): item for item in items})
    return found


def held_back(
    wirings: Sequence[str],
    between: Between,
    *,
    sets: int = 40,
    per_draw: int = 4,
    seed: int = 1,
    progress: Progress = lambda *_: None,
    works: Sequence[Any] | None = None,
) -> Held:
    """Score wirings on published rows that no fit has seen.

    Parameters
    ----------
    wirings : sequence of str
        Names.
    between : Between
        How much studies differ; the same for all wirings.
    sets, per_draw, seed, progress
        As of :func:`predictions`.
    works : sequence of Study or Experiment, optional
        Default: :func:`held_works`.

    Returns
    -------
    Held

    Raises
    ------
    ModelError
        If no row is predicted by every wiring.
    """
    chosen = held_works() if works is None else works
    failed: dict[str, str] = {}
    found = predictions(
        chosen, wirings, sets=sets, per_draw=per_draw, seed=seed, progress=progress, failed=failed
    )
    rows, scores = [], []
    for key, first in found[0].items():
        items = [own[key] for own in found if key in own]
        lines = [_scores(item, between.of(item)) for item in items]
        if len(items) == len(found) and all(np.isfinite(line[0]) for line in lines):
            rows.append(_row(first))
            scores.append(lines)
    if not rows:
        raise ModelError("hypotheses: no held-back row is predicted by every wiring; name other wirings.")
    log_scores, interval_scores, predicted, inside = np.moveaxis(np.array(scores, dtype=np.float64), 2, 0)
    return Held(tuple(wirings), tuple(rows), log_scores, interval_scores, predicted, inside, failed)


def _scores(item: Predicted, between: float) -> tuple[float, float, float, float]:
    met = item.sign == item.observed if item.kind == "sign" else abs(item.z(between)) <= 1.959964
    return (
        log_score(item, between),
        interval_score(item, between),
        item.interval(between).predicted,
        float(met),
    )


def _row(item: Predicted) -> Row:
    row = item.row
    time = getattr(row, "time_h", None)
    return Row(
        item.study,
        row.id,
        item.domain,
        item.stage,
        item.kind,
        row.quantity,
        row.statistic,
        row.arm,
        None if time is None else float(time),
        item.observed,
    )


def difference(first: FloatArray, second: FloatArray, studies: Sequence[str]) -> tuple[float, float]:
    """Sum of the differences of two columns of scores, and its standard error.

    Parameters
    ----------
    first, second : array, shape (rows,)
        Scores of the same rows.
    studies : sequence of str
        Study of each row: rows of one study are not independent, and studies are what is counted.

    Returns
    -------
    sum, standard error
        The latter is NaN with fewer than two studies.
    """
    sums: dict[str, float] = {}
    for study, value in zip(studies, (first - second).tolist(), strict=True):
        sums[study] = sums.get(study, 0.0) + value
    own = np.array(list(sums.values()))
    if len(own) < 2:
        return float(own.sum()), float("nan")
    return float(own.sum()), float(np.sqrt(len(own)) * own.std(ddof=1))
