"""What the literature disputes, as named choices: each sets parameters to what one source says.

The table ``parameters/options.csv`` has one line for each parameter that a choice sets, with the
columns ``option, choice, parameter, value, unit, source, note, default``. A choice without a
parameter leaves the tables as they are. One choice of each option is the default (1).

One option is not in the table: ``circuit`` takes another of the circuits that ship, with all its numbers.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from ketasim.circuit.ensemble import load_ensemble
from ketasim.errors import ModelError, unknown_name
from ketasim.model.circuits import circuit_values

__all__ = [
    "Choice",
    "Option",
    "Setting",
    "chosen_settings",
    "load_options",
    "option_texts",
    "read_options",
    "setting_texts",
]

_COLUMNS = ("option", "choice", "parameter", "value", "unit", "source", "note", "default")


# A choice that sets more than this is told by their number.
_MANY = 6


@dataclass(frozen=True)
class Setting:
    """A value that a choice gives to a parameter.

    Parameters
    ----------
    parameter : str
        Its name.
    value : float
        In ``unit``.
    unit : str
        Any unit that fits the parameter.
    source, note : str
        As of a parameter.
    """

    parameter: str
    value: float
    unit: str
    source: str
    note: str


@dataclass(frozen=True)
class Choice:
    """One side of a dispute.

    Parameters
    ----------
    name : str
        Mostly the key of the publication that says so.
    settings : tuple of Setting
        What it sets; empty if it leaves the tables as they are.
    sources : tuple of str
        Citation keys or sources of our own.
    note : str
        Why one would choose it.
    """

    name: str
    settings: tuple[Setting, ...]
    sources: tuple[str, ...]
    note: str


@dataclass(frozen=True)
class Option:
    """A dispute with its sides.

    Parameters
    ----------
    name : str
        Public name.
    choices : dict of str to Choice
        Sides by name, in the order of the table.
    default : str
        The side that the tables take.
    """

    name: str
    choices: Mapping[str, Choice]
    default: str


@cache
def load_options() -> Mapping[str, Option]:
    """Load the shipped options.

    Returns
    -------
    mapping of str to Option
        By name, in the order of the table.

    Raises
    ------
    ModelError
        If the table breaks its rules.
    """
    table = resources.files("ketasim.model.parameters") / "options.csv"
    with resources.as_file(table) as path:
        return {**read_options(path), "circuit": _circuit_option()}


def _circuit_option() -> Option:
    ensemble = load_ensemble()
    choices = {}
    for rank, circuit in enumerate(ensemble.circuits):
        source = "circuit_network_runs"
        settings = tuple(
            Setting(name, value, "ratio", source, "") for name, value in circuit_values(circuit.name).items()
        )
        note = f"weight {circuit.weight:.2g} in the ensemble"
        # The default is what the table holds already.
        choices[circuit.name] = Choice(circuit.name, settings if rank else (), (source,), note)
    return Option("circuit", choices, ensemble.circuits[0].name)


def read_options(path: Path) -> Mapping[str, Option]:
    """Read a table of options.

    Parameters
    ----------
    path : Path
        A CSV file with the columns named above.

    Returns
    -------
    mapping of str to Option

    Raises
    ------
    ModelError
        If a row or an option is wrong; says which.
    """
    lines: dict[str, dict[str, list[tuple[bool, Setting]]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            raise ModelError(f"{path.name}: the columns must be {', '.join(_COLUMNS)}.")
        for row in reader:
            line = _line(f"{path.name}, line {reader.line_num}", row)
            lines.setdefault(row["option"], {}).setdefault(row["choice"], []).append(line)
    return {name: _option(f"{path.name}, option {name!r}", name, sides) for name, sides in lines.items()}


def _line(where: str, row: Mapping[str, str]) -> tuple[bool, Setting]:
    """Whether a row belongs to a default, and what it sets."""
    for column in ("option", "choice", "source"):
        if not row[column]:
            raise ModelError(f"{where}: the column {column!r} is empty; every row needs it.")
    if row["default"] not in ("0", "1"):
        raise ModelError(f"{where}: default {row['default']!r} must be 1 for the default choice, else 0.")
    if bool(row["parameter"]) != bool(row["value"]) or bool(row["value"]) != bool(row["unit"]):
        raise ModelError(
            f"{where}: parameter {row['parameter']!r}, value {row['value']!r}, unit {row['unit']!r}: give "
            "all three, or none for a choice that leaves the tables as they are."
        )
    try:
        value = float(row["value"] or 0.0)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ModelError(f"{where}: value {row['value']!r} is not a finite number.")
    return row["default"] == "1", Setting(row["parameter"], value, row["unit"], row["source"], row["note"])


def _option(where: str, name: str, sides: Mapping[str, list[tuple[bool, Setting]]]) -> Option:
    choices = {}
    for side, rows in sides.items():
        settings = tuple(setting for _, setting in rows if setting.parameter)
        if settings and len(settings) < len(rows):
            raise ModelError(f"{where}, choice {side!r}: one of its rows sets no parameter; take it out.")
        if len({setting.parameter for setting in settings}) < len(settings):
            raise ModelError(f"{where}, choice {side!r}: a parameter is set twice; keep one row.")
        sources = tuple(dict.fromkeys(setting.source for _, setting in rows))
        notes = dict.fromkeys(setting.note for _, setting in rows if setting.note)
        choices[side] = Choice(side, settings, sources, "; ".join(notes))
    marks = {side: {mark for mark, _ in rows} for side, rows in sides.items()}
    default = [side for side, mark in marks.items() if True in mark]
    if len(default) != 1 or len(marks[default[0]]) > 1:
        raise ModelError(
            f"{where}: exactly one choice must be the default, with 1 in each of its rows; "
            f"marked are {', '.join(default) or 'none'}."
        )
    return Option(name, choices, default[0])


def chosen_settings(choices: Mapping[str, str]) -> tuple[Setting, ...]:
    """Return what some choices set.

    Parameters
    ----------
    choices : mapping of str to str
        Choice by the name of the option.

    Returns
    -------
    tuple of Setting
        In the order of ``choices``.

    Raises
    ------
    ModelError
        If an option or a choice is unknown, or two choices set one parameter.
    """
    options = load_options()
    chosen: dict[str, Setting] = {}
    setter: dict[str, str] = {}
    for name, side in choices.items():
        if name not in options:
            raise ModelError(unknown_name("option", name, options))
        if side not in options[name].choices:
            raise ModelError(f"option {name!r}: {unknown_name('choice', side, options[name].choices)}")
        for setting in options[name].choices[side].settings:
            if setting.parameter in chosen:
                raise ModelError(
                    f"option {name!r}: choice {side!r} sets {setting.parameter!r}, as option "
                    f"{setter[setting.parameter]!r} does; leave one of them out."
                )
            chosen[setting.parameter], setter[setting.parameter] = setting, name
    return tuple(chosen.values())


def option_texts() -> tuple[str, ...]:
    """Write every choice of every option as a line for people.

    Returns
    -------
    tuple of str
        As ``clearance_ratio_r=wang2019: sets clearance_ratio_r to 0.86 ratio; <note> [wang2019]``; the
        default is marked.
    """
    return tuple(
        f"{option.name}={choice.name}{' (default)' if choice.name == option.default else ''}: "
        + "; ".join((*_effects(choice), *([choice.note] if choice.note else [])))
        + f" [{', '.join(choice.sources)}]"
        for option in load_options().values()
        for choice in option.choices.values()
    )


def _effects(choice: Choice) -> tuple[str, ...]:
    if not choice.settings:
        return ("as in the tables",)
    return tuple(f"sets {text}" for text in setting_texts(choice, " to "))


def setting_texts(choice: Choice, link: str = " = ") -> tuple[str, ...]:
    """Write what a choice sets, each as ``name = value unit``; of very many only how many they are."""
    if len(choice.settings) > _MANY:
        return (f"{len(choice.settings)} coefficients",)
    return tuple(f"{item.parameter}{link}{item.value:g} {item.unit}" for item in choice.settings)
