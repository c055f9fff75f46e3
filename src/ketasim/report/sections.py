"""The sections of the report about the design, the chain and the outcomes."""

from __future__ import annotations

import math

from ketasim.report.axis import clock_axis
from ketasim.report.chain_figure import chain_figure, rest_is_drawn, shares_start
from ketasim.report.clock_rows import CHAIN_ROWS
from ketasim.report.contrast_figures import contrast_figure
from ketasim.report.data import ReportData
from ketasim.report.findings import (
    all_contrasts,
    control_arm,
    courses,
    few_simulated,
    freedom,
    is_met,
    simulated_counts,
    tally,
    visit_times,
)
from ketasim.report.markup import Cell, bullets, details, inline_figure, paragraph, table
from ketasim.report.observation_figure import observation_figure
from ketasim.report.outcome_figures import outcome_figure
from ketasim.report.words import (
    SCALE_WORDS,
    arm_label,
    interval_text,
    number,
    records,
    signed,
    source_words,
    unit_words,
    visit_text,
    z_text,
)
from ketasim.trials.endpoints import remission_threshold
from ketasim.trials.study import Observation
from ketasim.trials.study.rules import RATE_STATISTICS

__all__ = ["chain_section", "contrast_section", "design_section", "outcome_section"]

_CONDITIONS = {
    "healthy": "healthy people",
    "mdd": "people with major depression",
    "trd": "people with treatment-resistant depression",
    "bipolar_depression": "people with bipolar depression",
    "ptsd": "people with post-traumatic stress disorder",
    "pain": "people in pain",
}
_COMPARED = {">=": "≥", "<=": "≤"}
_CONTROLS = {"placebo_spray": "a placebo spray"}


def design_section(data: ReportData) -> str:
    """Write who was treated, with what, how it was rated, and what had to be assumed."""
    study = data.study
    setting = study.setting
    blind = "double-blind" if setting.blinding == "double_blind" else "open-label"
    control = "there was no control arm"
    if setting.control != "none":
        control = f"the control was {_CONTROLS.get(setting.control, setting.control)}"
    rules = ", ".join(
        f"{SCALE_WORDS.get(rule.scale, rule.scale)} "
        f"{_COMPARED.get(rule.operator, rule.operator)} {number(rule.value)}"
        for rule in study.population.entry_rules
    )
    others = [
        f"{name.replace('_', ' ')} {_COMPARED.get(operator, operator)} {number(value)}"
        for name, operator, value in study.population.covariate_rules
    ]
    rules = ", ".join(part for part in (rules, *others) if part)
    entry = f" All met {rules} at entry." if rules else ""
    oral = " A new oral antidepressant started with the first dose." if setting.new_antidepressant else ""
    parts = [
        paragraph(
            f"{_question(data)} The published trial is {source_words(study.citation)}. It treated "
            f"{_CONDITIONS[study.population.condition]}; care was {setting.care}, the trial was {blind}, "
            f"{control}.{entry}{oral}"
        ),
        _arms_table(data),
        paragraph("Rated at: " + ", ".join(visit_text(study, time) for time in visit_times(data)) + "."),
    ]
    if study.assumed:
        rows: list[list[Cell]] = [[(item.field, "keep"), item.reason] for item in study.assumed]
        parts.append("<h3>What is assumed in this design, because no source gives it</h3>")
        parts.append(table(["field of the study file", "what was assumed"], rows))
    else:
        parts.append(paragraph("Every value of the study file was read in a source."))
    if study.notes:
        parts.append(details("Notes of the study file", bullets(study.notes)))
    return "\n".join(parts)


