"""The whole brain: mean-field regions on a connectome, their connectivity, and what acts on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader

if TYPE_CHECKING:
    from ketasim.brain.adapters import AvailableConnectome, available_connectomes, load_connectome
    from ketasim.brain.conditions import Conditions, load_conditions
    from ketasim.brain.connectome import NETWORKS, ROLES, Connectome, mirror_pairs, pairs_by_name, symmetric
    from ketasim.brain.couplings import (
        COUPLINGS,
        Coupling,
        coupling,
        expected_influences,
        feedforward_inhibition,
    )
    from ketasim.brain.criticality import EIGENVALUE_LIMIT, RATE_CHANGE_LIMIT, Safety, dose_influences, safety
    from ketasim.brain.effective import (
        EffectiveConnectivity,
        FitStep,
        fit_effective_connectivity,
        strongest_safe_weights,
    )
    from ketasim.brain.files import connectome_from_files
    from ketasim.brain.fit_scores import (
        FitScore,
        PeopleScores,
        PersonScore,
        mean_correlations,
        score,
        score_people,
    )
    from ketasim.brain.haemodynamics import Haemodynamics, load_haemodynamics
    from ketasim.brain.illness import HEALTHY, BrainState, DensityCourse, density_course, depressed
    from ketasim.brain.influence import Influence
    from ketasim.brain.linear import LinearConnectivity, linear_connectivity
    from ketasim.brain.model import BrainModel, FixedPoint, brain_model, fixed_point, readapt_inhibition
    from ketasim.brain.node_fit import NodeFit, NodeTarget, fit_node, load_node_targets, write_node_parameters
    from ketasim.brain.parameters import NodeParameters, load_node_parameters
    from ketasim.brain.people import SyntheticPeople, synthetic_people
    from ketasim.brain.readouts import (
        READOUTS,
        ReadOut,
        communication_loss,
        fisher_z,
        network_readouts,
        prefrontal,
        without_global_signal,
    )
    from ketasim.brain.rule import NO_COUPLING, Verdict, VerdictRow, decide, state_after
    from ketasim.brain.scores import Score, score_rows
    from ketasim.brain.sensitivity import SensitivityRow, rule_sensitivity
    from ketasim.brain.simulation import BrainRun, simulate
    from ketasim.brain.synthetic import synthetic_connectome
    from ketasim.brain.tabulate import BrainSurfaces, load_surfaces, tabulate_brain, write_surfaces
    from ketasim.brain.wiring import Wiring, estimate_wiring

__all__ = [
    "COUPLINGS",
    "EIGENVALUE_LIMIT",
    "HEALTHY",
    "NETWORKS",
    "NO_COUPLING",
    "RATE_CHANGE_LIMIT",
    "READOUTS",
    "ROLES",
    "AvailableConnectome",
    "BrainModel",
    "BrainRun",
    "BrainState",
    "BrainSurfaces",
    "Conditions",
    "Connectome",
    "Coupling",
    "DensityCourse",
    "EffectiveConnectivity",
    "FitScore",
    "FitStep",
    "FixedPoint",
    "Haemodynamics",
    "Influence",
    "LinearConnectivity",
    "NodeFit",
    "NodeParameters",
    "NodeTarget",
    "PeopleScores",
    "PersonScore",
    "ReadOut",
    "Safety",
    "Score",
    "SensitivityRow",
    "SyntheticPeople",
    "Verdict",
    "VerdictRow",
    "Wiring",
    "available_connectomes",
    "brain_model",
    "communication_loss",
    "connectome_from_files",
    "coupling",
    "decide",
    "density_course",
    "depressed",
    "dose_influences",
    "estimate_wiring",
    "expected_influences",
    "feedforward_inhibition",
    "fisher_z",
    "fit_effective_connectivity",
    "fit_node",
    "fixed_point",
    "linear_connectivity",
    "load_conditions",
    "load_connectome",
    "load_haemodynamics",
    "load_node_parameters",
    "load_node_targets",
    "load_surfaces",
    "mean_correlations",
    "mirror_pairs",
    "network_readouts",
    "pairs_by_name",
    "prefrontal",
    "readapt_inhibition",
    "rule_sensitivity",
    "safety",
    "score",
    "score_people",
    "score_rows",
    "simulate",
    "state_after",
    "strongest_safe_weights",
    "symmetric",
    "synthetic_connectome",
    "synthetic_people",
    "tabulate_brain",
    "without_global_signal",
    "write_node_parameters",
    "write_surfaces",
]

# Late, because the whole brain needs SciPy and Numba, which most commands do without.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(
        __name__,
        {
            "ketasim.brain.adapters": (
                "AvailableConnectome",
                "available_connectomes",
                "load_connectome",
            ),
            "ketasim.brain.conditions": (
                "Conditions",
                "load_conditions",
            ),
            "ketasim.brain.connectome": (
                "NETWORKS",
                "ROLES",
                "Connectome",
                "mirror_pairs",
                "pairs_by_name",
                "symmetric",
            ),
            "ketasim.brain.couplings": (
                "COUPLINGS",
                "Coupling",
                "coupling",
                "expected_influences",
                "feedforward_inhibition",
            ),
            "ketasim.brain.criticality": (
                "EIGENVALUE_LIMIT",
                "RATE_CHANGE_LIMIT",
                "Safety",
                "dose_influences",
                "safety",
            ),
            "ketasim.brain.effective": (
                "EffectiveConnectivity",
                "FitStep",
                "fit_effective_connectivity",
                "strongest_safe_weights",
            ),
            "ketasim.brain.files": ("connectome_from_files",),
            "ketasim.brain.fit_scores": (
                "FitScore",
                "PeopleScores",
                "PersonScore",
                "mean_correlations",
                "score",
                "score_people",
            ),
            "ketasim.brain.haemodynamics": (
                "Haemodynamics",
                "load_haemodynamics",
            ),
            "ketasim.brain.illness": (
                "HEALTHY",
                "BrainState",
                "DensityCourse",
                "density_course",
                "depressed",
            ),
            "ketasim.brain.influence": ("Influence",),
            "ketasim.brain.linear": (
                "LinearConnectivity",
                "linear_connectivity",
            ),
            "ketasim.brain.model": (
                "BrainModel",
                "FixedPoint",
                "brain_model",
                "fixed_point",
                "readapt_inhibition",
            ),
            "ketasim.brain.node_fit": (
                "NodeFit",
                "NodeTarget",
                "fit_node",
                "load_node_targets",
                "write_node_parameters",
            ),
            "ketasim.brain.parameters": (
                "NodeParameters",
                "load_node_parameters",
            ),
            "ketasim.brain.people": (
                "SyntheticPeople",
                "synthetic_people",
            ),
            "ketasim.brain.readouts": (
                "READOUTS",
                "ReadOut",
                "communication_loss",
                "fisher_z",
                "network_readouts",
                "prefrontal",
                "without_global_signal",
            ),
            "ketasim.brain.rule": (
                "NO_COUPLING",
                "Verdict",
                "VerdictRow",
                "decide",
                "state_after",
            ),
            "ketasim.brain.scores": (
                "Score",
                "score_rows",
            ),
            "ketasim.brain.sensitivity": (
                "SensitivityRow",
                "rule_sensitivity",
            ),
            "ketasim.brain.simulation": (
                "BrainRun",
                "simulate",
            ),
            "ketasim.brain.synthetic": ("synthetic_connectome",),
            "ketasim.brain.tabulate": (
                "BrainSurfaces",
                "load_surfaces",
                "tabulate_brain",
                "write_surfaces",
            ),
            "ketasim.brain.wiring": (
                "Wiring",
                "estimate_wiring",
            ),
        },
    )
