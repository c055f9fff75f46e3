"""The connectome: its checks, the user's own files, the synthetic one, its rule, and synthetic people."""

from __future__ import annotations

import dataclasses
import doctest
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from ketasim.brain.connectome import NETWORKS, ROLES, Connectome, mirror_pairs, pairs_by_name, symmetric
from ketasim.brain.files import connectome_from_files
from ketasim.brain.parameters import load_node_parameters
from ketasim.brain.people import SyntheticPeople, synthetic_people
from ketasim.brain.synthetic import synthetic_connectome
from ketasim.brain.tables import read_table
from ketasim.brain.wiring import Wiring, balanced, default_wiring, estimate_wiring, main, write_wiring
from ketasim.errors import BrainError

_LABELS = ("L_a", "L_b", "R_a", "R_b")
_WEIGHTS = np.array([[0, 2, 1, 3], [2, 0, 3, 1], [1, 3, 0, 2], [3, 1, 2, 0]], dtype=float)


def _connectome(**changes: object) -> Connectome:
    given: dict[str, object] = {
        "name": "small",
        "weights": _WEIGHTS,
        "labels": _LABELS,
        "networks": ("default", "control", "default", "control"),
        "hemispheres": ("left", "left", "right", "right"),
        "homotopic": (2, 3, 0, 1),
    }
    return Connectome(**(given | changes))  # type: ignore[arg-type]


def _with(matrix: np.ndarray, place: tuple[int, int], value: float, both: bool = True) -> np.ndarray:
    changed = matrix.copy()
    changed[place] = value
    if both:
        changed[place[::-1]] = value
    return changed


# --- the class


def test_weights_are_scaled_and_cannot_be_changed():
    one = _connectome()
    # Every row of the matrix sums to 6.
    np.testing.assert_allclose(one.weights, _WEIGHTS / 6.0, rtol=1e-15)
    assert one.n_regions == 4
    with pytest.raises(ValueError, match="read-only"):
        one.weights[0, 1] = 5.0
    # A factor on the weights is no information, and replacing a field scales again to the same.
    again = dataclasses.replace(_connectome(weights=1e4 * _WEIGHTS), name="again")
    np.testing.assert_allclose(again.weights, one.weights, rtol=1e-15)


def test_the_receptor_map_is_standardised():
    one = _connectome(nmda=[1.0, 2.0, 3.0, 6.0])
    # Mean 3, population variance (4 + 1 + 0 + 9) / 4.
    np.testing.assert_allclose(one.nmda, np.array([-2.0, -1.0, 0.0, 3.0]) / np.sqrt(3.5), rtol=1e-14)


def test_members_and_roles():
    one = _connectome(roles={"pcc": (0, 2)})
    assert one.members("control").tolist() == [1, 3]
    assert one.members("visual").tolist() == []
    assert one.members("subcortical").tolist() == []
    assert one.named("pcc").tolist() == [0, 2]
    assert one.named("subgenual").tolist() == []
    assert one.named("subgenual").dtype.kind == "i"
    with pytest.raises(BrainError, match="nearest valid name is 'control'"):
        one.members("contrl")
    with pytest.raises(BrainError, match="unknown role of a region 'amygdala'"):
        one.named("amygdala")


def test_functional_groups_by_name():
    correlations = np.full((4, 4), 0.25)
    one = _connectome(functional={"train": correlations})
    assert one.group("train")[0, 1] == 0.25
    assert np.diag(one.group("train")).tolist() == [1.0] * 4
    with pytest.raises(BrainError, match="nearest valid name is 'train'"):
        one.group("trian")
    with pytest.raises(BrainError, match="no functional connectivity"):
        _connectome().group("train")


