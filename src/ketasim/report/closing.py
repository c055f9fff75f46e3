"""The sections of the report about harms, the parameters that matter, and the limits."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from ketasim.model.parameters import load_parameters
from ketasim.report.contrast_figures import (
    HARM_HOURS,
    HARMS,
    early_groups,
    harms_figure,
    has_squares,
    influence_figure,
)
from ketasim.report.data import ReportData
from ketasim.report.findings import all_contrasts, treated_arm
from ketasim.report.markup import Cell, bullets, details, inline_figure, paragraph, table
from ketasim.report.words import arm_label, number, records, source_words, time_text, unit_words, visit_text

__all__ = ["harms_section", "influence_section", "limits_section"]

#: Parameters of the safety stage that shape each harm, by how their names begin.
_HARM_PARAMETERS = {
    "cadss": ("dissociation", ("dissociation_", "cadss_", "psychotomimetic_", "tolerance_")),
    "systolic_pressure": ("blood pressure", ("pressor_", "systolic_", "individual_peak_")),
    "sedation": ("sedation", ("consciousness_", "sedation_", "alertness_")),
    "nausea": ("nausea", ("nausea_",)),
}

_LIMITS = (
    "The circuit was chosen, among random ones with a plausible baseline, for agreeing with published signs; "
    "about half of those show PV or SST cells falling while pyramidal cells rise.",
    "Networks are a read-out with zero weight on mood, and functional connectivity is fitted, not predicted.",
    "BDNF, mTORC1 and synapses (stages 6 to 8) are invisible to trials in patients: their sizes come from "
    "animal experiments and from priors.",
    "Most of the difference in the first hours against saline or a placebo spray is expectancy, and the "
    "size of the placebo response was set on the placebo arms of trials.",
    "Many sources were read as abstracts only.",
    "Trials contradict each other; some are null. Intervals here hold the luck of sampling patients, not "
    "what is unknown about the parameters, nor the difference between trials.",
)


def harms_section(data: ReportData) -> str:
    """Write harms of the first hours and what is known of their calibration."""
    figure = harms_figure(data)
    if figure is None:
        return paragraph("No harm was recorded in this run.")
    parameters = load_parameters()
    graded = []
    for quantity, (word, begins) in _HARM_PARAMETERS.items():
        if quantity not in data.trajectories:
            continue
        grades = [
            item.grade
            for item in parameters.values()
            if item.stage == "safety" and item.name.startswith(begins)
        ]
        graded.append(f"{word}: {grades.count('assumed')} of {len(grades)} parameters")
    rated = {row.quantity for row in data.study.observations if row.use == "calibration"}
    uncalibrated = [word for quantity, (word, _) in _HARM_PARAMETERS.items() if quantity not in rated]
    text = (
        f"Not calibrated on this study: {', '.join(uncalibrated)}. How many of their parameters are assumed, "
        f"because no source gives them: {'; '.join(graded)}. Read sizes as rough; order and duration are "
        "better founded."
    )
    caption = "Lines: the typical patient in the first 4 hours. Blood pressure is the change from before."
    if has_squares(data):
        caption += (
            " Squares: the mean of the simulated group at a visit. They may lie on either side of the line, "
            "because people differ and harms are skewed."
        )
    says = "Dissociation, systolic pressure, alertness and nausea in the first four hours by arm."
    return (
        paragraph(text)
        + inline_figure("harms", figure, says, caption)
        + details("Peaks and group means as a table", _harms_table(data))
    )


def _small(value: float) -> str:
    return "0" if abs(value) < 5e-4 else number(value)


def _harms_table(data: ReportData) -> str:
    time = data.trajectories["time"].to_numpy()
    early = time <= HARM_HOURS + 1e-9
    rows: list[list[Cell]] = []
    shown = [item for item in HARMS if item[0] in data.trajectories]
    seen = any(early_groups(data, item[0], arm.id) for item in shown for arm in data.study.first_arms)
    for quantity, title, from_start in shown:
        mean, sd = ("change_mean", "change_sd") if from_start else ("mean", "sd")
        for arm in data.study.first_arms:
            course = (
                data.trajectories[quantity].sel(arm=arm.id).isel(replicate=0, subject=0).to_numpy()[early]
            )
            moved = course - course[0]
            at = int(np.argmax(np.abs(moved)))
            worst = float(moved[at] if from_start else course[at])
            still = abs(float(moved[at])) < 5e-4
            groups = [
                f"{visit_text(data.study, row['time_h'])}: {_small(row[mean])} ({_small(row[sd])})"
                for row in early_groups(data, quantity, arm.id)
                if math.isfinite(row[sd])
            ]
            rows.append(
                [
                    title,
                    (arm_label(arm.id), "keep"),
                    (_small(worst), "n"),
                    ("–" if still else time_text(float(time[early][at])), "keep"),
                    *(["; ".join(groups[:2]) or "–"] if seen else []),
                ]
            )
    heads: list[Cell] = ["harm", "arm", ("typical patient, largest departure", "n"), "at"]
    if seen:
        heads.append("group mean (SD) at the first visits")
    return table(heads, rows, "Alertness: its lowest value. Pressure: the change from before.")


def influence_section(data: ReportData) -> str:
    """Write the parameters that move the drug's effect most, with grade and source."""
    figure = influence_figure(data)
    if figure is None:
        return paragraph("No parameter was varied.")
    rows: list[list[Cell]] = []
    shown = list(records(data.influence))[:15]
    for row in shown:
        low, high = float(row["effect_low"]), float(row["effect_high"])
        rows.append(
            [
                (str(row["name"]), "keep"),
                str(row["stage"]),
                (f"{number(row['value'])} {unit_words(row['unit'])}".strip(), "n"),
                (f"{number(row['low'])} to {number(row['high'])}", "n"),
                (f"{number(low)} to {number(high)}".replace("–", "not solved"), "n"),
                str(row["grade"]),
                source_words(str(row["source"]), str(row["grade"])),
            ]
        )
    grades = Counter(str(row["grade"]) for row in shown).most_common()
    effect = number(float(shown[0]["effect"]))
    text = (
        "Each parameter was moved to both ends of its range, one at a time, for "
        f"{arm_label(treated_arm(data).id)}. The {len(shown)} that matter most, by grade: "
        + ", ".join(f"{count} {grade}" for grade, count in grades)
        + "."
    )
    if any(math.isfinite(item.drug) for item in all_contrasts(data)):
        text += (
            f" This is the drug's effect in one typical patient ({effect} points). The drug part of a group, "
            "under Drug and expectancy, differs from it, because a group is a draw of people who differ."
        )
    caption = f"The line is the effect with all parameters at their typical values, {effect} points."
    says = f"Range of the drug's effect for the {len(shown)} parameters that matter most."
    heads: list[Cell] = [
        "parameter",
        "stage",
        ("value", "n"),
        ("range", "n"),
        ("effect, points", "n"),
        "grade",
    ]
    return (
        paragraph(text)
        + inline_figure("influence", figure, says, caption)
        + details("Values and sources as a table", table([*heads, "source"], rows))
    )


