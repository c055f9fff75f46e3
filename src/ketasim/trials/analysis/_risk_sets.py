"""Who was at risk at each event, in many trials at once, with ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.trials.analysis._samples import Flags, Floats


@dataclass(frozen=True)
class RiskSets:
    """Persons of each trial (row) in order of time, and what was known at the time of each.

    Parameters
    ----------
    event : ndarray (..., n)
        1 if the person's time is that of an event.
    member : ndarray (..., n, groups)
        1 in the column of the person's group.
    first : ndarray (..., n) of int
        Place of the first person with the same time.
    opens : ndarray (..., n) of bool
        Whether the person is that first one.
    at_risk, deaths : ndarray (..., n, groups)
        Persons at risk, and events, at the person's time.
    earlier : ndarray (..., n)
        Events at the same time that stand before the person.
    """

    event: Floats
    member: Floats
    first: npt.NDArray[np.intp]
    opens: Flags
    at_risk: Floats
    deaths: Floats
    earlier: Floats


def risk_sets(time: Floats, event: Flags, member: Floats) -> RiskSets:
    """Order trials by time and count; `time` and `event` (..., n), `member` (..., n, groups)."""
    order = np.argsort(time, axis=-1, kind="stable")
    when = np.take_along_axis(time, order, axis=-1)
    happened = np.take_along_axis(event, order, axis=-1).astype(np.float64)
    member = np.take_along_axis(
        np.broadcast_to(member, (*time.shape, member.shape[-1])), order[..., None], -2
    )
    n = when.shape[-1]
    opens = np.ones(when.shape, dtype=np.bool_)
    opens[..., 1:] = when[..., 1:] != when[..., :-1]
    closes = np.ones_like(opens)
    closes[..., :-1] = opens[..., 1:]
    place = np.arange(n)
    first = np.maximum.accumulate(np.where(opens, place, 0), axis=-1)
    last = np.minimum.accumulate(np.where(closes, place, n)[..., ::-1], axis=-1)[..., ::-1]
    by_group = np.cumsum(member[..., ::-1, :], axis=-2)[..., ::-1, :]
    died = happened[..., None] * member
    gone = np.concatenate([np.zeros_like(died[..., :1, :]), np.cumsum(died, axis=-2)], axis=-2)
    until = np.take_along_axis(gone, first[..., None], -2)
    return RiskSets(
        event=happened,
        member=member,
        first=first,
        opens=opens,
        at_risk=np.take_along_axis(by_group, first[..., None], -2),
        deaths=np.take_along_axis(gone, last[..., None] + 1, -2) - until,
        earlier=(gone[..., :-1, :] - until).sum(axis=-1),
    )
