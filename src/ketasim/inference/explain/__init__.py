"""Why an effect happened: what is lost when a stage is held, and which parameters carry its uncertainty."""

from __future__ import annotations

from ketasim.inference.explain.mediation import GROUPS, Mediation, clamps_of, mediation
from ketasim.inference.explain.sensitivity import Sensitivities, sensitivities

__all__ = ["GROUPS", "Mediation", "Sensitivities", "clamps_of", "mediation", "sensitivities"]
