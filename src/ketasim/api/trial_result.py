"""A simulated trial: its tables, what is computed from them, and its report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ketasim.errors import StudyError
from ketasim.model.parameters import ParameterSet
from ketasim.trials import Study, compare, summarise
from ketasim.trials.conduct.typical import typical_trajectories
from ketasim.trials.endpoints import compared_with, contrasts
from ketasim.trials.harms.incidence import incidence_table
from ketasim.trials.influence import influence
from ketasim.trials.planned.analyse import analyse
from ketasim.trials.runs.folder import versions
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.runs.workers import TrialPlan
from ketasim.trials.scoring.blinding import blinding_table

if TYPE_CHECKING:
    import xarray as xr

    from ketasim.report import ReportData

__all__ = ["LARGE", "TrialResult"]

#: With more patients than this, those with dose zero are left out, only scores are kept, and there is
#: no report: it shows single patients.
LARGE = 20_000


@dataclass(frozen=True)
class TrialResult:
    """A simulated trial.

    Parameters
    ----------
    study : Study
        The design.
    parameters : ParameterSet
        Typical values.
    recorded : Outcomes
        What was seen of patients, in parts; on disk if the run has a folder.
    patients, events : DataFrame
        A row a patient, and a row an event.
    plan : TrialPlan
        How it was run.
    workers : int
        Number of processes.
    """

    study: Study
    parameters: ParameterSet
    recorded: Outcomes
    patients: pd.DataFrame
    events: pd.DataFrame
    plan: TrialPlan
    workers: int = 1

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.plan.seed

    @property
    def is_large(self) -> bool:
        """Whether there are too many patients to show single ones."""
        return len(self.patients) > LARGE

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """A row a patient, visit, quantity and statistic."""
        return self.recorded.frame()

    @cached_property
    def failed(self) -> tuple[tuple[int, str], ...]:
        """Patients that could not be simulated, with the reason."""
        rows = self.patients[self.patients["status"] == "not simulated"]
        return tuple(zip(rows["subject"].tolist(), rows["left_reason"].tolist(), strict=True))

    @cached_property
    def trajectories(self) -> xr.Dataset:
        """The typical patient of each arm."""
        return typical_trajectories(self.plan.build())

    @cached_property
    def endpoints(self) -> pd.DataFrame:
        """A row an arm, visit and quantity."""
        return summarise(self.recorded, self.study)

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """A row a published number, beside the simulated one."""
        return compare(self.recorded, self.study)

    @cached_property
    def analyses(self) -> pd.DataFrame:
        """A row a replicate, planned analysis and contrast."""
        return analyse(self.recorded, self.patients, self.events, self.study, seed=self.seed)

    @cached_property
    def incidence(self) -> pd.DataFrame:
        """Adverse events by arm, compared with the control."""
        return incidence_table(self.events, self.patients, comparator=compared_with(self.study))

    @cached_property
    def blinding(self) -> pd.DataFrame:
        """What people guessed, by arm, and how well the blinding held."""
        return blinding_table(self.patients, self.study)

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """Each contrast against control, split into drug part and expectancy part."""
        return contrasts(self.recorded, self.study)

    @cached_property
    def influence(self) -> pd.DataFrame:
        """Parameters by how much they move the drug's effect; takes half a minute."""
        arms = self.study.first_arms
        arm = next((arm for arm in reversed(arms) if arm.active), arms[-1])
        severity = self.study.baseline(arm.id).mean
        if self.study.population.baseline.scale == "hamd17":
            severity /= self.parameters["hamd17_per_madrs"].value
        at = min(24.0, float(self.trajectories["time"][-1]))
        return influence(self.parameters, arm.dosing, severity, at, self.workers)

    def report_data(self) -> ReportData:
        """All that the report shows; of several replicates, the first.

        Raises
        ------
        StudyError
            If there are too many patients for a report.
        """
        if self.is_large:
            raise StudyError(
                f"report: {len(self.patients):,} patients are too many: it shows single ones. "
                f"Run the study with at most {LARGE:,}."
            )

        def first(frame: pd.DataFrame) -> pd.DataFrame:
            return frame[frame["replicate"] == 0] if self.plan.replicates > 1 else frame

        from ketasim.report import ReportData

        return ReportData(
            study=self.study,
            outcomes=first(self.outcomes),
            patients=first(self.patients),
            events=first(self.events),
            endpoints=first(self.endpoints),
            analyses=first(self.analyses),
            comparison=first(self.comparison),
            contrasts=first(self.contrasts),
            trajectories=self.trajectories,
            influence=self.influence,
            failed=self.failed,
            seed=self.seed,
            versions=versions(),
        )

    def report(self, path: str | Path) -> Path:
        """Write the report as one HTML file.

        Returns
        -------
        Path
            Where it was written.

        Raises
        ------
        StudyError
            If the path is a folder, or there are too many patients for a report.
        """
        if Path(path).is_dir():
            raise StudyError(
                f"report {str(path)!r}: this is a folder; give the name of a file, as in 'report.html'."
            )
        from ketasim.report import write_report

        return write_report(self.report_data(), Path(path))
