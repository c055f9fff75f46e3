"""An experiment file as objects: who took part, what they were given, and what was published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ketasim.errors import KetasimError, StudyError, unknown_name
from ketasim.model.chain import STAGES
from ketasim.model.parameters import load_parameters
from ketasim.trials.experiment.catalogue import read_experiment_text
from ketasim.trials.experiment.parts import ExperimentArm, State, Subjects
from ketasim.trials.experiment.rows import ExperimentRow
from ketasim.trials.study.base import Identifier, Lenient, Part, Text
from ketasim.trials.study.parts import Assumption
from ketasim.trials.study.rules import find_field
from ketasim.trials.study.yaml_text import validate_file
from ketasim.units import parse_quantity

__all__ = ["Experiment", "experiment_schema", "model_inputs", "model_quantities"]

Faults = list[tuple[tuple[str | int, ...], str]]
#: What is known of animals.
_OF_ANIMALS = ("state", "severity", "severity_sd", "weight")


@cache
def model_quantities() -> Mapping[str, str]:
    """Units of the model's quantities, by name."""
    return {item.name: item.shown_unit for stage in STAGES for item in stage.provides}


@cache
def model_inputs() -> Mapping[str, str]:
    """Units of the model's outside inputs, by name."""
    return {item.name: item.unit for stage in STAGES for item in stage.inputs}


class Experiment(Part):
    """People or animals who are given something, and quantities that are read.

    Read one with :meth:`load` (a shipped name or a path) or :meth:`parse` (text).
    """

    schema_version: Literal[1] = Field(alias="schema")
    kind: Literal["experiment"]
    id: Identifier
    title: Text
    citation: Text
    domain: Literal["pk", "mechanism", "clinical", "safety"]
    species: Literal["human", "mouse", "rat"]
    subjects: Subjects
    crossover: bool = False
    arms: Annotated[tuple[ExperimentArm, ...], Lenient]
    observations: Annotated[tuple[ExperimentRow, ...], Lenient]
    assumed: Annotated[tuple[Assumption, ...], Lenient] = ()
    notes: Annotated[tuple[Text, ...], Lenient] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for check in _CHECKS:
            for path, text in check(self):
                raise PydanticCustomError("study", "{text}", {"text": text, "path": path})
        return self

    @classmethod
    def parse(
        cls, text: str, source: str = "experiment", known_quantities: Mapping[str, str] | None = None
    ) -> Experiment:
        """Read an experiment from YAML text.

        Parameters
        ----------
        text : str
            The YAML text.
        source : str
            Name of the file, for the errors.
        known_quantities : mapping of str to str, optional
            Quantities that may be read, with their units; default: those of the model.

        Returns
        -------
        Experiment

        Raises
        ------
        StudyError
            With file, line, field, value, what is allowed and the nearest valid name.
        """
        known = model_quantities() if known_quantities is None else known_quantities
        return validate_file(cls, text, source, {"known_quantities": known})

    @classmethod
    def load(cls, name_or_path: str | Path, known_quantities: Mapping[str, str] | None = None) -> Experiment:
        """Read a shipped experiment by name, or an experiment file by path.

        Raises
        ------
        StudyError
            If there is no such experiment or file, or the file is not a valid experiment.
        """
        text, source = read_experiment_text(name_or_path)
        return cls.parse(text, source, known_quantities)

    def dump(self) -> str:
        """Write the experiment as YAML that :meth:`parse` reads back to an equal one."""
        data = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)

    def arm(self, name: str) -> ExperimentArm:
        """Return an arm by its id.

        Raises
        ------
        StudyError
            If the experiment has no such arm.
        """
        for arm in self.arms:
            if arm.id == name:
                return arm
        raise StudyError(f"{self.id}: {unknown_name('arm', name, [arm.id for arm in self.arms])}")

    def state_of(self, name: str) -> State:
        """State of the persons of an arm: its own, or that of the subjects."""
        return self.arm(name).state or self.subjects.state

    def n_of(self, row: ExperimentRow) -> int | None:
        """Persons behind a row: its own number, or that of its arms and comparators; None if unknown."""
        if row.n is not None:
            return row.n
        sizes = [self.arm(name).n for name in (*row.arms, *row.comparators)]
        return None if None in sizes else sum(size for size in sizes if size is not None)


