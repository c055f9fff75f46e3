"""The engine: equations in, numbers out.

It knows nothing of the model. The reference engine is the oracle of the tests and
the fallback of faster ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader
from ketasim.engine.gradient import Gradient, differentiate
from ketasim.engine.recipe import Recipe
from ketasim.engine.schedule import Bolus, Infusion, InputPath, Reset, Schedule, Segment
from ketasim.engine.steady import Rests, find_rests, grows
from ketasim.engine.system import System
from ketasim.engine.vector import DEFAULT_RTOL, Batch, Solutions, VectorEngine

if TYPE_CHECKING:
    from ketasim.engine.codegen import GeneratedCode
    from ketasim.engine.reference import ReferenceEngine, Solution

__all__ = [
    "DEFAULT_RTOL",
    "Batch",
    "Bolus",
    "GeneratedCode",
    "Gradient",
    "Infusion",
    "InputPath",
    "Recipe",
    "ReferenceEngine",
    "Reset",
    "Rests",
    "Schedule",
    "Segment",
    "Solution",
    "Solutions",
    "System",
    "VectorEngine",
    "differentiate",
    "find_rests",
    "grows",
]

# What only the reference solver needs is loaded when it is asked for.
__getattr__ = lazy_loader(
    __name__,
    {
        "ketasim.engine.codegen": ("GeneratedCode",),
        "ketasim.engine.reference": ("ReferenceEngine", "Solution"),
    },
)
