"""The report of every shipped study, made from small made-up results."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from ketasim.model.parameters import load_parameters
from ketasim.report import (
    ReportData,
    closing,
    sections,
    write_figures,
    write_overview,
    write_report,
)
from ketasim.report.clock_rows import CHAIN_ROWS
from ketasim.report.contrast_figures import HARMS
from ketasim.report.course_figure import write_course_figure
from ketasim.report.figures import FIGURES
from ketasim.report.findings import (
    all_contrasts,
    answer,
    courses,
    few_simulated,
    freedom,
    published_contrast,
    tally,
)
from ketasim.report.html import report_html
from ketasim.report.purpose import PURPOSE
from ketasim.report.trial import section as trial_section
from ketasim.report.words import arm_label, records
from ketasim.trials import Study, compare, summarise
from ketasim.trials.endpoints import contrasts
from ketasim.trials.influence import INFLUENCE_COLUMNS
from ketasim.trials.planned.analyse import analyse
from ketasim.trials.runs.columns import EVENTS, OUTCOMES, PATIENTS
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.study.catalogue import shipped_studies

PEOPLE = 6

#: Several doses; scores in place of changes; two controls; one arm and relapse; nothing published; arms
#: that people enter by rules.
DRAWN = ("daly2018", "lii2023", "singh2016", "murrough2013b", "singh2016a", "daly2018_two_periods")


def made_up_outcomes(study: Study) -> pd.DataFrame:
    """Six people an arm: active arms fall by 12 points and controls by 5, each a little differently."""
    scales = {study.population.baseline.scale, *(item.quantity for item in study.analyses)}
    rows: list[tuple[str, int, str, str, float, float]] = []
    times = sorted({0.0, *study.times_h})
    # At each visit others have fallen most: courses that are all alike have no covariance to estimate.
    falls = [0.5 * np.random.default_rng(place).permutation(PEOPLE) for place in range(len(times))]
    subject = 0
    for arm in study.first_arms:
        for person in range(PEOPLE):
            subject += 1
            start = study.baseline(arm.id).mean + person - 2.5
            usual, drug, placebo = (12.0, 4.0, 6.0) if arm.active else (5.0, 0.0, 3.0)
            for time, fall in zip(times, falls, strict=True):
                later = float(time > 0.0)
                held = {
                    "severity": start - later * drug,
                    "severity_without_drug": start,
                    "placebo": later * placebo,
                    "cadss": later * 0.1 * person,
                }
                score = start - later * (usual + fall[person])
                rows += [(arm.id, subject, scale, "score", time, score) for scale in sorted(scales)]
                rows += [(arm.id, subject, name, "value", time, value) for name, value in held.items()]
    columns = ["arm", "subject", "quantity", "statistic", "time_h", "value"]
    frame = pd.DataFrame(rows, columns=columns).assign(study=study.id, replicate=0, unit="points", reason="")
    return frame.assign(treatment=frame["arm"])[list(OUTCOMES)]


def made_up_patients(study: Study, outcomes: pd.DataFrame) -> pd.DataFrame:
    """The people of the made-up outcomes: half of them women, and all stay to the end."""
    entry = outcomes[(outcomes["quantity"] == study.population.baseline.scale) & (outcomes["time_h"] == 0.0)]
    frame = entry[["study", "replicate", "subject", "arm"]].assign(baseline=entry["value"])
    frame = frame.assign(severity_entry=frame["baseline"], status="completed", enrolled_h=0.0, screened=2)
    frame = frame.assign(belief=study.allocation, stratum="", guess="active", left_h=np.nan, stopped_h=np.nan)
    frame = frame.assign(left_reason="", stopped_reason="")
    return frame[list(PATIENTS)].assign(female=(frame["subject"] % 2).astype(float)).reset_index(drop=True)


def made_up_events(patients: pd.DataFrame) -> pd.DataFrame:
    """Half of the people are sick at the first treatment."""
    frame = patients[patients["subject"] % 2 == 0].assign(time_h=0.0, kind="adverse_event", detail="nausea")
    return frame.assign(treatment=frame["arm"])[list(EVENTS)]


def made_up_courses(study: Study) -> xr.Dataset:
    """One pulse a quantity, larger in active arms."""
    time = np.unique(np.concatenate([np.linspace(0.0, 4.0, 40), np.linspace(4.0, study.times_h[-1], 40)]))
    pulse = time * np.exp(-time)
    names = [row.quantity for row in CHAIN_ROWS] + [quantity for quantity, *_ in HARMS]
    arms = study.first_arms
    sizes = np.array([1.0 if arm.active else 0.0 for arm in arms])
    values = 1.0 + sizes[None, :, None, None] * pulse[None, None, None, :]
    dims = ("replicate", "arm", "subject", "time")
    coords = {"replicate": [0], "arm": [arm.id for arm in arms], "subject": ["typical"], "time": time}
    return xr.Dataset(dict.fromkeys(names, (dims, values)), coords=coords)


def made_up_influence() -> pd.DataFrame:
    rows = [
        (
            p.name,
            p.stage,
            p.value,
            p.unit,
            p.low,
            p.high,
            p.grade,
            p.source,
            -4.0,
            -4.0 - 1.0 / n,
            np.nan,
            1.0 / n,
        )
        for n, p in enumerate(list(load_parameters().values())[:20], start=1)
    ]
    return pd.DataFrame(rows, columns=list(INFLUENCE_COLUMNS))


@cache
def made_up(name: str) -> ReportData:
    study = Study.load(name)
    frame = made_up_outcomes(study)
    outcomes, patients = Outcomes.of_frame(frame), made_up_patients(study, frame)
    events = made_up_events(patients)
    return ReportData(
        study=study,
        outcomes=frame,
        patients=patients,
        events=events,
        endpoints=summarise(outcomes, study),
        analyses=analyse(outcomes, patients, events, study),
        comparison=compare(outcomes, study),
        contrasts=contrasts(outcomes, study),
        trajectories=made_up_courses(study),
        influence=made_up_influence(),
        failed=((7, "a <reason> & more"),),
        seed=3,
        versions={"ketasim": "0.0"},
    )


@cache
def page(name: str) -> str:
    return report_html(made_up(name))


class Reader(HTMLParser):
    """Collects tags, ids, links and text outside of drawings and style."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "srcset", "action", "data", "xlink:href"):
                self.links.append(value or "")
        if tag not in ("meta", "br", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "td":
            self.cells.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def check_words(text: str, study: Study) -> Reader:
    found = read(text)
    assert found.open == []
    assert text.count(PURPOSE) == 1
    assert {arm_label(arm.id) for arm in study.arms} <= set(found.cells)
    assert {row.id for row in study.observations} <= set(found.cells)
    assert {item.id.replace("_", " ") for item in study.analyses} <= set(found.cells)
    assert {item.field for item in study.assumed} <= set(found.cells)
    assert "a <reason> & more" in "".join(found.cells)
    return found


@pytest.mark.parametrize("name", shipped_studies())
def test_words_and_tables_of_every_study(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Drawing takes most of the time; the studies below, one of each shape, are drawn.
    figures = ("chain", "outcome", "contrast", "observation")
    for module, names in ((sections, figures), (closing, ("harms", "influence"))):
        monkeypatch.setattr(module, "inline_figure", lambda *_: "")
        for figure in names:
            monkeypatch.setattr(module, f"{figure}_figure", lambda _: Figure())
    monkeypatch.setattr(
        trial_section,
        "trial_sections",
        lambda data, _: [(item.name, item.title, item.caption) for item in trial_section.trial_figures(data)],
    )
    data = made_up(name)
    check_words(report_html(data), data.study)


@pytest.mark.parametrize("name", DRAWN)
def test_page_is_whole_and_needs_no_network(name: str) -> None:
    text = page(name)
    found = check_words(text, made_up(name).study)
    assert all(f"<h3>{item.title}</h3>" in text for item in trial_section.trial_figures(made_up(name)))
    assert all(link.startswith("#") for link in found.links)
    assert {link[1:] for link in found.links} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", text))


def test_overview_is_a_small_picture(tmp_path: Path) -> None:
    picture = write_overview(made_up("fu2020"), tmp_path / "new" / "a.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 300_000


def test_figures_are_well_formed(tmp_path: Path) -> None:
    written = write_figures(made_up("ionescu2021"), tmp_path / "figures")
    assert [path.name for path in written] == [
        f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")
    ]
    for path in written:
        if path.suffix == ".svg":
            assert ET.parse(path).getroot().tag.endswith("svg")
            assert "date" not in path.read_text(encoding="utf-8").split("</metadata>")[0].lower()
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


def test_figures_with_nothing_to_show_are_left_out() -> None:
    alone = made_up("murrough2013b")
    assert FIGURES["contrasts"](alone) is None
    assert "no control arm" in page("murrough2013b")
    assert FIGURES["observations"](made_up("singh2016a")) is None
    assert "nothing to compare with" in page("singh2016a")
    assert FIGURES["influence"](replace(alone, influence=alone.influence.iloc[:0])) is None


def test_report_is_written_where_asked_and_equal_data_give_equal_pages(tmp_path: Path) -> None:
    path = write_report(made_up("lii2023"), tmp_path / "deep" / "report.html")
    assert path.read_text(encoding="utf-8") == page("lii2023")


def test_contrast_and_its_parts() -> None:
    data = made_up("daly2018")
    found = [item for item in all_contrasts(data) if item.arm == "esketamine_84" and item.time_h == 24.0]
    assert len(found) == 1
    # Made up: falls of 12 and 5 points, of which the drug does 4.
    assert found[0].total == pytest.approx(-7.0)
    assert found[0].drug == pytest.approx(-4.0)
    assert found[0].expectancy == pytest.approx(-3.0)
    # Published changes of -16.4 (SE 2.64) and -5.7 (SE 1.79).
    assert found[0].derived
    assert found[0].published == pytest.approx(-10.7)
    assert found[0].published_se == pytest.approx(np.hypot(2.64, 1.79))
    assert "drug part −4, expectancy part −3" in answer(data)
    assert "published −10.7" in answer(data)


def test_published_difference_is_preferred_to_one_worked_out() -> None:
    data = made_up("canuso2018")
    row = next(item for item in data.study.observations if item.statistic == "difference")
    value, error, derived = published_contrast(data, row.arm, row.comparator or "", row.time_h)
    assert (value, error, derived) == (row.value, row.standard_error, False)


def test_published_scores_become_changes_by_each_arms_own_baseline() -> None:
    data = made_up("lii2023")
    scores = {
        row.arm: row.value
        for row in data.study.observations
        if row.statistic == "mean" and row.time_h == 24.0
    }
    starts = {arm: data.study.baseline(arm).mean for arm in scores}
    value, _, derived = published_contrast(data, "ketamine", "saline", 24.0)
    expected = (scores["ketamine"] - starts["ketamine"]) - (scores["saline"] - starts["saline"])
    assert derived
    assert value == pytest.approx(expected)


def test_answer_without_a_control_arm_says_so() -> None:
    assert "no control arm" in answer(made_up("murrough2013b"))


def test_courses_have_the_error_of_the_mean() -> None:
    course = courses(made_up("daly2018"), "change")["placebo"]
    falls = -(5.0 + 0.5 * np.arange(PEOPLE))
    assert course.values[1] == pytest.approx(falls.mean())
    assert course.errors[1] == pytest.approx(falls.std(ddof=1) / np.sqrt(PEOPLE))


def test_few_patients_are_warned_of_under_the_answer_and_beside_the_tally() -> None:
    data = made_up("daly2018")
    warning = few_simulated(data)
    assert warning.startswith(f"Only {PEOPLE} patients an arm were simulated, fewer than in the trial")
    assert page("daly2018").count(warning) == 2
    arms = tuple(arm.model_copy(update={"n": PEOPLE}) for arm in data.study.arms)
    assert few_simulated(replace(data, study=data.study.model_copy(update={"arms": arms}))) == ""


def test_error_of_a_difference_has_the_freedom_of_both_groups() -> None:
    data = made_up("daly2018")
    # Both groups are equally large and spread, so Welch's formula gives twice n - 1.
    assert all_contrasts(data)[0].freedom == pytest.approx(2.0 * (PEOPLE - 1))
    row = next(row for row in records(data.comparison) if row["statistic"] == "change")
    assert freedom(data, row) == PEOPLE - 1


@pytest.mark.parametrize(
    ("name", "question", "doses"),
    [
        ("daly2018", "each dose lower the MADRS, against placebo spray, and", " (hollow: no ketamine)."),
        ("murrough2013b", "ketamine lower the MADRS and", ", bars their true length."),
    ],
)
def test_question_and_caption_name_what_the_study_has(name: str, question: str, doses: str) -> None:
    assert f"How much does {question} for how long?" in page(name)
    assert f"Triangles are doses{doses}" in page(name)


def test_line_at_rest_is_spoken_of_only_where_it_is_seen() -> None:
    # The made-up placebo arm stays at rest and would cover it; without a control nothing does.
    said = "dotted level line is the value at rest"
    assert said not in page("daly2018")
    assert said in page("murrough2013b")


def test_tally_counts_met_missed_and_unscored() -> None:
    assert tally(pd.DataFrame({"z": [0.0, -2.0, 2.01, -5.0, np.nan]})) == (2, 2, 1)


@pytest.mark.parametrize(("ending", "begins"), [(".svg", b"<?xml"), (".PNG", b"\x89PNG"), (".pdf", b"%PDF")])
def test_course_figure_is_what_its_ending_says_and_repeatable(
    tmp_path: Path, ending: str, begins: bytes
) -> None:
    courses_of_one = made_up("fu2020").trajectories.isel(arm=[0])
    files = [tmp_path / f"{name}{ending}" for name in ("a", "b")]
    first, second = (
        write_course_figure(courses_of_one, [(0.0, 0.5)], file, "a course").read_bytes() for file in files
    )
    assert first.startswith(begins)
    assert first == second
