"""A system, a patient and his schedule as an SBML Level 3 Version 2 document.

States are parameters with rate rules, not species: many of them are ratios,
scores or pressures, which no compartment holds, and tools take both alike.
Quantities are assignment rules. Whatever happens at a time is an event; its time
and its values are parameters, so that other tools can move a dose without
touching the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from xml.sax.saxutils import escape

import sympy as sp
from sympy.printing.str import StrPrinter

from ketasim.engine import Schedule, System
from ketasim.errors import ModelError

__all__ = ["Description", "sbml_document"]

_LEVEL, _VERSION = 3, 2


@dataclass(frozen=True)
class Description:
    """What a document says beside its equations.

    Parameters
    ----------
    name : str
        Of the model; letters, digits and underscores.
    notes : str
        Plain text about the whole.
    labels, details : mapping of str to str
        A name and a remark for states, parameters and quantities, by their names.
    units : mapping of str to tuple
        For each of them pairs of an SBML base unit with its scale, multiplier and exponent;
        what is not named is dimensionless.
    time_unit : tuple
        The same for time.
    """

    name: str = "system"
    notes: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, tuple[tuple[str, int, float, float], ...]] = field(default_factory=dict)
    time_unit: tuple[tuple[str, int, float, float], ...] = ()


def sbml_document(
    system: System,
    parameters: Mapping[str, float],
    start: Mapping[str, float],
    schedule: Schedule,
    span: tuple[float, float],
    defaults: Mapping[str, float],
    description: Description | None = None,
) -> str:
    """Write a patient's model.

    Parameters
    ----------
    system : System
        The equations.
    parameters, start, defaults : mapping of str to float
        Value of each parameter, of each state at the first time, and of each input without
        a path; in the system's units.
    schedule : Schedule
        What happens. Times count from the first time, which is 0 in the document.
    span : tuple of float
        First and last time.
    description : Description, optional
        Names, units and remarks.

    Returns
    -------
    str
        XML.

    Raises
    ------
    ModelError
        If python-libsbml is not installed, or the document would not be valid SBML.
    """
    libsbml = _libsbml()
    writer = _Writer(libsbml, description or Description())
    writer.quantities_without_a_time(system, parameters, defaults)
    writer.states(system, start, schedule, span, defaults)
    writer.events(schedule, span, defaults)
    return writer.text()


def _libsbml() -> ModuleType:
    try:
        import libsbml
    except ImportError as error:
        raise ModelError(
            "SBML needs the package python-libsbml, which is not installed; install it with "
            "pip install 'ketasim[sbml]'."
        ) from error
    module: ModuleType = libsbml
    return module


class _Formula(StrPrinter):  # type: ignore[misc]
    """SymPy expressions in the words of SBML's formulas."""

    def _print_log(self, expr: Any) -> str:
        return f"ln({self._print(expr.args[0])})"

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:  # noqa: ARG002
        return f"(({self._print(expr.base)})^({self._print(expr.exp)}))"

    def _print_Rational(self, expr: Any) -> str:
        return repr(float(expr)) if expr.q != 1 else f"{expr.p}"

    def _print_Float(self, expr: Any) -> str:
        return repr(float(expr))


