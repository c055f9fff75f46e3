"""How much the model's success hangs on its parts: padding, ablation, permutation, corruption, recovery."""

from __future__ import annotations

from ketasim.inference.robustness.ablation import Contest, compare, group_of, symptom_works
from ketasim.inference.robustness.corruption import Corrupted, Rows, corrupt, flags, score_flags
from ketasim.inference.robustness.delay import DelayFit, delay_chain, delay_parameters, fit_delay
from ketasim.inference.robustness.differences import Difference, mean_difference
from ketasim.inference.robustness.padding import padding_table
from ketasim.inference.robustness.permutation import permuted_draws
from ketasim.inference.robustness.synthetic import (
    Coverage,
    Recovered,
    coverage,
    informed,
    synthetic_calibration,
)

__all__ = [
    "Contest",
    "Corrupted",
    "Coverage",
    "DelayFit",
    "Difference",
    "Recovered",
    "Rows",
    "compare",
    "corrupt",
    "coverage",
    "delay_chain",
    "delay_parameters",
    "fit_delay",
    "flags",
    "group_of",
    "informed",
    "mean_difference",
    "padding_table",
    "permuted_draws",
    "score_flags",
    "symptom_works",
    "synthetic_calibration",
]
