"""Compiles what scenarios need before the first one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ketasim.api.scenarios.definition import Scenario
from ketasim.api.scenarios.run import simulate_scenarios

__all__ = ["warm", "warm_steps"]


def warm_steps() -> Sequence[tuple[str, Callable[[], object]]]:
    """What makes the model ready: names and the work, curves first.

    One model serves every wiring, option, person and switch, so that this is all there is to compile.
    """
    return (
        ("model", lambda: simulate_scenarios([Scenario()])),
        ("switches", lambda: simulate_scenarios([_switched()])),
        ("bands", lambda: simulate_scenarios([Scenario()], bands="both", draws=16)),
    )


def warm(progress: Callable[[str, int, int], None] = lambda *_: None) -> None:
    """Compile the model, or load it from the disk, and simulate a scenario once.

    Parameters
    ----------
    progress : callable
        Called with what is done, how much of it, and how much in all.
    """
    steps = warm_steps()
    for done, (words, work) in enumerate(steps):
        progress(words, done, len(steps))
        work()
    progress("ready", len(steps), len(steps))


def _switched() -> Scenario:
    return Scenario.model_validate({"mechanism": {"switches": {"ampa": 0.5}}})
