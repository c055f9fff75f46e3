"""Persons by the thousand, as arrays, and their exact form on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError

__all__ = ["People", "load_people", "save_people"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_MARK = b"ketasim_people"
_VERSION = b"1"
_SINGLE = ("baseline", "entry_stress", "entry_error", "severity_baseline")
_COUNTS = ("replicate", "subject", "screened")
#: Fields that hold several columns, and whether these are whole numbers.
_GROUPS: Mapping[str, bool] = {
    "covariates": False,
    "deviations": False,
    "frailty": False,
    "screen_failures": True,
}
_STRESS = "stress"


@dataclass(frozen=True, eq=False)
class People:
    """Persons of a trial, before treatment.

    Parameters
    ----------
    replicate, subject : ndarray of int, shape (n,)
        Replicate of the trial, and number of the person in it, from 1 in order of enrolment.
    covariates : mapping of str to ndarray, shape (n,)
        Each covariate, in its unit; see :data:`ketasim.population.COVARIATES`.
    baseline : ndarray, shape (n,)
        Total that was scored at entry, in points.
    entry_stress : ndarray, shape (n,)
        Life stress at entry, z.
    entry_error : ndarray, shape (n,)
        Occasion and rater error within ``baseline``, in points.
    severity_baseline : ndarray, shape (n,)
        ``baseline - entry_error``: what the biology must give at entry, in points of that scale.
    deviations : mapping of str to ndarray, shape (n,)
        Deviation of each parameter that varies between people, on the scale of its spread; for
        :meth:`ketasim.model.Parameter.varied`.
    stress : ndarray, shape (n, days)
        Life stress, z, constant over each day; the first day holds ``entry_stress``.
    frailty : mapping of str to ndarray, shape (n,)
        How prone to each harm, a standard normal number.
    screened : ndarray of int, shape (n,)
        Candidates that were seen until this person could enter, this one included.
    screen_failures : mapping of str to ndarray of int, shape (n,)
        How many of them were refused, by rule.

    Raises
    ------
    StudyError
        If the arrays differ in length.
    """

    replicate: IntArray
    subject: IntArray
    covariates: Mapping[str, FloatArray]
    baseline: FloatArray
    entry_stress: FloatArray
    entry_error: FloatArray
    severity_baseline: FloatArray
    deviations: Mapping[str, FloatArray]
    stress: FloatArray
    frailty: Mapping[str, FloatArray]
    screened: IntArray
    screen_failures: Mapping[str, IntArray]

    def __post_init__(self) -> None:
        for name, column in self._columns():
            if len(column) != len(self.subject):
                raise StudyError(
                    f"people: {name} has {len(column)} values and there are {len(self.subject)} people; "
                    "give each person one."
                )
        if self.stress.ndim != 2 or self.stress.shape[1] < 1:
            raise StudyError(f"people: stress of shape {self.stress.shape}; give each person at least a day.")

    def __len__(self) -> int:
        return len(self.subject)

    @property
    def days(self) -> int:
        """Days of life stress."""
        return int(self.stress.shape[1])

    def _columns(self) -> list[tuple[str, npt.NDArray[Any]]]:
        """Every column of one value a person, by its name on disk, and stress."""
        found: list[tuple[str, npt.NDArray[Any]]] = [
            (name, getattr(self, name)) for name in (*_COUNTS, *_SINGLE)
        ]
        for group in _GROUPS:
            found += [(f"{group}:{name}", values) for name, values in getattr(self, group).items()]
        return [*found, (_STRESS, self.stress)]

    def part(self, places: Any) -> People:
        """Return some of them.

        Parameters
        ----------
        places : slice, or array of int or bool
            Which, as an index of arrays.

        Returns
        -------
        People
            In the order of ``places``.
        """
        fields: dict[str, Any] = {name: getattr(self, name)[places] for name in (*_COUNTS, *_SINGLE, _STRESS)}
        for group in _GROUPS:
            fields[group] = {name: values[places] for name, values in getattr(self, group).items()}
        return People(**fields)

    def to_table(self) -> Any:
        """Return them as a pyarrow Table, a row a person.

        Returns
        -------
        pyarrow.Table
            A column each, named as the field or ``field:name``; ``stress`` is a list of all days.
            :meth:`from_table` gives back the same bits.
        """
        import pyarrow as pa

        columns = {name: pa.array(values) for name, values in self._columns() if name != _STRESS}
        flat = pa.array(np.ascontiguousarray(self.stress).reshape(-1))
        columns[_STRESS] = pa.FixedSizeListArray.from_arrays(flat, self.days)
        return pa.table(columns).replace_schema_metadata({_MARK: _VERSION})

    @classmethod
    def from_table(cls, table: Any) -> People:
        """Return what :meth:`to_table` was made from.

        Parameters
        ----------
        table : pyarrow.Table
            As written by :meth:`to_table`.

        Raises
        ------
        StudyError
            If it holds something else.
        """
        if (table.schema.metadata or {}).get(_MARK) != _VERSION:
            raise StudyError(
                "people: this table was not written by save_people of this version; real patients from a "
                "CSV file are read by people_from_csv."
            )
        fields: dict[str, Any] = {group: {} for group in _GROUPS}
        for name in table.column_names:
            column = table.column(name).combine_chunks()
            if name == _STRESS:
                days = column.type.list_size
                fields[name] = _values(column.flatten(), np.float64).reshape(-1, days)
                continue
            group, _, own = name.partition(":")
            if own:
                fields[group][own] = _values(column, np.int64 if _GROUPS[group] else np.float64)
            else:
                fields[name] = _values(column, np.int64 if name in _COUNTS else np.float64)
        return cls(**fields)


def _values(column: Any, kind: type) -> npt.NDArray[Any]:
    """Values of an arrow column, bit for bit."""
    return np.array(column.to_numpy(zero_copy_only=False), dtype=kind)


def save_people(people: People, path: Path | str) -> None:
    """Write people to a Parquet file.

    Parameters
    ----------
    people : People
        Who.
    path : Path or str
        File; one that is there is replaced once the new one is whole.
    """
    import pyarrow.parquet as pq

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = path.with_name(path.name + ".writing")
    pq.write_table(people.to_table(), writing, compression="zstd")
    writing.replace(path)


def load_people(path: Path | str) -> People:
    """Read people from a Parquet file.

    Parameters
    ----------
    path : Path or str
        As written by :func:`save_people`.

    Returns
    -------
    People
        Bit for bit those that were saved.

    Raises
    ------
    StudyError
        If there is no such file, or it holds something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise StudyError(f"people: {path}: there is no such file.")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise StudyError(f"people: {path} cannot be read as Parquet ({error}).") from error
    try:
        return People.from_table(table)
    except StudyError as error:
        raise StudyError(f"{path}: {error}") from error
