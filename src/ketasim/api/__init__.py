"""What a user calls: simulate a regimen or a study, and the results to look at.

The command line calls only this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from ketasim._lazy import lazy_loader
from ketasim.api.options import ILLNESS, Progress
from ketasim.api.regimens import Course, TimeCourse, simulate_regimen
from ketasim.dosing import Regimen
from ketasim.errors import StudyError
from ketasim.trials.study.catalogue import shipped_studies

if TYPE_CHECKING:
    from ketasim.api.claims import answer_claims
    from ketasim.api.explain import Explanation, explain_study
    from ketasim.api.export import export_sbml
    from ketasim.api.fit import FitResult, fit_data
    from ketasim.api.kinetics import PkResult, simulate_pk
    from ketasim.api.population import PopulationResult, simulate_population
    from ketasim.api.power import PowerResult, study_power
    from ketasim.api.scenarios import Scenario, ScenarioResult, simulate_scenario, simulate_scenarios
    from ketasim.api.studies import simulate_study
    from ketasim.api.trial_result import TrialResult
    from ketasim.api.validation import ScoreboardResult, validate
    from ketasim.trials import Study

__all__ = [
    "ILLNESS",
    "Course",
    "Explanation",
    "FitResult",
    "PkResult",
    "PopulationResult",
    "PowerResult",
    "Progress",
    "Scenario",
    "ScenarioResult",
    "ScoreboardResult",
    "TimeCourse",
    "TrialResult",
    "answer_claims",
    "explain_study",
    "export_sbml",
    "fit_data",
    "simulate",
    "simulate_pk",
    "simulate_population",
    "simulate_regimen",
    "simulate_scenario",
    "simulate_scenarios",
    "simulate_study",
    "study_power",
    "validate",
]


# What one person does not need. Hidden from type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(
        __name__,
        {
            "ketasim.api.claims": ("answer_claims",),
            "ketasim.api.explain": ("Explanation", "explain_study"),
            "ketasim.api.export": ("export_sbml",),
            "ketasim.api.fit": ("FitResult", "fit_data"),
            "ketasim.api.kinetics": ("PkResult", "simulate_pk"),
            "ketasim.api.population": ("PopulationResult", "simulate_population"),
            "ketasim.api.power": ("PowerResult", "study_power"),
            "ketasim.api.scenarios": (
                "Scenario",
                "ScenarioResult",
                "simulate_scenario",
                "simulate_scenarios",
            ),
            "ketasim.api.studies": ("simulate_study",),
            "ketasim.api.trial_result": ("TrialResult",),
            "ketasim.api.validation": ("ScoreboardResult", "validate"),
        },
    )


@overload
def simulate(what: Study, **options: Any) -> TrialResult: ...
@overload
def simulate(what: Regimen | str, **options: Any) -> Course: ...


def simulate(what: Study | Regimen | str, **options: Any) -> TrialResult | Course:
    """Simulate a study or a regimen.

    Parameters
    ----------
    what : Study, Regimen or str
        A study gives a :class:`TrialResult` (see :func:`simulate_study` for the options);
        a regimen, as an object or as text, gives a :class:`Course` (see
        :func:`simulate_regimen`).
    **options
        Passed on.

    Returns
    -------
    TrialResult or Course

    Raises
    ------
    StudyError
        If the text is the name of a shipped study, or of a study file.

    Examples
    --------
    >>> import ketasim as ks
    >>> course = ks.simulate("0.5 mg/kg ketamine iv over 40 min", days="7d")
    >>> round(float(course.trajectories["madrs"][0, 0, 0, 0]))
    33
    """
    if isinstance(what, str):
        if what in shipped_studies():
            raise StudyError(f"{what!r} is a study and not a regimen: give Study.load({what!r}).")
        if what.lower().endswith((".yaml", ".yml")):
            raise StudyError(f"{what!r} is a file and not a regimen: give Study.load({what!r}).")
    elif not isinstance(what, Regimen):
        from ketasim.api.studies import simulate_study
        from ketasim.trials import Study

        if isinstance(what, Study):
            return simulate_study(what, **options)
    return simulate_regimen(what, **options)
