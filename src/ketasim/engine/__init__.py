"""The engine: equations in, numbers out.

It knows nothing of the model. The reference engine is the oracle of the tests and
the fallback of faster ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader

if TYPE_CHECKING:
    from ketasim.engine.codegen import GeneratedCode
    from ketasim.engine.gradient import Gradient, differentiate
    from ketasim.engine.recipe import Recipe
    from ketasim.engine.reference import ReferenceEngine, Solution
    from ketasim.engine.schedule import Bolus, Infusion, InputPath, Reset, Schedule, Segment
    from ketasim.engine.steady import Rests, find_rests, grows
    from ketasim.engine.system import System
    from ketasim.engine.vector import DEFAULT_RTOL, Batch, Solutions, VectorEngine

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

# Each part is loaded when it is asked for: some need a compiler, some equations, some nothing. Hidden from
# type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(
        __name__,
        {
            "ketasim.engine.codegen": ("GeneratedCode",),
            "ketasim.engine.gradient": ("Gradient", "differentiate"),
            "ketasim.engine.recipe": ("Recipe",),
            "ketasim.engine.reference": ("ReferenceEngine", "Solution"),
            "ketasim.engine.schedule": ("Bolus", "Infusion", "InputPath", "Reset", "Schedule", "Segment"),
            "ketasim.engine.steady": ("Rests", "find_rests", "grows"),
            "ketasim.engine.system": ("System",),
            "ketasim.engine.vector": ("DEFAULT_RTOL", "Batch", "Solutions", "VectorEngine"),
        },
    )
