"""A connectome from the user's own files."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.connectome import ROLES, Connectome, mirror_pairs, pairs_by_name, symmetric
from ketasim.errors import BrainError, unknown_name

__all__ = ["connectome_from_files"]

_Floats = NDArray[np.float64]

_NEEDED = ("label", "network", "hemisphere")
_AXES = ("x", "y", "z")
_OPTIONAL = ("region", "role", *_AXES, "nmda")


def connectome_from_files(
    weights: str | Path,
    labels: str | Path,
    functional: Mapping[str, str | Path] | None = None,
    lengths: str | Path | None = None,
    name: str | None = None,
    symmetrise: bool = False,
) -> Connectome:
    """Read a connectome from files.

    A matrix is a ``.csv`` (or ``.txt``) of numbers without a header, a ``.npy``, or a ``.npz`` with one
    array; regions in the order of the labels. The diagonal is ignored.

    Parameters
    ----------
    weights : str or Path
        Connection strengths.
    labels : str or Path
        CSV with a header: ``label``, ``network`` (one of `NETWORKS` or ``subcortical``) and ``hemisphere``
        (``left`` or ``right``), and if wanted ``region`` (the name that mirror regions share), ``role`` (one
        of `ROLES`, or empty), ``x, y, z`` (mm: right, anterior, superior) and ``nmda``. Without ``region``
        mirror regions are paired by position, and without positions by the label less its hemisphere.
    functional : mapping of str to path, optional
        Matrix of correlations by group of people.
    lengths : str or Path, optional
        Matrix of fibre lengths in mm.
    name : str, optional
        By default the name of the file of weights.
    symmetrise : bool
        Use the mean of both directions; without it an asymmetric matrix is an error.

    Returns
    -------
    Connectome

    Raises
    ------
    BrainError
        If a file is missing or cannot be read, a column is missing or unknown, a number is none, or the
        connectome breaks a rule of `Connectome`.
    """
    title = Path(weights).stem if name is None else name
    matrix = _matrix(Path(weights))
    if symmetrise:
        matrix = symmetric(_square(Path(weights), matrix))
    elif matrix.ndim == 2:
        np.fill_diagonal(matrix, 0.0)
    rows = _label_rows(Path(labels))
    hemispheres = tuple(row["hemisphere"] for row in rows)
    positions = _columns(Path(labels), rows, _AXES)
    nmda = _columns(Path(labels), rows, ("nmda",))
    return Connectome(
        name=title,
        weights=matrix,
        labels=tuple(row["label"] for row in rows),
        networks=tuple(row["network"] for row in rows),
        hemispheres=hemispheres,
        homotopic=_mirror_regions(rows, hemispheres, positions),
        functional={group: _matrix(Path(path)) for group, path in (functional or {}).items()},
        nmda=None if nmda is None else nmda[:, 0],
        positions=positions,
        lengths=None if lengths is None else _matrix(Path(lengths)),
        source=f"files {Path(weights).name} and {Path(labels).name}",
        roles=_roles(Path(labels), rows),
    )


def _matrix(path: Path) -> _Floats:
    if not path.is_file():
        raise BrainError(f"{path}: there is no such file.")
    try:
        if path.suffix == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                if len(archive.files) != 1:
                    raise BrainError(
                        f"{path}: it holds {', '.join(archive.files) or 'nothing'}; one array is needed, "
                        "save the matrix alone."
                    )
                return np.array(archive[archive.files[0]], dtype=np.float64)
        if path.suffix == ".npy":
            return np.array(np.load(path, allow_pickle=False), dtype=np.float64)
        delimiter = "," if path.suffix == ".csv" else None
        return np.loadtxt(path, dtype=np.float64, delimiter=delimiter, ndmin=2)
    except (ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise BrainError(
            f"{path}: it cannot be read as a matrix of numbers ({problem}); give a .csv without a header, a "
            ".npy, or a .npz with one array."
        ) from None


def _square(path: Path, matrix: _Floats) -> _Floats:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise BrainError(f"{path}: weights have shape {matrix.shape}; a square matrix is needed.")
    return matrix


def _label_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise BrainError(f"{path}: there is no such file.")
    try:
        reader = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
        columns = [(column or "").strip() for column in reader.fieldnames or ()]
        rows = [[(value or "").strip() for value in list(row.values())[: len(columns)]] for row in reader]
    except (UnicodeDecodeError, csv.Error, AttributeError) as problem:
        raise BrainError(f"{path}: it cannot be read as CSV text ({problem}).") from None
    missing = [column for column in _NEEDED if column not in columns]
    if missing:
        raise BrainError(
            f"{path}: no column {', '.join(missing)}; the header must name {', '.join(_NEEDED)} and may name "
            f"{', '.join(_OPTIONAL)}."
        )
    for column in columns:
        if column not in (*_NEEDED, *_OPTIONAL):
            raise BrainError(f"{path}: {unknown_name('column', column, (*_NEEDED, *_OPTIONAL))}")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _columns(path: Path, rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> _Floats | None:
    """Numbers of some columns, or None if the table has none of them."""
    have = [name for name in names if rows and name in rows[0]]
    if not have:
        return None
    if len(have) < len(names):
        raise BrainError(
            f"{path}: columns {', '.join(names)} belong together; only {', '.join(have)} is there."
        )
    values = np.empty((len(rows), len(names)))
    for i, row in enumerate(rows):
        for j, name in enumerate(names):
            try:
                values[i, j] = float(row[name])
            except ValueError:
                raise BrainError(
                    f"{path}, region {row['label']!r}: {name} is {row[name]!r}; write a number."
                ) from None
    return values


def _mirror_regions(
    rows: Sequence[Mapping[str, str]], hemispheres: Sequence[str], positions: _Floats | None
) -> tuple[int, ...]:
    if set(hemispheres) - {"left", "right"}:
        return (-1,) * len(rows)  # the connectome names the one that is wrong
    if rows and "region" in rows[0]:
        return pairs_by_name([row["region"] for row in rows], hemispheres)
    if positions is not None and np.isfinite(positions).all():
        return mirror_pairs(positions, hemispheres)
    return pairs_by_name([_without_side(row["label"]) for row in rows], hemispheres)


def _without_side(label: str) -> str:
    """Take away what commonly marks a hemisphere at either end of a label."""
    for mark in ("left", "right", "lh", "rh", "l", "r"):
        for joint in "_-. ":
            if label.lower().startswith(mark + joint):
                return label[len(mark) + 1 :]
            if label.lower().endswith(joint + mark):
                return label[: -len(mark) - 1]
    return label


def _roles(path: Path, rows: Sequence[Mapping[str, str]]) -> dict[str, tuple[int, ...]]:
    for row in rows:
        role = row.get("role", "")
        if role and role not in ROLES:
            raise BrainError(
                f"{path}, region {row['label']!r}: {unknown_name('role of a region', role, ROLES)}"
            )
    return {role: tuple(i for i, row in enumerate(rows) if row.get("role", "") == role) for role in ROLES}
