"""The errors that Ketasim raises for bad input, and the help they give.

Every message says where the fault is, what was found, what is allowed and what
to do; the command line prints it as one paragraph and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BrainError",
    "DoseError",
    "EvidenceError",
    "KetasimError",
    "ModelError",
    "SolverError",
    "StudyError",
    "UnitError",
    "unknown_name",
]


class KetasimError(Exception):
    """Base of every error that a user can cause or must be told about."""


class StudyError(KetasimError, ValueError):
    """A study file, or a value in it, cannot be used."""


class DoseError(KetasimError, ValueError):
    """A dose, a regimen or an event table cannot be understood."""


class UnitError(KetasimError, ValueError):
    """A unit is missing, unknown or of the wrong dimension."""


class ModelError(KetasimError, ValueError):
    """A stage, a quantity or a parameter of the model is wrong."""


class BrainError(KetasimError, ValueError):
    """A connectome, or a whole-brain model built on one, cannot be used."""


class EvidenceError(KetasimError, ValueError):
    """A row of the evidence tables breaks their rules."""


class SolverError(KetasimError, RuntimeError):
    """The equations could not be solved for a patient."""


class AbandonedError(KetasimError, RuntimeError):
    """Work was given up because nobody waits for it any more."""


def unknown_name(kind: str, name: str, allowed: Iterable[str]) -> str:
    """Describe an unknown name together with the nearest valid one.

    Parameters
    ----------
    kind : str
        What the name stands for, for example ``"quantity"``.
    name : str
        The name that was given.
    allowed : iterable of str
        The names that exist.

    Returns
    -------
    str
        One sentence or two, without a final line break.
    """
    options = sorted(allowed)
    lowered = {option.lower(): option for option in options}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    message = f"unknown {kind} {name!r}"
    if near:
        return f"{message}; the nearest valid name is {lowered[near[0]]!r}."
    shown = ", ".join(options[:12]) + (", ..." if len(options) > 12 else "")
    return f"{message}; valid names are {shown}."
