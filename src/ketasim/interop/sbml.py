"""A system, a patient and his schedule as an SBML Level 3 Version 2 document.

States are parameters with rate rules, not species: many of them are ratios,
scores or pressures, which no compartment holds, and tools take both alike.
Quantities are assignment rules. Whatever happens at a time is an event; its time
and its values are parameters, so that other tools can move a dose without
touching the model. How other tools are to be set: ``docs/sbml.md``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import ModuleType
from typing import Any
from xml.sax.saxutils import escape

import sympy as sp
from sympy.printing.str import StrPrinter

from ketasim.engine import Schedule, Segment, System
from ketasim.errors import ModelError, unknown_name

__all__ = ["Description", "Unit", "sbml_document"]

_LEVEL, _VERSION = 3, 2

#: What an identifier of SBML looks like.
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Unit:
    """A unit as SBML defines it.

    Parameters
    ----------
    name : str
        As a reader knows it, such as ``L/h``.
    factors : tuple of tuple
        An SBML base unit with its scale, multiplier and exponent; none for a pure number.
    """

    name: str
    factors: tuple[tuple[str, int, float, float], ...] = ()

    def per(self, other: Unit) -> Unit:
        """Divide by another unit."""
        inverse = tuple((kind, scale, size, -exponent) for kind, scale, size, exponent in other.factors)
        return Unit(f"{self.name}/{other.name}", self.factors + inverse)


_NUMBER = Unit("dimensionless")


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
    units : mapping of str to Unit
        For each of them; what is not named is a pure number.
    time_unit : Unit, optional
        The unit of time; without it the document says no units at all.
    """

    name: str = "system"
    notes: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    time_unit: Unit | None = None


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
        What happens. Times count from the first time, which is 0 in the document. A bolus at
        that time is in the document's start; one at the last time has no effect any more.
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
        If python-libsbml is not installed, a value is missing or not finite, the schedule names
        a state or input that does not exist, or the document would not be valid SBML.
    """
    libsbml = _libsbml()
    if not (math.isfinite(span[0]) and math.isfinite(span[1]) and span[0] < span[1]):
        raise ModelError(f"SBML: the span from {span[0]:g} to {span[1]:g} has no length; end it later.")
    values = {
        **_given("parameter", system.parameters, parameters),
        **_given("state", system.states, start),
    }
    inputs = _given("input", system.inputs, defaults)
    states = [symbol.name for symbol in system.states]
    for name in sorted(schedule.states - set(states)):
        raise ModelError(f"SBML: {unknown_name('state', name, states)}")
    segments = schedule.segments(*span, inputs)
    writer = _Writer(libsbml, description or Description())
    writer.equations(system, values, inputs, {infusion.state for infusion in schedule.infusions})
    writer.beginning(segments[0])
    writer.events(segments, span[0])
    return writer.text()


def _given(what: str, symbols: Iterable[sp.Symbol], values: Mapping[str, float]) -> dict[str, float]:
    """Values of symbols, each of which must have one."""
    found = {}
    for symbol in symbols:
        name = symbol.name
        if name not in values:
            raise ModelError(f"SBML: {what} {name!r} has no value; give one.")
        if not math.isfinite(values[name]):
            raise ModelError(f"SBML: {what} {name!r} is {values[name]}; give a finite number.")
        found[name] = float(values[name])
    return found


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

    def _print_Exp1(self, expr: Any) -> str:  # noqa: ARG002
        return "exponentiale"


class _Writer:
    """Builds one document."""

    def __init__(self, libsbml: ModuleType, description: Description) -> None:
        self._libsbml = libsbml
        self._about = description
        self._document = libsbml.SBMLDocument(_LEVEL, _VERSION)
        self._model = self._document.createModel()
        self._model.setId(description.name)
        self._formulas = libsbml.L3ParserSettings()
        # A parameter with the name of a constant, such as 'time' or 'pi', is that parameter.
        self._formulas.setModel(self._model)
        self._formulas.setParseCollapseMinus(True)
        self._units: dict[Unit, str] = {}
        self._parameters: dict[str, Any] = {}
        self._forced: dict[str, Unit] = {}
        if description.notes:
            self._note(self._model, description.notes)
        if description.time_unit is not None:
            self._model.setTimeUnits(self._unit(description.time_unit))

    def equations(
        self, system: System, values: Mapping[str, float], inputs: Mapping[str, float], infused: set[str]
    ) -> None:
        """All symbols with their values, then the rules."""
        for symbol in system.parameters:
            self._parameter(symbol.name, values[symbol.name], constant=True)
        for name, value in inputs.items():
            self._parameter(name, value)
        for symbol in system.states:
            self._parameter(symbol.name, values[symbol.name])
        for name in sorted(infused):
            label = f"rate of infusion into {name}"
            if self._about.time_unit is not None:
                self._forced[_forcing(name)] = self._unit_of(name).per(self._about.time_unit)
            self._parameter(_forcing(name), 0.0, label=label, unit=self._forced.get(_forcing(name)))
        for symbol in system.quantities:
            self._parameter(symbol.name, None)
        for symbol, expression in system.quantities.items():
            rule = self._model.createAssignmentRule()
            rule.setVariable(symbol.name)
            rule.setMath(self._math(expression, system.origin(symbol.name)))
        for symbol, expression in zip(system.states, system.rates, strict=True):
            rate = self._model.createRateRule()
            rate.setVariable(symbol.name)
            whole = expression + sp.Symbol(_forcing(symbol.name)) if symbol.name in infused else expression
            rate.setMath(self._math(whole, system.origin(symbol.name)))

    def beginning(self, first: Segment) -> None:
        """Put what happens at the first time into the start: an event at 0 would not fire in every tool."""
        for name, amount in first.jumps.items():
            self._parameters[name].setValue(self._parameters[name].getValue() + amount)
        forcings = {_forcing(name): rate for name, rate in first.rates.items()}
        for name, value in {**first.settings, **first.inputs, **forcings}.items():
            self._parameters[name].setValue(value)

    def events(self, segments: Sequence[Segment], origin: float) -> None:
        """One event for each time after the first at which something changes."""
        number = 0
        for before, now in pairwise(segments):
            changes = {
                name: (value, "") for name, value in now.inputs.items() if value != before.inputs[name]
            }
            for name in sorted(before.rates.keys() | now.rates.keys()):
                rate = now.rates.get(name, 0.0)
                if rate != before.rates.get(name, 0.0):
                    changes[_forcing(name)] = (rate, "")
            changes |= {name: (amount, f"{name} + ") for name, amount in now.jumps.items()}
            changes |= {name: (value, "") for name, value in now.settings.items()}
            if changes:
                number += 1
                self._event(number, now.start - origin, changes)

    def text(self) -> str:
        """The finished document, checked."""
        libsbml = self._libsbml
        # The chain's units are checked when it is built; for SBML they are no more than warnings.
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
        label = f"time of event {number}"
        self._parameter(f"{name}_time", time, constant=True, label=label, unit=self._about.time_unit)
        event = self._model.createEvent()
        event.setId(name)
        event.setUseValuesFromTriggerTime(True)
        trigger = event.createTrigger()
        trigger.setInitialValue(False)
        trigger.setPersistent(True)
        trigger.setMath(self._parsed(f"time >= {name}_time"))
        for target, (value, base) in changes.items():
            given = f"{name}_{target}"
            label = f"what event {number} {'adds to' if base else 'makes of'} {target}"
            unit = self._forced.get(target) or self._unit_of(target)
            self._parameter(given, value, constant=True, label=label, unit=unit)
            assignment = event.createEventAssignment()
            assignment.setVariable(target)
            assignment.setMath(self._parsed(f"{base}{given}"))

    def _parameter(
        self,
        name: str,
        value: float | None,
        *,
        constant: bool = False,
        label: str = "",
        unit: Unit | None = None,
    ) -> None:
        if not _IDENTIFIER.fullmatch(name):
            raise ModelError(
                f"SBML: {name!r} is no identifier; use letters, digits and underscores, and no digit first."
            )
        if name in self._parameters:
            raise ModelError(f"SBML: two things have the name {name!r}; rename one.")
        item = self._parameters[name] = self._model.createParameter()
        item.setId(name)
        item.setConstant(constant)
        if value is not None:
            item.setValue(value)
        title = label or self._about.labels.get(name, "")
        if title:
            item.setName(title)
        if name in self._about.details:
            self._note(item, self._about.details[name])
        if self._about.time_unit is not None:
            item.setUnits(self._unit(unit or self._unit_of(name)))

    def _unit_of(self, name: str) -> Unit:
        return self._about.units.get(name, _NUMBER)

    def _unit(self, unit: Unit) -> str:
        """Identifier of a unit, which is defined when it is first asked for."""
        if not unit.factors:
            return "dimensionless"
        if unit not in self._units:
            word = re.sub(r"\W+", "_", unit.name.replace("/", " per ").replace("^", " ")).strip("_")
            definition = self._model.createUnitDefinition()
            self._units[unit] = f"unit_{word}"
            definition.setId(self._units[unit])
            definition.setName(unit.name)
            for kind, scale, multiplier, exponent in unit.factors:
                factor = definition.createUnit()
                factor.setKind(self._libsbml.UnitKind_forName(kind))
                factor.setScale(scale)
                factor.setMultiplier(multiplier)
                factor.setExponent(exponent)
        return self._units[unit]

    def _math(self, expression: sp.Expr, where: str) -> Any:
        return self._parsed(_Formula().doprint(expression), where)

    def _parsed(self, formula: str, where: str = "event") -> Any:
        tree = self._libsbml.parseL3FormulaWithSettings(formula, self._formulas)
        if tree is None:
            reason = " ".join(self._libsbml.getLastParseL3Error().split())
            raise ModelError(f"{where}: SBML cannot say this. {reason}")
        if self._about.time_unit is not None:
            self._mark_numbers(tree)
        return tree

    def _mark_numbers(self, tree: Any) -> None:
        """Say of literal numbers that they have no unit; equations hold no others."""
        if tree.isNumber():
            tree.setUnits("dimensionless")
        for index in range(tree.getNumChildren()):
            self._mark_numbers(tree.getChild(index))

    def _note(self, item: Any, text: str) -> None:
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in text.splitlines())
        item.setNotes(f'<body xmlns="http://www.w3.org/1999/xhtml">{paragraphs}</body>')


def _forcing(state: str) -> str:
    return f"infusion_into_{state}"
