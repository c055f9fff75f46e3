"""The wiring that a whole-brain model runs on, and what is checked before anything is computed from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from ketasim.errors import BrainError, unknown_name

__all__ = ["NETWORKS", "ROLES", "SUBCORTICAL", "Connectome", "mirror_pairs", "pairs_by_name", "symmetric"]

_Floats = NDArray[np.float64]

NETWORKS = ("visual", "somatomotor", "dorsal_attention", "salience", "limbic", "control", "default")
"""The seven cortical networks of Yeo et al. 2011, in the order of that paper."""

SUBCORTICAL = "subcortical"
"""What a region outside the cortex has in place of a network."""

ROLES = ("pcc", "mpfc", "insula", "subgenual")
"""Places that read-outs ask for: posterior cingulate, medial prefrontal, insula, subgenual cingulate."""

_HEMISPHERES = ("left", "right")
# A matrix read from text is symmetric to the digits that were written.
_ASYMMETRY = 1e-6
_DEFAULT_REGIONS = 2  # connectivity within a network needs a pair


@dataclass(frozen=True, eq=False)
class Connectome:
    """Regions of a brain, how strongly they are joined, and what is known of each.

    Matrices are scaled on construction (weights to a mean row sum of 1, the receptor map to mean 0 and
    standard deviation 1) and made read-only.

    Parameters
    ----------
    name : str
        For messages, figures and files.
    weights : array_like, shape (n, n)
        Structural connection strength, any unit; symmetric, not negative, zero diagonal.
    labels : sequence of str, length n
        One different name a region.
    networks : sequence of str, length n
        One of `NETWORKS`, or ``"subcortical"``. At least two regions are ``"default"``, because the
        read-outs are of the default network.
    hemispheres : sequence of str, length n
        ``"left"`` or ``"right"``.
    homotopic : sequence of int, length n
        Index of the region's mirror image in the other hemisphere, -1 if it has none.
    functional : mapping of str to array_like, shape (n, n)
        Correlation matrix by group of people. May be empty.
    nmda : array_like, shape (n,), optional
        Density of NMDA receptors, any unit.
    positions : array_like, shape (n, 3), optional
        Centres in mm: right, anterior, superior.
    lengths : array_like, shape (n, n), optional
        Fibre lengths in mm.
    source : str
        Where the numbers come from.
    roles : mapping of str to sequence of int
        Indices of the regions that take each of `ROLES`; a role that is missing has no region.

    Raises
    ------
    BrainError
        If any of this does not hold. The message names the region or the pair.
    """

    name: str
    weights: _Floats
    labels: tuple[str, ...]
    networks: tuple[str, ...]
    hemispheres: tuple[str, ...]
    homotopic: tuple[int, ...]
    functional: Mapping[str, _Floats] = field(default_factory=dict)
    nmda: _Floats | None = None
    positions: _Floats | None = None
    lengths: _Floats | None = None
    source: str = ""
    roles: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"connectome {self.name!r}"
        labels = tuple(str(label) for label in self.labels)
        weights = _checked_weights(where, self.weights, labels)
        n = len(labels)
        _check_names(where, n, self.networks, self.hemispheres)
        values: dict[str, object] = {
            "labels": labels,
            "weights": _frozen(weights / (weights.sum() / n)),
            "networks": tuple(self.networks),
            "hemispheres": tuple(self.hemispheres),
            "homotopic": _checked_homotopic(where, self.homotopic, labels, self.hemispheres),
            "functional": _checked_functional(where, self.functional, labels),
            "nmda": None if self.nmda is None else _standardised(where, self.nmda, n),
            "positions": _optional(where, "positions", self.positions, (n, 3)),
            "lengths": _optional(where, "lengths", self.lengths, (n, n)),
            "roles": _checked_roles(where, self.roles, n),
        }
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return len(self.labels)

    def members(self, network: str) -> NDArray[np.intp]:
        """Indices of the regions of a network (empty if the parcellation has none).

        Raises
        ------
        BrainError
            If `network` is neither one of `NETWORKS` nor ``"subcortical"``.
        """
        allowed = (*NETWORKS, SUBCORTICAL)
        if network not in allowed:
            raise BrainError(unknown_name("network", network, allowed))
        return np.flatnonzero(np.array([one == network for one in self.networks], dtype=bool))

    def named(self, role: str) -> NDArray[np.intp]:
        """Indices of the regions that take a role (empty if the parcellation has none).

        Raises
        ------
        BrainError
            If `role` is not one of `ROLES`.
        """
        if role not in ROLES:
            raise BrainError(unknown_name("role of a region", role, ROLES))
        return np.array(self.roles.get(role, ()), dtype=np.intp)

    def group(self, name: str) -> _Floats:
        """Functional connectivity of one group of people, shape (n, n).

        Raises
        ------
        BrainError
            If the connectome has no such group.
        """
        if not self.functional:
            raise BrainError(
                f"connectome {self.name!r} holds no functional connectivity, so no group {name!r}."
            )
        if name not in self.functional:
            raise BrainError(f"connectome {self.name!r}: {unknown_name('group', name, self.functional)}")
        return self.functional[name]


def symmetric(weights: ArrayLike) -> _Floats:
    """Mean of both directions, with no connection of a region to itself.

    A region's own recurrence is a parameter of the node, not of the connectome.

    Parameters
    ----------
    weights : array_like, shape (n, n)

    Returns
    -------
    numpy.ndarray, shape (n, n)
    """
    matrix = np.array(weights, dtype=np.float64)
    matrix = (matrix + matrix.T) / 2.0
    np.fill_diagonal(matrix, 0.0)
    return matrix


def mirror_pairs(positions: ArrayLike, hemispheres: Sequence[str], limit_mm: float = 20.0) -> tuple[int, ...]:
    """Pair regions with their mirror images by position.

    The pairing of least total distance between the left centres and the reflected right ones, where none is
    farther apart than the limit.

    Parameters
    ----------
    positions : array_like, shape (n, 3)
        Centres in mm, the first axis pointing to the right with 0 at the midline.
    hemispheres : sequence of str, length n
        ``"left"`` or ``"right"``.
    limit_mm : float
        Largest distance of a pair after reflection.

    Returns
    -------
    tuple of int
        Index of the mirror region, -1 if there is none.
    """
    centres = np.asarray(positions, dtype=np.float64)
    left = np.flatnonzero([side == "left" for side in hemispheres])
    right = np.flatnonzero([side == "right" for side in hemispheres])
    reflected = centres[right] * np.array([-1.0, 1.0, 1.0])
    distance = np.linalg.norm(centres[left][:, None, :] - reflected[None, :, :], axis=2)
    pairs = np.full(len(centres), -1)
    # Beyond the limit all are equally far, so that a region without a partner does not push others apart.
    for row, column in zip(*linear_sum_assignment(np.minimum(distance, limit_mm)), strict=True):
        if distance[row, column] <= limit_mm:
            pairs[left[row]], pairs[right[column]] = right[column], left[row]
    return tuple(int(index) for index in pairs)


def pairs_by_name(regions: Sequence[str], hemispheres: Sequence[str]) -> tuple[int, ...]:
    """Pair regions of the two hemispheres that bear the same name.

    Parameters
    ----------
    regions, hemispheres : sequence of str, length n
        Name without the hemisphere, and ``"left"`` or ``"right"``.

    Returns
    -------
    tuple of int
        Index of the mirror region, -1 if there is none.
    """
    index = {(name, side): i for i, (name, side) in enumerate(zip(regions, hemispheres, strict=True))}
    other = {"left": "right", "right": "left"}
    return tuple(index.get((name, other[side]), -1) for name, side in zip(regions, hemispheres, strict=True))


def _frozen(values: ArrayLike) -> _Floats:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _checked_weights(where: str, values: ArrayLike, labels: Sequence[str]) -> _Floats:
    weights = np.array(values, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or len(weights) < 2:
        raise BrainError(f"{where}: weights have shape {weights.shape}; a square matrix is needed.")
    n = len(weights)
    if len(labels) != n:
        raise BrainError(f"{where}: {len(labels)} labels for {n} regions; give one label a region.")
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise BrainError(f"{where}: label {twice[0]!r} stands for more than one region; make labels unique.")
    _check_matrix(where, "weights", weights, labels)
    i, j = _place_of_largest(-weights)
    if weights[i, j] < 0.0:
        raise BrainError(
            f"{where}: the weight from {labels[i]} to {labels[j]} is {weights[i, j]:g}; "
            "weights are not negative (a matrix of correlations or of log weights is no connectome)."
        )
    itself = int(np.argmax(np.diag(weights)))
    if weights[itself, itself] > 0.0:
        raise BrainError(
            f"{where}: region {labels[itself]} is joined to itself ({weights[itself, itself]:g}); set the "
            "diagonal to 0, local recurrence is a parameter of the node."
        )
    alone = [label for label, total in zip(labels, weights.sum(axis=1), strict=True) if total == 0.0]
    if alone:
        raise BrainError(f"{where}: no connection at all: {', '.join(alone[:5])}; leave such regions out.")
    return weights


def _check_matrix(where: str, what: str, matrix: _Floats, labels: Sequence[str]) -> None:
    """Refuse numbers that are not finite, and two directions that differ."""
    if not np.isfinite(matrix).all():
        i, j = np.argwhere(~np.isfinite(matrix))[0]
        raise BrainError(
            f"{where}: {what} at {labels[i]}, {labels[j]} (row {i + 1}, column {j + 1}) is {matrix[i, j]}; "
            f"{int((~np.isfinite(matrix)).sum())} of {matrix.size} numbers are not finite. Fill or drop them."
        )
    difference = np.abs(matrix - matrix.T)
    if difference.max() > _ASYMMETRY * np.abs(matrix).max():
        i, j = _place_of_largest(difference)
        raise BrainError(
            f"{where}: {what} are not symmetric; the worst pair is {labels[i]}, {labels[j]} with "
            f"{matrix[i, j]:g} one way and {matrix[j, i]:g} the other. Use the mean of both directions "
            "(ketasim.brain.symmetric)."
        )


def _place_of_largest(matrix: _Floats) -> tuple[int, int]:
    row, column = divmod(int(np.argmax(matrix)), matrix.shape[1])
    return row, column


def _check_names(where: str, n: int, networks: Sequence[str], hemispheres: Sequence[str]) -> None:
    for what, names in (("networks", networks), ("hemispheres", hemispheres)):
        if len(names) != n:
            raise BrainError(f"{where}: {len(names)} {what} for {n} regions; give one a region.")
    allowed = (*NETWORKS, SUBCORTICAL)
    for name in networks:
        if name not in allowed:
            raise BrainError(f"{where}: {unknown_name('network', name, allowed)}")
    for name in hemispheres:
        if name not in _HEMISPHERES:
            raise BrainError(f"{where}: {unknown_name('hemisphere', name, _HEMISPHERES)}")
    found = sum(name == "default" for name in networks)
    if found < _DEFAULT_REGIONS:
        raise BrainError(
            f"{where}: {found} of {n} regions belong to network 'default'; at least {_DEFAULT_REGIONS} are "
            "needed, because every read-out is of the default network. Is this the parcellation you meant?"
        )


def _checked_homotopic(
    where: str, values: Sequence[int], labels: Sequence[str], hemispheres: Sequence[str]
) -> tuple[int, ...]:
    n = len(labels)
    if len(values) != n:
        raise BrainError(
            f"{where}: {len(values)} mirror regions for {n} regions; give -1 where there is none."
        )
    for i, value in enumerate(values):
        if value == -1:
            continue
        if not 0 <= value < n or values[value] != i or hemispheres[value] == hemispheres[i]:
            raise BrainError(
                f"{where}: the mirror region of {labels[i]} is given as {value}; it must be the index of a "
                "region of the other hemisphere whose own mirror region is this one, or -1."
            )
    return tuple(int(value) for value in values)


def _checked_functional(
    where: str, groups: Mapping[str, _Floats], labels: Sequence[str]
) -> Mapping[str, _Floats]:
    n = len(labels)
    checked: dict[str, _Floats] = {}
    for name, values in groups.items():
        matrix = np.array(values, dtype=np.float64)
        if matrix.shape != (n, n):
            raise BrainError(
                f"{where}: functional connectivity of {name!r} has shape {matrix.shape}; "
                f"{(n, n)} is needed, regions in the order of the labels."
            )
        _check_matrix(where, f"correlations of {name!r}", matrix, labels)
        if np.abs(matrix).max() > 1.0 + _ASYMMETRY:
            raise BrainError(
                f"{where}: functional connectivity of {name!r} reaches {np.abs(matrix).max():g}; "
                "correlations lie between -1 and 1 (not Fisher z)."
            )
        np.fill_diagonal(matrix, 1.0)
        checked[name] = _frozen(matrix)
    return checked


def _checked_roles(where: str, roles: Mapping[str, Sequence[int]], n: int) -> Mapping[str, tuple[int, ...]]:
    for role, indices in roles.items():
        if role not in ROLES:
            raise BrainError(f"{where}: {unknown_name('role of a region', role, ROLES)}")
        if any(not 0 <= index < n for index in indices):
            raise BrainError(
                f"{where}: role {role!r} has indices {tuple(indices)}; regions are 0 to {n - 1}."
            )
    return {role: tuple(int(i) for i in indices) for role, indices in roles.items()}


def _standardised(where: str, values: ArrayLike, n: int) -> _Floats:
    density = _optional(where, "nmda", values, (n,))
    if density is None or density.std() == 0.0:
        raise BrainError(f"{where}: the NMDA receptor map is the same everywhere; leave it out.")
    return _frozen((density - density.mean()) / density.std())


def _optional(where: str, what: str, values: ArrayLike | None, shape: tuple[int, ...]) -> _Floats | None:
    if values is None:
        return None
    array = np.array(values, dtype=np.float64)
    if array.shape != shape:
        raise BrainError(f"{where}: {what} have shape {array.shape}; {shape} is needed.")
    if not np.isfinite(array).all():
        place = tuple(int(i) + 1 for i in np.argwhere(~np.isfinite(array))[0])
        raise BrainError(f"{where}: {what} at {place} (counted from 1) are not finite.")
    return _frozen(array)
