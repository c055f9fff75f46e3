"""Read-outs of a functional connectivity matrix: what is compared with published network findings.

All means over pairs are means of Fisher's z. A read-out whose regions the parcellation
lacks is None, never a guess.

"Loss of communication between regions" has no agreed measure. Here it is the loss of mutual
information: two Gaussian signals with correlation r share ``-log(1 - r**2) / 2`` nats, and
``mutual_information`` is the mean of that over all pairs. The loss is 1 minus its ratio to a
reference. The formula for a pair is standard; taking its mean over pairs as communication is
this project's choice. It is symmetric, so it says nothing of directions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.brain.connectome import Connectome
from ketasim.errors import BrainError, unknown_name

__all__ = [
    "READOUTS",
    "ReadOut",
    "communication_loss",
    "fisher_z",
    "network_readouts",
    "prefrontal",
    "without_global_signal",
]

_Floats = NDArray[np.float64]
_Indices = NDArray[np.intp]

# A correlation of 1 within rounding would have no finite z.
_LARGEST = 1.0 - 1e-9


@dataclass(frozen=True)
class ReadOut:
    """What a read-out is.

    Parameters
    ----------
    name : str
        Its name.
    title : str
        In words.
    unit : str
        ``z`` (mean Fisher z) or ``nat``.
    scale : str
        How it is compared with a reference: ``log_ratio`` where it is positive by nature,
        ``difference`` where it can cross zero.
    """

    name: str
    title: str
    unit: str
    scale: str


READOUTS: Mapping[str, ReadOut] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            ReadOut("within_dmn", "within the default mode network", "z", "log_ratio"),
            ReadOut("within_salience", "within the salience network", "z", "log_ratio"),
            ReadOut("within_control", "within the control network", "z", "log_ratio"),
            ReadOut("within_somatomotor", "within the somatomotor network", "z", "log_ratio"),
            ReadOut("pcc_mpfc", "posterior cingulate to medial prefrontal cortex", "z", "difference"),
            ReadOut("insula_dmn", "insula to default mode network", "z", "difference"),
            ReadOut("dmn_control", "default mode to control network", "z", "difference"),
            ReadOut("dmn_subgenual", "default mode network to subgenual cortex", "z", "difference"),
            ReadOut("subgenual_mpfc", "subgenual to medial prefrontal cortex", "z", "difference"),
            ReadOut("prefrontal_gbc", "prefrontal cortex to all other regions", "z", "difference"),
            ReadOut(
                "prefrontal_gbc_gsr",
                "prefrontal cortex to all other regions, global signal removed",
                "z",
                "difference",
            ),
            ReadOut("whole_gbc", "mean over all pairs of regions", "z", "difference"),
            ReadOut("mutual_information", "mean mutual information of a pair of regions", "nat", "log_ratio"),
        )
    }
)


def _square(fc: ArrayLike) -> _Floats:
    matrix = np.asarray(fc, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise BrainError(f"functional connectivity has shape {matrix.shape}; a square matrix is needed.")
    if not np.isfinite(matrix).all():
        row, column = (int(k) for k in np.argwhere(~np.isfinite(matrix))[0])
        raise BrainError(
            f"functional connectivity of regions {row} and {column} is {matrix[row, column]}; "
            "remove regions without a signal first."
        )
    worst = float(np.abs(matrix).max())
    if worst > 1.0 + 1e-9:
        raise BrainError(
            f"functional connectivity reaches {worst:g}; correlations from -1 to 1 are needed "
            "(divide a covariance by its standard deviations)."
        )
    return matrix


def fisher_z(fc: ArrayLike) -> _Floats:
    """Fisher's z of correlations, with a zero diagonal.

    Parameters
    ----------
    fc : array_like, shape (n, n)
        Correlations.

    Returns
    -------
    array, shape (n, n)
        ``arctanh(fc)``; the diagonal, which has none, is 0.

    Raises
    ------
    BrainError
        If the matrix is not square, not finite or beyond -1 to 1.
    """
    matrix = _square(fc).copy()
    np.fill_diagonal(matrix, 0.0)
    return np.asarray(np.arctanh(np.clip(matrix, -_LARGEST, _LARGEST)), dtype=np.float64)


def without_global_signal(fc: ArrayLike) -> _Floats:
    """Correlations after the mean over all regions has been regressed out, without any time series.

    With standardised signals of correlation R the global mean g has covariances ``c = R 1 / n`` and
    variance ``v = 1' R 1 / n**2``; what regression leaves has covariance ``R - c c' / v``.

    Parameters
    ----------
    fc : array_like, shape (n, n)
        Correlations.

    Returns
    -------
    array, shape (n, n)
        Correlations of the residuals, 1 on the diagonal.

    Raises
    ------
    BrainError
        As :func:`fisher_z`; or if there is no global signal to remove, or a region is nothing but it.
    """
    matrix = _square(fc)
    shared = matrix.mean(axis=1)
    variance = float(matrix.mean())
    if variance <= 1e-12:
        raise BrainError(f"the global signal has variance {variance:g}; there is nothing to regress out.")
    left = matrix - np.outer(shared, shared) / variance
    spread = np.diag(left)
    if spread.min() <= 1e-12:
        raise BrainError(
            f"region {int(spread.argmin())} is the global signal itself; nothing is left after its removal."
        )
    scale = 1.0 / np.sqrt(spread)
    return np.asarray(np.clip(left * np.outer(scale, scale), -1.0, 1.0), dtype=np.float64)


def prefrontal(connectome: Connectome, network: str | None = None) -> _Indices:
    """Prefrontal regions of the control and default networks.

    A region counts as prefrontal by its label (``PFC`` or ``front`` in it, in any case) or by the role
    ``mpfc``; where no region does, by lying before the anterior commissure (y > 0 mm); without positions all
    regions of the two networks are taken.

    Parameters
    ----------
    connectome : Connectome
        With networks and labels.
    network : str, optional
        ``"control"`` or ``"default"`` alone.

    Returns
    -------
    array of int
        Indices, ascending.

    Raises
    ------
    BrainError
        If the network is another one or has no regions here.
    """
    if network not in (None, "control", "default"):
        raise BrainError(
            unknown_name("network with prefrontal regions", str(network), ("control", "default"))
        )
    wanted = ("control", "default") if network is None else (network,)
    every = np.concatenate([connectome.members(name) for name in ("control", "default")])
    medial = set(connectome.named("mpfc").tolist())
    labels = [label.lower() for label in connectome.labels]
    named = [k for k in every if k in medial or "pfc" in labels[k] or "front" in labels[k]]
    if named:
        chosen = named
    elif connectome.positions is not None:
        chosen = [k for k in every if connectome.positions[k, 1] > 0.0]
    else:
        chosen = list(every)
    kept = sorted(int(k) for k in chosen if connectome.networks[k] in wanted)
    if not kept:
        raise BrainError(
            f"{connectome.name}: no prefrontal region in {' or '.join(wanted)}; "
            "give labels with 'PFC' or 'frontal', or positions in mm."
        )
    return np.array(kept, dtype=np.intp)


def _within(z: _Floats, members: _Indices) -> float | None:
    count = len(members)
    if count < 2:
        return None
    return float(z[np.ix_(members, members)].sum() / (count * (count - 1)))


def _between(z: _Floats, first: _Indices, second: _Indices) -> float | None:
    """Mean over pairs of two groups, which may share regions."""
    other = np.setdiff1d(second, first)
    if not len(first) or not len(other):
        return None
    return float(z[np.ix_(first, other)].mean())


def _to_all(z: _Floats, members: _Indices) -> float:
    return float(z[members].sum() / (len(members) * (len(z) - 1)))


def network_readouts(fc: ArrayLike, connectome: Connectome) -> dict[str, float | None]:
    """All read-outs of one functional connectivity matrix.

    Parameters
    ----------
    fc : array_like, shape (n, n)
        Correlations of the regions of ``connectome``.
    connectome : Connectome
        Names the networks and the roles of regions.

    Returns
    -------
    dict of str to float or None
        One entry for each of :data:`READOUTS`; None where the parcellation lacks the regions.

    Raises
    ------
    BrainError
        If the matrix is unusable or of another size than the connectome.
    """
    z = fisher_z(fc)
    if len(z) != connectome.n_regions:
        raise BrainError(
            f"functional connectivity has {len(z)} regions, connectome {connectome.name!r} has "
            f"{connectome.n_regions}; use the same parcellation for both."
        )
    default, control = connectome.members("default"), connectome.members("control")
    role: Callable[[str], _Indices] = connectome.named
    lobe = prefrontal(connectome)
    pairs = np.triu_indices(len(z), 1)
    return {
        "within_dmn": _within(z, default),
        "within_salience": _within(z, connectome.members("salience")),
        "within_control": _within(z, control),
        "within_somatomotor": _within(z, connectome.members("somatomotor")),
        "pcc_mpfc": _between(z, role("pcc"), role("mpfc")),
        "insula_dmn": _between(z, role("insula"), default),
        "dmn_control": _between(z, default, control),
        "dmn_subgenual": _between(z, role("subgenual"), default),
        "subgenual_mpfc": _between(z, role("subgenual"), role("mpfc")),
        "prefrontal_gbc": _to_all(z, lobe),
        "prefrontal_gbc_gsr": _to_all(fisher_z(without_global_signal(fc)), lobe),
        "whole_gbc": float(z[pairs].mean()),
        # A pair with r = tanh(z) shares -log(1 - r**2) / 2 = log(cosh(z)).
        "mutual_information": float(np.log(np.cosh(z[pairs])).mean()),
    }


def communication_loss(reference: float, now: float) -> float:
    """Loss of communication between regions: 1 minus the ratio of mean mutual information.

    Parameters
    ----------
    reference, now : float
        ``mutual_information`` of :func:`network_readouts`, in nats.

    Returns
    -------
    float
        0 for no loss, 1 when regions share nothing, negative for a gain.

    Raises
    ------
    BrainError
        If the reference is not positive.
    """
    if reference <= 0.0:
        raise BrainError(f"the reference shares {reference:g} nats; it must be positive.")
    return 1.0 - now / reference
