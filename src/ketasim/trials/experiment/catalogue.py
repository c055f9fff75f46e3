"""The experiments that come with the package, and the text of any experiment file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from ketasim.errors import StudyError, unknown_name

__all__ = ["read_experiment_text", "shipped_experiments"]

_SUFFIX = ".yaml"


@cache
def shipped_experiments() -> tuple[str, ...]:
    """Names of the shipped experiments, sorted."""
    folder = files("ketasim") / "experiments"
    if not folder.is_dir():
        return ()
    names = [item.name for item in folder.iterdir() if item.name.endswith(_SUFFIX)]
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in names))


def read_experiment_text(name_or_path: str | Path) -> tuple[str, str]:
    """Text of an experiment, and the name to use for it in errors.

    Parameters
    ----------
    name_or_path : str or Path
        A shipped name, or the path of a YAML file.

    Returns
    -------
    text, source : str

    Raises
    ------
    StudyError
        If there is no such experiment, or the file cannot be read.
    """
    name = str(name_or_path)
    if isinstance(name_or_path, str) and name in shipped_experiments():
        file = files("ketasim") / "experiments" / f"{name}{_SUFFIX}"
        return file.read_text(encoding="utf-8"), f"{name}{_SUFFIX}"
    path = Path(name_or_path)
    try:
        return path.read_text(encoding="utf-8"), str(path)
    except FileNotFoundError as error:
        message = unknown_name("experiment", name, shipped_experiments())
        raise StudyError(
            f"{message} Give a shipped name or the path of an experiment file; 'ketasim list experiments' "
            "shows the names."
        ) from error
    except UnicodeDecodeError as error:
        raise StudyError(f"experiment file {name!r} is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise StudyError(f"experiment file {name!r} cannot be read: {error.strerror}.") from error
