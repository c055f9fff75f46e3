"""Draws of typical values: how uncertain the model is, carried into every prediction.

A draw is a row of values that hold for everybody of one trial or experiment. It moves each person from
where the table alone would put him: what is known of a person stays, and so does how people differ.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError, unknown_name
from ketasim.model.parameters import Parameter, ParameterSet, load_parameters
from ketasim.population.streams import FloatArray, IntArray

__all__ = ["POSTERIOR_FILE", "Draws", "load_posterior", "read_draws"]

#: The shipped draws.
POSTERIOR_FILE = "posterior.csv"
_DRAW = "draw"


@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of typical values.

    Parameters
    ----------
    names : tuple of str
        Parameters that are drawn; those of the scoring layer may be among them.
    values : array, shape (draws, names)
        In the units of the tables.
    centres : array, shape (names,), optional
        Values that the draws move away from: those of the table that they were fitted around. Left out,
        they move away from whatever table they are used with.

    Raises
    ------
    ModelError
        If there is no draw, a name stands twice, the shapes differ, or a number is not finite.

    Notes
    -----
    With centres, a draw moves another table (an animal's, one with options) by as much as it moves its
    own, and does not put its own value there.
    """

    names: tuple[str, ...]
    values: FloatArray
    centres: FloatArray | None = None

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ModelError(f"draws: parameter {twice!r} stands twice; keep one.")
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names) or not len(self.values):
            raise ModelError(
                f"draws: values of shape {self.values.shape} for {len(self.names)} names; give at least one "
                "row with a value for each name."
            )
        if self.centres is not None and self.centres.shape != (len(self.names),):
            raise ModelError(
                f"draws: centres of shape {self.centres.shape} for {len(self.names)} names; give one each."
            )
        if not np.isfinite(self.values).all():
            row, place = np.argwhere(~np.isfinite(self.values))[0].tolist()
            raise ModelError(
                f"draws: {self.names[place]}: the value of draw {row + 1} is {self.values[row, place]}; "
                "it must be a finite number."
            )

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def of(cls, parameters: ParameterSet, sets: Sequence[ParameterSet]) -> Draws:
        """Draws from parameter sets.

        Parameters
        ----------
        parameters : ParameterSet
            What the sets move away from; what is as here in all of them is not drawn.
        sets : sequence of ParameterSet
            One a draw.

        Raises
        ------
        ModelError
            If there is no set.
        """
        names = tuple(
            name for name, item in parameters.items() if any(own[name].value != item.value for own in sets)
        )
        values = np.array([[own[name].value for name in names] for own in sets]).reshape(-1, len(names))
        return cls(names, values, np.array([parameters[name].value for name in names]))

    def take(self, places: npt.ArrayLike) -> Draws:
        """Some of the draws, in the order of their places, from 0."""
        return replace(self, values=self.values[np.asarray(places, dtype=np.int64)])

    def only(self, names: Iterable[str]) -> Draws:
        """The draws of some of the parameters; a name that is not drawn is left out."""
        wanted = set(names)
        places = [place for place, name in enumerate(self.names) if name in wanted]
        centres = None if self.centres is None else self.centres[places]
        return Draws(tuple(self.names[place] for place in places), self.values[:, places], centres)

    def shifted(self, parameter: Parameter, person_values: npt.ArrayLike, draw_index: IntArray) -> FloatArray:
        """Values of persons, moved as each one's draw says.

        Parameters
        ----------
        parameter : Parameter
            One of those that are drawn.
        person_values : array_like, shape (persons,) or ()
            Where the table alone would put them, in its unit.
        draw_index : array of int, shape (persons,)
            Draw of each, from 0.

        Returns
        -------
        array, shape (persons,)
            A factor on the value; on the odds of a share; a sum where the table says normal, or where
            there is no factor, as from 0. Exactly ``person_values`` where a draw is its centre.

        Raises
        ------
        ModelError
            If the parameter is not drawn.
        """
        if parameter.name not in self.names:
            raise ModelError(f"draws: {unknown_name('parameter', parameter.name, self.names)}")
        place = self.names.index(parameter.name)
        centre = parameter.value if self.centres is None else float(self.centres[place])
        drawn = self.values[np.asarray(draw_index, dtype=np.int64), place]
        person = np.broadcast_to(np.asarray(person_values, dtype=np.float64), drawn.shape)
        moved = _moved(parameter, person, centre, drawn)
        # Written out, so that rounding moves nobody off a value that is the draw's or stays the same.
        return np.where(drawn == centre, person, np.where(person == centre, drawn, moved))

    def columns(
        self, parameters: ParameterSet, varied: Mapping[str, FloatArray], draw_index: IntArray
    ) -> dict[str, FloatArray]:
        """Parameters in which persons differ, with what their draws add.

        Parameters
        ----------
        parameters : ParameterSet
            What is the same for all but for the draws.
        varied : mapping of str to array, shape (persons,)
            As of :class:`~ketasim.model.cohort.Cohort`.
        draw_index : array of int, shape (persons,)
            Draw of each, from 0.

        Returns
        -------
        dict of str to array, shape (persons,)
            ``varied``, moved, and a column for each further parameter that is drawn.
        """
        found = dict(varied)
        for name in self.names:
            item = parameters[name]
            found[name] = self.shifted(item, varied.get(name, np.array(item.value)), draw_index)
        return found

    def sets(self, parameters: ParameterSet) -> list[ParameterSet]:
        """The draws as parameter sets.

        Parameters
        ----------
        parameters : ParameterSet
            What is moved.
        """
        every = np.arange(len(self))
        moved = {name: self.shifted(parameters[name], parameters[name].value, every) for name in self.names}
        return [
            parameters.with_values({name: float(values[draw]) for name, values in moved.items()})
            for draw in range(len(self))
        ]

    def write(self, path: str | Path) -> None:
        """Write the draws as a CSV file: a row a draw, a column a parameter."""
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((_DRAW, *self.names))
            for number, row in enumerate(self.values.tolist(), 1):
                writer.writerow((number, *(f"{value:.8g}" for value in row)))


