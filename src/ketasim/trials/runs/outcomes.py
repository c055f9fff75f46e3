"""Outcomes of a simulated trial, wherever they are: in memory, or in the parts of a folder.

One quantity at a time is laid out as a table of persons by visits, in order of replicate
and person, so that what is computed from it does not depend on how the trial was cut.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.scoring.scales import SCALES

__all__ = ["Matrix", "Outcomes", "Since", "joined_frame", "plain", "read_part", "statistic_of"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_NEEDED = ("replicate", "arm", "treatment", "subject", "quantity", "statistic", "time_h", "value")

_TEXTS = (
    *("study", "arm", "treatment", "quantity", "statistic", "unit", "reason", "stratum", "status"),
    *("left_reason", "stopped_reason", "guess", "kind", "detail"),
)
_WHOLE = ("replicate", "subject", "screened")
#: Rows from which the text of a table is held as categories.
_MANY = 100_000


def statistic_of(quantity: str) -> str:
    """Which statistic of a quantity is looked at: what a rater wrote, or what the model holds."""
    return "score" if quantity in SCALES else "value"


class Since(NamedTuple):
    """Persons from when they entered an arm.

    Parameters
    ----------
    arm : array of str, shape (persons,)
        The arm that each entered; empty for those who entered none.
    start, values : array, shape (persons,)
        Values on entering it, and a while later.
    """

    arm: npt.NDArray[np.str_]
    start: FloatArray
    values: FloatArray


@dataclass(frozen=True)
class Matrix:
    """One quantity of all persons at all visits.

    Parameters
    ----------
    replicate, subject : array of int, shape (persons,)
        Who, in order.
    words : array of str, shape (arms,)
        Names of arms.
    arm_code : array of int, shape (persons,)
        Place in ``words`` of the arm to which each was randomised.
    times_h : array, shape (visits,)
        Visits.
    values : array, shape (persons, visits)
        NaN where a value is missing.
    treatment_code : array of int, shape (persons, visits)
        Place in ``words`` of the arm in force.
    """

    replicate: IntArray
    subject: IntArray
    words: npt.NDArray[np.str_]
    arm_code: IntArray
    times_h: FloatArray
    values: FloatArray
    treatment_code: npt.NDArray[np.int16]

    @cached_property
    def arm(self) -> npt.NDArray[np.str_]:
        """The arm to which each was randomised, shape (persons,)."""
        return self.words[self.arm_code]

    @property
    def treatment(self) -> npt.NDArray[np.str_]:
        """The arm in force, shape (persons, visits); spelt out anew each time, as it takes much memory."""
        return self.words[self.treatment_code]

    def at(self, time_h: float) -> FloatArray | None:
        """Values at a visit; None if there is no such visit."""
        near = np.flatnonzero(np.isclose(self.times_h, time_h))
        return self.values[:, near[0]] if len(near) else None

    @property
    def entry(self) -> FloatArray:
        """Values at entry."""
        found = self.at(0.0)
        return np.full(len(self.subject), np.nan) if found is None else found

    def since(self, arms: Collection[str], time_h: float) -> Since:
        """Values at a time after persons entered one of some arms, the first time that they did.

        Parameters
        ----------
        arms : collection of str
            For example those of a phase.
        time_h : float
            Hours after entering; where there is no visit, values are missing.
        """
        there = np.isin(self.words, list(arms))[self.treatment_code]
        seen = there.any(axis=1)
        first = there.argmax(axis=1)
        rows = np.arange(len(self.subject))
        # An arm is entered at the visit before the first one at which it was in force.
        begin = np.maximum(first - 1, 0)
        wanted = self.times_h[begin] + time_h
        place = np.abs(self.times_h[None, :] - wanted[:, None]).argmin(axis=1)
        hit = np.isclose(self.times_h[place], wanted)
        values = np.where(seen & hit, self.values[rows, place], np.nan)
        start = np.where(seen, self.values[rows, begin], np.nan)
        return Since(np.where(seen, self.words[self.treatment_code[rows, first]], ""), start, values)


@dataclass(frozen=True)
class Outcomes:
    """Outcomes in parts, each holding all rows of its persons.

    Parameters
    ----------
    parts : sequence of pyarrow.Table or Path
        Tables, or Parquet files.
    """

    parts: Sequence[pa.Table | Path]
    _laid_out: dict[tuple[str, str], Matrix] = field(default_factory=dict, repr=False)

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> Outcomes:
        """Outcomes from a data frame with the columns of a run."""
        if "treatment" not in frame:
            frame = frame.assign(treatment=frame["arm"])
        return cls([pa.Table.from_pandas(frame, preserve_index=False)])

    def frame(self) -> pd.DataFrame:
        """All rows as a data frame."""
        tables = [self._read(part, None) for part in self.parts]
        joined = pa.concat_tables([plain(table) for table in tables])
        frame: pd.DataFrame = joined.to_pandas()
        return frame

    def kinds(self) -> list[tuple[str, str]]:
        """Quantities with their statistics, in the order of the tables."""
        found: dict[tuple[str, str], None] = {}
        for part in self.parts[:1]:
            table = self._read(part, ("quantity", "statistic"))
            names = pc.cast(table["quantity"], pa.string()).to_numpy(zero_copy_only=False)
            kinds = pc.cast(table["statistic"], pa.string()).to_numpy(zero_copy_only=False)
            found |= dict.fromkeys(zip(names.tolist(), kinds.tolist(), strict=True))
        return list(found)

    def units(self) -> dict[str, str]:
        """Unit of each quantity."""
        table = plain(self._read(self.parts[0], ("quantity", "unit")))
        pairs = zip(table["quantity"].to_pylist(), table["unit"].to_pylist(), strict=True)
        return dict(pairs)

    def matrix(self, quantity: str, statistic: str | None = None) -> Matrix:
        """Lay one quantity out as persons by visits.

        Raises
        ------
        StudyError
            If it was not recorded.
        """
        key = (quantity, statistic or statistic_of(quantity))
        if key not in self._laid_out:
            self._laid_out[key] = self._lay_out(*key)
        return self._laid_out[key]

    def _lay_out(self, quantity: str, statistic: str) -> Matrix:
        words: dict[str, int] = {}
        read = (self._rows(part, quantity, statistic) for part in self.parts)
        # A part at a time: all rows of a million persons would not fit into memory.
        laid = [_lay_out_part(rows, words, quantity) for rows in read if rows.num_rows]
        if not laid:
            raise StudyError(
                f"outcomes: {self._unknown(quantity, statistic)} It was not recorded: name it at a visit or "
                "in an endpoint."
            )
        times = laid[0].times_h
        if any(not np.array_equal(part.times_h, times) for part in laid):
            raise StudyError(f"outcomes: {quantity}: {_UNEVEN}")
        replicate = np.concatenate([part.replicate for part in laid])
        subject = np.concatenate([part.subject for part in laid])
        order = np.lexsort((subject, replicate))
        return Matrix(
            replicate[order],
            subject[order],
            np.array(list(words), dtype=np.str_),
            np.concatenate([part.arm_code for part in laid])[order],
            times,
            np.concatenate([part.values for part in laid])[order],
            np.concatenate([part.treatment_code for part in laid])[order],
        )

    def _unknown(self, quantity: str, statistic: str) -> str:
        kinds = self.kinds()
        if own := [kind for name, kind in kinds if name == quantity]:
            return f"{quantity}: {unknown_name('statistic', statistic, own)}"
        return unknown_name("quantity", quantity, {name for name, _ in kinds})

    def _rows(self, part: pa.Table | Path, quantity: str, statistic: str) -> pa.Table:
        table = self._read(part, _NEEDED)
        wanted = pc.and_(pc.equal(table["quantity"], quantity), pc.equal(table["statistic"], statistic))
        return table.filter(wanted)

    @staticmethod
    def _read(part: pa.Table | Path, columns: Sequence[str] | None) -> pa.Table:
        if isinstance(part, Path):
            return read_part(part, columns)
        return part if columns is None else part.select(list(columns))


#: What is wrong when persons have different visits.
_UNEVEN = "some patients have not all visits, or some twice; run the trial again."


class _Laid(NamedTuple):
    """Persons of one part by visits; see :class:`Matrix`."""

    replicate: IntArray
    subject: IntArray
    arm_code: npt.NDArray[np.int16]
    times_h: FloatArray
    values: FloatArray
    treatment_code: npt.NDArray[np.int16]


def _lay_out_part(rows: pa.Table, words: dict[str, int], quantity: str) -> _Laid:
    """Lay one quantity of one part out; words that are new get the next places."""
    replicate, subject, time, value = (
        rows[name].to_numpy(zero_copy_only=False) for name in ("replicate", "subject", "time_h", "value")
    )
    times = np.unique(time.astype(np.float64))
    if len(value) % len(times):
        raise StudyError(f"outcomes: {quantity}: {_UNEVEN}")
    order = np.lexsort((time, subject, replicate))
    shape = (-1, len(times))
    who = (replicate[order].reshape(shape), subject[order].reshape(shape))
    if any((part != part[:, :1]).any() for part in who) or (time[order].reshape(shape) != times).any():
        raise StudyError(f"outcomes: {quantity}: {_UNEVEN}")
    return _Laid(
        who[0][:, 0].astype(np.int64),
        who[1][:, 0].astype(np.int64),
        _codes(rows["arm"], words)[order].reshape(shape)[:, 0],
        times,
        value[order].astype(np.float64).reshape(shape),
        _codes(rows["treatment"], words)[order].reshape(shape),
    )


def _codes(column: pa.ChunkedArray, words: dict[str, int]) -> npt.NDArray[np.int16]:
    """Place of each row's word in the list of words."""
    known = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    found = known.combine_chunks()
    if isinstance(found, pa.ChunkedArray):
        found = found.chunk(0)
    own = [words.setdefault(word, len(words)) for word in found.dictionary.to_pylist()]
    codes: npt.NDArray[np.int16] = np.array(own, dtype=np.int16)[found.indices.to_numpy()]
    return codes


