"""Population fits to a user's own data, and forecasts for one patient."""

from __future__ import annotations

from ketasim.inference.population_fit.data import FitData, Observed, read_fit_data, read_observe
from ketasim.inference.population_fit.effects import Effect, Effects, choose_effects
from ketasim.inference.population_fit.fit import PopulationFit, fit_population
from ketasim.inference.population_fit.modes import Point
from ketasim.inference.population_fit.predict import Predictor, simulator_for
from ketasim.inference.population_fit.residual import ERRORS, Residual

__all__ = [
    "ERRORS",
    "Effect",
    "Effects",
    "FitData",
    "Observed",
    "Point",
    "PopulationFit",
    "Predictor",
    "Residual",
    "choose_effects",
    "fit_population",
    "read_fit_data",
    "read_observe",
    "simulator_for",
]
