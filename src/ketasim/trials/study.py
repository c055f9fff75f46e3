"""A study file as objects: who was treated, with what, what was rated when, and what was published.

The classes mirror the YAML file key by key; unknown keys are refused. Every time
in a file is text: a length of time since the first dose (``"24 h"``), or a study
day (``"day 8"``), where day 1 is the day of the first dose.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from ketasim.errors import StudyError, unknown_name
from ketasim.population import SCALE_MAXIMUM
from ketasim.trials.catalogue import read_study_text
from ketasim.trials.study_parts import (
    Arm,
    ArmBaseline,
    Assumption,
    Baseline,
    Covariates,
    Distribution,
    Endpoint,
    Identifier,
    Lenient,
    Observation,
    Part,
    Population,
    Relapse,
    Remission,
    Setting,
    Text,
    Visit,
    needs_visit,
)
from ketasim.trials.study_rules import find_field
from ketasim.trials.study_yaml import validate_file

__all__ = [
    "Arm",
    "ArmBaseline",
    "Assumption",
    "Baseline",
    "Covariates",
    "Distribution",
    "Endpoint",
    "Observation",
    "Population",
    "Relapse",
    "Remission",
    "Setting",
    "Study",
    "Visit",
    "study_schema",
]


class Study(Part):
    """A published or planned trial.

    Read one with :meth:`load` (a shipped name or a path) or :meth:`parse` (text).
    """

    schema_version: Literal[1] = Field(alias="schema")
    id: Identifier
    title: Text
    citation: Text
    species: Literal["human"]
    population: Population
    setting: Setting
    arms: Annotated[tuple[Arm, ...], Lenient] = Field(min_length=1)
    visits: Annotated[tuple[Visit, ...], Lenient] = Field(min_length=1)
    endpoints: Annotated[tuple[Endpoint, ...], Lenient] = ()
    observations: Annotated[tuple[Observation, ...], Lenient] = ()
    assumed: Annotated[tuple[Assumption, ...], Lenient] = ()
    notes: Annotated[tuple[Text, ...], Lenient] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for check in (_arm_faults, _baseline_faults, _row_faults, _assumption_faults):
            for path, text in check(self):
                raise PydanticCustomError("study", "{text}", {"text": text, "path": path})
        return self

    @classmethod
    def parse(
        cls,
        text: str,
        source: str = "study",
        known_quantities: Mapping[str, str] | tuple[str, ...] = (),
    ) -> Study:
        """Read a study from YAML text.

        Parameters
        ----------
        text : str
            The YAML text.
        source : str
            Name of the file, for the errors.
        known_quantities : mapping of str to str, or tuple of str
            Quantities of the model that a file may name besides the outcomes; with a
            mapping to units, units are checked too.

        Returns
        -------
        Study

        Raises
        ------
        StudyError
            With file, line, field, value, what is allowed and the nearest valid name.
        """
        return validate_file(cls, text, source, {"known_quantities": known_quantities})

    @classmethod
    def load(
        cls, name_or_path: str | Path, known_quantities: Mapping[str, str] | tuple[str, ...] = ()
    ) -> Study:
        """Read a shipped study by name, or a study file by path.

        Raises
        ------
        StudyError
            If there is no such study or file, or the file is not a valid study.
        """
        text, source = read_study_text(name_or_path)
        return cls.parse(text, source, known_quantities)

    def dump(self) -> str:
        """Write the study as YAML that :meth:`parse` reads back to an equal study."""
        data = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)

    def arm(self, name: str) -> Arm:
        """Return an arm by its id.

        Raises
        ------
        StudyError
            If the study has no such arm.
        """
        for arm in self.arms:
            if arm.id == name:
                return arm
        raise StudyError(f"{self.id}: {unknown_name('arm', name, [arm.id for arm in self.arms])}")

    def baseline(self, name: str) -> Baseline:
        """Baseline of one arm: its own, or the population's."""
        own = self.arm(name).baseline
        shared = self.population.baseline
        if own is None:
            return shared
        return Baseline(scale=shared.scale, mean=own.mean, sd=own.sd, source=own.source)

    @property
    def allocation(self) -> float:
        """Chance of the active drug by design: patients in active arms over all patients."""
        return sum(arm.n for arm in self.arms if arm.active) / sum(arm.n for arm in self.arms)

    @property
    def times_h(self) -> tuple[float, ...]:
        """Times at which patients are rated, sorted, in hours from the first dose.

        The visits, and what endpoints and observations ask for besides. A relapse row adds
        no time: the fraction relapsed by a time counts the visits up to it.
        """
        parts: tuple[Visit | Endpoint | Observation, ...] = (
            *self.visits,
            *self.endpoints,
            *self.observations,
        )
        return tuple(sorted({part.time_h for part in parts if needs_visit(part)}))


