"""``ketasim run`` of an experiment: what was published beside what the model gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ketasim.cli.console import number, output, plain_table, span
from ketasim.errors import StudyError

if TYPE_CHECKING:
    from rich.table import Table

    from ketasim.trials.experiment import Estimate, Experiment, ExperimentRow, Readings

__all__ = ["run_experiment"]

#: Persons of each arm, if nobody says how many.
_PERSONS = 100
#: Middle 95 % of the persons.
_EDGES = (2.5, 97.5)
#: Settings of a trial that an experiment has no use for: the option, and the value if nobody gives it.
_UNUSED: Mapping[str, tuple[str, Any]] = {
    "replicates": ("--replicates", 1),
    "workers": ("--workers", None),
    "out": ("--out", None),
    "force": ("--force", False),
    "resume": ("--resume", False),
    "days": ("--days", None),
    "hold": ("--hold", "nothing"),
    "scheduler": ("--scheduler", None),
    "table_format": ("--format", "parquet"),
}
#: Statistics that have a sign.
_SIGNED = (
    *("direction", "change", "relative_change", "difference", "change_difference"),
    *("relative_difference", "effect_size", "correlation"),
)


def run_experiment(experiment: Experiment, settings: Mapping[str, Any]) -> None:
    """Simulate an experiment and print its rows.

    Parameters
    ----------
    experiment : Experiment
        What is simulated.
    settings : mapping of str to object
        ``subjects`` (persons of each arm, or None), ``seed``, ``parameters`` (a path, or None), and the
        settings of a trial, which must be at their defaults.

    Raises
    ------
    StudyError
        If an option was given that an experiment has no use for.
    """
    from ketasim.model.parameters import load_parameters, read_overrides
    from ketasim.trials.experiment import simulate_experiment

    for name, (option, default) in _UNUSED.items():
        if settings[name] != default:
            raise StudyError(
                f"{option}: {experiment.id} is an experiment and not a trial: it has no visits, and nothing "
                "is written. It takes --subjects, --seed and --parameters; leave the others out."
            )
    table = settings["parameters"]
    own = None if table is None else read_overrides(table, load_parameters())
    persons = _PERSONS if settings["subjects"] is None else settings["subjects"]
    readings = simulate_experiment(experiment, per_draw=persons, seed=settings["seed"], parameters=own)
    screen = output()
    screen.print(_table(experiment, readings))
    kind = "persons" if experiment.species == "human" else "animals"
    screen.print(
        f"{persons} {kind} an arm, with the typical values of the tables; the range is that of single "
        f"{kind}, not of a sample."
    )
    if readings.refused:
        screen.print(f"{len(readings.refused)} have no stable rest or could not be solved, and are left out.")


def _table(experiment: Experiment, readings: Readings) -> Table:
    from ketasim.trials.experiment import estimates

    cells = []
    for row in experiment.observations:
        found = estimates(row, readings)
        low, high = _range(found)
        compared = f" - {row.comparator}" if row.comparator else ""
        cells.append(
            (
                row.id,
                row.arm + compared,
                _when(row),
                f"{row.quantity} {'' if row.measure == 'at' else row.measure + ' '}{row.statistic}",
                number(row.value),
                number(row.standard_error),
                number(float(found.value[0])),
                "-" if math.isnan(low) else f"{number(low)} to {number(high)}",
                _agrees(row, float(found.value[0])),
                row.unit,
            )
        )
    columns = ("id", "arm", "time", "statistic", "observed", "SE", "model", "persons", "sign", "unit")
    return plain_table(
        columns, cells, title=f"{experiment.title}: published beside the model", right=columns[4:7]
    )


def _range(found: Estimate) -> tuple[float, float]:
    import numpy as np

    persons = found.persons[~np.isnan(found.persons)]
    if persons.size < 2:
        return math.nan, math.nan
    low, high = np.percentile(persons, _EDGES)
    return float(low), float(high)


def _when(row: ExperimentRow) -> str:
    if row.until_h is not None:
        return f"{span(row.time_h or 0.0)} to {span(row.until_h)}"
    return span(row.time_h)


def _agrees(row: ExperimentRow, model: float) -> str:
    """Whether the model has the published sign; a row without one is left open."""
    if math.isnan(model):
        return "-"
    if row.statistic == "retained":
        return "yes" if (model >= 0.5) == (row.value >= 0.5) else "no"
    if row.statistic not in _SIGNED or row.value == 0.0:
        return ""
    return "yes" if model * row.value > 0.0 else "no"
