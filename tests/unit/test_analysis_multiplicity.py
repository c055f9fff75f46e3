"""Several hypotheses: stepwise methods, gates, graphs, and Dunnett's comparisons with a control."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from ketasim.errors import StudyError
from ketasim.trials.analysis.dunnett import dunnett, dunnett_critical, dunnett_p
from ketasim.trials.analysis.multiplicity import (
    adjust,
    bonferroni,
    fixed_sequence,
    gatekeeping,
    graphical,
    hochberg,
    holm,
    parallel_graph,
    rejected,
)

P = np.array([0.04, 0.01, 0.03, 0.5])


def test_stepwise_methods_by_hand() -> None:
    assert bonferroni(P) == pytest.approx([0.16, 0.04, 0.12, 1.0], rel=1e-12)
    assert holm(P) == pytest.approx([0.09, 0.04, 0.09, 0.5], rel=1e-12)
    assert hochberg(P) == pytest.approx([0.08, 0.04, 0.08, 0.5], rel=1e-12)
    assert fixed_sequence(P) == pytest.approx([0.04, 0.04, 0.04, 0.5], rel=1e-12)
    # Hochberg rejects all if all are at most alpha; Holm does not.
    assert hochberg([0.049, 0.045]) == pytest.approx([0.049, 0.049], rel=1e-12)
    assert rejected(hochberg([0.049, 0.045])).all()
    assert not rejected(holm([0.049, 0.045])).any()


def test_stepwise_methods_are_statsmodels() -> None:
    from statsmodels.stats.multitest import multipletests

    rng = np.random.default_rng(1)
    many = rng.random((20, 5)) ** 2
    for own, theirs in (("bonferroni", "bonferroni"), ("holm", "holm"), ("hochberg", "simes-hochberg")):
        found = adjust(many, own)
        for row, values in zip(many, found, strict=True):
            assert values == pytest.approx(multipletests(row, method=theirs)[1], rel=1e-12)


def closed_bonferroni(p: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Closed test of the weighted Bonferroni tests that a graph stands for (Bretz et al. 2009)."""
    m = p.size
    adjusted = np.zeros(m)
    for size in range(1, m + 1):
        for kept in itertools.combinations(range(m), size):
            share, edge = weights.copy(), edges.copy()
            left = set(range(m))
            for j in set(range(m)) - set(kept):
                left.discard(j)
                new = np.zeros_like(edge)
                for a in left:
                    for b in left - {a}:
                        loop = edge[a, j] * edge[j, a]
                        new[a, b] = (edge[a, b] + edge[a, j] * edge[j, b]) / (1 - loop) if loop < 1 else 0.0
                share = share + share[j] * edge[j]
                share[j] = 0.0
                edge = new
            local = min(p[i] / share[i] if share[i] > 0 else math.inf for i in kept)
            for i in kept:
                adjusted[i] = max(adjusted[i], min(local, 1.0))
    return adjusted


def test_graphs() -> None:
    rng = np.random.default_rng(2)
    m = 4
    as_holm = (np.full(m, 1 / m), (1 - np.eye(m)) / (m - 1))
    chain = (np.array([1.0, 0, 0, 0]), np.eye(m, k=1))
    gates = parallel_graph([2, 2])
    for _ in range(50):
        p = rng.random(m) ** 3
        assert graphical(p, *as_holm) == pytest.approx(holm(p), rel=1e-12)
        assert graphical(p, *chain) == pytest.approx(fixed_sequence(p), rel=1e-12)
        # By definition a graph is a short cut of the closed test.
        assert graphical(p, *gates) == pytest.approx(closed_bonferroni(p, *gates), rel=1e-9)


def test_gatekeeping() -> None:
    first, second, third = gatekeeping([[0.01, 0.02], [0.001, 0.015], [0.06]])
    assert first == pytest.approx([0.02, 0.02], rel=1e-12)
    assert second == pytest.approx([0.02, 0.02], rel=1e-12)
    assert third == pytest.approx([0.06], rel=1e-12)
    blocked = gatekeeping([[0.01, 0.2], [0.001]])
    assert blocked[1] == pytest.approx([0.2], rel=1e-12)
    # In parallel, one rejection at half the level opens the next family at half the level.
    found = graphical([0.01, 0.2, 0.02], *parallel_graph([2, 1]))
    assert found == pytest.approx([0.02, 0.4, 0.04], rel=1e-12)


def test_familywise_error() -> None:
    rng = np.random.default_rng(3)
    trials, doses = 4000, 3
    control = rng.normal(size=(trials, 1))
    z = (rng.normal(size=(trials, doses)) - control) / math.sqrt(2.0)
    p = 2.0 * stats.norm.sf(np.abs(z))
    error = {
        name: np.mean((adjust(p, name) < 0.05).any(axis=1)) for name in ("bonferroni", "holm", "hochberg")
    }
    error["dunnett"] = np.mean(np.abs(z).max(axis=1) > dunnett_critical(np.ones(doses), 1.0))
    # Three Monte-Carlo standard errors of 4000 trials are 1.0 %.
    assert max(error.values()) < 0.06
    assert abs(error["dunnett"] - 0.05) < 0.01  # exact; the others spend less
    assert error["bonferroni"] <= error["holm"] + 1e-12 <= error["hochberg"] + 2e-12
    assert abs(np.mean((adjust(p, "fixed_sequence") < 0.05).any(axis=1)) - 0.05) < 0.01


