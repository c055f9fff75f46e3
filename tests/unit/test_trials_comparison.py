"""Published numbers beside simulated ones: each statistic against numbers worked out by hand."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from ketasim.trials import Study, comparison
from ketasim.trials.runs.columns import COMPARISON, OUTCOMES
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.study.template import new_study_text

EXACT = 1e-12

#: MADRS of each person at entry, 24 h and days 2 to 5 (48 to 120 h).
COURSES: dict[tuple[str, int], tuple[float, ...]] = {
    ("ketamine", 1): (32.0, 16.0, 17.0, 15.0, 17.0, 18.0),
    ("ketamine", 2): (32.0, 8.0, 23.0, 9.0, 9.0, 9.0),
    ("ketamine", 3): (30.0, 26.0, 26.0, 26.0, 26.0, 26.0),
    ("midazolam", 4): (31.0, 29.0, 29.0, 29.0, 29.0, 29.0),
    ("midazolam", 5): (33.0, 27.0, 27.0, 27.0, 27.0, 27.0),
}
TIMES = (0.0, 24.0, 48.0, 72.0, 96.0, 120.0)

DEFAULTS = {
    "id": "r1",
    "arm": "ketamine",
    "quantity": "madrs",
    "statistic": "mean",
    "time": "24 h",
    "value": -15.0,
    "unit": "point",
    "source_kind": "measured",
    "use": "check",
    "citation": "someone2020",
}


def study(
    *rows: dict[str, object], relapse: str = "madrs >= 22", consecutive: int = 1, arms: str = ""
) -> Study:
    text = new_study_text("small").replace("threshold: 10", "threshold: 12")
    text = text.replace(
        'rule: "madrs >= 22", consecutive: 1', f'rule: "{relapse}", consecutive: {consecutive}'
    )
    plan = text.index("visits:"), text.index("endpoints:")
    visits = "visits: [24 h, 48 h, 72 h, 96 h, 120 h]\n\n"
    text = text[: plan[0]] + arms + visits + text[plan[1] :]
    listed = "\n".join(f"  - {json.dumps({**DEFAULTS, **row})}" for row in rows)
    return Study.parse(text.replace("observations: []", f"observations:\n{listed}"))


def outcomes(last: float = 120.0, replicate: int = 0) -> pd.DataFrame:
    rows = [
        (arm, subject, "madrs", "score", time, value)
        for (arm, subject), course in COURSES.items()
        for time, value in zip(TIMES, course, strict=True)
        if time <= last
    ]
    rows += [(arm, n, "cadss", "value", 24.0, 3.0 * n if arm == "ketamine" else 0.0) for arm, n in COURSES]
    frame = pd.DataFrame(rows, columns=["arm", "subject", "quantity", "statistic", "time_h", "value"])
    frame = frame.assign(study="small", replicate=replicate, treatment=frame["arm"], unit="points", reason="")
    return frame[list(OUTCOMES)]


def compare(frame: pd.DataFrame, own: Study) -> pd.DataFrame:
    return comparison.compare(Outcomes.of_frame(frame), own)


def predicted(row: dict[str, object], **rule: object) -> tuple[float, float]:
    found = compare(outcomes(), study(row, **rule))  # type: ignore[arg-type]
    assert len(found) == 1
    return float(found["predicted"].iloc[0]), float(found["predicted_se"].iloc[0])


def binomial(hits: float, n: int) -> float:
    """Error of a rate with half a person added to each side."""
    share = (hits + 0.5) / (n + 1)
    return math.sqrt(share * (1 - share) / (n + 1))


#: Of scores 16, 8, 26: deviations -2/3, -26/3 and 28/3.
SD = math.sqrt((4 + 676 + 784) / 9 / 2)


def test_mean_and_its_error() -> None:
    assert predicted({}) == pytest.approx((50 / 3, SD / math.sqrt(3)), abs=EXACT)


def test_sd_and_its_error() -> None:
    assert predicted({"statistic": "sd", "value": 9.0}) == pytest.approx((SD, SD / 2.0), abs=EXACT)


def test_change_and_difference_of_changes() -> None:
    # Changes -16, -24, -4 and -2, -6.
    change, error = predicted({"statistic": "change"})
    sd = math.sqrt((256 + 576 + 16 - 44**2 / 3) / 2)
    assert (change, error) == pytest.approx((-44 / 3, sd / math.sqrt(3)), abs=EXACT)
    difference, spread = predicted({"statistic": "difference", "comparator": "midazolam"})
    # Two changes 4 apart have an SD of 4 / sqrt 2 and so a standard error of 2.
    assert (difference, spread) == pytest.approx((-44 / 3 + 4.0, math.hypot(error, 2.0)), abs=EXACT)


def test_arms_can_be_pooled() -> None:
    pooled, _ = predicted({"arm": "ketamine + midazolam"})
    assert pooled == pytest.approx((16 + 8 + 26 + 29 + 27) / 5, abs=EXACT)
    change, _ = predicted({"arm": "ketamine + midazolam", "statistic": "change"})
    assert change == pytest.approx((-44 - 8) / 5, abs=EXACT)


RATE = {"unit": "probability", "value": 0.5, "n": 20}


def test_response_is_half_or_less_and_remission_the_studys_threshold() -> None:
    found = predicted({"statistic": "response", **RATE})
    assert found == pytest.approx((2 / 3, binomial(2, 3)), abs=EXACT)
    found = predicted({"statistic": "remission", **RATE})
    assert found == pytest.approx((1 / 3, binomial(1, 3)), abs=EXACT)


def test_a_rate_of_nobody_has_an_error_too() -> None:
    share, error = predicted({"statistic": "response", "arm": "midazolam", **RATE})
    assert share == 0.0
    assert error == pytest.approx(binomial(0, 2), abs=EXACT)


def relapsed(rule: str, consecutive: int, **row: object) -> tuple[float, float]:
    given = {"statistic": "relapse", "among": "responders", "time": "120 h", **RATE, **row}
    return predicted(given, relapse=rule, consecutive=consecutive)


def test_relapse_by_score_and_by_visits_in_a_row() -> None:
    # Persons 1 and 2 respond; person 2 is at 23 points once.
    assert relapsed("madrs >= 22", 1) == pytest.approx((0.5, binomial(1, 2)), abs=EXACT)
    assert relapsed("madrs >= 22", 2) == pytest.approx((0.0, binomial(0, 2)), abs=EXACT)


def test_relapse_by_response_lost() -> None:
    # Person 1 is above 16 points at 48, 96 and 120 h, person 2 at 48 h.
    assert relapsed("response lost", 1)[0] == 1.0
    assert relapsed("response lost", 2)[0] == 0.5
    assert relapsed("response lost", 3)[0] == 0.0
    # By 96 h there was no second visit in a row yet.
    assert relapsed("response lost", 2, time="96 h")[0] == 0.0


def test_relapse_among_remitters_leaves_responders_out() -> None:
    # Only person 2 is at or below 12 points at 24 h.
    assert relapsed("response lost", 1, among="remitters") == pytest.approx((1.0, binomial(1, 1)), abs=EXACT)
    assert relapsed("response lost", 2, among="remitters")[0] == 0.0


def test_nobody_who_was_well_means_no_relapse_row() -> None:
    row = {"statistic": "relapse", "among": "responders", "time": "120 h", "arm": "midazolam", **RATE}
    assert compare(outcomes(), study(row)).empty


def test_ratio_and_its_error() -> None:
    mean, other = 50 / 3, 28.0
    ratio, error = predicted({"statistic": "ratio", "comparator": "midazolam", "unit": "ratio", "value": 0.6})
    assert ratio == pytest.approx(mean / other, abs=EXACT)
    # Relative errors of independent means add as squares; 29 and 27 have a standard error of 1.
    relative = math.hypot(SD / math.sqrt(3) / mean, 1.0 / other)
    assert error == pytest.approx(ratio * relative, rel=1e-12)


def test_a_ratio_to_nothing_is_empty() -> None:
    row = {
        "quantity": "cadss",
        "statistic": "ratio",
        "comparator": "midazolam",
        "unit": "ratio",
        "value": 2.0,
    }
    assert all(math.isnan(item) for item in predicted(row))


def test_direction_needs_a_detectable_change() -> None:
    row = {"statistic": "direction", "value": -1.0, "unit": "direction"}
    # -14.7 with a standard error of 5.8 is detectable, -4 with 2 is so just, -10.7 with 6.2 is not.
    assert predicted(row) == (-1.0, 0.0)
    assert predicted({**row, "arm": "midazolam"}) == (-1.0, 0.0)
    assert predicted({**row, "comparator": "midazolam"}) == (0.0, 0.0)


def test_a_direction_of_one_person_is_unknown() -> None:
    one = outcomes()
    one = one[one["subject"] == 1]
    found = compare(one, study({"statistic": "direction", "value": -1.0, "unit": "direction"}))
    assert math.isnan(found["predicted"].iloc[0])


def test_z_by_hand_and_empty_without_a_published_error() -> None:
    found = compare(
        outcomes(),
        study(
            {"id": "with", "statistic": "change", "spread_kind": "se", "spread_low": 1.5},
            {"id": "without", "statistic": "change"},
        ),
    ).set_index("id")
    assert set(found.reset_index().columns) == set(COMPARISON)
    row = found.loc["with"]
    expected = (-15.0 - row["predicted"]) / math.hypot(1.5, row["predicted_se"])
    assert row["z"] == pytest.approx(expected, abs=EXACT)
    assert math.isnan(found.loc["without", "z"])
    assert math.isnan(found.loc["without", "observed_se"])


def test_rows_after_the_last_simulated_time_are_left_out() -> None:
    rows = (
        {"id": "early"},
        {"id": "late", "time": "120 h"},
        {"id": "relapse", "statistic": "relapse", "among": "responders", "time": "120 h", **RATE},
    )
    assert list(compare(outcomes(last=48.0), study(*rows))["id"]) == ["early"]
    assert list(compare(outcomes(), study(*rows))["id"]) == ["early", "late", "relapse"]


def test_a_missing_score_counts_neither_as_well_nor_as_ill() -> None:
    frame = outcomes()
    lost = (frame["subject"] == 3) & (frame["time_h"] == 24.0)
    frame.loc[lost, "value"] = math.nan
    found = compare(frame, study({"statistic": "response", **RATE}, {"id": "r2"}))
    assert list(found["predicted"]) == pytest.approx([1.0, 12.0])


def test_replicates_are_compared_apart() -> None:
    other = outcomes(replicate=1)
    other["value"] += 2.0
    found = compare(pd.concat([outcomes(), other], ignore_index=True), study({}))
    assert list(found["replicate"]) == [0, 1]
    assert found["predicted"].iloc[1] == pytest.approx(found["predicted"].iloc[0] + 2.0, abs=EXACT)


def moved() -> pd.DataFrame:
    """Persons 1 and 3 go on with another arm from 48 h."""
    frame = outcomes()
    later = frame["subject"].isin([1, 3]) & (frame["time_h"] > 48.0)
    return frame.assign(treatment=frame["treatment"].mask(later, "again"))


#: A second phase with one arm, and the rule that leads to it.
TWO_PHASES = """\
  - {id: again, phase: two, regimen: 0.5 mg/kg ketamine iv over 40 min}

rules:
  - {id: move, at: [48 h], arms: [ketamine], when: ["madrs >= 17"], then: {switch: again}}

"""


@pytest.mark.parametrize("origin", ["two", "arm"])
def test_times_and_changes_count_from_the_origin(origin: str) -> None:
    row = {"arm": "again", "origin": origin, "statistic": "change", "time": "24 h"}
    late = {**row, "id": "r2", "time": "72 h"}
    found = compare(moved(), study(row, late, arms=TWO_PHASES))
    # From 17 to 15 and from 26 to 26; 72 h after entering are 18 - 17 and 0.
    assert list(found["predicted"]) == pytest.approx([-1.0, 0.5], abs=EXACT)
    assert list(found["predicted_se"]) == pytest.approx([1.0, 0.5], abs=EXACT)


def test_who_moves_on_counts_in_the_arm_of_his_randomisation() -> None:
    row = {"time": "72 h"}
    found = compare(moved(), study(row, arms=TWO_PHASES))
    assert found["predicted"].iloc[0] == pytest.approx((15 + 9 + 26) / 3, abs=EXACT)
