"""Writes what was seen of patients as tables: outcomes, patients, events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ketasim.trials.conduct.march import Conducted
from ketasim.trials.conduct.progress import Event
from ketasim.trials.runs.columns import EVENTS, OUTCOMES, PATIENTS
from ketasim.trials.scoring.guess import guess

if TYPE_CHECKING:
    from ketasim.trials.conduct.trial import Trial

__all__ = ["Tables", "record"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Units of what the scoring layer adds to the model's quantities.
_OWN_UNITS = {"severity_without_drug": "points", "belief": "ratio", "placebo": "points"}


@dataclass(frozen=True)
class Tables:
    """Tables of some patients; the columns are those of :mod:`ketasim.trials.runs.columns`.

    Parameters
    ----------
    outcomes : pyarrow.Table
        A row a patient, visit, quantity and statistic.
    patients : pyarrow.Table
        A row a patient.
    events : pyarrow.Table
        A row an event.
    """

    outcomes: pa.Table
    patients: pa.Table
    events: pa.Table


def record(trial: Trial, conducted: Conducted) -> Tables:
    """Write what was seen of patients as tables."""
    return Tables(_outcomes(trial, conducted), _patients(trial, conducted), _events(trial, conducted))


def _text(values: Sequence[str] | npt.NDArray[Any], codes: IntArray) -> pa.DictionaryArray:
    """A column of text: the place of each row's word in a list, in which a word may stand twice."""
    words, places = np.unique(np.asarray(values, dtype=np.str_), return_inverse=True)
    own = places.ravel().astype(np.int32)[codes]
    return pa.DictionaryArray.from_arrays(pa.array(own), pa.array(words.tolist(), pa.string()))


def _same(word: str, count: int) -> pa.DictionaryArray:
    return _text([word], np.zeros(count, dtype=np.int64))


def _words(values: npt.NDArray[Any]) -> pa.DictionaryArray:
    """A column of text from any words."""
    words, codes = np.unique(values.astype(np.str_), return_inverse=True)
    return _text(words, codes.ravel())


def _outcomes(trial: Trial, conducted: Conducted) -> pa.Table:
    who, count, visits = conducted.enrolled.who, len(conducted.enrolled), conducted.visits_h
    each = len(visits)
    arms = [arm.id for arm in trial.study.arms]
    units = {name: item.shown_unit for name, item in trial.simulator.chain.quantities.items()}
    kinds = (
        *((name, "score", values, "points") for name, values in conducted.scores.items()),
        *(
            (name, "value", values, units.get(name, _OWN_UNITS.get(name, "")))
            for name, values in conducted.values.items()
        ),
        *((name, "peak", values, units[name]) for name, values in conducted.peaks.items()),
    )
    rows, blocks = count * each, len(kinds)
    block = np.repeat(np.arange(blocks), rows)
    value = np.concatenate([values.ravel() for _, _, values, _ in kinds])
    missing = np.isnan(value)
    words, codes = np.unique(conducted.reason.astype(np.str_), return_inverse=True)
    # A value that is there has no reason to be missing: the empty word at the end.
    codes = np.where(missing, np.tile(codes.ravel(), blocks), len(words))
    columns: dict[str, Any] = {
        "study": _same(trial.study.id, rows * blocks),
        "replicate": np.tile(np.repeat(conducted.enrolled.replicate, each), blocks),
        "arm": _text(arms, np.tile(np.repeat(conducted.enrolled.arm, each), blocks)),
        "treatment": _text(arms, np.tile(conducted.treatment.ravel(), blocks)),
        "subject": np.tile(np.repeat(who.subject, each), blocks),
        "quantity": _text([name for name, _, _, _ in kinds], block),
        "statistic": _text([kind for _, kind, _, _ in kinds], block),
        "time_h": np.tile(np.tile(visits, count), blocks),
        "unit": _text([unit for _, _, _, unit in kinds], block),
        "value": pa.array(value, mask=missing),
        "reason": _text([*words, ""], codes),
    }
    return pa.table({name: columns[name] for name in OUTCOMES})


def _patients(trial: Trial, conducted: Conducted) -> pa.Table:
    enrolled, progress = conducted.enrolled, conducted.progress
    people, count = enrolled.people, len(enrolled)
    reason = progress.reason.astype(np.str_)
    failed = np.char.startswith(reason, "not simulated")
    left = ~np.isnan(progress.left_h)
    status = np.where(failed, "not simulated", np.where(left, "withdrawn", "completed"))
    why = np.where(left | failed, np.char.partition(reason, ": ")[:, 2] if count else reason, "")
    open_label = np.array([setting.open_label > 0.0 for setting in trial.settings])
    guessed = np.where(
        open_label[progress.arms] | failed, "", guess(progress.belief, enrolled.who.uniforms("guess"))
    )
    columns: dict[str, Any] = {
        "study": _same(trial.study.id, count),
        "replicate": enrolled.replicate,
        "subject": enrolled.who.subject,
        "arm": _text([arm.id for arm in trial.study.arms], enrolled.arm),
        "stratum": _words(enrolled.stratum),
        "enrolled_h": enrolled.enrolled_h,
        "screened": people.screened,
        "baseline": people.baseline,
        "severity_entry": enrolled.cohort.severity,
        "status": _words(status),
        "left_h": pa.array(progress.left_h, mask=~left),
        "left_reason": _words(why),
        "stopped_h": pa.array(progress.stopped_h, mask=np.isnan(progress.stopped_h)),
        "stopped_reason": _words(progress.stop_reason),
        "belief": progress.belief,
        "guess": _words(guessed),
    }
    table = {name: columns[name] for name in PATIENTS}
    failures = {f"screen_failures: {name}": counts for name, counts in people.screen_failures.items()}
    return pa.table({**table, **people.covariates, **failures})


def _events(trial: Trial, conducted: Conducted) -> pa.Table:
    who, study = conducted.enrolled.who, trial.study
    events = [*conducted.progress.events, *_missed(trial, conducted)]
    order = sorted(range(len(events)), key=lambda i: (events[i].person, events[i].time_h))
    events = [events[i] for i in order]
    person = np.array([event.person for event in events], dtype=np.int64)
    arms = [arm.id for arm in study.arms]
    columns: dict[str, Any] = {
        "study": _same(study.id, len(events)),
        "replicate": conducted.enrolled.replicate[person],
        "arm": _text(arms, conducted.enrolled.arm[person]),
        "subject": who.subject[person],
        "time_h": np.array([event.time_h for event in events], dtype=np.float64),
        "kind": _words(np.array([event.kind for event in events], dtype=object)),
        "detail": _words(np.array([event.detail for event in events], dtype=object)),
        "treatment": _text(arms, np.array([event.arm for event in events], dtype=np.int64)),
    }
    return pa.table({name: columns[name] for name in EVENTS})


def _missed(trial: Trial, conducted: Conducted) -> list[Event]:
    """Doses that patients missed while they were in the trial and on treatment."""
    found: list[Event] = []
    progress = conducted.progress
    if trial.study.adherence is None:
        return found
    for person, path in enumerate(progress.paths):
        if progress.reason[person].startswith("not simulated"):
            continue
        last = (
            min(progress.left_h[person], trial.horizon) if progress.left_h[person] >= 0.0 else trial.horizon
        )
        for stay in path:
            doses = trial.study.arms[stay.arm].dosing.doses
            for place in stay.missed:
                time = stay.start_h + doses[place].start_h
                if time < min(stay.end_h, last):
                    found.append(Event(person, time, "missed_dose", f"dose {place + 1}", stay.arm))
    return found
