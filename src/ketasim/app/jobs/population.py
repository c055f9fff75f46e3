"""The run of a population: many virtual people, with the drug and with the control.

It calls :func:`ketasim.api.scenarios.simulate_scenarios` for some hundred people after another; the first
of them are those that the page itself counts with the same seed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios import Axis, Scenario, ScenarioResult, default_axis, simulate_scenario
from ketasim.app.jobs.faults import ChangedError
from ketasim.app.jobs.numbers import plain_json
from ketasim.app.jobs.request import PopulationRequest
from ketasim.app.jobs.runs import Pace, Reporter
from ketasim.app.jobs.state import JobFolder
from ketasim.dosing import parse_regimen
from ketasim.report.purpose import PURPOSE
from ketasim.report.words import number, time_text
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.number_needed import number_needed
from ketasim.trials.study.statistics import Z95

__all__ = ["people_result", "population_axis", "population_parts", "run_population"]

FloatArray = npt.NDArray[np.float64]

#: People of a part: fewer would make its quantiles coarse.
_PART = 250
#: Seeds of parts lie so far apart, so that runs with neighbouring seeds share no part.
_STRIDE, _SEEDS = 7_919, 2**31 - 1
_COLUMNS = 120
#: Least time that is shown, and time that is shown after the last dose, hours.
_LEAST_H, _AFTER_H = 672.0, 168.0
_VARIABLES = ("madrs", "cadss", "systolic_pressure", "ketamine_venous", "spine_density")
_LABELS = {
    "madrs": "MADRS",
    "cadss": "Dissociation (CADSS)",
    "systolic_pressure": "Systolic blood pressure",
    "ketamine_venous": "Ketamine in plasma",
    "spine_density": "New synapses",
}
#: What rises and falls within hours. Later columns are wider than that and would show each dose at another
#: moment, so that equal doses look unequal: it is told for the first day.
_FAST, _DAY_H = ("cadss", "systolic_pressure", "ketamine_venous"), 24.0
_QUANTILES = ("q05", "q25", "mid", "q75", "q95")
_PHASE = "simulating people"


def run_population(folder: JobFolder, request: PopulationRequest, report: Reporter) -> None:
    """Simulate the people of a request, and write the result.

    Raises
    ------
    KetasimError
        If the scenario cannot be simulated.
    """
    _Run(folder, request, report).go()


@dataclass
class _Run:
    """One population run in this process."""

    folder: JobFolder
    request: PopulationRequest
    report: Reporter
    _parts: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._hashes = self.folder.read("hashes") or {}
        kept = self.folder.read("parts")
        if isinstance(kept, dict):
            if kept.get("hashes") != self._hashes:
                raise ChangedError(
                    "The model or its values have changed since this run began; begin it again."
                )
            self._parts = list(kept["parts"])

    def go(self) -> None:
        """Go on from what is finished."""
        if self._parts:
            text = f"Went on at person {self._people + 1:,} of {self.request.n:,}."
            self.report.send("note", {"text": text})
        pace = Pace(self.request.n, self._people)
        self._tell(pace)
        while self._people < self.request.n and not self.report.stop_asked():
            self._parts.append(self._part(len(self._parts)))
            self.folder.write("parts", {"hashes": self._hashes, "parts": self._parts})
            self._tell(pace)
            if self._people < self.request.n and pace.partial_due(self._people):
                begun = time.monotonic()
                partial = self._result(preliminary=True)
                self.folder.write("partial", partial)
                self.report.send("partial", partial)
                pace.partial_told(time.monotonic() - begun)
        stopped = self._people < self.request.n
        if self._parts:
            self.folder.write("result", self._result(stopped=stopped))
        self.report.send("done", {"state": "stopped" if stopped else "finished"})

    @property
    def _people(self) -> int:
        return sum(int(part["asked"]) for part in self._parts)

    def _tell(self, pace: Pace) -> None:
        found = pace.progress(self._people, unit="people", trials_done=0, trials=0, phase=_PHASE)
        if found is not None:
            self.report.send("progress", found)

    def _part(self, place: int) -> dict[str, Any]:
        """Simulate some people."""
        (seed, simulated) = population_parts(self.request)[place]
        found = simulate_scenario(
            self.request.scenario,
            axis=population_axis(self.request.scenario),
            variables=_VARIABLES,
            bands="people",
            draws=simulated,
            people=simulated,
            seed=seed,
        )
        return part_data(found, simulated)

    def _result(self, *, preliminary: bool = False, stopped: bool = False) -> dict[str, Any]:
        about = {
            "kind": "population",
            "name": self.request.name or f"{self.request.n:,} virtual people",
            "preliminary": preliminary,
            "stopped": stopped,
            "seed": self.request.seed,
            "people": self._people,
            "people_asked": self.request.n,
        }
        more = {
            "command": "",
            **self._hashes,
            "disclaimer": PURPOSE,
        }
        found: dict[str, Any] = plain_json({**about, **people_result(self._parts), **more})
        return found


def population_parts(request: PopulationRequest) -> list[tuple[int, int]]:
    """Seed and number of people of each part; two at least, since a band needs as many."""
    counts = [min(_PART, request.n - first) for first in range(0, request.n, _PART)]
    return [((request.seed + place * _STRIDE) % _SEEDS, max(count, 2)) for place, count in enumerate(counts)]


def population_axis(scenario: Scenario) -> Axis:
    """Columns for four weeks, or to a week after the last dose."""
    doses = parse_regimen(scenario.regimen).doses
    end_h = max(_LEAST_H, max((dose.start_h for dose in doses), default=0.0) + _AFTER_H)
    return default_axis(end_h, _COLUMNS)


def part_data(found: ScenarioResult, asked: int) -> dict[str, Any]:
    """What is kept of some people: shares, and quantiles of their courses."""
    data = found.to_dict()
    return {
        "asked": asked,
        "sentence": data["sentence"],
        "time_h": data["time_h"],
        "per_100": data["per_100"],
        "series": {
            name: {key: series.get(key) for key in ("unit", *_QUANTILES)}
            for name, series in data["series"].items()
        },
    }


def people_result(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Join parts: shares are those of all people; quantiles are means of those of the parts.

    Parameters
    ----------
    parts : sequence of mapping
        From :func:`part_data`; at least one.
    """
    weights = np.array([part["per_100"]["people"] for part in parts], dtype=np.float64)
    first = parts[0]["per_100"]
    counted = int(weights.sum())
    rates = [_rate(place, parts, weights) for place in range(len(first["items"]))]
    return {
        "sentence": parts[0]["sentence"],
        "who": first["who"],
        "counted": counted,
        "failures_total": int(sum(part["asked"] for part in parts)) - counted,
        "headline": _headline(rates[0], time_text(float(first["horizon_h"]))),
        "support": f"{counted:,} virtual people were counted, each with the drug and with the control.",
        "horizon_h": first["horizon_h"],
        "per_100": rates,
        "nnt": _needed(parts, weights, float(first["horizon_h"])),
        "courses": [_course(name, parts, weights) for name in parts[0]["series"]],
        "notes": [
            "The middle curve is that of the typical person.",
            "Plasma, dissociation and blood pressure are shown for the first day.",
            "Quantiles are means of those of parts of 250 people.",
            "The rates are uncalibrated: they are as good as the spread between virtual people.",
        ],
    }


