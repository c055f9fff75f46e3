"""Which parameters carry the effect's uncertainty: Sobol indices over the posterior, and local slopes.

Blocks of parameters are exchanged between independent draws of the posterior, a stage at a time: what is
tied together inside a stage stays so, and ties between stages are cut, as the method demands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.dosing import Regimen
from ketasim.inference.explain.mediation import effects
from ketasim.model.parameters import ParameterSet
from ketasim.model.simulator import Simulator
from ketasim.population.draws import Draws

__all__ = ["STAGES_2_TO_9", "Sensitivities", "sensitivities"]

FloatArray = npt.NDArray[np.float64]

#: The stages between plasma and networks.
STAGES_2_TO_9 = (
    "receptors",
    "circuit",
    "glutamate",
    "ampa",
    "neurotrophin",
    "translation",
    "synapses",
    "networks",
)
#: Names the orders in which blocks are put together.
_SEED = 7
#: Step of the local slopes, on the log scale.
_STEP = 0.02


@dataclass(frozen=True, eq=False)
class Sensitivities:
    """Shares of the variance of an effect.

    Parameters
    ----------
    by_stage : DataFrame
        ``stage, parameters, first, total``: Sobol indices of the stage's parameters together.
    local : DataFrame
        ``name, stage, slope, sd_share``: change of the effect in points per unit of the logarithm, and that
        times the posterior SD.
    variance : float
        Variance of the effect, in points squared, with ties between stages cut.
    biology_share : float
        Total index of stages 2 to 9 together.
    """

    by_stage: pd.DataFrame
    local: pd.DataFrame
    variance: float
    biology_share: float


def sensitivities(
    simulator: Simulator,
    parameters: ParameterSet,
    draws: Draws,
    regimens: Sequence[Regimen],
    severity: float,
    at_h: float = 24.0,
) -> Sensitivities:
    """Sobol indices by stage (Saltelli and Jansen) and local slopes of the drug-specific effect.

    Parameters
    ----------
    simulator, regimens, severity
        As of :func:`~ketasim.inference.explain.mediation.effects`.
    parameters : ParameterSet
        Typical values.
    draws : Draws
        The posterior.
    at_h : float
        Time of the effect, in hours.

    Notes
    -----
    First: mean of ``f(B)(f(A_B) - f(A))`` over the variance; total: half the mean of ``(f(A) - f(A_B))^2``
    over it, with ``A_B`` a draw of A in which the block comes from B.
    """
    biology = draws.only([name for name in draws.names if parameters[name].stage != "scoring"])
    half = len(biology) // 2
    stages = {name: parameters[name].stage for name in biology.names}
    blocks = {stage: [stage] for stage in dict.fromkeys(stages.values())}
    # Each stage's block in an order of its own: the indices are of blocks that know nothing of each other.
    random = np.random.Generator(np.random.Philox(key=_SEED))
    cut = biology.values.copy()
    for stage in blocks:
        columns = [place for place, name in enumerate(biology.names) if stages[name] == stage]
        cut[:, columns] = cut[random.permutation(len(cut))][:, columns]
    a, b = cut[:half], cut[half : 2 * half]
    blocks["stages 2 to 9"] = list(STAGES_2_TO_9)

    def effect(values: FloatArray) -> FloatArray:
        sets = [parameters.with_values(dict(zip(biology.names, row.tolist(), strict=True))) for row in values]
        return effects(simulator, sets, regimens, severity, times_h=(at_h,)).points[:, 0]

    f_a, f_b = effect(a), effect(b)
    variance = float(np.nanvar(np.concatenate([f_a, f_b]), ddof=1))
    centre = float(np.nanmean(np.concatenate([f_a, f_b])))
    rows = []
    for label, members in blocks.items():
        places = [place for place, name in enumerate(biology.names) if stages[name] in members]
        mixed = a.copy()
        mixed[:, places] = b[:, places]
        f_mixed = effect(mixed)
        first = float(np.nanmean((f_b - centre) * (f_mixed - f_a))) / variance
        total = float(np.nanmean((f_a - f_mixed) ** 2)) / (2.0 * variance)
        rows.append((label, len(places), first, total))
    table = pd.DataFrame(rows, columns=["stage", "parameters", "first", "total"])
    share = float(table.loc[table["stage"] == "stages 2 to 9", "total"].iloc[0])
    own = table[table["stage"] != "stages 2 to 9"].sort_values("total", ascending=False)
    return Sensitivities(own.reset_index(drop=True), _local(parameters, biology, effect), variance, share)


def _local(parameters: ParameterSet, draws: Draws, effect: object) -> pd.DataFrame:
    here = np.array([parameters[name].value for name in draws.names])
    moved = np.concatenate([here * np.exp(sign * _STEP * np.eye(len(here))) for sign in (1.0, -1.0)])
    found = effect(moved).reshape(2, -1)  # type: ignore[operator]
    slopes = (found[0] - found[1]) / (2.0 * _STEP)
    sds = np.log(draws.values).std(axis=0, ddof=1)
    table = pd.DataFrame(
        {
            "name": draws.names,
            "stage": [parameters[name].stage for name in draws.names],
            "slope": slopes,
            "points_per_sd": slopes * sds,
        }
    )
    order = table["points_per_sd"].abs().sort_values(ascending=False).index
    return table.loc[order].reset_index(drop=True)