def test_it_can_be_sent_to_another_process():
    one = pickle.loads(pickle.dumps(_connectome(functional={"a": np.eye(4)}, roles={"pcc": (0,)})))
    np.testing.assert_array_equal(one.weights, _connectome().weights)
    assert one.named("pcc").tolist() == [0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.ones((4, 3))}, r"shape \(4, 3\); a square matrix"),
        ({"weights": np.zeros((0, 0)), "labels": ()}, "a square matrix"),
        ({"weights": _with(_WEIGHTS, (1, 3), np.nan)}, r"at L_b, R_b \(row 2, column 4\) is nan; 2 of 16"),
        ({"weights": _with(_WEIGHTS, (0, 2), np.inf)}, r"at L_a, R_a \(row 1, column 3\) is inf"),
        (
            {"weights": _with(_with(_WEIGHTS, (2, 1), 7.0, both=False), (0, 1), 2.5, both=False)},
            "worst pair is L_b, R_a with 3 one way and 7 the other",
        ),
        ({"weights": _with(_WEIGHTS, (0, 3), -0.5)}, "from L_a to R_b is -0.5"),
        ({"weights": _with(_WEIGHTS, (2, 2), 4.0)}, "region R_a is joined to itself"),
        ({"weights": _WEIGHTS * np.outer([1, 0, 1, 1], [1, 0, 1, 1])}, "no connection at all: L_b"),
        ({"labels": ("L_a", "L_b", "R_a")}, "3 labels for 4 regions"),
        ({"labels": ("L_a", "L_a", "R_a", "R_b")}, "label 'L_a' stands for more than one"),
        ({"networks": ("default", "control")}, "2 networks for 4 regions"),
        (
            {"networks": ("default", "frontoparietal", "default", "control")},
            "unknown network 'frontoparietal'",
        ),
        ({"networks": ("visual",) * 4}, "0 of 4 regions belong to network 'default'.*parcellation"),
        ({"networks": ("default", "visual", "visual", "visual")}, "1 of 4 regions"),
        ({"hemispheres": ("left", "left", "right", "rigth")}, "nearest valid name is 'right'"),
        ({"hemispheres": ("left",)}, "1 hemispheres for 4 regions"),
        ({"homotopic": (2, 3)}, "2 mirror regions for 4 regions"),
        ({"homotopic": (1, 0, -1, -1)}, "mirror region of L_a is given as 1"),
        ({"homotopic": (2, 3, 0, -1)}, "mirror region of L_b is given as 3"),
        ({"homotopic": (9, -1, -1, -1)}, "mirror region of L_a is given as 9"),
        ({"functional": {"a": np.eye(3)}}, r"'a' has shape \(3, 3\); \(4, 4\)"),
        ({"functional": {"a": _with(np.eye(4), (0, 1), np.nan)}}, "correlations of 'a' at L_a, L_b"),
        (
            {"functional": {"a": _with(np.eye(4), (0, 1), 0.5, both=False)}},
            "'a' are not symm",
        ),
        ({"functional": {"a": _with(np.eye(4), (0, 1), 1.5)}}, "reaches 1.5.*not Fisher z"),
        ({"nmda": [1.0, 1.0, 1.0, 1.0]}, "same everywhere"),
        ({"nmda": [1.0, 2.0]}, r"nmda have shape \(2,\)"),
        ({"positions": np.zeros((4, 2))}, r"positions have shape \(4, 2\)"),
        ({"positions": np.full((4, 3), np.nan)}, "positions at .*not finite"),
        ({"lengths": np.zeros((3, 3))}, r"lengths have shape \(3, 3\)"),
        ({"roles": {"dlpfc": (0,)}}, "unknown role of a region 'dlpfc'"),
        ({"roles": {"pcc": (4,)}}, "role 'pcc' has .*regions are 0 to 3"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(changes, message):
    with pytest.raises(BrainError, match=message) as caught:
        _connectome(**changes)
    assert "connectome 'small'" in str(caught.value)


def test_rounding_is_no_asymmetry():
    assert _connectome(weights=_with(_WEIGHTS, (0, 1), 2.0 + 1e-7, both=False)).n_regions == 4


def test_symmetric_takes_the_mean_and_drops_the_diagonal():
    np.testing.assert_array_equal(symmetric([[9.0, 1.0], [3.0, 9.0]]), [[0.0, 2.0], [2.0, 0.0]])


def test_mirror_pairs_by_position_and_by_name():
    sides = ("left", "left", "left", "right", "right", "right")
    positions = [[-10, 0, 0], [-40, 5, 0], [-5, 90, 0], [41, 4, 0], [11, 1, 0], [30, -60, 0]]
    assert mirror_pairs(positions, sides) == (4, 3, -1, 1, 0, -1)
    # One left region is nearest to both right ones, but the sum is least when it gives way.
    near = [[-10, 0, 0], [-10, 6, 0], [10, 5, 0], [10, 14, 0]]
    assert mirror_pairs(near, ("left", "left", "right", "right")) == (2, 3, 0, 1)
    assert pairs_by_name(("a", "b", "c", "b", "a", "d"), sides) == (4, 3, -1, 1, 0, -1)


# --- the user's files


def _write_labels(path: Path, columns: str, rows: list[str]) -> Path:
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="utf-8")
    return path


