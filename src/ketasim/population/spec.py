"""Who is let into a trial: what is reported of them, and the distributions behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ketasim.errors import StudyError, unknown_name
from ketasim.model.parameters import Correlation
from ketasim.population.baselines import BaselineRow, BaselineTable, load_table
from ketasim.population.correlations import check_definite, joined_correlations
from ketasim.population.covariates import ANCESTRIES, COVARIATES
from ketasim.population.margins import Alleles, Classes, Counts, Fixed, LogNormal, Margin, Normal, Share
from ketasim.population.rules import EntryRule, entry_rules
from ketasim.population.truncation import Parent, parent_normal

__all__ = ["SCALE_MAXIMUM", "PopulationSpec"]

#: Highest total of the scales in which a baseline may be given.
SCALE_MAXIMUM: Mapping[str, float] = {"madrs": 60.0, "hamd17": 52.0}

#: Covariates whose logarithm is normal.
_LOG_NORMAL = ("weight", "crp")
#: Counted alleles, whose share is the frequency of the allele.
_ALLELES = ("cyp2b6_6", "val66met")


@dataclass(frozen=True)
class PopulationSpec:
    """Who is let into a trial.

    Parameters
    ----------
    baseline_mean, baseline_sd : float
        Scored total of those who entered, in points.
    scale : str
        ``madrs`` or ``hamd17``.
    entry_lower, entry_upper : float or None
        Lowest and highest total with which a person may enter; None without a limit.
    table : str
        Shipped baseline table that gives all covariates which are not given here.
    continuous : mapping of str to tuple of float
        Mean and SD of a covariate of those who entered, in its unit. They hold within the
        limits of the table and the rules of ``entry`` on that covariate.
    fractions : mapping of str to float
        Share of people who have 1 (``female``, ``hypertension``, an ancestry), or frequency of
        an allele (``cyp2b6_6``), among those who come to be screened.
    correlations : sequence of (str, str, float)
        Correlations of the normal numbers behind two covariates; they replace those shipped.
    entry : sequence of (str, str, float)
        Covariate, one of ``>=``, ``>``, ``<=``, ``<``, and a value: who may enter.

    Raises
    ------
    StudyError
        If a value is impossible or a name is unknown; the message names the field.
    """

    baseline_mean: float
    baseline_sd: float
    scale: str = "madrs"
    entry_lower: float | None = None
    entry_upper: float | None = None
    table: str = "mdd_trials"
    continuous: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fractions: Mapping[str, float] = field(default_factory=dict)
    correlations: Sequence[tuple[str, str, float]] = ()
    entry: Sequence[tuple[str, str, float]] = ()

    def __post_init__(self) -> None:
        if self.scale not in SCALE_MAXIMUM:
            raise StudyError(f"population: baseline: {unknown_name('scale', self.scale, SCALE_MAXIMUM)}")
        lower, upper = self.limits
        if not lower < upper:
            raise StudyError(
                f"population: entry limits {lower:g} and {upper:g}: the lower one must be below the "
                f"upper one and both within 0 to {self.scale_maximum:g}."
            )
        self._check_continuous()
        self._check_fractions()
        # Reading the rules checks them.
        _ = self.rules
        for name, margin in self.margins.items():
            try:
                if isinstance(margin, Normal | LogNormal | Counts):
                    # Finding it once says whether there is one.
                    _ = margin.parent
            except StudyError as error:
                raise StudyError(f"population: {name}: {error}") from error
        check_definite(self.all_correlations, self.correlations)

    @classmethod
    def of_table(cls, name: str, **changes: Any) -> PopulationSpec:
        """Return the population of a shipped table, its score at entry included.

        Parameters
        ----------
        name : str
            Name of the table.
        **changes
            Other fields, or other values of these.
        """
        table = load_table(name)
        own: dict[str, Any] = {
            "baseline_mean": table.baseline_mean,
            "baseline_sd": table.baseline_sd,
            "scale": table.scale,
            "entry_lower": table.entry_lower,
            "table": name,
        }
        return cls(**{**own, **changes})

    @property
    def scale_maximum(self) -> float:
        """Highest total of the scale, in points."""
        return SCALE_MAXIMUM[self.scale]

    @property
    def limits(self) -> tuple[float, float]:
        """Entry limits, within the scale."""
        lower = 0.0 if self.entry_lower is None else max(0.0, self.entry_lower)
        upper = self.scale_maximum if self.entry_upper is None else min(self.scale_maximum, self.entry_upper)
        return lower, upper

    @property
    def entry_reason(self) -> str:
        """The entry rule on the score as text; empty without one."""
        parts = []
        if self.entry_lower is not None:
            parts.append(f"{self.scale} >= {self.entry_lower:g}")
        if self.entry_upper is not None:
            parts.append(f"{self.scale} <= {self.entry_upper:g}")
        return " and ".join(parts)

    def parent(self) -> Parent:
        """Return the normal population that shows this baseline between the entry limits.

        The limits are moved where no normal distribution could show the reported mean and
        SD between them; see :func:`parent_normal`.
        """
        ends = (0.0, self.scale_maximum)
        try:
            return parent_normal(self.baseline_mean, self.baseline_sd, *self.limits, ends)
        except StudyError as error:
            raise StudyError(f"population: baseline: {error}") from error

    @cached_property
    def rules(self) -> tuple[EntryRule, ...]:
        """Rules on covariates."""
        return entry_rules(self.entry)

    @cached_property
    def baseline_table(self) -> BaselineTable:
        """The shipped table behind it."""
        return load_table(self.table)

    @cached_property
    def all_correlations(self) -> tuple[Correlation, ...]:
        """Those shipped, with the given ones in place of them."""
        return joined_correlations(self.correlations)

    @cached_property
    def margins(self) -> Mapping[str, Margin]:
        """Distribution of each covariate but the ancestries, in the order of :data:`COVARIATES`."""
        return {name: self._margin(name) for name in COVARIATES if name not in ANCESTRIES}

    @cached_property
    def ancestry_shares(self) -> tuple[float, ...]:
        """Shares of :data:`ANCESTRIES`; those given, and the others in the table's proportions."""
        of_table = {name: self.baseline_table.of(name)[0].share for name in ANCESTRIES}
        given = {name: self.fractions[name] for name in ANCESTRIES if name in self.fractions}
        left = 1.0 - sum(given.values())
        others = sum(share for name, share in of_table.items() if name not in given)
        scale = left / others if others > 0.0 else 0.0
        return tuple(given.get(name, of_table[name] * scale) for name in ANCESTRIES)

    def _margin(self, name: str) -> Margin:
        rows = self.baseline_table.of(name)
        if name in self.fractions:
            share = float(self.fractions[name])
            return Alleles(share) if name in _ALLELES else Share(share)
        if name in _ALLELES:
            groups = tuple((row.group, row.share) for row in rows if row.group)
            return Alleles(next(row.share for row in rows if not row.group), groups)
        if name == "hepatic_impairment":
            return Classes(tuple(row.share for row in sorted(rows, key=lambda row: row.group)))
        if COVARIATES[name].kind == "binary":
            return Share(rows[0].share)
        return self._measured(name, rows[0])

    def _measured(self, name: str, row: BaselineRow) -> Margin:
        """Distribution of a covariate with mean and SD."""
        lower, upper, mean, sd = row.lower, row.upper, row.mean, row.sd
        window = (lower, upper)
        if name in self.continuous:
            mean, sd = (float(number) for number in self.continuous[name])
            window = self._window(name, mean, window)
            lower, upper = min(lower, window[0]), max(upper, window[1])
        if sd == 0.0:
            return Fixed(mean)
        kind = LogNormal if name in _LOG_NORMAL else Counts if COVARIATES[name].kind == "ordinal" else Normal
        return kind(mean, sd, lower, upper, window)

    def _window(self, name: str, mean: float, table: tuple[float, float]) -> tuple[float, float]:
        """Limits within which a study's own mean and SD hold: its rules, else those of the table.

        A study's mean outside the limits of the table says that they are not its own.
        """
        covariate = COVARIATES[name]
        human = (covariate.low, covariate.high)
        usual = table if table[0] < mean < table[1] else human
        bounds = human
        for rule in self.rules:
            if rule.covariate == name:
                bounds = rule.narrowed(bounds)
        lower, upper = (
            own if own != end else free for own, end, free in zip(bounds, human, usual, strict=True)
        )
        return lower, upper

    def _check_continuous(self) -> None:
        measured = [name for name in COVARIATES if self._has_mean(name)]
        for name, moments in self.continuous.items():
            where = f"population: covariates: {name}"
            if name not in COVARIATES:
                raise StudyError(f"population: covariates: {unknown_name('covariate', name, COVARIATES)}")
            if name not in measured:
                raise StudyError(
                    f"{where}: it has no mean; give a share under fractions. Those with a mean are "
                    f"{', '.join(measured)}."
                )
            if len(moments) != 2 or not all(math.isfinite(number) for number in moments):
                raise StudyError(f"{where}: {moments!r} is not a mean and an SD.")
            mean, sd = moments
            low, high = COVARIATES[name].low, COVARIATES[name].high
            if not (low <= mean <= high and sd >= 0.0):
                raise StudyError(
                    f"{where}: mean {mean:g} and SD {sd:g} {COVARIATES[name].unit}: the mean must lie "
                    f"between {low:g} and {high:g} {COVARIATES[name].unit} and the SD must not be negative."
                )

    @staticmethod
    def _has_mean(name: str) -> bool:
        kind = COVARIATES[name].kind
        return kind == "continuous" or name == "failed_treatments"

    def _check_fractions(self) -> None:
        for name, share in self.fractions.items():
            if name not in COVARIATES:
                raise StudyError(f"population: fractions: {unknown_name('covariate', name, COVARIATES)}")
            if self._has_mean(name) or name == "hepatic_impairment":
                raise StudyError(
                    f"population: fractions: {name}: it is no share of people; give it a mean and an SD "
                    "(hepatic_impairment: choose another table or an entry rule)."
                )
            if not (math.isfinite(share) and 0.0 <= share <= 1.0):
                raise StudyError(
                    f"population: fractions: {name} {share!r} is not between 0 and 1; "
                    "write a fraction such as 0.68, not a percentage."
                )
        total = sum(self.fractions[name] for name in ANCESTRIES if name in self.fractions)
        every = all(name in self.fractions for name in ANCESTRIES)
        if total > 1.0 + 1e-9 or (every and abs(total - 1.0) > 1e-9):
            raise StudyError(
                f"population: fractions: the shares of ancestry sum to {total:g}; they must sum to 1."
            )
