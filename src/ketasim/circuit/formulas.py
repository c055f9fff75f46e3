"""The closed form of the circuit surfaces.

Each output is a smooth function of the block of the four cell classes that is
exactly zero without block. The forms are products, sums, whole powers and one
square root, so that they can be written into the chain as they stand. Why they
look as they do is told in ``docs/design/circuit-surfaces.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import ModelError, unknown_name

__all__ = ["CLASSES", "LOG_LIMIT", "OUTPUTS", "coefficient_names", "drive", "log_ratio", "soft_limit"]

CLASSES = ("pyramidal", "pv", "sst", "vip")

# Natural log of the largest departure from baseline that a surface can give, in either direction. It keeps
# the far corners of the cube finite; where the network was run at clinical block it changes little.
LOG_LIMIT = 4.5

# Complex arrays pass through as well: the fit takes its derivatives by the complex step.
_Function = Callable[[Any], Any]
_Power = Callable[[Any, Any], Any]
_Form = Callable[[Sequence[Any], _Function, Any, Any, Any, Any], Any]


def soft_limit(x: Any, power: _Power = pow) -> Any:
    """Smooth odd step ``x / sqrt(1 + x^2)``: slope 1 at zero, limits -1 and 1.

    Parameters
    ----------
    x : number, array or symbol
        Where.
    power : function
        Takes a base and an exponent; the model has its own for symbols.
    """
    return x / power(1.0 + power(x, 2), 0.5)


def _pyramidal(c: Sequence[Any], step: _Function, pyramidal: Any, pv: Any, sst: Any, vip: Any) -> Any:
    swing, by_sst, by_pyramidal, by_vip, collapse = c
    balance = step(by_sst * sst + by_pyramidal * pyramidal - by_vip * vip)
    return swing * (balance - by_pyramidal * pyramidal) - collapse * pyramidal**4 * (1.0 - pv)


def _pv(c: Sequence[Any], step: _Function, pyramidal: Any, pv: Any, sst: Any, vip: Any) -> Any:
    swing, by_sst, by_vip, by_both, own, collapse = c
    balance = step(by_sst * sst - by_vip * vip + by_both * sst * vip)
    return swing * balance - own * pv - collapse * pyramidal**4


def _sst(
    c: Sequence[Any],
    step: _Function,  # noqa: ARG001  the one form without a limited balance
    pyramidal: Any,
    pv: Any,
    sst: Any,
    vip: Any,
) -> Any:
    inhibited, by_pyramidal, by_pv, by_vip, own, collapse = c
    lost = inhibited * sst + by_pyramidal * pyramidal**2
    return by_pv * pv + by_vip * vip - own * sst - lost * (1.0 - vip) - collapse * pyramidal**4


def _vip(c: Sequence[Any], step: _Function, pyramidal: Any, pv: Any, sst: Any, vip: Any) -> Any:
    swing, by_sst, by_pyramidal, by_vip, by_pv, own, collapse = c
    balance = step(by_sst * sst + by_pyramidal * pyramidal - by_vip * vip - by_pv * pv)
    return swing * balance - own * vip - collapse * pyramidal**4


def _gamma(c: Sequence[Any], step: _Function, pyramidal: Any, pv: Any, sst: Any, vip: Any) -> Any:
    swing, by_sst, by_vip, by_pv, collapse = c
    return swing * step(by_sst * sst - by_vip * vip) + by_pv * pv**2 - collapse * pyramidal**4


_FORMS: dict[str, tuple[_Form, tuple[str, ...]]] = {
    "pyramidal_rate": (_pyramidal, ("swing", "sst", "pyramidal", "vip", "collapse")),
    "pv_rate": (_pv, ("swing", "sst", "vip", "sst_vip", "own", "collapse")),
    "sst_rate": (_sst, ("inhibited", "pyramidal", "pv", "vip", "own", "collapse")),
    "vip_rate": (_vip, ("swing", "sst", "pyramidal", "vip", "pv", "own", "collapse")),
    "gamma_power": (_gamma, ("swing", "sst", "vip", "pv", "collapse")),
}
OUTPUTS = tuple(_FORMS)


def _form(output: str) -> tuple[_Form, tuple[str, ...]]:
    if output not in _FORMS:
        raise ModelError(unknown_name("output of the circuit", output, OUTPUTS))
    return _FORMS[output]


def coefficient_names(output: str) -> tuple[str, ...]:
    """Names of an output's coefficients, all of them ratios and positive.

    Parameters
    ----------
    output : str
        One of :data:`OUTPUTS`.

    Returns
    -------
    tuple of str
        Such as ``pyramidal_rate_sst``, in the order in which :func:`drive` takes them.

    Raises
    ------
    ModelError
        If there is no such output.
    """
    return tuple(f"{output}_{suffix}" for suffix in _form(output)[1])


def drive(
    output: str,
    coefficients: Sequence[Any],
    block: Sequence[Any],
    limit: Any = LOG_LIMIT,
    power: _Power = pow,
) -> Any:
    """Log ratio to baseline, in ordinary arithmetic on numbers, arrays or symbols.

    Parameters
    ----------
    output : str
        One of :data:`OUTPUTS`.
    coefficients : sequence
        In the order of :func:`coefficient_names`.
    block : sequence of four
        Block of pyramidal, PV, SST and VIP cells, from 0 to 1.
    limit : number or symbol
        Largest log ratio in either direction.
    power : function
        As for :func:`soft_limit`.

    Returns
    -------
    array or expression
        Natural logarithm of the ratio to no drug.
    """
    step = partial(soft_limit, power=power)
    return limit * step(_form(output)[0](coefficients, step, *block) / limit)


def log_ratio(output: str, coefficients: Mapping[str, float], block: ArrayLike) -> NDArray[np.float64]:
    """Natural log of a rate, or of gamma power, relative to no drug.

    Parameters
    ----------
    output : str
        One of :data:`OUTPUTS`.
    coefficients : mapping of str to float
        Must hold the names of :func:`coefficient_names`; others are ignored.
    block : array_like, shape (..., 4)
        Block of pyramidal, PV, SST and VIP cells, from 0 to 1.

    Returns
    -------
    array, shape (...)
        0 where nothing is blocked, and within plus or minus :data:`LOG_LIMIT`.

    Raises
    ------
    ModelError
        If the output is unknown, a coefficient is missing or the block is not between 0 and 1.
    """
    names = coefficient_names(output)
    missing = [name for name in names if name not in coefficients]
    if missing:
        raise ModelError(f"coefficient {missing[0]!r} of {output} is missing; needed are {', '.join(names)}.")
    values = np.asarray(block, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] != len(CLASSES):
        raise ModelError(
            f"block has shape {values.shape}; its last axis must hold {', '.join(CLASSES)}, in this order."
        )
    outside = ~((values >= 0.0) & (values <= 1.0))
    if outside.any():
        raise ModelError(f"block is {values[outside][0]:g}; a block is a fraction from 0 to 1.")
    result = drive(output, [coefficients[name] for name in names], list(np.moveaxis(values, -1, 0)))
    return np.asarray(result, dtype=np.float64)
