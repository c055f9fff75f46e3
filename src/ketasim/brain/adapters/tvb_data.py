"""The connectomes that tvb-data ships as zip archives of text files."""

from __future__ import annotations

import bz2
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.adapters.packages import Package, PackageFiles, check_shape
from ketasim.brain.adapters.regions import Region, chosen, role_indices, table_rows
from ketasim.brain.connectome import Connectome, pairs_by_name, symmetric

__all__ = ["ARCHIVES", "TVB_DATA", "Archive", "read_archive"]

TVB_DATA = Package("tvb-data", "tvb_data", "3.0.0", "pip install tvb-data==3.0.0")

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Archive:
    """One of the zip archives.

    Parameters
    ----------
    file : str
        Under ``connectivity``.
    n : int
        Regions in the file.
    parcellation, column : str
        Table of regions that ships with Ketasim, and its column that holds the names of this file.
    axes : tuple of int
        Which column of the file, counted from 1, points to the right, forward and up; negative if it points
        the other way.
    """

    file: str
    n: int
    parcellation: str
    column: str
    axes: tuple[int, int, int]


ARCHIVES = {
    "tvb-66": Archive("connectivity_66.zip", 66, "desikan", "code_tvb66", (-2, 1, 3)),
    "tvb-68": Archive("connectivity_68.zip", 68, "desikan", "region", (-2, -1, 3)),
    "tvb-76": Archive("connectivity_76.zip", 76, "regionalmap", "region", (-2, 1, 3)),
    "tvb-96": Archive("connectivity_96.zip", 96, "regionalmap", "region", (1, 2, 3)),
}


def read_archive(name: str, files: PackageFiles, subcortical: bool) -> Connectome:
    """Read a connectome; both directions are averaged where the file tells them apart.

    Positions are moved so that the midline is at 0; forward and up keep the zero of the file.

    Parameters
    ----------
    name : str
        One of `ARCHIVES`.
    files : PackageFiles
        Of an installed tvb-data.
    subcortical : bool
        Keep hippocampus, amygdala, basal ganglia and thalamus where the file has them.

    Raises
    ------
    BrainError
        If a file is missing or not as in the version named in `TVB_DATA`.
    """
    archive = ARCHIVES[name]
    relative = f"connectivity/{archive.file}"
    members = files.zipped_text(relative, "a zip archive of text files")
    names, centres = _centres(files, relative, members, archive.n)
    rows = {row[archive.column]: row for row in table_rows(archive.parcellation) if row[archive.column]}
    regions = [_region(files, relative, rows, word) for word in names]
    keep = chosen(regions, subcortical)
    kept = [regions[i] for i in keep]
    pairs = np.ix_(keep, keep)
    weights, lengths = (
        _table(files, relative, members, what, (archive.n, archive.n))[pairs]
        for what in ("weights.txt", "tract_lengths.txt")
    )
    homotopic = pairs_by_name([region.name for region in kept], [region.hemisphere for region in kept])
    return Connectome(
        name=name,
        weights=symmetric(weights),
        labels=tuple(region.label for region in kept),
        networks=tuple(region.network for region in kept),
        hemispheres=tuple(region.hemisphere for region in kept),
        homotopic=homotopic,
        positions=_to_right_forward_up(centres[keep], archive.axes, homotopic),
        lengths=symmetric(lengths),
        source=f"tvb-data {files.version}, {archive.file}; networks by region name (assumed anatomy)",
        roles=role_indices(kept),
    )


def _member(files: PackageFiles, relative: str, members: dict[str, bytes], what: str) -> str:
    try:
        if what in members:
            return members[what].decode("utf-8")
        if f"{what}.bz2" in members:
            return bz2.decompress(members[f"{what}.bz2"]).decode("utf-8")
    except (OSError, ValueError) as problem:
        raise files.error(relative, f"a text {what}", f"{what} cannot be read ({problem})") from None
    raise files.error(relative, f"a text {what} in it", f"it holds {', '.join(sorted(members)) or 'nothing'}")


def _table(
    files: PackageFiles, relative: str, members: dict[str, bytes], what: str, shape: tuple[int, int]
) -> _Floats:
    try:
        table = np.loadtxt(_member(files, relative, members, what).splitlines(), dtype=np.float64)
    except ValueError as problem:
        raise files.error(relative, f"a table of numbers {what}", f"{what}: {problem}") from None
    check_shape(files, f"{relative}, {what}", table, shape)
    return table


def _centres(
    files: PackageFiles, relative: str, members: dict[str, bytes], n: int
) -> tuple[list[str], _Floats]:
    text = _member(files, relative, members, "centres.txt")
    lines = [line.split() for line in text.splitlines() if line.strip()]
    expected = f"{n} lines of a name and three numbers in centres.txt"
    if len(lines) != n:
        raise files.error(relative, expected, f"centres.txt has {len(lines)} lines")
    try:
        # One archive has a fourth column, without numbers.
        centres = np.array([[float(word) for word in line[1:4]] for line in lines])
    except ValueError as problem:
        raise files.error(relative, expected, f"centres.txt: {problem}") from None
    check_shape(files, f"{relative}, centres.txt", centres, (n, 3))
    return [line[0] for line in lines], centres


def _region(files: PackageFiles, relative: str, rows: Mapping[str, Mapping[str, str]], word: str) -> Region:
    """Take hemisphere and name from a word such as ``lCCP``, ``l_insula`` or ``RM-CCp_L``."""
    if word[-2:] in ("_L", "_R"):
        side, name = word[-1], word[:-2].removeprefix("RM-").removeprefix("MM82a-").upper()
    else:
        side, name = word[0].upper(), word[1:].removeprefix("_")
    if name not in rows or side not in "LR":
        known = ", ".join(list(rows)[:6])
        raise files.error(relative, f"regions such as {known}", f"region {word!r} is unknown")
    row = rows[name]
    return Region(row["region"], {"L": "left", "R": "right"}[side], row["network"], row["role"])


def _to_right_forward_up(centres: _Floats, axes: tuple[int, int, int], homotopic: tuple[int, ...]) -> _Floats:
    turned = np.column_stack([np.sign(axis) * centres[:, abs(axis) - 1] for axis in axes])
    paired = [i for i, other in enumerate(homotopic) if other >= 0]
    turned[:, 0] -= turned[paired, 0].mean()
    return turned
