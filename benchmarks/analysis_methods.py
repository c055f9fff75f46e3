"""Type I error, coverage and power of the analyses of rates, event times, ranks and of special designs.

Run by ``python -m benchmarks.analysis_methods``. Trials are drawn from simple models whose truth is known. It
tests the methods, not the simulated patients.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri
from scipy.stats import binom

from ketasim.trials.analysis.binary import exact_p, risk_difference_interval, score_statistic
from ketasim.trials.analysis.binary_adjusted import mantel_haenszel_tables, standardised_rates
from ketasim.trials.analysis.dunnett import dunnett_critical
from ketasim.trials.analysis.hazards import hazard_ratio_many
from ketasim.trials.analysis.multiplicity import adjust
from ketasim.trials.analysis.nonparametric import (
    jonckheere,
    linear_trend,
    rank_ancova,
    rank_ancova_many,
    van_elteren,
)
from ketasim.trials.analysis.reestimation import events_needed, reestimate_size, weighted_statistic
from ketasim.trials.analysis.sequential import exit_chances, spending_boundaries
from ketasim.trials.analysis.sequential_parallel import sequential_parallel
from ketasim.trials.analysis.survival import log_rank_many, restricted_mean_difference

__all__ = ["Row", "main", "rows"]

Array = NDArray[np.float64]
TRIALS = 2000


@dataclass(frozen=True)
class Row:
    """One method: shares of trials; nan where a number does not apply."""

    method: str
    error: float
    coverage: float
    power: float
    theory: float
    note: str


def share(claims: object) -> float:
    """Share of true among claims."""
    return float(np.mean(np.asarray(claims)))


def rates(rng: np.random.Generator, trials: int) -> list[Row]:
    """Responders of two groups of 60."""
    n, base, gain = 60, 0.3, 0.25
    x0, null = rng.binomial(n, base, trials), rng.binomial(n, base, trials)
    x1 = rng.binomial(n, base + gain, trials)
    every = np.arange(n + 1)
    claims = np.abs(score_statistic(every[:, None], n, every, n)) > 1.96
    theory = float((claims * np.outer(binom.pmf(every, n, base + gain), binom.pmf(every, n, base))).sum())
    found = []
    for name in ("miettinen_nurminen", "newcombe"):
        low, high = risk_difference_interval(x1, n, x0, n, method=name)
        score = share(np.abs(score_statistic(null, n, x0, n)) > 1.96)
        power = share(np.abs(score_statistic(x1, n, x0, n)) > 1.96)
        cover = share((low < gain) & (gain < high))
        found.append(
            Row(f"risk difference, {name.replace('_', '-')}", score, cover, power, theory, "score test")
        )
    found.append(
        Row(
            "Fisher's exact test",
            share(exact_p(null, n, x0, n) < 0.05),
            math.nan,
            share(exact_p(x1, n, x0, n) < 0.05),
            math.nan,
            "conservative by design",
        )
    )
    sizes, by_stratum = np.array([20, 25, 15]), np.array([0.15, 0.3, 0.5])
    errors, covered, powers = [], [], []
    for _ in range(trials):
        control = rng.binomial(sizes, by_stratum)
        errors.append(mantel_haenszel_tables(rng.binomial(sizes, by_stratum), sizes, control, sizes).p < 0.05)
        one = mantel_haenszel_tables(rng.binomial(sizes, by_stratum + gain), sizes, control, sizes)
        powers.append(one.p < 0.05)
        covered.append(one.risk_difference.low < gain < one.risk_difference.high)
    found.append(
        Row("Mantel-Haenszel, Sato", share(errors), share(covered), share(powers), math.nan, "3 strata")
    )
    x, group = rng.normal(size=(trials, 2 * n, 1)), np.tile([0, 1], n)
    eta = -0.9 + 1.2 * x[..., 0]
    many = rng.normal(size=400_000)
    truth = share(expit(-0.9 + 1.2 * many + 1.2)) - share(expit(-0.9 + 1.2 * many))
    first = standardised_rates((rng.random(eta.shape) < expit(eta)).astype(float), group, x)
    second = standardised_rates((rng.random(eta.shape) < expit(eta + 1.2 * group)).astype(float), group, x)
    found.append(
        Row(
            "logistic standardisation, Ye",
            share(np.abs(first.difference) > 1.96 * first.se),
            share(np.abs(second.difference - truth) < 1.96 * second.se),
            share(np.abs(second.difference) > 1.96 * second.se),
            math.nan,
            "one covariate",
        )
    )
    return found


def event_times(rng: np.random.Generator, trials: int) -> list[Row]:
    """Relapse in two groups of 50, hazard ratio 0.5, followed to uniform ends."""
    n, ratio = 100, 0.5
    group = np.tile([0, 1], n // 2)

    def draw(hazard: float) -> tuple[Array, Array]:
        life = rng.exponential(np.where(group == 1, 1.0 / hazard, 1.0), (trials, n))
        left = rng.uniform(0.8, 2.4, (trials, n))
        return np.minimum(life, left), (life <= left).astype(float)

    null, active = draw(1.0), draw(ratio)
    events = active[1].sum(axis=1).mean()
    # The power at which Schoenfeld's formula asks for the events that were seen.
    needed = events_needed(ratio, power=0.5)
    theory = float(ndtr(1.959964 * (math.sqrt(events / needed) - 1.0)))
    slope, se = hazard_ratio_many(*active, group)
    zero, zero_se = hazard_ratio_many(*null, group)
    horizon = 0.8
    truth = (1.0 - math.exp(-ratio * horizon)) / ratio - (1.0 - math.exp(-horizon))
    means = [restricted_mean_difference(t, e, group, horizon) for t, e in zip(*active, strict=True)]
    equal = [restricted_mean_difference(t, e, group, horizon) for t, e in zip(*null, strict=True)]
    return [
        Row(
            "log-rank",
            share(log_rank_many(*null, group)[1] < 0.05),
            math.nan,
            share(log_rank_many(*active, group)[1] < 0.05),
            theory,
            "theory: Schoenfeld",
        ),
        Row(
            "Cox hazard ratio, Efron",
            share(np.abs(zero) > 1.96 * zero_se),
            share(np.abs(slope - math.log(ratio)) < 1.96 * se),
            share(np.abs(slope) > 1.96 * se),
            theory,
            "Wald",
        ),
        Row(
            "restricted mean difference",
            share([one.p < 0.05 for one in equal]),
            share([one.low < truth < one.high for one in means]),
            share([one.p < 0.05 for one in means]),
            math.nan,
            f"horizon {horizon:g} mean lifetimes",
        ),
    ]


def ranks(rng: np.random.Generator, trials: int) -> list[Row]:
    """Skewed outcomes of two groups of 30; trend over three doses of 20."""
    n, gain = 60, 0.5
    group, strata, dose = np.tile([0, 1], n // 2), np.repeat([0, 1, 2], n // 3), np.arange(n) % 3
    x = rng.normal(size=(trials, n, 1))
    y = np.exp(x[..., 0] + rng.normal(size=(trials, n)))
    better, rising = y * np.exp(gain * group), y * np.exp(gain * dose)
    noise = rng.normal(size=(trials, n))
    slopes = [linear_trend(row + 0.3 * dose, dose) for row in noise]

    def ones(test: Callable[[Array, Array], float], outcome: Array) -> float:
        return share([test(row, a[:, 0]) < 0.05 for row, a in zip(outcome, x, strict=True)])

    def koch(row: Array, a: Array) -> float:
        return rank_ancova(row, group, a, strata=strata).p

    return [
        Row(
            "rank ANCOVA (Quade)",
            share(rank_ancova_many(y, group, x)[1] < 0.05),
            math.nan,
            share(rank_ancova_many(better, group, x)[1] < 0.05),
            math.nan,
            "",
        ),
        Row(
            "rank ANCOVA over strata (Koch)",
            ones(koch, y),
            math.nan,
            ones(koch, better),
            math.nan,
            "3 strata",
        ),
        Row(
            "van Elteren",
            ones(lambda row, _: van_elteren(row, group, strata).p, y),
            math.nan,
            ones(lambda row, _: van_elteren(row, group, strata).p, better),
            math.nan,
            "3 strata",
        ),
        Row(
            "Jonckheere",
            ones(lambda row, _: jonckheere(row, dose).p, y),
            math.nan,
            ones(lambda row, _: jonckheere(row, dose).p, rising),
            math.nan,
            "3 doses",
        ),
        Row(
            "linear trend of means",
            share([linear_trend(row, dose).p < 0.05 for row in noise]),
            share([one.low < 0.3 < one.high for one in slopes]),
            share([one.p < 0.05 for one in slopes]),
            math.nan,
            "3 doses",
        ),
    ]


def families(rng: np.random.Generator, trials: int) -> list[Row]:
    """Three doses against one control: any false claim, and any true one."""
    k = 3
    noise = (rng.normal(size=(trials, k)) - rng.normal(size=(trials, 1))) / math.sqrt(2.0)
    effect = noise + 2.0
    p, active = 2.0 * ndtr(-np.abs(noise)), 2.0 * ndtr(-np.abs(effect))
    found = [
        Row(
            name.replace("_", " "),
            share((adjust(p, name) < 0.05).any(axis=1)),
            math.nan,
            share((adjust(active, name) < 0.05).any(axis=1)),
            math.nan,
            "any of 3 claims",
        )
        for name in ("bonferroni", "holm", "hochberg", "fixed_sequence")
    ]
    critical = dunnett_critical(np.ones(k), 1.0)
    found.append(
        Row(
            "Dunnett",
            share((np.abs(noise) > critical).any(axis=1)),
            share((np.abs(noise) < critical).all(axis=1)),
            share((np.abs(effect) > critical).any(axis=1)),
            math.nan,
            "any of 3; simultaneous intervals",
        )
    )
    return found


def looks(rng: np.random.Generator, trials: int) -> list[Row]:
    """Three looks, and a change of size half way."""
    fraction, drift = np.arange(1, 4) / 3.0, 2.8
    found = []
    for kind in ("obrien_fleming", "pocock"):
        bounds = spending_boundaries(fraction, kind)
        steps = rng.normal(size=(trials, 3)) / math.sqrt(3.0)
        z = np.cumsum(steps, axis=1) / np.sqrt(fraction)
        moved = z + drift * np.sqrt(fraction)
        high, _ = exit_chances(fraction, bounds.critical, -bounds.critical, drift=drift)
        found.append(
            Row(
                f"group sequential, {kind.replace('_', '-')} spending",
                share((np.abs(z) >= bounds.critical).any(axis=1)),
                share((np.abs(z) < bounds.critical).all(axis=1)),
                share((moved >= bounds.critical).any(axis=1)),
                float(high.sum()),
                "3 looks; repeated intervals",
            )
        )
    z1, z2 = rng.normal(size=trials), rng.normal(size=trials)
    effect = (1.96 + float(ndtri(0.8))) / math.sqrt(100.0)
    lifted = z1 + effect * math.sqrt(50.0)
    size = reestimate_size(lifted, 50.0, 100.0, 200.0)
    final = weighted_statistic(lifted, z2 + effect * np.sqrt(size - 50.0), 0.5)
    found.append(
        Row(
            "sample-size re-estimation (Cui-Hung-Wang)",
            share(np.abs(weighted_statistic(z1, z2, 0.5)) > 1.96),
            math.nan,
            share(final > 1.96),
            math.nan,
            "80 % without the change",
        )
    )
    return found


def parallel(rng: np.random.Generator, trials: int) -> list[Row]:
    """Sequential parallel comparison of 120 persons, weight 0.6."""
    n, weight = 120, 0.6
    truth = weight * -4.0 + (1.0 - weight) * -3.0

    def one(effect: float) -> tuple[float, bool]:
        person, start = rng.normal(0.0, 5.0, n), rng.normal(33.0, 5.0, n)
        group = rng.permutation(np.arange(n) % 3 == 0).astype(np.int64)
        first = -8.0 - 4.0 * effect * group + person + rng.normal(0.0, 6.0, n)
        again = np.flatnonzero((group == 0) & (first > -8.0))
        anew = np.zeros(n, dtype=np.int64)
        anew[rng.permutation(again)[: again.size // 2]] = 1
        second = np.full(n, np.nan)
        noise = 0.5 * person[again] + rng.normal(0.0, 5.0, again.size)
        second[again] = -3.0 - 3.0 * effect * anew[again] + noise
        found = sequential_parallel(
            first, group, second, anew, weight=weight, covariates1=start, covariates2=start + first
        ).pooled
        return found.p, found.low < truth < found.high

    null, active = [one(0.0) for _ in range(trials)], [one(1.0) for _ in range(trials)]
    return [
        Row(
            "sequential parallel comparison",
            share([p < 0.05 for p, _ in null]),
            share([hit for _, hit in active]),
            share([p < 0.05 for p, _ in active]),
            math.nan,
            "about 20 per group in stage 2",
        )
    ]


def rows(trials: int = TRIALS, seed: int = 1) -> list[Row]:
    """All rows; each subject draws its own random numbers from the seed."""
    subjects = (rates, event_times, ranks, families, looks, parallel)
    streams = np.random.SeedSequence(seed).spawn(len(subjects))
    return [
        row
        for subject, stream in zip(subjects, streams, strict=True)
        for row in subject(np.random.default_rng(stream), trials)
    ]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.process_time()
    table = rows(given.trials, given.seed)
    print("| method | type I error, % | coverage, % | power, % | theory, % | |")
    print("|---|---:|---:|---:|---:|---|")
    for row in table:
        numbers = (row.error, row.coverage, row.power, row.theory)
        shown = " | ".join("" if math.isnan(value) else f"{100.0 * value:.1f}" for value in numbers)
        print(f"| {row.method} | {shown} | {row.note} |")
    error = 100.0 * math.sqrt(0.05 * 0.95 / given.trials)
    print(f"\n{given.trials} trials; Monte-Carlo standard error of 5 % is {error:.2f} points; ", end="")
    print(f"{time.process_time() - began:.0f} s of processor time.")


if __name__ == "__main__":
    main()
