"""What a model of biology must beat: no effect, the mean of comparable studies, a clinical K-PD model."""

from __future__ import annotations

from collections.abc import Iterable

from ketasim.validation.baselines.comparable import Comparable
from ketasim.validation.baselines.facts import RowFacts, facts_of
from ketasim.validation.baselines.kpd import Kpd, load_kpd
from ketasim.validation.baselines.kpd_fit import KpdFit, fit_kpd, write_kpd
from ketasim.validation.baselines.no_effect import NoEffect
from ketasim.validation.baselines.normal import Baseline, Normal

__all__ = [
    "Baseline",
    "Comparable",
    "Kpd",
    "KpdFit",
    "NoEffect",
    "Normal",
    "RowFacts",
    "baselines",
    "facts_of",
    "fit_kpd",
    "load_kpd",
    "write_kpd",
]


def baselines(rows: Iterable[RowFacts]) -> tuple[Baseline, ...]:
    """The three baselines, those without a table of their own given the calibration rows among these.

    Parameters
    ----------
    rows : iterable of RowFacts
        Any rows; only measured calibration rows are used.
    """
    training = tuple(row for row in rows if row.is_calibration)
    kpd = Kpd({item.name: item.value for item in load_kpd()})
    return NoEffect(training), Comparable(training), kpd