def _headline(rate: Mapping[str, Any], horizon: str) -> str:
    """The first rate in words: healthy people have harms only."""
    happens = "respond" if rate["id"] == "response" else f"have {str(rate['label']).lower()}"
    people, others = (number(round(rate[name])) for name in ("value", "control"))
    return f"Of 100 such people {people} {happens} by {horizon}; with the control, {others}."


def _rate(place: int, parts: Sequence[Mapping[str, Any]], weights: FloatArray) -> dict[str, Any]:
    items = [part["per_100"]["items"][place] for part in parts]
    row: dict[str, Any] = {
        "id": items[0]["id"],
        "label": items[0]["name"],
        "benefit": items[0]["kind"] == "benefit",
        "horizon_h": parts[0]["per_100"]["horizon_h"],
    }
    for prefix, name in (("", "value"), ("control_", "control")):
        share = float(np.average([item[name] for item in items], weights=weights)) / 100.0
        half = Z95 * math.sqrt(max(share * (1.0 - share), 0.0) / weights.sum())
        row |= {
            name: 100.0 * share,
            f"{prefix}low": 100.0 * max(0.0, share - half),
            f"{prefix}high": 100.0 * min(1.0, share + half),
        }
    return row


def _needed(
    parts: Sequence[Mapping[str, Any]], weights: FloatArray, horizon_h: float
) -> dict[str, Any] | None:
    """Number needed to treat; its interval is that of the parts, None of a single one."""
    gaps = np.array(
        [item["value"] - item["control"] for part in parts for item in part["per_100"]["items"]
         if item["id"] == "response"]
    ) / 100.0  # fmt: skip
    if len(gaps) != len(parts):
        return None
    value = float(np.average(gaps, weights=weights))
    se = float(gaps.std(ddof=1)) / math.sqrt(len(gaps)) if len(gaps) > 1 else math.nan
    low, high = value - Z95 * se, value + Z95 * se
    found = number_needed(Estimate("", value, se, math.inf, low, high, math.nan, math.nan, "parts"))
    known = math.isfinite(se)
    return {
        "value": found.value,
        "low": min(found.low, found.high) if known else math.nan,
        "high": max(found.low, found.high) if known else math.nan,
        "direction": found.direction,
        "event": "response",
        "horizon_h": horizon_h,
        "sentence": f"For one more response by {time_text(horizon_h)}, {found.value:.3g} people are treated.",
    }


def _course(name: str, parts: Sequence[Mapping[str, Any]], weights: FloatArray) -> dict[str, Any]:
    series = [part["series"][name] for part in parts]
    times = np.asarray(parts[0]["time_h"], dtype=np.float64)
    shown = times <= _DAY_H if name in _FAST else np.ones(len(times), dtype=np.bool_)
    joined = {
        key: np.average([own[key] for own in series], axis=0, weights=weights)[shown]
        for key in _QUANTILES
        if key != "mid"
    }
    return {
        "row": name,
        "label": _LABELS[name],
        "unit": series[0]["unit"],
        "time_h": times[shown],
        # The middle of the band: the typical person, who stands for the middle one.
        "q50": np.asarray(series[0]["mid"], dtype=np.float64)[shown],
        **joined,
    }
