"""The sizes of placebo that section 11b of the design names: means of arms, whose people differ widely."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit, ndtri

from ketasim.model.parameters import load_parameters
from ketasim.trials.scoring import Setting, belief, load_scoring_parameters, relief, score, shared

P = load_scoring_parameters()
DAY = 24.0
TWICE = [DAY * day for day in (0, 3, 7, 10)]
THRICE = [DAY * day for day in (0, 2, 4, 7, 9, 11)]
FOUR_WEEKS = [DAY * day for day in (0, 3, 7, 10, 14, 17, 21, 24)]

#: What the new oral drug itself takes from the logit by day 28: the chain's figure at 37.5 points.
ORAL_DRUG = 0.24
NEW_DRUG = Setting(allocation=0.6, new_antidepressant=1.0)

#: Factors on the placebo terms of people who stand for all.
PEOPLE = np.exp(load_parameters()["placebo_gain"].iiv * ndtri((np.arange(400) + 0.5) / 400))
TYPICAL = np.ones(1)


def change(
    setting: Setting, doses: list[float], day: float, baseline: float, biology: float, factors: np.ndarray
) -> float:
    """Mean change of people whose biology takes so much from the logit, and else stays where it is."""
    time = np.array([0.0, DAY * day])
    believed = belief(time, np.zeros((factors.size, 2)), doses, setting, P)
    alone = relief(time, doses, believed, setting, P, factors).total
    now = 60.0 * expit(logit(baseline / 60.0) - np.array([0.0, biology]))
    left = shared(alone, now, baseline, P.placebo_overlap)
    return float((score(now, left)[:, 1] - baseline).mean())


# Published changes are means of arms. People differ so widely in their factor (SD of its log 1.9, fitted to
# the SDs of control arms) that an arm improves by 3 to 4 points more than a person with the typical factor.
@pytest.mark.parametrize(
    ("setting", "doses", "day", "baseline", "low", "high", "typical"),
    [
        # Saline in resistant depression: -3.1 and -5.7 at day 15 (two schedules of one trial; errors near 2).
        # Found are -6.6 and -6.5: the model cannot tell the schedules apart, and three visits are missed.
        (Setting(), THRICE, 14, 35.0, -7.0, -3.0, -3.2),
        (Setting(), TWICE, 14, 35.0, -7.0, -3.0, -3.1),
        (Setting(), [0.0], 1, 33.0, -6.0, -3.0, -2.7),
        # Care in hospital with standard care: -12.0 to -12.8 at 24 h, with an error near 1. Found is -13.1.
        (Setting(inpatient=1.0), [0.0], 1, 40.2, -13.5, -11.0, -9.5),
    ],
    ids=["saline-thrice", "saline-twice", "saline-day1", "hospital"],
)
def test_an_arm_improves_as_the_design_says(
    setting: Setting,
    doses: list[float],
    day: float,
    baseline: float,
    low: float,
    high: float,
    typical: float,
) -> None:
    assert low < change(setting, doses, day, baseline, 0.0, PEOPLE) < high
    # A typical person falls short of what the design says of arms: this is what the page of docs tells.
    assert change(setting, doses, day, baseline, 0.0, TYPICAL) == pytest.approx(typical, abs=0.1)


def test_a_new_oral_drug_with_placebo_spray_is_at_the_lower_end_of_what_is_published() -> None:
    # Published are -15.3 to -17.0 at day 28, with an error near 1.
    arm = change(NEW_DRUG, FOUR_WEEKS, 28, 37.5, ORAL_DRUG, PEOPLE)
    assert arm == pytest.approx(-15.4, abs=0.3)
    # It is still the largest of the settings that the design names.
    assert arm < change(Setting(inpatient=1.0), [0.0], 1, 40.2, 0.0, PEOPLE)


def test_the_oral_drug_shares_the_ceiling_with_hope() -> None:
    with_drug, alone = (change(NEW_DRUG, FOUR_WEEKS, 28, 37.5, own, PEOPLE) for own in (ORAL_DRUG, 0.0))
    drug = 60.0 * expit(logit(37.5 / 60.0) - ORAL_DRUG) - 37.5
    assert with_drug < alone < drug < 0.0
    # Each leaves less to the other: together they do less than their sum.
    assert with_drug > alone + drug
