"""Which brain is computed: its connectome, and the weights that it is given."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.errors import BrainError

if TYPE_CHECKING:
    from ketasim.brain import BrainModel, Connectome, Coupling, EffectiveConnectivity, Influence

__all__ = [
    "DEFAULT_COUPLING",
    "CouplingName",
    "FittedFile",
    "LabelsFile",
    "Named",
    "Symmetrise",
    "WeightsFile",
    "chosen_connectome",
    "chosen_coupling",
    "met_influences",
    "safe_model",
    "write_fitted",
]

DEFAULT_COUPLING = "control_inhibition"
"""The candidate that the rule finds nearest to the published late signs; see ``brain couplings``."""

_FORMAT = 1
_DEFAULT = "synthetic"

Named = Annotated[
    str | None,
    typer.Option("--connectome", metavar="NAME", help="See 'ketasim list connectomes'; default: synthetic."),
]
WeightsFile = Annotated[
    Path | None,
    typer.Option("--weights", metavar="FILE", help="Your own connectome: a square matrix, .csv or .npy."),
]
LabelsFile = Annotated[
    Path | None,
    typer.Option("--labels", metavar="FILE", help="Its regions: CSV with label, network, hemisphere."),
]
Symmetrise = Annotated[
    bool, typer.Option("--symmetrise", help="Of an asymmetric matrix, take the mean of both directions.")
]
FittedFile = Annotated[
    Path | None, typer.Option("--fitted", metavar="FILE", help="Weights from 'ketasim brain fit --write'.")
]
CouplingName = Annotated[
    str, typer.Option("--coupling", metavar="NAME", help="How density acts; see 'brain couplings'.")
]


def chosen_connectome(
    name: str | None,
    weights: Path | None,
    labels: Path | None,
    *,
    symmetrise: bool = False,
    functional: Mapping[str, Path] | None = None,
) -> Connectome:
    """Load the connectome that the options name.

    Parameters
    ----------
    name : str or None
        One of ``ketasim list connectomes``; None for the synthetic one, if no files are given.
    weights, labels : Path or None
        Files of the user's own; both or none.
    symmetrise : bool
        For files only.
    functional : mapping of str to Path, optional
        Correlations by group; for files only.

    Raises
    ------
    BrainError
        If the options contradict each other, or the connectome cannot be used.
    """
    from ketasim.brain import connectome_from_files, load_connectome

    if weights is None and labels is None:
        for option, given in (("--symmetrise", symmetrise), ("--functional", functional)):
            if given:
                raise BrainError(f"{option}: it is for files of your own; add --weights and --labels.")
        return load_connectome(_DEFAULT if name is None else name)
    if name is not None:
        raise BrainError(f"--connectome {name}: --weights and --labels give another one; leave one out.")
    if weights is None or labels is None:
        missing = "--labels" if labels is None else "--weights"
        raise BrainError(f"{missing}: it is missing; a connectome of your own needs --weights and --labels.")
    return connectome_from_files(weights, labels, functional, symmetrise=symmetrise)


def chosen_coupling(name: str) -> Coupling:
    """Coupling by name, or BrainError with the nearest one."""
    from ketasim.brain import coupling

    try:
        return coupling(name)
    except BrainError as error:
        raise BrainError(f"--coupling: {error}") from error


def met_influences(connectome: Connectome) -> list[Influence]:
    """All that the commands put a brain under: every dose, in health and illness, before and after a dose."""
    from ketasim.brain import dose_influences
    from ketasim.brain.couplings import expected_influences
    from ketasim.brain.rule import CONCENTRATIONS

    return [*dose_influences(), *expected_influences(connectome, CONCENTRATIONS)]


@dataclass(frozen=True, eq=False)
class ChosenBrain:
    """A brain, and in words where its weights come from."""

    model: BrainModel
    weights: str


def safe_model(connectome: Connectome, fitted: Path | None = None) -> ChosenBrain:
    """Build a healthy brain that is as strongly joined as safety allows.

    Parameters
    ----------
    connectome : Connectome
        The regions.
    fitted : Path, optional
        Weights that :func:`write_fitted` wrote, used as they are; the connectome's own otherwise, scaled to
        the largest scale that is safe under :func:`met_influences`.

    Raises
    ------
    BrainError
        If the file is of another parcellation or damaged, or no scale is safe.
    """
    from ketasim.brain import brain_model, strongest_safe_weights

    if fitted is not None:
        weights, group = _read_fitted(fitted, connectome)
        return ChosenBrain(brain_model(connectome, weights=weights), f"fitted to {group}")
    weights = strongest_safe_weights(connectome, influences=met_influences(connectome))
    words = "of the connectome, as strong as is safe"
    return ChosenBrain(brain_model(connectome, weights=weights), words)


def write_fitted(found: EffectiveConnectivity, connectome: Connectome, group: str, path: Path) -> None:
    """Write weights that were fitted to a group as JSON, with their regions and where they come from."""
    content = {
        "format": _FORMAT,
        "connectome": connectome.name,
        "source": connectome.source,
        "group": group,
        "labels": list(connectome.labels),
        # Eight digits are far more than a fit knows, and halve the file.
        "weights": [[float(f"{value:.8g}") for value in row] for row in found.weights],
    }
    path.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def _read_fitted(path: Path, connectome: Connectome) -> tuple[Any, str]:
    """Weights, shape (n, n), and the group that they were fitted to."""
    import numpy as np

    again = "write it anew with 'ketasim brain fit --write'."
    if not path.is_file():
        raise BrainError(f"--fitted {path}: there is no such file; {again}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        labels, group = list(content["labels"]), str(content["group"])
        weights = np.array(content["weights"], dtype=np.float64)
        known = content["format"] == _FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise BrainError(f"--fitted {path}: it holds no fitted weights ({error}); {again}") from error
    if not known:
        raise BrainError(f"--fitted {path}: its format is {content['format']!r}, not {_FORMAT}; {again}")
    if labels != list(connectome.labels):
        raise BrainError(
            f"--fitted {path}: it belongs to {content.get('connectome')!r} with {len(labels)} regions, not "
            f"to {connectome.name!r} with {connectome.n_regions}; name the connectome that it was fitted on."
        )
    sound = weights.shape == (len(labels), len(labels)) and math.isfinite(float(weights.sum()))
    if not sound or not np.array_equal(weights, weights.T):
        raise BrainError(f"--fitted {path}: its weights are no symmetric matrix of numbers; {again}")
    return weights, group