_ROWS = ["L_a,default,left", "L_b,control,left", "R_a,default,right", "R_b,control,right"]


def test_a_connectome_from_csv_files(tmp_path):
    np.savetxt(tmp_path / "mine.csv", _WEIGHTS + 5.0 * np.eye(4), delimiter=",")
    np.savetxt(tmp_path / "fc.csv", np.full((4, 4), 0.5), delimiter=",")
    rows = [
        f"{row},{role},{x},2,3,{x}"
        for row, role, x in zip(_ROWS, ("pcc", "", "pcc", ""), range(4), strict=True)
    ]
    labels = _write_labels(tmp_path / "labels.csv", "label,network,hemisphere,role,x,y,z,nmda", rows)
    one = connectome_from_files(tmp_path / "mine.csv", labels, functional={"all": tmp_path / "fc.csv"})
    np.testing.assert_allclose(one.weights, _WEIGHTS / 6.0, rtol=1e-15)
    assert one.name == "mine"
    assert one.named("pcc").tolist() == [0, 2]
    assert one.positions[:, 0].tolist() == [0, 1, 2, 3]
    assert one.group("all")[1, 2] == 0.5
    np.testing.assert_allclose(one.nmda, (np.arange(4) - 1.5) / np.sqrt(1.25), rtol=1e-14)
    assert one.source == "files mine.csv and labels.csv"


@pytest.mark.parametrize("kind", ["npz", "npy", "txt"])
def test_the_same_from_other_kinds_of_file(tmp_path, kind):
    path = tmp_path / f"w.{kind}"
    {"npz": np.savez, "npy": np.save, "txt": np.savetxt}[kind](path, _WEIGHTS)
    one = connectome_from_files(path, _write_labels(tmp_path / "l.csv", "label,network,hemisphere", _ROWS))
    np.testing.assert_allclose(one.weights, _WEIGHTS / 6.0, rtol=1e-15)
    # Without positions and a column for it, L_a and R_a are taken as mirror regions.
    assert one.homotopic == (2, 3, 0, 1)


def test_the_column_region_pairs_mirror_regions(tmp_path):
    np.save(tmp_path / "w.npy", _WEIGHTS)
    rows = [f"{row},{name}" for row, name in zip(_ROWS, ("u", "v", "v", "w"), strict=True)]
    labels = _write_labels(tmp_path / "l.csv", "label,network,hemisphere,region", rows)
    assert connectome_from_files(tmp_path / "w.npy", labels).homotopic == (-1, 2, 1, -1)


def test_an_asymmetric_file_needs_a_word(tmp_path):
    np.save(tmp_path / "w.npy", _with(_WEIGHTS, (0, 1), 4.0, both=False))
    labels = _write_labels(tmp_path / "l.csv", "label,network,hemisphere", _ROWS)
    with pytest.raises(BrainError, match="worst pair is L_a, L_b with 4 one way and 2 the other"):
        connectome_from_files(tmp_path / "w.npy", labels)
    one = connectome_from_files(tmp_path / "w.npy", labels, symmetrise=True)
    # (4 + 2) / 2 = 3, and the 24 of all rows become 26.
    assert one.weights[0, 1] == pytest.approx(3.0 * 4.0 / 26.0, rel=1e-14)


