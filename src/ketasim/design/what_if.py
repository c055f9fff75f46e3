"""What if: a study with some of its fields changed, checked as any study file is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ketasim.errors import StudyError, unknown_name
from ketasim.model.chain import STAGES
from ketasim.trials.study import Study

__all__ = ["WhatIf", "changed", "parse_assignment", "parse_what_if", "study_data", "study_from"]

#: By what the items of a list are called, the first of these that they have.
_NAMES = ("id", "family", "time", "field")
#: Paths of a what-if that begin so replace a parameter of the model.
PARAMETER = "parameter."
_NEXT = re.compile(r";\s*(?=[A-Za-z_][\w.\- ]*=)")
_LINE = re.compile(r", line \d+")


@dataclass(frozen=True)
class WhatIf:
    """A trial run in another way.

    Parameters
    ----------
    label : str
        What it is called in tables and figures.
    changes : mapping of str to str
        New values of fields of the study file, by path, as in ``{"arms.ketamine.masked": "true"}``.
    parameters : mapping of str to str
        New values of parameters of the model, with or without unit.
    """

    label: str
    changes: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_assignment(text: str, option: str) -> tuple[str, str]:
    """Read ``PATH=VALUE``.

    Raises
    ------
    StudyError
        If it is something else.
    """
    path, sign, value = (part.strip() for part in text.partition("="))
    if not sign or not path or not value:
        raise StudyError(
            f"{option}: {text!r} is not of the form PATH=VALUE; write for example 'setting.control=saline'."
        )
    return path, value


def parse_what_if(text: str, option: str = "--what-if") -> WhatIf:
    """Read ``label: PATH=VALUE; PATH=VALUE``; without a label, the changes are the label.

    Paths are those of the study file, or ``parameter.NAME`` for a parameter of the model.

    Raises
    ------
    StudyError
        If it has another form, or sets one thing twice.
    """
    before = text.partition("=")[0]
    label, colon, _ = before.rpartition(":")
    rest = text[len(label) + 1 :] if colon else text
    changes: dict[str, str] = {}
    parameters: dict[str, str] = {}
    for part in _NEXT.split(rest.strip().rstrip(";")):
        path, value = parse_assignment(part, option)
        store, name = (
            (parameters, path.removeprefix(PARAMETER)) if path.startswith(PARAMETER) else (changes, path)
        )
        if name in store:
            raise StudyError(f"{option}: {path!r} is set twice in {text!r}; keep one.")
        store[name] = value
    return WhatIf(label.strip() or rest.strip(), changes, parameters)


def changed(
    study: Study,
    changes: Mapping[str, str],
    known_quantities: Mapping[str, str] | None = None,
    option: str = "--set",
) -> Study:
    """Change some fields of a study.

    Parameters
    ----------
    study : Study
        The study as it is.
    changes : mapping of str to str
        New values by path. A path is the keys of the study file joined by dots. An item of a list
        is found by its id (``dropout.early.rate_per_week``), or by what it has instead: family, time,
        field (``visits.24 h.window``), or else by its place from 0 (``endpoints.0.time``). A value is
        written as in the file; ``null`` takes a field away, and a list or a part is written in
        brackets: ``[day 8, day 15]``, ``{missed: 0.1}``.
    known_quantities : mapping of str to str, optional
        Units of the quantities that a study file may name; default: those of the model.
    option : str
        Where the changes come from, for the errors.

    Returns
    -------
    Study
        With the same id, so that the same people take part.

    Raises
    ------
    StudyError
        If a path leads nowhere, a value cannot be read, or the changed study is refused; says
        which field, and why.
    """
    data = study_data(study)
    for path, text in changes.items():
        _refuse_hidden(study, path, option)
        _put(data, path, _value(text, f"{option} {path}={text}"), f"{option} {path}={text}")
    if data.get("id") != study.id:
        raise StudyError(
            f"{option} id={data.get('id')}: the id names the people who are drawn, and must stay "
            f"{study.id!r}."
        )
    shown = "; ".join(f"{path}={text}" for path, text in changes.items())
    return study_from(data, f"{option} {shown}" if changes else study.id, known_quantities)


def study_data(study: Study) -> dict[str, Any]:
    """A study as the plain data of its file, to be changed."""
    return study.model_dump(mode="json", by_alias=True, exclude_none=True)


def study_from(
    data: Mapping[str, Any], source: str, known_quantities: Mapping[str, str] | None = None
) -> Study:
    """Read a study from the plain data of its file.

    Raises
    ------
    StudyError
        If it is refused; the message begins with ``source``.
    """
    known = (
        {item.name: item.shown_unit for stage in STAGES for item in stage.provides}
        if known_quantities is None
        else known_quantities
    )
    text = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)
    try:
        return Study.parse(text, source, known)
    except StudyError as error:
        # There is no file whose line could be looked at.
        raise StudyError(_LINE.sub("", str(error), count=1)) from error


def _value(text: str, origin: str) -> Any:
    """Read a value as YAML does."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "not YAML"
        raise StudyError(
            f"{origin}: the value cannot be read ({problem}); write it as in a study file."
        ) from error
    return value


