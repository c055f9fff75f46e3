"""``ketasim circuit run``: what it computes, writes and refuses; small networks of made-up circuits."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ketasim.circuit import network as network_module
from ketasim.circuit.blocks import blocks_at_mean
from ketasim.circuit.condition import NO_DRUG, ChannelState, Condition
from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.measures import NetworkActivity, swap
from ketasim.circuit.network import build_network
from ketasim.circuit.parameters import NetworkParameters
from ketasim.cli.application import GuardedGroup
from ketasim.cli.circuit import circuit
from ketasim.cli.circuit_settings import Gains, Setting, block_conditions, channel_state, settings
from ketasim.cli.circuit_summary import summarise

DEPRESSED = Condition(gaba_a_gain=0.8, density=0.7, sst_gain=0.9)
SMALL = ("--cells", "400", "--seconds", "1", "--seeds", "2", "--threads", "1")

app = typer.Typer(cls=GuardedGroup, pretty_exceptions_enable=False)
app.add_typer(circuit, name="circuit")


@pytest.fixture(autouse=True)
def circuits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two circuits and a depressed condition in place of the shipped ones, which may change."""
    made_up = ModuleType("ketasim.circuit.ensemble")
    made_up.circuit_names = lambda: ("first", "second")  # type: ignore[attr-defined]
    made_up.load_circuit = lambda name: NetworkParameters(  # type: ignore[attr-defined]
        name, {} if name == "first" else {"ampa_pyramidal": 0.12}
    )
    made_up.depressed_condition = lambda: DEPRESSED  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ketasim.circuit.ensemble", made_up)


