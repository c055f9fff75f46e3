"""What a scenario can choose from: controls, expectancy, context, and what is taken beside."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, get_args

from ketasim.model.pharmacokinetics import COMEDICATIONS
from ketasim.population import load_table, table_names
from ketasim.trials.causes import NEUTRAL, load_causes
from ketasim.trials.study.parts import Comedication

__all__ = [
    "MIDAZOLAM",
    "QUARTILES",
    "Choice",
    "comedications",
    "contexts",
    "controls",
    "expectancies",
    "populations",
    "timed_causes",
]


@dataclass(frozen=True)
class Choice:
    """Something that can be chosen.

    Parameters
    ----------
    id, name : str
        As written in a scenario, and in words.
    note : str
        What it does.
    """

    id: str
    name: str
    note: str = ""


#: The active control of the depression trials, given at the visits of the drug.
MIDAZOLAM: Final = "0.045 mg/kg midazolam iv over 40 min"

#: Standard normal number of a person whose placebo response is that of the lower or upper quarter of people.
QUARTILES: Final = {"low": -0.6745, "middle": 0.0, "high": 0.6745}

_CONTROLS = (
    Choice("none", "no treatment", "The drug is given openly; the control is nobody treated."),
    Choice("saline", "saline", "The same visits without drug, double blind."),
    Choice("midazolam", "midazolam", f"{MIDAZOLAM} at the same visits, double blind."),
)
_EXPECTANCIES = (
    Choice("none", "biology alone", "No placebo, hope or care: the read-out of the biology."),
    Choice("low", "low", "Placebo response of the lower quarter of people."),
    Choice("middle", "middle", "Placebo response of the typical person in trials."),
    Choice("high", "high", "Placebo response of the upper quarter of people."),
)
_CONTEXTS = (
    Choice("outpatient", "outpatient", "Visits to a clinic."),
    Choice("inpatient", "inpatient", "Care in hospital begins with the treatment."),
    Choice("anaesthesia", "under anaesthesia", "In hospital, and nothing of the dose can be felt."),
)

#: Names for what people swallow or are given in trials, and what acts in experiments.
_NAMES = {
    "new_antidepressant": "a new antidepressant",
    "mglu23_agonist": "mGlu2/3 agonist",
    "nbqx": "NBQX (AMPA antagonist)",
    "rapamycin": "sirolimus by mouth (rapamycin)",
    "mk801": "MK-801",
}
#: Causes of experiments that can be put beside a scenario; each has times of its own.
_EXPERIMENTS = {
    "rapamycin_brain": ("rapamycin", "rapamycin into the brain"),
    "eef2k_inhibitor": ("eef2k_inhibitor", "eEF2 kinase inhibitor"),
    "glun2b_antagonist": ("glun2b_antagonist", "GluN2B antagonist"),
    "mu_agonist": ("mu_agonist", "opioid agonist"),
    "anisomycin": ("anisomycin", "anisomycin (stops protein synthesis)"),
    "metabolism_block": ("metabolism_block", "no metabolism to hydroxynorketamine"),
    "spine_erasure": ("spine_erasure", "new spines erased at 24 h"),
    "habenula_local_block": ("habenula_local_block", "local block in the habenula"),
    "nmda_modulator": ("nmda_modulator", "positive NMDA modulator"),
}


def controls() -> tuple[Choice, ...]:
    """What a scenario is compared with."""
    return _CONTROLS


def expectancies() -> tuple[Choice, ...]:
    """How much is hoped for."""
    return _EXPECTANCIES


def contexts() -> tuple[Choice, ...]:
    """Where it is given."""
    return _CONTEXTS


@cache
def comedications() -> tuple[Choice, ...]:
    """What can be taken or done beside the drug, in both arms.

    Those of trials are on from the first dose to the end, as in simulated trials; what changes the
    metabolism is on throughout; those of experiments have the times of their experiment.
    """
    trial = [name for name in get_args(Comedication) if name not in NEUTRAL]
    found = [
        Choice(name, _NAMES.get(name, name.replace("_", " ")), "from the first dose on") for name in trial
    ]
    found += [Choice(name, name, "throughout; changes the metabolism of ketamine") for name in COMEDICATIONS]
    for name, (cause, label) in _EXPERIMENTS.items():
        row = load_causes()[cause][0]
        note = row.note if row.lasting else f"from {row.starts_h:g} h to {row.ends_h:g} h: {row.note}"
        found.append(Choice(name, label, note))
    return tuple(found)


def timed_causes() -> dict[str, str]:
    """Names of the causes of experiments, by the id of their choice."""
    return {name: cause for name, (cause, _) in _EXPERIMENTS.items()}


@cache
def populations() -> tuple[Choice, ...]:
    """Shipped baseline tables of patients: whose typical person, and whose people, are shown."""
    found = []
    for name in table_names():
        table = load_table(name)
        if table.scale == "madrs" and table.baseline_mean >= 7.0:
            mean, sd = table.baseline_mean, table.baseline_sd
            label = name.replace("_", " ").replace("mdd", "MDD").replace("trd", "TRD")
            found.append(Choice(name, label, f"MADRS {mean:g}, SD {sd:g}"))
    return tuple(found)