def _moved(parameter: Parameter, person: FloatArray, centre: float, drawn: FloatArray) -> FloatArray:
    """Values of persons moved by as much as the draws are off the centre."""
    if parameter.distribution == "logitnormal" and 0.0 < centre < 1.0:
        odds = drawn * (1.0 - centre) / ((1.0 - drawn) * centre)
        return np.asarray(person * odds / (1.0 - person + person * odds), dtype=np.float64)
    if parameter.distribution in ("normal", "logitnormal") or centre == 0.0:
        return np.asarray(person + (drawn - centre), dtype=np.float64)
    return np.asarray(person * (drawn / centre), dtype=np.float64)


def read_draws(path: str | Path, parameters: ParameterSet | None = None) -> Draws:
    """Read draws from a CSV file as :meth:`Draws.write` leaves it.

    Parameters
    ----------
    path : str or Path
        The file.
    parameters : ParameterSet, optional
        Tables with the centres of the draws; default: the shipped human ones.

    Raises
    ------
    ModelError
        If the file is missing, or a name or a number is wrong; says which line.
    """
    path, table = Path(path), load_parameters() if parameters is None else parameters
    if not path.is_file():
        raise ModelError(f"draws {path}: there is no such file; give a CSV file with a column a parameter.")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        if header[:1] != [_DRAW]:
            raise ModelError(
                f"{path.name}, line 1: the first column must be {_DRAW!r}, the others parameters."
            )
        names = tuple(header[1:])
        for name in names:
            if name not in table:
                raise ModelError(f"{path.name}, line 1: {unknown_name('parameter', name, table)}")
        rows = [_row(path.name, reader.line_num, names, row) for row in reader]
    if not rows:
        raise ModelError(f"{path.name}: there is no draw in it; a row a draw is needed.")
    return Draws(names, np.array(rows).reshape(-1, len(names)), np.array([table[n].value for n in names]))


def _row(file: str, line: int, names: Sequence[str], row: Sequence[str]) -> list[float]:
    if len(row) != len(names) + 1:
        raise ModelError(f"{file}, line {line}: {len(row)} fields; there must be {len(names) + 1}.")
    found = []
    for name, text in zip(names, row[1:], strict=True):
        try:
            found.append(float(text))
        except ValueError:
            raise ModelError(f"{file}, line {line}: {name}: {text!r} is not a number.") from None
    return found


@cache
def load_posterior() -> Draws:
    """The shipped draws: what the calibration leaves open, around the shipped human tables.

    Raises
    ------
    ModelError
        If the file does not fit the tables.
    """
    with as_file(files("ketasim.population") / "posterior.csv") as path:
        return read_draws(path)