def limits_section(data: ReportData) -> str:
    """Write what cannot be claimed, who could not be simulated, and what made this report."""
    grades = Counter(item.grade for item in load_parameters().values())
    total = sum(grades.values())
    counted = (
        f"Of {total} parameters {grades['assumed']} are assumed: nobody knows them. {grades['measured']} are "
        f"measured, {grades['derived']} derived from published numbers, {grades['calibrated']} calibrated."
    )
    used = Counter(row.use for row in data.study.observations)
    extra = [counted]
    if used["calibration"]:
        extra.append(
            f"{used['calibration']} of the published numbers above were available for calibration: "
            "agreement with them is not a test of the model."
        )
    return bullets([*_LIMITS, *extra]) + _failures(data) + _origin(data)


def _failures(data: ReportData) -> str:
    if not data.failed:
        return "<h3>Persons that could not be simulated</h3>" + paragraph("None.")
    reasons: dict[str, list[int]] = {}
    for person, reason in data.failed:
        reasons.setdefault(reason, []).append(person)
    simulated = len(data.outcomes.drop_duplicates(["replicate", "arm", "subject"]))
    rows: list[list[Cell]] = [
        [", ".join(str(person) for person in sorted(persons)), reason] for reason, persons in reasons.items()
    ]
    text = (
        f"{len(data.failed)} of {len(data.failed) + simulated} persons are missing from all results above. "
        "If they differ from the others, the results are biased."
    )
    return (
        "<h3>Persons that could not be simulated</h3>"
        + paragraph(text)
        + details("Their numbers and the reason", table(["persons", "reason"], rows))
    )


def _origin(data: ReportData) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(data.versions.items()))
    return "<h3>How to make it again</h3>" + paragraph(
        f"Study {data.study.id}, seed {data.seed}. The same seed and versions give the same results. "
        f"Made with {versions}."
    )
