"""The engine: equations in, numbers out.

It knows nothing of the model. The reference engine is the oracle of the tests and
the fallback of faster ones.
"""

from __future__ import annotations

from ketasim.engine.codegen import GeneratedCode
from ketasim.engine.reference import DEFAULT_RTOL, ReferenceEngine, Solution
from ketasim.engine.schedule import Bolus, Infusion, InputPath, Reset, Schedule, Segment
from ketasim.engine.steady import fixed_point, fixed_point_at, growth_rate
from ketasim.engine.system import System

__all__ = [
    "DEFAULT_RTOL",
    "Bolus",
    "GeneratedCode",
    "Infusion",
    "InputPath",
    "ReferenceEngine",
    "Reset",
    "Schedule",
    "Segment",
    "Solution",
    "System",
    "fixed_point",
    "fixed_point_at",
    "growth_rate",
]
