"""What a claim is, and what is computed for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ketasim.claims.checks import Check
from ketasim.claims.picture import Picture
from ketasim.claims.work import Work

__all__ = ["Claim", "Computed", "claim"]


@dataclass(frozen=True)
class Computed:
    """The computation behind an answer: its criteria and its figure."""

    checks: tuple[Check, ...]
    picture: Picture


@dataclass(frozen=True)
class Claim:
    """Something that is said about ketamine.

    Parameters
    ----------
    name : str
        Its identifier.
    text : str
        What is said.
    shown : str
        What the computation shows, in words.
    compute : callable
        Gives the criteria and the figure.
    options : tuple of str
        Disputed options of the model on which the answer may depend.
    """

    name: str
    text: str
    shown: str
    compute: Callable[[Work], Computed]
    options: tuple[str, ...] = ()


def claim(name: str, text: str, shown: str, *options: str) -> Callable[[Callable[[Work], Computed]], Claim]:
    """Make a claim of a computation.

    Parameters
    ----------
    name, text, shown
        As of :class:`Claim`.
    *options : str
        Disputed options on which the answer may depend.

    Returns
    -------
    callable
        Decorator that turns a computation into a :class:`Claim`.
    """

    def wrap(compute: Callable[[Work], Computed]) -> Claim:
        return Claim(name, text, shown, compute, options)

    return wrap
