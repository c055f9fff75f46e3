"""Simulated trials of shipped designs, with what tests of their rules ask of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from ketasim.model.chain import build_chain
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Simulator
from ketasim.trials import Study, Trial
from ketasim.trials.conduct.march import Conducted, conduct
from ketasim.trials.conduct.recording import Tables, record
from ketasim.trials.conduct.stays import Plans
from ketasim.trials.study.catalogue import read_study_text

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

WEEK = 168.0
DAY = 24.0


@cache
def simulator() -> Simulator:
    # Coarse, for speed: rules compare scores, and what is compared bit by bit is coarse on both sides.
    return Simulator(build_chain(), 1e-4)


@dataclass(frozen=True)
class Ran:
    """A simulated trial, with what tests ask of it."""

    trial: Trial
    found: Conducted
    tables: Tables

    @property
    def times(self) -> FloatArray:
        return self.found.visits_h

    @property
    def arm(self) -> npt.NDArray[np.str_]:
        """The arm to which each was randomised."""
        names = np.array([arm.id for arm in self.trial.study.arms])
        return names[self.found.enrolled.arm]

    def place(self, time_h: float) -> int:
        (place,) = np.flatnonzero(np.isclose(self.times, time_h))
        return int(place)

    def score(self, time_h: float, scale: str = "madrs") -> FloatArray:
        return self.found.scores[scale][:, self.place(time_h)]

    def value(self, name: str, time_h: float) -> FloatArray:
        return self.found.values[name][:, self.place(time_h)]

    def improvement(self, time_h: float, scale: str = "madrs") -> FloatArray:
        entry = self.found.scores[scale][:, 0]
        return (entry - self.score(time_h, scale)) / entry

    def in_force(self, time_h: float) -> npt.NDArray[np.str_]:
        """The arm in which each is when he is rated at a visit."""
        names = np.array([arm.id for arm in self.trial.study.arms])
        return names[self.found.treatment[:, self.place(time_h)]]

    def there(self, time_h: float) -> BoolArray:
        """Who is seen at a visit and is not lost right after it."""
        left = self.found.progress.left_h
        gone = np.isin(np.arange(len(left)), [e.person for e in self.events("withdrawn", time_h)])
        lost = np.zeros(len(left), dtype=bool)
        drop = {item.id for item in self.trial.study.dropout}
        for event in self.events("withdrawn", time_h):
            lost[event.person] = event.detail in drop
        return ~np.isnan(self.found.scores[self.scale][:, self.place(time_h)]) & ~(gone & lost)

    def limit(self, rule: str, place: int = 0) -> float:
        """The number in a condition of a rule, as the file has it."""
        (found,) = (item for item in self.trial.study.rules if item.id == rule)
        return found.conditions[place].value

    @property
    def scale(self) -> str:
        return self.trial.study.population.baseline.scale

    def events(self, kind: str, time_h: float | None = None) -> list[Any]:
        return [
            event
            for event in self.found.progress.events
            if event.kind == kind and (time_h is None or np.isclose(event.time_h, time_h))
        ]

    def moved(self, rule: str, time_h: float | None = None) -> BoolArray:
        """Whom a rule led to another arm, at one visit or ever."""
        return self._members(lambda e: e.detail.endswith(f" by {rule}"), ("switch", "rescue"), time_h)

    def ended(self, kind: str, reason: str, time_h: float | None = None) -> BoolArray:
        """Who was stopped or withdrawn for a reason."""
        return self._members(lambda e: e.detail == reason, (kind,), time_h)

    def _members(
        self, wanted: Callable[[Any], bool], kinds: tuple[str, ...], time_h: float | None
    ) -> BoolArray:
        found = np.zeros(len(self.found.enrolled), dtype=bool)
        for kind in kinds:
            for event in self.events(kind, time_h):
                found[event.person] |= wanted(event)
        return found

    def doses(self, person: int) -> list[tuple[float, float]]:
        """Start and amount (as in the regimen's own unit) of all that a person is given."""
        trial = self.trial
        plans = Plans(trial.study.arms, trial.rating_times, trial.horizon, trial.scoring.visit_gap)
        regimen = plans.of(self.found.progress.paths[person]).regimen
        return [(dose.start_h, dose.amount) for dose in regimen.doses]

    @property
    def patients(self) -> pd.DataFrame:
        return self.tables.patients.to_pandas()


def edited(name: str, edit: Callable[[dict[str, Any]], None]) -> Study:
    """A shipped study with something changed; quantities of the model may be named at visits."""
    data = yaml.safe_load(read_study_text(name)[0])
    edit(data)
    return Study.parse(yaml.safe_dump(data), name, tuple(simulator().chain.quantities))


def run(study: str | Study, subjects: int | Mapping[str, int] | None = None, **options: Any) -> Ran:
    design = Study.load(study) if isinstance(study, str) else study
    options = {"seed": 1, "with_twin": False, **options}
    trial = Trial(design, simulator(), load_parameters(), subjects=subjects, **options)
    place = np.arange(trial.count, dtype=np.int64)
    found = conduct(trial, np.zeros_like(place), place + 1)
    return Ran(trial, found, record(trial, found))


def same(left: BoolArray, right: BoolArray) -> None:
    """Two groups of persons are the same, and neither nobody nor everybody."""
    assert left.any()
    assert not left.all()
    np.testing.assert_array_equal(left, right)


def arms(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {arm["id"]: arm for arm in data["arms"]}
