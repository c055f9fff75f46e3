from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim.errors import StudyError
from ketasim.trials.scoring.guess import bang_index, count_guesses, guess, james_index

#: Worked example that comes with published programs for both indices (R package BI and its translations):
#: treated 48 right, 4 wrong, 330 unsure; placebo 30 right, 22 wrong, 319 unsure.
EXAMPLE = [[48, 4, 330], [22, 30, 319]]


def test_bang_gives_the_published_example() -> None:
    # Printed to three digits.
    treated, placebo = bang_index(48, 4, 330), bang_index(30, 22, 319)
    assert (treated.value, treated.se) == pytest.approx((0.115, 0.018), abs=5e-4)
    assert (placebo.value, placebo.se) == pytest.approx((0.022, 0.019), abs=5e-4)
    assert treated.interval == pytest.approx((0.080, 0.150), abs=5e-4)
    assert placebo.interval == pytest.approx((-0.016, 0.060), abs=5e-4)


def test_james_gives_the_published_example() -> None:
    found = james_index(EXAMPLE)
    assert (found.value, found.se) == pytest.approx((0.896, 0.011), abs=5e-4)
    assert found.interval == pytest.approx((0.875, 0.918), abs=5e-4)


def test_bang_gives_a_small_trial() -> None:
    # Boulind 2011, second arm of 13 people: printed index 0.31, so right and wrong differ by 4 people.
    assert bang_index(8, 4, 1).value == pytest.approx(0.31, abs=0.005)


@pytest.mark.parametrize(
    ("counts", "james", "bang"),
    [
        ([[10, 0, 0], [0, 10, 0]], 0.0, 1.0),  # everybody is right
        ([[5, 5, 0], [5, 5, 0]], 0.5, 0.0),  # tossed a coin
        ([[0, 0, 10], [0, 0, 10]], 1.0, 0.0),  # nobody knows
        ([[0, 10, 0], [10, 0, 0]], 1.0, -1.0),  # everybody is wrong
        ([[10, 0, 0], [10, 0, 0]], 0.5, 1.0),  # all hope for the drug: the arms tell it apart, James cannot
    ],
)
def test_extremes(counts: list[list[int]], james: float, bang: float) -> None:
    assert james_index(counts).value == pytest.approx(james, abs=1e-12)
    assert bang_index(*counts[0]).value == pytest.approx(bang, abs=1e-12)


@given(st.lists(st.integers(0, 40), min_size=6, max_size=6).filter(lambda c: sum(c[:3]) and sum(c[3:])))
def test_james_is_an_index(counts: list[int]) -> None:
    found = james_index(np.reshape(counts, (2, 3)))
    assert -1e-12 <= found.value <= 1.0 + 1e-12
    assert found.se >= 0.0


def test_standard_errors_are_those_of_sampling() -> None:
    random = np.random.default_rng(4)
    shares = np.array([0.3, 0.1, 0.1, 0.15, 0.25, 0.1])
    n = 400
    drawn = random.multinomial(n, shares, size=4000).reshape(-1, 2, 3)
    values = np.array([james_index(table).value for table in drawn[:1000]])
    expected = james_index(n * shares.reshape(2, 3)).se
    # 1000 draws give an SD to 2.2 %; three times that.
    assert values.std() == pytest.approx(expected, rel=0.07)
    # Bang's error holds for an arm of a given size, so the arms are drawn by themselves.
    arm = random.multinomial(200, [0.6, 0.2, 0.2], size=4000)
    bang = np.array([bang_index(*row).value for row in arm])
    assert bang.std() == pytest.approx(bang_index(120, 40, 40).se, rel=0.04)


def test_people_guess_as_they_believe() -> None:
    uniforms = np.random.default_rng(5).random(20_000)
    for believed in (0.0, 0.2, 0.77, 1.0):
        share = (guess(np.full(uniforms.size, believed), uniforms) == "active").mean()
        assert share == pytest.approx(believed, abs=0.01)  # three standard errors
    assert guess([0.3, 0.3], [0.29, 0.31]).tolist() == ["active", "control"]


def test_more_belief_never_changes_a_guess_of_active() -> None:
    uniforms = np.random.default_rng(6).random(500)
    low, high = guess(np.full(500, 0.4), uniforms), guess(np.full(500, 0.6), uniforms)
    assert (high[low == "active"] == "active").all()
    assert (high != low).any()


def test_counts_leave_out_who_was_not_asked() -> None:
    given_active = [True, True, True, False, False, True]
    said = ["active", "control", "", "unsure", "active", "active"]
    assert count_guesses(given_active, said).tolist() == [[2, 1, 0], [1, 0, 1]]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: guess([1.2], [0.5]), "not between 0 and 1"),
        (lambda: guess([np.nan], [0.5]), "not between 0 and 1"),
        (lambda: count_guesses([True], ["placebo"]), "'placebo'"),
        (lambda: bang_index(0, 0, 0), "nobody"),
        (lambda: bang_index(-1, 3), "negative"),
        (lambda: james_index([[1, 2], [3, 4]]), "2 arms by 3 answers"),
        (lambda: james_index([[1, 2, 3], [0, 0, 0]]), "nobody of an arm"),
    ],
)
def test_what_cannot_be_computed_is_refused(call, words: str) -> None:
    with pytest.raises(StudyError, match=words):
        call()
