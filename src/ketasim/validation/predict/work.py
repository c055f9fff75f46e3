"""From a work, a trial or an experiment, to the distribution of each of its published rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ketasim.errors import KetasimError, StudyError
from ketasim.trials.experiment.measures import factor_to, measure_unit
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.study import Study
from ketasim.validation.predict.cells import Cells, in_sample
from ketasim.validation.predict.classes import SIGN_STATISTICS, row_class_of
from ketasim.validation.predict.models import simulator_of
from ketasim.validation.predict.predicted import Predicted
from ketasim.validation.predict.reading_error import error_of, read_with_error
from ketasim.validation.predict.samples import sample_size

if TYPE_CHECKING:
    from ketasim.model.chain import Chain
    from ketasim.model.parameters import ParameterSet
    from ketasim.model.simulator import Simulator
    from ketasim.population.draws import Draws

__all__ = ["predict_work", "stage_of"]

FloatArray = npt.NDArray[np.float64]

#: Statistics that come in the unit of the quantity.
_IN_UNITS = ("mean", "median", "median_change", "sd", "change", "difference", "change_difference")
#: Scales that are not of depression, and the stage of the model that owns them.
_OTHER_SCALES = {"pain_nrs": "pain"}
_SCORING = ("belief", "placebo")


def predict_work(
    work: Any,
    *,
    draws: Draws,
    per_draw: int = 8,
    seed: int = 1,
    parameters: ParameterSet | None = None,
    simulator: Simulator | None = None,
    common: bool = False,
    between_study: bool = False,
    rows: Sequence[str] | None = None,
) -> list[Predicted]:
    """Predict every published row of a work.

    Parameters
    ----------
    work : Study or Experiment
        The work.
    draws : Draws
        Of the parameters; each is one trial.
    per_draw : int
        Persons an arm in each draw.
    seed : int
        Names the random numbers.
    parameters : ParameterSet, optional
        What the draws move; default: the shipped human tables. An experiment with animals has theirs,
        which differ from the shipped ones by as much.
    simulator : Simulator, optional
        The model, such as another wiring; default: the shipped one.
    common : bool
        Whether all draws have the same persons and random numbers.
    between_study : bool
        Whether each draw of a trial has the effects of a study of its own; off, since the predictive SD
        takes the spread between studies from its own table.
    rows : sequence of str, optional
        Ids of the rows that are wanted; default: all.

    Returns
    -------
    list of Predicted
        In the order of the file. Rows of statistics that cannot be predicted are left out.

    Raises
    ------
    StudyError
        If there is nobody to be simulated, or a name is unknown.
    """
    if per_draw < 1:
        raise StudyError(f"per_draw: {per_draw} is not a number of persons; give 1 or more.")
    wanted = [row for row in work.observations if rows is None or row.id in rows]
    if not wanted:
        return []
    run = _Run(draws, per_draw, seed, common, parameters, simulator)
    if isinstance(work, Study):
        return _of_trial(work, wanted, run, between_study)
    return _of_experiment(work, wanted, run)


@dataclass(frozen=True)
class _Run:
    """How a work is simulated; see :func:`predict_work`."""

    draws: Draws
    per_draw: int
    seed: int
    common: bool
    parameters: ParameterSet | None
    simulator: Simulator | None

    @property
    def model(self) -> Simulator:
        from ketasim.model.parameters import load_parameters

        return self.simulator or simulator_of(self.parameters or load_parameters())

    def predicted(self, work: Any, row: Any, cells: Cells | None) -> Predicted:
        return _predicted(work, row, cells, self.model.chain, self.per_draw, len(self.draws))


def _of_trial(study: Study, rows: Sequence[Any], run: _Run, between_study: bool) -> list[Predicted]:
    from ketasim.model.parameters import load_parameters
    from ketasim.validation.predict.trial_rows import PREDICTED_STATISTICS, cells_of_row
    from ketasim.validation.predict.trials import simulated_rows

    rows = [row for row in rows if row.statistic in PREDICTED_STATISTICS]
    if not rows:
        return []
    tables = simulated_rows(
        study,
        rows,
        run.draws,
        run.per_draw,
        run.seed,
        simulator=run.model,
        parameters=run.parameters or load_parameters(),
        common=run.common,
        between_study=between_study,
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return [run.predicted(study, row, cells_of_row(tables, row)) for row in rows]


def _of_experiment(work: Any, rows: Sequence[Any], run: _Run) -> list[Predicted]:
    from ketasim.trials.experiment import simulate_experiment
    from ketasim.validation.predict.experiment_rows import cells_of_reading

    readings = simulate_experiment(
        work,
        draws=run.draws,
        per_draw=run.per_draw,
        seed=run.seed,
        common=run.common,
        parameters=run.parameters,
        simulator=run.model,
    )
    owner = run.model.chain.owner

    def read(
        values: FloatArray, arm: str, quantity: str, measure: str, time_h: float | None, until_h: float | None
    ) -> FloatArray:
        error = error_of(quantity, owner.get(quantity, ""))
        moment = f"{measure} {time_h} {until_h}"
        return read_with_error(values, error, measure, run.seed, work.id, arm, quantity, moment)

    def cells(row: Any) -> Cells:
        found = cells_of_reading(readings, row, read)
        if row.statistic not in SIGN_STATISTICS:
            return found
        # A sign is that of the model, without chance between readings; a sample has that chance all the same.
        plain = cells_of_reading(readings, row)
        return replace(found, values=plain.values, noise=plain.of_cells)

    with np.errstate(invalid="ignore", divide="ignore"):
        return [run.predicted(work, row, cells(row)) for row in rows]


def _predicted(
    work: Any, row: Any, cells: Cells | None, chain: Chain, per_draw: int, draws: int
) -> Predicted:
    """Put a row's cells beside what was published."""
    found = cells or Cells(np.full(draws, np.nan), 0.0, np.zeros(draws))
    row_class = found.row_class or row_class_of(row)
    found = _in_unit(found, _factor(row, chain), row_class)
    n = sample_size(work, row, row_class, found)
    if row_class == "rate":
        found = in_sample(found, n)
    error = row.standard_error
    stage = stage_of(row.quantity, chain)
    domain = getattr(work, "domain", None) or ("safety" if stage == "safety" else "clinical")
    return Predicted(
        study=work.id,
        domain=domain,
        species=work.species,
        stage=stage,
        row=row,
        observed=float(row.value),
        observed_se=math.nan if error is None else float(error),
        cells=found.values,
        within=found.within,
        n=n,
        row_class=row_class,
        kind="sign" if row.statistic in SIGN_STATISTICS else "quantitative",
        per_draw=float(per_draw),
        sizes=found.sizes,
        noise=found.noise,
        trials=getattr(work, "pooled_trials", 1),
        per_point=1.0 if found.per_point is None else found.per_point,
    )