def read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a part of a run as it was written.

    Parameters
    ----------
    path : Path
        A file in Parquet or CSV.
    columns : sequence of str, optional
        Columns that are wanted; default: all.

    Returns
    -------
    pyarrow.Table

    Raises
    ------
    StudyError
        If the file is damaged.
    """
    try:
        if path.suffix == ".parquet":
            wanted = None if columns is None else list(columns)
            return pq.read_table(path, columns=wanted, page_checksum_verification=True)
        table = pa.Table.from_pandas(_read_csv(path), preserve_index=False)
        return table if columns is None else table.select(list(columns))
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise StudyError(
            f"{path}: this part of a run cannot be read ({reason}); delete it, and run the same command with "
            "--resume: it is simulated again."
        ) from error


def _read_csv(path: Path) -> pd.DataFrame:
    """A table in CSV: names stay text, even an arm called ``none`` or ``12``."""
    texts = pd.read_csv(path, dtype=str, keep_default_na=False)
    columns = {}
    for name in map(str, texts):
        if name in _TEXTS:
            columns[name] = texts[name]
        elif name in _WHOLE or name.startswith("screen_failures"):
            columns[name] = texts[name].astype("int64")
        else:
            # Python's own reading of a number gives back the last bit too.
            numbers = [float(text) if text else math.nan for text in texts[name]]
            columns[name] = pd.Series(numbers, dtype="float64")
    return pd.DataFrame(columns)


def plain(table: pa.Table) -> pa.Table:
    """Return a table with its text as plain text: parts differ in their dictionaries."""
    fields = [
        pa.field(item.name, item.type.value_type if pa.types.is_dictionary(item.type) else item.type)
        for item in table.schema
    ]
    return table.cast(pa.schema(fields))


def joined_frame(tables: Iterable[pa.Table]) -> pd.DataFrame:
    """Return parts as one data frame; the text of many rows comes as categories, which take less memory.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        Read one after another.
    """
    joined = pa.concat_tables([plain(table) for table in tables])
    if joined.num_rows > _MANY:
        for place, item in enumerate(joined.schema):
            if pa.types.is_string(item.type):
                words = joined.column(place).dictionary_encode()
                joined = joined.set_column(place, item.name, words)
    frame: pd.DataFrame = joined.to_pandas(self_destruct=True, split_blocks=True)
    return frame
