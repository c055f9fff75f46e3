"""Made-up outcomes of trials for the tests of planned analyses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.trials import Study
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.study.template import new_study_text

TIMES = (0.0, 2.0, 24.0, 168.0, 336.0)
FloatArray = npt.NDArray[np.float64]


def study(extra: str, *, base: str = "") -> Study:
    """The template's study (ketamine, midazolam; MADRS at entry, 2 h, 24 h, 7 d and 14 d) with a plan."""
    return Study.parse((base or new_study_text("small")) + "\n" + extra)


@dataclass
class Fake:
    """Tables of made-up trials; persons alternate between the arms."""

    values: FloatArray  #: persons by visits
    replicate: npt.NDArray[np.int64]
    subject: npt.NDArray[np.int64]
    arm: npt.NDArray[np.object_]
    treatment: npt.NDArray[np.object_]  #: persons by visits
    patients: pd.DataFrame
    times: tuple[float, ...] = TIMES
    happenings: list[tuple[int, float, str, str]] = field(default_factory=list)

    def happen(self, person: int, time_h: float, kind: str, arm: str = "") -> Fake:
        """Let an event befall a person (place from 0)."""
        self.happenings.append((person, time_h, kind, arm or str(self.arm[person])))
        return self

    def withdraw(self, person: int, time_h: float) -> Fake:
        """Let a person leave after a visit."""
        self.values[person, np.array(self.times) > time_h] = np.nan
        return self.happen(person, time_h, "withdrawn")

    @property
    def recorded(self) -> Outcomes:
        """The outcomes."""
        count, visits = self.values.shape
        frame = pd.DataFrame(
            {
                "study": "small",
                "replicate": np.repeat(self.replicate, visits),
                "arm": np.repeat(self.arm, visits),
                "treatment": self.treatment.ravel(),
                "subject": np.repeat(self.subject, visits),
                "quantity": "madrs",
                "statistic": "score",
                "time_h": np.tile(self.times, count),
                "unit": "points",
                "value": self.values.ravel(),
                "reason": "",
            }
        )
        return Outcomes.of_frame(frame)

    @property
    def events(self) -> pd.DataFrame:
        """The events."""
        rows = [
            ("small", int(self.replicate[who]), self.arm[who], int(self.subject[who]), time, kind, "", arm)
            for who, time, kind, arm in self.happenings
        ]
        names = ("study", "replicate", "arm", "subject", "time_h", "kind", "detail", "treatment")
        return pd.DataFrame(rows, columns=list(names))


def fake(
    replicates: int = 1,
    n: int = 40,
    *,
    effect: float = -5.0,
    seed: int = 1,
    arms: tuple[str, ...] = ("ketamine", "midazolam"),
    times: tuple[float, ...] = TIMES,
) -> Fake:
    """Scores with a normal course: baseline, an own level, and noise at each visit."""
    rng = np.random.default_rng(seed)
    total, visits = replicates * n, len(times)
    replicate, subject = np.repeat(np.arange(replicates), n), np.tile(np.arange(1, n + 1), replicates)
    arm = np.array(arms, dtype=object)[(subject - 1) % len(arms)]
    start = rng.normal(32.0, 5.0, total)
    values = 0.6 * start[:, None] + rng.normal(5.0, 4.0, (total, 1)) + rng.normal(0.0, 4.0, (total, visits))
    values[arm == arms[0]] += effect
    values[:, 0] = start
    patients = pd.DataFrame(
        {
            "study": "small",
            "replicate": replicate,
            "subject": subject,
            "arm": arm,
            "stratum": np.where(start > 32.0, "1", "0"),
            "enrolled_h": 24.0 * (subject - 1.0),
            "status": "completed",
            "baseline": start,
            "age": rng.normal(45.0, 12.0, total),
        }
    )
    treatment = np.repeat(arm[:, None], visits, axis=1)
    return Fake(values, replicate, subject, arm, treatment, patients, times)
