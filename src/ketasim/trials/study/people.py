"""The people of a study as the population layer draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim.population import COVARIATES, PopulationSpec
from ketasim.units import convert

if TYPE_CHECKING:
    from ketasim.trials.study import Study

__all__ = ["population_spec"]


def _in_unit(value: float, unit: str, wanted: str) -> float:
    # Some covariates are counted in units of their own, which nothing converts.
    return value if unit == wanted else convert(value, unit, wanted)


def population_spec(study: Study, arm: str | None = None) -> PopulationSpec:
    """Say what the people of a study, or of one of its arms, are drawn from.

    Parameters
    ----------
    study : Study
        The study.
    arm : str, optional
        An arm, whose own baseline is taken if it has one.

    Returns
    -------
    PopulationSpec

    Raises
    ------
    StudyError
        If no such people can exist: the message names the field.
    """
    population = study.population
    baseline = population.baseline if arm is None else study.baseline(arm)
    rules = [rule for rule in population.entry_rules if rule.scale == baseline.scale]
    lower = [rule.value for rule in rules if rule.operator in (">=", ">")]
    upper = [rule.value for rule in rules if rule.operator in ("<=", "<")]
    covariates = population.covariates
    fractions = dict(covariates.fractions)
    if covariates.female_fraction is not None:
        fractions["female"] = covariates.female_fraction
    continuous = {
        name: (
            _in_unit(item.mean, item.unit, COVARIATES[name].unit),
            _in_unit(item.sd, item.unit, COVARIATES[name].unit),
        )
        for name, item in covariates.continuous.items()
    }
    return PopulationSpec(
        baseline_mean=baseline.mean,
        baseline_sd=baseline.sd,
        scale=baseline.scale,
        entry_lower=max(lower) if lower else None,
        entry_upper=min(upper) if upper else None,
        entry=population.covariate_rules,
        continuous=continuous,
        fractions=fractions,
        correlations=tuple((*item.between, item.value) for item in population.correlations),
        **({} if population.table is None else {"table": population.table}),
    )
