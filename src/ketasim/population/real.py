"""Real patients: their covariates and scores from a CSV file."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError, UnitError, unknown_name
from ketasim.population.covariates import ANCESTRIES, COVARIATES
from ketasim.population.drawing import draw_people
from ketasim.population.people import FloatArray, People
from ketasim.population.screening import draw_covariates
from ketasim.population.spec import PopulationSpec
from ketasim.population.variability import Variability
from ketasim.units import convert

__all__ = ["RealPatients", "people_from_csv", "read_patients"]

_SUBJECT, _SCORE = "subject", "score"
_HEADER = re.compile(r"^\s*(?P<name>\w+)\s*(?:[\[(]\s*(?P<unit>[^\])]*?)\s*[\])])?\s*$")
#: Columns without which a file says too little of who the patients are.
_NEEDED = ("weight", "age", "female", _SCORE)
_WORDS: Mapping[str, float] = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class RealPatients:
    """What a file says.

    Parameters
    ----------
    subject : tuple of str
        The file's own names of the patients; empty texts without the column.
    covariates : mapping of str to ndarray, shape (n,)
        Those that the file has, in the units of :data:`COVARIATES`.
    score : ndarray, shape (n,)
        Total at entry, in points.
    """

    subject: tuple[str, ...]
    covariates: Mapping[str, FloatArray]
    score: FloatArray

    def __len__(self) -> int:
        return len(self.score)


def read_patients(path: Path | str, score_maximum: float = 60.0) -> RealPatients:
    """Read real patients.

    Parameters
    ----------
    path : Path or str
        CSV file with a line a patient. The first line names the columns: covariates with their
        unit, as in ``weight [kg]`` (other units of the same kind are converted; a share or a number
        of alleles needs none), ``score`` (total at entry, in points) and, if wanted, ``subject``.
        Needed are weight, age, female and score. Yes and no are 1 and 0, or words.
    score_maximum : float
        Highest total of the scale.

    Returns
    -------
    RealPatients

    Raises
    ------
    StudyError
        If a column is missing, unknown or in a wrong unit, or a value is missing, no number or
        impossible; says which line.
    """
    path = Path(path)
    if not path.is_file():
        raise StudyError(f"{path}: there is no such file; give a CSV file with a line a patient.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: it cannot be read as text ({error}).") from error
    reader = csv.reader(text.splitlines())
    header = next(reader, None)
    if not header:
        raise StudyError(f"{path}: the file is empty; its first line names the columns.")
    columns = _columns(path, header)
    names: list[str] = []
    values: dict[str, list[float]] = {name: [] for name, _ in columns if name != _SUBJECT}
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        where = f"{path}, line {reader.line_num}"
        if len(row) != len(columns):
            raise StudyError(f"{where}: {len(row)} values and {len(columns)} columns.")
        names.append("")
        for (name, unit), cell in zip(columns, row, strict=True):
            if name == _SUBJECT:
                names[-1] = cell.strip()
            else:
                values[name].append(_value(where, name, unit, cell.strip(), score_maximum))
    if not names:
        raise StudyError(f"{path}: it names the columns and has no patient; give a line a patient.")
    found = {name: np.array(column) for name, column in values.items()}
    _check_ancestry(path, found)
    score = found.pop(_SCORE)
    return RealPatients(tuple(names), found, score)


def _columns(path: Path, header: Sequence[str]) -> list[tuple[str, str]]:
    """Name and unit of each column."""
    known = (*COVARIATES, _SCORE, _SUBJECT)
    found: list[tuple[str, str]] = []
    for cell in header:
        match = _HEADER.match(cell)
        name = match["name"] if match else cell
        if name not in known:
            raise StudyError(f"{path}, line 1: {unknown_name('column', name, known)}")
        if name in [other for other, _ in found]:
            raise StudyError(f"{path}, line 1: column {name!r} stands twice; keep one.")
        found.append((name, _unit(path, name, (match["unit"] or "") if match else "")))
    for name in _NEEDED:
        if name not in [other for other, _ in found]:
            raise StudyError(f"{path}, line 1: column {name!r} is missing; needed are {', '.join(_NEEDED)}.")
    return found


def _unit(path: Path, name: str, given: str) -> str:
    """Unit of a column, checked; empty for what has none."""
    if name in (_SUBJECT, _SCORE):
        return ""
    own = COVARIATES[name].unit
    if COVARIATES[name].kind != "continuous":
        if given and given != own:
            raise StudyError(
                f"{path}, line 1: column {name!r} has no unit; {given!r} does not fit, leave it out."
            )
        return ""
    if not given:
        raise StudyError(f"{path}, line 1: column {name!r} lacks its unit; write {name} [{own}].")
    try:
        convert(1.0, given, own)
    except UnitError as error:
        raise StudyError(
            f"{path}, line 1: column {name!r}: unit {given!r} does not fit; write {name} [{own}]. {error}"
        ) from error
    return given


def _value(where: str, name: str, unit: str, cell: str, score_maximum: float) -> float:
    """One value, checked and converted."""
    lowered = cell.lower()
    binary = name in COVARIATES and COVARIATES[name].kind == "binary"
    try:
        value = _WORDS[lowered] if binary and lowered in _WORDS else float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        shown = repr(cell) if cell else "an empty cell"
        raise StudyError(f"{where}: {name}: {shown} is not a number; complete the line or leave it out.")
    if name == _SCORE:
        low, high, own = 0.0, score_maximum, "points"
    else:
        low, high, own = COVARIATES[name].low, COVARIATES[name].high, COVARIATES[name].unit
        value = convert(value, unit, own) if unit else value
        if COVARIATES[name].kind != "continuous" and value != int(value):
            raise StudyError(f"{where}: {name}: {cell!r} is not a whole number.")
    if not low <= value <= high:
        raise StudyError(f"{where}: {name}: {cell} is outside {low:g} to {high:g} {own}.")
    return float(value)


def _check_ancestry(path: Path, found: Mapping[str, FloatArray]) -> None:
    """Refuse a patient of two ancestries."""
    given = [found[name] for name in ANCESTRIES if name in found]
    if given and float(np.max(np.sum(given, axis=0))) > 1.0:
        line = int(np.argmax(np.sum(given, axis=0) > 1.0))
        raise StudyError(f"{path}: patient {line + 1} has more than one ancestry; give 1 to one of them.")


def people_from_csv(
    path: Path | str,
    spec: PopulationSpec,
    variability: Variability,
    *,
    seed: SupportsIndex,
    study: str,
    days: int,
    stress_tau_h: float,
    stress_sd_points: float,
    error_sd: float,
    replicate: int = 0,
) -> People:
    """Make people of real patients.

    Parameters
    ----------
    path : Path or str
        CSV file; see :func:`read_patients`.
    spec : PopulationSpec
        Gives the scale and its population, from which stress and error at entry are drawn given each
        patient's score, and the covariates that the file lacks. Its entry rules refuse nobody here.
    variability, seed, study, days, stress_tau_h, stress_sd_points, error_sd
        As for :func:`~ketasim.population.draw_people`.
    replicate : int
        Replicate of the trial; another one gives the same patients other parameters, stress and frailty.

    Returns
    -------
    People
        Numbered from 1 in the order of the file, scores and covariates as in it.

    Raises
    ------
    StudyError
        If the file is wrong; says which line.
    """
    patients = read_patients(path, spec.scale_maximum)
    n = len(patients)
    who: dict[str, Any] = {
        "seed": seed,
        "study": study,
        "replicates": np.full(n, replicate, dtype=np.int64),
        "subjects": np.arange(1, n + 1, dtype=np.int64),
    }
    free = PopulationSpec(
        spec.baseline_mean,
        spec.baseline_sd,
        scale=spec.scale,
        table=spec.table,
        continuous=spec.continuous,
        fractions=spec.fractions,
        correlations=spec.correlations,
    )
    columns: dict[str, npt.NDArray[Any]] = {**draw_covariates(free, **who), **patients.covariates}
    if any(name in patients.covariates for name in ANCESTRIES):
        columns |= _ancestries(patients)
    parent = spec.parent()
    return draw_people(
        free,
        variability,
        **who,
        parents=[parent],
        which=np.zeros(n, dtype=np.int64),
        days=days,
        stress_tau_h=stress_tau_h,
        stress_sd_points=stress_sd_points,
        error_sd=error_sd,
        covariates=columns,
        baseline=patients.score,
    )


def _ancestries(patients: RealPatients) -> dict[str, FloatArray]:
    """All ancestries of patients of whom a file names some: who has none of these is put with the others."""
    given = {name: patients.covariates.get(name, np.zeros(len(patients))) for name in ANCESTRIES}
    given["ancestry_other"] = 1.0 - sum(
        (values for name, values in given.items() if name != "ancestry_other"), np.zeros(len(patients))
    )
    return given
