"""Study files: a template, a check and the schema. Nothing is simulated here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ketasim.cli.console import write_json
from ketasim.errors import StudyError, unknown_name

__all__ = ["check_study_file", "known_quantities", "new_study", "schema"]


def known_quantities() -> dict[str, str]:
    """Units of the model's quantities, by name: what a study file may name beside its outcomes."""
    from ketasim.model.chain import STAGES

    return {item.name: item.shown_unit for stage in STAGES for item in stage.provides}


def new_study(
    study_id: Annotated[str, typer.Argument(metavar="ID", help="Name of the study.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write here; default: the screen.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    design: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Kind of design: parallel, crossover, sequential_parallel, escape, phases, titration, "
            "lead_in, reestimation, withdrawal, maintenance, emergency, non_inferiority, series, probe, "
            "masked, enrichment, pain or cohort.",
        ),
    ] = "parallel",
) -> None:
    """Write a commented study file to start from, for one kind of design."""
    from ketasim.trials import new_study_text

    text = new_study_text(study_id, design)
    if out is None:
        print(text, end="")
        return
    if out.is_dir():
        raise StudyError(
            f"--out {out}: this is a folder; name a file, for example {out / (study_id + '.yaml')}."
        )
    if out.exists() and not force:
        raise StudyError(f"--out {out}: this file exists; choose another name, or add --force.")
    out.write_text(text, encoding="utf-8")
    print(f"{out} is written; edit it, then check it with: ketasim check-study {out}")


def check_study_file(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or a shipped name.")],
) -> None:
    """Check a study file and tell how it is understood; nothing is simulated."""
    from ketasim.trials import check_study

    for line in check_study(study, known_quantities()):
        print(line)


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="study or experiment.")] = "study",
) -> None:
    """Write the JSON schema of study or experiment files."""
    from ketasim.trials import study_schema
    from ketasim.trials.experiment import experiment_schema

    schemas = {"study": study_schema, "experiment": experiment_schema}
    if kind not in schemas:
        raise StudyError(f"schema: {unknown_name('kind of file', kind, schemas)}")
    write_json(schemas[kind]())
