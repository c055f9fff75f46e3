"""The network's table of parameters, and its wiring."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.kernel import LANES, TILE
from ketasim.circuit.parameters import CELL_COLUMNS, NetworkParameters, draw_parameters, network_table
from ketasim.circuit.wiring import Wiring, wire
from ketasim.errors import ModelError

DEFAULTS = NetworkParameters("defaults", {})


@pytest.fixture(scope="module")
def wiring() -> Wiring:
    return wire(DEFAULTS, 801, seed=4)


def test_ranges_of_the_table_hold_their_values() -> None:
    for entry in network_table().values():
        assert entry.low <= entry.value <= entry.high, entry.name
        assert entry.grade in {"measured", "derived", "calibrated", "assumed"}, entry.name
        assert entry.unit, entry.name
        assert entry.note, entry.name
        if entry.distribution == "lognormal":
            # The middle of a log-normal is its median; four figures are written.
            assert math.sqrt(entry.low * entry.high) == pytest.approx(entry.value, rel=1e-3), entry.name
        else:
            assert entry.distribution == "fixed", entry.name
            assert entry.low == entry.high, entry.name


def test_arrays_hold_the_named_parameters() -> None:
    parameters = NetworkParameters(
        "set",
        {"sharpness_pv": 1.25, "connect_pyramidal_sst": 0.33, "gaba_sst_pyramidal": 7.0, "nmda_vip": 3.0},
    )
    assert parameters.cells()[1, CELL_COLUMNS.index("sharpness")] == 1.25
    assert parameters.connection()[0, 2] == 0.33
    assert parameters.inhibition()[1, 0] == 7.0
    assert parameters.of_classes("nmda")[3] == 3.0
    assert parameters.value("nmda_pv") == network_table()["nmda_pv"].value
    for i, sender in enumerate(CLASSES):
        for j, to in enumerate(CLASSES):
            assert parameters.connection()[i, j] == parameters.value(f"connect_{sender}_{to}")
            if i:
                assert parameters.inhibition()[i - 1, j] == parameters.value(f"gaba_{sender}_{to}")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nmda_pyramidl": 0.1}, "nearest valid name is 'nmda_pyramidal'"),
        ({"nmda_pv": -0.1}, "set: nmda_pv is -0.1"),
        ({"nmda_pv": math.nan}, "set: nmda_pv is nan"),
        ({"rest_pv": math.inf}, "set: rest_pv is inf"),
    ],
)
def test_wrong_parameters_are_named(values: dict[str, float], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        NetworkParameters("set", values)


def test_draws_fill_the_range_of_each_free_parameter() -> None:
    rng = np.random.default_rng(1)
    draws = [draw_parameters(rng, f"set {i}") for i in range(400)]
    free = [entry for entry in network_table().values() if entry.distribution == "lognormal"]
    assert {entry.name for entry in free} == set(draws[0].values)
    z = np.array(
        [
            [math.log(draw.value(entry.name) / entry.value) for entry in free]
            / np.array([math.log(entry.high / entry.low) / 4.0 for entry in free])
            for draw in draws
        ]
    )
    # Standard normal if the range is plus or minus two deviations; bounds are 5 standard errors of all draws.
    many = z.size
    assert abs(z.mean()) < 5.0 / math.sqrt(many)
    assert abs((z**2).mean() - 1.0) < 5.0 * math.sqrt(2.0 / many)
    inside = 0.9545
    assert abs((np.abs(z) < 2.0).mean() - inside) < 5.0 * math.sqrt(inside * (1.0 - inside) / many)
    again = draw_parameters(np.random.default_rng(1), "again")
    assert dict(again.values) == dict(draws[0].values)


def test_layout_gives_each_cell_a_lane_of_its_own(wiring: Wiring) -> None:
    lanes = np.flatnonzero(wiring.owner >= 0)
    np.testing.assert_array_equal(np.sort(wiring.owner[lanes]), np.arange(wiring.cells))
    np.testing.assert_array_equal(wiring.place[wiring.owner[lanes]], lanes // LANES * TILE + lanes % LANES)
    kind = np.repeat(np.arange(4), wiring.sizes)
    tile = wiring.place // TILE
    # No tile is shared by two classes, and none is without a cell.
    for q in range(4):
        np.testing.assert_array_equal(
            np.unique(tile[kind == q]), np.arange(wiring.tiles[q], wiring.tiles[q + 1])
        )
    assert len(wiring.owner) == wiring.tiles[-1] * LANES


def test_targets_are_sorted_by_class_without_the_cell_itself(wiring: Wiring) -> None:
    assert wiring.segments[0, 0] == 0
    assert wiring.segments[-1, -1] == len(wiring.targets)
    np.testing.assert_array_equal(wiring.segments[1:, 0], wiring.segments[:-1, -1])
    for cell in range(wiring.cells):
        row = wiring.targets[wiring.segments[cell, 0] : wiring.segments[cell, -1]]
        assert np.all(np.diff(row) > 0)
        assert cell not in row
        for to, name in enumerate(CLASSES):
            part = wiring.targets[wiring.segments[cell, to] : wiring.segments[cell, to + 1]]
            members = wiring.members(name)
            assert np.all((part >= members.start) & (part < members.stop))


def test_number_of_connections_is_binomial(wiring: Wiring) -> None:
    connect = DEFAULTS.connection()
    count = np.diff(wiring.segments, axis=1)
    for sender, name in enumerate(CLASSES):
        for to in range(4):
            pairs = int(wiring.sizes[sender] * (wiring.sizes[to] - (sender == to)))
            chance = connect[sender, to]
            found = count[wiring.members(name), to].sum()
            # Sixteen comparisons at 4.5 standard deviations: red by chance for one seed in 10,000.
            assert abs(found - pairs * chance) < 4.5 * math.sqrt(pairs * chance * (1.0 - chance))


def test_sizes_and_thresholds(wiring: Wiring) -> None:
    np.testing.assert_array_equal(wiring.sizes, np.round(DEFAULTS.of_classes("share") * 801))
    spread = DEFAULTS.value("threshold_spread")
    many = wiring.cells
    assert abs(wiring.threshold_offset.mean()) < 4.0 * spread / math.sqrt(many)
    assert abs(wiring.threshold_offset.std() / spread - 1.0) < 4.0 / math.sqrt(2.0 * many)


def test_wiring_follows_its_seed() -> None:
    one, same, other = (wire(DEFAULTS, 400, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one.targets, same.targets)
    np.testing.assert_array_equal(one.threshold_offset, same.threshold_offset)
    assert not np.array_equal(one.threshold_offset, other.threshold_offset)
    assert not np.array_equal(one.targets[:1000], other.targets[:1000])
