"""The model made ready in the background while the page opens."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from ketasim.api import scenarios
from ketasim.app.catalogue import meta_body
from ketasim.app.claim_list import claims_reply
from ketasim.app.observations import published_values
from ketasim.app.problems import AppProblem
from ketasim.app.scoreboard import scoreboard
from ketasim.app.stages import stage_body
from ketasim.model.chain import STAGES

__all__ = ["Warming"]

_log = logging.getLogger("ketasim.app")
#: Seconds that a first run on a usual laptop takes; afterwards the kernels lie on the disk.
_EXPECTED_S = 8.0
#: How long the page has the processor for itself, and between parts of what it has not asked for.
_AFTER_S, _REST_S = 2.0, 0.1
_PATIENCE_S, _LOOK_S, _WAIT_S = 2.0, 0.02, 0.3


class Warming:
    """Compiles the model once, in a thread of its own."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._ready = threading.Event()

    def start(self) -> None:
        """Begin; returns at once."""
        self._started = time.monotonic()
        threading.Thread(target=self._work, name="ketasim-warming", daemon=True).start()

    def _work(self) -> None:
        _, make_curves = scenarios.warm_steps()[0]
        # A page that has no facts of the model yet has them made beside this.
        _try(make_curves)
        self._ready.set()
        _try(meta_body)
        self._go_on()

    def _go_on(self) -> None:
        """Make what is pressed next, in small parts with rests between them: curves come first.

        A page that asks before has it made at once.
        """
        parts = [work for _, work in scenarios.warm_steps()[1:]]
        parts += [claims_reply, scoreboard, published_values]
        parts += [partial(stage_body, stage.name) for stage in STAGES]
        time.sleep(_AFTER_S)
        for part in parts:
            _try(part)
            time.sleep(_REST_S)

    @property
    def is_ready(self) -> bool:
        """Whether curves can be had."""
        return self._ready.is_set() or self._started is None

    async def require(self) -> None:
        """Wait a little for the model, and refuse work that would have to wait longer.

        Raises
        ------
        AppProblem
            503, with how long to wait.
        """
        if self._started is None:
            return
        # With kernels on the disk the model is ready before a page notices that it waited.
        patience = time.monotonic() + _PATIENCE_S
        while not self.is_ready and time.monotonic() < patience:
            await asyncio.sleep(_LOOK_S)
        if self.is_ready:
            return
        raise AppProblem(
            503,
            "compiling",
            "Preparing the model",
            f"The model is made ready, once: about {_EXPECTED_S:g} s.",
            headers={"Retry-After": "1"},
            retry_after_s=_WAIT_S,
            elapsed_s=round(time.monotonic() - self._started, 2),
            expected_s=_EXPECTED_S,
        )


def _try(work: Callable[[], object]) -> None:
    """Do something; whatever goes wrong, the first request meets it again and reports it."""
    try:
        work()
    except Exception as error:  # nobody waits for this thread
        _log.error("the model could not be made ready", exc_info=error)
