"""From a request to a trial that can be simulated: the study, its parameters and what its arms are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from ketasim.app.jobs.request import TrialRequest
from ketasim.app.jobs.scenario_study import scenario_study
from ketasim.errors import StudyError, unknown_name
from ketasim.model.chain import STAGES
from ketasim.model.parameters import ParameterSet
from ketasim.report.words import arm_label
from ketasim.trials import Study
from ketasim.trials.study.catalogue import shipped_studies

__all__ = ["TrialWork", "plan_trial"]

#: Rough costs, measured: seconds a person, a person and simulated day on one core, and until the first one.
_PERSON_S, _PERSON_DAY_S, _START_S = 7e-4, 4.5e-5, 4.0


@dataclass(frozen=True)
class TrialWork:
    """A trial that can be simulated.

    Parameters
    ----------
    study : Study
        The design.
    title : str
        What the run is called if the request does not say.
    command : str
        The call on the command line that gives the same.
    names : mapping of str to str
        Names of arms by id, where they are not those of a report.
    parameters : ParameterSet or None
        Typical values; None for the shipped ones.
    changed : mapping of str to str
        Parameters that differ from the shipped ones, as text with a unit.
    subjects : int or None
        Patients per arm; None for the numbers of the study.
    notes : tuple of str
        What a reader must know, in sentences.
    """

    study: Study
    title: str
    command: str
    names: Mapping[str, str] = field(default_factory=dict)
    parameters: ParameterSet | None = None
    changed: Mapping[str, str] = field(default_factory=dict)
    subjects: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def people(self) -> int:
        """People of one trial."""
        arms = self.study.first_arms
        return sum(arm.n or 0 for arm in arms) if self.subjects is None else self.subjects * len(arms)

    @property
    def end_h(self) -> float:
        """When the last visit is, hours since the first dose."""
        return max(self.study.times_h)

    @property
    def person_s(self) -> float:
        """Roughly how long a person takes, seconds."""
        return _PERSON_S + self.end_h / 24.0 * _PERSON_DAY_S

    def estimate_s(self, replicates: int) -> float:
        """Roughly how long the run takes, seconds."""
        return _START_S + replicates * self.people * self.person_s


def plan_trial(request: TrialRequest) -> TrialWork:
    """Read what a request asks for.

    Raises
    ------
    KetasimError
        If the study or a scenario cannot be used; says where.
    """
    several = f" --replicates {request.replicates} --seed {request.seed}"
    if request.scenarios is not None:
        made = scenario_study(request.scenarios, request.design, request.name)
        with_file = " --parameters parameters.csv" if made.changed else ""
        return TrialWork(
            made.study,
            made.study.title,
            f"ketasim run {made.study.id}.yaml{with_file}{several}",
            made.names,
            made.parameters,
            made.changed,
            None,
            made.notes,
        )
    if request.study is not None:
        # A path must not get to where files are read.
        if request.study not in shipped_studies():
            raise StudyError(f"study: {unknown_name('study', request.study, shipped_studies())}")
        study, name = Study.load(request.study, known_quantities()), request.study
    else:
        text = request.study_text or ""
        refuse_references(text)
        study = Study.parse(text, "the study file", known_quantities())
        name = f"{study.id}.yaml"
    people = "" if request.n is None else f" --subjects {request.n}"
    title = " against ".join(dict.fromkeys(arm_label(arm.id) for arm in study.first_arms[:2]))
    return TrialWork(
        study,
        f"{title} ({study.id})",
        f"ketasim run {name}{people}{several}",
        subjects=request.n,
    )


def known_quantities() -> dict[str, str]:
    """Units of the model's quantities, by name: what a study file may name beside its outcomes."""
    return {item.name: item.shown_unit for stage in STAGES for item in stage.provides}


def refuse_references(text: str) -> None:
    """Refuse a text of YAML that refers to parts of itself: a few lines of that can stand for millions.

    Raises
    ------
    StudyError
        If there is such a reference.
    """
    try:
        for token in yaml.scan(text):
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
                raise StudyError(
                    f"the study file, line {token.start_mark.line + 1}: references (& and *) are not taken "
                    "here; write each part out."
                )
    except yaml.YAMLError:
        # What is wrong with it is said where it is read.
        return