@pytest.mark.parametrize(
    ("weights", "columns", "rows", "message"),
    [
        ("0,1\n1,x\n", "label,network,hemisphere", _ROWS, "w.csv: it cannot be read as a matrix"),
        ("0,1\n1\n", "label,network,hemisphere", _ROWS, "w.csv: it cannot be read as a matrix"),
        ("0,1,2\n1,0,2\n", "label,network,hemisphere", _ROWS, "a square matrix is needed"),
        ("0,1\n1,0\n", "label,network,hemisphere", _ROWS, "4 labels for 2 regions"),
        ("0,1\n1,0\n", "label,network", ["a,default"], "l.csv: no column hemisphere"),
        ("0,1\n1,0\n", "label,network,hemisphere,rolle", [], "nearest valid name is 'role'"),
        (
            "0,1\n1,0\n",
            "label,network,hemisphere,role",
            ["a,default,left,ppc", "b,default,right,"],
            "region 'a': unknown role of a region 'ppc'; the nearest valid name is 'pcc'",
        ),
        (
            "0,1\n1,0\n",
            "label,network,hemisphere,x,y",
            ["a,default,left,1,2", "b,default,right,1,2"],
            "columns x, y, z belong together; only x, y",
        ),
        (
            "0,1\n1,0\n",
            "label,network,hemisphere,nmda",
            ["a,default,left,", "b,default,right,1"],
            "region 'a': nmda is ''; write a number",
        ),
        (
            "0,1\n1,0\n",
            "label,network,hemisphere",
            ["a,dmn,left", "b,default,right"],
            "connectome 'w': unknown network 'dmn'",
        ),
        (
            "0,1\n1,0\n",
            "label,network,hemisphere",
            ["a,default,lh", "b,default,right"],
            "connectome 'w': unknown hemisphere 'lh'",
        ),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path, weights, columns, rows, message):
    (tmp_path / "w.csv").write_text(weights, encoding="utf-8")
    with pytest.raises(BrainError, match=message):
        connectome_from_files(tmp_path / "w.csv", _write_labels(tmp_path / "l.csv", columns, rows))


def test_missing_and_ambiguous_files(tmp_path):
    labels = _write_labels(tmp_path / "l.csv", "label,network,hemisphere", _ROWS)
    with pytest.raises(BrainError, match=r"absent\.csv: there is no such file"):
        connectome_from_files(tmp_path / "absent.csv", labels)
    np.savez(tmp_path / "two.npz", a=_WEIGHTS, b=_WEIGHTS)
    with pytest.raises(BrainError, match="it holds a, b; one array is needed"):
        connectome_from_files(tmp_path / "two.npz", labels)
    np.save(tmp_path / "w.npy", _WEIGHTS)
    with pytest.raises(BrainError, match=r"absent\.csv: there is no such file"):
        connectome_from_files(tmp_path / "w.npy", tmp_path / "absent.csv")
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(BrainError, match=r"bad\.npz: it cannot be read"):
        connectome_from_files(tmp_path / "bad.npz", labels)


# --- the synthetic connectome


@pytest.mark.parametrize("regions", [20, 34, 60, 100])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_mirrored_hemispheres(regions, seed):
    one = synthetic_connectome(regions, seed)
    half = regions // 2
    assert one.n_regions == regions
    assert one.weights.sum() / regions == pytest.approx(1.0, rel=1e-14)
    swapped = np.r_[half:regions, :half]
    np.testing.assert_allclose(one.weights[np.ix_(swapped, swapped)], one.weights, rtol=1e-9)
    np.testing.assert_array_equal(one.positions[half:], one.positions[:half] * [-1, 1, 1])
    assert (one.positions[:half, 0] <= 0.0).all()
    assert one.homotopic == tuple(swapped)
    assert one.networks[:half] == one.networks[half:]
    assert set(one.networks) == set(NETWORKS)
    assert all(len(one.named(role)) >= 2 for role in ROLES)
    assert len(one.members("default")) >= 6
    assert "not measured" in one.source
    assert not one.functional


def test_networks_have_their_shares():
    counts = [len(synthetic_connectome(100).members(network)) for network in NETWORKS]
    # Parcels of Schaefer-100 by network; two hemispheres make each even, so one away at most.
    assert np.abs(np.array(counts) - [17, 14, 15, 12, 5, 13, 24]).max() <= 1
    assert sum(counts) == 100


def test_regions_lie_on_the_ellipsoid_and_where_they_belong():
    one = synthetic_connectome(100, seed=3)
    scaled = (one.positions - [0.0, -18.0, 16.0]) / [62.0, 78.0, 54.0]
    np.testing.assert_allclose((scaled**2).sum(axis=1), 1.0, rtol=1e-12)
    forward = {network: one.positions[one.members(network), 1].mean() for network in NETWORKS}
    assert forward["visual"] < forward["somatomotor"] < forward["limbic"]
    assert one.positions[one.named("pcc"), 1].max() < one.positions[one.named("mpfc"), 1].min()


def test_the_same_seed_gives_the_same_and_another_gives_another():
    np.testing.assert_array_equal(synthetic_connectome(40, 5).weights, synthetic_connectome(40, 5).weights)
    other = synthetic_connectome(40, 6).weights
    assert np.abs(synthetic_connectome(40, 5).weights - other).max() > 0.01


def test_no_pair_outweighs_the_brain():
    # Strengths of the measured connectome run from 0.42 to 2.23 and its leading eigenvalue is 1.31; ten
    # draws of 60 regions may go somewhat beyond, but not several times.
    for seed in range(10):
        weights = synthetic_connectome(60, seed).weights
        assert weights.sum(axis=1).max() < 4.0
        assert np.linalg.eigvalsh(weights)[-1] < 2.0


@pytest.mark.parametrize("regions", [0, 18, 61, -2])
def test_an_impossible_number_of_regions(regions):
    with pytest.raises(BrainError, match="even number, at least 20"):
        synthetic_connectome(regions)


# --- the wiring rule


def _exact_connectome(rule: Wiring) -> Connectome:
    """Weights that follow the rule without scatter."""
    shape = synthetic_connectome(40, seed=1)
    distances = np.linalg.norm(shape.positions[:, None] - shape.positions[None], axis=2)
    weights = rule.expected(distances, shape.networks)
    np.fill_diagonal(weights, 0.0)
    weights[:20, 20:] *= rule.heterotopic
    weights[20:, :20] *= rule.heterotopic
    link = rule.homotopic * weights[:20, :20].sum() / (20 * 19)
    left = np.arange(20)
    weights[left, left + 20] = weights[left + 20, left] = link
    return dataclasses.replace(shape, weights=weights)


def test_the_rule_is_found_again_where_there_is_no_scatter():
    rule = Wiring(33.0, 2.5, 0.0, 0.4, 1.8, 0.3)
    found = estimate_wiring(_exact_connectome(rule))
    # Least squares on exact data: rounding only.
    for name in ("distance_constant", "within_network", "heterotopic", "homotopic"):
        assert getattr(found, name) == pytest.approx(getattr(rule, name), rel=1e-10), name
    assert found.log_spread < 1e-12


def test_balanced_weights_have_the_sums_asked_for_and_keep_cross_ratios():
    weights = symmetric(np.random.default_rng(0).lognormal(0.0, 1.5, (12, 12)))
    wanted = np.linspace(0.5, 2.0, 12)
    scaled = balanced(weights, wanted)
    np.testing.assert_allclose(scaled.sum(axis=1), wanted, rtol=1e-6)
    np.testing.assert_array_equal(scaled, scaled.T)
    # D W D with a diagonal D leaves w_01 w_23 / (w_02 w_13) as it was.
    ratio = [m[0, 1] * m[2, 3] / (m[0, 2] * m[1, 3]) for m in (weights, scaled)]
    assert ratio[1] == pytest.approx(ratio[0], rel=1e-12)


def test_the_synthetic_connectome_follows_the_shipped_rule():
    rule = default_wiring()
    found = [estimate_wiring(synthetic_connectome(100, seed)) for seed in range(8)]
    # Balancing of strengths moves weights, so the rule is met in kind: a third in the ratios and the
    # distance, a sixth in the scatter. Links of mirror regions are set after it, and exact.
    for name, share in (("distance_constant", 0.33), ("within_network", 0.33), ("log_spread", 0.17)):
        mean = np.mean([getattr(one, name) for one in found])
        assert mean == pytest.approx(getattr(rule, name), rel=share), name
    for one in found:
        assert one.homotopic == pytest.approx(rule.homotopic, rel=1e-10)


def test_an_estimate_is_written_as_a_table_and_read_again(tmp_path, capsys):
    path = tmp_path / "wiring.csv"
    main(["synthetic", "--write", str(path)])
    names = [field.name for field in dataclasses.fields(Wiring) if field.name != "errors"]
    written = read_table(path, names)
    found = estimate_wiring(synthetic_connectome())
    for name in names:
        assert written[name] == pytest.approx(getattr(found, name), rel=1e-3)  # four digits are written
    assert f"distance_constant {found.distance_constant:.4g} mm" in capsys.readouterr().out


def test_what_has_no_estimate(tmp_path):
    with pytest.raises(BrainError, match="has no positions"):
        estimate_wiring(_connectome())
    with pytest.raises(BrainError, match="no joined mirror regions"):
        estimate_wiring(dataclasses.replace(synthetic_connectome(20), homotopic=(-1,) * 20))
    with pytest.raises(BrainError, match="no standard errors"):
        write_wiring(tmp_path / "x.csv", default_wiring(), "none")


# --- synthetic people


# Weak coupling, far from criticality: what is tested here must not hang on how the node is calibrated.
_CALM = dataclasses.replace(load_node_parameters(), local_weight=0.35, global_coupling=1.0)


def _people(**options: float) -> SyntheticPeople:
    return synthetic_people(synthetic_connectome(40, seed=2), people=6, seed=4, node=_CALM, **options)


@pytest.fixture(scope="module")
def people():
    return _people()


def _upper(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.triu_indices(len(matrix), 1)]


def test_groups_are_the_means_of_their_people(people):
    assert people.correlations.shape == (6, 40, 40)
    groups = people.connectome.functional
    for name, half in (("a", people.correlations[:3]), ("b", people.correlations[3:])):
        np.testing.assert_allclose(_upper(groups[name]), _upper(half.mean(axis=0)), rtol=1e-12)
    assert "no evidence" in people.connectome.source
    assert "synthetic people" in people.connectome.name
    # Balancing is iterated to about this.
    np.testing.assert_allclose(people.weights.sum(axis=1), people.connectome.weights.sum(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(people.weights > 0.0, people.connectome.weights > 0.0)


def test_hidden_wiring_explains_more_than_structure():
    made = _people(scan_seconds=np.inf)
    seen = _upper(made.connectome.group("b"))
    hidden = np.corrcoef(_upper(made.weights), seen)[0, 1]
    structure = np.corrcoef(_upper(made.connectome.weights), seen)[0, 1]
    assert hidden > structure + 0.02
    # Group means agree far better than either explains them: the reason why a test on means is weak.
    assert np.corrcoef(_upper(made.connectome.group("a")), seen)[0, 1] > 0.95 > hidden


def test_sampling_noise_is_that_of_the_scan(people):
    exact = _people(scan_seconds=np.inf)
    # Only the first person is the same: those after come later in the random stream.
    error = np.arctanh(_upper(people.correlations[0])) - np.arctanh(_upper(exact.correlations[0]))
    samples = 864 // 5
    # Fisher: standard error 1 / sqrt(samples - 3) per pair; 780 pairs that are not independent, so 15 %.
    assert np.sqrt(np.mean(error**2)) == pytest.approx(1.0 / np.sqrt(samples - 3.0), rel=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"people": 5}, "even number, at least 4"),
        ({"people": 2}, "even number, at least 4"),
        ({"scan_seconds": 6.0}, "scan_seconds is 6: at least 10"),
        ({"scan_seconds": np.nan}, "scan_seconds is nan"),
    ],
)
def test_people_that_cannot_be_made(options, message):
    with pytest.raises(BrainError, match=message):
        synthetic_people(synthetic_connectome(20), **options)


# --- the guide


def test_the_examples_of_the_guide_give_what_it_shows():
    guide = Path(__file__).parents[2] / "docs" / "connectomes.md"
    blocks = re.findall(r"^```pycon\n(.*?)^```$", guide.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, guide.name, str(guide), 0)
    said: list[str] = []
    found = doctest.DocTestRunner().run(examples, out=said.append)
    assert found.failed == 0, "".join(said)
    # Fewer would mean that the blocks were not found.
    assert found.attempted > 12
