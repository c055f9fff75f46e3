"""Virtual patients: who they are, how they differ, and the random streams that make them.

Persons are arrays (:class:`People`), so that a million of them are a matter of seconds.
"""

from __future__ import annotations

from ketasim.population.baselines import BaselineTable, load_table, table_names
from ketasim.population.covariates import ANCESTRIES, COVARIATES, HARMS, Covariate
from ketasim.population.drawing import draw_occasions, draw_people, typical_people
from ketasim.population.effects import Effect, load_effects, parameter_columns, people_inputs
from ketasim.population.people import People, load_people, save_people
from ketasim.population.real import people_from_csv
from ketasim.population.screening import draw_covariates
from ketasim.population.spec import SCALE_MAXIMUM, PopulationSpec
from ketasim.population.streams import stream, uniforms
from ketasim.population.truncation import Parent, parent_normal
from ketasim.population.uncertainty import draw_fitted_sets, draw_parameter_sets
from ketasim.population.variability import Variability

__all__ = [
    "ANCESTRIES",
    "COVARIATES",
    "HARMS",
    "SCALE_MAXIMUM",
    "BaselineTable",
    "Covariate",
    "Effect",
    "Parent",
    "People",
    "PopulationSpec",
    "Variability",
    "draw_covariates",
    "draw_fitted_sets",
    "draw_occasions",
    "draw_parameter_sets",
    "draw_people",
    "load_effects",
    "load_people",
    "load_table",
    "parameter_columns",
    "parent_normal",
    "people_from_csv",
    "people_inputs",
    "save_people",
    "stream",
    "table_names",
    "typical_people",
    "uniforms",
]
