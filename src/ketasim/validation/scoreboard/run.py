"""From files to a scoreboard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.errors import KetasimError, StudyError, unknown_name
from ketasim.validation.baselines import RowFacts, baselines, facts_of
from ketasim.validation.between import Between, load_between
from ketasim.validation.predict.predicted import Predicted
from ketasim.validation.scoreboard.board import Scoreboard
from ketasim.validation.scoreboard.rows import class_units, row_table

if TYPE_CHECKING:
    from ketasim.population.draws import Draws

__all__ = ["DOMAINS", "board_of", "predict_all", "read_works", "shipped_facts", "validate"]

DOMAINS = ("pk", "mechanism", "clinical", "safety")
Progress = Callable[[str, int, int], None]


def _silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def validate(
    paths: Sequence[str | Path] | None = None,
    draws: int = 200,
    per_draw: int = 8,
    seed: int = 1,
    workers: int = 2,
    progress: Progress = _silent,
    *,
    only: str = "",
    between: Between | None = None,
) -> Scoreboard:
    """Simulate studies and experiments and score every published row in them.

    Parameters
    ----------
    paths : sequence of str or Path, optional
        Files, folders (all files in them, whatever their names) or shipped names. Default: all that
        is shipped.
    draws, per_draw : int
        Parameter draws, and people an arm in each.
    seed, workers : int
        Same seed, same result; processes do not matter for it.
    progress : callable
        Told a phase, how many parts are done, and how many there are.
    only : str
        A domain, to score its works alone.
    between : Between, optional
        SDs between studies. Default: the shipped ones.

    Returns
    -------
    Scoreboard
        A file that cannot be read and a work that cannot be simulated are named in ``failed``; the
        others are scored.

    Raises
    ------
    StudyError
        If nothing can be scored at all, a folder holds no work, or the domain is unknown.
    """
    if only and only not in DOMAINS:
        raise StudyError(f"validate: {unknown_name('domain', only, DOMAINS)}")
    works, failed = read_works(paths)
    # What is shipped is read once: the baselines learn from it too.
    training = None if paths else [row for work in works for row in facts_of(work)]
    if only:
        works = [work for work in works if getattr(work, "domain", "clinical") == only]
        if not works:
            raise StudyError(f"validate: none of the works is of the domain {only!r}; choose another.")
    if not works:
        raise StudyError("validate: nothing can be scored: " + " ".join(failed.values()))
    predicted, unsolved = predict_all(works, draws, per_draw, seed, workers, progress)
    settings = {"draws": draws, "per_draw": per_draw, "seed": seed}
    return board_of(predicted, works, failed | unsolved, settings, between, training)


def board_of(
    predicted: Sequence[Predicted],
    works: Sequence[Any],
    failed: dict[str, str],
    settings: dict[str, Any],
    between: Between | None = None,
    training: Sequence[RowFacts] | None = None,
) -> Scoreboard:
    """Score predictions that are there already.

    Parameters
    ----------
    predicted : sequence of Predicted
        One a row.
    works : sequence of Study or Experiment
        What they are about.
    failed, settings : dict
        See :class:`~ketasim.validation.scoreboard.board.Scoreboard`.
    between : Between, optional
        Default: the shipped table.
    training : sequence of RowFacts, optional
        Rows that the baselines are fitted to. Default: those of all shipped works.

    Returns
    -------
    Scoreboard
    """
    facts = {(row.study, row.id): row for work in works for row in facts_of(work)}
    known = shipped_facts() if training is None else training
    beside = baselines(known)
    units = class_units((row for row in known if row.is_calibration), beside[0])
    spread = load_between() if between is None else between
    rows = row_table(predicted, facts, beside, spread, units)
    done = {(item.study, item.row.id) for item in predicted}
    lost = {work.id for work in works} - {item.study for item in predicted}
    left_out = tuple(
        f"{study} {row}" for study, row in facts if (study, row) not in done and study not in lost
    )
    names = tuple(item.name for item in beside)
    return Scoreboard(rows, names, settings, len(works) - len(lost), failed, left_out)


@cache
def shipped_facts() -> tuple[RowFacts, ...]:
    """Facts of every row of every shipped work that can be read."""
    return tuple(row for work in read_works(None)[0] for row in facts_of(work))


def read_works(paths: Sequence[str | Path] | None) -> tuple[list[Any], dict[str, str]]:
    """Read studies and experiments.

    Parameters
    ----------
    paths : sequence of str or Path, or None
        Files, folders or shipped names; None or empty for all that is shipped.

    Returns
    -------
    works, failed
        Those that hold published rows, and for the other files why they cannot be used. A second work
        with the id of another is called by it and a number.

    Raises
    ------
    StudyError
        If a folder holds no work.
    """
    from ketasim.trials.works import load_work, shipped_works

    names = list(_files(paths)) if paths else list(shipped_works())
    works: dict[str, Any] = {}
    failed: dict[str, str] = {}
    for name in names:
        try:
            work = load_work(name)
        except (KetasimError, OSError) as error:
            failed[str(name)] = str(error)
            continue
        if not work.observations:
            if paths:
                failed[str(name)] = f"{name}: it holds no published row, so there is nothing to score."
            continue
        works[_free_name(work.id, works)] = work
    return [_named(work, name) for name, work in works.items()], failed


def _files(paths: Iterable[str | Path]) -> Iterable[str | Path]:
    from ketasim.trials.works import works_in

    for path in paths:
        if Path(path).is_dir():
            yield from works_in(Path(path))
        else:
            yield path


def _free_name(name: str, taken: dict[str, Any]) -> str:
    if name not in taken:
        return name
    return next(f"{name}_{i}" for i in range(2, len(taken) + 3) if f"{name}_{i}" not in taken)


def _named(work: Any, name: str) -> Any:
    return work if work.id == name else work.model_copy(update={"id": name})


def predict_all(
    works: Sequence[Any],
    draws: int,
    per_draw: int,
    seed: int,
    workers: int,
    progress: Progress = _silent,
) -> tuple[list[Predicted], dict[str, str]]:
    """Predict every row of some works with draws from the posterior.

    Returns
    -------
    predictions, failed
        And for works that cannot be simulated the reason.

    Raises
    ------
    StudyError
        If no work can be simulated.
    """
    from ketasim.population.draws import load_posterior
    from ketasim.validation.predict import predict_works

    failed: dict[str, str] = {}

    def tell(work: Any, error: KetasimError) -> None:
        failed[work.id] = f"{work.id}: {error}"

    found = predict_works(
        works,
        draws=_first(load_posterior(), draws),
        per_draw=per_draw,
        seed=seed,
        workers=workers,
        progress=progress,
        failed=tell,
    )
    if not found:
        raise StudyError("validate: nothing can be scored: " + " ".join(failed.values()))
    return found, dict(sorted(failed.items()))


def _first(draws: Draws, count: int) -> Draws:
    """The first ``count`` draws, from the beginning again if there are fewer."""
    import numpy as np

    return draws.take(np.arange(count) % len(draws))
