"""Made-up trials and their tables for tests of figures, and a look for texts that touch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from ketasim.report.trial.tables import TrialTables
from ketasim.trials.study import Study

LONG = (
    "esketamine_84_mg_twice_weekly_plus_new_oral_antidepressant_started_on_day_1",
    "esketamine_56_mg_twice_weekly_plus_new_oral_antidepressant_started_on_day_1",
    "esketamine_28_mg_twice_weekly_plus_new_oral_antidepressant_started_on_day_1",
    "esketamine_84_mg_once_weekly_plus_new_oral_antidepressant_started_on_day_1",
    "placebo_spray_twice_weekly_plus_new_oral_antidepressant_started_on_day_1",
    "no_spray_at_all_but_the_new_oral_antidepressant_started_on_day_1",
)
SHORT = ("ketamine_0_5", "placebo")
VISITS = ("4 h", "24 h", "day 8", "day 15", "day 22", "day 29")

_HEAD = """
schema: 1
id: example2026
title: An example trial
citation: assumed
species: human
population:
  condition: trd
  baseline: {scale: madrs, mean: 33, sd: 5}
  entry: ["madrs >= 28"]
setting:
  care: outpatient
  control: saline
  remission: {scale: madrs, threshold: 10}
  relapse: {after: "day 8", rule: "madrs >= 22"}