def _question(data: ReportData) -> str:
    """Ask what the trial asked, in words of its arms and its control."""
    study = data.study
    active = [arm for arm in study.first_arms if arm.active]
    most = {max((dose.amount for dose in arm.dosing.doses), default=0.0) for arm in active}
    what = "each dose" if len(most) == len(active) else "each regimen"
    if len(active) == 1:
        what = arm_label(active[0].id)
    control = study.setting.control.replace("_", " ")
    against = f", against {control}," if control_arm(data) is not None and control != "none" else ""
    scale = SCALE_WORDS[study.population.baseline.scale]
    return f"How much does {what} lower the {scale}{against} and for how long?"


def _arms_table(data: ReportData) -> str:
    study = data.study
    simulated = data.outcomes.drop_duplicates(["replicate", "arm", "subject"]).groupby("arm").size()
    rows: list[list[Cell]] = []
    for arm in study.arms:
        base = study.baseline(arm.id)
        first = arm.n is not None
        with_it = ", ".join(item.replace("_", " ") for item in arm.comedication) or "none"
        felt = " (masked: the patient cannot feel the drug)" if arm.masked else ""
        rows.append(
            [
                (arm_label(arm.id), "keep"),
                arm.dosing.text + felt if arm.dosing.doses else "no treatment",
                with_it,
                (str(arm.n) if first else "by rules", "n"),
                (str(int(simulated.get(arm.id, 0))) if first else "", "n"),
                (f"{number(base.mean)} ({number(base.sd)})" if first else "", "n"),
            ]
        )
    scale = SCALE_WORDS[study.population.baseline.scale]
    heads: list[Cell] = ["arm", "regimen", "with", ("n published", "n"), ("n simulated", "n")]
    return table([*heads, (f"{scale} at entry, mean (SD)", "n")], rows)


def chain_section(data: ReportData) -> str:
    """Write the chain: one row a stage, from plasma to mood."""
    course = data.trajectories["severity"].isel(replicate=0, subject=0)
    drops = []
    for arm in data.study.first_arms:
        values = course.sel(arm=arm.id).to_numpy()
        drops.append(f"{arm_label(arm.id)} {signed(float(values.min() - values[0]))}")
    says = (
        "Time courses of "
        + ", ".join(row.title for row in CHAIN_ROWS)
        + " for the typical patient. Largest fall of severity in points: "
        + "; ".join(drops)
        + "."
    )
    text = (
        "A dose becomes a concentration, a concentration a block of NMDA channels, and a block a change of "
        "firing. From there two ways lead to mood: a fast arm from AMPA receptors, hours to a day, and a "
        "slow one through BDNF, mTORC1, protein and spines, which carries days. Default mode connectivity "
        "is a read-out: it has no weight on mood."
    )
    return paragraph(text) + inline_figure("chain", chain_figure(data), says, _chain_caption(data))


def _chain_caption(data: ReportData) -> str:
    """Explain what was drawn in the chain, and nothing else."""
    end = float(data.trajectories["time"][-1])
    clocks = [clock.name for clock in clock_axis(end).clocks]
    told = [
        "The typical patient of each arm: no life stress, no rater, no expectancy. Cause runs down, time "
        "runs right."
    ]
    if len(clocks) > 1:
        named = f"{', of '.join(clocks[:-1])} and of {clocks[-1]}"
        told.append(f"The axis has a clock of {named}; slopes cannot be compared across a dotted seam.")
    doses = [(arm, dose) for arm in data.study.first_arms for dose in arm.dosing.doses if dose.start_h <= end]
    if doses:
        hollow = (
            " (hollow: no ketamine)"
            if any(not arm.active or dose.amount <= 0.0 for arm, dose in doses)
            else ""
        )
        bars = ", bars their true length" if any(dose.duration_h for _, dose in doses) else ""
        told.append(f"Triangles are doses{hollow}{bars}.")
    told.append("At the right of each row stands the range over all arms.")
    rows = [row for row in CHAIN_ROWS if row.quantity in data.trajectories]
    if any(rest_is_drawn(data, row) for row in rows):
        told.append("A thin dotted level line is the value at rest, where no arm stays there.")
    if not all(shares_start(data, row) for row in rows):
        told.append("Arms start apart where their baselines differ.")
    return " ".join(told)


