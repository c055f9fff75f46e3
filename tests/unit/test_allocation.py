"""Who is randomised to which arm: exact sizes, blocks, strata, stages, whatever the order of the arms."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ketasim.errors import StudyError
from ketasim.trials.conduct.allocation import allocate, block_labels, smallest_ratio


def allocated(sizes: dict[str, int], **options: Any) -> list[str]:
    return allocate(sizes, seed=5, study="some", **{"replicate": 0, **options}).tolist()


def test_the_ratio_is_the_smallest_whole_numbers() -> None:
    assert smallest_ratio({"drug": 48, "control": 24}) == {"control": 1, "drug": 2}
    assert smallest_ratio({"a": 7, "b": 5}) == {"a": 7, "b": 5}
    with pytest.raises(StudyError, match="no arm has a patient"):
        smallest_ratio({"a": 0})
    with pytest.raises(StudyError, match="no arm has a patient"):
        smallest_ratio({})


def test_without_blocks_each_arm_has_exactly_its_size_in_an_order_of_chance() -> None:
    sizes = {"drug": 47, "control": 25}
    labels = allocated(sizes)
    assert Counter(labels) == sizes
    # A sorted list would have one change of arm; this many have 2 * 47 * 25 / 72 = 33 on average.
    changes = sum(one != other for one, other in pairwise(labels))
    assert 18 <= changes <= 48
    assert labels != allocated(sizes, replicate=1)
    assert labels == allocated(sizes)


def test_the_order_of_the_arms_in_the_file_changes_nothing() -> None:
    one, other = {"a": 6, "b": 3, "c": 3}, {"c": 3, "b": 3, "a": 6}
    strata = np.array(["0", "1", "1"] * 4)
    for options in ({}, {"block": 4}, {"block": 8, "stratum": strata}):
        assert allocated(one, **options) == allocated(other, **options)


def test_every_block_holds_the_ratio() -> None:
    labels = np.array(allocated({"drug": 40, "control": 20}, block=6))
    assert ((labels == "drug").reshape(-1, 6).sum(axis=1) == 4).all()
    # The places within a block differ from block to block.
    assert len({tuple(block) for block in labels.reshape(-1, 6)}) > 3


def test_strata_have_blocks_of_their_own() -> None:
    strata = np.array(["0", "0", "1", "0", "1", "1", "1", "0"] * 5)
    labels = np.array(allocated({"a": 20, "b": 20}, block=4, stratum=strata))
    for name in ("0", "1"):
        own = labels[strata == name]
        assert ((own == "a").reshape(-1, 4).sum(axis=1) == 2).all()
    whole = (labels == "a").reshape(-1, 4).sum(axis=1)
    assert (whole != 2).any()


def test_who_is_in_one_stratum_does_not_move_another() -> None:
    strata = np.array(["0"] * 20 + ["1"] * 20)
    mixed = np.array(["0", "1"] * 20)
    one = np.array(allocated({"a": 20, "b": 20}, block=4, stratum=strata))
    other = np.array(allocated({"a": 20, "b": 20}, block=4, stratum=mixed))
    for name in ("0", "1"):
        assert one[strata == name].tolist() == other[mixed == name].tolist()


def test_stages_have_ratios_of_their_own_in_order_of_enrolment() -> None:
    stages = [(6, {"a": 1.0, "b": 1.0}), (12, {"c": 2.0, "b": 1.0})]
    labels = allocated({"a": 3, "b": 7, "c": 8}, stages=stages)
    assert Counter(labels[:6]) == {"a": 3, "b": 3}
    assert Counter(labels[6:]) == {"c": 8, "b": 4}
    # The last stage may be open: all who come after it.
    later = allocated({"a": 3, "b": 7, "c": 8}, stages=[stages[0], (None, stages[1][1])])
    assert later == labels


def test_after_the_last_stage_the_ratio_of_the_sizes_holds() -> None:
    labels = allocated({"a": 6, "b": 6}, block=2, stages=[(4, {"a": 1.0})])
    assert labels[:4] == ["a"] * 4
    assert Counter(labels[4:]) == {"a": 4, "b": 4}


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    key = ("some", 0, "randomise")
    assert block_labels({"a": 1, "b": 1}, 4, 30, key, 3)[:11] == block_labels({"a": 1, "b": 1}, 4, 11, key, 3)
    assert block_labels({"a": 1, "b": 1}, 4, 0, key, 3) == []


@pytest.mark.parametrize("block", [0, 3, 5])
def test_a_block_that_cannot_hold_the_ratio_is_refused(block: int) -> None:
    with pytest.raises(
        StudyError, match=rf"{block} patients cannot be split 1:1 \(a, b\); give a multiple of 2"
    ):
        block_labels({"a": 1.0, "b": 1.0}, block, 4, ("some",), 1)


def test_each_arm_comes_first_as_often_as_its_share() -> None:
    first = [allocated({"a": 20, "b": 10}, block=3, replicate=replicate)[0] for replicate in range(600)]
    # Four binomial errors: 0.019 each.
    assert first.count("a") / 600 == pytest.approx(2.0 / 3.0, abs=0.077)
