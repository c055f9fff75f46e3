from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri

from ketasim.dosing import parse_regimen
from ketasim.engine.schedule import InputPath
from ketasim.model import Simulator, build_chain, load_parameters
from ketasim.trials.scoring import Setting, belief, load_scoring_parameters, relief, score
from ketasim.trials.scoring.study_effect import DRUG_EFFECT_PARAMETERS, StudyEffect, study_effect

P = load_scoring_parameters()
TABLE = load_parameters()
OFF = load_scoring_parameters(dict.fromkeys(("between_study_placebo", *DRUG_EFFECT_PARAMETERS.values()), 0.0))


def drawn(n: int, parameters=P) -> list[StudyEffect]:
    return [study_effect(parameters, seed=1, study="daly2018", replicate=number) for number in range(n)]


def test_without_spread_a_study_is_exactly_typical() -> None:
    for effect in drawn(5, OFF):
        assert effect == StudyEffect()
        assert effect.is_neutral
        assert effect.placebo_factor == 1.0
        assert dict(effect.deviations) == {}


def test_a_parameter_without_spread_is_not_touched() -> None:
    some = load_scoring_parameters({"between_study_drug_late": 0.0})
    for effect, full in zip(drawn(5, some), drawn(5), strict=True):
        assert set(effect.deviations) == {"fast_arm_ceiling"}
        # and the others keep their numbers
        assert effect.placebo_factor == full.placebo_factor
        assert effect.deviations["fast_arm_ceiling"] == full.deviations["fast_arm_ceiling"]


def test_numbers_depend_on_seed_study_and_replicate_alone() -> None:
    key = {"seed": 1, "study": "daly2018", "replicate": 3}
    same = study_effect(P, **key)
    assert same == study_effect(P, **key) == drawn(4)[3]
    for change in ({"seed": 2}, {"study": "fava2020"}, {"replicate": 4}):
        assert study_effect(P, **{**key, **change}) != same


def test_the_spread_is_as_told() -> None:
    n = 3000  # an SD to 1.3 %, a mean to 1.8 % of the SD; three times that
    effects = drawn(n)
    found = {
        "between_study_placebo": np.array([math.log(item.placebo_factor) for item in effects]),
        **{
            sd: np.array([item.deviations[name] for item in effects])
            for name, sd in DRUG_EFFECT_PARAMETERS.items()
        },
    }
    for name, values in found.items():
        assert values.std() == pytest.approx(getattr(P, name), rel=0.04), name
        assert abs(values.mean()) < 0.055 * getattr(P, name), name
    together = np.corrcoef(list(found.values()))
    assert np.abs(together - np.eye(3)).max() < 0.055


def test_spread_is_assumed_until_it_is_fitted() -> None:
    names = ["between_study_placebo", *DRUG_EFFECT_PARAMETERS.values()]
    assert {TABLE[name].grade for name in names} == {"assumed"}
    assert set(DRUG_EFFECT_PARAMETERS) <= set(TABLE)


def control_change(setting: Setting, baseline: float, factor: float) -> float:
    """Mean change of a control arm at 24 h, over people, if biology stays where it is."""
    people = factor * np.exp(TABLE["placebo_gain"].iiv * ndtri((np.arange(100) + 0.5) / 100))
    time = np.array([0.0, 24.0])
    believed = belief(time, np.zeros((100, 2)), [0.0], setting, P)
    taken = relief(time, [0.0], believed, setting, P, people).total
    return float((score(np.full((100, 2), baseline), taken)[:, 1] - baseline).mean())


@pytest.mark.parametrize(
    ("setting", "baseline", "points"),
    # The placebo fit gives control arms of different trials 2 points. One SD moves that in hospital, and half
    # of it in outpatients with saline: people differ so widely in their factor (SD of its log 1.7) that many
    # are where a factor more changes little.
    [(Setting(), 33.0, 1.1), (Setting(inpatient=1.0), 40.2, 1.9)],
)
def test_control_arms_of_studies_differ_by_one_to_two_points(
    setting: Setting, baseline: float, points: float
) -> None:
    sd = P.between_study_placebo
    down, up = (control_change(setting, baseline, math.exp(sign * sd)) for sign in (-1.0, 1.0))
    assert (down - up) / 2.0 == pytest.approx(points, abs=0.3)


@pytest.fixture(scope="module")
def simulator() -> Simulator:
    return Simulator(build_chain())


def severity(simulator: Simulator, name: str, deviation: float, regimen: str, stress: list[float]):
    own = TABLE.with_values({name: float(TABLE[name].varied(deviation))})
    path = InputPath(tuple(24.0 * np.arange(len(stress))), tuple(stress))
    patient = simulator.depressed(own, 33.0)
    time = np.array([0.0, 24.0, 168.0])
    run = simulator.run(patient, parse_regimen(regimen), time, {"life_stress": path})
    return run.quantities["severity"]


@pytest.mark.parametrize(
    ("name", "day1", "day7"),
    # Points of the drug's effect that one SD between studies moves: the first acts early, the second late.
    [("fast_arm_ceiling", (1.5, 3.0), (0.1, 0.6)), ("evoked_gain", (0.05, 0.4), (0.3, 0.8))],
)
def test_a_study_moves_the_drug_and_not_the_untreated(
    simulator: Simulator, name: str, day1: tuple[float, float], day7: tuple[float, float]
) -> None:
    sd = getattr(P, DRUG_EFFECT_PARAMETERS[name])
    dose, calm = "0.5 mg/kg ketamine iv over 40 min", [0.0] * 8
    weak, strong = (severity(simulator, name, sign * sd, dose, calm) for sign in (-1.0, 1.0))
    for place, (low, high) in ((1, day1), (2, day7)):
        assert low < (weak[place] - strong[place]) / 2.0 < high
    # Untreated, a patient rests where he is, and life moves him as it does in a typical study.
    rest = severity(simulator, name, sd, "none", calm)
    assert np.abs(rest - 33.0).max() < 1e-6
    rough = [0.0, 0.5, 1.0, 1.0, 0.5, 0.0, -0.5, -1.0]
    lived = [severity(simulator, name, sign * sd, "none", rough) for sign in (0.0, 1.0)]
    assert np.abs(lived[0] - lived[1]).max() < 0.1
    assert np.ptp(lived[0]) > 0.5
