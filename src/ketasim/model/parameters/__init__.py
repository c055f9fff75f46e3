"""Parameter tables: value, unit, range, source and grade of every number in the model.

One CSV file a stage, in a folder a species. Columns: ``name, value, unit, low,
high, distribution, iiv, iiv_source, source, grade, note``. ``iiv`` is the
standard deviation between people on the log scale (log-normal).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path

from ketasim.errors import ModelError, UnitError, unknown_name
from ketasim.units import convert, parse_quantity

__all__ = ["GRADES", "OWN_SOURCES", "Parameter", "ParameterSet", "load_parameters", "read_overrides"]

#: Sources that are no publication, and what each is in plain words. Every other source is a citation key.
OWN_SOURCES: Mapping[str, str] = {
    "assumed": "assumed: no source gives it",
    "circuit_network_runs": "read from this project's own spiking network runs",
    "pk_feasibility": "fitted by this project to published pharmacokinetics (feasibility fit)",
    "pubchem": "PubChem compound record",
    "scale_definition": "definition of the scale",
    "slow_feasibility": "fitted by this project to published trials (feasibility fit)",
}

#: How well a number is known, best first.
GRADES = ("measured", "derived", "calibrated", "assumed")
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
        Standard deviation between people on the log scale; 0 if none is known.
    iiv_source : str
        Where ``iiv`` comes from, written as ``source``; empty without one.
    source, grade, note : str
        Citation key or one of :data:`OWN_SOURCES`, one of :data:`GRADES`, and a remark.
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


class ParameterSet(Mapping[str, Parameter]):
    """Parameters by name, immutable.

    Parameters
    ----------
    parameters : mapping of str to Parameter
        The table.
    """

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self._parameters = dict(parameters)

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
        return ParameterSet({**self._parameters, **changed})

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
    """Load the shipped tables of a species.

    Raises
    ------
    ModelError
        If there is no such species or a table breaks its rules.
    """
    folder = resources.files(__package__) / species
    if not folder.is_dir():
        known = [item.name for item in resources.files(__package__).iterdir() if item.is_dir()]
        raise ModelError(unknown_name("species", species, [name for name in known if name[0].isalpha()]))
    found: dict[str, Parameter] = {}
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if item.name.endswith(".csv"):
            with resources.as_file(item) as path:
                for parameter in _read_table(path):
                    if parameter.name in found:
                        raise ModelError(
                            f"parameter {parameter.name!r} stands in {item.name} and in "
                            f"{found[parameter.name].stage}.csv; a name belongs to one stage."
                        )
                    found[parameter.name] = parameter
    return ParameterSet(found)


def _read_table(path: Path) -> list[Parameter]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            raise ModelError(f"{path.name}: the columns must be {', '.join(_COLUMNS)}.")
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
        iiv = float(row["iiv"] or 0.0)
        convert(1.0, row["unit"], row["unit"])
    except (ValueError, UnitError) as error:
        raise ModelError(f"{where}: {error}") from error
    if not all(math.isfinite(number) for number in (value, low, high, iiv)):
        raise ModelError(f"{where}: value, low, high and iiv must be finite numbers.")
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
        iiv=iiv,
        iiv_source=row["iiv_source"],
        source=row["source"],
        grade=row["grade"],
        note=row["note"],
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