"""


def study_of(
    arms: Sequence[str] = SHORT, visits: Sequence[str] = VISITS, n: int = 30, rest: str = ""
) -> Study:
    """A parallel trial with these arms; those named placebo or no spray get no ketamine."""
    lines = [_HEAD, "arms:"]
    for arm in arms:
        regimen = "none" if arm.startswith(("placebo", "no_")) else "0.5 mg/kg ketamine iv over 40 min"
        lines.append(f"  - {{id: {arm}, n: {n}, regimen: {regimen}}}")
    lines += ["visits:", *(f'  - "{time}"' for time in visits), rest]
    return Study.parse("\n".join(lines))


def tables_of(study: Study, *, replicates: int = 1, seed: int = 1, n: int | None = None) -> TrialTables:
    """Made-up people: drug and placebo act, some leave, some lack a rating, some have harms."""
    rng = np.random.default_rng(seed)
    first = [arm for arm in study.arms if arm.n is not None]
    people, rows, events = [], [], []
    for replicate in range(1, replicates + 1):
        subject = 0
        for index, arm in enumerate(first):
            for _ in range(arm.n if n is None else n):
                subject += 1
                base = {"study": study.id, "replicate": replicate, "arm": arm.id, "subject": subject}
                people.append(_person(base, rng))
                _follow(base, people[-1], study, 9.0 - index if arm.active else 0.0, rng, rows, events)
    return TrialTables(
        pd.DataFrame(people),
        pd.DataFrame(rows, columns=[*_KEYS, "treatment", *_OUTCOME]),
        pd.DataFrame(events, columns=[*_KEYS, "time_h", "kind", "detail", "treatment"]),
    )


_KEYS = ("study", "replicate", "arm", "subject")
_OUTCOME = ("quantity", "statistic", "time_h", "unit", "value", "reason")


def _person(base: dict[str, object], rng: np.random.Generator) -> dict[str, object]:
    return {
        **base,
        "stratum": "",
        "enrolled_h": 24.0 * rng.uniform(0, 200),
        "screened": int(1 + rng.geometric(0.7)),
        "age": rng.normal(45, 12),
        "female": float(rng.random() < 0.62),
        "weight": rng.normal(82, 17),
        "failed_treatments": float(rng.integers(2, 6)),
        "benzodiazepine": float(rng.random() < 0.25),
        "crp": float(np.exp(rng.normal(0.6, 1.0))),
        "baseline": float(np.clip(round(rng.normal(34, 4)), 28, 56)),
        "status": "completed",
        "left_h": np.nan,
        "left_reason": "",
    }


def _follow(base, person, study, drug, rng, rows, events) -> None:
    """Rate one person at each visit until the person leaves."""
    gone, level = rng.exponential(24 * 110), rng.normal(0, 5)
    arm = str(base["arm"])
    for time in (0.0, *study.times_h):
        value, reason = person["baseline"], ""
        if time > 0:
            mean = drug * np.exp(-time / 900) * (1 - np.exp(-time / 3)) + 9 * (1 - np.exp(-time / 300))
            value = float(np.clip(round(person["baseline"] - mean + level + rng.normal(0, 4)), 0, 60))
        if time > gone:
            value, reason = np.nan, "withdrawn: lack of efficacy"
        elif time > 0 and rng.random() < 0.04:
            value, reason = np.nan, "missed visit"
        rows.append((*base.values(), arm, "madrs", "score", time, "points", value, reason))
        for harm, risk in HARMS.items():
            if 0 < time <= gone and rng.random() < risk * (1.0 if drug else 0.25) / 4:
                events.append((*base.values(), time, "adverse_event", harm, arm))
    if gone < max(study.times_h):
        reason = str(rng.choice(["lack of efficacy", "adverse event", "withdrew consent"]))
        person |= {"status": "withdrawn", "left_h": gone, "left_reason": reason}
        events.append((*base.values(), gone, "withdrawn", reason, arm))
    elif rng.random() < 0.08:
        events.append((*base.values(), 400.0, "stopped", "adverse event", arm))


HARMS = {
    "dissociation": 0.27,
    "nausea": 0.27,
    "dizziness": 0.22,
    "somnolence": 0.17,
    "headache": 0.2,
    "vomiting": 0.09,
    "blood_pressure_increased": 0.09,
    "anxiety": 0.1,
    "euphoric_mood": 0.04,
}


def emptied(tables: TrialTables, arm: str | None = None) -> TrialTables:
    """The same trial with every rating after entry missing, of an arm or of all."""
    outcomes = tables.outcomes.copy()
    gone = outcomes["time_h"] > 0
    if arm is not None:
        gone &= outcomes["arm"] == arm
    outcomes.loc[gone, "value"] = np.nan
    return TrialTables(tables.patients, outcomes, tables.events)


def texts_of(figure: Figure) -> list[str]:
    return [item.get_text() for item in figure.findobj(Text) if item.get_visible() and item.get_text()]


def clashes(figure: Figure) -> list[str]:
    """Texts that touch another text, or do not lie wholly on the figure."""
    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    renderer = canvas.get_renderer()
    # A tick beyond the limits of its axis is not drawn.
    hidden = {
        id(tick.label1)
        for ax in figure.axes
        for axis in (ax.xaxis, ax.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) - 1e-9 <= tick.get_loc() <= max(axis.get_view_interval()) + 1e-9
    }
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in hidden
    ]
    boxes = [(text, box) for text, box in boxes if box.width > 0.0]
    found = [
        f"outside: {text!r}"
        for text, box in boxes
        if min(box.x0, box.y0) < -1 or box.x1 > figure.bbox.x1 + 1 or box.y1 > figure.bbox.y1 + 1
    ]
    for (first, a), (second, b) in combinations(boxes, 2):
        # Boxes hold a rim of about a point around the ink.
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 2.5:
            found.append(f"{first!r} on {second!r}")
    return found


def flowing(arms: str, rules: str, visits: Sequence[str] = VISITS) -> Study:
    """A study with arms that are reached by rules."""
    lines = [_HEAD, "arms:", arms, "visits:", *(f'  - "{time}"' for time in visits), "rules:", rules]
    return Study.parse("\n".join(lines))


def crossover() -> Study:
    return flowing(
        """
  - {id: drug_first, n: 20, phase: period 1, regimen: 0.5 mg/kg ketamine iv over 40 min}
  - {id: saline_first, n: 20, phase: period 1, regimen: saline iv over 40 min}
  - {id: saline_second, phase: period 2, regimen: saline iv over 40 min}
  - {id: drug_second, phase: period 2, regimen: 0.5 mg/kg ketamine iv over 40 min}
""",
        """
  - {id: cross_a, at: ["day 15"], arms: [drug_first], then: {switch: saline_second}}
  - {id: cross_b, at: ["day 15"], arms: [saline_first], then: {switch: drug_second}}
