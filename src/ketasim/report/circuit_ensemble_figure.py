"""The ensemble of circuits: what each output does with dose, and how many circuits show each sign."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from ketasim.circuit.formulas import OUTPUTS
from ketasim.errors import ModelError, unknown_name
from ketasim.report.circuit_figure import CLASS_STYLES
from ketasim.report.style import INK, INK2, INK3, LINE, SMALL, STRONG, TEXT, WIDTH, bare, new_figure

__all__ = ["SignShare", "circuit_ensemble_figure", "weighted_quantiles"]

FloatArray = npt.NDArray[np.floating[Any]]

_TITLES = {
    "pyramidal_rate": "Pyramidal rate",
    "pv_rate": "PV rate",
    "sst_rate": "SST rate",
    "vip_rate": "VIP rate",
    "gamma_power": "Gamma power (sign only)",
}
_GAMMA_COLOUR = "#8a6d00"
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
#: Inches: a panel, what is around it, a row of signs, and the ends.
_WIDE, _HIGH, _COLUMN, _LINE = 2.35, 1.75, 3.0, 2.55
_LEFT, _TOP, _SIGN, _SIGN_HEAD, _SIGN_FOOT = 0.75, 0.7, 0.27, 0.25, 0.85
_SIGN_LEFT, _LABEL_LETTERS = 4.75, 72
_TICKS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
_FINE_TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_LOWEST = 1e-3


@dataclass(frozen=True)
class SignShare:
    """How many circuits show a sign.

    Parameters
    ----------
    title : str
        The sign in words.
    share, low, high : float
        Share of the circuits, and the ends of its 95 % interval, from 0 to 1.
    """

    title: str
    share: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.share <= self.high <= 1.0:
            raise ModelError(
                f"sign {self.title!r}: share {self.share:g} with interval {self.low:g} to {self.high:g}; it "
                "needs 0 <= low <= share <= high <= 1."
            )


def weighted_quantiles(values: FloatArray, weights: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Quantiles of weighted rows, column by column.

    The quantile at a level is where the weight below, counting half of a value's own, reaches the level; it
    is linear between values and level beyond the ends.

    Parameters
    ----------
    values : array, shape (circuits, x)
        Finite numbers.
    weights : array, shape (circuits,)
        Not negative; their sum is above 0.
    levels : sequence of float
        From 0 to 1.

    Returns
    -------
    array, shape (levels, x)

    Raises
    ------
    ModelError
        If shapes do not agree, or values or weights cannot be used.
    """
    if values.ndim != 2 or weights.shape != values.shape[:1]:
        raise ModelError(
            f"weights have shape {weights.shape} and values {values.shape}; give one weight for each row."
        )
    if not np.isfinite(values).all():
        raise ModelError("a curve holds a number that is not finite; leave this circuit out.")
    if not (np.isfinite(weights).all() and (weights >= 0.0).all() and weights.sum() > 0.0):
        raise ModelError("weights must be finite and not negative, with a sum above 0.")
    kept = weights > 0.0
    own = weights[kept] / weights.sum()
    found = np.empty((len(levels), values.shape[1]))
    for column, series in enumerate(values[kept].T):
        order = np.argsort(series)
        middle = np.cumsum(own[order]) - 0.5 * own[order]
        found[:, column] = np.interp(levels, middle, series[order])
    return found


