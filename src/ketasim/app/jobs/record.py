"""What a server knows of one long run, and how it tells it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from ketasim.app.jobs.state import JobFolder

__all__ = ["ENDED", "Event", "JobRecord", "State", "now_text"]

State = Literal["queued", "running", "stopping", "finished", "stopped", "failed", "interrupted"]

#: States that only a person's wish ends.
ENDED: frozenset[State] = frozenset(("finished", "stopped", "failed", "interrupted"))


def now_text() -> str:
    """The time, as text that every language reads."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Event:
    """Something that was told: the newest of its name replaces those before.

    Parameters
    ----------
    id : int
        Grows from event to event, also over a restart of the server.
    name : str
        ``state``, ``progress``, ``partial``, ``done`` or ``failed``.
    data : mapping
        What is told.
    """

    id: int
    name: str
    data: Mapping[str, Any]


@dataclass
class JobRecord:
    """One long run.

    Parameters
    ----------
    folder : JobFolder
        Where all of it is kept.
    kind, name : str
        ``trial`` or ``population``, and what a person calls it.
    total, trials : int
        People in all, and trials (0 for a population).
    estimate_s : float
        Roughly how long it takes.
    created : str
        When it was asked for.
    state : str
        See :data:`State`.
    finished : str or None
        When it ended.
    order : int
        Grows from run to run; the one with the least is next.
    attempts : int
        How often its process began and the server was gone before it ended.
    stop_asked : bool
        Whether it is to end with what it has.
    note : str
        What happened to it on the way, in a sentence.
    problem : dict or None
        Why it failed.
    progress : dict or None
        How far it is.
    events : dict of str to Event
        The newest event of each name.
    is_gone : bool
        Whether it was deleted.
    """

    folder: JobFolder
    kind: str
    name: str
    total: int
    trials: int
    estimate_s: float
    created: str = field(default_factory=now_text)
    state: State = "queued"
    finished: str | None = None
    order: int = field(default_factory=time.time_ns)
    attempts: int = 0
    stop_asked: bool = False
    note: str = ""
    problem: dict[str, Any] | None = None
    progress: dict[str, Any] | None = None
    events: dict[str, Event] = field(default_factory=dict)
    is_gone: bool = False

    @property
    def id(self) -> str:
        """Id of the run."""
        return self.folder.id

    @property
    def has_result(self) -> bool:
        """Whether there is a result, if only of a part."""
        return self.folder.has("result") or self.folder.has("partial")

    def tell(self, name: str, data: Mapping[str, Any]) -> None:
        """Note an event; the newest of its name replaces those before."""
        last = max((event.id for event in self.events.values()), default=0)
        # Milliseconds go on over a restart, so that a page never takes a new event for an old one.
        self.events[name] = Event(max(last + 1, time.time_ns() // 1_000_000), name, data)

    def since(self, last: int) -> list[Event]:
        """Events that are newer than one, oldest first."""
        return sorted((item for item in self.events.values() if item.id > last), key=lambda item: item.id)

    def save(self) -> None:
        """Write what must outlive the server.

        Raises
        ------
        OSError
            If the disk is full, or the folder is gone.
        """
        kept = ("kind", "name", "total", "trials", "estimate_s", "created", "state", "finished", "order")
        more = ("attempts", "stop_asked", "note", "problem", "progress")
        self.folder.write("job", {name: getattr(self, name) for name in (*kept, *more)})

    @classmethod
    def load(cls, folder: JobFolder) -> JobRecord | None:
        """Read a run that an earlier server kept; None if its file is missing or damaged."""
        data = folder.read("job")
        try:
            record = cls(folder, **data)
        except TypeError:
            return None
        if record.state not in get_args(State):
            return None
        record.tell("state", {"state": record.state})
        if record.progress is not None:
            record.tell("progress", record.progress)
        if record.state not in ENDED and (partial := folder.read("partial")) is not None:
            record.tell("partial", partial)
        if record.state == "failed":
            record.tell("failed", record.problem or {})
        elif record.state in ENDED:
            record.tell("done", {"state": record.state})
        return record