def command(*words: str | Path) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["circuit", "run", *(str(word) for word in words)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.stdout, found.stderr


def rows(*words: str) -> dict[str, Any]:
    code, text, _ = command(*SMALL, *words, "--json", "-")
    assert code == 0
    found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return found


def test_the_numbers_are_those_of_the_network() -> None:
    found = rows("--mean-block", "0.24")
    assert [row["setting"] for row in found["settings"]] == ["no drug", "mean block 0.24"]
    assert found["circuit"] == "first"
    network = build_network(NetworkParameters("first", {}), 400)
    before = [network.run(NO_DRUG, seed, 1000.0) for seed in (1, 2)]
    after = [network.run(Condition(blocks_at_mean(0.24)), seed, 1000.0) for seed in (1, 2)]
    row = found["settings"][1]
    ratios = np.array([run.rates for run in after]) / np.array([run.rates for run in before])
    for index, name in enumerate(CLASSES):
        shown = row["rates_hz"][name]
        # The same runs, bit for bit: only JSON stands between.
        assert shown["mean"] == pytest.approx(np.mean([run.rates[index] for run in after]), rel=1e-12)
        assert shown["ratio"] == pytest.approx(ratios[:, index].mean(), rel=1e-12)
        assert shown["ratio_sd"] == pytest.approx(ratios[:, index].std(ddof=1), rel=1e-9)
        # The kernel keeps the share that is not blocked in single precision.
        assert row["block"][name] == pytest.approx(blocks_at_mean(0.24)[index], rel=1e-6)
    gamma = sum(run.gamma for run in after) / sum(run.gamma for run in before)
    assert row["gamma_ratio"] == pytest.approx(gamma, rel=1e-12)
    balance = np.mean([run.excitation_over_inhibition for run in after])
    assert row["excitation_over_inhibition"] == pytest.approx(balance, rel=1e-12)
    woken = np.mean([swap(before[1], after[0]).woken, swap(before[0], after[1]).woken])
    assert row["woken"] == pytest.approx(woken, rel=1e-12)
    assert {name: item["ratio"] for name, item in found["settings"][0]["rates_hz"].items()} == dict.fromkeys(
        CLASSES, 1.0
    )


def test_the_number_of_threads_does_not_matter() -> None:
    one = rows("--mean-block", "0.5")
    code, text, _ = command(*SMALL[:-1], "2", "--mean-block", "0.5", "--json", "-")
    assert code == 0
    assert json.loads(text) == one


def test_another_circuit_and_a_state_give_other_numbers() -> None:
    first, second = rows("--mean-block", "0.5"), rows("--mean-block", "0.5", "--circuit", "second")
    kinetic = rows("--mean-block", "0.5", "--state", "kinetic", "--trapped", "0")
    assert second["circuit"] == "second"
    rates = [
        [item["mean"] for item in found["settings"][1]["rates_hz"].values()]
        for found in (first, second, kinetic)
    ]
    assert rates[0] != rates[1]
    assert rates[0] != rates[2]
    assert kinetic["settings"][1]["condition"]["state"] == {"kinetic": True, "trapped": 0.0, "time": 300.0}
    # Nothing is blocked without a drug, whatever the state.
    assert kinetic["settings"][0] == first["settings"][0]


def test_one_seed_has_no_spread_and_no_swaps() -> None:
    code, text, _ = command(*SMALL[:4], "--seeds", "1", "--mean-block", "0.24", "--json", "-")
    assert code == 0
    row = json.loads(text, parse_constant=pytest.fail)["settings"][1]
    assert row["woken"] is None
    assert row["silenced"] is None
    assert row["rates_hz"]["pyramidal"]["sd"] is None
    assert row["rates_hz"]["pyramidal"]["ratio"] > 0.0


def test_the_default_blocks_and_the_screen() -> None:
    code, text, _ = command(*SMALL)
    assert code == 0
    for words in (
        "no drug",
        "mean block 0.1",
        "mean block 0.24",
        "mean block 0.5",
        "Circuit first",
        "sign only",
    ):
        assert words in text
    # One line a setting: nothing is folded at the width of a pipe.
    assert sum(line.startswith("mean block") for line in text.splitlines()) == 3
    assert not any(line.startswith(" ") and line.strip() for line in text.splitlines()[3:])


def test_settings_are_told_apart() -> None:
    gains = Gains(gaba_a=1.5, release=0.5, density=0.5, sst=0.5)
    blocks = block_conditions(["PV=0.4, sst=0.5"], "0,0.24,0.24", "1,1,1,1")
    state = ChannelState(kinetic=True)
    found = settings(blocks, gains, state, DEPRESSED)
    undrugged = Condition(gaba_a_gain=0.8, density=0.35, sst_gain=0.45)
    drugged = {
        "gaba_a_gain": 0.8 * 1.5,
        "release_gain": 0.5,
        "density": 0.35,
        "sst_gain": 0.45,
        "state": state,
    }
    assert found == [
        Setting("healthy circuit", NO_DRUG),
        Setting("no drug", undrugged),
        Setting("other drugs alone", Condition(**drugged)),  # type: ignore[arg-type]
        Setting("block 0 / 0.4 / 0.5 / 0", Condition((0.0, 0.4, 0.5, 0.0), **drugged)),  # type: ignore[arg-type]
        # Equal half-blocking concentrations give equal blocks.
        Setting("mean block 0.24", found[-1].condition),
    ]
    assert found[-1].condition.block == pytest.approx((0.24,) * 4, rel=1e-9)
    assert [item.label for item in settings([], Gains(), state, NO_DRUG)] == ["no drug"]


def test_a_depressed_circuit_is_compared_with_itself_and_with_a_healthy_one() -> None:
    found = rows("--depressed", "--mean-block", "0.24")
    assert [row["setting"] for row in found["settings"]] == ["healthy circuit", "no drug", "mean block 0.24"]
    healthy, undrugged, _ = found["settings"]
    assert undrugged["condition"]["density"] == DEPRESSED.density
    rate = {row["setting"]: row["rates_hz"]["pv"] for row in found["settings"]}
    assert undrugged["rates_hz"]["pv"]["ratio"] == 1.0
    # A mean of ratios, not a ratio of means: within the spread between two seeds of a small network.
    expected = rate["healthy circuit"]["mean"] / rate["no drug"]["mean"]
    assert healthy["rates_hz"]["pv"]["ratio"] == pytest.approx(expected, rel=0.02)


def test_a_class_that_is_silent_has_no_ratio() -> None:
    run = NetworkActivity(
        edges=np.array([0, 2, 3, 4, 5]),
        counted_ms=1000.0,
        warm_ms=0.0,
        spikes=np.array([4, 0, 3, 0, 1]),
        burst_spikes=np.zeros(5, dtype=np.int64),
        currents=np.zeros((1000, 4), dtype=np.float32),
        population=np.zeros((1000, 4), dtype=np.int32),
        raster=np.zeros((0, 2), dtype=np.int32),
        voltage=np.zeros(4),
        open_conductance=np.zeros(4),
        block=np.zeros(4),
    )
    row = summarise([Setting("no drug", NO_DRUG)], {"no drug": [run]})[0]
    assert row["rates_hz"]["sst"]["mean"] == 0.0
    assert np.isnan(row["rates_hz"]["sst"]["ratio"])
    assert row["rates_hz"]["pyramidal"] == {
        "mean": 2.0, "sd": pytest.approx(np.nan, nan_ok=True), "ratio": 1.0,
        "ratio_sd": pytest.approx(np.nan, nan_ok=True),
    }  # fmt: skip
    assert np.isnan(row["gamma_ratio"])


def test_files_are_written_and_repeat(tmp_path: Path) -> None:
    places = [tmp_path / "new" / "a", tmp_path / "b"]
    for place in places:
        code, text, error = command(
            *SMALL, "--mean-block", "0.24", "--out", place, "--json", tmp_path / "n.json"
        )
        assert code == 0
        assert "mean block 0.24" in text
        assert str(place / "raster.svg") in error
    names = ["raster.png", "raster.svg", "spectra.png", "spectra.svg"]
    assert sorted(path.name for path in places[0].iterdir()) == names
    for name in names:
        assert (places[0] / name).read_bytes() == (places[1] / name).read_bytes()
    assert (places[0] / "raster.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads((tmp_path / "n.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert written == rows("--mean-block", "0.24")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--block", "pyramidl=0.2"], ["--block", "'pyramidal'"]),
        (["--block", "pv=1.2"], ["--block", "1.2", "0 to 1"]),
        (["--block", "pv=-0.1"], ["--block", "-0.1"]),
        (["--block", "pv=half"], ["'half'", "pv=0.4"]),
        (["--block", "pv"], ["'pv'", "pv=0.4"]),
        (["--block", "pv=0.2,PV=0.3"], ["twice"]),
        (["--mean-block", "1"], ["--mean-block", "below 1"]),
        (["--mean-block", "0.1,,0.2"], ["--mean-block", "''"]),
        (["--mean-block", "nan"], ["--mean-block", "'nan'"]),
        (["--mean-block", ",".join(f"0.{n:02}" for n in range(1, 15))], ["14", "12"]),
        (["--ic50", "5,2,1.5"], ["four values"]),
        (["--ic50", "5,2,1.5,0"], ["above 0"]),
        (["--block", "pv=0.2", "--ic50", "5,2,1.5,3"], ["--ic50", "--mean-block"]),
        (["--state", "kinetik"], ["--state", "'kinetic'"]),
        (["--trapped", "0.86"], ["--state kinetic"]),
        (["--state", "kinetic", "--trapped", "1.5"], ["--trapped", "1.5"]),
        (["--gaba-a-gain", "0"], ["--gaba-a-gain", "above 0"]),
        (["--sst-gain", "inf"], ["--sst-gain"]),
        (["--density", "-1"], ["--density", "-1"]),
        (["--seconds", "-2"], ["--seconds", "-2", "1 to 60"]),
        (["--seconds", "nan"], ["--seconds"]),
        (["--cells", "100"], ["--cells", "400"]),
        (["--cells", "many"], ["--cells", "'many'"]),
        (["--seeds", "0"], ["--seeds"]),
        (["--threads", "0"], ["--threads"]),
        (["--circuit", "secund"], ["--circuit", "'second'"]),
        (["--json", "no/such/folder.json"], ["--json"]),
    ],
)
def test_what_cannot_be_used_is_told_in_one_paragraph(words: list[str], said: list[str]) -> None:
    code, text, error = command(*words)
    assert code == 2
    assert text == ""
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    for part in said:
        assert part in error


