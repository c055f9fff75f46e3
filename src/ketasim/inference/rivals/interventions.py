"""Tests of the wirings by interventions whose outcome was read in a source, failures included."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt

from ketasim.inference.rivals.held import predictions
from ketasim.inference.rivals.scoring import log_score
from ketasim.trials.works import load_work
from ketasim.validation.between import Between
from ketasim.validation.predict import Predicted

__all__ = ["Intervention", "InterventionScores", "load_interventions", "run_interventions"]

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: Standard errors of the simulated mean up to which an effect counts as none: dozens of tests are made.
_CHANCE = 3.0


@dataclass(frozen=True)
class Intervention:
    """A test and its published outcome.

    Parameters
    ----------
    id : str
        Name of the test; several sources may have made it.
    hypotheses : tuple of str
        Wirings that foretell something here.
    predicts : str
        What they foretell.
    outcome : float
        What was found.
    work, row, citation : str
        Where it stands.
    statistic : str
        What the outcome is: ``direction``, ``retained``, or a number.
    """

    id: str
    hypotheses: tuple[str, ...]
    predicts: str
    outcome: float
    work: str
    row: str
    citation: str
    statistic: str = "direction"


@dataclass(frozen=True, eq=False)
class InterventionScores:
    """What the wirings say of the tests.

    Parameters
    ----------
    wirings : tuple of str
        The columns.
    tests : tuple of Intervention
        The rows: tests that could be simulated.
    uses : tuple of str
        Whether the row of each was open to fits (``calibration``) or not (``check``).
    predicted, log_scores : array, shape (tests, wirings)
        Predicted outcome, and its log score in nats.
    met : array of bool, shape (tests, wirings)
        Whether the predicted outcome is the published one; of a number, whether its sign is.
    failed : dict of str to str
        Works that cannot be simulated, and why.
    """

    wirings: tuple[str, ...]
    tests: tuple[Intervention, ...]
    uses: tuple[str, ...]
    predicted: FloatArray
    log_scores: FloatArray
    met: npt.NDArray[np.bool_]
    failed: dict[str, str]


@cache
def load_interventions() -> tuple[Intervention, ...]:
    """The shipped tests; only those whose outcome was read."""
    text = (resources.files("ketasim.validation") / "intervention_tests.csv").read_text(encoding="utf-8")
    return tuple(
        Intervention(
            row["id"],
            tuple(row["hypothesis"].split(";")),
            row["predicts"],
            float(row["outcome"]),
            row["file"],
            row["observation"],
            row["citation"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def run_interventions(
    wirings: Sequence[str],
    between: Between,
    *,
    sets: int = 40,
    per_draw: int = 4,
    seed: int = 1,
    progress: Progress = lambda *_: None,
) -> InterventionScores:
    """Simulate every test under every wiring.

    Parameters
    ----------
    wirings, between, sets, per_draw, seed, progress
        As of :func:`ketasim.inference.rivals.held.held_back`.

    Returns
    -------
    InterventionScores
    """
    tests = load_interventions()
    wanted = {name: {test.row for test in tests if test.work == name} for name in {t.work for t in tests}}
    works = []
    for name in sorted(wanted):
        work = load_work(name)
        rows = tuple(row for row in work.observations if row.id in wanted[name])
        # The same animals in every arm: what an intervention does not change then stays the same.
        works.append(work.model_copy(update={"observations": rows, "crossover": True}))
    failed: dict[str, str] = {}
    found = predictions(
        works, wirings, sets=sets, per_draw=per_draw, seed=seed, progress=progress, failed=failed
    )
    lines, kept, uses = [], [], []
    for test in tests:
        items = [own[test.work, test.row] for own in found if (test.work, test.row) in own]
        if len(items) == len(found):
            lines.append([_line(item, test, between) for item in items])
            kept.append(replace(test, statistic=items[0].row.statistic))
            uses.append(items[0].row.use)
    predicted, scores, met = np.moveaxis(np.array(lines, dtype=np.float64), 2, 0)
    return InterventionScores(tuple(wirings), tuple(kept), tuple(uses), predicted, scores, met > 0.5, failed)


def _line(item: Predicted, test: Intervention, between: Between) -> tuple[float, float, bool]:
    if item.kind == "sign":
        found = _sign(item)
        return found, log_score(item), found == test.outcome
    extra = between.of(item)
    found = item.interval(extra).predicted
    return found, log_score(item, extra), bool(np.sign(found) == np.sign(test.outcome))


def _sign(item: Predicted) -> float:
    """Predicted outcome, none where chance in the persons that were simulated could be all of it."""
    cells = item.cells[np.isfinite(item.cells)]
    if item.row.statistic != "direction" or not len(cells):
        return item.sign
    chance = _CHANCE * float(np.std(cells)) / math.sqrt(len(cells))
    return 0.0 if abs(item.centre) <= chance else item.sign
