"""Parameter tables: value, unit, range, source and grade of every number in the model.

One CSV file a stage, in a folder a species. Columns: ``name, value, unit, low,
high, distribution, iiv, iiv_source, source, grade, note``. ``iiv`` is the
standard deviation between people, on the log scale, or on the logit scale if
``distribution`` is ``logitnormal``: a share then never passes 1. How parameters go
together between people is in ``<species>_correlations.csv``.

A table may have two more columns, ``iov, iov_source``: the standard deviation between
the doses of one person, on the same scale. Only what acts when a dose is given (a share
that is taken up, the length of an uptake) can have one. A rate inside the equations is
one number for a whole run and cannot, whatever a publication says of it.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import ModelError, UnitError, unknown_name
from ketasim.model.options import chosen_settings
from ketasim.model.parameters.correlations import (
    Correlation,
    check_correlations,
    correlated,
    read_correlations,
)
from ketasim.model.parameters.grades import GRADES, OWN_SOURCES
from ketasim.units import convert, parse_quantity

__all__ = [
    "GRADES",
    "OWN_SOURCES",
    "Correlation",
    "Parameter",
    "ParameterSet",
    "correlated",
    "load_parameters",
    "read_overrides",
]

_Number = TypeVar("_Number", float, NDArray[np.float64])

_COLUMNS = (
    "name",
    "value",
    "unit",
    "low",
    "high",
    "distribution",
    "iiv",
    "iiv_source",
    "source",
    "grade",
    "note",
)
#: The species whose tables are complete.
_REFERENCE = "human"
#: Columns that a table may leave out: nothing of it varies between doses.
_OCCASION_COLUMNS = ("iov", "iov_source")


@dataclass(frozen=True)
class Parameter:
    """One number of the model with its origin.

    Parameters
    ----------
    name, stage, unit : str
        Public name, stage that owns it, unit of ``value``.
    value, low, high : float
        Typical value and plausible range, in ``unit``.
    distribution : str
        Shape of the uncertainty: ``lognormal``, ``normal``, ``logitnormal`` or ``fixed``.
    iiv : float
        Standard deviation between people on the log scale, or on the logit scale if
        ``distribution`` is ``logitnormal``; 0 if none is known.
    iiv_source : str
        Where ``iiv`` comes from, written as ``source``; empty without one.
    source, grade, note : str
        Citation key or one of :data:`OWN_SOURCES`, one of :data:`GRADES`, and a remark.
    iov, iov_source
        The same as ``iiv`` and ``iiv_source``, between the doses of one person.
    """

    name: str
    stage: str
    value: float
    unit: str
    low: float
    high: float
    distribution: str
    iiv: float
    iiv_source: str
    source: str
    grade: str
    note: str
    iov: float = 0.0
    iov_source: str = ""

    def times(self, factor: _Number) -> _Number:
        """Value of a person who differs by a factor.

        Parameters
        ----------
        factor : float or array
            Above 0. Acts on the odds of a share (``logitnormal``) and on the value of anything else.

        Returns
        -------
        float or array
            In ``unit``.
        """
        return self._scaled(self.value, factor)

    def varied(self, deviation: _Number) -> _Number:
        """Value at a deviation on the scale of the spread, as ``iiv * z`` with a standard normal ``z``.

        Parameters
        ----------
        deviation : float or array
            On the logit scale of a share (``logitnormal``), on the log scale of anything else.

        Returns
        -------
        float or array
            In ``unit``: ``value exp(deviation)``, or ``logistic(logit(value) + deviation)``.
        """
        return self.at(self.value, deviation)

    def at(self, value: float | _Number, deviation: _Number) -> _Number:
        """Value at a deviation from another value than the table's, as of a person at one dose.

        Parameters
        ----------
        value : float or array
            The person's own, in ``unit``; a share from 0 to 1.
        deviation : float or array
            As for :meth:`varied`.

        Returns
        -------
        float or array
            In ``unit``.
        """
        factor: _Number = np.exp(deviation)
        return self._scaled(value, factor)

    def _scaled(self, value: float | _Number, factor: _Number) -> _Number:
        if self.distribution == "logitnormal":
            # Odds times a factor, written so that a share of 0 or 1 stays what it is.
            return value * factor / (1.0 - value + value * factor)
        return value * factor


class ParameterSet(Mapping[str, Parameter]):
    """Parameters by name, immutable.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        The table.
    correlations : iterable of Correlation
        Which of them go together between people.
    """

    def __init__(self, parameters: Mapping[str, Parameter], correlations: Iterable[Correlation] = ()) -> None:
        self._parameters = dict(parameters)
        self._correlations = tuple(correlations)
        # What a set was made from, and the values in which it differs: many persons are told apart by these
        # alone.
        self._origin: ParameterSet | None = None
        self._changed: dict[str, float] = {}

    @property
    def origin(self) -> ParameterSet:
        """The set from which this one was made by other values, or itself."""
        return self if self._origin is None else self._origin

    @property
    def changed(self) -> Mapping[str, float]:
        """Values in which it differs from its origin."""
        return self._changed

    @property
    def correlations(self) -> tuple[Correlation, ...]:
        """Which parameters go together between people."""
        return self._correlations

    def __getitem__(self, name: str) -> Parameter:
        try:
            return self._parameters[name]
        except KeyError:
            raise ModelError(
                f"{unknown_name('parameter', name, self._parameters)} "
                "'ketasim list parameters' shows them all."
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def with_values(self, values: Mapping[str, float]) -> ParameterSet:
        """Return a copy in which some values, in their tables' units, are replaced."""
        changed = {name: replace(self[name], value=float(value)) for name, value in values.items()}
        made = ParameterSet({**self._parameters, **changed}, self._correlations)
        made._origin = self.origin
        made._changed = {**self._changed, **{name: item.value for name, item in changed.items()}}
        return made

    def with_options(self, choices: Mapping[str, str]) -> ParameterSet:
        """Return a copy in which disputes of the literature are settled as chosen.

        Parameters
        ----------
        choices : mapping of str to str
            Choice by the name of the option, such as ``{"clearance_ratio_r": "wang2019"}``; what
            there is to choose says :func:`ketasim.model.options.load_options`.

        Returns
        -------
        ParameterSet
            With the values of these choices. Options that are not named stay as they are.

        Raises
        ------
        ModelError
            If an option, a choice or a parameter is unknown, or two choices set one parameter.
        UnitError
            If a unit does not fit the parameter.
        """
        values = {}
        for setting in chosen_settings(choices):
            unit = self[setting.parameter].unit
            values[setting.parameter] = convert(setting.value, setting.unit, unit)
        return self.with_values(values)

    def with_texts(self, texts: Mapping[str, str], origin: str = "--set") -> ParameterSet:
        """Return a copy with values given as text with a unit, such as ``"91 L/h"``.

        Raises
        ------
        ModelError
            If a name is unknown, or a value is not finite, or negative where it cannot be.
        UnitError
            If a unit is missing or wrong.
        """
        values = {}
        for name, text in texts.items():
            if name not in self:
                message = unknown_name("parameter", name, self)
                raise ModelError(f"{origin} {message} 'ketasim list parameters' shows them all.")
            unit = self[name].unit
            value = parse_quantity(text, unit, f"{origin} {name}")
            if not math.isfinite(value):
                raise ModelError(f"{origin} {name}: {text!r} is not a finite number.")
            if value < 0.0 <= self[name].low:
                raise ModelError(
                    f"{origin} {name}: {text!r} is negative, which this parameter cannot be; its plausible "
                    f"range is {self[name].low:g} to {self[name].high:g} {unit}."
                )
            values[name] = value
        return self.with_values(values)

    def values_in(self, unit_of: Mapping[str, str]) -> dict[str, float]:
        """Values converted to given units."""
        return {name: convert(self[name].value, self[name].unit, unit) for name, unit in unit_of.items()}


