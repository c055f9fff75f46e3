"""One vocabulary of columns for every table, file and answer of the package."""

from __future__ import annotations

__all__ = ["ANALYSES", "COMPARISON", "CONTRASTS", "ENDPOINTS", "EVENTS", "OUTCOMES", "PATIENTS"]

#: A row a person, visit, quantity and statistic: ``score`` is what a rater writes, ``value`` what the
#: model holds, ``peak`` its extreme since the visit before. ``arm`` is the one to which the person was
#: randomised, ``treatment`` the one in force. ``reason`` says why a value is missing.
OUTCOMES = (
    "study",
    "replicate",
    "arm",
    "treatment",
    "subject",
    "quantity",
    "statistic",
    "time_h",
    "unit",
    "value",
    "reason",
)

#: A row a person; covariates follow. ``screened`` counts the candidates seen for this place.
PATIENTS = (
    "study",
    "replicate",
    "subject",
    "arm",
    "stratum",
    "enrolled_h",
    "screened",
    "baseline",
    "severity_entry",
    "status",
    "left_h",
    "left_reason",
    "stopped_h",
    "stopped_reason",
    "belief",
    "guess",
)

#: A row an event: switch, rescue, stopped, withdrawn, missed_dose or adverse_event.
EVENTS = ("study", "replicate", "arm", "subject", "time_h", "kind", "detail", "treatment")

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

#: A row a replicate, planned analysis and contrast. The analysis itself has its id; what belongs to it has
#: ``id/part``: the carry-over of a crossover, the stages of a sequential parallel design, a look before the
#: end. ``estimate`` is in ``unit``, and what it is says ``effect_measure``; ``p`` is two-sided but for
#: non-inferiority. ``p_adjusted`` counts in the family or the looks, and is ``p`` without them; ``rejected``
#: is what the trial concludes.
ANALYSES = (
    "study",
    "replicate",
    "analysis",
    "method",
    "quantity",
    "time_h",
    "arm",
    "comparator",
    "estimand",
    "n",
    "n_comparator",
    "estimate",
    "se",
    "df",
    "low",
    "high",
    "statistic",
    "p",
    "p_adjusted",
    "rejected",
    "effect_measure",
    "unit",
    "note",
)