Faults = list[tuple[tuple[str | int, ...], str]]


def _arm_faults(study: Study) -> Faults:
    faults: Faults = []
    seen: set[str] = set()
    for index, arm in enumerate(study.arms):
        if arm.id in seen:
            faults.append((("arms", index, "id"), f"arm {arm.id!r} is given twice; ids must differ."))
        seen.add(arm.id)
        if "new_antidepressant" in arm.comedication and not study.setting.new_antidepressant:
            text = "this arm starts a new antidepressant: set setting.new_antidepressant to true."
            faults.append((("arms", index, "comedication"), text))
    starts = [start for arm in study.arms if (start := arm.dosing.first_start_h) is not None]
    if starts and min(starts) > 0.0:
        text = (
            f"the first dose of any arm is at {min(starts):g} h, but a study's times count from the "
            "first dose; let it start on day 1."
        )
        faults.append((("arms", 0, "regimen"), text))
    return faults


def _baseline_faults(study: Study) -> Faults:
    shared = study.population.baseline
    top = SCALE_MAXIMUM[shared.scale]
    faults: Faults = []
    places: list[tuple[tuple[str | int, ...], float]] = [(("population", "baseline", "mean"), shared.mean)]
    places += [
        (("arms", index, "baseline", "mean"), arm.baseline.mean)
        for index, arm in enumerate(study.arms)
        if arm.baseline is not None
    ]
    for path, mean in places:
        if mean > top:
            faults.append((path, f"{mean:g} is above the top of {shared.scale} ({top:g})."))
        for rule in study.population.entry_rules:
            if rule.scale == shared.scale and not rule.holds(mean):
                text = f"a mean of {mean:g} does not meet the entry rule '{rule}' that all patients met."
                faults.append((path, text))
    return faults


def _row_faults(study: Study) -> Faults:
    ids = [arm.id for arm in study.arms]
    faults: Faults = []
    seen: set[str] = set()
    for index, row in enumerate(study.observations):
        path = ("observations", index)
        for name in row.arms:
            if name not in ids:
                faults.append(((*path, "arm"), unknown_name("arm", name, ids)))
        if row.id in seen:
            faults.append(((*path, "id"), f"observation {row.id!r} is given twice; one value is one row."))
        seen.add(row.id)
    parts: tuple[tuple[str, tuple[Observation | Endpoint, ...]], ...] = (
        ("observations", study.observations),
        ("endpoints", study.endpoints),
    )
    for part, rows in parts:
        for index, item in enumerate(rows):
            where = (part, index, "comparator")
            if item.comparator is not None and item.comparator not in ids:
                faults.append((where, unknown_name("comparator arm", item.comparator, ids)))
            if item.statistic in ("difference", "ratio") and item.comparator is None:
                faults.append((where, f"a {item.statistic} needs a comparator arm; one of {', '.join(ids)}."))
            for statistic in ("remission", "relapse"):
                if item.statistic == statistic and getattr(study.setting, statistic) is None:
                    text = f"a {statistic} row needs setting.{statistic}, which says what counts as one."
                    faults.append(((part, index, "statistic"), text))
    return faults


def _assumption_faults(study: Study) -> Faults:
    faults: Faults = []
    for index, item in enumerate(study.assumed):
        fault = find_field(study, item.field)
        if fault is not None:
            faults.append((("assumed", index, "field"), fault))
    return faults


def study_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a study file."""
    schema = Study.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
