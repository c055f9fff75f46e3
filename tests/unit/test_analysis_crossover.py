"""Crossover: published analyses, what carry-over does, and why the two-stage procedure is warned against."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim.errors import StudyError
from ketasim.trials.analysis.crossover import crossover, two_stage

# Peak expiratory flow (L/min) of 13 children by visit: 7 had formoterol first, then 6 salbutamol (Senn 2002,
# chapter 3, as printed in the SAS/STAT User's Guide, PROC TTEST, example "AB/BA Crossover Design").
ASTHMA = [
    *[(310, 270), (310, 260), (370, 300), (410, 390), (250, 210), (380, 350), (330, 365)],
    *[(370, 385), (310, 400), (380, 410), (290, 320), (260, 340), (90, 220)],
]
# Which of two machines was first in ten trials, and the two times (Cochran and Cox, table 4.10, as printed
# with the analysis by SAS PROC GLM at www.biostat.umn.edu/~john-c/crossover.cochran.lst).
MACHINES = [
    *[("A", 30, 14), ("B", 21, 21), ("A", 22, 5), ("B", 13, 22), ("B", 13, 18)],
    *[("A", 29, 17), ("B", 7, 16), ("A", 12, 14), ("A", 23, 8), ("B", 24, 23)],
]


def test_cochran_and_cox_agree_with_sas() -> None:
    result = crossover([row[1:] for row in MACHINES], [int(row[0] == "A") for row in MACHINES])
    # SAS PROC GLM, model time = machine trial row: F 15.22 (p 0.0045) for the machine, 3.08 (p 0.117...) for
    # the order, residual mean square 21.0250 with 8 degrees of freedom. Half a unit of the last digit.
    assert result.treatment.statistic**2 == pytest.approx(15.22, abs=0.005)
    assert (result.treatment.p, result.treatment.df) == (pytest.approx(0.0045, abs=5e-5), 8.0)
    assert result.period.statistic**2 == pytest.approx(3.08, abs=0.005)
    assert result.period.p == pytest.approx(0.117, abs=5e-4)
    assert result.treatment.se == pytest.approx(np.sqrt(21.025 * 2.0 / 10.0), rel=1e-6)
    assert (result.treatment.value, result.n) == (pytest.approx(8.0, abs=1e-12), (5, 5))


def test_senns_asthma_trial_by_hand() -> None:
    result = crossover(ASTHMA, np.repeat([1, 0], [7, 6]))
    # Mean differences (first less second) 215/7 for formoterol first and -375/6 for salbutamol first.
    assert result.treatment.value == pytest.approx((215 / 7 + 375 / 6) / 2, rel=1e-12)
    assert result.period.value == pytest.approx(-(215 / 7 - 375 / 6) / 2, rel=1e-12)
    # Mean sums 4505/7 and 3775/6; mean of the first visit 2360/7 and 1700/6.
    assert result.carry_over.value == pytest.approx(4505 / 7 - 3775 / 6, rel=1e-12)
    assert result.first_period.value == pytest.approx(2360 / 7 - 1700 / 6, rel=1e-12)
    assert {each.df for each in (result.treatment, result.period, result.carry_over)} == {11.0}


def simulated(
    rng: np.random.Generator, n: int, *, effect: float = 0.0, period: float = 0.0, carry: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    first = np.arange(n) % 2
    person = rng.normal(0.0, 2.0, (n, 1))
    y = person + rng.normal(0.0, 1.0, (n, 2)) + np.array([0.0, period])
    y[:, 0] += effect * first
    y[:, 1] += effect * (1 - first) + carry * first
    return y, first


def test_carry_over_biases_the_treatment_by_half_and_is_detected() -> None:
    rng = np.random.default_rng(1)
    results = [crossover(*simulated(rng, 40, effect=3.0, period=1.0, carry=2.0)) for _ in range(400)]
    error = 1.0 / np.sqrt(400.0)

    def mean(name: str) -> float:
        return float(np.mean([getattr(each, name).value for each in results]))

    # The standard errors of one trial are 0.22 (within persons) and 1.34 and 0.71 (between): 4 of 400's.
    assert mean("treatment") == pytest.approx(3.0 - 2.0 / 2.0, abs=4 * 0.22 * error)
    assert mean("period") == pytest.approx(1.0 + 2.0 / 2.0, abs=4 * 0.22 * error)
    assert mean("carry_over") == pytest.approx(2.0, abs=4 * 1.34 * error)
    assert mean("first_period") == pytest.approx(3.0, abs=4 * 0.71 * error)
    found = np.mean([each.carry_over.p < 0.05 for each in results])
    # Between persons: a carry-over of 1.5 standard errors is found in about a third of the trials.
    assert 0.2 < found < 0.45


def test_the_two_stage_procedure_errs_more_than_it_says() -> None:
    rng = np.random.default_rng(2)
    results = [crossover(*simulated(rng, 40)) for _ in range(2000)]
    plain = np.mean([each.treatment.p < 0.05 for each in results])
    staged = np.mean([two_stage(each).p < 0.05 for each in results])
    # 5 % and 7 to 9.5 % (Freeman 1989); the Monte-Carlo standard error is 0.5 and 0.6 %.
    assert plain == pytest.approx(0.05, abs=0.0195)
    assert 0.065 < staged < 0.11
    assert "not recommended" in two_stage(results[0]).method
    picked = [two_stage(each).se in (each.treatment.se, each.first_period.se) for each in results]
    assert all(picked)


def test_missing_periods_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(3)
    y, first = simulated(rng, 20, effect=1.0)
    y[3, 1] = y[8, 0] = np.nan
    result = crossover(y, first)
    kept = np.isfinite(y).all(axis=1)
    assert result.treatment == crossover(y[kept], first[kept]).treatment
    assert (result.left_out, sum(result.n)) == (2, 18)
    assert result.first_period.df == 17.0


def test_refusals_name_the_fault() -> None:
    y = np.arange(12.0).reshape(6, 2)
    with pytest.raises(StudyError, match="each sequence needs two"):
        crossover(y, [1, 1, 1, 1, 1, 0])
    with pytest.raises(StudyError, match="first: 2 is not 0"):
        crossover(y, [0, 1, 2, 0, 1, 2])
    with pytest.raises(StudyError, match="one column for each period"):
        crossover(np.ones((6, 3)), [0, 1, 0, 1, 0, 1])
    result = crossover(y + np.random.default_rng(4).normal(size=(6, 2)), [0, 1, 0, 1, 0, 1])
    with pytest.raises(StudyError, match="carry_over_alpha"):
        two_stage(result, carry_over_alpha=1.5)
