"""Which parameters are fitted, on which scale, and what the tables say of them beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from ketasim.errors import ModelError, unknown_name
from ketasim.model.parameters import Parameter, ParameterSet
from ketasim.model.patients import LOAD

__all__ = ["Effect", "Effects", "choose_effects"]

FloatArray = npt.NDArray[np.float64]

#: Half the width of a 95 % range, in standard deviations.
_Z95 = 1.959963984540054
#: Spread between people that a search starts from where the table has none.
_USUAL_SPREAD = 0.3
#: What a person brings along: it is read from the data and not fitted.
_BROUGHT = ("weight", "weight_reference", "height", "age", "female", "asian", "japanese", "cyp2b6_star6")


@dataclass(frozen=True)
class Effect:
    """One parameter of the model in a fit.

    Parameters
    ----------
    name, unit : str
        Parameter and the unit of its table.
    scale : str
        ``log``, ``logit`` or ``identity``: where its typical value moves and persons differ.
    start, spread : float
        Where the typical value and the spread between people start, on that scale.
    prior_sd : float
        Standard deviation of the typical value beforehand, around ``start``; infinite if nothing is known.
    estimated, random : bool
        Whether the typical value is fitted, and whether people differ.
    """

    name: str
    unit: str
    scale: str
    start: float
    spread: float
    prior_sd: float
    estimated: bool
    random: bool

    def value(self, z: FloatArray) -> FloatArray:
        """Value in ``unit`` of a place on the scale."""
        return np.asarray({"log": np.exp, "logit": expit}.get(self.scale, np.asarray)(z), dtype=np.float64)


@dataclass(frozen=True)
class Effects:
    """All parameters of a fit.

    Parameters
    ----------
    items : tuple of Effect
        In the order of every array over effects.
    """

    items: tuple[Effect, ...]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def names(self) -> tuple[str, ...]:
        """Their parameters."""
        return tuple(item.name for item in self.items)

    @property
    def estimated(self) -> list[int]:
        """Places of those whose typical value is fitted."""
        return [place for place, item in enumerate(self.items) if item.estimated]

    @property
    def random(self) -> list[int]:
        """Places of those in which people differ."""
        return [place for place, item in enumerate(self.items) if item.random]

    @property
    def start(self) -> FloatArray:
        """Typical values of the tables on their scales, shape (effects,)."""
        return np.array([item.start for item in self.items])

    @property
    def prior_sd(self) -> FloatArray:
        """Prior standard deviations of the estimated ones, shape (estimated,)."""
        return np.array([self.items[place].prior_sd for place in self.estimated])

    def values(self, z: FloatArray) -> FloatArray:
        """Values in the units of the tables, of the shape of ``z``: (..., effects)."""
        return np.stack([item.value(z[..., place]) for place, item in enumerate(self.items)], axis=-1)

    def persons(self, theta: FloatArray, eta: FloatArray) -> FloatArray:
        """Places on the scales of persons with these deviations, shape (..., effects)."""
        z = np.broadcast_to(theta, (*eta.shape[:-1], len(self))).copy()
        z[..., self.random] += eta
        return z


def choose_effects(
    parameters: ParameterSet,
    estimated: Sequence[str],
    random: Sequence[str] | None = None,
    *,
    prior: str = "table",
    stages: Sequence[str] | None = None,
) -> Effects:
    """Say which parameters are fitted.

    Parameters
    ----------
    parameters : ParameterSet
        Typical values, ranges and spreads.
    estimated : sequence of str
        Parameters whose typical value is fitted.
    random : sequence of str, optional
        Parameters in which people differ. Default: all that are fitted and can differ.
    prior : str
        ``table``: the range of the table is the central 95 % of what is known; ``none``: nothing is.
    stages : sequence of str, optional
        Stages that the observed quantities depend on; default: any.

    Returns
    -------
    Effects

    Raises
    ------
    ModelError
        If a name is unknown, doubled or cannot be fitted, or nothing is left to fit.
    """
    if prior not in ("table", "none"):
        raise ModelError(f"--prior: {unknown_name('prior', prior, ('table', 'none'))}")
    for option, names in (("--parameters", estimated), ("--random", random or ())):
        for place, name in enumerate(names):
            if name not in parameters:
                raise ModelError(
                    f"{option}: {unknown_name('parameter', name, parameters)} 'ketasim list parameters' "
                    "shows them all."
                )
            if name in names[:place]:
                raise ModelError(f"{option}: {name} is named twice; name each parameter once.")
            _check(option, parameters[name], stages)
    if random is None:
        random = [name for name in estimated if parameters[name].distribution != "normal"]
    if not estimated and not random:
        raise ModelError("--parameters: nothing to fit; name at least one, as in --parameters clearance.")
    items = []
    for name in dict.fromkeys((*estimated, *random)):
        items.append(_effect(parameters[name], name in estimated, name in random, prior == "table"))
    return Effects(tuple(items))


def _check(option: str, item: Parameter, stages: Sequence[str] | None) -> None:
    if item.name in _BROUGHT or item.name == LOAD:
        raise ModelError(
            f"{option}: {item.name} is what a person brings along, not a parameter that can be fitted; "
            "give it "
            "as a column of the data, or leave it out."
        )
    if stages is not None and item.stage not in stages:
        raise ModelError(
            f"{option}: {item.name} belongs to the stage {item.stage}, on which no observed quantity "
            "depends; "
            f"the stages in reach are {', '.join(stages)}."
        )
    if option == "--parameters" and (item.distribution == "fixed" or item.low == item.high):
        raise ModelError(
            f"--parameters: {item.name} is fixed in its table and has no typical value to fit; choose "
            "another, "
            "or let only people differ in it with --random."
        )
    if option == "--random" and (item.distribution == "normal" or not item.value > 0.0):
        raise ModelError(
            f"--random: people cannot differ by a factor in {item.name}, which may be zero or negative; "
            "choose "
            "parameters whose distribution is lognormal or logitnormal."
        )


def _effect(item: Parameter, estimated: bool, random: bool, informed: bool) -> Effect:
    scale = {"logitnormal": "logit", "normal": "identity"}.get(item.distribution, "log")

    def move(value: float) -> float:
        """Place of a value on the scale."""
        if scale == "identity":
            return value
        return math.log(value) if scale == "log" else float(logit(value))

    # A share has no logit at its ends.
    low, high = item.low, item.high
    if scale == "logit":
        low, high = max(low, 1e-3), min(high, 1.0 - 1e-3)
    sd = math.inf
    if informed and estimated:
        width = move(high) - move(low) if low > 0.0 or scale == "identity" else math.inf
        sd = width / (2.0 * _Z95)
    return Effect(
        name=item.name,
        unit=item.unit,
        scale=scale,
        start=move(item.value),
        spread=item.iiv or _USUAL_SPREAD,
        prior_sd=sd,
        estimated=estimated,
        random=random,
    )
