"""The main job: a trial from its study file to its results and a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import xarray as xr

from ketasim.api.options import Progress, length_h, require, silent
from ketasim.errors import SolverError, StudyError
from ketasim.model.parameters import ParameterSet, load_parameters, read_overrides
from ketasim.report import ReportData, write_figures, write_report
from ketasim.trials import Study, Trial, compare, summarise
from ketasim.trials.endpoints import contrasts
from ketasim.trials.folder import RunFolder, fingerprint, parse_format, versions
from ketasim.trials.influence import influence
from ketasim.trials.typical import typical_trajectories
from ketasim.trials.workers import ChunkResult, TrialPlan, chunks_of, default_workers, run_chunks

__all__ = ["TrialResult", "simulate_study"]


@dataclass(frozen=True)
class TrialResult:
    """A simulated trial.

    Parameters
    ----------
    study : Study
        The design.
    parameters : ParameterSet
        Typical values.
    outcomes : DataFrame
        A row a person, visit and quantity.
    trajectories : xarray.Dataset
        The typical patient of each arm.
    failed : tuple of (int, str)
        Persons that could not be simulated, with the reason.
    seed, workers : int
        How it was run.
    """

    study: Study
    parameters: ParameterSet
    outcomes: pd.DataFrame
    trajectories: xr.Dataset
    failed: tuple[tuple[int, str], ...]
    seed: int
    workers: int = 1

    @cached_property
    def endpoints(self) -> pd.DataFrame:
        """A row an arm, visit and quantity."""
        return summarise(self.outcomes, self.study)

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """A row a published number, beside the simulated one."""
        return compare(self.outcomes, self.study)

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """Each contrast against control, split into drug part and expectancy part."""
        return contrasts(self.outcomes, self.study)

    @cached_property
    def influence(self) -> pd.DataFrame:
        """Parameters by how much they move the drug's effect; takes half a minute."""
        arm = next((arm for arm in reversed(self.study.arms) if arm.active), self.study.arms[-1])
        severity = self.study.baseline(arm.id).mean
        if self.study.population.baseline.scale == "hamd17":
            severity /= self.parameters["hamd17_per_madrs"].value
        at = min(24.0, float(self.trajectories["time"][-1]))
        return influence(self.parameters, arm.dosing, severity, at, self.workers)

    def report_data(self) -> ReportData:
        """All that the report shows."""
        return ReportData(
            study=self.study,
            outcomes=self.outcomes,
            endpoints=self.endpoints,
            comparison=self.comparison,
            contrasts=self.contrasts,
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
            If the path is a folder.
        """
        if Path(path).is_dir():
            raise StudyError(
                f"report {str(path)!r}: this is a folder; give the name of a file, as in 'report.html'."
            )
        return write_report(self.report_data(), Path(path))


def simulate_study(
    study: Study,
    *,
    subjects: int | None = None,
    seed: int = 1,
    workers: int | None = None,
    days: str | float | None = None,
    parameters: ParameterSet | str | Path | None = None,
    out: str | Path | None = None,
    force: bool = False,
    table_format: str = "parquet",
    progress: Progress = silent,
) -> TrialResult:
    """Simulate a trial.

    Parameters
    ----------
    study : Study
        The design, from :meth:`Study.load`.
    subjects : int, optional
        Patients per arm; default: the published numbers.
    seed : int
        Same seed, same result, whatever the number of workers.
    workers : int, optional
        Processes; default: one a core.
    days : str or float, optional
        Time to simulate; default: to the last visit.
    parameters : ParameterSet, str or Path, optional
        Typical values, or a CSV file with ``name, value, unit`` that replaces some.
    out : str or Path, optional
        Folder for everything: manifest, tables, trajectories, figures and the report.
    force : bool
        Whether an existing run folder may be replaced.
    table_format : str
        ``parquet`` or ``csv`` for the outcomes.
    progress : callable
        Told about phases.

    Returns
    -------
    TrialResult

    Raises
    ------
    StudyError, ModelError, UnitError
        If something given cannot be used.
    SolverError
        If not one person could be simulated; says why for the first.
    """
    _check_types(study, seed, subjects, workers)
    kept_as = parse_format(table_format)
    chosen = _chosen_parameters(parameters)
    end_h = None if days is None else length_h(days)
    plan = TrialPlan(study, chosen, seed, 0, subjects, end_h)
    trial = plan.build()
    if not trial.rating_times:
        raise StudyError(f"{study.id}: no visit lies within the simulated span; give a larger --days.")
    chunks = chunks_of(trial)
    used = default_workers(len(chunks)) if workers is None else workers
    folder = None if out is None else RunFolder.create(out, force=force, table_format=kept_as)
    keeper = _Keeper(folder, plan, used)
    keeper.note("running", 0, len(chunks))
    results: dict[int, ChunkResult] = {}
    try:
        if folder is not None:
            folder.write_study(study)
        for chunk in run_chunks(trial, plan, chunks, used):
            results[chunk.number] = chunk
            keeper.part(chunk.number, chunk.outcomes)
            progress("simulating patients", len(results), len(chunks))
        progress("typical patients", 0, 1)
        result = _joined(trial, [results[number] for number in sorted(results)], used)
        progress("typical patients", 1, 1)
        if folder is not None:
            _write_all(folder, result, progress)
    except BaseException:
        keeper.note("interrupted", len(results), len(chunks))
        raise
    keeper.note("finished", len(results), len(chunks))
    return result


def _check_types(study: object, seed: int, subjects: int | None, workers: int | None) -> None:
    """Refuse what cannot be meant, before anything is computed or written."""
    require(study, Study, "study", "Study.load('daly2018')")
    require(seed, int, "--seed", "1")
    for option, number in (("--subjects", subjects), ("--workers", workers)):
        require(1 if number is None else number, int, option, "2")
    if seed < 0:
        raise StudyError(f"--seed: {seed} is negative; give 0 or more.")
    if workers is not None and workers < 1:
        raise StudyError(f"workers: {workers} is not a number of processes; give 1 or more.")


def _chosen_parameters(given: ParameterSet | str | Path | None) -> ParameterSet:
    kinds = (ParameterSet, str, Path, type(None))
    require(given, kinds, "--parameters", "a ParameterSet, or the path of a CSV file")
    if isinstance(given, ParameterSet):
        return given
    base = load_parameters()
    return base if given is None else read_overrides(given, base)


def _joined(trial: Trial, chunks: Sequence[ChunkResult], workers: int) -> TrialResult:
    """Join the chunks, in order, and add the typical patient of each arm."""
    failed = tuple(failure for chunk in chunks for failure in chunk.failed)
    if all(chunk.outcomes.empty for chunk in chunks):
        raise SolverError(
            f"{trial.study.id}: no patient could be simulated. Patient {failed[0][0]}: {failed[0][1]}"
        )
    return TrialResult(
        study=trial.study,
        parameters=trial.parameters,
        outcomes=pd.concat([chunk.outcomes for chunk in chunks], ignore_index=True),
        trajectories=typical_trajectories(trial),
        failed=failed,
        seed=trial.seed,
        workers=workers,
    )


@dataclass(frozen=True)
class _Keeper:
    """Keeps the manifest true while a run goes on; does nothing without a folder."""

    folder: RunFolder | None
    plan: TrialPlan
    workers: int

    def note(self, status: str, done: int, total: int) -> None:
        if self.folder is None:
            return
        self.folder.write_manifest(
            {
                "study": self.plan.study.id,
                "status": status,
                "parts_finished": done,
                "parts": total,
                "seed": self.plan.seed,
                "subjects_per_arm": self.plan.subjects,
                "end_h": self.plan.end_h,
                "study_hash": fingerprint(self.plan.study),
                "parameter_hash": fingerprint(self.plan.parameters),
                "versions": versions(),
            }
        )

    def part(self, number: int, outcomes: pd.DataFrame) -> None:
        if self.folder is not None:
            self.folder.write_part(number, outcomes)


def _write_all(folder: RunFolder, result: TrialResult, progress: Progress) -> None:
    """Write tables, trajectories, figures and the report."""
    folder.write_table("endpoints", result.endpoints)
    folder.write_table("comparison", result.comparison)
    folder.write_table("contrasts", result.contrasts)
    result.trajectories.to_netcdf(folder.path / "trajectories.nc", engine="scipy")
    progress("which parameters matter", 0, 1)
    folder.write_table("influence", result.influence)
    progress("which parameters matter", 1, 1)
    progress("figures and report", 0, 1)
    data = result.report_data()
    write_figures(data, folder.path / "figures")
    write_report(data, folder.path / "report.html")
    progress("figures and report", 1, 1)
