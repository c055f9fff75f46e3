"""Type I error, coverage and power of the analyses of a trial, against theory.

Run by ``python -m benchmarks.analysis``. Trials are drawn from the normal model that the methods assume, so
that theory is known: this tests the methods, not the simulated patients. Under the null and under an effect,
each with its own random numbers.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nct
from scipy.stats import t as student

from ketasim.trials.analysis.ancova import ancova_many
from ketasim.trials.analysis.conditional_mean import conditional_mean_difference
from ketasim.trials.analysis.crossover import crossover, two_stage
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.imputation import Strategy, analyse_imputed, impute
from ketasim.trials.analysis.mmrm import fit_mmrm
from ketasim.trials.analysis.repeated import Degrees

__all__ = ["Row", "main", "rows"]

Array = NDArray[np.float64]

TRIALS = 2000
#: SD of a visit in points, correlation between visits and with baseline, effect at the last visit in points.
SD, WITHIN, WITH_BASELINE, EFFECT = 8.0, 0.6, 0.4, 6.0


@dataclass(frozen=True)
class Row:
    """One method: shares of trials, each of `trials`; power by theory is nan where there is none."""

    method: str
    trials: int
    error: float
    coverage: float
    power: float
    theory: float
    note: str


def draw(
    rng: np.random.Generator, n: int, visits: int, effect: float, *, leaving: float = 0.0
) -> tuple[Array, NDArray[np.int64], Array]:
    """Draw outcomes, arm and baseline of one trial; the effect grows evenly up to the last visit.

    A share `leaving` or so leaves before the last visit, the likelier the higher the value last seen: missing
    at random.
    """
    group = rng.permutation(np.arange(n) % 2)
    spread = np.full((visits + 1, visits + 1), WITHIN)
    spread[0, 1:] = spread[1:, 0] = WITH_BASELINE
    np.fill_diagonal(spread, 1.0)
    values = SD * rng.multivariate_normal(np.zeros(visits + 1), spread, n)
    y, baseline = values[:, 1:], values[:, 0]
    y = y + effect * group[:, None] * np.arange(1, visits + 1) / visits
    if leaving > 0.0:
        hazard = 1.0 - (1.0 - leaving) ** (1.0 / (visits - 1))
        odds = np.log(hazard / (1.0 - hazard))
        for visit in range(visits - 1):
            chance = 1.0 / (1.0 + np.exp(-odds - 0.5 * np.nan_to_num(y[:, visit]) / SD))
            y[rng.random(n) < chance, visit + 1 :] = np.nan
    return y, group, baseline


def noncentral_power(effect: float, se: float, df: float, alpha: float = 0.05) -> float:
    """Give the power of a two-sided t test."""
    limit = float(student.ppf(1.0 - alpha / 2.0, df))
    return float(nct.sf(limit, df, effect / se) + nct.cdf(-limit, df, effect / se))


def ancova_rows(trials: int, seed: int) -> list[Row]:
    """Measure ANCOVA at one visit with baseline, 60 patients; equal and robust variances."""
    n, residual = 60, SD * math.sqrt(1.0 - WITH_BASELINE**2)
    # A normal covariate widens the variance of the difference by 1 + 1 / (n - 4) on average.
    se = residual * math.sqrt(4.0 / n * (1.0 + 1.0 / (n - 4)))
    result = []
    for hc3 in (False, True):
        outcomes = []
        for place, effect in enumerate((0.0, EFFECT)):
            rng = np.random.default_rng([seed, place])
            drawn = [draw(rng, n, 1, effect) for _ in range(trials)]
            y, group, baseline = (np.stack([trial[part] for trial in drawn]) for part in range(3))
            outcomes.append(ancova_many(y[..., 0], group, baseline[..., None], hc3=hc3))
        null, other = outcomes
        covered = ((other.low < EFFECT) & (other.high > EFFECT)).mean()
        label = "HC3 variance" if hc3 else "equal variances"
        theory = noncentral_power(EFFECT, se, n - 3)
        power = float((other.p < 0.05).mean())
        error = float((null.p < 0.05).mean())
        result.append(Row(f"ANCOVA, {label}", trials, error, float(covered), power, theory, f"n = {n}"))
    return result


def _numbers(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.low, estimate.high, estimate.p


def _measure(
    trials: int, seed: int, analyse: Callable[[np.random.Generator, float], list[Estimate]], target: float
) -> list[tuple[float, float, float]]:
    """Give type I error, coverage of `target` and power of each estimate that `analyse` makes of a trial."""
    results = []
    for place, effect in enumerate((0.0, EFFECT)):
        made = [analyse(np.random.default_rng([seed, place, trial]), effect) for trial in range(trials)]
        results.append(np.array([[_numbers(estimate) for estimate in each] for each in made]))
    error, power = ((each[..., 2] < 0.05).mean(axis=0) for each in results)
    coverage = ((results[1][..., 0] < target) & (results[1][..., 1] > target)).mean(axis=0)
    return [(float(a), float(b), float(c)) for a, b, c in zip(error, coverage, power, strict=True)]


def mmrm_rows(trials: int, seed: int, n: int, visits: int, leaving: float, which: list[Degrees]) -> list[Row]:
    """Measure MMRM with baseline by visit, with several degrees of freedom for the same fits."""

    def analyse(rng: np.random.Generator, effect: float) -> list[Estimate]:
        fit = fit_mmrm(*draw(rng, n, visits, effect, leaving=leaving))
        return [fit.difference(degrees=degrees) for degrees in which]

    # Theory: the large-sample standard error, widened for a random covariate as in ANCOVA, and for complete
    # data the exact degrees of freedom; with drop-out the degrees of freedom of the share that stays.
    large = 100_000
    y, group, baseline = draw(np.random.default_rng([seed, 2]), large, visits, EFFECT, leaving=leaving)
    se = fit_mmrm(y, group, baseline).difference().se * math.sqrt(large / n * (1.0 + 1.0 / (n - 4)))
    stay = float(np.isfinite(y[:, -1]).mean())
    theory = noncentral_power(EFFECT, se, n * stay - 3)
    note = f"n = {n}, {visits} visits, " + (
        f"{100 * (1 - stay):.0f} % leave at random" if leaving else "complete"
    )
    measured = _measure(trials, seed, analyse, EFFECT)
    return [
        Row(f"MMRM, {name}", trials, *each, theory, note) for name, each in zip(which, measured, strict=True)
    ]


def imputation_row(trials: int, seed: int, strategy: Strategy, *, n: int = 60, rubin: bool = False) -> Row:
    """Measure imputation, then ANCOVA; a fifth leaves whatever their values, half of them after one visit.

    Conditional means and the jackknife, or 10 data sets and Rubin's rules.
    """
    visits, leaving = 3, 0.2
    # The effect grows by a third at each visit. What of it is left at the last visit to who leaves after one
    # or two: all; nothing; the reference's changes after what was reached; or, for copy reference, what the
    # effect on the visits seen is worth as a residual.
    both = np.array([[1.0, WITHIN], [WITHIN, 1.0]]) - WITH_BASELINE**2
    last = np.full(2, WITHIN - WITH_BASELINE**2)
    kept = {
        "at_random": (1.0, 1.0),
        "jump_to_reference": (0.0, 0.0),
        "copy_increments": (1.0 / 3.0, 2.0 / 3.0),
        "copy_reference": (
            last[0] / both[0, 0] / 3.0,
            float(np.linalg.solve(both, last) @ np.array([1.0, 2.0])) / 3.0,
        ),
    }[strategy]
    target = EFFECT * (1.0 - leaving + leaving / 2.0 * sum(kept))

    def analyse(rng: np.random.Generator, effect: float) -> list[Estimate]:
        y, group, baseline = draw(rng, n, visits, effect)
        leave = rng.random(n)
        y[leave < leaving, 2] = np.nan
        y[leave < leaving / 2.0, 1] = np.nan
        if not rubin:
            return [conditional_mean_difference(y, group, baseline, strategy=strategy)]
        done = impute(y, group, baseline, strategy=strategy, rng=rng, n_imputations=10)
        return [analyse_imputed(done, group, baseline)]

    [measured] = _measure(trials, seed, analyse, target)
    note = f"n = {n}, {visits} visits, 20 % leave, " + ("Rubin's rules" if rubin else "jackknife")
    return Row(f"Imputation, {strategy.replace('_', ' ')}", trials, *measured, math.nan, note)


def imputation_rows(trials: int, seed: int) -> list[Row]:
    """Measure all strategies with the jackknife, two also with Rubin's rules, and one in small trials."""
    result = [imputation_row(trials, seed, strategy) for strategy in get_args(Strategy)]
    result.append(imputation_row(trials, seed, "jump_to_reference", n=20))
    return result + [
        imputation_row(trials, seed, strategy, rubin=True) for strategy in ("at_random", "jump_to_reference")
    ]


