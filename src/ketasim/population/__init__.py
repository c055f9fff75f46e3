"""Virtual patients and the random streams that make them.

Knows nothing of the biology: it names parameters, but does not read them.
"""

from __future__ import annotations

from ketasim.population.patients import (
    SCALE_MAXIMUM,
    PopulationSpec,
    VirtualPatient,
    draw_patients,
    stress_path,
    typical_patient,
)
from ketasim.population.streams import stream
from ketasim.population.truncation import Parent, parent_normal

__all__ = [
    "SCALE_MAXIMUM",
    "Parent",
    "PopulationSpec",
    "VirtualPatient",
    "draw_patients",
    "parent_normal",
    "stream",
    "stress_path",
    "typical_patient",
]
