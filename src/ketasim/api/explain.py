"""Why a trial's effect happens: what is lost when stages are held, and which parameters carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ketasim.api.options import Progress, silent
from ketasim.errors import StudyError, unknown_name
from ketasim.inference.explain import GROUPS, Mediation, Sensitivities, clamps_of, mediation, sensitivities
from ketasim.inference.explain.mediation import TIMES_H
from ketasim.model.chain import build_chain
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.simulator import Simulator
from ketasim.population import typical_people
from ketasim.population.draws import load_posterior
from ketasim.trials import Study
from ketasim.trials.study.people import population_spec

__all__ = ["Explanation", "explain_study"]


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why the drug-specific effect of a trial happens.

    Parameters
    ----------
    study : str
        Its name.
    arms : tuple of str
        Active arms over which effects are averaged.
    mediations : list of Mediation
        What is lost, by what is held.
    sensitivities : Sensitivities or None
        Shares of the effect's variance at 24 h, if asked for.
    """

    study: str
    arms: tuple[str, ...]
    mediations: list[Mediation]
    sensitivities: Sensitivities | None

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain numbers; ``lost`` is that of the clamps that were asked for."""
        found: dict[str, Any] = {"study": self.study, "arms": list(self.arms)}
        found["effect_points"] = self.mediations[0].effect
        if len(self.mediations) == 1:
            found |= {"clamped": list(self.mediations[0].held), "lost": self.mediations[0].lost}
        found["clamps"] = [
            {
                "name": item.name,
                "held": list(item.held),
                "left_points": item.left,
                "lost": item.lost,
                "lost_low": item.lost_low,
                "lost_high": item.lost_high,
            }
            for item in self.mediations
        ]
        if self.sensitivities is not None:
            found["variance_24h"] = self.sensitivities.variance
            found["stages_2_to_9_share"] = self.sensitivities.biology_share
            found["sobol"] = self.sensitivities.by_stage.to_dict("records")
            found["local"] = self.sensitivities.local.to_dict("records")
        return found


def explain_study(
    study: Study,
    *,
    clamps: Sequence[str] = (),
    arm: str | None = None,
    parameters: ParameterSet | None = None,
    sets: int = 40,
    sobol: bool = False,
    progress: Progress = silent,
) -> Explanation:
    """Say why the drug-specific effect of a trial happens, in its typical patient.

    Parameters
    ----------
    study : Study
        The trial.
    clamps : sequence of str
        Quantities, or groups of them such as ``spines``, that are held together from the first dose on;
        default: one group after another.
    arm : str, optional
        One active arm; default: the mean of all.
    parameters : ParameterSet, optional
        Typical values; default: the shipped tables.
    sets : int
        Draws of the posterior for intervals; 0 for none.
    sobol : bool
        Whether shares of the variance and local slopes are computed too.
    progress : callable, optional
        Called with what is done, how much of it, and how much in all.

    Returns
    -------
    Explanation

    Raises
    ------
    StudyError
        If the study has no active arm, or not the one named.
    ModelError
        If a clamp names nothing.
    """
    base = load_parameters() if parameters is None else parameters
    active = {item.id: item for item in study.first_arms if item.active}
    if not active:
        raise StudyError(
            f"{study.id}: no arm is given ketamine, so there is no drug-specific effect to explain."
        )
    if arm is not None and arm not in active:
        raise StudyError(f"--arm: {unknown_name('active arm', arm, active)}")
    chosen = [active[arm]] if arm is not None else list(active.values())
    regimens = [item.dosing for item in chosen]
    simulator = Simulator(build_chain(parameters=base))
    spec = population_spec(study)
    people = typical_people(spec, 1, [spec.parent()], np.zeros(1, dtype=np.int64), 1)
    severity = float(people.severity_baseline[0])
    groups: Mapping[str, Sequence[str]] = GROUPS
    if clamps:
        groups = {" + ".join(clamps): clamps_of(clamps, list(simulator.chain.quantities))}
    draws = load_posterior()
    kept = draws.take(np.arange(min(sets, len(draws)))).sets(base) if sets else []
    found: list[Mediation] = []
    for done, (name, held) in enumerate(groups.items()):
        progress("holding stages", done, len(groups))
        found += mediation(simulator, base, regimens, severity, {name: held}, kept)
    progress("holding stages", len(groups), len(groups))
    shares = None
    if sobol:
        progress("shares of the variance", 0, 1)
        shares = sensitivities(simulator, base, draws, regimens, severity, TIMES_H["24h"])
        progress("shares of the variance", 1, 1)
    return Explanation(study.id, tuple(item.id for item in chosen), found, shares)