def outcome_section(data: ReportData) -> str:
    """Write scores, rates and spread, and every published number beside the model's."""
    figure = outcome_figure(data)
    parts = []
    if figure is None:
        parts.append(paragraph("Nobody was rated in the simulated time."))
    else:
        scale = data.study.population.baseline.scale
        limit = number(remission_threshold(data.study, scale))
        caption = (
            "Squares and broad bars: the simulated groups. Circles and thin bars: published values; filled "
            "ones were used to calibrate the model, hollow ones only to check it. Bars are 95 % intervals. "
            "Visits stand side by side in order, so distances between them are not times. Response is a "
            f"fall of at least half; remission a {SCALE_WORDS[scale]} of {limit} or less."
        )
        says = f"{SCALE_WORDS[scale]} by visit and arm, response, remission, and the change of each person."
        parts.append(inline_figure("outcomes", figure, says, caption))
        parts.append(details("The same as a table", _outcome_table(data)))
    parts.append("<h3>Every published number beside the model</h3>")
    parts.append(_observations(data))
    return "\n".join(parts)


def _outcome_table(data: ReportData) -> str:
    tables = {name: courses(data, name) for name in ("mean", "change", "response", "remission")}
    rows: list[list[Cell]] = []
    for arm in data.study.first_arms:
        for index, time in enumerate(tables["mean"][arm.id].times_h):
            cells: list[Cell] = [(arm_label(arm.id), "keep"), visit_text(data.study, time)]
            for name, table_of_arms in tables.items():
                course = table_of_arms[arm.id]
                text = interval_text(
                    course.values[index],
                    course.errors[index],
                    rate=name in RATE_STATISTICS,
                    freedom=course.counts[index] - 1.0,
                )
                cells.append((text, "n"))
            rows.append(cells)
    heads: list[Cell] = ["arm", "visit", ("mean (95 %)", "n"), ("change (95 %)", "n")]
    return table(
        [*heads, ("response (95 %)", "n"), ("remission (95 %)", "n")],
        rows,
        "Simulated groups, points and percent",
    )


def _observations(data: ReportData) -> str:
    if not data.study.observations:
        return paragraph(
            "This study file holds no published outcome that was read in a source: only the design is used, "
            "and there is nothing to compare with."
        )
    met, missed, _ = tally(data.comparison)
    unscored = len(data.study.observations) - met - missed
    rest = (
        f"{unscored} more could not be scored, because no error was published or the simulated "
        "group was empty. "
        if unscored
        else ""
    )
    parts = [
        paragraph(
            f"Of {met + missed} published numbers with a known error the model met {met} and missed "
            f"{missed}. Met means: within 2 standard errors, the published and the simulated one together "
            f"(|z| at most 2). {rest}Rows of one trial describe the same patients and are not independent."
        )
    ]
    warning = few_simulated(data)
    if warning:
        parts.append(paragraph(warning, "notice"))
    figure = observation_figure(data)
    if figure is not None:
        caption = "Published value with its 95 % interval (circle), and the model's (grey mark and bar)."
        count = len(data.comparison)
        says = f"Observed beside predicted for {count} published numbers: {met} met, {missed} missed."
        parts.append(inline_figure("observations", figure, says, caption))
    parts.append(details(f"All {len(data.study.observations)} rows as a table", _observation_table(data)))
    return "\n".join(parts)