class _Writer:
    """Builds one document."""

    def __init__(self, libsbml: ModuleType, description: Description) -> None:
        self._libsbml = libsbml
        self._about = description
        self._document = libsbml.SBMLDocument(_LEVEL, _VERSION)
        self._model = self._document.createModel()
        self._model.setId(description.name)
        self._unit_ids: dict[tuple[Any, ...], str] = {}
        self._forced: set[str] = set()
        if description.notes:
            self._note(self._model, description.notes)
        if description.time_unit:
            self._model.setTimeUnits(self._unit(description.time_unit))

    def quantities_without_a_time(
        self, system: System, parameters: Mapping[str, float], defaults: Mapping[str, float]
    ) -> None:
        """Parameters of the model, and inputs at their defaults."""
        for symbol in system.parameters:
            self._parameter(symbol.name, parameters[symbol.name], constant=True)
        for symbol in system.inputs:
            self._parameter(symbol.name, defaults[symbol.name], constant=False)

    def states(
        self,
        system: System,
        start: Mapping[str, float],
        schedule: Schedule,
        span: tuple[float, float],
        defaults: Mapping[str, float],
    ) -> None:
        """Quantities and states with their rules; what happens at the first time is in the start."""
        first = next(iter(schedule.segments(*span, defaults)), None)
        begins = dict(start)
        if first is not None:
            for name, amount in first.jumps.items():
                begins[name] += amount
            begins.update(first.settings)
            for name, value in first.inputs.items():
                self._model.getParameter(name).setValue(value)
        self._forced = {infusion.state for infusion in schedule.infusions}
        for name in sorted(self._forced):
            rate = first.rates.get(name, 0.0) if first is not None else 0.0
            self._parameter(_forcing(name), rate, constant=False, label=f"rate of infusion into {name}")
        for symbol in system.states:
            self._parameter(symbol.name, begins[symbol.name], constant=False)
        for symbol in system.quantities:
            self._parameter(symbol.name, None, constant=False)
        for symbol, expression in system.quantities.items():
            rule = self._model.createAssignmentRule()
            rule.setVariable(symbol.name)
            rule.setMath(self._math(expression))
        for symbol, expression in zip(system.states, system.rates, strict=True):
            rate = self._model.createRateRule()
            rate.setVariable(symbol.name)
            forced = symbol.name in self._forced
            rate.setMath(self._math(expression + sp.Symbol(_forcing(symbol.name)) if forced else expression))

    def events(self, schedule: Schedule, span: tuple[float, float], defaults: Mapping[str, float]) -> None:
        """One event for each time after the first at which something changes."""
        before: tuple[Mapping[str, float], Mapping[str, float]] | None = None
        number = 0
        for segment in schedule.segments(*span, defaults):
            now = (segment.inputs, segment.rates)
            if before is not None:
                changes = {
                    name: (value, "")
                    for name, value in segment.inputs.items()
                    if value != before[0].get(name)
                }
                for name in sorted(before[1].keys() | segment.rates.keys()):
                    rate = segment.rates.get(name, 0.0)
                    if rate != before[1].get(name, 0.0):
                        changes[_forcing(name)] = (rate, "")
                changes |= {name: (amount, f"{name} + ") for name, amount in segment.jumps.items()}
                changes |= {name: (value, "") for name, value in segment.settings.items()}
                if changes:
                    number += 1
                    self._event(number, segment.start - span[0], changes)
            before = now

    def text(self) -> str:
        """The finished document, checked."""
        libsbml = self._libsbml
        self._document.setConsistencyChecks(libsbml.LIBSBML_CAT_UNITS_CONSISTENCY, False)
        self._document.setConsistencyChecks(libsbml.LIBSBML_CAT_MODELING_PRACTICE, False)
        self._document.checkConsistency()
        for index in range(self._document.getNumErrors()):
            error = self._document.getError(index)
            if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR:
                raise ModelError(f"SBML: {error.getMessage().strip()}")
        written: str = libsbml.writeSBMLToString(self._document)
        return written

    def _event(self, number: int, time: float, changes: Mapping[str, tuple[float, str]]) -> None:
        name = f"event_{number}"
        self._parameter(f"{name}_time", time, constant=True, label=f"time of event {number}")
        event = self._model.createEvent()
        event.setId(name)
        event.setUseValuesFromTriggerTime(True)
        trigger = event.createTrigger()
        trigger.setInitialValue(False)
        trigger.setPersistent(True)
        trigger.setMath(self._parsed(f"time >= {name}_time"))
        for target, (value, base) in changes.items():
            given = f"{name}_{target}"
            self._parameter(given, value, constant=True, label=f"what event {number} does to {target}")
            assignment = event.createEventAssignment()
            assignment.setVariable(target)
            assignment.setMath(self._parsed(f"{base}{given}"))

    def _parameter(self, name: str, value: float | None, *, constant: bool, label: str = "") -> None:
        item = self._model.createParameter()
        item.setId(name)
        item.setConstant(constant)
        if value is not None:
            item.setValue(value)
        title = label or self._about.labels.get(name, "")
        if title:
            item.setName(title)
        if name in self._about.details:
            self._note(item, self._about.details[name])
        if self._about.time_unit:
            item.setUnits(self._unit(self._about.units.get(name, ())))

    def _unit(self, parts: tuple[tuple[str, int, float, float], ...]) -> str:
        """Name of a unit, defined when it is first asked for."""
        if not parts:
            return "dimensionless"
        if parts not in self._unit_ids:
            definition = self._model.createUnitDefinition()
            self._unit_ids[parts] = f"unit_{len(self._unit_ids) + 1}"
            definition.setId(self._unit_ids[parts])
            definition.setName(_in_words(parts))
            for kind, scale, multiplier, exponent in parts:
                unit = definition.createUnit()
                unit.setKind(self._libsbml.UnitKind_forName(kind))
                unit.setScale(scale)
                unit.setMultiplier(multiplier)
                unit.setExponent(exponent)
        return self._unit_ids[parts]

    def _math(self, expression: sp.Expr) -> Any:
        return self._parsed(_Formula().doprint(expression))

    def _parsed(self, formula: str) -> Any:
        tree = self._libsbml.parseL3Formula(formula)
        if tree is None:
            raise ModelError(f"SBML: {self._libsbml.getLastParseL3Error()} in {formula!r}")
        return tree

    def _note(self, item: Any, text: str) -> None:
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in text.splitlines())
        item.setNotes(f'<body xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</body>')


def _forcing(state: str) -> str:
    return f"infusion_into_{state}"


def _in_words(parts: tuple[tuple[str, int, float, float], ...]) -> str:
    shown = []
    for kind, scale, multiplier, exponent in parts:
        size = multiplier * 10.0**scale
        shown.append(
            (f"{size:g} " if size != 1.0 else "") + kind + (f"^{exponent:g}" if exponent != 1 else "")
        )
    return " * ".join(shown)
