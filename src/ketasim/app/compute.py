"""Work that takes a processor: few at a time, in the order of asking, and not for those who left."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import Request

from ketasim.app.problems import AppProblem

__all__ = ["Desk", "computed", "computed_while_wanted"]

_Result = TypeVar("_Result")
#: More requests than this wait for nothing that anybody still looks at.
_MOST_WAITING = 200


class Desk:
    """A few threads that compute.

    Parameters
    ----------
    workers : int, optional
        How many; default: the processor's cores, at most 4.
    """

    def __init__(self, workers: int | None = None) -> None:
        count = min(4, os.cpu_count() or 1) if workers is None else workers
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="ketasim-app")
        self._waiting = 0

    async def do(
        self,
        request: Request,
        work: Callable[..., _Result],
        *arguments: Any,
        stop: npt.NDArray[np.int64] | None = None,
    ) -> _Result:
        """Compute in another thread.

        Parameters
        ----------
        request : Request
            Who asks. If he leaves before the work has begun, it is not done.
        work : callable
            What is done, with ``arguments``.
        stop : array of int, shape (1,), optional
            Set to 1 when nobody waits any more, for work that looks at it.

        Raises
        ------
        AppProblem
            429, if too much waits already; 400, if who asked has left.
        """
        if self._waiting >= _MOST_WAITING:
            raise AppProblem(
                429,
                "busy",
                "Busy",
                f"{self._waiting} requests wait already; ask again in a second.",
                headers={"Retry-After": "1"},
                retry_after_s=1,
            )
        self._waiting += 1
        future = asyncio.wrap_future(self._pool.submit(work, *arguments))
        future.add_done_callback(self._done)
        leaving = asyncio.ensure_future(_left(request))
        either: set[asyncio.Future[Any]] = {future, leaving}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if future.done():
                return future.result()
            raise AppProblem(400, "left", "Given up", "Who asked has left before the answer.")
        finally:
            leaving.cancel()
            # What still waits is taken from the queue; what has begun ends by itself, or looks at this.
            future.cancel()
            if stop is not None:
                stop[0] = 1

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            # Said here so that a fault of work that nobody waits for is not reported at the end.
            future.exception()

    def close(self) -> None:
        """Take no more work; what has begun is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)


async def _left(request: Request) -> None:
    """Return when who asked has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def computed(request: Request, work: Callable[..., _Result], *arguments: Any) -> _Result:
    """Compute at the application's desk; see :meth:`Desk.do`."""
    desk: Desk = request.app.state.desk
    return await desk.do(request, work, *arguments)


async def computed_while_wanted(
    request: Request, desk: Desk, work: Callable[..., _Result], *arguments: Any
) -> _Result:
    """Compute at a desk with one argument more: ``stop``, set when who asked has left or waited too long."""
    stop = np.zeros(1, dtype=np.int64)
    return await desk.do(request, partial(work, stop=stop), *arguments, stop=stop)
