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
from ketasim.trials.study.analysis import Analysis, Monitoring, Multiplicity
from ketasim.trials.study.catalogue import read_study_text
from ketasim.trials.study.faults import CHECKS
from ketasim.trials.study.flow import Adherence, DecisionRule, DropOut, Enrolment, Randomisation
from ketasim.trials.study.graph import allocation_on_entry, entry_times, rule_times, same_time
from ketasim.trials.study.parts import (
    Arm,
    ArmBaseline,
    Assumption,
    Baseline,
    Correlation,
    Covariates,
    Distribution,
    Endpoint,
    Identifier,
    Lenient,
    Observation,
    Pain,
    Part,
    Population,
    Relapse,
    Remission,
    Setting,
    Text,
    Visit,
    needs_visit,
)
from ketasim.trials.study.yaml_text import validate_file

__all__ = [
    "Adherence",
    "Analysis",
    "Arm",
    "ArmBaseline",
    "Assumption",
    "Baseline",
    "Correlation",
    "Covariates",
    "DecisionRule",
    "Distribution",
    "DropOut",
    "Endpoint",
    "Enrolment",
    "Monitoring",
    "Multiplicity",
    "Observation",
    "Pain",
    "Population",
    "Randomisation",
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
    #: Trials that the file pools: what is special about one of them averages out.
    pooled_trials: int = Field(default=1, ge=1)
    population: Population
    setting: Setting
    enrolment: Enrolment | None = None
    randomisation: Randomisation | None = None
    arms: Annotated[tuple[Arm, ...], Lenient] = Field(min_length=1)
    visits: Annotated[tuple[Visit, ...], Lenient] = Field(min_length=1)
    rules: Annotated[tuple[DecisionRule, ...], Lenient] = ()
    dropout: Annotated[tuple[DropOut, ...], Lenient] = ()
    adherence: Adherence | None = None
    endpoints: Annotated[tuple[Endpoint, ...], Lenient] = ()
    analyses: Annotated[tuple[Analysis, ...], Lenient] = ()
    multiplicity: Annotated[tuple[Multiplicity, ...], Lenient] = ()
    monitoring: Annotated[tuple[Monitoring, ...], Lenient] = ()
    observations: Annotated[tuple[Observation, ...], Lenient] = ()
    assumed: Annotated[tuple[Assumption, ...], Lenient] = ()
    notes: Annotated[tuple[Text, ...], Lenient] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for check in CHECKS:
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
    def first_arms(self) -> tuple[Arm, ...]:
        """The arms to which people are randomised at the start: those with an n."""
        return tuple(arm for arm in self.arms if arm.n is not None)

    @property
    def phases(self) -> tuple[str, ...]:
        """Labels of the phases, in the order of the arms that carry them."""
        return tuple(dict.fromkeys(arm.phase for arm in self.arms if arm.phase))

    @property
    def allocation(self) -> float:
        """Chance of the active drug by design: patients in active arms over all, at the start."""
        people = {arm.id: arm.n or 0 for arm in self.first_arms}
        return sum(people[arm.id] for arm in self.first_arms if arm.active) / sum(people.values())

    def allocation_of(self, name: str) -> float:
        """Chance of the active drug by design that people have on entering an arm.

        See :func:`~ketasim.trials.study.graph.allocation_on_entry`.

        Raises
        ------
        StudyError
            If the study has no such arm.
        """
        return allocation_on_entry(self, name)

    def blinding_of(self, name: str) -> Literal["double_blind", "open_label"]:
        """Blinding of an arm: its own, or the setting's.

        Raises
        ------
        StudyError
            If the study has no such arm.
        """
        return self.arm(name).blinding or self.setting.blinding

    @property
    def visit_times_h(self) -> tuple[float, ...]:
        """Times of the visits that the file lists, sorted, in hours from the first dose."""
        return tuple(sorted({visit.time_h for visit in self.visits}))

    @property
    def decision_times_h(self) -> tuple[float, ...]:
        """Visits at which a rule or drop-out may act, sorted, in hours from the first dose."""
        return tuple(
            visit
            for visit in self.visit_times_h
            if visit > 0.0
            and (any(item.after_h <= visit for item in self.dropout) or visit in self.rule_times_h)
        )

    @property
    def rule_times_h(self) -> tuple[float, ...]:
        """Visits at which a rule may act on somebody, sorted, in hours from the first dose."""
        visits = self.visit_times_h
        found: set[float] = set()
        entered = entry_times(self)
        for rule in self.rules:
            starts = {start for arm, times in entered.items() if rule.concerns(arm) for start in times}
            asked = {time for start in starts for time in rule_times(rule, start, visits)}
            found |= {visit for visit in visits if any(same_time(visit, time) for time in asked)}
        return tuple(sorted(found))

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


def study_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a study file."""
    schema = Study.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
