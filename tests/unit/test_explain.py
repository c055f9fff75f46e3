"""Why an effect happened: what clamps take away, and which stages carry its uncertainty."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ketasim.api.explain import explain_study
from ketasim.errors import ModelError, StudyError
from ketasim.inference.explain import GROUPS, clamps_of, sensitivities
from ketasim.model.chain import build_chain
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Simulator
from ketasim.population.draws import Draws, load_posterior
from ketasim.report.explain_figure import explain_figure
from ketasim.trials import Study

STUDY = Study.load("daly2018")


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return Simulator(build_chain(parameters=load_parameters()))


@pytest.fixture(scope="module")
def lost() -> dict[str, dict[str, float]]:
    return {item.name: item.lost for item in explain_study(STUDY, sets=0).mediations}


def test_the_effect_runs_through_its_stages(lost: dict[str, dict[str, float]]) -> None:
    """The bounds are those of the model's description for Daly 2018."""
    assert lost["ampa"]["24h"] >= 0.80
    assert lost["circuit"]["24h"] >= 0.60
    assert lost["spines"]["2h"] <= 0.10
    assert lost["spines"]["7d"] >= 0.60
    for share in lost["fast_arm_and_spines"].values():
        assert share >= 0.95


def test_what_is_beside_the_way_takes_nothing(lost: dict[str, dict[str, float]]) -> None:
    # Networks have no weight on mood: not a hundredth of a percent, which is the solver's accuracy.
    for share in lost["networks"].values():
        assert abs(share) < 1e-4


def test_clamps_are_held_together_and_named_by_group_or_quantity(lost: dict[str, dict[str, float]]) -> None:
    found = explain_study(STUDY, clamps=("fast_arm", "spines"), sets=0)
    assert found.mediations[0].held == GROUPS["fast_arm_and_spines"]
    assert found.to_dict()["lost"] == pytest.approx(lost["fast_arm_and_spines"])
    assert clamps_of(("ampa_drive", "ampa"), ["ampa_drive"]) == ("ampa_drive",)
    with pytest.raises(ModelError, match=r"--clamp: unknown quantity or group 'spine'; .* 'spines'"):
        clamps_of(("spine",), ["ampa_drive"])


def test_one_arm_and_the_mean_of_all_differ_by_dose() -> None:
    effects = {
        arm: explain_study(STUDY, clamps=("networks",), arm=arm, sets=0).mediations[0].effect["24h"]
        for arm in ("esketamine_28", "esketamine_84")
    }
    mean = explain_study(STUDY, clamps=("networks",), sets=0).mediations[0].effect["24h"]
    assert effects["esketamine_84"] < mean < effects["esketamine_28"] < 0.0
    with pytest.raises(StudyError, match=r"--arm: unknown active arm 'placebo'"):
        explain_study(STUDY, arm="placebo")
    controls = STUDY.model_copy(update={"arms": tuple(arm for arm in STUDY.arms if not arm.active)})
    with pytest.raises(StudyError, match="no drug-specific effect"):
        explain_study(controls)


def test_intervals_come_from_the_posterior() -> None:
    found = explain_study(STUDY, clamps=("spines",), sets=6).mediations[0]
    for time in found.lost:
        assert found.lost_low[time] <= found.lost_high[time]
    assert math.isnan(explain_study(STUDY, clamps=("spines",), sets=0).mediations[0].lost_low["24h"])


def test_only_what_differs_between_draws_carries_variance(simulator: Simulator) -> None:
    """Draws that move one parameter of mood: stages 2 to 9 carry none of it, and the slope is its own."""
    parameters = load_parameters()
    centre = parameters["mood_fast_arm_weight"].value
    values = (centre * np.exp(np.linspace(-0.2, 0.2, 12)))[:, None]
    draws = Draws(("mood_fast_arm_weight",), values[np.random.Generator(np.random.Philox(1)).permutation(12)])
    regimens = [arm.dosing for arm in STUDY.first_arms if arm.active][:1]
    found = sensitivities(simulator, parameters, draws, regimens, 33.0)
    assert found.biology_share == pytest.approx(0.0, abs=1e-9)
    assert list(found.by_stage["stage"]) == ["symptoms"]
    # One block is all there is: exchanging it gives the other draw, so that both indices are near 1. Six
    # pairs of draws leave them uncertain by about a half.
    assert found.by_stage["total"][0] == pytest.approx(1.0, abs=0.6)
    assert found.local["slope"][0] < 0.0


def test_the_posterior_that_ships_belongs_to_the_tables() -> None:
    draws = load_posterior()
    assert len(draws) >= 200
    for name, column in zip(draws.names, draws.values.T, strict=True):
        item = load_parameters()[name]
        assert (column >= item.low * (1.0 - 1e-6)).all(), name
        assert (column <= item.high * (1.0 + 1e-6)).all(), name


def test_the_figure_has_a_row_a_clamp_and_a_unit() -> None:
    found = explain_study(STUDY, sets=0)
    (ax,) = explain_figure(found.study, found.mediations).axes
    assert len(ax.get_yticks()) == len(found.mediations)
    assert "(%)" in ax.get_xlabel()
