from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.errors import ModelError
from ketasim.population import People, PopulationSpec, Variability, draw_people, stream, uniforms
from ketasim.population.streams import Places

KEYS = st.lists(st.one_of(st.text(max_size=6), st.integers(-(2**70), 2**70)), max_size=4).map(tuple)
#: Rules make candidates be drawn again, which must depend on the person alone, too.
SPEC = PopulationSpec(35.0, 5.18, entry_lower=28.0, entry=[("hypertension", "<", 0.5), ("age", "<=", 55)])
PARENT = SPEC.parent()
WHO = st.lists(
    st.tuples(st.integers(0, 3), st.one_of(st.integers(1, 40), st.integers(1, 10**7))),
    min_size=1,
    max_size=12,
)


def draw(who: list[tuple[int, int]], **changes: Any) -> People:
    options: dict[str, Any] = {
        "variability": Variability({"clearance": 0.2, "spine_gain": 0.5}),
        "seed": 1,
        "study": "daly2018",
        "replicates": [replicate for replicate, _ in who],
        "subjects": [subject for _, subject in who],
        "parents": [PARENT],
        "which": [0] * len(who),
        "days": 5,
        "stress_tau_h": 372.0,
        "stress_sd_points": 5.5,
        "error_sd": 2.5,
        **changes,
    }
    return draw_people(SPEC, options.pop("variability"), **options)


def facts(people: People, place: int) -> list[Any]:
    """All that is known of one person."""
    table = people.part(slice(place, place + 1)).to_table()
    return [table.column(name).to_pylist() for name in table.column_names]


@given(st.integers(0, 2**64), KEYS)
def test_a_key_always_gives_the_same_numbers(seed, key):
    assert stream(seed, *key).random(3).tolist() == stream(seed, *key).random(3).tolist()


@given(KEYS, KEYS)
def test_two_keys_give_two_streams(first, second):
    same = stream(1, *first).random(3).tolist() == stream(1, *second).random(3).tolist()
    assert same == (first == second)


def test_neither_kind_nor_boundary_of_the_parts_is_lost():
    keys = [("a", "bc"), ("ab", "c"), ("abc",), (1, 23), (12, 3), ("1", "23"), ("1", 23), ("1:s1", "a"), ()]
    assert len({stream(1, *key).random() for key in keys}) == len(keys)


def test_numpy_integers_count_as_integers():
    assert stream(np.int64(3), np.int32(4)).random() == stream(3, 4).random()


@pytest.mark.parametrize("part", [1.5, True, None, b"a"])
def test_a_part_that_is_neither_text_nor_integer_is_refused(part):
    with pytest.raises(ModelError, match="neither text nor a whole number"):
        stream(1, part)


def test_a_text_is_no_seed():
    with pytest.raises(ModelError, match="seed must be a whole number"):
        stream("1")  # type: ignore[arg-type]


def test_streams_look_uniform_and_unrelated():
    first = np.array([stream(1, "s", i).random() for i in range(2000)])
    second = np.array([stream(1, "t", i).random() for i in range(2000)])
    # Standard errors: 0.0065 for a mean of 2,000 uniform numbers, 0.022 for a correlation; four of each.
    assert abs(first.mean() - 0.5) < 0.026
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.09
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.09


@given(st.integers(0, 2**64), KEYS, WHO)
def test_a_person_has_his_place_in_the_stream_of_his_replicate(seed, key, who):
    replicates, subjects = ([pair[i] for pair in who] for i in (0, 1))
    found = uniforms(seed, "s", replicates, subjects, *key)
    for place, (replicate, subject) in enumerate(who):
        generator = stream(seed, "s", replicate, *key).bit_generator
        generator.advance((subject - 1) // 4)
        raw = generator.random_raw(4)[(subject - 1) % 4]
        assert found[place] == (float(int(raw) >> 12) + 0.5) * 2.0**-52


@given(WHO, st.integers(1, 9))
def test_several_numbers_of_a_person_lie_side_by_side(who, width):
    replicates, subjects = ([pair[i] for pair in who] for i in (0, 1))
    found = Places.of(replicates, subjects).blocks(3, "s", width, "stress")
    for place, (replicate, subject) in enumerate(who):
        generator = stream(3, "s", replicate, "stress").bit_generator
        first = (subject - 1) * width
        generator.advance(first // 4)
        raw = generator.random_raw(first % 4 + width)[first % 4 :]
        assert found[place].tolist() == (((raw >> np.uint64(12)) + 0.5) * 2.0**-52).tolist()


@settings(max_examples=40)
@given(WHO, st.randoms(use_true_random=False))
def test_a_person_depends_neither_on_the_others_nor_on_the_order(who, random):
    together = draw(who)
    mixed = list(range(len(who)))
    random.shuffle(mixed)
    again = draw([who[place] for place in mixed])
    for place, other in enumerate(mixed):
        assert facts(again, place) == facts(together, other)
    alone = random.randrange(len(who))
    assert facts(draw([who[alone]]), 0) == facts(together, alone)


@settings(max_examples=40)
@given(st.integers(2, 30), st.data())
def test_people_are_the_same_however_they_are_cut_into_chunks(count, data):
    who = [(replicate, subject) for replicate in (4, 9) for subject in range(1, count + 1)]
    whole = draw(who)
    cut = data.draw(st.integers(1, len(who) - 1))
    parts = [draw(who[:cut]), draw(who[cut:])]
    for name, values in whole.deviations.items():
        assert np.array_equal(values, np.concatenate([part.deviations[name] for part in parts]))
    for name, values in whole.covariates.items():
        assert np.array_equal(values, np.concatenate([part.covariates[name] for part in parts]))
    assert np.array_equal(whole.stress, np.concatenate([part.stress for part in parts]))
    assert np.array_equal(whole.screened, np.concatenate([part.screened for part in parts]))


def test_another_seed_study_or_replicate_is_another_person():
    others = [draw([(0, 3)]), draw([(0, 3)], seed=2), draw([(0, 3)], study="lii2023"), draw([(1, 3)])]
    for read in (
        lambda people: people.baseline,
        lambda people: people.covariates["weight"],
        lambda people: people.deviations["clearance"],
        lambda people: people.stress[:, 3],
        lambda people: people.frailty["nausea"],
    ):
        assert len({float(read(people)[0]) for people in others}) == 4


def test_a_persons_numbers_are_unrelated_and_uniform():
    subjects = np.arange(1, 4001)
    drawn = [
        uniforms(1, "s", np.full(4000, replicate), subjects, name) for replicate in (0, 1) for name in "ab"
    ]
    # Standard errors: 0.0046 for a mean of 4,000 uniform numbers, 0.016 for a correlation; four of each.
    for u in drawn:
        assert abs(u.mean() - 0.5) < 0.019
        assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 0.064
    off = np.corrcoef(drawn) - np.eye(4)
    assert np.abs(off).max() < 0.064


@pytest.mark.parametrize(
    ("replicates", "subjects", "message"),
    [
        ([0, 0], [1], "2 replicates and 1 subjects"),
        ([0], [0], "subject 0 is below 1"),
        ([0], [1.5], "subjects must be a row of whole numbers"),
        ([[0]], [[1]], "replicates must be a row of whole numbers"),
    ],
)
def test_persons_without_a_place_are_refused(replicates, subjects, message):
    with pytest.raises(ModelError, match=message):
        uniforms(1, "s", replicates, subjects, "a")
