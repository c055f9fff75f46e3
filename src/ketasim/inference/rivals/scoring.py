"""How well a predictive distribution foretold a published number: log score and interval score."""

from __future__ import annotations

import math

from scipy.special import ndtr
from scipy.stats import norm

from ketasim.validation.predict import Predicted

__all__ = ["ODD", "interval_score", "log_score"]

#: Share of published numbers that are taken for something else than the model says it is (misread, another
#: definition), and how many times wider those scatter: one row then cannot outweigh all others.
ODD, ODD_WIDTH = 0.05, 5.0
_Z95, _ALPHA = 1.959964, 0.05
_YES_FROM = 0.5
_OUTCOMES = 3


def log_score(item: Predicted, between: float = 0.0) -> float:
    """Log of what the prediction gave to the published outcome.

    Parameters
    ----------
    item : Predicted
        A row.
    between : float
        SD between studies on the scale of the row's class.

    Returns
    -------
    float
        In nats; higher is better. Of a number the log density on the scale of its class, of a sign or a yes
        or no the log chance; NaN if nothing was predicted.
    """
    if item.kind == "sign":
        return _of_sign(item)
    sd, y = item.sd(between), item.scaled
    if not (math.isfinite(y) and math.isfinite(item.centre) and sd > 0.0):
        return math.nan
    z = (y - item.centre) / sd
    usual, odd = norm.pdf(z) / sd, norm.pdf(z / ODD_WIDTH) / (ODD_WIDTH * sd)
    return float(math.log((1.0 - ODD) * usual + ODD * odd + 1e-300))


def _of_sign(item: Predicted) -> float:
    if not math.isfinite(item.centre):
        return math.nan
    if item.row.statistic in ("retained", "binary"):
        sd = item.sd()
        yes = float(ndtr((item.centre - _YES_FROM) / sd)) if sd > 0.0 else float(item.centre >= _YES_FROM)
        chance = yes if item.observed >= _YES_FROM else 1.0 - yes
        return math.log((1.0 - ODD) * chance + ODD / 2.0)
    fall, none, rise = item.chances
    chance = {-1: fall, 0: none, 1: rise}[round(item.observed)]
    return math.log((1.0 - ODD) * chance + ODD / _OUTCOMES)


def interval_score(item: Predicted, between: float = 0.0) -> float:
    """Interval score of the 95 % interval on the scale of the row's class; lower is better, NaN of signs."""
    if item.kind == "sign":
        return math.nan
    sd = item.sd(between)
    off = abs(item.scaled - item.centre) - _Z95 * sd
    return 2.0 * _Z95 * sd + 2.0 / _ALPHA * max(off, 0.0)
