"""Commented study files to start from, one for each kind of design."""

from __future__ import annotations

import re
from importlib.resources import files

from ketasim.errors import StudyError, unknown_name

__all__ = ["new_study_text", "study_designs"]

_IDENTIFIER = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
_SUFFIX = ".yaml"
_DEFAULT = "parallel"


def study_designs() -> dict[str, str]:
    """Kinds of design that there is a template for, each with one sentence about it.

    Returns
    -------
    dict of str to str
        By name, in alphabetical order.
    """
    folder = files("ketasim") / "trials" / "study" / "templates"
    names = sorted(
        item.name.removesuffix(_SUFFIX) for item in folder.iterdir() if item.name.endswith(_SUFFIX)
    )
    found = {}
    for name in names:
        first = (folder / f"{name}{_SUFFIX}").read_text(encoding="utf-8").partition("\n")[0]
        found[name] = "Parallel groups: one regimen each." if name == _DEFAULT else first.removeprefix("# ")
    return found


def new_study_text(study_id: str, design: str = _DEFAULT) -> str:
    """Write a commented study file, valid as it stands.

    Parameters
    ----------
    study_id : str
        Name of the study: letters, digits, ``_`` and ``-``, starting with a letter or digit.
    design : str
        Kind of design, a name of :func:`study_designs`.

    Returns
    -------
    str
        YAML text.

    Raises
    ------
    StudyError
        If the name has other characters, or there is no such design.
    """
    if not _IDENTIFIER.match(study_id):
        near = re.sub(r"[^A-Za-z0-9_-]+", "_", study_id).strip("_-") or "mytrial2026"
        raise StudyError(
            f"{study_id!r} cannot name a study: use letters, digits, '_' and '-', and start with a letter "
            f"or digit, for example {near!r}."
        )
    designs = study_designs()
    if design not in designs:
        raise StudyError(f"--design: {unknown_name('design', design, designs)} All are {', '.join(designs)}.")
    file = files("ketasim") / "trials" / "study" / "templates" / f"{design}{_SUFFIX}"
    return file.read_text(encoding="utf-8").replace("@ID@", study_id)
