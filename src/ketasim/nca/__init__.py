"""Non-compartmental analysis of a concentration curve: exposure, half-life, clearance, accumulation."""

from __future__ import annotations

from ketasim.nca.analysis import analyse
from ketasim.nca.comparison import Accumulation, MetaboliteRatio, accumulation, metabolite_ratio
from ketasim.nca.many import Exposures, analyse_many
from ketasim.nca.result import QUANTITIES, NcaResult, NcaSettings, PartialArea
from ketasim.nca.trapezoids import METHODS, Method, segment_areas, segment_moments

__all__ = [
    "METHODS",
    "QUANTITIES",
    "Accumulation",
    "Exposures",
    "MetaboliteRatio",
    "Method",
    "NcaResult",
    "NcaSettings",
    "PartialArea",
    "accumulation",
    "analyse",
    "analyse_many",
    "metabolite_ratio",
    "segment_areas",
    "segment_moments",
]
