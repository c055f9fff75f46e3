"""What is shown: the rows of the cascade, and what else is read of every run.

All runs read the same quantities, whatever is shown, so that one observer is compiled and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from ketasim.api.scenarios.faults import ScenarioError, unknown_choice
from ketasim.api.scenarios.models import simulator

__all__ = ["MAIN_ROWS", "OUTPUTS", "PLACES", "ROW_IDS", "Row", "chosen_rows", "scenario_rows"]

#: Causal order; the last three are the harms that are always shown.
MAIN_ROWS = (
    *("ketamine_venous", "nmda_block_mean", "pyramidal_rate", "glutamate", "ampa_drive", "trkb", "mtorc1"),
    *("spine_density", "dmn_connectivity", "tnf", "madrs", "cadss", "systolic_pressure", "sedation"),
)
_MORE = (
    *("suicidal_ideation", "pain_nrs", "opioid_need", "nausea", "bladder_risk", "cognition", "heart_rate"),
    *("norketamine_venous", "hnk_venous", "gamma_power"),
)
#: Every row that can be shown.
ROW_IDS = (*MAIN_ROWS, *_MORE)
#: What is read of every run: the rows, and what scoring and harms follow.
OUTPUTS = (*ROW_IDS, "felt_effect", "sbp_peak_change")
#: Place of each of these.
PLACES: Mapping[str, int] = {name: place for place, name in enumerate(OUTPUTS)}


@dataclass(frozen=True)
class Row:
    """A row.

    Parameters
    ----------
    id : str
        Name of the quantity.
    stage : str
        Stage of the model that it belongs to.
    unit, label : str
        Unit of its values, and what it is.
    """

    id: str
    stage: str
    unit: str
    label: str


@cache
def scenario_rows() -> Mapping[str, Row]:
    """Every row that can be asked for, by its id."""
    chain = simulator().chain
    found = {}
    for name in ROW_IDS:
        item = chain.quantities[name]
        label = "MADRS total as it is scored" if name == "madrs" else item.label
        found[name] = Row(name, chain.owner[name], item.shown_unit, label)
    return found


def chosen_rows(variables: Sequence[str] | None) -> tuple[str, ...]:
    """Rows that are asked for; the main ones and the harms if nothing is said.

    Raises
    ------
    ScenarioError
        If there is no such row.
    """
    if variables is None:
        return MAIN_ROWS
    for place, name in enumerate(variables):
        if name not in ROW_IDS:
            raise ScenarioError([unknown_choice(f"variables.{place}", "row", str(name), ROW_IDS)])
    return tuple(dict.fromkeys(variables))
