"""How many patients: power and assurance of a planned trial, and of other ways to run it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ketasim.api.options import Progress, require, silent
from ketasim.design.curve import Needed, needed_sizes, power_curve
from ketasim.design.nested import Analyse
from ketasim.design.no_effect import null_study
from ketasim.design.planned import choose_analysis, wanted
from ketasim.design.runs import Curve, Done, Question, run_tasks
from ketasim.design.sizes import arm_words, parse_sizes, split_sizes
from ketasim.design.usable import usable_rows
from ketasim.design.what_if import WhatIf, changed, parse_what_if
from ketasim.errors import ModelError, StudyError, unknown_name
from ketasim.model.parameters import ParameterSet, load_parameters, read_overrides
from ketasim.population import draw_fitted_sets
from ketasim.trials import Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["AS_PLANNED", "PowerResult", "study_power"]

#: The curve of the study as its file says.
AS_PLANNED = "as planned"
#: Draws of the parameters for assurance, if none are asked for.
_SETS = 25
_BETTER = ("lower", "higher")


@dataclass(frozen=True)
class PowerResult:
    """Power of a trial over its size.

    Parameters
    ----------
    study : Study
        The design as planned.
    analysis : str
        Id of the analysis.
    question : Question
        What was simulated.
    replicates : DataFrame
        A row a simulated trial and size, with the columns
        :data:`~ketasim.design.nested.REPLICATES`.
    finished : int
        Simulated trials of the curve that has fewest.
    kind : str
        ``power``, ``assurance`` or ``null``.
    notes : sequence of str
        What a reader must know, in sentences.
    interrupted : bool
        Whether it was stopped before all trials were simulated.
    """

    study: Study
    analysis: str
    question: Question
    replicates: pd.DataFrame
    finished: int
    kind: str
    notes: Sequence[str] = field(default_factory=tuple)
    interrupted: bool = False

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row a curve and size, with the columns :data:`~ketasim.design.curve.POWER`."""
        return power_curve(self.replicates, arm_words(self.study, self.question.sizes))

    @cached_property
    def needed(self) -> list[Needed]:
        """Patients for 80 and 90 % power; empty for a null or a single size."""
        return [] if self.kind == "null" else needed_sizes(self.replicates, seed=self.question.seed)

    def figure(self) -> Figure:
        """Power over the number of patients."""
        from ketasim.report.power_figure import power_figure

        return power_figure(self.table, self.kind)

    def as_data(self) -> dict[str, Any]:
        """All results but single replicates, as plain data."""
        return {
            "study": self.study.id,
            "analysis": self.analysis,
            "kind": self.kind,
            "seed": self.question.seed,
            "replicates_asked": self.question.replicates,
            "replicates_finished": self.finished,
            "interrupted": self.interrupted,
            "parameter_sets": len(self.question.curves[0].parameters),
            "curves": {
                curve.label: [
                    {key: value for key, value in row.items() if key != "label"}
                    for row in self.table[self.table["label"] == curve.label].to_dict("records")
                ]
                for curve in self.question.curves
            },
            "needed": [asdict(item) for item in self.needed],
            "notes": list(self.notes),
        }

    def write(self, out: str | Path) -> Path:
        """Write tables, figure and page into a folder.

        Returns
        -------
        Path
            The folder: ``power.csv``, ``needed.csv``, ``replicates.csv``, ``power.json``, ``power.svg``,
            ``power.png``, ``power.html`` and the study of each curve.
        """
        from ketasim.report.power_page import power_page
        from ketasim.report.style import save_figure

        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        self.table.to_csv(folder / "power.csv", index=False)
        pd.DataFrame([asdict(item) for item in self.needed]).to_csv(folder / "needed.csv", index=False)
        self.replicates.to_csv(folder / "replicates.csv", index=False)
        text = json.dumps(_without_nan(self.as_data()), indent=2, ensure_ascii=False, allow_nan=False)
        (folder / "power.json").write_text(text + "\n", encoding="utf-8")
        figure = self.figure()
        save_figure(figure, folder, "power")
        sentences = [item.words for item in self.needed]
        page = power_page(self.study, self.as_data(), self.table, sentences, figure)
        (folder / "power.html").write_text(page, encoding="utf-8")
        for place, curve in enumerate(self.question.curves):
            name = f"study-{place}.yaml" if place else "study.yaml"
            (folder / name).write_text(f"# {curve.label}\n{curve.planned.study.dump()}", encoding="utf-8")
        return folder


