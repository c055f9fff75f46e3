"""Trials: study files, who is in them, what is scored, and what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader

if TYPE_CHECKING:
    from ketasim.trials.comparison import compare
    from ketasim.trials.conduct.trial import Trial
    from ketasim.trials.endpoints import summarise
    from ketasim.trials.planned.analyse import analyse
    from ketasim.trials.study import Study, study_schema
    from ketasim.trials.study.catalogue import shipped_studies
    from ketasim.trials.study.check import check_study
    from ketasim.trials.study.template import new_study_text
    from ketasim.trials.works import load_work, shipped_works, works_in

__all__ = [
    "Study",
    "Trial",
    "analyse",
    "check_study",
    "compare",
    "load_work",
    "new_study_text",
    "shipped_studies",
    "shipped_works",
    "study_schema",
    "summarise",
    "works_in",
]

#: Where each public name lives. Scoring, which one person needs too, must not wait for study files.
_HOMES = {
    "ketasim.trials.planned.analyse": ("analyse",),
    "ketasim.trials.study.catalogue": ("shipped_studies",),
    "ketasim.trials.comparison": ("compare",),
    "ketasim.trials.endpoints": ("summarise",),
    "ketasim.trials.study": ("Study", "study_schema"),
    "ketasim.trials.study.check": ("check_study",),
    "ketasim.trials.study.template": ("new_study_text",),
    "ketasim.trials.conduct.trial": ("Trial",),
    "ketasim.trials.works": ("load_work", "shipped_works", "works_in"),
}

# Hidden from type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(__name__, _HOMES)
