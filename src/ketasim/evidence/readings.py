"""Published human concentrations and exposures, each tied to a regimen and a read-out.

``data/pk_readings.csv`` has one line for every human pharmacokinetic row of the evidence that was
seen in a source. A line says which regimen gave the number, in whom, where the sample was taken,
what is read from the simulated curve, and whether the number is fitted, only compared, or left
out, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources

import pandas as pd

from ketasim.errors import EvidenceError, UnitError, unknown_name
from ketasim.evidence.tables import load_corrections, load_observations, load_parameters
from ketasim.units import convert

__all__ = [
    "ANCESTRIES",
    "KINDS",
    "MODIFIERS",
    "QUANTITIES",
    "READ_AS",
    "READ_OUTS",
    "ROUTE_GROUPS",
    "SITES",
    "SITE_BASES",
    "USES",
    "load_readings",
]

#: What is read from the simulated curve of ``quantity``, and the unit of the result.
#:
#: ``value_at``: at ``time_h``. ``cmax``: highest value from ``time_h`` (the start if empty) to
#: ``until_h`` (the end if empty). ``tmax``: time of it, counted from ``time_h``. ``auc_0_6h``,
#: ``auc_0_24h``, ``auc_inf``: area from time zero. ``half_life``: from the log-linear slope between
#: ``time_h`` and ``until_h``. ``clearance``: dose over the area of an intravenous dose. ``vss``:
#: volume at steady state. ``bioavailability``: area per dose over that of an intravenous dose.
#: ``auc_ratio``: area of ``quantity`` over that of ``reference``, by mass, to infinity.
#: ``auc_modifier_ratio``, ``clearance_modifier_ratio``: with ``modifier`` over without.
READ_OUTS: dict[str, str] = {
    "value_at": "ng/mL",
    "cmax": "ng/mL",
    "tmax": "h",
    "auc_0_6h": "ng*h/mL",
    "auc_0_24h": "ng*h/mL",
    "auc_inf": "ng*h/mL",
    "half_life": "h",
    "clearance": "L/h",
    "vss": "L",
    "bioavailability": "ratio",
    "auc_ratio": "ratio",
    "auc_modifier_ratio": "ratio",
    "clearance_modifier_ratio": "ratio",
}

#: Molar mass in g/mol of the free base of each quantity; a racemate weighs what its enantiomers do.
QUANTITIES: dict[str, float] = {
    f"{enantiomer}{name}": mass
    for name, mass in (("ketamine", 237.7), ("norketamine", 223.7), ("hnk", 239.7), ("dhnk", 221.7))
    for enantiomer in ("", "s_", "r_")
}

#: ``fit``: a target of the calibration. ``check``: compared and never fitted. ``none``: no scenario.
USES = ("fit", "check", "none")
#: ``model_output``: what a fitted model predicts or estimates. ``review``: a range or mean of studies.
KINDS = ("measured", "model_output", "review")
SITES = ("venous", "arterial")
#: Whether the source states the sampling site, or it was inferred from its curve or laboratory.
SITE_BASES = ("stated", "inferred", "assumed")
ANCESTRIES = ("none", "asian", "japanese")
#: Groups of the table of errors; the sublingual film has its own.
ROUTE_GROUPS = ("iv", "nasal", "film", "sublingual", "oral", "oral PR", "inhaled", "im", "sc", "rectal")
#: How the printed number becomes the value: unchanged, times the body weight, one plus a printed
#: change, or the geometric middle of a printed range.
READ_AS = ("as_printed", "times_weight", "one_plus", "middle_of_range")
MODIFIERS = (
    "none",
    "female",
    "cyp2b6_6_6",
    "hepatic_impairment_moderate",
    "ticlopidine",
    "itraconazole",
    "clarithromycin",
    "grapefruit",
    "rifampicin",
)

_FILE = "pk_readings.csv"
_NUMERIC = ("weight_kg", "age_y", "time_h", "until_h", "weight_share")
_COLUMNS = (
    "row",
    "table",
    "regimen",
    "weight_kg",
    "age_y",
    "ancestry",
    "site",
    "site_basis",
    "quantity",
    "statistic",
    "reference",
    "modifier",
    "time_h",
    "until_h",
    "read_as",
    "route",
    "kind",
    "use",
    "weight_share",
    "reason",
)
_WORDS: dict[str, tuple[str, ...]] = {
    "table": ("observations", "parameters"),
    "ancestry": ANCESTRIES,
    "site": SITES,
    "site_basis": SITE_BASES,
    "modifier": MODIFIERS,
    "read_as": READ_AS,
    "kind": KINDS,
    "use": USES,
}
_TIED_WORDS: dict[str, tuple[str, ...]] = {
    "quantity": tuple(QUANTITIES),
    "statistic": tuple(READ_OUTS),
    "route": ROUTE_GROUPS,
}
_SOURCE_COLUMNS = (
    "citation",
    "drug",
    "n",
    "printed_value",
    "printed_unit",
    "spread_kind",
    "printed_low",
    "printed_high",
    "source_kind",
    "seen",
    "duplicate_of",
    "note",
)


def load_readings(*, use: str | Iterable[str] | None = None) -> pd.DataFrame:
    """Load the published exposures with the scenario and the read-out of each.

    Parameters
    ----------
    use : str or iterable of str, optional
        Keep only these of ``fit``, ``check`` and ``none``; all by default.

    Returns
    -------
    pandas.DataFrame
        One row a published number, in the order of the evidence tables. ``row`` and ``table`` name
        it; ``citation``, ``drug``, ``n``, ``note``, ``printed_value`` and ``printed_unit`` come from
        there. ``regimen`` is a text for :func:`ketasim.dosing.parse_regimen`; ``weight_kg`` and
        ``age_y`` are assumed to be 70 kg and 40 years where the source was not read for them.
        ``value`` is in ``unit`` (ng/mL, ng*h/mL, h, L/h, L or ratio); ``spread_low`` and
        ``spread_high`` are in the same unit, with the SD or SE in ``spread_low`` if ``spread_kind``
        is ``sd`` or ``se``. ``weight_share`` is the share of a full row's weight in a fit (points
        of one curve share theirs). Rows with ``use`` ``none`` have no regimen, read-out or value
        and say why.

    Raises
    ------
    EvidenceError
        If ``use`` is unknown, or the shipped table breaks its rules.
    """
    wanted = USES if use is None else (use,) if isinstance(use, str) else tuple(use)
    for name in wanted:
        if name not in USES:
            raise EvidenceError(f"use: {unknown_name('use', name, USES)}")
    frame = _readings()
    return frame[frame["use"].isin(list(wanted))].reset_index(drop=True)


@cache
def _readings() -> pd.DataFrame:
    frame = _join(_shipped())
    problems = list(_problems(frame))
    if problems:
        raise EvidenceError(f"{_FILE}: {problems[0]} ({len(problems)} in all)")
    values = [_value(row) for row in _records(frame)]
    for position, name in enumerate(("value", "spread_low", "spread_high")):
        frame[name] = [value[position] for value in values]
    frame["unit"] = [READ_OUTS.get(str(name), "") for name in frame["statistic"]]
    return frame.drop(columns=["seen", "duplicate_of", "source_kind", "printed_low", "printed_high"])


def _shipped() -> pd.DataFrame:
    with resources.files("ketasim.evidence").joinpath("data", _FILE).open("rb") as stream:
        frame = pd.read_csv(stream, dtype=str, keep_default_na=False, na_filter=False)
    if tuple(frame.columns) != _COLUMNS:
        raise EvidenceError(f"{_FILE}, line 1: the columns must be {', '.join(_COLUMNS)}.")
    for column in _NUMERIC:
        frame[column] = pd.to_numeric(frame[column].where(frame[column] != ""), errors="raise").astype(
            "float64"
        )
    return frame


def _join(frame: pd.DataFrame) -> pd.DataFrame:
    """Set the rows of the evidence tables beside their readings."""
    observations = load_observations(seen_only=False, duplicates=True, excluded=True)
    parameters = load_parameters(seen_only=False, duplicates=True, excluded=True)
    parts = (
        observations.rename(
            columns={
                "value": "printed_value",
                "unit": "printed_unit",
                "spread_low": "printed_low",
                "spread_high": "printed_high",
            }
        ).assign(table="observations"),
        parameters.rename(
            columns={
                "value": "printed_value",
                "unit": "printed_unit",
                "low": "printed_low",
                "high": "printed_high",
            }
        ).assign(table="parameters", n=math.nan, source_kind=""),
    )
    source = pd.concat([part[["id", "table", *_SOURCE_COLUMNS]] for part in parts], ignore_index=True)
    joined = frame.merge(
        source.rename(columns={"id": "row"}), on=["row", "table"], how="left", validate="many_to_one"
    )
    return joined.fillna(dict.fromkeys(("citation", "seen", "duplicate_of", "source_kind"), ""))


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _problems(frame: pd.DataFrame) -> Iterator[str]:
    corrections = load_corrections()
    excluded = set(corrections.loc[corrections["action"].eq("exclude"), "id"])
    met: set[object] = set()
    for line, row in enumerate(_records(frame), start=2):
        where = f"line {line}, row {row['row']!r}"
        if row["row"] in met:
            yield f"{where}: the row is there twice; keep one."
        met.add(row["row"])
        if not row["citation"]:
            yield f"{where}: there is no such row in {row['table']}.csv."
            continue
        for column, what in _row_faults(row, row["row"] in excluded):
            yield f"{where}, column {column!r}: {what}"


def _row_faults(row: dict[str, object], is_excluded: bool) -> Iterator[tuple[str, str]]:
    tied = row["use"] != "none"
    words = {**_WORDS, **_TIED_WORDS} if tied else _WORDS
    for column, allowed in words.items():
        if row[column] not in allowed:
            yield column, unknown_name(column, str(row[column]), allowed)
    if row["seen"] != "seen":
        yield "row", "was written from memory; only rows that were seen count."
    if row["source_kind"] and (row["source_kind"] == "model_output") != (row["kind"] == "model_output"):
        yield "kind", f"{row['kind']!r} disagrees with {row['source_kind']!r} in observations.csv."
    if not tied:
        if not row["reason"]:
            yield "reason", "is empty; a row that is left out says why."
        if row["regimen"] or row["statistic"] or row["weight_share"] != 0.0:
            yield "use", "is 'none' beside a regimen, a statistic or a weight; empty those or say 'check'."
        return
    if row["duplicate_of"] or is_excluded:
        yield "use", "must be 'none' for a second row for one number or an excluded one."
    yield from _tied_faults(row)


def _tied_faults(row: dict[str, object]) -> Iterator[tuple[str, str]]:
    if not row["regimen"]:
        yield "regimen", "is empty; give the text of a regimen or say 'none' under use."
    share = float(str(row["weight_share"]))
    if not 0.0 < share <= 1.0:
        yield "weight_share", f"{share:g} is no share; give a number above 0 and up to 1."
    if row["use"] == "check" and not row["reason"]:
        yield "reason", "is empty; a row that is not fitted says why."
    needs = {
        "time_h": row["statistic"] in ("value_at", "half_life"),
        "until_h": row["statistic"] == "half_life",
    }
    for column, needed in needs.items():
        if needed and math.isnan(float(str(row[column]))):
            yield column, f"is empty; {row['statistic']!r} needs it."
    if (row["statistic"] == "auc_ratio") != (row["reference"] in QUANTITIES):
        yield (
            "reference",
            f"{row['reference']!r} must name a quantity for 'auc_ratio' and be empty otherwise.",
        )
    if str(row["statistic"]).endswith("modifier_ratio") != (row["modifier"] != "none"):
        yield "modifier", f"{row['modifier']!r} goes with a modifier ratio and with nothing else."
    if any(row[column] not in allowed for column, allowed in {**_WORDS, **_TIED_WORDS}.items()):
        return
    try:
        value, _, _ = _value(row)
    except UnitError as error:
        yield "statistic", str(error)
        return
    if not value > 0.0:
        yield "row", f"gives the value {value:g}; a target must be above 0 to be compared by ratio."


def _value(row: dict[str, object]) -> tuple[float, float, float]:
    """Return value, low and high of a row in the unit of its read-out."""
    if row["use"] == "none":
        return math.nan, math.nan, math.nan
    printed, low, high = (float(str(row[f"printed_{name}"])) for name in ("value", "low", "high"))
    how, unit = str(row["read_as"]), str(row["printed_unit"])
    scale = 1.0
    if how == "times_weight":
        if not unit.endswith("/kg"):
            raise UnitError(f"{unit!r} is not per kg of body weight; read it 'as_printed'.")
        unit, scale = unit.removesuffix("/kg"), float(str(row["weight_kg"]))
    elif how == "middle_of_range":
        printed = math.sqrt(low * high)
    scale *= _factor(unit, str(row["quantity"]), READ_OUTS[str(row["statistic"])])
    shift = 1.0 if how == "one_plus" else 0.0
    # A standard deviation does not move with the value it belongs to.
    moved = 0.0 if row["spread_kind"] in ("sd", "se") else shift
    return scale * printed + shift, scale * low + moved, scale * high + moved


@cache
def _factor(unit: str, quantity: str, target: str) -> float:
    """Number of ``target`` units in one ``unit`` of a quantity, by its molar mass where it must be."""
    if unit == "uM" and target == "ng/mL":
        # 1 uM is 1 nmol/mL, and 1 nmol weighs as many ng as the molar mass in g/mol.
        return QUANTITIES[quantity]
    return convert(1.0, unit, target)