def study_power(
    study: Study,
    n: str | Sequence[int],
    *,
    replicates: int = 500,
    analysis: str | None = None,
    set: Mapping[str, str] | None = None,
    parameters: ParameterSet | str | Path | None = None,
    parameter: Mapping[str, str] | None = None,
    what_if: Sequence[WhatIf | str] = (),
    assurance: bool = False,
    sets: int | Sequence[ParameterSet] | None = None,
    null: bool = False,
    better: str | None = None,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress = silent,
    analyse: Analyse | None = None,
) -> PowerResult:
    """Compute the power of a trial over its number of patients, from whole simulated trials.

    Parameters
    ----------
    study : Study
        The design, from :meth:`Study.load`.
    n : str or sequence of int
        Patients in all, as ``"50:400"``, ``"50:400:50"``, ``"60,120"`` or numbers; they are split over the
        arms in the ratio of the study's n.
    replicates : int
        How many trials are simulated, each at the largest size; smaller sizes are their first patients.
    analysis : str, optional
        Id of the analysis; default: the first, or one that is proposed and named in the notes.
    set : mapping of str to str, optional
        Fields of the study that are changed in every curve, see :func:`ketasim.design.changed`.
    parameters : ParameterSet, str or Path, optional
        Typical values, or a CSV file with ``name, value, unit`` that replaces some.
    parameter : mapping of str to str, optional
        Parameters that are replaced in every curve, with or without unit.
    what_if : sequence of WhatIf or str
        Further curves, as ``"masked: arms.ketamine.masked=true"``; the same people take part in them.
    assurance : bool
        Whether trials also differ as studies do, and typical values are drawn from their ranges.
    sets : int or sequence of ParameterSet, optional
        Draws of the parameters for assurance; default 25, or as many as there are replicates. 1: none is
        drawn, only studies differ. Sets of one's own, such as draws from a fit, take their place.
    null : bool
        Whether the drug does nothing: what is found then is the type I error.
    better : str, optional
        Which direction of the estimate is wanted, ``lower`` or ``higher``; default: found from the analysis.
    seed, workers, progress
        As for :func:`ketasim.api.simulate_study`.
    analyse : callable, optional
        Makes the analyses in place of :func:`ketasim.trials.planned.analyse.analyse`.

    Returns
    -------
    PowerResult
        Stopped by Ctrl-C after some trials, with these.

    Raises
    ------
    StudyError, ModelError, UnitError
        If something given cannot be used.
    SolverError
        If no patient could be simulated.
    """
    _check(study, replicates, seed, workers, sets, better)
    if sets is not None and not assurance:
        raise ModelError("--sets: draws of the parameters are for --assurance; give both or neither.")
    totals = parse_sizes(n) if isinstance(n, str) else parse_sizes(",".join(str(size) for size in n))
    base = _chosen_parameters(parameters)
    certain = dict(parameter or {})
    _replaced(base, certain, "--parameter")
    plain = changed(study, set) if set else study
    others = [parse_what_if(item) if isinstance(item, str) else item for item in what_if]
    sizes = split_sizes(plain, totals)
    drawn = _draws(base, sets, replicates, seed) if assurance else [base]
    note = choose_analysis(plain, analysis).note
    curves = [
        _curve(plain, item, certain, drawn, analysis, better, null=null)
        for item in (WhatIf(AS_PLANNED), *others)
    ]
    _refuse_other_arms(sizes, totals, curves)
    question = Question(curves, sizes, replicates, seed, assurance, analyse)
    kind = "null" if null else "assurance" if assurance else "power"
    notes = [text for text in (note, *_notes(question, kind)) if text]
    return _answer(question, plain, curves[0].planned.analysis.id, kind, notes, workers, progress)


def _check(
    study: object,
    replicates: int,
    seed: int,
    workers: int | None,
    sets: int | Sequence[ParameterSet] | None,
    better: str | None,
) -> None:
    require(study, Study, "study", "Study.load('daly2018')")
    for option, number, least in (
        ("--replicates", replicates, 2),
        ("--seed", seed, 0),
        ("--workers", 1 if workers is None else workers, 1),
        ("--sets", sets if isinstance(sets, int) else 1, 1),
    ):
        require(number, int, option, "20")
        if number < least:
            raise ModelError(f"{option}: {number} is too few; give a whole number from {least} on.")
    if better is not None and better not in _BETTER:
        raise ModelError(f"--better: {unknown_name('direction', better, _BETTER)}")


def _chosen_parameters(given: ParameterSet | str | Path | None) -> ParameterSet:
    if isinstance(given, ParameterSet):
        return given
    base = load_parameters()
    return base if given is None else read_overrides(given, base)


