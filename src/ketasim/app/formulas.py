"""Equations of a stage for readers, as MathML and LaTeX, from the model's own expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape
from typing import Any
from xml.dom.minidom import Element, Text

import sympy as sp
from sympy.printing.latex import LatexPrinter
from sympy.printing.mathml import MathMLPresentationPrinter

from ketasim.model.chain import Chain

__all__ = ["Formula", "stage_formulas"]

_NAMESPACE = "http://www.w3.org/1998/Math/MathML"


@dataclass(frozen=True)
class Formula:
    """One equation.

    Parameters
    ----------
    name, label : str
        State, quantity or value in between that it gives, and what that is, in words.
    kind : str
        ``rate`` (of a state), ``quantity`` or ``between`` (used by the others of its stage).
    mathml, latex : str
        The equation.
    text : str
        The same on one line, as the engine has it.
    size : int
        Operations in it: a page may fold a long one.
    """

    name: str
    label: str
    kind: str
    mathml: str
    latex: str
    text: str
    size: int


def _words(name: str) -> str:
    """Write a name of the model as words."""
    return name.replace("_", " ")


class _MathML(MathMLPresentationPrinter):  # type: ignore[misc]
    """SymPy's presentation MathML, with names as upright words."""

    def _mark(self, tag: str, text: str) -> Element:
        mark: Element = self.dom.createElement(tag)
        mark.appendChild(self.dom.createTextNode(text))
        if tag == "mi":
            mark.setAttribute("mathvariant", "normal")
        return mark

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> Element:  # noqa: ARG002
        return self._mark("mi", _words(expr.name))

    def _print_Float(self, expr: sp.Float) -> Element:
        return self._mark("mn", f"{float(expr):.6g}")

    def rate(self, name: str) -> Element:
        """Write the rate of change of a state."""
        fraction: Element = self.dom.createElement("mfrac")
        fraction.appendChild(self._mark("mi", f"d {_words(name)}"))
        fraction.appendChild(self._mark("mi", "d t"))
        return fraction

    def equation(self, left: Element, right: sp.Expr) -> str:
        """Write an equation."""
        math = self.dom.createElement("math")
        math.setAttribute("xmlns", _NAMESPACE)
        math.setAttribute("display", "block")
        row = self.dom.createElement("mrow")
        for part in (left, self._mark("mo", "="), self._print(right)):
            row.appendChild(part)
        math.appendChild(row)
        return _xml(math)


def _xml(node: Any) -> str:
    """Write a tree of elements. SymPy puts entities into texts, which minidom's own writer would not keep."""
    if isinstance(node, Text):
        return escape(unescape(node.data), quote=False)
    marks = "".join(f' {name}="{value}"' for name, value in node.attributes.items())
    inside = "".join(_xml(child) for child in node.childNodes)
    return f"<{node.tagName}{marks}>{inside}</{node.tagName}>"


class _Latex(LatexPrinter):  # type: ignore[misc]
    """SymPy's LaTeX, with names as upright words."""

    def _print_Symbol(self, expr: sp.Symbol, style: str = "plain") -> str:  # noqa: ARG002
        return latex_name(expr.name)

    def _print_Float(self, expr: sp.Float) -> str:
        return f"{float(expr):.6g}"


def latex_name(name: str) -> str:
    """Write a name of the model as LaTeX."""
    return r"\mathrm{" + _words(name).replace(" ", r"\ ") + "}"


def _formula(name: str, label: str, kind: str, expression: sp.Expr) -> Formula:
    math, latex = _MathML({"mul_symbol": "times"}), _Latex({"mul_symbol": "times"})
    left = math.rate(name) if kind == "rate" else math._print(sp.Symbol(name))
    left_latex = latex_name(name)
    if kind == "rate":
        left_latex = rf"\frac{{\mathrm{{d}}\,{left_latex}}}{{\mathrm{{d}}t}}"
    return Formula(
        name,
        label,
        kind,
        math.equation(left, expression),
        f"{left_latex} = {latex.doprint(expression)}",
        f"{'d ' if kind == 'rate' else ''}{name}{'/dt' if kind == 'rate' else ''} = {sp.sstr(expression)}",
        int(sp.count_ops(expression)),
    )


def stage_formulas(chain: Chain, stage: str) -> tuple[Formula, ...]:
    """Write every equation of a stage.

    Parameters
    ----------
    chain : Chain
        The joined model.
    stage : str
        Name of one of its stages.

    Returns
    -------
    tuple of Formula
        Rates of change first, then what the stage provides, then what lies between.
    """
    system = chain.system
    rates = {
        name: rate
        for name, rate in zip(chain.states, system.rates, strict=True)
        if chain.owner[name] == stage
    }
    given = {symbol.name: value for symbol, value in system.quantities.items()}
    own = {name: value for name, value in given.items() if chain.owner.get(name) == stage}
    between = _between(chain, given, {**rates, **own})
    return (
        *(_formula(name, chain.states[name].label, "rate", value) for name, value in rates.items()),
        *(_formula(name, chain.quantities[name].label, "quantity", value) for name, value in own.items()),
        *(_formula(name, "used by the equations above", "between", given[name]) for name in between),
    )


def _between(chain: Chain, given: Mapping[str, sp.Expr], readers: Mapping[str, sp.Expr]) -> list[str]:
    """Names of no stage's own that some equations use, and those that these use."""
    found: dict[str, None] = {}
    waiting = list(readers.values())
    while waiting:
        for symbol in sorted(waiting.pop(0).free_symbols, key=str):
            if symbol.name in given and symbol.name not in chain.owner and symbol.name not in found:
                found[symbol.name] = None
                waiting.append(given[symbol.name])
    return list(found)
