"""The MADRS as a rater would write it down, without the rater's error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.rows import PLACES
from ketasim.api.scenarios.solving import Lot, Solved
from ketasim.trials import scoring
from ketasim.trials.scoring import Setting

__all__ = ["scored_madrs"]

FloatArray = npt.NDArray[np.float64]


def scored_madrs(lot: Lot, solved: Solved, setting: Setting) -> FloatArray:
    """Scores of the persons of a lot: the read-out of the biology less placebo, hope and care.

    Parameters
    ----------
    lot : Lot
        Gives the doses, of placebo too, and each one's hope.
    solved : Solved
        Courses of those who could be solved.
    setting : Setting
        Circumstances of the arm.

    Returns
    -------
    array, shape (persons, times)
        In points.
    """
    times, block = lot.times_h, lot.block
    madrs, felt = (solved.values[:, :, PLACES[name]] for name in ("madrs", "felt_effect"))
    if setting.expectancy == 0.0:
        return np.clip(madrs, 0.0, 60.0)
    numbers = block.numbers.of(solved.kept)
    beside = numbers.beside_times()
    doses = [dose.start_h for dose in lot.regimen.doses]
    first = min(doses, default=np.inf)
    since = np.where(times >= first, np.clip(felt, 0.0, 1.0), 0.0)
    trust = scoring.believed(np.maximum.accumulate(since, axis=1), times > first, setting, beside)
    alone = scoring.relief(times, doses, trust, setting, numbers, block.hope[solved.kept]).total
    total = scoring.shared(alone, madrs, madrs[:, :1], beside.placebo_overlap)
    return scoring.score(madrs, total)
