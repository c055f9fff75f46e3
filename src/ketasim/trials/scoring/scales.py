"""Rating scales: their tops and thresholds, and how one follows from another.

The chain gives MADRS, HAM-D 17, suicidal ideation and pain. Every other scale is
linked to one of them: a monotone line through published pairs of totals, and what
a person and an occasion have of their own beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import ModelError, StudyError, unknown_name
from ketasim.trials.scoring.sourced import Sourced, read_sourced

__all__ = ["SCALES", "SCALE_TOP", "Scale", "from_base", "from_madrs", "scale_named", "scales_from_rows"]

Array = NDArray[np.float64]

_KEYS = ("scale", "item", "base_total")

#: Name, label, and what it is linked to; without a base it is a read-out of the chain.
_ABOUT: Mapping[str, tuple[str, str]] = {
    "madrs": ("Montgomery-Asberg Depression Rating Scale", ""),
    "hamd17": ("Hamilton Depression Rating Scale, 17 items", ""),
    "pain_nrs": ("pain, numeric rating scale", ""),
    "ssi": ("Scale for Suicide Ideation", "suicidal_ideation"),
    "cgi_ss": ("Clinical Global Impression, severity of suicidality", "suicidal_ideation"),
    "hamd6": ("Hamilton Depression Rating Scale, 6 items", "hamd17"),
    "hamd21": ("Hamilton Depression Rating Scale, 21 items", "hamd17"),
    "hamd24": ("Hamilton Depression Rating Scale, 24 items", "hamd17"),
    "hamd25": ("Hamilton Depression Rating Scale, 25 items", "hamd17"),
    "qids_sr16": ("Quick Inventory of Depressive Symptomatology, self-report", "madrs"),
    "phq9": ("Patient Health Questionnaire, 9 items", "madrs"),
    "hama": ("Hamilton Anxiety Rating Scale", "madrs"),
    "caps5": ("Clinician-Administered PTSD Scale for DSM-5", "madrs"),
    "pcl5": ("PTSD Checklist for DSM-5", "madrs"),
    "ies_r": ("Impact of Event Scale, revised", "madrs"),
}

#: Highest value of each base, which a link must reach.
_BASE_TOP = {"madrs": 60.0, "hamd17": 52.0, "suicidal_ideation": 38.0}


@dataclass(frozen=True)
class Scale:
    """One rating scale; every scale here starts at 0 and is lower when better.

    Parameters
    ----------
    name, label : str
        Public name, and what it stands for.
    base : str
        Quantity whose scored total it follows; empty for a read-out of the chain.
    maximum : float
        Highest total, in points.
    remission : float or None
        Largest total that counts as remission; None where none is in use.
    response : float
        Share of the total at entry by which it must fall to count as response.
    person_sd, occasion_sd : float
        What a person keeps of his own beside the link, and what each rating has; in points.
    base_totals, totals : tuple of float
        The link: corresponding totals of base and scale, both increasing.
    """

    name: str
    label: str
    base: str
    maximum: float
    remission: float | None
    response: float
    person_sd: float = 0.0
    occasion_sd: float = 0.0
    base_totals: tuple[float, ...] = ()
    totals: tuple[float, ...] = ()

    @property
    def is_read_out(self) -> bool:
        """Whether the chain gives it, so that it is scored and not linked."""
        return not self.base

    @property
    def residual_sd(self) -> float:
        """SD of one rating about the link, in points."""
        return math.hypot(self.person_sd, self.occasion_sd)

    def linked(self, base_total: ArrayLike) -> Array:
        """Total that corresponds to a total of the base, without residual.

        Raises
        ------
        StudyError
            If the scale is a read-out of the chain and has no link.
        """
        if self.is_read_out:
            raise StudyError(
                f"scale {self.name!r} is given by the chain; score the quantity {self.name!r} itself."
            )
        at = np.asarray(base_total, dtype=np.float64)
        return np.asarray(np.interp(at, self.base_totals, self.totals), dtype=np.float64)


def scales_from_rows(rows: Iterable[Sourced]) -> dict[str, Scale]:
    """Put scales together from the rows of their table.

    Parameters
    ----------
    rows : iterable of Sourced
        Keys are scale, item (``maximum``, ``remission``, ``response``, ``person_sd``,
        ``occasion_sd`` or ``link``) and, of a link, the base's total.

    Returns
    -------
    dict of str to Scale
        By name.

    Raises
    ------
    ModelError
        If a scale or an item is unknown, stands twice or is missing, or a link does not
        rise over the whole range of its base.
    """
    items: dict[str, dict[str, float]] = {name: {} for name in _ABOUT}
    links: dict[str, list[tuple[float, float]]] = {name: [] for name in _ABOUT}
    for row in rows:
        name, item, base_total = row.key
        if name not in _ABOUT:
            raise ModelError(f"scales: {unknown_name('scale', name, _ABOUT)}")
        if item == "link":
            links[name].append((float(base_total), row.value))
        elif item not in ("maximum", "remission", "response", "person_sd", "occasion_sd"):
            raise ModelError(
                f"scale {name!r}: {unknown_name('item', item, ('maximum', 'remission', 'link'))}"
            )
        elif item in items[name]:
            raise ModelError(f"scale {name!r}: {item} stands twice; leave one row.")
        else:
            items[name][item] = row.value
    return {name: _scale(name, items[name], links[name]) for name in _ABOUT}


def _scale(name: str, items: Mapping[str, float], link: list[tuple[float, float]]) -> Scale:
    label, base = _ABOUT[name]
    needed = ("maximum", "response", *(("person_sd", "occasion_sd") if base else ()))
    for item in needed:
        if item not in items:
            raise ModelError(f"scale {name!r}: {item} is missing; add its row.")
    if base:
        _check_link(name, base, items["maximum"], link)
    return Scale(
        name=name,
        label=label,
        base=base,
        maximum=items["maximum"],
        remission=items.get("remission"),
        response=items["response"],
        person_sd=items.get("person_sd", 0.0),
        occasion_sd=items.get("occasion_sd", 0.0),
        base_totals=tuple(at for at, _ in link),
        totals=tuple(total for _, total in link),
    )


def _check_link(name: str, base: str, maximum: float, link: list[tuple[float, float]]) -> None:
    at, totals = np.array(link, dtype=np.float64).reshape(-1, 2).T
    top = _BASE_TOP[base]
    if at.size < 2 or at[0] != 0.0 or at[-1] != top or (np.diff(at) <= 0.0).any():
        raise ModelError(
            f"scale {name!r}: the link's totals of {base} must rise from 0 to {top:g}, its top; "
            f"they are {at.tolist()}."
        )
    if totals[0] < 0.0 or totals[-1] > maximum or (np.diff(totals) <= 0.0).any():
        raise ModelError(
            f"scale {name!r}: the linked totals must rise and stay within 0 to {maximum:g}; "
            f"they are {totals.tolist()}."
        )


#: Every scale by name.
SCALES: Mapping[str, Scale] = MappingProxyType(scales_from_rows(read_sourced("scales.csv", _KEYS)))

#: Highest total of every scale.
SCALE_TOP: Mapping[str, float] = MappingProxyType({name: scale.maximum for name, scale in SCALES.items()})


def scale_named(name: str) -> Scale:
    """Return a scale.

    Raises
    ------
    StudyError
        If there is none of that name.
    """
    if name not in SCALES:
        raise StudyError(unknown_name("scale", name, SCALES))
    return SCALES[name]


def from_base(scale: str, scored: ArrayLike, person_z: ArrayLike = 0.0, occasion_z: ArrayLike = 0.0) -> Array:
    """Total on a linked scale, given the scored total of its base.

    Parameters
    ----------
    scale : str
        Name of a linked scale.
    scored : array_like, shape (...)
        Scored total of the scale's ``base``, in points, without occasion and rater error
        (``score`` with error 0): each scale has its own.
    person_z : array_like
        One standard normal a person and scale, the same at all his ratings; broadcasts with
        ``scored``.
    occasion_z : array_like
        One standard normal a rating; broadcasts likewise.

    Returns
    -------
    ndarray
        From 0 to the scale's top, not rounded.

    Raises
    ------
    StudyError
        If the scale is unknown, or a read-out of the chain.

    Notes
    -----
    Means follow the published link (equated totals). The residual makes single ratings
    disagree with the base as published, and widens the scale's spread by about as much.
    """
    own = scale_named(scale)
    residual = own.person_sd * np.asarray(person_z, dtype=np.float64)
    residual = residual + own.occasion_sd * np.asarray(occasion_z, dtype=np.float64)
    return np.asarray(np.clip(own.linked(scored) + residual, 0.0, own.maximum), dtype=np.float64)


def from_madrs(
    scale: str, madrs_scored: ArrayLike, person_z: ArrayLike = 0.0, occasion_z: ArrayLike = 0.0
) -> Array:
    """Total on a scale that is linked to the MADRS; see :func:`from_base`.

    Raises
    ------
    StudyError
        If the scale is unknown or follows another quantity; the message names it.
    """
    own = scale_named(scale)
    if own.base != "madrs":
        kind = f"follows {own.base!r}" if own.base else "is given by the chain"
        linked = ", ".join(name for name, item in SCALES.items() if item.base == "madrs")
        raise StudyError(f"scale {scale!r} {kind}, not the MADRS; linked to the MADRS are {linked}.")
    return from_base(scale, madrs_scored, person_z, occasion_z)