def _draws(
    base: ParameterSet, sets: int | Sequence[ParameterSet] | None, replicates: int, seed: int
) -> list[ParameterSet]:
    """Parameter sets for assurance; never more than there are replicates."""
    if sets is None or isinstance(sets, int):
        count = min(_SETS if sets is None else sets, replicates)
        return [base] if count == 1 else draw_fitted_sets(base, count, seed)
    if not sets:
        raise ModelError("sets: there are no parameter sets; give one or more.")
    return list(sets)[:replicates]


def _replaced(base: ParameterSet, values: Mapping[str, str], option: str) -> ParameterSet:
    """Replace parameters; a bare number is in the unit of the table."""
    texts = {}
    for name, text in values.items():
        try:
            float(text)
        except ValueError:
            texts[name] = text
        else:
            texts[name] = f"{text} {base[name].unit}" if name in base else text
    return base.with_texts(texts, option)


def _curve(
    study: Study,
    what_if: WhatIf,
    certain: Mapping[str, str],
    drawn: Sequence[ParameterSet],
    analysis: str | None,
    better: str | None,
    *,
    null: bool,
) -> Curve:
    option = f"--what-if {what_if.label!r}"
    own = changed(study, what_if.changes, option=option) if what_if.changes else study
    planned = choose_analysis(own, analysis)
    if null:
        planned = choose_analysis(null_study(planned.study), planned.analysis.id)
    # What is asked for is certain: it is set after the draw.
    own_sets = [_replaced(one, {**certain, **what_if.parameters}, option) for one in drawn]
    return Curve(what_if.label, planned, own_sets, better or wanted(planned.analysis))


def _refuse_other_arms(
    sizes: Sequence[dict[str, int]], totals: Sequence[int], curves: Sequence[Curve]
) -> None:
    """Curves share their patients, so that they need the same arms in the same ratio."""
    seen: dict[str, None] = {}
    for curve in curves:
        if curve.label in seen:
            raise StudyError(f"--what-if: {curve.label!r} is the name of two curves; give each its own.")
        seen[curve.label] = None
        if split_sizes(curve.planned.study, totals) != list(sizes):
            raise StudyError(
                f"--what-if {curve.label!r}: it has other arms, or another ratio, so that its patients "
                "would not be "
                "those of the other curves. Ask for it alone, with --set."
            )


def _notes(question: Question, kind: str) -> list[str]:
    """What a reader of the numbers must know."""
    found = [
        "Each trial is simulated at the largest size; smaller sizes are its first patients, and curves share "
        "their people, so that differences between sizes and curves are surer than the intervals say."
        if len(question.sizes) > 1 or len(question.curves) > 1
        else ""
    ]
    if kind == "power":
        found.append(
            "Power takes the typical values of the model as true, and trials as alike but for their people; "
            "--assurance does not."
        )
    if kind == "assurance":
        count = len(question.curves[0].parameters)
        found.append(
            "Assurance is power over the differences between studies, with the typical values of the model."
            if count == 1
            else f"Assurance is the mean power over {count} sets of parameters and over the differences "
            "between studies. Sets that are drawn here are of the posterior ensemble, in which the fitted "
            "biology varies together as its targets leave it open; what is not fitted does not vary."
        )
    if kind == "null":
        found.append(
            "The arms with the drug are treated as the control, so that every rejection is an error; "
            f"{question.curves[0].planned.analysis.alpha:.1%} are allowed, of both signs."
        )
    return found


def _answer(
    question: Question,
    study: Study,
    analysis: str,
    kind: str,
    notes: Sequence[str],
    workers: int | None,
    progress: Progress,
) -> PowerResult:
    """Run all tasks; on Ctrl-C keep what is finished."""
    total = question.replicates * len(question.curves)
    count, interrupted = 0, False
    finished: list[Done] = []
    progress("simulating trials", 0, total)
    try:
        for done in run_tasks(question, workers):
            finished.append(done)
            count += done.task.count
            progress("simulating trials", count, total)
    except KeyboardInterrupt:
        if {done.task.curve for done in finished} != {*range(len(question.curves))}:
            raise
        interrupted = True
    rows, said = usable_rows(finished, question)
    least = int(rows.groupby("label")["replicate"].nunique().min())
    return PowerResult(study, analysis, question, rows, least, kind, (*notes, *said), interrupted)


def _without_nan(value: Any) -> Any:
    """Copy plain data with null in place of numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value
