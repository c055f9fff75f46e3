"""How far the rule's verdict depends on what was assumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from ketasim.brain.conditions import Conditions, load_conditions
from ketasim.brain.couplings import COUPLINGS
from ketasim.brain.model import BrainModel
from ketasim.brain.rule import CONCENTRATIONS, Verdict, decide
from ketasim.errors import BrainError, unknown_name

__all__ = ["VARIATIONS", "SensitivityRow", "rule_sensitivity"]

VARIATIONS: Mapping[str, tuple[float, ...]] = {
    "density_depressed": (0.65, 0.9),
    "density_gain": (0.05, 0.2),
    "adaptation_time": (72.0, 240.0),
    "inhibition_compensated": (0.0, 0.75, 0.9, 1.0),
    "feedforward_share": (0.3, 3.0),
    "change_least": (0.001,),
    "gap_least": (0.001,),
    "gap_closed": (0.3,),
}
"""What is changed by default: the ends of the ranges of the table, and more values where the answer turns."""


@dataclass(frozen=True)
class SensitivityRow:
    """The rule under one changed condition.

    Parameters
    ----------
    connectome : str
        Which brain.
    condition : str
        What was changed; ``"none"`` for nothing, ``"adapts"`` for the other choice of adaptation.
    value : float or None
        What it was changed to.
    verdict : Verdict
        What the rule says then.
    """

    connectome: str
    condition: str
    value: float | None
    verdict: Verdict


def rule_sensitivity(
    models: Mapping[str, BrainModel],
    variations: Mapping[str, Sequence[float]] = VARIATIONS,
    concentrations: Sequence[float] = CONCENTRATIONS,
    conditions: Conditions | None = None,
) -> list[SensitivityRow]:
    """Apply the rule under changed conditions, one change at a time.

    Parameters
    ----------
    models : mapping of str to BrainModel
        Healthy brains by name.
    variations : mapping of str to sequence of float
        Values to try, by the name of a condition.
    concentrations : sequence of float
        As :func:`decide`.
    conditions : Conditions, optional
        What is changed; default: the shipped ones.

    Returns
    -------
    list of SensitivityRow
        First with nothing changed, then with the other choice of adaptation in every coupling, then each
        variation.

    Raises
    ------
    BrainError
        If there is no such condition, or as :func:`decide`.
    """
    base = load_conditions() if conditions is None else conditions
    known = [field.name for field in fields(Conditions)]
    for name in variations:
        if name not in known:
            raise BrainError(unknown_name("condition of the brain", name, known))
    other = [replace(one, adapts=not one.adapts) for one in COUPLINGS.values()]
    rows = []
    for brain, model in models.items():
        rows.append(SensitivityRow(brain, "none", None, decide(model, None, concentrations, base)))
        rows.append(SensitivityRow(brain, "adapts", None, decide(model, other, concentrations, base)))
        for name, values in variations.items():
            for value in values:
                verdict = decide(model, None, concentrations, replace(base, **{name: value}))
                rows.append(SensitivityRow(brain, name, value, verdict))
    return rows
