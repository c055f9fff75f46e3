"""Prefrontal circuit: a spiking network, an ensemble of circuits, and their closed-form surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader
from ketasim.circuit.formulas import CLASSES, INPUTS, OUTPUTS

if TYPE_CHECKING:
    from ketasim.circuit.blocks import blocks_at, blocks_at_mean, subunit_blocks
    from ketasim.circuit.condition import ChannelState, Condition
    from ketasim.circuit.ensemble import (
        Circuit,
        Ensemble,
        circuit_names,
        depressed_condition,
        load_circuit,
        load_ensemble,
    )
    from ketasim.circuit.measures import NetworkActivity, swap
    from ketasim.circuit.network import SpikingNetwork, Task, build_network, load_network, run_tasks
    from ketasim.circuit.parameters import NetworkParameters, draw_parameters, network_table
    from ketasim.circuit.ridge import evaluate

__all__ = [
    "CLASSES",
    "INPUTS",
    "OUTPUTS",
    "ChannelState",
    "Circuit",
    "Condition",
    "Ensemble",
    "NetworkActivity",
    "NetworkParameters",
    "SpikingNetwork",
    "Task",
    "blocks_at",
    "blocks_at_mean",
    "build_network",
    "circuit_names",
    "depressed_condition",
    "draw_parameters",
    "evaluate",
    "load_circuit",
    "load_ensemble",
    "load_network",
    "network_table",
    "run_tasks",
    "subunit_blocks",
    "swap",
]


# Late, because the chain needs the names alone, and the network brings a compiler. Hidden from type checkers,
# which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(
        __name__,
        {
            "ketasim.circuit.blocks": ("blocks_at", "blocks_at_mean", "subunit_blocks"),
            "ketasim.circuit.condition": ("ChannelState", "Condition"),
            "ketasim.circuit.ensemble": (
                "Circuit",
                "Ensemble",
                "circuit_names",
                "depressed_condition",
                "load_circuit",
                "load_ensemble",
            ),
            "ketasim.circuit.measures": ("NetworkActivity", "swap"),
            "ketasim.circuit.network": (
                "SpikingNetwork",
                "Task",
                "build_network",
                "load_network",
                "run_tasks",
            ),
            "ketasim.circuit.parameters": ("NetworkParameters", "draw_parameters", "network_table"),
            "ketasim.circuit.ridge": ("evaluate",),
        },
    )
