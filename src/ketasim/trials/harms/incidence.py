"""Adverse events as a publication prints them: how many people of each arm had which, and how often."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.analysis.binary import risk_difference
from ketasim.trials.analysis.number_needed import number_needed
from ketasim.trials.harms.events import load_harms

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["incidence_table", "printed_incidences"]

_WEEK_H = 168.0
_DIFFERENCE, _NEEDED = ", % (95 % CI)", ", NNH"
_PERSON = ["replicate", "subject"]
_EVENT_COLUMNS = ("replicate", "subject", "time_h", "kind", "detail")
_PATIENT_COLUMNS = ("replicate", "subject", "arm")


def incidence_table(
    events: pd.DataFrame,
    patients: pd.DataFrame,
    *,
    comparator: str | None = None,
    threshold: float = 0.05,
    by_week: bool = False,
    replicate: int | None = None,
) -> pd.DataFrame:
    """Count adverse events by arm, and compare every arm with one of them.

    Parameters
    ----------
    events : pandas.DataFrame
        Columns ``replicate, subject, time_h, kind, detail``; rows of kind ``adverse_event`` are counted,
        with the name of the harm in ``detail``.
    patients : pandas.DataFrame
        A row a person, with ``replicate, subject, arm``. For ``by_week`` also ``left_h``: when he left the
        trial, in hours, null if he did not.
    comparator : str, optional
        The arm to compare with; without it nothing is compared.
    threshold : float
        Terms are shown that at least this share of the people of some arm had, at some time; 0 shows all.
    by_week : bool
        Whether to count each week apart; people who left before a week are not in its denominator.
    replicate : int, optional
        One trial; default: the people of all replicates together, whose intervals are then those of one
        trial of that size.

    Returns
    -------
    pandas.DataFrame
        A row a term, week and arm: ``term, harm, week`` (0 for the whole time), ``arm, n, persons,
        percent`` (of people with at least one), ``events, comparator, risk_difference, low, high``
        (Miettinen-Nurminen, 95 %), ``nnh`` (people treated for one more to have it; negative if fewer have
        it, infinite at no difference) and ``nnh_text``, with limits. Terms are in order of the largest share
        in any arm; where nothing is compared, ``comparator`` is empty and the numbers are null.

    Raises
    ------
    StudyError
        If a column is missing, nobody is there, an arm is unknown or the threshold is no share.
    """
    chosen, people = _checked(events, patients, threshold, replicate)
    arms = list(dict.fromkeys(people["arm"]))
    if comparator is not None and comparator not in arms:
        raise StudyError(f"comparator: {unknown_name('arm', comparator, map(str, arms))}")
    # The arm of the person counts: an event may carry the treatment he was switched to.
    chosen = chosen[list(_EVENT_COLUMNS)].merge(
        people[[*_PERSON, "arm"]], on=_PERSON, how="inner", validate="many_to_one"
    )
    shown = _shown(chosen, people, threshold)
    weeks = [(0, chosen, people)]
    if by_week:
        weeks = _weeks(chosen, people)
    rows = [
        row
        for name in shown
        for week, happened, present in weeks
        for row in _term_rows(name, week, happened, present, arms, comparator)
    ]
    return _frame(rows)


def printed_incidences(table: pd.DataFrame) -> pd.DataFrame:
    """Lay a table of incidences out as a publication prints it.

    Parameters
    ----------
    table : pandas.DataFrame
        What :func:`incidence_table` gave.

    Returns
    -------
    pandas.DataFrame
        Text: a row a term (and week), ``n (%) [events]`` of every arm with its size in the heading, and for
        every arm that was compared the risk difference in percentage points and the number needed to harm.
    """
    import pandas as pd

    weekly = bool((table["week"] > 0).any())
    sizes = table.groupby("arm", sort=False)["n"].max()
    lines: dict[tuple[str, int], dict[str, str]] = {}
    for row in table.to_dict("records"):
        line = lines.setdefault((row["term"], row["week"]), {"Adverse event": row["term"]})
        if weekly:
            line["Week"] = str(row["week"])
        line[f"{row['arm']} (n = {sizes[row['arm']]})"] = (
            f"{row['persons']} ({row['percent']:.1f} %) [{row['events']}]"
        )
        if row["comparator"]:
            against = f"{row['arm']} - {row['comparator']}"
            low, high = 100.0 * row["low"], 100.0 * row["high"]
            line[against + _DIFFERENCE] = f"{100.0 * row['risk_difference']:.1f} ({low:.1f} to {high:.1f})"
            line[against + _NEEDED] = row["nnh_text"]
    laid = pd.DataFrame(list(lines.values())).fillna("")
    compared = [name for name in laid.columns if name.endswith((_DIFFERENCE, _NEEDED))]
    return laid[[name for name in laid.columns if name not in compared] + compared]


def _checked(
    events: pd.DataFrame, patients: pd.DataFrame, threshold: float, replicate: int | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    for name, frame, columns in (
        ("events", events, _EVENT_COLUMNS),
        ("patients", patients, _PATIENT_COLUMNS),
    ):
        for column in columns:
            if column not in frame.columns:
                raise StudyError(
                    f"{name}: the column {column!r} is missing; there are {', '.join(frame.columns)}."
                )
    if not 0.0 <= threshold <= 1.0:
        raise StudyError(f"threshold: {threshold!r} is no share; give one from 0 to 1, such as 0.05 for 5 %.")
    if replicate is not None:
        events, patients = (
            events[events["replicate"] == replicate],
            patients[patients["replicate"] == replicate],
        )
    if patients.empty:
        raise StudyError(
            f"patients: nobody is in {'the table' if replicate is None else f'replicate {replicate}'}; "
            "give the patients of a trial that was simulated."
        )
    return events[events["kind"] == "adverse_event"], patients


def _shown(events: pd.DataFrame, people: pd.DataFrame, threshold: float) -> list[str]:
    """Harms in order of the largest share of an arm, down to the threshold."""
    sizes = people.groupby("arm").size()
    hit = (
        events.drop_duplicates([*_PERSON, "detail"]).groupby(["detail", "arm"]).size().reset_index(name="hit")
    )
    shares = (hit["hit"] / hit["arm"].map(sizes).astype("float64")).groupby(hit["detail"]).max()
    largest = {str(name): float(share) for name, share in shares.items()}
    # A share that is just the threshold must not fall to rounding.
    kept = {name: share for name, share in largest.items() if share >= threshold - 1e-12}
    return sorted(kept, key=lambda name: (-kept[name], _term(name)))


def _weeks(events: pd.DataFrame, people: pd.DataFrame) -> list[tuple[int, pd.DataFrame, pd.DataFrame]]:
    """Events and people at risk of every week up to the last event."""
    if "left_h" not in people.columns:
        raise StudyError(
            "patients: the column 'left_h' is missing, which weekly denominators need: hours at which "
            "a person left the trial, null if he did not."
        )
    last = int(events["time_h"].max() // _WEEK_H) + 1 if len(events) else 1
    number = events["time_h"] // _WEEK_H + 1
    return [
        (
            week,
            events[number == week],
            people[people["left_h"].isna() | (people["left_h"] > (week - 1) * _WEEK_H)],
        )
        for week in range(1, last + 1)
    ]


def _term_rows(
    name: str,
    week: int,
    events: pd.DataFrame,
    people: pd.DataFrame,
    arms: Sequence[Any],
    comparator: str | None,
) -> list[dict[str, Any]]:
    own = events[events["detail"] == name]
    sizes = people.groupby("arm").size()
    counts = own.groupby("arm").size()
    hit = own.drop_duplicates(_PERSON).groupby("arm").size()
    rows = []
    for arm in arms:
        n, persons = int(sizes.get(arm, 0)), int(hit.get(arm, 0))
        row = {
            "term": _term(name),
            "harm": name,
            "week": week,
            "arm": arm,
            "n": n,
            "persons": persons,
            "percent": 100.0 * persons / n if n else math.nan,
            "events": int(counts.get(arm, 0)),
        }
        compared = comparator is not None and arm != comparator and n > 0 and sizes.get(comparator, 0) > 0
        rows.append(row | _comparison(row, comparator, hit, sizes, compared=compared))
    return rows


def _comparison(
    row: Mapping[str, Any],
    comparator: str | None,
    hit: pd.Series[int],
    sizes: pd.Series[int],
    *,
    compared: bool,
) -> dict[str, Any]:
    if not compared:
        missing = dict.fromkeys(("risk_difference", "low", "high", "nnh"), math.nan)
        return {"comparator": "", **missing, "nnh_text": ""}
    control, control_n = (int(counts.get(comparator, 0)) for counts in (hit, sizes))
    found = risk_difference(row["persons"], row["n"], control, control_n)
    needed = number_needed(found, event="harm")
    return {
        "comparator": comparator,
        "risk_difference": found.value,
        "low": found.low,
        "high": found.high,
        "nnh": 1.0 / found.value if found.value != 0.0 else math.inf,
        "nnh_text": needed.text,
    }


def _term(name: str) -> str:
    harm = load_harms().get(name)
    return name.replace("_", " ").capitalize() if harm is None else harm.term


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    columns = [
        "term", "harm", "week", "arm", "n", "persons", "percent", "events",
        "comparator", "risk_difference", "low", "high", "nnh", "nnh_text",
    ]  # fmt: skip
    return pd.DataFrame(list(rows), columns=columns)