def test_a_folder_that_cannot_be_written_is_refused_before_the_network_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_module, "build_network", lambda *_: pytest.fail("the network was built"))
    in_the_way = tmp_path / "file"
    in_the_way.write_text("", encoding="utf-8")
    code, _, error = command("--out", in_the_way / "below")
    assert code == 2
    assert "is a file" in error
    # A superuser may write anywhere, so the answer of the system is made up.
    monkeypatch.setattr("os.access", lambda *_: False)
    code, _, error = command("--out", tmp_path / "new")
    assert code == 2
    assert "--out" in error
    assert str(tmp_path) in error


def test_a_circuit_that_cannot_hold_its_rates_is_told() -> None:
    module = sys.modules["ketasim.circuit.ensemble"]
    module.load_circuit = lambda name: NetworkParameters(name, {"target_pyramidal": 300.0})  # type: ignore[attr-defined]
    code, _, error = command(*SMALL, "--mean-block", "0.24")
    assert code == 2
    assert "pyramidal cells have or need" in error


def test_ctrl_c_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(network_module, "run_tasks", stop)
    code, text, error = command(*SMALL, "--out", tmp_path / "new", "--json", tmp_path / "n.json")
    assert code == 130
    assert text == ""
    assert "nothing was written" in error
    assert list(tmp_path.iterdir()) == []


def test_compiled_work_is_never_done_by_the_thread_that_answers_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt inside compiled code would come out as a SystemError, with a traceback."""
    threads = []
    inside = network_module.SpikingNetwork._integrate

    def noted(*arguments: Any, **named: Any) -> Any:
        threads.append(threading.current_thread())
        return inside(*arguments, **named)

    monkeypatch.setattr(network_module.SpikingNetwork, "_integrate", noted)
    assert command(*SMALL, "--mean-block", "0.24", "--out", tmp_path)[0] == 0
    # Three rounds for the drive, one at rest, two settings with two seeds, and a raster of each.
    assert len(threads) >= 10
    assert threading.main_thread() not in threads


def test_the_command_alone_loads_no_network() -> None:
    code = (
        "import sys, ketasim.cli.circuit; print({'numba', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip() == "set()"


def test_a_state_that_is_not_given_is_the_networks_own() -> None:
    assert channel_state("fixed", None) == ChannelState()
    assert channel_state("kinetic", None) == ChannelState(kinetic=True)
    assert channel_state("kinetic", 0.86) == ChannelState(kinetic=True, trapped=0.86)
