"""Joins the stages: the only place that knows their order and who feeds whom.

Names of what is read are matched with names of what is provided. A missing or
doubled provider, a unit or a reference that does not match, an equation that is
wrong in its dimensions: each is an error when the chain is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from ketasim._lazy import lazy_module
from ketasim.engine.cache import KernelCache
from ketasim.engine.recipe import Recipe
from ketasim.engine.system import System
from ketasim.errors import ModelError, UnitError, unknown_name
from ketasim.model.ampa import Ampa
from ketasim.model.circuit import Circuit
from ketasim.model.clamp import share_inputs
from ketasim.model.comparators import Comparators
from ketasim.model.dimensions import TIME, Dimension, infer, times
from ketasim.model.glutamate import Glutamate
from ketasim.model.illness import Illness
from ketasim.model.inflammation import Inflammation
from ketasim.model.networks import Networks
from ketasim.model.neurotrophin import Neurotrophin
from ketasim.model.pain import Pain
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.pharmacokinetics import Pharmacokinetics
from ketasim.model.receptors import Receptors
from ketasim.model.safety import Safety
from ketasim.model.sources import source_digest
from ketasim.model.stage import Input, Provides, Stage, State, Symbols
from ketasim.model.symptoms import Symptoms
from ketasim.model.synapses import Synapses
from ketasim.model.translation import Translation
from ketasim.units import DEFAULT_SYSTEM, UnitSystem, dimension

if TYPE_CHECKING:
    import sympy as sp
else:
    sp = lazy_module("sympy")

__all__ = ["MEDIATORS", "SEVERITY_STATES", "STAGES", "Chain", "build_chain"]

#: The causal chain, in order. Stage 14 (comparators) stands beside the drug.
STAGES: tuple[Stage, ...] = (
    Illness(),
    Pharmacokinetics(),
    Comparators(),
    Receptors(),
    Circuit(),
    Glutamate(),
    Ampa(),
    Neurotrophin(),
    Translation(),
    Synapses(),
    Networks(),
    Inflammation(),
    Symptoms(),
    Pain(),
    Safety(),
)

#: What the symptoms may read: the declared mediators between a dose and severity.
MEDIATORS: tuple[str, ...] = ("fast_arm", "spine_density", "inflammation", "stress")

#: Symptom states that are severity itself; a path from dose to these must pass a mediator.
SEVERITY_STATES: tuple[str, ...] = ("affective_load", "consolidation_state")

FloatArray = npt.NDArray[np.float64]

_Item = TypeVar("_Item", State, Provides, Input)


@dataclass(frozen=True)
class Chain:
    """The joined model.

    Parameters
    ----------
    stages : tuple of Stage
        In causal order.
    parameters : ParameterSet
        The values that patients start from.
    units : UnitSystem
        The coherent units in which the equations run.
    switched : tuple of str
        Quantities that can keep a share of their distance from rest; see :mod:`ketasim.model.clamp`.
    """

    stages: tuple[Stage, ...]
    parameters: ParameterSet
    units: UnitSystem = DEFAULT_SYSTEM
    switched: tuple[str, ...] = ()

    @cached_property
    def states(self) -> dict[str, State]:
        """Every state by name, in order."""
        return self._collected("state", lambda stage: stage.states)

    @cached_property
    def quantities(self) -> dict[str, Provides]:
        """Every quantity by name, in the order of the stages."""
        return self._collected("quantity", lambda stage: stage.provides)

    @cached_property
    def inputs(self) -> dict[str, Input]:
        """Every outside input by name, those of switches last."""
        own = self._collected("input", lambda stage: stage.inputs)
        return {**own, **share_inputs(self.switched, self.quantities)}

    @cached_property
    def owner(self) -> dict[str, str]:
        """Name of the stage that has a state or provides a quantity."""
        owners: dict[str, str] = {}
        for stage in self.stages:
            owners |= {state.name: stage.name for state in stage.states}
            owners |= {item.name: stage.name for item in stage.provides}
        return owners

    @cached_property
    def stage_parameters(self) -> dict[str, dict[str, str]]:
        """Units of the parameters of each stage, derived and borrowed ones included."""
        tables: dict[str, dict[str, str]] = {stage.name: {} for stage in self.stages}
        for parameter in self.parameters.values():
            if parameter.stage in tables:
                tables[parameter.stage][parameter.name] = parameter.unit
        for stage in self.stages:
            for name in stage.borrowed:
                tables[stage.name][name] = self.parameters[name].unit
            for derived in stage.derived:
                tables[stage.name][derived.name] = derived.unit
        return tables

    @cached_property
    def system(self) -> System:
        """The equations of all stages, checked and joined."""
        symbols = self._symbols()
        self._check_readers()
        dimensions = self._dimensions(symbols)
        rates: dict[str, sp.Expr] = {}
        provided: dict[str, sp.Expr] = {}
        named = dict(symbols["q"])
        for stage in self.stages:
            equations = stage.equations(*self._views(stage, symbols))
            self._check_complete(stage, equations.rates, equations.provides)
            for name in equations.between:
                named[name] = sp.Symbol(name, real=True)
                dimensions[named[name]] = dimension("ratio")
            given = {**equations.between, **equations.provides}
            self._check_dimensions(stage, equations.rates, given, {**symbols, "q": named}, dimensions)
            rates.update({name: sp.sympify(value) for name, value in equations.rates.items()})
            provided.update({name: sp.sympify(value) for name, value in given.items()})
        plain = {item.name for stage in self.stages for item in stage.inputs}
        used = {symbol for value in (*rates.values(), *provided.values()) for symbol in value.free_symbols}
        parameters = tuple(symbol for name, symbol in symbols["p"].items() if symbol in used)
        return System(
            states=tuple(symbols["x"][name] for name in self.states),
            parameters=parameters,
            inputs=tuple(symbol for name, symbol in symbols["u"].items() if name in plain),
            rates=tuple(rates[name] for name in self.states),
            quantities=self._ordered(provided, named),
            scales=tuple(state.scale * self.units.factor(state.unit) for state in self.states.values()),
            positive=frozenset(
                {symbols["x"][name] for name, state in self.states.items() if state.positive}
                | {symbol for symbol in parameters if self._is_positive(symbol.name)}
            ),
            origins={name: f"stage {stage!r}" for name, stage in self.owner.items()},
        ).with_shares(self.switched)

    @cached_property
    def recipe(self) -> Recipe:
        """How to make the equations: those of shipped stages are known before they are made."""
        return Recipe(lambda: self.system, self._digest())

    def _digest(self) -> str | None:
        """Digest of what the equations follow from, if all of that is shipped with the package."""
        sources = source_digest() if all(stage in STAGES for stage in self.stages) else None
        if sources is None:
            return None
        parts = [repr(self.units), *self.switched, "stages", *(stage.name for stage in self.stages)]
        for name, item in self.parameters.items():
            parts += ["parameter", name, item.unit, item.stage, str(self._is_positive(name))]
        return KernelCache.make_key(sources, *parts)

    def _is_positive(self, parameter: str) -> bool:
        """Whether a parameter's whole range is above zero."""
        return parameter in self.parameters and self.parameters[parameter].low > 0.0

    def parameter_values(self, parameters: ParameterSet) -> dict[str, float]:
        """Values for the engine: derived ones computed, all in the chain's units.

        Parameters
        ----------
        parameters : ParameterSet
            A patient's values.

        Returns
        -------
        dict of str to float
        """
        values: dict[str, float] = {}
        for stage in self.stages:
            plain = {
                name: parameters[name].value
                for name in self.stage_parameters[stage.name]
                if name in parameters
            }
            for name in plain:
                values[name] = plain[name] * self.units.factor(parameters[name].unit)
            # As for many persons, so that one alone gets the same bits: powers of arrays round otherwise.
            one = {name: np.array([value]) for name, value in plain.items()}
            for derived in stage.derived:
                found = np.ravel(derived.compute(one))[0]
                values[derived.name] = float(found) * self.units.factor(derived.unit)
        return values

    def parameter_columns(
        self, parameters: ParameterSet, varied: Mapping[str, FloatArray]
    ) -> dict[str, FloatArray | float]:
        """Values for the engine of many persons: one number, or one a person where they differ.

        Parameters
        ----------
        parameters : ParameterSet
            What is the same for all.
        varied : mapping of str to array, shape (persons,)
            Parameters in which they differ, in the units of their tables.

        Returns
        -------
        dict of str to float or array
            As :meth:`parameter_values`.
        """
        columns: dict[str, FloatArray | float] = dict(self.parameter_values(parameters))
        for name, values in varied.items():
            columns[name] = values * self.units.factor(parameters[name].unit)
        for stage in self.stages:
            own = self.stage_parameters[stage.name]
            plain = {name: parameters[name].value for name in own if name in parameters}
            for derived in stage.derived:
                seen = _Seen(plain)
                derived.compute(seen)
                moved = {name: varied[name] for name in seen.names if name in varied}
                if moved:
                    columns[derived.name] = derived.compute(plain | moved) * self.units.factor(derived.unit)
        return columns

    def input_defaults(self) -> dict[str, float]:
        """Default of every input, in the chain's units."""
        return {name: item.default * self.units.factor(item.unit) for name, item in self.inputs.items()}

    def healthy_guess(self) -> FloatArray:
        """First guess of the healthy fixed point, in the chain's units."""
        return np.array([state.healthy * self.units.factor(state.unit) for state in self.states.values()])

    def edges(self) -> list[tuple[str, str, str]]:
        """Who feeds whom: (providing stage, quantity, reading stage)."""
        return [
            (self.owner[read.name], read.name, stage.name) for stage in self.stages for read in stage.reads
        ]

    def _collected(self, kind: str, items_of: Callable[[Stage], tuple[_Item, ...]]) -> dict[str, _Item]:
        found: dict[str, _Item] = {}
        owners: dict[str, str] = {}
        for stage in self.stages:
            for item in items_of(stage):
                if item.name in found:
                    raise ModelError(
                        f"{kind} {item.name!r} is provided by stage {owners[item.name]!r} "
                        f"and by stage {stage.name!r}; keep one."
                    )
                found[item.name] = item
                owners[item.name] = stage.name
        return found

    def _symbols(self) -> dict[str, dict[str, sp.Symbol]]:
        """Symbols by kind; a name stands for one thing in the whole chain."""
        names = {
            "x": list(self.states),
            "p": list(dict.fromkeys(name for table in self.stage_parameters.values() for name in table)),
            "q": list(self.quantities),
            "u": list(self.inputs),
        }
        kinds = {"x": "state", "p": "parameter", "q": "quantity", "u": "input"}
        seen: dict[str, str] = {}
        for key, group in names.items():
            for name in group:
                if name in seen:
                    raise ModelError(
                        f"{kinds[key]} {name!r} has the name of a {kinds[seen[name]]}; rename one."
                    )
                seen[name] = key
        return {key: {name: sp.Symbol(name, real=True) for name in group} for key, group in names.items()}

    def _views(self, stage: Stage, symbols: Mapping[str, dict[str, sp.Symbol]]) -> tuple[Symbols, ...]:
        names = {
            "state": ("x", [state.name for state in stage.states]),
            "parameter": ("p", list(self.stage_parameters[stage.name])),
            "quantity": (
                "q",
                [read.name for read in stage.reads] + [given.name for given in stage.provides],
            ),
            "input": ("u", [item.name for item in stage.inputs]),
        }
        return tuple(
            Symbols({name: symbols[key][name] for name in wanted}, stage.name, kind)
            for kind, (key, wanted) in names.items()
        )

    def _check_readers(self) -> None:
        for stage in self.stages:
            for read in stage.reads:
                if read.name not in self.quantities:
                    message = unknown_name("quantity", read.name, self.quantities)
                    raise ModelError(f"stage {stage.name!r} reads what no stage provides: {message}")
                given = self.quantities[read.name]
                giver = self.owner[read.name]
                if dimension(given.unit) != dimension(read.unit):
                    raise UnitError(
                        f"stage {stage.name!r} reads {read.name!r} in {read.unit!r}, but stage {giver!r} "
                        f"provides it in {given.unit!r}; make both the same."
                    )
                if given.reference != read.reference:
                    raise UnitError(
                        f"stage {stage.name!r} reads {read.name!r} relative to {read.reference!r}, but stage "
                        f"{giver!r} provides it relative to {given.reference!r}; make both the same."
                    )

    def _dimensions(self, symbols: Mapping[str, dict[str, sp.Symbol]]) -> dict[sp.Symbol, Dimension]:
        found = {symbols["x"][name]: dimension(state.unit) for name, state in self.states.items()}
        found |= {symbols["q"][name]: dimension(item.unit) for name, item in self.quantities.items()}
        found |= {symbols["u"][name]: dimension(item.unit) for name, item in self.inputs.items()}
        for table in self.stage_parameters.values():
            found |= {symbols["p"][name]: dimension(unit) for name, unit in table.items()}
        return found

    @staticmethod
    def _check_complete(stage: Stage, rates: Mapping[str, object], provides: Mapping[str, object]) -> None:
        for kind, declared, given in (
            ("rate", [state.name for state in stage.states], rates),
            ("quantity", [item.name for item in stage.provides], provides),
        ):
            if set(declared) != set(given):
                wrong = sorted(set(declared) ^ set(given))[0]
                raise ModelError(
                    f"stage {stage.name!r}: {kind} {wrong!r} is declared without an equation "
                    "or has an equation without a declaration."
                )

    def _check_dimensions(
        self,
        stage: Stage,
        rates: Mapping[str, sp.Expr],
        provides: Mapping[str, sp.Expr],
        symbols: Mapping[str, dict[str, sp.Symbol]],
        known: Mapping[sp.Symbol, Dimension],
    ) -> None:
        wanted = {
            **{name: (rate, times(known[symbols["x"][name]], TIME, -1.0)) for name, rate in rates.items()},
            **{name: (value, known[symbols["q"][name]]) for name, value in provides.items()},
        }
        for name, (expression, expected) in wanted.items():
            try:
                found = infer(sp.sympify(expression), known)
            except UnitError as error:
                raise UnitError(self._dimension_message(stage, name, str(error), expression)) from error
            zero = sp.sympify(expression) == 0
            if found != expected and not zero:
                reason = "the two sides have different dimensions."
                raise UnitError(self._dimension_message(stage, name, reason, expression))

    def _dimension_message(self, stage: Stage, name: str, reason: str, expression: object) -> str:
        read = {item.name for item in stage.reads}
        used = {str(symbol) for symbol in sp.sympify(expression).free_symbols} & read
        givers = sorted({self.owner[item] for item in used})
        beside = f" It reads from stage {', '.join(repr(giver) for giver in givers)}." if givers else ""
        return (
            f"stage {stage.name!r}, equation of {name!r}: {reason}{beside} Compare the units on both sides."
        )

    def _ordered(
        self, provided: Mapping[str, sp.Expr], symbols: Mapping[str, sp.Symbol]
    ) -> dict[sp.Symbol, sp.Expr]:
        names = {symbol: name for name, symbol in symbols.items()}
        graph = {
            name: sorted(names[symbol] for symbol in value.free_symbols if symbol in names)
            for name, value in provided.items()
        }
        try:
            order = list(TopologicalSorter(graph).static_order())
        except CycleError as error:
            loop = " -> ".join(error.args[1])
            raise ModelError(f"quantities depend on each other without a state between: {loop}.") from error
        return {symbols[name]: provided[name] for name in order}


