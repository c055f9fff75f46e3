"""Predicts many works, on several processes, the longest ones first."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TYPE_CHECKING, Any

from ketasim.errors import KetasimError, StudyError
from ketasim.trials.study import Study
from ketasim.validation.predict.predicted import Predicted
from ketasim.validation.predict.work import predict_work

if TYPE_CHECKING:
    from ketasim.population.draws import Draws

__all__ = ["predict_works"]

Progress = Callable[[str, int, int], None]
Failed = Callable[[Any, KetasimError], None]

_PHASE = "works"


def _silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def predict_works(
    works: Sequence[Any],
    *,
    draws: Draws,
    per_draw: int = 8,
    seed: int = 1,
    workers: int = 2,
    progress: Progress = _silent,
    failed: Failed | None = None,
    **options: Any,
) -> list[Predicted]:
    """Predict every published row of some works.

    Parameters
    ----------
    works : sequence of Study or Experiment
        The works.
    draws, per_draw, seed, options
        As of :func:`~ketasim.validation.predict.predict_work`.
    workers : int
        Processes; their number changes nothing of the result.
    progress : callable
        Told a phase, how many works are done, and how many there are.
    failed : callable, optional
        Told each work that cannot be predicted, and why; the others are predicted. Left out, the first
        error is raised.

    Returns
    -------
    list of Predicted
        In the order of the works.

    Raises
    ------
    StudyError
        If the number of workers is not positive, a worker dies, or a work cannot be predicted.
    """
    if workers < 1:
        raise StudyError(f"workers: {workers} is not a number of processes; give 1 or more.")
    run = partial(_outcome, draws=draws, per_draw=per_draw, seed=seed, **options)
    order = sorted(range(len(works)), key=lambda place: -_length(works[place]))
    found: dict[int, list[Predicted]] = {}
    for done, (place, outcome) in enumerate(_outcomes(run, works, order, workers), 1):
        if isinstance(outcome, KetasimError):
            if failed is None:
                raise outcome
            failed(works[place], outcome)
        else:
            found[place] = outcome
        progress(_PHASE, done, len(works))
    return [item for place in sorted(found) for item in found[place]]


def _outcome(work: Any, **options: Any) -> list[Predicted] | KetasimError:
    """Predictions of a work, or why there are none; an error is a value, so that others go on."""
    try:
        return predict_work(work, **options)
    except KetasimError as error:
        return error


def _outcomes(
    run: Callable[[Any], list[Predicted] | KetasimError],
    works: Sequence[Any],
    order: Sequence[int],
    workers: int,
) -> Iterator[tuple[int, list[Predicted] | KetasimError]]:
    """Places of works and what came of them, as they finish."""
    if workers == 1 or len(works) < 2:
        for place in order:
            yield place, run(works[place])
        return
    pool = ProcessPoolExecutor(min(workers, len(works)), initializer=_start)
    try:
        waiting = {pool.submit(run, works[place]): place for place in order}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    except BrokenProcessPool as error:
        raise StudyError(
            "a worker process ended before its work was done: it was killed, or the machine ran out of "
            "memory. Try again with fewer workers."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start() -> None:
    # Ctrl-C reaches every process of the terminal; only the parent answers it, and ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _length(work: Any) -> float:
    """About how long a work takes: doses and days of all arms."""
    doses = sum(10 + len(arm.dosing.doses) for arm in work.arms)
    times = work.times_h if isinstance(work, Study) else [row.time_h or 0.0 for row in work.observations]
    return doses * (1.0 + max(times, default=0.0) / 24.0)
