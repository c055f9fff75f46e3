"""Compiles what scenarios need before the first one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ketasim.api.scenarios.definition import Scenario
from ketasim.api.scenarios.run import simulate_scenarios

__all__ = ["warm"]

_STEPS: Final[Sequence[tuple[str, dict[str, object]]]] = (
    ("model", {}),
    ("switches", {"mechanism": {"switches": {"ampa": 0.5}}}),
)


def warm(progress: Callable[[str, int, int], None] = lambda *_: None) -> None:
    """Compile the model, or load it from the disk, and simulate a scenario once.

    One model serves every wiring, option, person and switch, so that this is all there is to compile.

    Parameters
    ----------
    progress : callable
        Called with what is done, how much of it, and how much in all.
    """
    total = len(_STEPS) + 1
    for done, (words, data) in enumerate(_STEPS):
        progress(words, done, total)
        simulate_scenarios([Scenario.model_validate(data)])
    progress("bands", total - 1, total)
    simulate_scenarios([Scenario()], bands="both", draws=16)
    progress("ready", total, total)
