"""The sections of the report that show a trial as trialists expect it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Protocol

import pandas as pd
from matplotlib.figure import Figure

from ketasim.errors import StudyError
from ketasim.report.markup import inline_figure
from ketasim.report.trial.check_figure import check_caption, check_figure, has_check
from ketasim.report.trial.consort_figure import consort_caption, consort_figure
from ketasim.report.trial.counts import guess_part, incidence_part
from ketasim.report.trial.course_figures import (
    mean_change_caption,
    mean_change_figure,
    persons_caption,
    persons_figure,
)
from ketasim.report.trial.event_times import EventTimes, condition_times, happening_times, relapse_times
from ketasim.report.trial.forest_figure import compared_arms, forest_caption, forest_figure
from ketasim.report.trial.harms_figure import harm_dots_caption, harm_dots_figure
from ketasim.report.trial.layout import empty_figure
from ketasim.report.trial.plan_figure import plan_caption, plan_figure
from ketasim.report.trial.survival_figure import survival_caption, survival_figure
from ketasim.report.trial.tables import Tables, Trial, one_trial
from ketasim.report.trial.waterfall_figure import waterfall_caption, waterfall_figure
from ketasim.trials.study import Study
from ketasim.trials.study.analysis import EVENT_METHODS

__all__ = ["TrialData", "TrialFigure", "trial_figures", "trial_section", "trial_sections"]


class TrialData(Tables, Protocol):
    """The three tables and the design."""

    @property
    def study(self) -> Study:
        """The design."""


@dataclass(frozen=True)
class TrialFigure:
    """A figure with its name, title and caption; drawn only when it is asked for.

    Parameters
    ----------
    name : str
        Short; names its file, and its place in the page.
    title : str
        What it shows, in a few words.
    draw : callable
        Makes the figure.
    caption : str
        A sentence about it.
    """

    name: str
    title: str
    draw: Callable[[], Figure]
    caption: str


def trial_figures(data: TrialData, observed: pd.DataFrame | None = None) -> list[TrialFigure]:
    """List the figures that a trial has something to show in.

    Parameters
    ----------
    data : TrialData
        The tables of one or more replicates, and the design. The first replicate is shown.
    observed : DataFrame, optional
        Outcomes of one observed trial for the visual predictive check; without it, what the study
        holds of a publication.

    Returns
    -------
    list of TrialFigure
        In the order of a report. Times to an event come for the study's relapse rule, for each of
        its analyses of one (by ratings alone, whatever the estimand), and for leaving the trial if
        anybody left. The mean change comes for each phase with two or more arms that people enter
        by rules, too. The forest needs two arms, and the visual predictive check something
        observed or 5 replicates.
    """
    study = data.study
    trial = one_trial(data)
    found = [
        TrialFigure("plan", "The plan of the trial", lambda: plan_figure(study), plan_caption(study)),
        _of("flow", "Flow of participants", consort_figure, consort_caption, data),
        _of("change", "Mean change by arm", mean_change_figure, mean_change_caption, data),
        *_phases(data, study),
        _of("persons", "The course of single persons", persons_figure, persons_caption, data),
        _of("waterfall", "The change of each person", waterfall_figure, waterfall_caption, data),
        *_times_to_events(trial, study),
    ]
    if compared_arms(study) is not None:
        found.append(_of("forest", "Subgroups", forest_figure, forest_caption, data))
    found.append(_of("harm-dots", "Harms by arm", harm_dots_figure, harm_dots_caption, data))
    if has_check(data, study, observed):
        caption = check_caption(data, study, observed)
        found.append(
            TrialFigure(
                "check", "Visual predictive check", lambda: check_figure(data, study, observed), caption
            )
        )
    return found


def _of(
    name: str,
    title: str,
    draw: Callable[[Tables, Study], Figure],
    caption: Callable[[Tables, Study], str],
    data: TrialData,
) -> TrialFigure:
    """Make the entry of a figure that needs no more than the tables and the design."""
    return TrialFigure(name, title, lambda: draw(data, data.study), caption(data, data.study))


def _phases(data: TrialData, study: Study) -> Iterator[TrialFigure]:
    """The mean change in each phase that people enter by rules, if it has arms to compare."""
    for phase in study.phases:
        arms = [arm for arm in study.arms if arm.phase == phase]
        if len(arms) > 1 and all(arm.n is None for arm in arms):
            yield TrialFigure(
                f"change-{'-'.join(phase.split())}",
                f"Mean change by arm, {phase}",
                lambda phase=phase: mean_change_figure(data, study, origin=phase),  # type: ignore[misc]
                mean_change_caption(data, study, origin=phase),
            )


def _times_to_events(trial: Trial, study: Study) -> Iterator[TrialFigure]:
    """Curves of relapse, of each analysis of times, and of leaving the trial."""
    times: list[tuple[str, EventTimes]] = []
    if study.setting.relapse is not None:
        times.append(("relapse", relapse_times(trial, study)))
    seen: set[tuple[object, ...]] = set()
    for analysis in study.analyses:
        among = (*analysis.arms, *analysis.comparators)
        asked = (analysis.event, analysis.consecutive, analysis.origin, analysis.time_h, frozenset(among))
        if analysis.method not in EVENT_METHODS or asked in seen:
            continue
        # A log-rank test and a Cox model of the same times share one picture.
        seen.add(asked)
        try:
            found = condition_times(
                trial,
                study,
                analysis.event,
                consecutive=analysis.consecutive,
                origin=analysis.origin,
                among=among,
                until_h=analysis.time_h,
            )
        except StudyError as error:
            yield _undrawn(analysis.id, str(error))
            continue
        times.append((f"time-{analysis.id}", found))
    if (trial.events["kind"] == "withdrawn").any():
        times.append(("withdrawal", happening_times(trial, study)))
    for name, item in times:
        yield TrialFigure(
            name,
            f"Time to {item.word}",
            lambda item=item: survival_figure(item, study),  # type: ignore[misc]
            survival_caption(item, study),
        )


def _undrawn(analysis: str, why: str) -> TrialFigure:
    """Say for an analysis of times why it has no curve."""
    title = f"Time to the event of the analysis {analysis}"
    return TrialFigure(f"time-{analysis}", title, lambda: empty_figure(title, why), why)


def trial_sections(data: TrialData, observed: pd.DataFrame | None = None) -> list[tuple[str, str, str]]:
    """Write each figure of a trial as a part of a page.

    Parameters
    ----------
    data, observed
        As in :func:`trial_figures`.

    Returns
    -------
    list of (str, str, str)
        Name, title and HTML (the figure as SVG, and its caption) of each.
    """
    return [
        (item.name, item.title, inline_figure(f"trial-{item.name}", item.draw(), item.title, item.caption))
        for item in trial_figures(data, observed)
    ]


def trial_section(data: TrialData, observed: pd.DataFrame | None = None) -> str:
    """Write all figures of a trial as one section of the report, each under its title, and its counts."""
    parts = [f"<h3>{escape(title)}</h3>\n{html}" for _, title, html in trial_sections(data, observed)]
    return "\n".join([*parts, incidence_part(data, data.study), guess_part(data, data.study)])
