"""Fit the model to a user's own data, and forecast one of the persons."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.api.options import Progress, require, silent, texts
from ketasim.dosing import parse_regimen
from ketasim.errors import ModelError
from ketasim.inference.population_fit import (
    PopulationFit,
    Predictor,
    Residual,
    choose_effects,
    fit_population,
    read_fit_data,
    read_observe,
    simulator_for,
)
from ketasim.inference.population_fit.data import LEFT_OUT
from ketasim.inference.population_fit.diagnostics import Diagnostics, diagnose
from ketasim.inference.population_fit.forecast import Forecast, forecast
from ketasim.inference.population_fit.predict import whole_simulator
from ketasim.inference.population_fit.tables import courses_table, individuals_table, parameters_table
from ketasim.model.parameters import ParameterSet, load_parameters, read_overrides
from ketasim.units import parse_duration

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FitResult", "fit_data"]

#: Persons whose courses are drawn one by one.
_SHOWN = 12


@dataclass(frozen=True)
class FitResult:
    """A population fit with its tables.

    Parameters
    ----------
    fit : PopulationFit
        The fit itself.
    seed : int
        Names the random numbers.
    prior : str
        ``table`` or ``none``.
    forecast : Forecast or None
        Of one person, if one was asked for.
    """

    fit: PopulationFit
    seed: int
    prior: str
    forecast: Forecast | None = None

    @cached_property
    def parameters(self) -> pd.DataFrame:
        """Population values."""
        return parameters_table(self.fit)

    @cached_property
    def individuals(self) -> pd.DataFrame:
        """Parameters of the persons."""
        return individuals_table(self.fit)

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """Predictions, residuals and the visual predictive check."""
        return diagnose(self.fit, seed=self.seed)

    @cached_property
    def courses(self) -> pd.DataFrame:
        """Courses of the first persons, their own and the typical one."""
        return courses_table(self.fit, _SHOWN)

    def as_data(self) -> dict[str, Any]:
        """Return the result as plain data: population, persons, forecast, and what to be warned of."""
        fit = self.fit
        found: dict[str, Any] = {
            "file": fit.predictor.data.where,
            "persons": len(fit.predictor.data),
            "observations": int(fit.predictor.data.mask.sum()),
            "quantities": list(fit.predictor.names),
            "errors": list(fit.residual.kinds),
            "prior": self.prior,
            "iterations": len(fit.history) - 1,
            "converged": fit.converged,
            "minus_2_log_likelihood": fit.loss,
            "minus_2_log_likelihood_sampled": fit.importance.loss,
            "minus_2_log_likelihood_sampled_se": fit.importance.loss_error,
            "condition": fit.covariance.condition,
            "error_shrinkage": fit.error_shrinkage,
            "parameters": self.parameters.to_dict("records"),
            "individuals": self.individuals.to_dict("records"),
            "warnings": list(fit.warnings),
            "notes": list(fit.predictor.data.notes),
        }
        if self.forecast is not None:
            found["forecast"] = {
                "id": self.forecast.subject,
                "regimen": self.forecast.regimen.text,
                "start_h": self.forecast.start_h,
                "individual": self.forecast.individual.to_dict("records"),
                "courses": self.forecast.courses.to_dict("records"),
                "notes": list(self.forecast.notes),
            }
        return found

    def write(self, folder: Path | str) -> Path:
        """Write tables, figures and the report into a folder, which is made.

        Returns
        -------
        Path
            ``report.html``.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        from ketasim.report.fit_figures import fit_figures
        from ketasim.report.fit_page import fit_page
        from ketasim.report.style import save_figure

        place = Path(folder)
        (place / "figures").mkdir(parents=True, exist_ok=True)
        tables = {
            "parameters": self.parameters,
            "individuals": self.individuals,
            "observations": self.diagnostics.rows,
            "vpc": self.diagnostics.vpc,
        }
        if self.forecast is not None:
            tables["forecast"] = self.forecast.courses
        for name, table in tables.items():
            table.to_csv(place / f"{name}.csv", index=False, lineterminator="\n")
        text = json.dumps(_plain(self.as_data()), indent=2, ensure_ascii=False, allow_nan=False)
        (place / "fit.json").write_text(text + "\n", encoding="utf-8")
        figures = fit_figures(self.fit, self.diagnostics, self.courses, self.forecast)
        for name, (figure, _) in figures.items():
            save_figure(figure, place / "figures", name)
        page = place / "report.html"
        page.write_text(fit_page(self.as_data(), self.parameters, figures), encoding="utf-8")
        return page


