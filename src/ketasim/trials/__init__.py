"""Trials: study files, who is in them, what is scored, and what comes out."""

from __future__ import annotations

from ketasim.trials.catalogue import shipped_studies
from ketasim.trials.comparison import compare
from ketasim.trials.endpoints import summarise
from ketasim.trials.study import Study, study_schema
from ketasim.trials.study_check import check_study
from ketasim.trials.template import new_study_text
from ketasim.trials.trial import Trial

__all__ = [
    "Study",
    "Trial",
    "check_study",
    "compare",
    "new_study_text",
    "shipped_studies",
    "study_schema",
    "summarise",
]
