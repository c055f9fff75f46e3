"""A regimen for many virtual patients, streamed to a folder."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.api.options import Progress, length_h, silent, texts
from ketasim.dosing import Regimen, parse_regimen
from ketasim.engine import DEFAULT_RTOL, Solutions
from ketasim.errors import ModelError, StudyError, unknown_name
from ketasim.model import Simulator, build_chain
from ketasim.model.cohort import Cohort, Prepared, prepare_cohort
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.population import (
    COVARIATES,
    Parent,
    People,
    PopulationSpec,
    Variability,
    draw_people,
    parameter_columns,
    people_inputs,
    save_people,
)
from ketasim.trials.scoring import error_sd
from ketasim.trials.scoring.parameters import ScoringParameters
from ketasim.units import parse_duration

__all__ = ["PopulationResult", "simulate_population"]

#: Persons a part: a file of a few megabytes.
_PART = 4096
#: Highest latent severity that a patient is set up with, in MADRS points: at 60 the read-out has no inverse.
_HIGHEST_SEVERITY = 58.0
#: Names the random streams.
_STUDY = "population"


@dataclass(frozen=True)
class PopulationResult:
    """Where the results of a population are.

    Parameters
    ----------
    folder : Path
        Holds ``part-*.parquet`` (one row a person: ``subject``, ``weight``, ``entry_severity``, and
        one column a quantity and time, as ``severity@24h``), ``failed.csv``, ``manifest.json`` and, if
        they were kept, ``people-*.parquet`` (read by :func:`ketasim.population.load_people`).
    patients, failed : int
        How many were asked for, and how many of them could not be simulated.
    """

    folder: Path
    patients: int
    failed: int


def simulate_population(
    regimen: Regimen | str,
    patients: int,
    out: Path | str,
    *,
    quantities: Sequence[str] = ("severity",),
    at: Sequence[str] = ("24h", "7d"),
    days: str | float = "28d",
    spec: PopulationSpec | str | None = None,
    parameters: ParameterSet | None = None,
    seed: int = 1,
    workers: int | None = None,
    rtol: float = DEFAULT_RTOL,
    keep_people: bool = False,
    force: bool = False,
    progress: Progress = silent,
) -> PopulationResult:
    """Simulate virtual patients who differ in covariates, parameters, severity and life stress.

    Memory does not grow with their number. A person's row depends on what is asked for, the
    seed and his number, not on how many others there are.

    Parameters
    ----------
    regimen : Regimen or str
        What all are given.
    patients : int
        How many.
    out : Path or str
        Folder for the results.
    quantities : sequence of str
        What is kept of each.
    at : sequence of str
        Times at which it is kept, such as ``"24h"``.
    days : str or float
        Time to simulate.
    spec : PopulationSpec or str, optional
        Who they are, or the name of a shipped baseline table; default: ``mdd_trials``.
    parameters : ParameterSet, optional
        Default: the shipped human values.
    seed : int
        Names the random numbers.
    workers : int, optional
        Threads; default: one a core.
    rtol : float
        Accuracy of the results.
    keep_people : bool
        Whether to write who the patients are beside the results: 0.7 GB a million for 28 days.
    force : bool
        Whether to replace what is in the folder.
    progress : function
        Called with a word, the number done, and the number in all.

    Returns
    -------
    PopulationResult

    Raises
    ------
    KetasimError
        If something given cannot be used; says what.
    """
    threads = (os.cpu_count() or 1) if workers is None else workers
    _check_counts(patients, threads)
    regimen = parse_regimen(regimen) if isinstance(regimen, str) else regimen
    chosen = load_parameters() if parameters is None else parameters
    simulator = Simulator(build_chain(parameters=chosen), rtol)
    for name in quantities:
        if name not in simulator.chain.quantities:
            raise ModelError(f"quantities: {unknown_name('quantity', name, simulator.chain.quantities)}")
    task = _Task(
        simulator,
        chosen,
        regimen,
        tuple(quantities),
        _times(texts(at, "at"), length_h(days)),
        length_h(days),
        _population(spec),
        seed,
        keep_people,
    )
    return task.run(patients, _folder(Path(out), force=force), threads, progress)


def _population(spec: PopulationSpec | str | None) -> PopulationSpec:
    """Who the patients are."""
    if isinstance(spec, PopulationSpec):
        return spec
    return PopulationSpec.of_table("mdd_trials" if spec is None else spec)


def _check_counts(patients: int, threads: int) -> None:
    for name, value, what in (("patients", patients, "patients"), ("workers", threads, "threads")):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise StudyError(f"{name}: {value!r} is not a number of {what}; give 1 or more.")


def _times(at: Sequence[str], end_h: float) -> dict[str, float]:
    """Times by their texts, increasing."""
    found = {text: parse_duration(text, "at") for text in at}
    for text, hours in found.items():
        if not 0.0 <= hours <= end_h + 1e-9:
            raise StudyError(f"at: {text!r} is outside the {end_h / 24:g} d that are simulated.")
    if not found:
        raise StudyError("at: give at least one time, such as '24h'.")
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _folder(out: Path, *, force: bool) -> Path:
    if out.exists() and not out.is_dir():
        raise StudyError(f"out: {out} is a file; give a folder.")
    if out.is_dir() and any(out.iterdir()):
        if not force:
            raise StudyError(f"out: {out} is not empty; choose another folder, or replace it with force.")
        results = (*out.glob("part-*.parquet"), *out.glob("people-*.parquet"))
        for path in (*results, out / "failed.csv", out / "manifest.json"):
            path.unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    return out


@dataclass(frozen=True)
class _Task:
    """What is done to everybody."""

    simulator: Simulator
    parameters: ParameterSet
    regimen: Regimen
    quantities: tuple[str, ...]
    times: dict[str, float]
    end_h: float
    spec: PopulationSpec
    seed: int
    keep_people: bool

    @property
    def _grid(self) -> npt.NDArray[np.float64]:
        """Output times: the start, those wanted, and the end."""
        return np.unique([0.0, *self.times.values(), self.end_h])

    def run(self, patients: int, folder: Path, workers: int, progress: Progress) -> PopulationResult:
        """Simulate, and write part after part."""
        waiting: list[tuple[int, Prepared, People]] = []
        failed, done = 0, 0
        status = "interrupted"
        (folder / "failed.csv").write_text("subject,reason\n", encoding="utf-8")
        try:
            for solutions in self._solved(patients, workers, waiting):
                first, prepared, people = waiting.pop(0)
                failed += self._write(folder, first, prepared, people, solutions)
                done += len(people)
                progress("patients", done, patients)
            status = "finished"
        finally:
            self._manifest(folder, patients, done, failed, status)
        return PopulationResult(folder, patients, failed)

    def _solved(self, patients: int, workers: int, waiting: list[Any]) -> Iterator[Solutions]:
        def batches() -> Iterator[Any]:
            for first in range(0, patients, _PART):
                people = self._people(first, min(_PART, patients - first))
                prepared = prepare_cohort(self.simulator, self._cohort(people), self.regimen, self._grid)
                waiting.append((first, prepared, people))
                yield prepared.batch

        defaults = self.simulator.chain.input_defaults()
        return self.simulator.engine().stream(
            batches(), defaults, self.simulator.rtol, self.quantities, workers
        )

    def _people(self, first: int, count: int) -> People:
        """Persons ``first`` to ``first + count - 1``, counted from 0."""
        everybody = np.zeros(count, dtype=np.int64)
        return draw_people(
            self.spec,
            self.variability,
            seed=self.seed,
            study=_STUDY,
            replicates=everybody,
            subjects=np.arange(first + 1, first + count + 1, dtype=np.int64),
            parents=[self.parent],
            which=everybody,
            days=int(np.ceil(self.end_h / 24.0)),
            stress_tau_h=self.parameters["life_stress_time"].value,
            stress_sd_points=self.parameters["life_stress_points"].value,
            error_sd=error_sd(ScoringParameters.from_table(self.parameters), self.spec.scale),
        )

    @cached_property
    def variability(self) -> Variability:
        """How parameters differ between people."""
        return Variability.of(self.parameters)

    @cached_property
    def parent(self) -> Parent:
        """Population behind the score at entry."""
        return self.spec.parent()

    def _cohort(self, people: People) -> Cohort:
        """People as the model takes them."""
        known = self.simulator.chain.inputs
        return Cohort(
            self.parameters,
            parameter_columns(people, self.parameters),
            self._severity(people),
            people.stress,
            {name: values for name, values in people_inputs(people).items() if name in known},
        )

    def _severity(self, people: People) -> npt.NDArray[np.float64]:
        """Latent severity at entry, in MADRS points."""
        points = people.severity_baseline
        if self.spec.scale == "hamd17":
            points = points / self.parameters["hamd17_per_madrs"].value
        return np.minimum(points, _HIGHEST_SEVERITY)

    def _write(
        self, folder: Path, first: int, prepared: Prepared, people: People, solutions: Solutions
    ) -> int:
        """Write one part; returns how many of it failed."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        reasons = dict(prepared.refused)
        reasons |= {int(prepared.places[i]): text for i, text in solutions.failures.items()}
        kept = [i for i in range(len(prepared.places)) if i not in solutions.failures]
        places = prepared.places[kept]
        columns: dict[str, Any] = {
            "subject": first + places + 1,
            "weight": people.covariates["weight"][places],
            "entry_severity": self._severity(people)[places],
        }
        values = np.array([solutions.values[i] for i in kept]).reshape(
            len(kept), len(self._grid), len(self.quantities)
        )
        for place, name in enumerate(self.quantities):
            factor = self.simulator.shown_factor(name)
            for text, hours in self.times.items():
                at = int(np.searchsorted(self._grid, hours))
                columns[f"{name}@{text}"] = values[:, at, place] / factor
        if self.keep_people:
            save_people(people, folder / f"people-{first // _PART:05d}.parquet")
        path = folder / f"part-{first // _PART:05d}.parquet"
        pq.write_table(pa.table(columns), path.with_suffix(".writing"))
        path.with_suffix(".writing").replace(path)
        with (folder / "failed.csv").open("a", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows((first + place + 1, text) for place, text in sorted(reasons.items()))
        return len(reasons)

    def _manifest(self, folder: Path, patients: int, done: int, failed: int, status: str) -> None:
        about = {
            "status": status,
            "patients": patients,
            "done": done,
            "failed": failed,
            "regimen": self.regimen.text,
            "days": self.end_h / 24.0,
            "seed": self.seed,
            "rtol": self.simulator.rtol,
            "spec": asdict(self.spec),
            "covariate_units": {name: item.unit for name, item in COVARIATES.items()},
            "units": {name: self.simulator.chain.quantities[name].shown_unit for name in self.quantities},
            "version": version("ketasim"),
            "note": "A research and teaching instrument, not for treating a person.",
        }
        (folder / "manifest.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
