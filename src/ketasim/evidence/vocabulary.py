"""The words that the evidence tables may use, and what each column holds.

One vocabulary serves the shipped tables and a user's own, so that a row means the same wherever
it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ACTIONS",
    "CORRECTIONS",
    "DOMAINS",
    "DRUGS",
    "OBSERVATIONS",
    "PARAMETERS",
    "PUBLICATIONS",
    "ROUTES",
    "SAMPLING_SITES",
    "SEEN",
    "SIGN_UNITS",
    "SOURCE_KINDS",
    "SPECIES",
    "SPREAD_KINDS",
    "STATISTICS",
    "UNSTATED",
    "TableSpec",
]

DOMAINS = ("pk", "mechanism", "clinical", "safety")
SEEN = ("seen", "recalled")
SOURCE_KINDS = ("measured", "model_output")
SAMPLING_SITES = ("arterial", "venous", "unknown", "not_applicable")
SPREAD_KINDS = ("none", "sd", "se", "ci95", "range", "iqr")
ACTIONS = ("exclude", "correct", "flag")

#: Units of sign tests: a direction is -1, 0 or 1, a binary is 0 (false, abolished) or 1 (true, retained).
SIGN_UNITS = ("direction", "binary")
#: The source prints a number without saying in what unit.
UNSTATED = "unstated"

SPECIES = (
    "human",
    "human_children",
    "mouse",
    "rat",
    "dog",
    "rodent",
    "in_vitro",
    "mixed",
    "not_stated",
)

DRUGS = (
    "none",
    "saline",
    "placebo",
    "other_control",
    "saline_or_midazolam",
    "midazolam",
    "benzodiazepine",
    "ketamine",
    "esketamine",
    "arketamine",
    "ketamine_or_esketamine",
    "ketamine_or_memantine",
    "norketamine",
    "s_norketamine",
    "r_norketamine",
    "dehydronorketamine",
    "s_dehydronorketamine",
    "r_dehydronorketamine",
    "s_hydroxynorketamine",
    "2s6s_hydroxynorketamine",
    "2r6r_hydroxynorketamine",
    "antidepressant",
    "fluoxetine",
    "escitalopram",
    "sertraline",
    "imipramine",
    "memantine",
    "amantadine",
    "lanicemine",
    "mk_801",
    "ro_25_6981",
    "mk_801_or_ro_25_6981",
    "other_nmda_antagonist",
    "mixed",
)

ROUTES = (
    "iv",
    "iv_infusion",
    "iv_bolus",
    "iv_bolus_and_infusion",
    "iv_target_controlled",
    "iv_patient_controlled",
    "im",
    "sc",
    "ip",
    "intranasal",
    "oral",
    "oral_prolonged_release",
    "sublingual",
    "inhaled",
    "snorted_or_smoked",
    "parenteral",
    "systemic",
    "intracerebral",
    "bath",
    "rtms_sham",
    "mixed",
    "not_stated",
    "not_applicable",
)

STATISTICS = (
    "value",
    "mean",
    "median",
    "change",
    "difference",
    "response",
    "remission",
    "relapse",
    "incidence",
    "ratio",
    "effect_size",
    "correlation",
    "p_value",
    "f_statistic",
    "count",
    "direction",
    "binary",
)


@dataclass(frozen=True)
class TableSpec:
    """The columns of one evidence table.

    Parameters
    ----------
    name : str
        Name of the table, which is also its file name without ``.csv``.
    required : tuple of str
        Columns that a file must have.
    optional : dict of str to str
        Columns that a file may leave out, with the text that stands in for them.
    numeric : frozenset of str
        Columns read as float64, where an empty cell is NaN.
    """

    name: str
    required: tuple[str, ...]
    optional: dict[str, str]
    numeric: frozenset[str]

    @property
    def file_name(self) -> str:
        """Name of the table's file."""
        return f"{self.name}.csv"

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, required ones first."""
        return (*self.required, *self.optional)


def _reported(*names: str) -> dict[str, str]:
    return {f"reported_{name}": "" for name in names}


OBSERVATIONS = TableSpec(
    name="observations",
    required=(
        "id",
        "domain",
        "citation",
        "species",
        "population",
        "n",
        "arm",
        "drug",
        "route",
        "dose",
        "dose_unit",
        "duration_min",
        "schedule",
        "quantity",
        "time_h",
        "value",
        "unit",
        "spread_kind",
        "spread_low",
        "spread_high",
        "comparator",
        "seen",
        "source_kind",
        "sampling_site",
        "duplicate_of",
        "note",
    ),
    optional={
        "statistic": "value",
        "dose_low": "",
        "dose_high": "",
        "recalled_fields": "",
        "source_url": "",
        **_reported(
            "citation",
            "species",
            "n",
            "drug",
            "route",
            "dose",
            "dose_unit",
            "quantity",
            "time",
            "value",
            "unit",
            "spread_low",
            "spread_high",
        ),
    },
    numeric=frozenset(
        {
            "n",
            "dose",
            "dose_low",
            "dose_high",
            "duration_min",
            "time_h",
            "value",
            "spread_low",
            "spread_high",
        }
    ),
)

PARAMETERS = TableSpec(
    name="parameters",
    required=(
        "id",
        "domain",
        "citation",
        "quantity",
        "drug",
        "species",
        "value",
        "unit",
        "low",
        "high",
        "spread_kind",
        "seen",
        "duplicate_of",
        "note",
    ),
    optional={
        "reference_weight_kg": "",
        "source_url": "",
        **_reported("citation", "quantity", "drug", "species", "value", "unit", "low", "high"),
    },
    numeric=frozenset({"value", "low", "high", "reference_weight_kg"}),
)

PUBLICATIONS = TableSpec(
    name="publications",
    required=("key", "authors", "year", "title", "journal", "identifier"),
    optional={"domains": "", "recalled_fields": ""},
    numeric=frozenset(),
)

CORRECTIONS = TableSpec(
    name="corrections",
    required=("id", "table", "column", "action", "reported", "corrected", "reason", "source"),
    optional={},
    numeric=frozenset(),
)