""",
    )


def withdrawal() -> Study:
    return flowing(
        """
  - id: open_label_induction
    n: 80
    phase: induction
    blinding: open_label
    regimen: "84 mg esketamine intranasal, twice weekly x 4 weeks"
  - {id: esketamine_maintenance, phase: maintenance, regimen: "84 mg esketamine intranasal, weekly x 4 weeks"}
  - {id: placebo_maintenance, phase: maintenance, regimen: placebo intranasal}
""",
        """
  - id: stable
    at: ["day 15"]
    arms: [open_label_induction]
    when: ["madrs improvement >= 25 %", "madrs <= 30"]
    then: {randomise: {esketamine_maintenance: 1, placebo_maintenance: 1}}
    otherwise: {withdraw: no stable response}
  - id: relapse
    arms: [esketamine_maintenance, placebo_maintenance]
    when: ["madrs >= 34"]
    consecutive: 2
    then: {stop: relapse}
""",
    )


def maintenance() -> Study:
    return flowing(
        """
  - {id: induction, n: 60, phase: induction, regimen: "84 mg esketamine intranasal, twice weekly x 4 weeks"}
  - {id: placebo, n: 60, phase: induction, regimen: placebo intranasal}
  - {id: every_week, phase: maintenance, regimen: "84 mg esketamine intranasal, weekly x 4 weeks"}
  - {id: every_second_week, phase: maintenance, regimen: "84 mg esketamine intranasal, every 14 days x 4"}
  - {id: rescue_infusion, phase: rescue, regimen: 0.5 mg/kg ketamine iv over 40 min}
""",
        """
  - {id: go_on, at: ["day 8"], arms: [induction], then: {switch: every_week}}
  - {id: slower, at: ["day 15"], arms: [every_week], when: [responder], then: {switch: every_second_week}}
  - {id: faster, at: ["day 22"], arms: [every_second_week], when: [not responder], then: {switch: every_week}}
  - id: rescue
    at: ["day 8"]
    arms: [placebo]
    when: ["madrs improvement < 25 %"]
    then: {rescue: rescue_infusion}
""",
    )


def swapping() -> Study:
    return flowing(
        """
  - {id: drug, n: 20, regimen: 0.5 mg/kg ketamine iv over 40 min}
  - {id: saline, n: 20, regimen: saline iv over 40 min}
  - {id: nothing, n: 20, regimen: none}
""",
        """
  - {id: swap, at: ["day 8"], arms: [drug], then: {switch: saline}}
  - {id: swap_back, at: ["day 8"], arms: [saline], then: {switch: drug}}
  - {id: give, at: ["day 15"], arms: [nothing], when: [not responder], then: {switch: drug}}
""",
    )


def moved(tables: TrialTables, study: Study) -> TrialTables:
    """Add moves between arms by the rules, for every third person, and let the rest stay."""
    rows = []
    for _, person in tables.patients.iterrows():
        arm, at = str(person["arm"]), 0.0
        for rule in study.rules:
            time = rule.at_h[0] if rule.at else 500.0
            left = person["left_h"]
            gone = pd.notna(left) and float(left) <= time
            if (
                gone
                or time <= at
                or not rule.concerns(arm)
                or not rule.then.targets
                or person["subject"] % 3 == 0
            ):
                continue
            arm, at = rule.then.targets[person["subject"] % len(rule.then.targets)], time
            kind = "rescue" if rule.then.kind == "rescue" else "switch"
            rows.append((*(person[key] for key in _KEYS), time, kind, f"by {rule.id}", arm))
    events = tables.events.copy()
    moves = pd.DataFrame(rows, columns=list(events.columns))
    for _, move in moves.iterrows():
        after = (events["subject"] == move["subject"]) & (events["time_h"] > move["time_h"])
        events.loc[after & (events["replicate"] == move["replicate"]), "treatment"] = move["treatment"]
    return TrialTables(tables.patients, tables.outcomes, pd.concat([events, moves], ignore_index=True))