def _refuse_hidden(study: Study, path: str, option: str) -> None:
    """Refuse to change the shared baseline where each arm's own counts."""
    own = [arm.id for arm in study.first_arms if arm.baseline is not None]
    if path in ("population.baseline.mean", "population.baseline.sd") and own:
        raise StudyError(
            f"{option} {path}: these arms of {study.id} have a baseline of their own: {', '.join(own)}. Set "
            f"arms.{own[0]}.baseline.{path.rpartition('.')[2]}, or take it away with "
            f"arms.{own[0]}.baseline=null."
        )


def _put(data: dict[str, Any], path: str, value: Any, origin: str) -> None:
    """Change one field of plain data in place."""
    parts = [part.strip() for part in path.split(".")]
    if not all(parts):
        raise StudyError(f"{origin}: a path is keys joined by single dots, such as 'setting.control'.")
    place: Any = data
    key: Any
    walked = "the study"
    while True:
        if isinstance(place, list):
            key, used = _item(place, parts, walked, origin)
        elif isinstance(place, dict):
            key, used = parts[0], 1
        else:
            raise StudyError(
                f"{origin}: {walked} is {place!r} and has no field {'.'.join(parts)!r}; end the path "
                "before it."
            )
        walked, parts = (
            ".".join(part for part in (walked, *parts[:used]) if part != "the study"),
            parts[used:],
        )
        if not parts:
            _set(place, key, value)
            return
        if isinstance(place, dict) and place.get(key) is None:
            place[key] = {}
        place = place[key]


def _set(place: Any, key: Any, value: Any) -> None:
    if value is None:
        # Already absent is as good.
        if isinstance(place, list) or key in place:
            del place[key]
    else:
        place[key] = value


def _item(items: list[Any], parts: Sequence[str], walked: str, origin: str) -> tuple[int, int]:
    """Find an item of a list, and how many parts of the path its name takes."""
    names = [_name(item) for item in items]
    # A name may hold dots: the longest that fits.
    for used in range(len(parts), 0, -1):
        asked = ".".join(parts[:used])
        if asked in names:
            if names.count(asked) > 1:
                places = ", ".join(str(place) for place, name in enumerate(names) if name == asked)
                raise StudyError(
                    f"{origin}: {walked} has several items {asked!r}; name one by its place, from 0: "
                    f"{places}."
                )
            return names.index(asked), used
    if parts[0].isdigit():
        if int(parts[0]) < len(items):
            return int(parts[0]), 1
        raise StudyError(
            f"{origin}: {walked} has {len(items)} items; give a place from 0 to {len(items) - 1}."
        )
    if not items:
        raise StudyError(
            f"{origin}: {walked} of the study is an empty list; give all of it, as in "
            f"'{walked}=[{{id: {parts[0]}, ...}}]'."
        )
    kind = f"item of {walked}"
    raise StudyError(f"{origin}: {unknown_name(kind, parts[0], [name for name in names if name])}")


def _name(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    return next((str(item[key]) for key in _NAMES if key in item), "")
