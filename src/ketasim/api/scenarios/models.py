"""The one model behind all scenarios.

Wirings, options, parameters, persons, doses and switches are numbers to it, so that none of them ever
needs a kernel of its own: what is compiled once, and kept on disk, serves every scenario.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.switching import SWITCHED
from ketasim.engine import Batch
from ketasim.engine.schedule import Schedule
from ketasim.model import Simulator, build_chain
from ketasim.model.hypotheses import load_wiring_values
from ketasim.model.parameters import load_parameters

__all__ = ["model_hash", "parameter_hash", "read_at_rest", "simulator"]

FloatArray = npt.NDArray[np.float64]

_LOCK: Final = threading.Lock()
#: Where the equations stand, by package: these files, or all its modules. Read as they are, since to print
#: the joined equations takes half a second.
_EQUATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "ketasim": ("smooth.py",),
    "ketasim.model": (),
    "ketasim.circuit": ("formulas.py", "blocks.py"),
    "ketasim.brain": ("formulas.py", "surfaces.json"),
}


@cache
def _made() -> Simulator:
    return Simulator(build_chain(switched=SWITCHED))


def simulator() -> Simulator:
    """The model with all its switches; made at the first call."""
    # Two threads that both make it would compile twice.
    with _LOCK:
        return _made()


@cache
def model_hash() -> str:
    """Sixteen hexadecimal digits that change when a file that holds equations does, words in it too."""
    digest = hashlib.sha256(",".join(SWITCHED).encode())
    for package, chosen in _EQUATIONS.items():
        for item in sorted(resources.files(package).iterdir(), key=lambda entry: entry.name):
            if item.is_file() and (item.name in chosen or (not chosen and item.name.endswith(".py"))):
                digest.update(f"{package}/{item.name}\n".encode())
                digest.update(item.read_bytes())
    return digest.hexdigest()[:16]


@cache
def parameter_hash() -> str:
    """Sixteen hexadecimal digits that change when a shipped value does."""
    found = sorted(load_parameters().items())
    lines = [f"{name} {item.value!r} {item.unit}" for name, item in found]
    lines += [f"{wiring} {sorted(values.items())}" for wiring, values in load_wiring_values().items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read_at_rest(rows: FloatArray, states: FloatArray, names: tuple[str, ...]) -> dict[str, FloatArray]:
    """Quantities of persons at rest.

    Parameters
    ----------
    rows, states : array
        Parameters and resting states, as of :class:`~ketasim.model.cohort.Rested`.
    names : tuple of str
        The quantities.

    Returns
    -------
    dict of str to array, shape (persons,)
        In their shown units.
    """
    model = simulator()
    count = len(rows)
    batch = Batch(rows, states, [Schedule()] * count, [np.zeros(1)] * count)
    solved = model.engine().solve(batch, model.chain.input_defaults(), outputs=names)
    values = np.array([own[0] for own in solved.values])
    return {name: values[:, i] / model.shown_factor(name) for i, name in enumerate(names)}
