"""The main job: a trial from its study file to its results and a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ketasim.api.options import Progress, length_h, require, silent
from ketasim.api.trial_result import LARGE, TrialResult
from ketasim.errors import SolverError, StudyError, unknown_name
from ketasim.model.parameters import ParameterSet, load_parameters, read_overrides
from ketasim.trials import Study, Trial
from ketasim.trials.conduct.rating import Hold
from ketasim.trials.conduct.recording import Tables
from ketasim.trials.conduct.trial import HOLDS
from ketasim.trials.runs.folder import RunFolder, fingerprint, parse_format, versions
from ketasim.trials.runs.outcomes import Outcomes, joined_frame
from ketasim.trials.runs.workers import TrialPlan, chunk_size, chunks_of, default_workers, run_chunks

__all__ = ["simulate_study"]

#: Most patients in all: the scores of more would not fit into the memory of a large computer.
_MOST = 100_000_000


def simulate_study(
    study: Study,
    *,
    subjects: int | Mapping[str, int] | None = None,
    replicates: int = 1,
    seed: int = 1,
    workers: int | None = None,
    days: str | float | None = None,
    parameters: ParameterSet | str | Path | None = None,
    hold: str = "nothing",
    between_study: bool | None = None,
    out: str | Path | None = None,
    force: bool = False,
    resume: bool = False,
    table_format: str = "parquet",
    scheduler: str | None = None,
    chunk: int | None = None,
    progress: Progress = silent,
) -> TrialResult:
    """Simulate a trial.

    Parameters
    ----------
    study : Study
        The design, from :meth:`Study.load`.
    subjects : int or mapping of str to int, optional
        Patients per arm, or of each arm by name; default: the published numbers.
    replicates : int
        How often the whole trial is simulated, each time with other patients.
    seed : int
        Same seed, same result, whatever the number of workers.
    workers : int, optional
        Processes; default: one a core.
    days : str or float, optional
        Time to simulate; default: to the last visit.
    parameters : ParameterSet, str or Path, optional
        Typical values, or a CSV file with ``name, value, unit`` that replaces some.
    hold : str
        ``nothing``; ``belief``: what people believe is held at the chance by design; ``biology``:
        scored are the same patients with dose zero, who believe what the drug made them feel.
    between_study : bool, optional
        Whether replicates differ as trials do; default: if there are several.
    out : str or Path, optional
        Folder for everything: manifest, tables, trajectories, figures and the report.
    force : bool
        Whether an existing run folder may be replaced.
    resume : bool
        Whether a run in that folder that did not come to its end goes on: parts that are finished
        are kept, and the result is that of a run that was never stopped.
    table_format : str
        ``parquet`` or ``csv`` for the outcomes.
    scheduler : str, optional
        Address of a Dask scheduler whose workers simulate the patients.
    chunk : int, optional
        Patients that are simulated together; changes no result.
    progress : callable, optional
        Called with what is done, how much of it, and how much in all.

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
    _check_types(study, seed, subjects, workers, replicates, chunk)
    if hold not in HOLDS:
        raise StudyError(f"--hold: {unknown_name('word', hold, HOLDS)}")
    held: Hold = next(word for word in HOLDS if word == hold)
    kept_as = parse_format(table_format)
    plan = TrialPlan(
        study,
        _chosen_parameters(parameters),
        seed,
        subjects,
        None if days is None else length_h(days),
        hold=held,
        between_study=replicates > 1 if between_study is None else between_study,
        replicates=replicates,
    )
    trial = plan.build()
    if trial.count * replicates > _MOST:
        raise StudyError(
            f"--subjects and --replicates: {trial.count:,} patients times {replicates:,} are more than "
            f"{_MOST:,}; give less, or run in pieces with other seeds."
        )
    if trial.count * replicates > LARGE:
        plan = replace(plan, with_twin=held == "biology", keep="scores")
        trial = plan.build()
    if len(trial.rating_times) < 2:
        raise StudyError(f"{study.id}: no visit lies within the simulated span; give a larger --days.")
    size = chunk_size(trial, replicates) if chunk is None else chunk
    if resume and out is None:
        raise StudyError("--resume: name the folder of the run to go on with, with --out.")
    folder = None
    if out is not None:
        begun = resume and Path(out).exists()
        about = _about(plan, size, kept_as)
        if begun and chunk is None:
            about["patients_per_part"] = RunFolder(Path(out)).begun_with("patients_per_part", size)
            size = about["patients_per_part"]
            require(size, int, f"{Path(out) / 'manifest.json'}: patients_per_part", "2048")
        folder = (
            RunFolder.reopen(out, about)
            if begun
            else RunFolder.create(out, force=force, table_format=kept_as, about=about)
        )
    return _Run(plan, trial, size, folder, workers, scheduler, progress).result(kept_as)


def _check_types(
    study: object,
    seed: int,
    subjects: int | Mapping[str, int] | None,
    workers: int | None,
    replicates: int,
    chunk: int | None,
) -> None:
    """Refuse what cannot be meant, before anything is computed or written."""
    require(study, Study, "study", "Study.load('daly2018')")
    require(seed, int, "--seed", "1")
    sizes = subjects.values() if isinstance(subjects, Mapping) else [1 if subjects is None else subjects]
    for size in sizes:
        require(size, int, "--subjects", "20")
    for option, number in (("--workers", workers), ("--replicates", replicates), ("chunk", chunk)):
        require(1 if number is None else number, int, option, "2")
    if seed < 0:
        raise StudyError(f"--seed: {seed} is negative; give 0 or more.")
    if workers is not None and workers < 1:
        raise StudyError(f"workers: {workers} is not a number of processes; give 1 or more.")
    if chunk is not None and chunk < 1:
        raise StudyError(f"chunk: {chunk} is not a number of patients; give 1 or more.")
    if replicates < 1:
        raise StudyError(f"--replicates: {replicates} is not a number of trials; give 1 or more.")