def _empty_faults(experiment: Experiment) -> Faults:
    # Not a minimum length of the fields: that would hide what is wrong with the only item.
    return [
        ((name,), "the list is empty; at least one item is needed.")
        for name in ("arms", "observations")
        if not getattr(experiment, name)
    ]


def _arm_faults(experiment: Experiment) -> Faults:
    faults: Faults = []
    seen: set[str] = set()
    parameters = load_parameters(experiment.species)
    for index, arm in enumerate(experiment.arms):
        if arm.id in seen:
            faults.append((("arms", index, "id"), f"arm {arm.id!r} is given twice; ids must differ."))
        seen.add(arm.id)
        for name, text in arm.set.items():
            try:
                parameters.with_texts({name: text}, "set")
            except KetasimError as error:
                faults.append((("arms", index, "set", name), str(error)))
        faults += [(("arms", index, "inputs", name), text) for name, text in _input_faults(arm)]
    starts = [start for arm in experiment.arms if (start := arm.dosing.first_start_h) is not None]
    if starts and min(starts) > 0.0:
        text = (
            f"the first dose of any arm is at {min(starts):g} h, but times count from it; let it be at 0 h."
        )
        faults.append((("arms", 0, "regimen"), text))
    return faults


def _input_faults(arm: ExperimentArm) -> list[tuple[str, str]]:
    found = []
    for name, text in arm.inputs.items():
        if name not in model_inputs():
            found.append((name, unknown_name("input", name, model_inputs())))
            continue
        try:
            parse_quantity(text, model_inputs()[name], name)
        except KetasimError as error:
            found.append((name, str(error)))
    return found


def _subject_faults(experiment: Experiment) -> Faults:
    subjects = experiment.subjects
    given = subjects.model_dump(exclude_defaults=True)
    faults: Faults = []
    if experiment.species != "human":
        for name in given:
            if name not in _OF_ANIMALS:
                text = f"of a {experiment.species} only {', '.join(_OF_ANIMALS)} can be given; leave it out."
                faults.append((("subjects", name), text))
    states = {experiment.state_of(arm.id) for arm in experiment.arms}
    if states == {"healthy"}:
        for name in ("severity", "severity_sd"):
            if name in given:
                faults.append((("subjects", name), "all are healthy and rest at no severity; leave it out."))
    return faults


def _row_faults(experiment: Experiment) -> Faults:
    ids = [arm.id for arm in experiment.arms]
    faults: Faults = []
    seen: set[str] = set()
    for index, row in enumerate(experiment.observations):
        for field in ("arm", "comparator", "reference", "reference_comparator"):
            text = getattr(row, field)
            for name in () if text is None else text.split("+"):
                if name.strip() not in ids:
                    faults.append((("observations", index, field), unknown_name("arm", name.strip(), ids)))
        if row.id in seen:
            text = f"observation {row.id!r} is given twice; one value is one row."
            faults.append((("observations", index, "id"), text))
        seen.add(row.id)
    return faults


def _assumption_faults(experiment: Experiment) -> Faults:
    found = ((index, find_field(experiment, item.field)) for index, item in enumerate(experiment.assumed))
    return [(("assumed", index, "field"), fault) for index, fault in found if fault is not None]


#: Every check of a whole experiment; the first fault found is the one that is told.
_CHECKS: tuple[Callable[[Experiment], Faults], ...] = (
    _empty_faults,
    _arm_faults,
    _subject_faults,
    _row_faults,
    _assumption_faults,
)


def experiment_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of an experiment file."""
    schema = Experiment.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
