"""One vocabulary of columns for every table, file and answer of the package."""

from __future__ import annotations

__all__ = ["COMPARISON", "CONTRASTS", "ENDPOINTS", "OUTCOMES"]

#: A row a person, visit and quantity. ``reason`` says why a value is missing.
OUTCOMES = (
    "study",
    "replicate",
    "arm",
    "subject",
    "quantity",
    "statistic",
    "time_h",
    "unit",
    "value",
    "reason",
)

#: A row an arm, visit and quantity.
ENDPOINTS = (
    "study",
    "replicate",
    "arm",
    "quantity",
    "time_h",
    "unit",
    "n",
    "mean",
    "sd",
    "se",
    "change_mean",
    "change_sd",
    "response",
    "remission",
)

#: A row a published number.
COMPARISON = (
    "study",
    "replicate",
    "id",
    "arm",
    "comparator",
    "quantity",
    "statistic",
    "time_h",
    "unit",
    "observed",
    "observed_se",
    "predicted",
    "predicted_se",
    "z",
    "use",
    "source_kind",
    "citation",
)

#: A row an active arm and visit: the contrast against control and its parts.
CONTRASTS = (
    "study",
    "replicate",
    "arm",
    "comparator",
    "quantity",
    "time_h",
    "unit",
    "contrast",
    "drug_part",
    "expectancy_part",
    "chance",
)
