"""The sizes of placebo that section 11b of the design names, for a person with the typical factor."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim.trials.scoring import Setting, belief, load_scoring_parameters, relief, score

P = load_scoring_parameters()
DAY = 24.0
TWICE = [DAY * day for day in (0, 3, 7, 10)]
THRICE = [DAY * day for day in (0, 2, 4, 7, 9, 11)]
FOUR_WEEKS = [DAY * day for day in (0, 3, 7, 10, 14, 17, 21, 24)]

#: What the new oral drug itself takes from the logit by day 28 (its biology is in the chain).
ORAL_DRUG = 0.15


def change(setting: Setting, doses: list[float], day: float, baseline: float, biology: float = 0.0) -> float:
    time = np.array([0.0, DAY * day])
    believed = belief(time, np.zeros(2), doses, setting, P)
    taken = relief(time, doses, believed, setting, P).total + biology
    return float(score(np.full(2, baseline), taken)[1] - baseline)


@pytest.mark.parametrize(
    ("setting", "doses", "day", "baseline", "biology", "low", "high"),
    [
        # Saline in resistant depression: -3.1 and -5.7 at day 15 (two schedules of one trial).
        (Setting(), THRICE, 14, 35.0, 0.0, -6.0, -3.0),
        (Setting(), TWICE, 14, 35.0, 0.0, -6.0, -3.0),
        (Setting(), [0.0], 1, 33.0, 0.0, -6.0, -3.0),
        # Care in hospital with standard care: -12.0 to -12.8 at 24 h, with an error near 1.
        (Setting(inpatient=1.0), [0.0], 1, 40.2, 0.0, -13.5, -11.0),
        # A new oral drug and placebo spray: -15.3 to -17.0 at day 28, with an error near 1.
        (Setting(allocation=0.6, new_antidepressant=1.0), FOUR_WEEKS, 28, 37.5, ORAL_DRUG, -17.5, -14.5),
    ],
    ids=["saline-thrice", "saline-twice", "saline-day1", "hospital", "new-oral-drug"],
)
def test_a_typical_person_improves_as_the_design_says(
    setting: Setting, doses: list[float], day: float, baseline: float, biology: float, low: float, high: float
) -> None:
    assert low < change(setting, doses, day, baseline, biology) < high


def test_the_oral_drug_itself_is_needed_for_its_sixteen_points() -> None:
    # Contacts and belief alone stay short of them by about three points.
    alone = change(Setting(allocation=0.6, new_antidepressant=1.0), FOUR_WEEKS, 28, 37.5)
    assert -13.5 < alone < -12.0
