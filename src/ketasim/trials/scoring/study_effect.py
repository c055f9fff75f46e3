"""What one study has of its own: drawn once a replicate, the same for all its people.

Without it the error of a prediction for a new study would be too small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import SupportsIndex

from ketasim.population import stream
from ketasim.trials.scoring.parameters import ScoringParameters

__all__ = ["DRUG_EFFECT_PARAMETERS", "StudyEffect", "study_effect"]

#: Parameter of the chain that a study shifts, and the scoring parameter with its SD between studies.
DRUG_EFFECT_PARAMETERS: Mapping[str, str] = MappingProxyType(
    {"fast_arm_ceiling": "between_study_drug", "evoked_gain": "between_study_drug_late"}
)


@dataclass(frozen=True)
class StudyEffect:
    """Effects of one study.

    Parameters
    ----------
    placebo_factor : float
        Multiplies each person's factor on the placebo terms.
    deviations : mapping of str to float
        By parameter of the chain, on the scale of its spread
        (:meth:`ketasim.model.parameters.Parameter.varied`); added to each person's own.
    """

    placebo_factor: float = 1.0
    deviations: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_neutral(self) -> bool:
        """Whether the study is a typical one."""
        return self.placebo_factor == 1.0 and not self.deviations


def study_effect(
    parameters: ScoringParameters, *, seed: SupportsIndex, study: str, replicate: SupportsIndex
) -> StudyEffect:
    """Draw the effects of a study.

    Parameters
    ----------
    parameters : ScoringParameters
        Gives the SDs between studies, ``between_study_*``; with all of them 0 the effect is
        exactly neutral, and a parameter whose SD is 0 is not touched.
    seed, study, replicate
        What the numbers depend on, and nothing else: not on people, arms, or on which of
        the SDs are above 0.

    Returns
    -------
    StudyEffect
        With independent normal deviations.
    """

    def drawn(name: str) -> float:
        sd: float = getattr(parameters, name)
        random = stream(seed, study, replicate, "study effect", name)
        return sd * float(random.standard_normal()) if sd > 0.0 else 0.0

    deviations = {parameter: drawn(sd) for parameter, sd in DRUG_EFFECT_PARAMETERS.items()}
    return StudyEffect(
        placebo_factor=math.exp(drawn("between_study_placebo")),
        deviations={parameter: value for parameter, value in deviations.items() if value != 0.0},
    )