@cache
def load_parameters(species: str = "human") -> ParameterSet:
    """Load the shipped tables of a species: ``human``, ``rat`` or ``mouse``.

    Raises
    ------
    ModelError
        If there is no such species or a table breaks its rules.
    """
    folder = resources.files(__package__) / species
    if not folder.is_dir():
        known = [item.name for item in resources.files(__package__).iterdir() if item.is_dir()]
        raise ModelError(unknown_name("species", species, [name for name in known if name[0].isalpha()]))
    # An animal is the human tables with what is known to differ in place: no equation is its own.
    found: dict[str, Parameter] = {} if species == _REFERENCE else dict(load_parameters(_REFERENCE))
    own: set[str] = set()
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if item.name.endswith(".csv"):
            with resources.as_file(item) as path:
                for parameter in _read_table(path):
                    if parameter.name in own:
                        raise ModelError(
                            f"parameter {parameter.name!r} stands in {item.name} and in "
                            f"{found[parameter.name].stage}.csv; a name belongs to one stage."
                        )
                    if species != _REFERENCE and parameter.name not in found:
                        raise ModelError(
                            f"{species}/{item.name}: {unknown_name('parameter', parameter.name, found)} "
                            "A species replaces rows of the human tables."
                        )
                    own.add(parameter.name)
                    found[parameter.name] = parameter
    return ParameterSet(found, _correlations(species, found))