def stage_of(quantity: str, chain: Chain) -> str:
    """Stage of the model that a quantity belongs to.

    Parameters
    ----------
    quantity : str
        Of a row.
    chain : Chain
        Says who owns what.
    """
    if quantity in SCALES:
        return _OTHER_SCALES.get(quantity, "symptoms")
    return "scoring" if quantity in _SCORING else chain.owner.get(quantity, "safety")


def _factor(row: Any, chain: Chain) -> float:
    """Number of the row's units in one of the unit in which its quantity is shown."""
    if row.statistic not in _IN_UNITS or row.quantity in SCALES or row.quantity not in chain.quantities:
        return 1.0
    own = measure_unit(getattr(row, "measure", "at"), chain.quantities[row.quantity].shown_unit)
    try:
        return factor_to(row.quantity, own, row.unit)
    except KetasimError as error:
        raise StudyError(f"observation {row.id}: unit: {error}") from error


def _in_unit(cells: Cells, factor: float, row_class: str) -> Cells:
    """Cells in another unit."""
    if factor == 1.0:
        return cells
    if row_class == "log":
        return replace(cells, values=cells.values + math.log(factor))
    noise = None if cells.noise is None else cells.noise * factor**2
    return replace(cells, values=cells.values * factor, within=cells.within * factor**2, noise=noise)
