"""Study files as text: YAML with line numbers, and faults told in plain words."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ketasim.errors import StudyError, unknown_name

__all__ = ["read_yaml", "validate_file"]

Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str | int, ...]

_TIME_FIELDS = ("time", "after", "at", "window")


#: The loader of libyaml where it is there: many times as fast.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]
    """Safe YAML in which dates stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], source: str) -> None:
    """Record the line of every key and list item, and refuse a key that is given twice."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            child = (*path, str(key.value))
            line = key.start_mark.line + 1
            if child in lines and lines[child] != 0:
                raise StudyError(
                    f"{source}, line {line}: the key {key.value!r} is given twice, first in line "
                    f"{lines[child]}; keep one."
                )
            lines[child] = line
            _walk(value, child, lines, source)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*path, index), lines, source)


def read_yaml(text: str, source: str) -> tuple[dict[Hashable, Any], dict[Path, int]]:
    """Read a YAML mapping and the line of each of its keys.

    Parameters
    ----------
    text : str
        YAML text.
    source : str
        Name of the file, for the errors.

    Returns
    -------
    data : dict
        The mapping.
    lines : dict
        Line number, from 1, by path of keys and list indices.

    Raises
    ------
    StudyError
        If the text is empty, not YAML, not a mapping, or has a key twice.
    """
    hint = "'ketasim new-study' writes a file to start from."
    if not text.strip():
        raise StudyError(f"{source} is empty; a study file is needed. {hint}")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise StudyError(f"{source} holds no keys with values, so it is not a study file. {hint}")
        lines: dict[Path, int] = {}
        _walk(node, (), lines, source)
        data = loader.construct_document(node)
    except StudyError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise StudyError(
            f"{source}{where} is not valid YAML: {error.problem or error.context}. Check the indentation, "
            "the colons and the brackets there."
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise StudyError(f"{source} is not valid YAML: {problem}. Save it as plain UTF-8 text.") from error
    return data, lines


def _parts(model: type[BaseModel], path: tuple[str, ...]) -> dict[tuple[str, ...], type[BaseModel]]:
    """Find the class of every nested part, by its path without list indices."""
    found = {path: model}
    for name, field in model.model_fields.items():
        stack: list[Any] = [field.annotation]
        while stack:
            hint = stack.pop()
            if isinstance(hint, type) and issubclass(hint, BaseModel):
                found.update(_parts(hint, (*path, field.alias or name)))
            stack.extend(get_args(hint))
    return found


def _where(path: Path, lines: Mapping[Path, int], source: str) -> str:
    known = path
    while known and known not in lines:
        known = known[:-1]
    field = ".".join(str(part) for part in path) or "the file"
    return f"{source}, line {lines.get(known, 1)}, {field}"


def _explain(error: Mapping[str, Any], keys: list[str], ruled: bool) -> str:
    """Put one fault that pydantic found into plain words."""
    kind, value, loc = error["type"], error.get("input"), error["loc"]
    name = str(loc[-1]) if loc else ""
    if kind == "extra_forbidden":
        return unknown_name("key", name, keys)
    if kind == "missing":
        return f"the key {name!r} is missing; this part of the file has the keys {', '.join(keys)}."
    if kind == "literal_error":
        allowed = re.split(r", | or ", error["ctx"]["expected"].replace("'", ""))
        return unknown_name("value", str(value), allowed)
    if kind == "too_short":
        return "the list is empty; at least one item is needed."
    if kind == "string_type":
        field = name if not name.isdigit() or len(loc) < 2 else str(loc[-2])
        if isinstance(value, (int, float)) and not isinstance(value, bool) and field in _TIME_FIELDS:
            return f"{value} is a bare number; write a time with its unit, as in '{value} h' or '{value} d'."
        return f"{value!r} must be text; put it in quotes."
    if kind in ("value_error", "study"):
        return str(error["msg"]).removeprefix("Value error, ")
    of_arm = ruled and name == "n" and loc[0] == "arms"
    hint = " An arm without n is one that rules lead to; leave n out there." if of_arm else ""
    return f"{value!r} is not allowed: {error['msg'][0].lower()}{error['msg'][1:]}.{hint}"


def validate_file(model: type[Model], text: str, source: str, context: Mapping[str, Any]) -> Model:
    """Read YAML text into a model, or say in one paragraph what is wrong and where.

    Parameters
    ----------
    model : type
        The pydantic class of the file.
    text, source : str
        YAML text and the name of its file.
    context : mapping
        Passed to the validators.

    Returns
    -------
    model
        An instance.

    Raises
    ------
    StudyError
        Naming the file, the line and the field of the first fault, and how many more there are.
    """
    data, lines = read_yaml(text, source)
    try:
        return model.model_validate(data, context=dict(context))
    except ValidationError as failure:
        errors = failure.errors(include_url=False)
        parts = _parts(model, ())
        # A misspelt key is also a missing one: the misspelling is what the user must see.
        first = min(errors, key=lambda e: (e["type"] == "missing", lines.get(e["loc"], len(lines))))
        path: Path = (*first["loc"], *first.get("ctx", {}).get("path", ()))
        owner = tuple(str(part) for part in path[:-1] if isinstance(part, str))
        fields = parts[owner].model_fields if owner in parts else {}
        keys = [field.alias or name for name, field in fields.items()]
        more = len(errors) - 1
        tail = f" ({more} more fault{'s' if more > 1 else ''} in this file.)" if more else ""
        told = _explain(first, keys, "rules" in model.model_fields)
        raise StudyError(f"{_where(path, lines, source)}: {told}{tail}") from failure
