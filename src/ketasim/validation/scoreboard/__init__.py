"""The scoreboard: every published row beside the model's predictive distribution, and beside baselines."""

from __future__ import annotations

from ketasim.validation.scoreboard.board import Scoreboard, load_reasons
from ketasim.validation.scoreboard.markdown import board_markdown
from ketasim.validation.scoreboard.metrics import coverage_curve, interval_score, summarise_rows
from ketasim.validation.scoreboard.run import (
    DOMAINS,
    board_of,
    predict_all,
    read_works,
    shipped_facts,
    validate,
)
from ketasim.validation.scoreboard.signs import balanced_accuracy

__all__ = [
    "DOMAINS",
    "Scoreboard",
    "balanced_accuracy",
    "board_markdown",
    "board_of",
    "coverage_curve",
    "interval_score",
    "load_reasons",
    "predict_all",
    "read_works",
    "shipped_facts",
    "summarise_rows",
    "validate",
]