class _Seen(dict[str, float]):
    """Remembers which of its items are read."""

    def __init__(self, items: Mapping[str, float]) -> None:
        super().__init__(items)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> float:
        self.names.add(name)
        return super().__getitem__(name)


def build_chain(
    stages: Sequence[Stage] = STAGES,
    parameters: ParameterSet | None = None,
    units: UnitSystem = DEFAULT_SYSTEM,
    switched: Sequence[str] = (),
) -> Chain:
    """Join stages into a chain and check it.

    Shipped stages with parameters in the units of the shipped tables are checked when their equations are
    made: where these are known from an earlier time, they are known to fit.

    Parameters
    ----------
    stages : sequence of Stage
        The stages, in causal order.
    parameters : ParameterSet, optional
        Default: the shipped human tables.
    units : UnitSystem
        Coherent units for the inside of the model.
    switched : sequence of str
        As of :class:`Chain`.

    Returns
    -------
    Chain

    Raises
    ------
    ModelError, UnitError
        If the stages do not fit together; names the stages.
    """
    chosen = load_parameters() if parameters is None else parameters
    chain = Chain(tuple(stages), chosen, units, tuple(switched))
    if chain.recipe.digest is None or _units_of(chosen) != _units_of(load_parameters()):
        _ = chain.system
    # Cheap, and says which switch is not a quantity.
    _ = chain.inputs
    return chain


def _units_of(parameters: ParameterSet) -> dict[str, str]:
    return {name: item.unit for name, item in parameters.items()}
