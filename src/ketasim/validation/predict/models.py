"""The model of a set of parameters, built once a process: joining its equations takes seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ketasim.model.parameters import ParameterSet
    from ketasim.model.simulator import Simulator

__all__ = ["simulator_of"]

#: Models that are kept.
_KEPT = 4
_built: dict[int, tuple[ParameterSet, Simulator]] = {}


def simulator_of(parameters: ParameterSet) -> Simulator:
    """Model with given typical values.

    Parameters
    ----------
    parameters : ParameterSet
        The same object gives the same model.
    """
    from ketasim.model.chain import build_chain
    from ketasim.model.simulator import Simulator

    key = id(parameters)
    if key not in _built:
        while len(_built) >= _KEPT:
            _built.pop(next(iter(_built)))
        # The set is kept with its model, so that no other one can get its place in memory.
        _built[key] = parameters, Simulator(build_chain(parameters=parameters))
    return _built[key][1]