def fit_data(
    data: Path | str,
    parameters: str | Sequence[str],
    *,
    random: str | Sequence[str] | None = None,
    quantity: str = "",
    observe: str | Sequence[str] = (),
    error: str | Sequence[str] = "proportional",
    prior: str = "table",
    severity: float = 33.0,
    base: ParameterSet | Path | str | None = None,
    options: dict[str, str] | None = None,
    iterations: int = 60,
    seed: int = 1,
    forecast_id: float | None = None,
    regimen: str = "",
    start: str = "",
    fresh: bool = False,
    until: str = "",
    progress: Progress = silent,
    check: Callable[[], None] | None = None,
) -> FitResult:
    """Fit parameters of the model to an event table with measurements.

    Parameters
    ----------
    data : Path or str
        A file with the columns of NONMEM; see :func:`ketasim.dosing.read_nonmem`.
    parameters : str or sequence of str
        Whose typical values are fitted.
    random : str or sequence of str, optional
        In which people differ. Default: all of ``parameters`` that can; ``none``: in none.
    quantity : str
        What every ``DV`` is.
    observe : str or sequence of str
        In place of it what each ``DVID`` (or ``CMT``) is: ``"1=s_ketamine_venous"``, ``"2=madrs"``.
    error : str or sequence of str
        ``proportional``, ``additive``, ``combined`` or ``lognormal``; one for all, or one a quantity.
    prior : str
        ``table``: the range of a parameter's table holds 95 % of what is known beforehand; ``none``.
    severity : float
        Points at rest where the column ``BASELINE`` says nothing.
    base : ParameterSet, Path or str, optional
        Other values of the remaining parameters, or a CSV file with the columns ``name, value, unit``.
    options : dict of str to str, optional
        How disputes of the literature are settled.
    iterations : int
        At most. 0 keeps the population values of the tables and fits only the persons.
    seed : int
        Names the random numbers.
    forecast_id : float, optional
        ``ID`` of the person to forecast, with ``regimen`` as text.
    start, until : str
        When the new regimen begins (from the person's first record; default: his last record), and how
        long the forecast is, both with a unit.
    fresh : bool
        Forecast without his history.
    progress : callable
        Told what goes on.
    check : callable, optional
        Called before each block of runs; what it raises ends the work.

    Returns
    -------
    FitResult

    Raises
    ------
    DoseError, UnitError, ModelError
        If something given cannot be used.
    SolverError
        If the equations cannot be solved.
    """
    _check(data, iterations, seed, severity, forecast_id, regimen)
    chosen = [name for item in texts(parameters, "--parameters") for name in _names(item)]
    differ = None if random is None else [name for item in texts(random, "--random") for name in _names(item)]
    own = _base(base, options)
    course = parse_regimen(regimen) if regimen else None
    progress("reading the data", 0, 1)
    observed = read_observe(texts(observe, "--observe"), quantity, whole_simulator().chain)
    simulator = simulator_for([item.name for item in observed if item.name != LEFT_OUT])
    stages = [stage.name for stage in simulator.chain.stages]
    effects = choose_effects(own, chosen, [] if differ == ["none"] else differ, prior=prior, stages=stages)
    table = read_fit_data(data, observed, severity=severity)
    residual = Residual.of([name for item in texts(error, "--error") for name in _names(item)], table.sizes())
    predictor = Predictor(simulator, table, effects, own, check)
    progress("fitting", 0, 1)
    fit = fit_population(
        predictor,
        residual,
        iterations=iterations,
        seed=seed,
        progress=lambda done, loss: progress(f"iteration {done}: loss {loss:.2f}", 0, 1),
    )
    ahead = None
    if course is not None and forecast_id is not None:
        progress("forecast", 0, 1)
        ahead = forecast(
            fit,
            float(forecast_id),
            course,
            start_h=parse_duration(start, "--start") if start else None,
            fresh=fresh,
            until_h=parse_duration(until, "--until") if until else None,
            seed=seed,
        )
    return FitResult(fit, seed, prior, ahead)


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _check(
    data: object, iterations: int, seed: int, severity: float, forecast_id: float | None, regimen: str
) -> None:
    require(data, (str, Path), "data", "'data.csv'")
    require(iterations, int, "--iterations", "60")
    require(seed, int, "--seed", "1")
    require(severity, (int, float), "--severity", "33")
    for option, value in (("--iterations", iterations), ("--seed", seed)):
        if value < 0:
            raise ModelError(f"{option}: {value} is negative; give a whole number from 0 on.")
    if not 2.0 <= severity <= 55.0:
        raise ModelError(f"--severity: {severity:g} points at rest must lie from 2 to 55.")
    if (forecast_id is None) != (not regimen):
        raise ModelError("--forecast and --regimen belong together: whom to forecast, and what he is given.")


def _base(base: ParameterSet | Path | str | None, options: dict[str, str] | None) -> ParameterSet:
    own = base if isinstance(base, ParameterSet) else load_parameters()
    if options:
        own = own.with_options(options)
    return read_overrides(base, own) if isinstance(base, str | Path) else own


def _plain(value: Any) -> Any:
    """Copy plain data with null in place of numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
