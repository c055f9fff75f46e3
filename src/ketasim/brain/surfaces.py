"""The file of surfaces of the whole brain: read-outs over states of the brain, in closed form.

Apart from :mod:`ketasim.brain.tabulate`, so that who only reads them loads no model of the brain.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.brain.formulas import INPUTS, Surface, evaluate
from ketasim.errors import BrainError

if TYPE_CHECKING:
    from ketasim.brain.illness import BrainState

__all__ = ["FORMAT_VERSION", "BrainSurfaces", "load_surfaces", "write_surfaces"]

_Floats = NDArray[np.float64]

FORMAT_VERSION = 1
"""Version of the file of surfaces."""


@dataclass(frozen=True)
class BrainSurfaces:
    """Closed-form read-outs of one brain with one coupling.

    Parameters
    ----------
    connectome, source : str
        Which brain, and where its numbers come from.
    coupling : str
        How density acts.
    points, unsafe : int
        Points of the design that were fitted, and those that were not because the network is nearer to
        criticality there than is safe, or runs away to rates of more than five times the resting one.
    seed : int
        Of the design.
    limits : mapping of str to (low, high)
        Ranges of the design, by the names of :data:`ketasim.brain.tabulate.DESIGN`.
    node, conditions : mapping of str to float
        Parameters that the brain was computed with: a file that differs from the tables is out of date.
    surfaces : mapping of str to Surface
        By read-out; those that the parcellation lacks are absent.
    """

    connectome: str
    source: str
    coupling: str
    points: int
    unsafe: int
    seed: int
    limits: Mapping[str, tuple[float, float]]
    node: Mapping[str, float]
    conditions: Mapping[str, float]
    surfaces: Mapping[str, Surface]

    def __call__(self, name: str, inputs: ArrayLike) -> _Floats:
        """Departure of one read-out from the healthy brain; see :func:`ketasim.brain.formulas.evaluate`."""
        if name not in self.surfaces:
            raise BrainError(f"no surface of {name!r}; there are {', '.join(self.surfaces)}.")
        return evaluate(self.surfaces[name], inputs)

    def inside(self, state: BrainState) -> bool:
        """Whether a state lies in the range of the design (a block of 0 counts as any selectivity)."""
        values = {
            "block_excitatory": state.block_excitatory,
            "inhibition_gain": state.inhibition_gain,
            "density": state.density,
            "density_over_adapted": state.density / state.adapted_density,
            "illness": state.illness,
        }
        if 0.0 < state.block_excitatory < 1.0 and state.block_inhibitory < 1.0:
            odds = state.block_inhibitory / (1.0 - state.block_inhibitory)
            values["selectivity"] = odds * (1.0 - state.block_excitatory) / state.block_excitatory
        elif state.block_inhibitory > 0.0:
            return False
        return all(self.limits[name][0] <= value <= self.limits[name][1] for name, value in values.items())


def write_surfaces(surfaces: BrainSurfaces, path: str | Path) -> None:
    """Write surfaces to a JSON file.

    Parameters
    ----------
    surfaces : BrainSurfaces
        As :func:`tabulate_brain` returns them.
    path : str or Path
        File to write; an existing one is replaced.

    Raises
    ------
    BrainError
        If the file cannot be written.
    """
    content = {"format": FORMAT_VERSION, "inputs": INPUTS, **asdict(surfaces)}
    rounded = json.loads(json.dumps(content), parse_float=lambda text: float(f"{float(text):.8g}"))
    try:
        Path(path).write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise BrainError(f"{path}: cannot be written ({error.strerror}); choose another path.") from error


def load_surfaces(path: str | Path | None = None) -> BrainSurfaces:
    """Read surfaces from a JSON file.

    Parameters
    ----------
    path : str or Path, optional
        File that :func:`write_surfaces` wrote; default: the one that ships with Ketasim.

    Returns
    -------
    BrainSurfaces
        As they were, to eight digits.

    Raises
    ------
    BrainError
        If the file is missing, is not of this kind or has another version or other inputs.
    """
    file = resources.files("ketasim.brain").joinpath("surfaces.json") if path is None else Path(path)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BrainError(f"{file}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise BrainError(f"{file}: is no JSON file ({error}).") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT_VERSION:
        raise BrainError(
            f"{file}: is no file of brain surfaces of format {FORMAT_VERSION}; tabulate it anew."
        )
    if tuple(content.get("inputs", ())) != INPUTS:
        raise BrainError(f"{file}: the inputs must be {', '.join(INPUTS)}; tabulate it anew.")
    try:
        surfaces = {name: _read_surface(entry) for name, entry in content["surfaces"].items()}
        plain = {field.name: content[field.name] for field in fields(BrainSurfaces)}
        limits = {name: (float(low), float(high)) for name, (low, high) in content["limits"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrainError(f"{file}: an entry is missing or malformed ({error}); tabulate it anew.") from error
    return BrainSurfaces(**{**plain, "limits": limits, "surfaces": surfaces})


def _read_surface(entry: Mapping[str, Any]) -> Surface:
    def numbers(values: Sequence[Any]) -> tuple[float, ...]:
        return tuple(float(value) for value in values)

    return Surface(
        str(entry["name"]),
        str(entry["scale"]),
        float(entry["reference"]),
        numbers(entry["heights"]),
        numbers(entry["offsets"]),
        tuple(numbers(row) for row in entry["slopes"]),
        numbers(entry["linear"]),
        float(entry["spread"]),
        float(entry["rms"]),
        float(entry["rms_left_out"]),
    )
