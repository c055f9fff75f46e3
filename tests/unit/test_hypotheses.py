"""The wirings differ in their equations and in what they foretell, and their forbidden paths are cut."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from ketasim.dosing import parse_regimen
from ketasim.errors import KetasimError, ModelError
from ketasim.inference.rivals.calibration import free_parameters, opened
from ketasim.inference.rivals.candidates import effects, load_candidates
from ketasim.inference.rivals.edges import REGIMEN, active_edges, told_apart
from ketasim.inference.rivals.pairs import disagree, disagreements
from ketasim.inference.rivals.tables import best_of, draws_of
from ketasim.model.chain import build_chain
from ketasim.model.hypotheses import WIRINGS
from ketasim.model.parameters import load_parameters
from ketasim.model.patients import Wanted
from ketasim.model.simulator import Case, Simulator

NAMES = tuple(WIRINGS)
PAIRS = list(combinations(NAMES, 2))
#: The default is disinhibition with opioid tone and small shares of block at rest and of the habenula; from
#: these two wirings it differs in little else.
OF_RIVALS = [pair for pair in PAIRS if pair not in (("default", "disinhibition"), ("default", "opioid"))]
#: Interventions that are looked at here; one for each path, and few enough to be quick.
LOOKED_AT = (
    "naltrexone",
    "glun2b_interneurons",
    "glun2b_antagonist",
    "memantine",
    "eef2k_inhibitor",
    "deuterated",
    "trkb_mutant",
    "habenula_firing",
    "opioid_tolerance",
    "mtorc1",
    "eef2",
    "glutamate",
)
#: What must be taken from a wiring so that nothing of its effect is left.
OWN_PATH = {
    "default": {"circuit_weight": 0.0, "resting_weight": 0.0},
    "disinhibition": {"circuit_weight": 0.0},
    "resting_nmda": {"resting_weight": 0.0},
    "extrasynaptic": {"extrasynaptic_gain": 0.0},
    "hnk": {"hnk_ampa_gain": 0.0},
    "trkb": {"trkb_direct_gain": 0.0},
    "habenula": {"habenula_gain": 0.0},
    "opioid": {"circuit_weight": 0.0, "resting_weight": 0.0},
}
TIMES = np.array([0.0, 0.5, 1.0, 2.0, 24.0])


@pytest.fixture(scope="module")
def simulator():
    return Simulator(build_chain())


@pytest.fixture(scope="module")
def edges(simulator):
    return active_edges(NAMES, simulator)


@pytest.fixture(scope="module")
def outcomes():
    chosen = [item for item in load_candidates() if item.id in LOOKED_AT]
    return chosen, effects(NAMES, candidates=chosen, persons=2)


@pytest.fixture(scope="module")
def courses(simulator):
    """Typical patients under each wiring, whole and with its own path taken away: (wiring, whole) to run."""
    tables = load_parameters()
    draws = best_of(NAMES).sets(tables)
    keys = [(name, whole) for name in NAMES for whole in (True, False)]
    sets = [
        own if whole else own.with_values(OWN_PATH[name])
        for name, own in zip(NAMES, draws, strict=True)
        for whole in (True, False)
    ]
    patients = simulator.depressed_many([Wanted(own, 33.0, 0.0) for own in sets])
    found = [item for item in patients if not isinstance(item, KetasimError)]
    assert len(found) == len(keys)
    regimen = parse_regimen(REGIMEN)
    runs = simulator.run_many([Case(item, regimen, TIMES) for item in found])
    return dict(zip(keys, runs, strict=True))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_pair_differs_in_a_path(edges, first, second):
    assert told_apart(edges)[first, second]


def test_paths_are_those_that_the_wirings_name(edges):
    def into(name, state):
        return {start for start, end in edges[name] if end == state}

    assert "site_ketamine" in into("disinhibition", "glutamate_outside")
    assert "site_ketamine" not in into("disinhibition", "eef2_phosphorylated")
    assert "site_ketamine" in into("resting_nmda", "eef2_phosphorylated")
    for name in ("resting_nmda", "extrasynaptic", "hnk", "trkb", "habenula"):
        assert "site_ketamine" not in into(name, "glutamate_outside"), name
    for name in ("hnk", "trkb"):
        # Without block on the way to mood no state of that way follows the channel site.
        for state in ("fast_gain", "deep_block_memory", "bdnf_released", "trkb_active", "mtorc1_active"):
            assert "site_ketamine" not in into(name, state), (name, state)
    assert "site_ketamine" in into("extrasynaptic", "mtorc1_active")
    assert "trapped_habenula" in into("habenula", "fast_gain")


@pytest.mark.parametrize(("first", "second"), OF_RIVALS)
def test_every_pair_differs_on_two_interventions(outcomes, first, second):
    chosen, table = outcomes
    assert np.isfinite(table).all()
    assert len(disagreements(NAMES, chosen, table)[first, second]) >= 2


@pytest.mark.parametrize("name", NAMES)
def test_without_its_own_path_nothing_is_left(courses, name):
    def effect(whole):
        severity = courses[name, whole].quantities["severity"]
        return severity[-1] - severity[0]

    # Each is fitted to a fall of 7.7 points at 24 h; those that cannot reach it fall by half of it at least.
    assert effect(True) < -3.5
    # What is left may be a little harm (block that costs plasticity), but no benefit: 5 % of the target.
    assert effect(False) > -0.4


@pytest.mark.parametrize("name", ["resting_nmda", "extrasynaptic", "hnk", "trkb", "habenula"])
def test_without_the_circuit_pyramidal_firing_does_not_move(courses, name):
    rate = courses[name, True].quantities["pyramidal_rate"]
    # The first hours: later spines grow, and firing follows them by another way.
    assert np.ptp(rate[:4]) < 2e-3
    assert np.ptp(courses["disinhibition", True].quantities["pyramidal_rate"][:4]) > 2e-2


def test_disinhibition_leaves_eef2_alone(courses):
    assert np.ptp(courses["disinhibition", True].quantities["eef2"]) < 1e-6
    assert np.ptp(courses["resting_nmda", True].quantities["eef2"]) > 0.02


def test_opioid_tone_is_permissive_and_no_path_of_its_own(outcomes):
    chosen, table = outcomes
    row = table[[item.id for item in chosen].index("naltrexone")]
    # By default tone permits as well.
    tonic = [NAMES.index(name) for name in ("opioid", "default") if name in NAMES]
    others = [place for place in range(len(NAMES)) if place not in tonic]
    assert (row[tonic] > 0.3).all()
    # Nothing but the solver's error, which is a thousandth of severity at most.
    assert np.abs(row[others]).max() < 0.03


def test_draws_hold_what_a_wiring_fixes_in_people_and_animals():
    draws = draws_of("hnk", 5)
    assert len(draws) == 5
    for species in ("human", "mouse", "rat"):
        for own in draws.sets(load_parameters(species)):
            assert own["circuit_weight"].value == 0.0
            assert own["block_cost_weight"].value == 0.0
            low, high = WIRINGS["hnk"].free["hnk_ampa_gain"]
            assert low <= own["hnk_ampa_gain"].value <= high


def test_every_wiring_has_the_same_number_of_draws_that_differ():
    for name in NAMES:
        values = draws_of(name, 40).values
        assert len(np.unique(values, axis=0)) == 40, name


def test_all_wirings_open_the_same_biology():
    common = set(free_parameters(WIRINGS["default"]))
    for wiring in WIRINGS.values():
        assert set(free_parameters(wiring)) == common | set(wiring.free)


def test_a_wiring_brings_the_ranges_of_what_it_opens():
    base = opened(WIRINGS["trkb"])
    for name, (low, high) in WIRINGS["trkb"].free.items():
        assert (base[name].low, base[name].high) == (low, high)
        assert base[name].value == pytest.approx(math.sqrt(low * high))
    assert base["circuit_weight"].value == 0.0
    assert base["bdnf_time"] == load_parameters()["bdnf_time"]


def test_an_uncalibrated_wiring_is_refused(monkeypatch):
    from ketasim.inference.rivals import tables

    monkeypatch.setattr(tables, "_sets", dict)
    with pytest.raises(ModelError, match="trkb"):
        draws_of("trkb", 3)


@pytest.mark.parametrize(
    ("first", "second", "differ"),
    [
        (-4.0, 4.0, True),
        (-4.0, -3.0, False),
        (-4.0, -2.7, True),
        (0.2, -0.2, False),
        (0.0, -5.0, True),
        (math.nan, -5.0, False),
    ],
)
def test_outcomes_differ_by_sign_or_three_tenths(first, second, differ):
    assert disagree(first, second, 0.5) is differ
