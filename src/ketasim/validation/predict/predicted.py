"""What the model says of one published row: its distribution for a sample of the published size.

Everything is kept on the scale of the row's class, where the distribution is near to normal: points as
they are, rates as logits, concentrations and times as logarithms, correlations as Fisher's z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from ketasim.errors import KetasimError
from ketasim.validation.predict.classes import from_class_scale, spread_class_of, to_class_scale

__all__ = ["USUAL_N", "Interval", "Predicted"]

FloatArray = npt.NDArray[np.float64]

#: Persons or animals of a sample of which no size is published.
USUAL_N = 12.0
#: Share of an effect by which a null result is told from a found one: even odds of being seen.
_POWER = 0.5
_LEVEL_Z = 1.959964
#: A smaller effect than this, in standard deviations between persons, is none.
_SMALLEST_EFFECT = 0.01


class Interval(NamedTuple):
    """A prediction in the unit of its row, and its SD on the scale of the class."""

    predicted: float
    low: float
    high: float
    sd: float


@dataclass(frozen=True, eq=False)
class Predicted:
    """The model's distribution of one published row.

    Parameters
    ----------
    study, domain, species, stage : str
        The work, its domain and species, and the stage that owns the quantity.
    row : Observation
        The published row.
    observed, observed_se : float
        Published value and standard error, in the unit of the row; NaN without an error.
    cells : array, shape (draws,)
        The statistic in each draw of the parameters, on the scale of the class; NaN in a draw in which
        nobody could be simulated.
    within : float
        Variance of one person's contribution on that scale: a sample of ``n`` varies by ``within / n``.
    n : float
        Size of the published sample; of two groups the harmonic mean of one group's.
    row_class : str
        See :data:`~ketasim.validation.predict.classes.ROW_CLASSES`.
    kind : str
        ``quantitative`` or ``sign``.
    per_draw : float
        Persons of whom each cell is made, counted as ``n`` is.
    sizes : array, shape (draws,), optional
        The same where it differs between draws.
    noise : float, optional
        Variance of one person's contribution to a cell, where it is another than ``within``.
    trials : int
        Trials that the number pools.
    per_point : float
        By how much the statistic changes if everybody's total on the scale does by a point; 1 for points
        themselves, and where it does not matter.
    """

    study: str
    domain: str
    species: str
    stage: str
    row: Any
    observed: float
    observed_se: float
    cells: FloatArray
    within: float
    n: float
    row_class: str
    kind: str
    per_draw: float = 8.0
    sizes: FloatArray | None = None
    noise: float | None = None
    trials: int = 1
    per_point: float = 1.0

    @property
    def spread_class(self) -> str:
        """See :func:`~ketasim.validation.predict.classes.spread_class_of`."""
        return spread_class_of(self.row, self.row_class)

    @cached_property
    def _known(self) -> tuple[FloatArray, FloatArray]:
        """Cells that are there, and of how many persons each is made."""
        sizes = np.full(len(self.cells), self.per_draw) if self.sizes is None else self.sizes
        known = np.isfinite(self.cells) & (sizes > 0.0)
        return self.cells[known], sizes[known]

    @cached_property
    def centre(self) -> float:
        """Mean over draws on the scale of the class; NaN if nothing could be simulated."""
        cells, sizes = self._known
        return float(np.average(cells, weights=sizes)) if len(cells) else math.nan

    @cached_property
    def parameter_variance(self) -> float:
        """Variance between draws beyond what few persons a draw bring about, never below 0.

        Notes
        -----
        Moments of groups of unequal size; with equal ones ``var(cells) - within / per_draw``.
        """
        cells, sizes = self._known
        if len(cells) < 2:
            return 0.0
        noise = self.within if self.noise is None else self.noise
        total = float(sizes.sum())
        spread = float((sizes * (cells - self.centre) ** 2).sum()) - noise * (len(cells) - 1)
        return max(0.0, spread / (total - float((sizes**2).sum()) / total))

    @property
    def sampling_variance(self) -> float:
        """Variance of the published statistic by who was in the sample."""
        return self.within / self.n if self.n > 0.0 else math.nan

    @property
    def scaled(self) -> float:
        """The published value on the scale of the class."""
        return to_class_scale(self.row_class, self.observed, self.n)

    def sd(self, between: float = 0.0, factor: float = 1.0) -> float:
        """SD of the prediction on the scale of the class, times a factor; ``between`` is that of studies."""
        return factor * math.sqrt(self.parameter_variance + self.sampling_variance + between**2)

    def interval(self, between: float = 0.0, level: float = 0.95, factor: float = 1.0) -> Interval:
        """Prediction and predictive interval in the unit of the row.

        Parameters
        ----------
        between : float
            SD between studies on the scale of the class.
        level : float
            Chance that the published value lies inside.
        factor : float
            On the predictive SD.

        Returns
        -------
        Interval
            ``predicted, low, high, sd``. Of a sign row the predicted sign, without an interval.

        Raises
        ------
        KetasimError
            If the level is not between 0 and 1.
        """
        if not 0.0 < level < 1.0:
            raise KetasimError(f"interval: level {level!r} is not between 0 and 1; 0.95 is usual.")
        if self.kind == "sign":
            return Interval(self.sign, math.nan, math.nan, math.nan)
        sd = self.sd(between, factor)
        half = float(ndtri(0.5 + 0.5 * level)) * sd
        middle, low, high = (
            from_class_scale(self.row_class, self.centre + step) for step in (0.0, -half, half)
        )
        return Interval(middle, low, high, sd)

    def z(self, between: float = 0.0, factor: float = 1.0) -> float:
        """How many predictive SDs the published value lies above the prediction; NaN of a sign row."""
        if self.kind == "sign":
            return math.nan
        sd = self.sd(between, factor)
        return (self.scaled - self.centre) / sd if sd > 0.0 else math.nan

    @cached_property
    def smallest(self) -> float:
        """Smallest effect of a sign row that counts as one, on the scale of its cells.

        A hundredth of the spread between persons, or what chance alone may leave of none in so few
        persons a draw.
        """
        cells, _ = self._known
        chance = _LEVEL_Z * float(np.std(cells)) / math.sqrt(len(cells)) if len(cells) else math.nan
        return max(_SMALLEST_EFFECT * math.sqrt(self.within), chance)

    @cached_property
    def power(self) -> float:
        """Chance that a sample of the published size shows the predicted effect at 5 %."""
        error = math.sqrt(self.sampling_variance)
        if not error > 0.0:
            return float(abs(self.centre) > 0.0)
        shift = abs(self.centre) / error
        return float(ndtr(shift - _LEVEL_Z) + ndtr(-shift - _LEVEL_Z))

    @cached_property
    def sign(self) -> float:
        """Predicted value of a sign row: -1, 0 or 1, of yes and no 0 or 1; NaN without any cell.

        Where the publication found no change, 0 is predicted if its sample would more likely than not
        have missed the predicted one.
        """
        if not math.isfinite(self.centre):
            return math.nan
        if self.row.statistic in ("retained", "binary"):
            return float(self.centre >= 0.5)
        if abs(self.centre) <= self.smallest or (self.observed == 0.0 and self.power < _POWER):
            return 0.0
        return math.copysign(1.0, self.centre)

    @cached_property
    def chances(self) -> tuple[float, float, float]:
        """Chances that a sample of the published size finds a fall, nothing, or a rise, at 5 %."""
        error, sd = math.sqrt(self.sampling_variance), self.sd()
        if not sd > 0.0 or not math.isfinite(self.centre):
            found = self.sign
            return float(found == -1.0), float(found == 0.0), float(found == 1.0)
        fall = float(ndtr((-_LEVEL_Z * error - self.centre) / sd))
        rise = float(ndtr((self.centre - _LEVEL_Z * error) / sd))
        return fall, 1.0 - fall - rise, rise