def circuit_ensemble_figure(
    mean_block: FloatArray,
    curves: Mapping[str, FloatArray],
    weights: FloatArray,
    signs: Sequence[SignShare],
    title: str,
) -> Figure:
    """Draw dose curves with bands over the circuits, and the share of circuits that show each sign.

    Parameters
    ----------
    mean_block : array, shape (x,)
        Increasing mean blocks.
    curves : mapping of str to array, shape (circuits, x)
        Of each output of the circuit (:data:`ketasim.circuit.OUTPUTS`): ratios to no drug.
    weights : array, shape (circuits,)
        Of the circuits; not negative.
    signs : sequence of SignShare
        From top to bottom.
    title : str
        Shown above.

    Returns
    -------
    Figure

    Raises
    ------
    ModelError
        If an output is missing or unknown, or shapes do not agree.
    """
    _check(mean_block, curves, weights)
    below = _SIGN_HEAD + len(signs) * _SIGN + _SIGN_FOOT if signs else 0.35
    height = _TOP + 2 * _LINE + below
    figure = new_figure(height)
    for place, output in enumerate(_TITLES):
        left = (_LEFT + place % 3 * _COLUMN) / WIDTH
        base = (height - _TOP - place // 3 * _LINE - _HIGH) / height
        ax = figure.add_axes((left, base, _WIDE / WIDTH, _HIGH / height))
        _curves(ax, mean_block, np.maximum(curves[output], _LOWEST), weights, _colour(output))
        ax.set_title(_TITLES[output], loc="left", fontsize=TEXT, color=INK)
        if place % 3 == 0:
            ax.set_ylabel("ratio to no drug", fontsize=SMALL, color=INK2)
        if place >= 2:
            ax.set_xlabel("mean block", fontsize=SMALL, color=INK2)
    _key(figure, len(weights), height)
    if signs:
        size = len(signs) * _SIGN / height
        _signs(
            figure.add_axes(
                (_SIGN_LEFT / WIDTH, _SIGN_FOOT / height, (WIDTH - _SIGN_LEFT - 0.2) / WIDTH, size)
            ),
            signs,
        )
    figure.text(0.012, 1.0 - 0.1 / height, title, fontsize=TEXT, color=INK, va="top")
    figure.text(
        0.012,
        0.1 / height,
        "A research and teaching instrument.",
        fontsize=SMALL - 1.0,
        color=INK2,
        va="bottom",
    )
    return figure


def _check(mean_block: FloatArray, curves: Mapping[str, FloatArray], weights: FloatArray) -> None:
    for output in curves:
        if output not in OUTPUTS:
            raise ModelError(unknown_name("output of the circuit", output, OUTPUTS))
    missing = [output for output in OUTPUTS if output not in curves]
    if missing:
        raise ModelError(f"curves lack {', '.join(missing)}; give one array for each output of the circuit.")
    for output, values in curves.items():
        if values.shape != (len(weights), len(mean_block)):
            raise ModelError(
                f"the curves of {output} have shape {values.shape}; {len(weights)} circuits at "
                f"{len(mean_block)} blocks need {(len(weights), len(mean_block))}."
            )


def _colour(output: str) -> str:
    style = CLASS_STYLES.get(output.removesuffix("_rate"))
    return _GAMMA_COLOUR if style is None else style[0]


def _curves(ax: Axes, x: FloatArray, values: FloatArray, weights: FloatArray, colour: str) -> None:
    # Quantiles of logs, since the axis is one of ratios.
    low, lower, middle, upper, high = np.exp(weighted_quantiles(np.log(values), weights, _LEVELS))
    ax.plot(x, values.T, color=INK3, linewidth=0.4, alpha=0.35)
    ax.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0.0)
    ax.fill_between(x, lower, upper, color=colour, alpha=0.32, linewidth=0.0)
    ax.plot(x, middle, color=colour, linewidth=2.0)
    ax.axhline(1.0, color=INK2, linewidth=0.9)
    bare(ax)
    ax.set_yscale("log")
    bottom, top = min(0.75, float(values.min())) / 1.08, max(1.33, float(values.max())) * 1.08
    ax.set_ylim(bottom, top)
    ticks = [tick for tick in (_FINE_TICKS if top < 60.0 * bottom else _TICKS) if bottom <= tick <= top]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(float(x[0]), float(x[-1]))
    ax.grid(axis="y", color=LINE, linewidth=0.8)
    ax.set_axisbelow(True)


def _key(figure: Figure, circuits: int, height: float) -> None:
    handles = [
        Line2D([], [], color=INK, linewidth=2.0, label="weighted median"),
        Patch(facecolor=INK3, alpha=0.55, label="weighted middle half"),
        Patch(facecolor=INK3, alpha=0.25, label="weighted 5 to 95 %"),
        Line2D([], [], color=INK3, linewidth=0.7, label=f"each of {circuits} circuits"),
    ]
    figure.legend(
        handles=handles, loc="upper left", frameon=False, fontsize=SMALL, labelcolor=INK, labelspacing=0.6,
        bbox_to_anchor=((_LEFT + 2 * _COLUMN - 0.1) / WIDTH, (height - _TOP - _LINE) / height),
    )  # fmt: skip


def _signs(ax: Axes, signs: Sequence[SignShare]) -> None:
    for place, sign in enumerate(signs):
        ax.plot([0.0, 1.0], [place, place], color=LINE, linewidth=0.8)
        ax.plot([sign.low, sign.high], [place, place], color=INK2, linewidth=1.6, solid_capstyle="butt")
        ax.plot([sign.share], [place], "o", color="#0072b2", markersize=5.5)
    bare(ax)
    ax.axvline(0.5, color=STRONG, linewidth=0.9, zorder=0.5)
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(len(signs) - 0.5, -0.5)
    ax.set_yticks(range(len(signs)), [textwrap.fill(sign.title, _LABEL_LETTERS) for sign in signs])
    ax.tick_params(axis="y", labelcolor=INK, labelsize=SMALL - 1.0)
    ax.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", "25", "50", "75", "100"])
    ax.set_xlabel("circuits that show it (%), with 95 % interval", fontsize=SMALL, color=INK2)
    ax.set_title("Signs", loc="left", fontsize=TEXT, color=INK)