def _observation_table(data: ReportData) -> str:
    found = {row["id"]: row for row in records(data.comparison)}
    rows: list[list[Cell]] = []
    for item in data.study.observations:
        row = found.get(item.id)
        predicted, z = (
            ("not predicted", math.nan)
            if row is None
            else (
                interval_text(
                    float(row["predicted"]),
                    float(row["predicted_se"]),
                    rate=item.statistic in RATE_STATISTICS,
                    freedom=freedom(data, row),
                ),
                float(row["z"]),
            )
        )
        verdict: Cell = "not scored"
        if math.isfinite(z):
            verdict = ("met", "met") if is_met(z) else ("missed", "missed")
        rows.append(
            [
                *_observation_words(data, item),
                (_observed(item), "n"),
                (predicted, "n"),
                (z_text(z), "n"),
                verdict,
                f"{item.use}, {item.source_kind.replace('_', ' ')}",
            ]
        )
    heads: list[Cell] = [
        "row",
        "arm",
        "what",
        "at",
        ("published (95 %)", "n"),
        ("model (95 %)", "n"),
        ("z", "n"),
    ]
    return table(
        [*heads, "", "use"], rows, f"Published by {source_words(data.study.citation)}, if not said otherwise"
    )


def _observation_words(data: ReportData, item: Observation) -> list[Cell]:
    against = f" − {arm_label(item.comparator)}" if item.comparator else ""
    scale = SCALE_WORDS.get(item.quantity, item.quantity.replace("_", " "))
    unit = unit_words(item.unit)
    what = f"{scale}, {item.statistic}" + (f", {unit}" if unit else "")
    if item.citation != data.study.citation:
        what += f" ({source_words(item.citation)})"
    return [
        (item.id, "keep"),
        arm_label(item.arm) + against,
        what,
        (visit_text(data.study, item.time_h), "keep"),
    ]


def _observed(item: Observation) -> str:
    error = item.standard_error
    rate = item.statistic in RATE_STATISTICS
    return interval_text(item.value, math.nan if error is None else error, rate=rate)


def contrast_section(data: ReportData) -> str:
    """Write each contrast against control, split into drug and expectancy."""
    found = all_contrasts(data)
    figure = contrast_figure(data)
    if figure is None or not found:
        return paragraph("This study has no control arm, so there is no contrast to split.")
    text = (
        "In the model a difference between two groups has two parts. The drug part is what the drug does in "
        "the chain: each person's severity minus the same person's severity with dose zero and the same "
        "life stress. The expectancy part is the difference in placebo response: patients who feel the drug "
        "come to believe that they got it. What the bars do not add up to is chance: who was drawn into "
        "which arm, their lives meanwhile, and the raters."
    )
    counts = simulated_counts(data).values()
    many = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{min(counts)}"
    between = "doses" if len({item.arm for item in found}) > 1 else "visits"
    text += (
        f" The bars are one draw of these patients (n = {many} an arm), so differences between {between} "
        "can be chance."
    )
    if not any(math.isfinite(item.drug) for item in found):
        text += " On this scale the contrast cannot be split yet, and only the whole is shown."
    caption = (
        "Below zero favours the active arm. The black line is the whole contrast in the model; the circle "
        "is the published difference with its 95 % interval."
    )
    if any(item.derived for item in found):
        caption += (
            " Where the trial published only scores or changes by arm, the circle is worked out from them."
        )
    rows: list[list[Cell]] = [
        [
            (f"{arm_label(item.arm)} − {arm_label(item.comparator)}", "keep"),
            visit_text(data.study, item.time_h),
            (interval_text(item.total, item.total_se, freedom=item.freedom), "n"),
            (number(item.drug), "n"),
            (number(item.expectancy), "n"),
            (interval_text(item.published, item.published_se) if math.isfinite(item.published) else "–", "n"),
        ]
        for item in found
    ]
    heads: list[Cell] = [
        "contrast",
        "visit",
        ("model (95 %)", "n"),
        ("drug part", "n"),
        ("expectancy part", "n"),
    ]
    as_table = table([*heads, ("published (95 %)", "n")], rows, "Points of the primary scale")
    against = arm_label(found[0].comparator)
    says = f"Contrasts against {against} by visit, split into drug part and expectancy part."
    return (
        paragraph(text)
        + inline_figure("contrasts", figure, says, caption)
        + details("The same as a table", as_table)
    )
