"""What is scored: placebo and expectancy, belief, scales, and effects between studies."""

from __future__ import annotations

from ketasim.trials.scoring.expectancy import (
    Expectation,
    Relief,
    ScoringParameters,
    Setting,
    belief,
    believed,
    error_sd,
    expectation,
    load_scoring_parameters,
    placebo,
    relief,
    score,
    shared,
    visit_starts,
)

__all__ = [
    "Expectation",
    "Relief",
    "ScoringParameters",
    "Setting",
    "belief",
    "believed",
    "error_sd",
    "expectation",
    "load_scoring_parameters",
    "placebo",
    "relief",
    "score",
    "shared",
    "visit_starts",
]
