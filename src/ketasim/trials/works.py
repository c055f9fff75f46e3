"""Works: trials and experiments alike, by their names, their files or a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.experiment import Experiment, read_experiment_text, shipped_experiments
from ketasim.trials.study import Study
from ketasim.trials.study.catalogue import read_study_text, shipped_studies
from ketasim.trials.study.yaml_text import read_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Work", "load_work", "parse_work", "shipped_works", "works_in"]

Work = Study | Experiment
_SUFFIXES = (".yaml", ".yml")


def shipped_works() -> tuple[str, ...]:
    """Names of the shipped studies and experiments, sorted."""
    return tuple(sorted({*shipped_studies(), *shipped_experiments()}))


def load_work(name_or_path: str | Path, known_quantities: Mapping[str, str] | None = None) -> Work:
    """Read a study or an experiment; which it is says its ``kind``.

    Parameters
    ----------
    name_or_path : str or Path
        A shipped name, or the path of a YAML file.
    known_quantities : mapping of str to str, optional
        Quantities that a file may name, with units; default: those of the model.

    Returns
    -------
    Study or Experiment

    Raises
    ------
    StudyError
        If there is no such work, or the file is not valid; names file, line and field.
    """
    name = str(name_or_path)
    if isinstance(name_or_path, str) and name in shipped_experiments():
        return parse_work(*read_experiment_text(name), known_quantities)
    if isinstance(name_or_path, str) and name in shipped_studies():
        return parse_work(*read_study_text(name), known_quantities)
    path = Path(name_or_path)
    if not path.exists() and not ("/" in name or name.endswith(_SUFFIXES)):
        raise StudyError(
            f"{unknown_name('study or experiment', name, shipped_works())} Give a shipped name or the path "
            "of a file; 'ketasim list studies' and 'ketasim list experiments' show the names."
        )
    return parse_work(*read_study_text(path), known_quantities)


def parse_work(text: str, source: str, known_quantities: Mapping[str, str] | None = None) -> Work:
    """Read a study or an experiment from YAML text.

    Parameters
    ----------
    text, source : str
        The text and the name of its file.
    known_quantities : mapping of str to str, optional
        As of :func:`load_work`.

    Raises
    ------
    StudyError
        If the text is not a valid file.
    """
    from ketasim.trials.experiment.definition import model_quantities

    known = model_quantities() if known_quantities is None else known_quantities
    data, lines = read_yaml(text, source)
    kind = data.get("kind", "study")
    if kind == "experiment":
        return Experiment.parse(text, source, known)
    if kind != "study":
        raise StudyError(
            f"{source}, line {lines.get(('kind',), 1)}, kind: "
            f"{unknown_name('kind of file', str(kind), ('experiment',))} A study has no key 'kind'."
        )
    return Study.parse(text, source, known)


def works_in(folder: str | Path) -> list[Path]:
    """Files of studies and experiments in a folder and below it, sorted.

    Parameters
    ----------
    folder : str or Path
        The folder; files in it that are not YAML are left out, and so are hidden ones.

    Raises
    ------
    StudyError
        If it is not a folder, or there is none in it.
    """
    place = Path(folder)
    if not place.is_dir():
        raise StudyError(f"{place}: this is not a folder; give one with study or experiment files.")
    found = [
        path
        for path in sorted(place.rglob("*"))
        if path.is_file()
        and path.suffix.lower() in _SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(place).parts)
    ]
    if not found:
        raise StudyError(f"{place}: no study or experiment file (ending in .yaml or .yml) is in this folder.")
    return found
