"""How measurements scatter around a person's own course.

Every kind has the form ``variance = a^2 + (b g)^2`` around a prediction ``g``; a log-normal error is an
additive one around the logarithm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError, unknown_name

__all__ = ["ERRORS", "Residual"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Kinds of residual error, and which of ``a`` and ``b`` each has.
ERRORS = {
    "proportional": (False, True),
    "additive": (True, False),
    "combined": (True, True),
    "lognormal": (True, False),
}
_START = 0.2
#: Below this share of the median of what was measured a prediction counts as no number to take a log of.
_FLOOR = 1e-9


@dataclass(frozen=True)
class Residual:
    """The error of each observed quantity.

    Parameters
    ----------
    kinds : tuple of str
        A name of :data:`ERRORS` for each quantity.
    sizes : array, shape (quantities,)
        A usual size of each quantity in its unit: the median of what was measured.
    """

    kinds: tuple[str, ...]
    sizes: FloatArray

    @classmethod
    def of(cls, kinds: Sequence[str], sizes: FloatArray) -> Residual:
        """Make the errors; one kind holds for all quantities, or each has its own.

        Raises
        ------
        ModelError
            If a kind is unknown, or their number does not fit.
        """
        for kind in kinds:
            if kind not in ERRORS:
                raise ModelError(f"--error: {unknown_name('kind of error', kind, ERRORS)}")
        every = tuple(kinds) * (len(sizes) if len(kinds) == 1 else 1)
        if len(every) != len(sizes):
            raise ModelError(
                f"--error: {len(kinds)} kinds for {len(sizes)} quantities; give one for all, or one each "
                "in the "
                "order of --observe."
            )
        return cls(every, sizes)

    @property
    def names(self) -> tuple[tuple[int, str], ...]:
        """Quantity and ``additive`` or ``proportional`` of each parameter."""
        parts = ("additive", "proportional")
        return tuple(
            (place, part)
            for place, kind in enumerate(self.kinds)
            for part, there in zip(parts, ERRORS[kind], strict=True)
            if there
        )

    @property
    def start(self) -> FloatArray:
        """Logarithms of where the search starts, shape (parameters,)."""
        found = []
        for place, part in self.names:
            absolute = part == "additive" and self.kinds[place] != "lognormal"
            # In a combined error the additive part is there for the lowest values only.
            share = 0.25 if self.kinds[place] == "combined" else 1.0
            found.append(np.log(_START * (share * self.sizes[place] if absolute else 1.0)))
        return np.array(found)

    def is_log(self, quantity: IntArray) -> npt.NDArray[np.bool_]:
        """Where measurements are compared on the log scale."""
        return np.array([kind == "lognormal" for kind in self.kinds])[quantity]

    def working(self, values: FloatArray, quantity: IntArray) -> FloatArray:
        """Values on the scale on which they are compared."""
        floor = _FLOOR * self.sizes[quantity]
        logs = np.log(np.where(np.isnan(values), np.nan, np.maximum(values, floor)))
        return np.where(self.is_log(quantity), logs, values)

    def natural(self, values: FloatArray, quantity: IntArray) -> FloatArray:
        """Undo :meth:`working`."""
        log = self.is_log(quantity)
        return np.where(log, np.exp(np.where(log, values, 0.0)), values)

    def parts(self, logs: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``a`` and ``b`` of each quantity, shape (quantities,)."""
        a, b = np.zeros(len(self.kinds)), np.zeros(len(self.kinds))
        for (place, part), value in zip(self.names, np.exp(logs), strict=True):
            (a if part == "additive" else b)[place] = value
        return a, b

    def variance(
        self, predicted: FloatArray, quantity: IntArray, logs: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Variance around predictions on the working scale, and its slope over them."""
        a, b = self.parts(logs)
        own_a, own_b = a[quantity], b[quantity]
        # A purely proportional error around zero would be certain.
        floor = (1e-4 * own_b * self.sizes[quantity]) ** 2
        return own_a**2 + (own_b * predicted) ** 2 + floor, 2.0 * own_b**2 * predicted
