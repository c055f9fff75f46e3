"""The model in other people's formats."""

from __future__ import annotations

from ketasim.interop.sbml import Description, Unit, sbml_document
from ketasim.interop.sbml_chain import chain_document

__all__ = ["Description", "Unit", "chain_document", "sbml_document"]