# Dunnett (1955, JASA 50:1096), table 1a: one-sided 5 % for 1, 2, 3, 5 and 9 treatments with equal sizes.
@pytest.mark.parametrize(
    ("df", "values"),
    [
        (5, (2.02, 2.44, 2.68, 2.98, 3.30)),
        (10, (1.81, 2.15, 2.34, 2.56, 2.81)),
        (20, (1.72, 2.03, 2.19, 2.39, 2.60)),
        (math.inf, (1.64, 1.92, 2.06, 2.23, 2.42)),
    ],
)
def test_one_sided_table_of_dunnett(df: float, values: tuple[float, ...]) -> None:
    found = [dunnett_critical(np.ones(k), 1.0, df, two_sided=False) for k in (1, 2, 3, 5, 9)]
    # Two decimals; the table rounds 1.725 and 1.645 down.
    assert found == pytest.approx(values, abs=0.0056)


# Dunnett (1964, Biometrics 20:482), table II: two-sided 5 %.
@pytest.mark.parametrize(
    ("df", "values"),
    [(5, (3.03, 3.29)), (10, (2.57, 2.76)), (20, (2.38, 2.54)), (math.inf, (2.21, 2.35))],
)
def test_two_sided_table_of_dunnett(df: float, values: tuple[float, ...]) -> None:
    found = [dunnett_critical(np.ones(k), 1.0, df) for k in (2, 3)]
    assert found == pytest.approx(values, abs=0.0051)


def test_dunnett_by_an_independent_integral() -> None:
    # Unequal sizes: the largest of three |t|, by the multivariate t distribution of SciPy (random lattice).
    n, control, df, bound = np.array([5.0, 12.0, 20.0]), 10.0, 14.0, 2.4
    load = np.sqrt(n / (n + control))
    correlation = np.outer(load, load) + np.diag(1 - load**2)
    inside = stats.multivariate_t(shape=correlation, df=df).cdf(
        np.full(3, bound),
        lower_limit=np.full(3, -bound),
        random_state=np.random.default_rng(0),
        maxpts=200_000,
    )
    # The lattice is good to about 1e-5.
    assert dunnett_p([bound], n[:1], control, df)[0] < dunnett_p([bound] * 3, n, control, df)[0]
    assert dunnett_p([bound] * 3, n, control, df) == pytest.approx(np.full(3, 1 - inside), abs=5e-5)
    for small in (1.0, 2.5, 7.9, 8.1, 400.0):
        # One treatment: Student's t, to the error of the trapezoids.
        assert dunnett_p([2.0], [7], 9, small)[0] == pytest.approx(2 * stats.t.sf(2.0, small), abs=1e-9)


def test_dunnett_blood_counts() -> None:
    # Dunnett (1955), red blood cells of animals on two drugs and a control.
    control = [7.40, 8.50, 7.20, 8.24, 9.84, 8.32]
    one, two = [9.76, 8.80, 7.68, 9.36], [12.80, 9.68, 12.16, 9.20, 10.55]
    y, group = control + one + two, [0] * 6 + [1] * 4 + [2] * 5
    first, second = dunnett(y, group)
    # P values as SciPy documents for this example, whose integral is good to about 1e-4.
    assert (first.p, second.p) == pytest.approx((0.62004941, 0.0058035), abs=1e-4)
    library = stats.dunnett(one, two, control=control, rng=np.random.default_rng(1))
    limits = library.confidence_interval()
    assert (first.low, second.low) == pytest.approx(tuple(limits.low), abs=5e-3)
    assert (first.high, second.high) == pytest.approx(tuple(limits.high), abs=5e-3)
    # Persons without outcome do not count.
    assert dunnett([*y, math.nan], [*group, 2])[1] == second
    adjusted = dunnett(y, group, covariates=np.arange(15.0))
    assert adjusted[0].df == 11.0


def test_dunnett_intervals_cover_together() -> None:
    rng = np.random.default_rng(7)
    group = np.repeat([0, 1, 2, 3], [12, 6, 8, 10])
    critical = dunnett_critical([6, 8, 10], 12, 32.0)
    trials = 3000
    y = rng.normal(size=(trials, 36))
    means = np.stack([y[:, group == k].mean(axis=1) for k in range(4)], axis=1)
    within = sum(((y[:, group == k] - means[:, [k]]) ** 2).sum(axis=1) for k in range(4)) / 32.0
    t = (means[:, 1:] - means[:, [0]]) / np.sqrt(within[:, None] * (1 / np.array([6, 8, 10]) + 1 / 12))
    # Three Monte-Carlo standard errors of 3000 trials: 1.2 %.
    assert abs(np.mean((np.abs(t) < critical).all(axis=1)) - 0.95) < 0.012


def test_impossible_input_is_refused() -> None:
    with pytest.raises(StudyError, match="between 0 and 1"):
        holm([0.1, 1.2])
    with pytest.raises(StudyError, match="nearest valid name is 'hochberg'"):
        adjust([0.1], "hochburg")
    with pytest.raises(StudyError, match="sum to at most 1"):
        graphical([0.1, 0.2], [0.9, 0.9], np.zeros((2, 2)))
    with pytest.raises(StudyError, match="give the control"):
        dunnett([1.0, 2.0], [1, 2])
    with pytest.raises(StudyError, match="every group needs persons"):
        dunnett_critical([0], 5)
