from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim.errors import ModelError
from ketasim.population import PopulationSpec, VirtualPatient, draw_patients, stream

KEYS = st.lists(st.one_of(st.text(max_size=6), st.integers(-(2**70), 2**70)), max_size=4).map(tuple)
SPEC = PopulationSpec(35.0, 5.18, entry_lower=28.0)


def draw(n: int, first: int, **changes: object) -> tuple[VirtualPatient, ...]:
    arguments: dict[str, object] = {
        "seed": 1,
        "study": "daly2018",
        "replicate": 0,
        "arm": "placebo",
        "first_subject": first,
        "days": 5,
        "stress_tau_h": 372.0,
        "stress_sd_points": 5.5,
        "error_sd": 2.5,
        "variability": {"clearance": 0.2, "spine_gain": 0.5},
    } | changes
    variability = arguments.pop("variability")
    return draw_patients(SPEC, variability, n, **arguments)  # type: ignore[arg-type]


def facts(patient: VirtualPatient) -> tuple[object, ...]:
    return (
        patient.subject,
        patient.weight_kg,
        patient.age_y,
        patient.sex,
        patient.baseline,
        patient.entry_stress,
        patient.entry_error,
        dict(patient.parameters),
        patient.stress.tolist(),
    )


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


@given(st.integers(1, 50), st.integers(0, 6), st.integers(1, 7))
def test_a_patient_does_not_depend_on_the_others(first, before, after):
    together = draw(before + 1 + after, first)
    alone = draw(1, first + before)[0]
    assert facts(together[before]) == facts(alone)


def test_another_parameter_or_a_longer_run_leaves_the_patient_as_he_was():
    base = draw(1, 3)[0]
    more = draw(1, 3, variability={"new": 0.4, "spine_gain": 0.5, "clearance": 0.2}, days=40)[0]
    assert {name: more.parameters[name] for name in base.parameters} == base.parameters
    assert more.stress[:5].tolist() == base.stress.tolist()
    assert (more.baseline, more.weight_kg) == (base.baseline, base.weight_kg)


def test_the_same_number_is_the_same_person_in_every_arm_and_another_in_every_replicate():
    assert facts(draw(1, 3, arm="28 mg")[0]) == facts(draw(1, 3)[0])
    others = [{"seed": 2}, {"study": "lii2023"}, {"replicate": 1}]
    assert len({draw(1, 3, **change)[0].baseline for change in [{}, *others]}) == 4