def crossover_rows(trials: int, seed: int) -> list[Row]:
    """Measure the crossover of 20 patients, with and without carry-over, and the two-stage procedure."""
    n, sd = 20, SD * math.sqrt(1.0 - WITHIN)
    theory = noncentral_power(EFFECT, sd * math.sqrt(2.0 / n), n - 2)
    result = []
    for carry in (0.0, EFFECT / 2.0):

        def analyse(rng: np.random.Generator, effect: float, carry: float = carry) -> list[Estimate]:
            first = np.arange(n) % 2
            y = SD * math.sqrt(WITHIN) * rng.standard_normal((n, 1)) + sd * rng.standard_normal((n, 2))
            y[:, 0] += effect * first
            y[:, 1] += effect * (1 - first) + carry * first
            found = crossover(y, first)
            return [found.treatment, two_stage(found)]

        plain, staged = _measure(trials, seed, analyse, EFFECT)
        note = f"n = {n}, " + (f"carry-over of {carry:g} points" if carry else "no carry-over")
        result.append(Row("Crossover, Hills-Armitage", trials, *plain, math.nan if carry else theory, note))
        result.append(Row("Crossover, two-stage (warned against)", trials, *staged, math.nan, note))
    return result


def rows(trials: int = TRIALS, seed: int = 1) -> list[Row]:
    """Measure every method.

    Parameters
    ----------
    trials : int
        Simulated trials for each method and each of null and effect.
    seed : int
        Seed.

    Returns
    -------
    list of Row
        The results.
    """
    result = ancova_rows(trials, seed)
    result += mmrm_rows(trials, seed, 60, 5, 0.0, ["kenward-roger"])
    result += mmrm_rows(trials, seed, 60, 5, 0.25, ["kenward-roger"])
    result += mmrm_rows(trials, seed, 20, 4, 0.25, ["kenward-roger", "satterthwaite", "between-within"])
    return result + imputation_rows(trials, seed) + crossover_rows(trials, seed)


def table(results: list[Row]) -> list[str]:
    """Give the results as a Markdown table, with Monte-Carlo standard errors in percent points."""

    def share(value: float, trials: int) -> str:
        if math.isnan(value):
            return ""
        return f"{100 * value:.1f} ({100 * math.sqrt(value * (1.0 - value) / trials):.1f})"

    lines = [
        "| method | trials | type I error % | coverage % | power % | power by theory % |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in results:
        measured = " | ".join(share(value, row.trials) for value in (row.error, row.coverage, row.power))
        theory = "" if math.isnan(row.theory) else f"{100 * row.theory:.1f}"
        lines.append(f"| {row.method} | {row.note} | {measured} | {theory} |")
    return lines


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=TRIALS, help="simulated trials for each method")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    started = time.process_time()
    print("\n".join(table(rows(chosen.trials, chosen.seed))))
    print(f"\n{chosen.trials} trials each; {time.process_time() - started:.0f} s of processor time.")


if __name__ == "__main__":
    main()
