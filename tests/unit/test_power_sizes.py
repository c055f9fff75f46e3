"""Sizes of trials: read from text, split over arms, and the trial that holds them all."""

from __future__ import annotations

import pytest

from ketasim.design.sizes import arm_words, parse_sizes, simulated_sizes, split_sizes
from ketasim.design.what_if import changed
from ketasim.errors import StudyError
from ketasim.trials import Study


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("60,120", (60, 120)),
        ("120, 60,60", (60, 120)),
        ("50:400:50", tuple(range(50, 401, 50))),
        ("50:400", tuple(range(50, 401, 50))),
        ("10:25:10", (10, 20, 25)),
        ("30", (30,)),
        ("30:30", (30,)),
    ],
)
def test_sizes_are_read(text: str, sizes: tuple[int, ...]) -> None:
    assert parse_sizes(text) == sizes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("many", "'many'"),
        ("50:400:50:2", "range"),
        ("400:50", "50:400"),
        ("50:", "''"),
        ("0,5", "'0'"),
        ("50:400:0", "'0'"),
        ("-5", "'-5'"),
        ("1:100000:1", "60 are the most"),
        ("1000000", "100,000"),
    ],
)
def test_what_is_no_size_is_refused(text: str, words: str) -> None:
    with pytest.raises(StudyError, match="--n") as caught:
        parse_sizes(text)
    assert words in str(caught.value)


def test_sizes_are_split_in_the_ratio_and_no_arm_shrinks_as_the_trial_grows() -> None:
    three = Study.load("singh2016a")
    ratio = {arm.id: arm.n or 0 for arm in three.first_arms}
    before = dict.fromkeys(ratio, 0)
    for own in split_sizes(three, range(8, 200)):
        total = sum(own.values())
        for name, size in own.items():
            assert abs(size - total * ratio[name] / sum(ratio.values())) < 1.0
            assert size >= before[name]
        before = own
    with pytest.raises(StudyError, match=r"each needs 2\. Give \d+ or more") as caught:
        split_sizes(three, (5,))
    assert "singh2016a" in str(caught.value)


def test_words_of_the_arms_follow_the_design() -> None:
    study = Study.load("murrough2013")
    assert arm_words(study, split_sizes(study, (24,))) == {24: "16 ketamine + 8 midazolam"}
    staged = Study.load("loo2023")
    assert arm_words(staged, split_sizes(staged, (40,))) == {40: "by the stages of enrolment"}


def test_blocks_are_simulated_in_their_exact_ratio() -> None:
    study = Study.load("murrough2013")
    asked = {"ketamine": 7, "midazolam": 3}
    assert simulated_sizes(study, asked) == asked
    blocks = {"arms.ketamine.n": "48", "arms.midazolam.n": "24", "randomisation": "{block: 6}"}
    assert simulated_sizes(changed(study, blocks), asked) == {"ketamine": 8, "midazolam": 4}
