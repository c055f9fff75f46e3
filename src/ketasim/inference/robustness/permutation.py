"""Whether the outcome needs the stages to fit one another: posterior draws permuted between stages."""

from __future__ import annotations

import numpy as np

from ketasim.model.parameters import ParameterSet
from ketasim.population.draws import Draws

__all__ = ["permuted_draws", "stages_of"]


def stages_of(draws: Draws, parameters: ParameterSet) -> dict[str, tuple[int, ...]]:
    """Columns of the draws by the stage that owns the parameter."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(draws.names):
        found.setdefault(parameters[name].stage, []).append(place)
    return {stage: tuple(places) for stage, places in found.items()}


def permuted_draws(draws: Draws, parameters: ParameterSet, seed: int = 1) -> Draws:
    """Draws in which each stage's parameters come from another set.

    Parameters
    ----------
    draws : Draws
        The posterior.
    parameters : ParameterSet
        Says which stage owns a parameter.
    seed : int
        Names the permutations.

    Returns
    -------
    Draws
        Each stage keeps its own joint distribution; what ties stages together is gone.
    """
    random = np.random.Generator(np.random.Philox(key=seed))
    values = draws.values.copy()
    for places in stages_of(draws, parameters).values():
        columns = np.array(places)
        values[:, columns] = draws.values[random.permutation(len(draws))][:, columns]
    return Draws(draws.names, values, draws.centres)
