"""Virtual patients and the random streams that make them.

Knows nothing of the biology: it names parameters, but does not read them.
"""

from __future__ import annotations

from ketasim.population.patients import VirtualPatient, draw_patients, stress_path, typical_patient
from ketasim.population.spec import SCALE_MAXIMUM, PopulationSpec
from ketasim.population.streams import stream
from ketasim.population.truncation import Parent, parent_normal
from ketasim.population.variability import Variability, occasion_deviations

__all__ = [
    "SCALE_MAXIMUM",
    "Parent",
    "PopulationSpec",
    "Variability",
    "VirtualPatient",
    "draw_patients",
    "occasion_deviations",
    "parent_normal",
    "stream",
    "stress_path",
    "typical_patient",
]
