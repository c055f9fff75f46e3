"""Networks and what Ketasim finds, for the peers to read: ``python -m crosscheck.cases FOLDER``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ketasim.brain import BrainModel, Influence, brain_model, fixed_point, load_node_parameters
from ketasim.brain.simulation import simulate
from ketasim.brain.synthetic import synthetic_connectome
from ketasim.circuit.condition import Condition
from ketasim.circuit.network import STEP_MS, WARM_MS, SpikingNetwork, Task, load_network, run_tasks
from ketasim.circuit.parameters import INTERNEURONS
from ketasim.circuit.wiring import FULL_SIZE

__all__ = ["BLOCKS", "brain_arrays", "brain_case", "circuit_arrays", "circuit_network", "peer_brain"]

#: Block of pyramidal, PV, SST and VIP cells: none, at the clinical dose, and deep.
BLOCKS = {
    "rest": (0.0, 0.0, 0.0, 0.0),
    "clinical": (0.21, 0.40, 0.47, 0.31),
    "deep": (0.77, 0.89, 0.92, 0.85),
}
SEEDS = tuple(range(1, 7))
DURATION_MS = 3000.0
BRAIN_REGIONS = 60
BRAIN_SEEDS = (1, 2, 3, 4, 5)
BRAIN_SECONDS, BRAIN_TRANSIENT = 144.0, 14.4
BRAIN_STEP, BRAIN_REPETITION = 1e-3, 0.72
#: Block of NMDA receptors of excitatory and inhibitory cells.
BRAIN_BLOCKS = {"rest": (0.0, 0.0), "clinical": (0.21, 0.40)}


def circuit_network() -> SpikingNetwork:
    """Return the circuit that the chain reads."""
    return load_network()


def circuit_arrays(
    network: SpikingNetwork, blocks: Sequence[Sequence[float]], seeds: Sequence[int], duration: float
) -> dict[str, Any]:
    """Everything that another program needs to run a network.

    Parameters
    ----------
    network : SpikingNetwork
        Which.
    blocks : sequence of four floats each
        Block of each class in each condition.
    seeds : sequence of int
        Of the external events.
    duration : float
        Length of a run in ms.

    Returns
    -------
    dict of str to array
        Conductances in nS, potentials in mV, currents in pA, times in ms, drive in events per ms.
    """
    p, wires = network.parameters, network.wiring
    scale = FULL_SIZE / wires.cells
    decays = [p.value(name) for name in ("ampa_decay", "nmda_decay", "gabab_decay")]
    return {
        "edges": wires.edges,
        "pointers": np.append(wires.segments[:, 0], wires.segments[-1, -1]),
        "targets": wires.targets,
        "offset": wires.threshold_offset.astype(np.float64),
        "cell": p.cells(),
        "ampa": p.of_classes("ampa") * scale,
        "nmda": p.of_classes("nmda") * scale,
        "gaba": p.inhibition() * scale,
        "gabab": p.of_classes("gabab") * scale,
        "external_ampa": p.of_classes("external_ampa"),
        "external_nmda": p.of_classes("external_nmda"),
        "drive": network.drive,
        "decays": np.array([*decays, *p.of_classes("gaba_decay", INTERNEURONS)]),
        "magnesium": p.value("magnesium"),
        "gate_step": p.value("nmda_gate_step"),
        "delay": p.value("delay"),
        "dt": STEP_MS,
        "warm": WARM_MS,
        "duration": duration,
        "blocks": np.array(blocks),
        "seeds": np.array(seeds),
    }


def circuit_case() -> dict[str, Any]:
    """The network under all blocks, with the rates in Hz that Ketasim finds: (conditions, seeds, classes)."""
    network = circuit_network()
    blocks = list(BLOCKS.values())
    tasks = [Task(Condition(block=block), seed, DURATION_MS) for block in blocks for seed in SEEDS]
    rates = np.array([activity.rates for activity in run_tasks(network, tasks)])
    arrays = circuit_arrays(network, blocks, SEEDS, DURATION_MS)
    return arrays | {"names": np.array(list(BLOCKS)), "rates": rates.reshape(len(blocks), len(SEEDS), -1)}


def peer_brain(regions: int, strongest: bool = False) -> BrainModel:
    """A model that neurolib can compute too.

    neurolib has one weight of local inhibition for all regions, and its Wong-Wang model reads the decay of
    the excitatory gate where that of the inhibitory one is meant. Here both are given to Ketasim as well. The
    one weight is the mean over regions, or the largest, with which no region can run away.
    """
    node = load_node_parameters()
    node = replace(node, time_inhibitory=node.time_excitatory)
    # A receptor map would make the block differ between regions.
    connectome = replace(synthetic_connectome(regions), nmda=None)
    # Half the weights: with all of them the slow inhibition lets regions run away.
    model = brain_model(connectome, node, weights=0.5 * connectome.weights)
    one = model.inhibition.max() if strongest else model.inhibition.mean()
    return replace(model, inhibition=np.full(regions, one))


def brain_arrays(model: BrainModel, influences: Sequence[Influence]) -> dict[str, Any]:
    """What neurolib needs: the weights, and each condition in its own parameters, in ms, nA and kHz."""
    node = model.node
    found: list[dict[str, float]] = []
    for influence in influences:
        terms = model.terms(influence)
        onto_i = float(terms.local_inhibitory[0])
        ratio = float(terms.remote_excitatory.sum() / model.weights.sum()) / node.global_coupling / onto_i
        found.append(
            {
                "J_NMDA": onto_i,
                "w_ee": float(terms.local_excitatory[0]) / onto_i,
                "K_gl": node.global_coupling * ratio,
                "J_I": float(terms.inhibition[0]),
                "w_exc": 1.0,
                "w_inh": 1.0,
                "exc_current": float(terms.drive_excitatory[0]),
                "inh_current": float(terms.drive_inhibitory[0]),
            }
        )
    fixed = {
        "a_exc": node.gain_excitatory / 1000.0,
        "b_exc": node.threshold_excitatory / 1000.0,
        "d_exc": node.curvature_excitatory * 1000.0,
        "a_inh": node.gain_inhibitory / 1000.0,
        "b_inh": node.threshold_inhibitory / 1000.0,
        "d_inh": node.curvature_inhibitory * 1000.0,
        "tau_exc": node.time_excitatory * 1000.0,
        "tau_inh": node.time_inhibitory * 1000.0,
        "gamma_exc": node.opening,
    }
    return {
        "weights": model.weights,
        "noise": node.noise,
        "fixed_names": np.array(list(fixed)),
        "fixed": np.array(list(fixed.values())),
        "changing_names": np.array(list(found[0])),
        "changing": np.array([list(one.values()) for one in found]),
        "step": BRAIN_STEP,
        "repetition": BRAIN_REPETITION,
    }


def brain_case() -> dict[str, Any]:
    """The whole brain at its fixed point and in simulations; rates in Hz, excitatory ones first."""
    model = peer_brain(BRAIN_REGIONS)
    influences = [Influence(block_excitatory=e, block_inhibitory=i) for e, i in BRAIN_BLOCKS.values()]
    rested = [fixed_point(model, influence) for influence in influences]
    runs = [
        [
            simulate(
                model,
                influence,
                BRAIN_SECONDS,
                seed,
                step=BRAIN_STEP,
                repetition=BRAIN_REPETITION,
                transient=BRAIN_TRANSIENT,
            )
            for seed in BRAIN_SEEDS
        ]
        for influence in influences
    ]
    return brain_arrays(model, influences) | {
        "names": np.array(list(BRAIN_BLOCKS)),
        "seeds": np.array(BRAIN_SEEDS),
        "seconds": BRAIN_SECONDS,
        "transient": BRAIN_TRANSIENT,
        "fixed_rates": np.array([[found.rate_e, found.rate_i] for found in rested]),
        "rates": np.array([[[run.rate_e, run.rate_i] for run in row] for row in runs]),
    }


def main() -> None:
    """Write both cases."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "circuit.npz", **circuit_case())
    np.savez(folder / "brain.npz", **brain_case())


if __name__ == "__main__":
    main()
