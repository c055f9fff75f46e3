"""Where the persons of a trial stand while it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ketasim.trials.conduct.stays import Path, Stay

__all__ = ["Event", "Progress"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.object_]


class Event(NamedTuple):
    """Something that happened to a person."""

    person: int  #: place in the group that is simulated together
    time_h: float
    kind: str
    detail: str
    arm: int  #: place of the arm in force


@dataclass
class Progress:
    """The state of a trial's persons, changed visit by visit.

    Parameters
    ----------
    paths : list of Path
        Each person's way through the arms so far.
    entry_score : array
        Rated total at entry, in points.
    arm_score : array
        The last rated total when the current arm was entered.
    last_score : array
        The last rated total.
    in_trial, on_treatment : array of bool
        Whether a person is still seen, and whether his arm's doses go on.
    reason : array of str
        Why a person is not seen any more; empty as long as he is.
    left_h, stopped_h : array
        When he left the trial, and when his treatment ended; NaN if he did not, it did not.
    stop_reason : array of str
        Why treatment ended.
    strongest : array
        Largest felt effect since the current arm's first dose.
    belief : array
        Belief at the last visit.
    sessions : array of int
        Treatment visits so far.
    held : dict of str to array of int
        How often in a row each rule's conditions held.
    events : list of Event
        What happened so far.
    """

    paths: list[Path]
    entry_score: FloatArray
    arm_score: FloatArray
    last_score: FloatArray
    in_trial: BoolArray
    on_treatment: BoolArray
    reason: TextArray
    left_h: FloatArray
    stopped_h: FloatArray
    stop_reason: TextArray
    strongest: FloatArray
    belief: FloatArray
    sessions: IntArray
    held: dict[str, IntArray] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @classmethod
    def start(cls, paths: Sequence[Path], entry_score: FloatArray, belief: FloatArray) -> Progress:
        """All at entry, each in his first arm."""
        count = len(paths)
        nothing = np.full(count, np.nan)
        return cls(
            list(paths),
            entry_score.copy(),
            entry_score.copy(),
            entry_score.copy(),
            np.ones(count, dtype=bool),
            np.ones(count, dtype=bool),
            np.full(count, "", dtype=object),
            nothing.copy(),
            nothing.copy(),
            np.full(count, "", dtype=object),
            np.zeros(count),
            belief.copy(),
            np.zeros(count, dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def arms(self) -> IntArray:
        """Place of the arm in which each person is."""
        return np.array([path[-1].arm for path in self.paths], dtype=np.int64)

    @property
    def entered_h(self) -> FloatArray:
        """When each person entered his arm."""
        return np.array([path[-1].start_h for path in self.paths], dtype=np.float64)

    def enter(self, person: int, stay: Stay, kind: str, detail: str) -> None:
        """Move a person into another arm."""
        path = self.paths[person]
        last = path[-1]._replace(end_h=min(path[-1].end_h, stay.start_h))
        self.paths[person] = (*path[:-1], last, stay)
        self.arm_score[person] = self.last_score[person]
        self.strongest[person] = 0.0
        self.on_treatment[person] = True
        self.events.append(Event(person, stay.start_h, kind, detail, stay.arm))

    def stop(self, person: int, time_h: float, reason: str) -> None:
        """End a person's treatment; he stays in the trial."""
        if not self.on_treatment[person]:
            return
        path = self.paths[person]
        self.paths[person] = (*path[:-1], path[-1]._replace(end_h=min(path[-1].end_h, time_h)))
        self.on_treatment[person] = False
        self.stopped_h[person], self.stop_reason[person] = time_h, reason
        self.events.append(Event(person, time_h, "stopped", reason, path[-1].arm))

    def leave(self, person: int, time_h: float, reason: str) -> None:
        """Take a person out of the trial."""
        if not self.in_trial[person]:
            return
        self.in_trial[person] = False
        self.reason[person] = f"withdrawn: {reason}"
        self.left_h[person] = time_h
        self.events.append(Event(person, time_h, "withdrawn", reason, self.paths[person][-1].arm))

    def fail(self, person: int, reason: str) -> None:
        """Note that a person cannot be simulated from here on."""
        self.in_trial[person] = False
        self.reason[person] = f"not simulated: {reason}"
