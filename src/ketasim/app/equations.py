"""Equations of a stage for readers, written once and then found on the disk.

To load SymPy, derive the equations and set them takes seconds of a processor that curves need.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from ketasim.engine.cache import KernelCache, default_cache
from ketasim.model.chain import Chain
from ketasim.model.sources import source_digest

__all__ = ["stage_equations"]


def stage_equations(chain: Chain, stage: str) -> list[dict[str, Any]]:
    """Equations of a stage as plain data; see :class:`~ketasim.app.formulas.Formula`.

    Parameters
    ----------
    chain : Chain
        The model.
    stage : str
        Name of the stage.
    """

    def make() -> bytes:
        from ketasim.app.formulas import stage_formulas

        return json.dumps([asdict(item) for item in stage_formulas(chain, stage)]).encode()

    model, writing = chain.recipe.digest, source_digest("app/formulas.py")
    if model is None or writing is None:
        raw = make()
    else:
        raw = default_cache().get_or_make(KernelCache.make_key(model, writing, "equations", stage), make)
    found: list[dict[str, Any]] = json.loads(raw)
    return found
