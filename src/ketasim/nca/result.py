"""What a non-compartmental analysis returns: numbers with units, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ketasim.nca.trapezoids import Method

__all__ = ["QUANTITIES", "NcaResult", "NcaSettings", "PartialArea"]

#: What each number of a result is, and the kind of its unit.
QUANTITIES: Mapping[str, tuple[str, str]] = {
    "c0": ("concentration at the dose, sampled or back-extrapolated", "concentration"),
    "cmax": ("largest sampled concentration", "concentration"),
    "tmax": ("time of the largest concentration after the dose", "time"),
    "clast": ("last sampled concentration above zero", "concentration"),
    "tlast": ("time of the last concentration above zero after the dose", "time"),
    "auc_last": ("area under the curve from the dose to tlast", "area"),
    "auc_infinity": ("area from the dose to infinity, extrapolated from the sampled clast", "area"),
    "auc_infinity_predicted": ("area from the dose to infinity, from the fitted clast", "area"),
    "share_extrapolated": ("share of auc_infinity that lies after tlast", "ratio"),
    "share_extrapolated_predicted": ("share of auc_infinity_predicted that lies after tlast", "ratio"),
    "share_back_extrapolated": ("share of auc_infinity that lies before the first sample", "ratio"),
    "aumc_last": ("area under time times concentration from the dose to tlast", "moment"),
    "aumc_infinity": ("area under time times concentration from the dose to infinity", "moment"),
    "mrt": ("mean residence time; half the infusion is taken off, absorption is not", "time"),
    "lambda_z": ("terminal rate constant", "rate"),
    "half_life": ("terminal half-life", "time"),
    "r_squared_adjusted": ("adjusted r squared of the terminal fit", "ratio"),
    "span": ("length of the terminal fit in half-lives", "ratio"),
    "clast_predicted": ("concentration of the terminal fit at tlast", "concentration"),
    "auc_interval": ("area over the dosing interval", "area"),
    "caverage": ("average concentration over the dosing interval", "concentration"),
    "cmax_interval": ("largest sampled concentration in the dosing interval", "concentration"),
    "cmin": ("smallest concentration in the dosing interval", "concentration"),
    "ctrough": ("concentration at the end of the dosing interval", "concentration"),
    "fluctuation": ("(cmax_interval - cmin) / caverage", "ratio"),
    "swing": ("(cmax_interval - cmin) / cmin", "ratio"),
    "clearance": ("clearance CL, intravascular dose", "clearance"),
    "clearance_over_f": ("apparent clearance CL/F, extravascular dose", "clearance"),
    "volume_z": ("volume of the terminal phase Vz, intravascular dose", "volume"),
    "volume_z_over_f": ("apparent volume of the terminal phase Vz/F, extravascular dose", "volume"),
    "volume_ss": ("volume at steady state Vss, intravascular dose", "volume"),
}


@dataclass(frozen=True)
class NcaSettings:
    """What an analysis was asked, as in :func:`ketasim.nca.analyse`."""

    dose: float | None
    dose_unit: str
    concentration_unit: str
    dose_time_h: float
    infusion_h: float
    interval_h: float | None
    steady_state: bool
    extravascular: bool
    end_h: float | None
    method: Method
    half_life: str | tuple[float, float]

    @property
    def bolus(self) -> bool:
        """Whether the dose entered the blood at once."""
        return not self.extravascular and self.infusion_h == 0.0

    def unit(self, kind: str) -> str:
        """Return the unit of a kind of number, such as ``"area"``."""
        concentration = self.concentration_unit or "ratio"
        return {
            "concentration": concentration,
            "time": "h",
            "area": f"h*{concentration}",
            "moment": f"h^2*{concentration}",
            "rate": "1/h",
            "ratio": "ratio",
            "clearance": "L/h",
            "volume": "L",
        }[kind]


@dataclass(frozen=True)
class PartialArea:
    """Area under the curve over a range of hours after the dose, or the reason why there is none."""

    start_h: float
    end_h: float
    area: float | None
    reason: str | None


@dataclass(frozen=True)
class NcaResult:
    """The numbers of one curve.

    A number that cannot be had is ``None``, and ``reasons`` says why. :data:`QUANTITIES` says what each is,
    and :attr:`units` gives its unit. All times are hours after the dose.

    Parameters
    ----------
    settings : NcaSettings
        What was asked.
    start : str
        Where the concentration at the dose comes from: ``"sample"``, ``"back-extrapolated"`` (bolus),
        ``"first sample"``, ``"zero"`` or ``"smallest sample"`` (steady state).
    partial : tuple of PartialArea
        The areas asked for.
    lambda_z_times, lambda_z_concentrations : tuple of float
        The samples of the terminal fit; empty when there is none.
    reasons : mapping of str to str
        For each number that is ``None``, why.
    notes : tuple of str
        What a reader should know before using the numbers.
    """

    settings: NcaSettings
    start: str
    c0: float | None
    cmax: float | None
    tmax: float | None
    clast: float | None
    tlast: float | None
    auc_last: float | None
    auc_infinity: float | None
    auc_infinity_predicted: float | None
    share_extrapolated: float | None
    share_extrapolated_predicted: float | None
    share_back_extrapolated: float | None
    aumc_last: float | None
    aumc_infinity: float | None
    mrt: float | None
    lambda_z: float | None
    half_life: float | None
    r_squared_adjusted: float | None
    span: float | None
    clast_predicted: float | None
    auc_interval: float | None
    caverage: float | None
    cmax_interval: float | None
    cmin: float | None
    ctrough: float | None
    fluctuation: float | None
    swing: float | None
    clearance: float | None
    clearance_over_f: float | None
    volume_z: float | None
    volume_z_over_f: float | None
    volume_ss: float | None
    partial: tuple[PartialArea, ...]
    lambda_z_times: tuple[float, ...]
    lambda_z_concentrations: tuple[float, ...]
    reasons: Mapping[str, str]
    notes: tuple[str, ...]

    @property
    def units(self) -> dict[str, str]:
        """Unit of each number, by name."""
        return {name: self.settings.unit(kind) for name, (_, kind) in QUANTITIES.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, text and lists, ready for JSON.

        Returns
        -------
        dict
            ``quantities`` (by name: ``value``, ``unit``, ``description`` and, when the value is ``None``,
            ``reason``), ``partial``, ``terminal_samples``, ``start``, ``notes`` and ``settings``.
        """
        quantities: dict[str, dict[str, Any]] = {}
        for name, (description, kind) in QUANTITIES.items():
            entry = {"value": getattr(self, name), "unit": self.settings.unit(kind)}
            entry["description"] = description
            if name in self.reasons:
                entry["reason"] = self.reasons[name]
            quantities[name] = entry
        area_unit = self.settings.unit("area")
        partial = [{**vars(part), "unit": area_unit} for part in self.partial]
        half_life, end = self.settings.half_life, self.settings.end_h
        return {
            "quantities": quantities,
            "partial": partial,
            "terminal_samples": {
                "times_h": list(self.lambda_z_times),
                "concentrations": list(self.lambda_z_concentrations),
            },
            "start": self.start,
            "notes": list(self.notes),
            "settings": {
                **vars(self.settings),
                "end_h": "infinity" if end == math.inf else end,
                "half_life": half_life if isinstance(half_life, str) else list(half_life),
            },
        }
