"""Lists of what there is: studies, experiments, causes, drugs, quantities, parameters, options, stages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import isfinite
from typing import Annotated, Any

import typer

from ketasim.cli.console import number, output, plain_table, write_json
from ketasim.cli.studies import known_quantities
from ketasim.errors import KetasimError, unknown_name

__all__ = ["list_items"]

Row = dict[str, Any]

#: Columns of numbers, set flush right.
_NUMBERS = ("value", "low", "high", "regions", "starts_h", "ends_h")


def list_items(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="studies, experiments, causes, drugs, quantities, parameters, options, connectomes or "
            "stages.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON: a list with an object a row.")] = False,
) -> None:
    """List studies, experiments, causes, drugs, quantities, parameters, options, connectomes or stages."""
    if kind not in _KINDS:
        raise KetasimError(f"list: {unknown_name('kind of list', kind, _KINDS)}")
    rows_of, columns = _KINDS[kind]
    rows = rows_of()
    if as_json:
        write_json(rows)
        return
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    output().print(
        plain_table(columns, cells, right=("value", "low", "high", "regions", "starts_h", "ends_h"))
    )


def _cell(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else number(value)


def _studies() -> list[Row]:
    from ketasim.trials import Study, shipped_studies

    known = known_quantities()
    rows = []
    for name in shipped_studies():
        study = Study.load(name, known)
        rows.append(
            {
                "name": name,
                "title": study.title,
                "source": study.citation,
                "condition": study.population.condition,
                "control": study.setting.control,
                "arms": [arm.id for arm in study.arms],
                "patients": sum(arm.n or 0 for arm in study.first_arms),
                "visits": len(study.visits),
                "observations": len(study.observations),
                "assumed": [item.field for item in study.assumed],
            }
        )
    return rows


def _experiments() -> list[Row]:
    from ketasim.trials.experiment import Experiment, shipped_experiments

    known = known_quantities()
    rows = []
    for name in shipped_experiments():
        experiment = Experiment.load(name, known)
        rows.append(
            {
                "name": name,
                "title": experiment.title,
                "source": experiment.citation,
                "domain": experiment.domain,
                "species": experiment.species,
                "arms": [arm.id for arm in experiment.arms],
                "observations": len(experiment.observations),
                "assumed": [item.field for item in experiment.assumed],
            }
        )
    return rows


def _causes() -> list[Row]:
    from ketasim.trials.causes import load_causes

    return [
        {
            "name": cause.name,
            "kind": cause.kind,
            "target": cause.target,
            "value": cause.value,
            "unit": cause.unit,
            "low": cause.low,
            "high": cause.high,
            "starts_h": cause.starts_h if isfinite(cause.starts_h) else None,
            "ends_h": cause.ends_h if isfinite(cause.ends_h) else None,
            "source": cause.source,
            "grade": cause.grade,
            "note": cause.note,
        }
        for causes in load_causes().values()
        for cause in causes
    ]


def _drugs() -> list[Row]:
    from ketasim.dosing import DRUGS

    return [
        {
            "name": drug.name,
            "label": drug.label,
            "value": drug.molar_mass_g_mol if drug.is_active else None,
            "unit": "g/mol" if drug.is_active else None,
            "routes": list(drug.routes),
            "moieties": dict(drug.moieties),
            "nasal_device_mg": drug.nasal_device_mg,
            "source": drug.source,
        }
        for drug in DRUGS.values()
    ]


def _quantities() -> list[Row]:
    from ketasim.model.chain import STAGES

    rows = [
        {
            "name": item.name,
            "unit": item.shown_unit,
            "label": item.label,
            "stage": stage.name,
            "reference": None if item.reference == "none" else item.reference,
        }
        for stage in STAGES
        for item in stage.provides
    ]
    # These two come from the scoring layer, which is not a stage of the chain.
    scored = (
        ("belief", "ratio", "belief of having the drug"),
        ("placebo", "points", "points that expectancy takes"),
    )
    for name, unit, label in scored:
        rows.append({"name": name, "unit": unit, "label": label, "stage": "scoring", "reference": None})
    return rows


def _parameters() -> list[Row]:
    from ketasim.evidence import citation_text, load_publications
    from ketasim.model.parameters import load_parameters

    known = set(load_publications()["key"])
    return [
        {
            "name": item.name,
            "value": item.value,
            "unit": item.unit,
            "low": item.low,
            "high": item.high,
            "distribution": item.distribution,
            "between_persons_sd_log": item.iiv,
            "stage": item.stage,
            "source": item.source,
            "citation": citation_text(item.source) if item.source in known else None,
            "grade": item.grade,
            "note": item.note,
        }
        for item in load_parameters().values()
    ]


def _options() -> list[Row]:
    from ketasim.model.options import load_options, setting_texts

    return [
        {
            "option": option.name,
            "choice": choice.name,
            "default": choice.name == option.default,
            "sets": list(setting_texts(choice)),
            "source": list(choice.sources),
            "note": choice.note,
        }
        for option in load_options().values()
        for choice in option.choices.values()
    ]


def _stages() -> list[Row]:
    from ketasim.model.chain import STAGES
    from ketasim.model.parameters import load_parameters

    grades: dict[str, Counter[str]] = {}
    for item in load_parameters().values():
        grades.setdefault(item.stage, Counter())[item.grade] += 1
    return [
        {
            "name": stage.name,
            "title": stage.title,
            "section": stage.section,
            "states": [state.name for state in stage.states],
            "reads": [item.name for item in stage.reads],
            "provides": [item.name for item in stage.provides],
            "parameters": sum(grades.get(stage.name, {}).values()),
            "grades": dict(grades.get(stage.name, {})),
        }
        for stage in STAGES
    ]


def _connectomes() -> list[Row]:
    from dataclasses import asdict

    from ketasim.brain import available_connectomes

    return [asdict(item) for item in available_connectomes()]


_KINDS: dict[str, tuple[Callable[[], list[Row]], tuple[str, ...]]] = {
    "studies": (_studies, ("name", "title", "condition", "arms", "patients", "observations")),
    "experiments": (_experiments, ("name", "title", "domain", "species", "arms", "observations")),
    "causes": (_causes, ("name", "target", "value", "unit", "starts_h", "ends_h", "source", "note")),
    "drugs": (_drugs, ("name", "label", "value", "unit", "routes", "source")),
    "quantities": (_quantities, ("name", "unit", "stage", "label")),
    "parameters": (_parameters, ("name", "value", "unit", "low", "high", "source", "grade", "note")),
    "options": (_options, ("option", "choice", "default", "sets", "source", "note")),
    "connectomes": (
        _connectomes,
        ("name", "package", "installed", "version", "regions", "functional", "install"),
    ),
    "stages": (_stages, ("section", "name", "title", "reads", "parameters")),
}