def _correlations(species: str, parameters: Mapping[str, Parameter]) -> tuple[Correlation, ...]:
    """Correlations of a species; none without a table."""
    table = resources.files(__package__) / f"{species}_correlations.csv"
    if not table.is_file():
        return ()
    with resources.as_file(table) as path:
        pairs = read_correlations(path)
    try:
        check_correlations(pairs, {name: item.iiv for name, item in parameters.items()})
    except ModelError as error:
        raise ModelError(f"{table.name}: {error}") from error
    return pairs


def _read_table(path: Path) -> list[Parameter]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        given = tuple(reader.fieldnames or ())
        occasion = tuple(name for name in given if name in _OCCASION_COLUMNS)
        plain = tuple(name for name in given if name not in _OCCASION_COLUMNS)
        if plain != _COLUMNS or occasion not in ((), _OCCASION_COLUMNS):
            raise ModelError(
                f"{path.name}: the columns must be {', '.join(_COLUMNS)}, "
                f"and may be {' and '.join(_OCCASION_COLUMNS)}."
            )
        return [_parameter(path.name, reader.line_num, row) for row in reader]


def _parameter(table: str, line: int, row: Mapping[str, str]) -> Parameter:
    where = f"{table}, line {line}, parameter {row['name']!r}"
    if row["grade"] not in GRADES:
        raise ModelError(f"{where}: {unknown_name('grade', row['grade'], GRADES)}")
    if not row["source"]:
        raise ModelError(
            f"{where}: the source is empty; write a citation key, or 'assumed' where none is known."
        )
    try:
        value = float(row["value"])
        low, high = float(row["low"] or value), float(row["high"] or value)
        spreads = {name: float(row.get(name) or 0.0) for name in ("iiv", "iov")}
        convert(1.0, row["unit"], row["unit"])
    except (ValueError, UnitError) as error:
        raise ModelError(f"{where}: {error}") from error
    if not all(math.isfinite(number) for number in (value, low, high, *spreads.values())):
        raise ModelError(f"{where}: value, low, high, iiv and iov must be finite numbers.")
    for name, spread in spreads.items():
        if spread < 0.0 or (spread > 0.0) != bool(row.get(f"{name}_source")):
            raise ModelError(
                f"{where}: {name} {spread:g} with {name}_source {row.get(f'{name}_source') or ''!r}: a "
                "spread is above 0 and has a source; leave both empty where none is known."
            )
    if not low <= value <= high:
        raise ModelError(f"{where}: value {value:g} is outside its range {low:g} to {high:g}.")
    return Parameter(
        name=row["name"],
        stage=table.removesuffix(".csv"),
        value=value,
        unit=row["unit"],
        low=low,
        high=high,
        distribution=row["distribution"],
        iiv=spreads["iiv"],
        iiv_source=row["iiv_source"],
        source=row["source"],
        grade=row["grade"],
        note=row["note"],
        iov=spreads["iov"],
        iov_source=row.get("iov_source") or "",
    )


def read_overrides(path: str | Path, parameters: ParameterSet) -> ParameterSet:
    """Replace values from a CSV file with the columns ``name, value, unit``.

    Raises
    ------
    ModelError, UnitError
        If the file is missing or a row is wrong; says which line.
    """
    path = Path(path)
    if not path.is_file():
        what = "this is a folder and not a file" if path.is_dir() else "there is no such file"
        raise ModelError(f"--parameters {path}: {what}; give a CSV file with the columns name, value, unit.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"--parameters {path}: it cannot be read as text ({error}).") from error
    with io.StringIO(text, newline="") as file:
        reader = csv.DictReader(file)
        if not reader.fieldnames:
            raise ModelError(f"{path}: the file is empty; its first line must be 'name,value,unit'.")
        missing = {"name", "value", "unit"} - set(reader.fieldnames or ())
        if missing:
            raise ModelError(
                f"{path}: column {sorted(missing)[0]!r} is missing; needed are name, value, unit."
            )
        for row in reader:
            origin = f"{path}, line {reader.line_num}:"
            parameters = parameters.with_texts({row["name"]: f"{row['value']} {row['unit']}"}, origin)
    return parameters
