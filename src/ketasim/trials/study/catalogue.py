"""The studies that come with the package, and the text of any study file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ketasim.errors import StudyError, unknown_name

__all__ = ["read_study_text", "shipped_studies"]

_SUFFIX = ".yaml"


def shipped_studies() -> tuple[str, ...]:
    """Names of the shipped studies, sorted."""
    folder = files("ketasim") / "studies"
    names = [item.name for item in folder.iterdir() if item.name.endswith(_SUFFIX)]
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names))


def _is_path(name: str) -> bool:
    return "/" in name or "\\" in name or name.lower().endswith((_SUFFIX, ".yml"))


def read_study_text(name_or_path: str | Path) -> tuple[str, str]:
    """Text of a study, and the name to use for it in errors.

    Parameters
    ----------
    name_or_path : str or Path
        A shipped name such as ``"daly2018"``, or the path of a YAML file. Text with a
        slash or ending in ``.yaml`` is a path.

    Returns
    -------
    text, source : str
        The YAML text and where it came from.

    Raises
    ------
    StudyError
        If there is no such study, or the file cannot be read.
    """
    name = str(name_or_path)
    shipped = shipped_studies()
    if isinstance(name_or_path, str) and not _is_path(name):
        if name in shipped:
            file = files("ketasim") / "studies" / f"{name}{_SUFFIX}"
            return file.read_text(encoding="utf-8"), f"{name}{_SUFFIX}"
        if not Path(name).is_file():
            raise StudyError(
                f"{unknown_name('study', name, shipped)} Give a shipped name or the path of a study file; "
                "'ketasim list studies' shows the names."
            )
    path = Path(name_or_path)
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except FileNotFoundError as error:
        raise StudyError(
            f"study file {name!r} does not exist; check the path, or name a shipped study: "
            f"{', '.join(shipped)}."
        ) from error
    except UnicodeDecodeError as error:
        raise StudyError(f"study file {name!r} is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise StudyError(f"study file {name!r} cannot be read: {error.strerror}; check the path.") from error
