"""Scenarios as a file of any kind: all of it from the numbers that the page shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ketasim.api import scenarios
from ketasim.app.cascade_rows import Row, load_rows
from ketasim.app.exports.about import Origin
from ketasim.app.exports.chain import caption, chain_figure, drawn
from ketasim.app.exports.files import File
from ketasim.app.exports.request import ExportRequest
from ketasim.app.exports.scenario_page import scenario_page
from ketasim.app.exports.scenario_tables import csv_bytes, curve_table, failed_rules, parquet_bytes
from ketasim.app.simulating import check_size, simulated

__all__ = ["scenario_file"]


def scenario_file(request: ExportRequest) -> File:
    """Make the file that a request asks for.

    Raises
    ------
    AppProblem
        413, if it asks for more than a request may.
    KetasimError
        If a scenario cannot be used or simulated.
    """
    asked = request.simulation()
    check_size(asked)
    given = list(request.scenarios or ())
    results = json.loads(simulated(asked))["results"]
    if request.format in ("study", "python"):
        text = scenarios.to_study(given) if request.format == "study" else _python(request)
        marks = "".join(f"# {line}\n" for line in failed_rules(results))
        stem = "ketasim-study" if request.format == "study" else "ketasim-scenarios"
        return File.of(stem, request.format, marks + text)
    shown = _Shown(request, results)
    return File.of("ketasim-scenarios", request.format, shown.content())


def _python(request: ExportRequest) -> str:
    axis = None if request.axis is None else request.axis.model_dump(exclude={"kind"})
    return scenarios.to_python(
        list(request.scenarios or ()),
        axis=axis,
        bands=request.bands,
        draws=request.draws,
        people=request.people,
        seed=request.seed,
    )


@dataclass(frozen=True)
class _Shown:
    """Results as they are drawn and written."""

    request: ExportRequest
    results: Sequence[Mapping[str, Any]]

    def content(self) -> bytes | str:
        """The file in the format that was asked for."""
        kind, origin = self.request.format, Origin.here()
        if kind in ("csv", "parquet"):
            table = curve_table(self.results)
            if kind == "csv":
                sentences = [str(result["sentence"]) for result in self.results]
                return csv_bytes(table, (*sentences, *failed_rules(self.results), *origin.lines))
            return parquet_bytes(table, self._about(), origin)
        if kind == "html":
            figure = chain_figure(self.results, self._rows(), self._axis(), self._zero_h(), "light")
            told = caption(self._axis(), self._zero_h(), origin)
            return scenario_page(self.results, figure, told, _python(self.request), origin)
        figure = chain_figure(self.results, self._rows(), self._axis(), self._zero_h(), self.request.theme)
        return drawn(figure, kind, {**self._about(), "origin": origin.text, "disclaimer": origin.lines[1]})

    def _rows(self) -> list[Row]:
        wanted = self.request.variables
        return [
            row
            for row in load_rows().values()
            if (row.id in wanted if wanted is not None else row.group in ("main", "harms"))
        ]

    def _axis(self) -> scenarios.Axis:
        given = self.request.axis
        if given is None:
            return scenarios.default_axis()
        return scenarios.Axis(tuple(given.knots_h), tuple(given.shares), given.columns, given.dose)

    def _zero_h(self) -> float:
        """Time of the dose at which the clock starts."""
        dose = self._axis().dose
        times = [float(e["time_h"]) for e in self.results[0]["events"] if int(e["visit"]) == dose]
        return min(times, default=0.0)

    def _about(self) -> dict[str, Any]:
        axis = self._axis()
        return {
            "scenarios": list(self.request.scenarios or ()),
            "axis": {"dose": axis.dose, "knots_h": list(axis.knots_h), "shares": list(axis.shares)},
            "bands": self.request.bands,
            "failed_rules": failed_rules(self.results),
            "seed": self.request.seed,
        }