def _chosen_parameters(given: ParameterSet | str | Path | None) -> ParameterSet:
    kinds = (ParameterSet, str, Path, type(None))
    require(given, kinds, "--parameters", "a ParameterSet, or the path of a CSV file")
    if isinstance(given, ParameterSet):
        return given
    base = load_parameters()
    return base if given is None else read_overrides(given, base)


def _about(plan: TrialPlan, size: int, table_format: str) -> dict[str, Any]:
    """What a run is, for its manifest: a run that goes on must be the same in all of it."""
    return {
        "study": plan.study.id,
        "seed": plan.seed,
        "replicates": plan.replicates,
        "subjects_per_arm": plan.subjects if plan.subjects is None else _plain_sizes(plan.subjects),
        "end_h": plan.end_h,
        "hold": plan.hold,
        "between_study": plan.between_study,
        "kept": plan.keep,
        "format": table_format,
        "patients_per_part": size,
        "study_hash": fingerprint(plan.study),
        "parameter_hash": fingerprint(plan.parameters),
        "versions": versions(),
    }


def _plain_sizes(sizes: int | Mapping[str, int]) -> int | dict[str, int]:
    return sizes if isinstance(sizes, int) else dict(sorted(sizes.items()))


@dataclass(frozen=True)
class _Run:
    """Simulates a trial part by part, and keeps what is finished."""

    plan: TrialPlan
    trial: Trial
    size: int
    folder: RunFolder | None
    workers: int | None
    scheduler: str | None
    progress: Progress

    def result(self, table_format: str) -> TrialResult:
        """Simulate what is not finished yet, and join everything."""
        chunks = chunks_of(self.trial.count * self.plan.replicates, self.size)
        finished = set() if self.folder is None else self.folder.finished([chunk.count for chunk in chunks])
        missing = [chunk for chunk in chunks if chunk.number not in finished]
        used = default_workers(len(missing)) if self.workers is None else self.workers
        done = len(chunks) - len(missing)
        tables: dict[int, Tables] = {}

        def note(status: str) -> None:
            if self.folder is not None:
                about = _about(self.plan, self.size, table_format)
                self.folder.write_manifest(
                    {**about, "status": status, "parts_finished": done, "parts": len(chunks)}
                )

        note("running")
        try:
            if self.folder is not None:
                self.folder.write_study(self.plan.study)
            for number, found in run_chunks(self.trial, self.plan, missing, used, self.scheduler):
                if self.folder is None:
                    tables[number] = found
                else:
                    self.folder.write_part(number, found)
                done += 1
                self.progress("simulating patients", done, len(chunks))
            result = self._joined([tables[number] for number in sorted(tables)], used)
            if self.folder is not None:
                _write_all(self.folder, result, self.progress)
        except BaseException:
            # On a full disk the manifest keeps saying that the run goes on, as after a kill.
            with suppress(StudyError):
                note("interrupted")
            raise
        note("finished")
        return result

    def _joined(self, tables: Sequence[Tables], workers: int) -> TrialResult:
        if self.folder is None:
            recorded = Outcomes([table.outcomes for table in tables])
            patients = joined_frame(table.patients for table in tables)
            events = joined_frame(table.events for table in tables)
        else:
            recorded = self.folder.outcomes()
            patients, events = self.folder.table("patients"), self.folder.table("events")
        if (patients["status"] == "not simulated").all():
            first = patients.iloc[0]
            raise SolverError(
                f"{self.plan.study.id}: no patient could be simulated. "
                f"Patient {first['subject']}: {first['left_reason']}"
            )
        return TrialResult(
            self.plan.study, self.plan.parameters, recorded, patients, events, self.plan, workers
        )


def _write_all(folder: RunFolder, result: TrialResult, progress: Progress) -> None:
    """Write tables, trajectories, figures and the report."""
    progress("endpoints", 0, 1)
    folder.write_table("endpoints", result.endpoints)
    folder.write_table("comparison", result.comparison)
    progress("endpoints", 1, 1)
    progress("analyses", 0, 1)
    folder.write_table("analyses", result.analyses)
    progress("analyses", 1, 1)
    if result.is_large:
        return
    folder.write_table("contrasts", result.contrasts)
    folder.write_table("incidence", result.incidence)
    folder.write_table("blinding", result.blinding)
    progress("typical patients", 0, 1)
    result.trajectories.to_netcdf(folder.path / "trajectories.nc", engine="scipy")
    progress("typical patients", 1, 1)
    progress("which parameters matter", 0, 1)
    folder.write_table("influence", result.influence)
    progress("which parameters matter", 1, 1)
    progress("figures and report", 0, 1)
    # Loads Matplotlib, which the run itself does not need.
    from ketasim.report import write_figures, write_report

    data = result.report_data()
    write_figures(data, folder.path / "figures")
    write_report(data, folder.path / "report.html")
    progress("figures and report", 1, 1)
