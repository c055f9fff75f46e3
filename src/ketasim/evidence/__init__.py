"""Published results about ketamine, with their sources: data only.

Only rows that were seen in a source count as evidence. The loaders leave out what was written
from memory, second rows for one number, and rows that the open table of corrections excludes,
unless they are asked for.
"""

from __future__ import annotations

from ketasim.evidence.tables import (
    check_tables,
    citation_text,
    load_corrections,
    load_observations,
    load_parameters,
    load_publications,
)

__all__ = [
    "check_tables",
    "citation_text",
    "load_corrections",
    "load_observations",
    "load_parameters",
    "load_publications",
]
