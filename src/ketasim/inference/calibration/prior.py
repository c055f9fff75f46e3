"""What may be fitted, and what was thought of it before: ranges of the tables as log-normal priors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError
from ketasim.model.parameters import ParameterSet
from ketasim.population.draws import Draws
from ketasim.trials.study.rules import Z95

__all__ = ["BIOLOGY", "EDGE", "FREE", "INFORMED", "SCORING", "Prior", "shrinkage"]

FloatArray = npt.NDArray[np.float64]

#: Posterior over prior SD up to which a parameter counts as informed.
INFORMED = 0.7

#: What the targets may move of stages 4 to 8, 11 and the illness; everything else keeps its table's value.
BIOLOGY = (
    "glutamate_uptake_rate",
    "autoreceptor_exponent",
    "autoreceptor_time",
    "mglur5_exponent",
    "ampa_exponent",
    "plasticity_half",
    "plasticity_exponent",
    "plasticity_stress_shift",
    "fast_arm_rate",
    "fast_arm_time",
    "fast_arm_ceiling",
    "deep_block_half",
    "bdnf_time",
    "bdnf_half_drive",
    "bdnf_activity_gain",
    "bdnf_antidepressant_gain",
    "mtorc1_half_trkb",
    "mtorc1_exponent",
    "rheb_time",
    "rheb_exponent",
    "translation_time",
    "translation_exponent",
    "protein_time",
    "glua1_exponent",
    "glua1_gaba_exponent",
    "spine_birth_lag",
    "nascent_life",
    "mature_life",
    "spinogenesis_exponent",
    "nascent_room",
    "evoked_gain",
    "evoked_half",
    "evoked_exponent",
    "stress_formation_loss",
    "stress_elimination_gain",
    "spine_formation_shift",
    "stress_shift",
    "stress_feedback",
    "antidepressant_stress_gain",
    "life_stress_size",
    "mood_time",
    "mood_stress_weight",
    "mood_fast_arm_weight",
    "mood_spine_weight",
    "mood_consolidation_weight",
    "consolidation_build_time",
    "consolidation_fade_time",
)
#: What is scored beside biology: placebo, expectancy, care.
SCORING = (
    "placebo_acute",
    "placebo_acute_decay",
    "placebo_slow",
    "placebo_fade",
    "placebo_overlap",
    "belief_felt_weight",
    "care_inpatient",
    "contact_new_drug",
)
FREE = (*BIOLOGY, *SCORING)

#: Width of a 95 % range in standard deviations.
_WIDTH = 2.0 * Z95
#: How far from its centre a fitted value may lie, in prior SDs: inside the range of its table.
EDGE = 0.999 * Z95


@dataclass(frozen=True, eq=False)
class Prior:
    """Log-normal priors of free parameters, from the ranges of their tables.

    Parameters
    ----------
    base : ParameterSet
        Ranges, and the values of all that is not free.
    names : tuple of str
        The free parameters; each needs a positive range.

    Raises
    ------
    ModelError
        If a name is unknown, or its range is not positive or has no width.
    """

    base: ParameterSet
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.names:
            item = self.base[name]
            if not 0.0 < item.low < item.high:
                raise ModelError(
                    f"parameter {name!r}: its range {item.low:g} to {item.high:g} {item.unit} cannot be a "
                    "prior; both ends must be above 0 and differ."
                )

    @property
    def centre(self) -> FloatArray:
        """Centre of each logarithm."""
        low, high = self._ends
        return (low + high) / 2.0

    @property
    def sd(self) -> FloatArray:
        """SD of each logarithm: the range is its middle 95 %."""
        low, high = self._ends
        return (high - low) / _WIDTH

    @property
    def _ends(self) -> tuple[FloatArray, FloatArray]:
        return (
            np.log([self.base[name].low for name in self.names]),
            np.log([self.base[name].high for name in self.names]),
        )

    def inside(self, z: FloatArray) -> FloatArray:
        """Standardised values, moved into the ranges of the tables."""
        return np.clip(z, -EDGE, EDGE)

    def values(self, z: FloatArray) -> FloatArray:
        """Values in the units of the tables at standardised logarithms; shape as ``z``."""
        return np.asarray(np.exp(self.centre + self.sd * z), dtype=np.float64)

    def standardised(self, values: Sequence[float] | FloatArray) -> FloatArray:
        """The inverse of :meth:`values`."""
        return np.asarray((np.log(values) - self.centre) / self.sd, dtype=np.float64)

    def here(self) -> FloatArray:
        """Where the tables stand."""
        return self.standardised([self.base[name].value for name in self.names])

    def draws(self, z: FloatArray) -> Draws:
        """Parameter draws at rows of standardised logarithms, shape (draws, names)."""
        centres = np.array([self.base[name].value for name in self.names])
        return Draws(self.names, self.values(z), centres)

    def sets(self, z: FloatArray) -> list[ParameterSet]:
        """The same as parameter sets."""
        return [
            self.base.with_values(dict(zip(self.names, row.tolist(), strict=True))) for row in self.values(z)
        ]


def shrinkage(jacobian: object) -> FloatArray:
    """Posterior over prior SD of each parameter, from the Jacobian with the prior's rows in it."""
    matrix = np.asarray(jacobian, dtype=np.float64)
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix))), dtype=np.float64)
