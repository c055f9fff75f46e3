"""A smaller model, for timing only: 35 states from a nasal or intravenous dose to mood.

It has the shape of the shipped chain with fewer parts, and two states that settle within
milliseconds. Its numbers are chosen to make a solver work and say nothing about medicine.
Times are in hours, concentrations in umol/L.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

from ketasim.engine import System

__all__ = ["DOSE_UMOL", "INFUSED", "PARAMETERS", "START", "VARIED", "build_timing_model"]

#: Typical values.
PARAMETERS: Mapping[str, float] = {
    **{"ka_n": 2.0, "ka_g": 1.1, "fsw": 0.3, "Fg": 0.2},
    **{"VS": 55.0, "k10S": 1.55, "k12S": 2.0, "k21S": 1.5, "k13S": 0.8, "k31S": 0.15},
    **{"VR": 50.0, "k10R": 1.35, "k12R": 2.2, "k21R": 1.6, "k13R": 0.75, "k31R": 0.14},
    **{"fmS": 0.7, "fmR": 0.6, "kNS": 0.35, "kNR": 0.30, "kn12": 0.4, "kn21": 0.3, "fh": 0.6, "kH": 0.12},
    **{"ke0": 8.0, "kon": 110.0, "koff": 60.0, "rR": 0.3, "rN": 0.05},
    **{
        "tauE": 0.020 / 3600,
        "tauI": 0.010 / 3600,
        "aE": 4.0,
        "aI": 5.0,
        "wEE": 0.8,
        "wEI": 1.2,
        "hE": -0.1466,
    },
    **{"wIE": 1.5, "wII": 0.5, "hI": -0.319, "bI": 1.0},
    **{"kGl": 12.0, "gmax": 6.0, "KE": 0.35, "nE": 3.2, "kA": 6.0, "eH": 0.5, "KHk": 0.3},
    **{"kBd": 0.30, "bd0": 0.6, "bdA": 2.5, "KA": 2.2, "nB": 2.5, "kT": 0.5, "KT": 1.2},
    **{"kM": 1.0, "KM": 0.45, "nM": 2.2, "kP": 0.15, "pm": 1.5},
    **{"ksyn": 0.012, "kel": 0.010, "kmat": 0.008, "kdeg": 0.004},
    **{"kI1": 0.08, "sH": 0.5, "aH": 0.4, "kI2": 0.01, "kHp": 0.15, "h0": 0.6, "hM": 0.8},
    **{"kD": 0.15, "d0": 1.2, "dI": 0.8, "dB": 0.7, "dS": 0.5, "kMo": 0.02, "m0": 3.0, "KD": 1.0},
    **{"mI": 0.3, "mS": 0.6, "kSu": 0.04, "sM": 0.5, "kTo": 0.006, "toB": 4.0},
    **{"kCa": 10.0, "caM": 30.0, "KC": 0.3, "kBP": 6.0, "bpM": 30.0, "KBP": 0.5},
}

#: Spread between patients, as the standard deviation of the logarithm.
VARIED: Mapping[str, float] = {
    **dict.fromkeys(
        [
            "VS",
            "k10S",
            "k12S",
            "VR",
            "k10R",
            "fmS",
            "fmR",
            "kNS",
            "kNR",
            "kH",
            "ke0",
            "kon",
            "koff",
            "gmax",
            "bdA",
            "KA",
            "kBd",
            "KT",
            "KM",
            "pm",
            "ksyn",
            "kdeg",
            "kI2",
            "sH",
            "kMo",
            "m0",
            "caM",
        ],
        0.3,
    ),
    **{"wEI": 0.05, "wIE": 0.05, "KE": 0.1},
}

#: States at the first time; a nasal dose waits in ``An``.
START: Mapping[str, float] = {
    **{"An": 20.0, "Ag": 0.0, "S": 0.0, "S1": 0.0, "S2": 0.0, "R": 0.0, "R1": 0.0, "R2": 0.0},
    **{"NS": 0.0, "NSp": 0.0, "NR": 0.0, "NRp": 0.0, "H": 0.0, "CeS": 0.0, "CeR": 0.0, "B": 0.0},
    **{"E": 0.2, "I": 0.3, "Gl": 1.0, "A": 1.0, "Bd": 0.9, "T": 0.36, "M": 0.4, "P": 0.5},
    **{"Si": 0.3, "Sm": 0.5, "I1": 1.3, "I2": 1.3, "HPA": 1.0, "D": 1.4, "Mo": 1.7, "Su": 1.0},
    **{"Tol": 0.0, "Cad": 0.0, "BP": 0.0},
}

#: Sizes of the states that start at zero.
_SIZES = {"Ag": 5.0, "Cad": 20.0, "BP": 20.0, "Tol": 0.5, "B": 0.5}
_SMALL_SIZE = 0.5

#: States that are infused into, with the volume that an amount is divided by.
INFUSED: Mapping[str, str] = {"S": "VS", "R": "VR"}

#: Each mirror image of one infusion: half of 35 mg.
DOSE_UMOL = 35.0 / 237.7 * 1000.0 / 2.0

_POSITIVE = ("E", "A", "T", "Bd", "D", "Gl")


@dataclass(frozen=True)
class _Symbols:
    """Symbols by name."""

    named: Mapping[str, sp.Symbol]

    def __getattr__(self, name: str) -> sp.Symbol:
        return self.named[name]


def _hill(x: sp.Expr, half: sp.Expr, slope: sp.Expr) -> sp.Expr:
    return 1 - 1 / (1 + (x / half) ** slope)


def _logistic(x: sp.Expr) -> sp.Expr:
    return 1 / (1 + sp.exp(-x))


def build_timing_model() -> System:
    """Return the equations.

    Returns
    -------
    System
        Without inputs; infusions go into ``S`` and ``R`` as concentrations.
    """
    v = _Symbols({name: sp.Symbol(name, real=True) for name in (*START, *PARAMETERS)})
    rates = {**_drug(v), **_circuit(v), **_growth(v), **_mood(v)}
    states = tuple(v.named[name] for name in START)
    positive = {v.named[name] for name in _POSITIVE}
    positive |= {v.named[name] for name, value in PARAMETERS.items() if value > 0.0}
    sizes = tuple(value or _SIZES.get(name, _SMALL_SIZE) for name, value in START.items())
    return System(
        states=states,
        parameters=tuple(v.named[name] for name in PARAMETERS),
        inputs=(),
        rates=tuple(rates[name] for name in START),
        quantities={},
        scales=sizes,
        positive=frozenset(positive),
    )


def _drug(v: _Symbols) -> dict[str, sp.Expr]:
    """Absorption, both mirror images with their metabolites, and the effect sites."""
    absorbed = sp.Rational(1, 2) * ((1 - v.fsw) * v.ka_n * v.An + v.Fg * v.ka_g * v.Ag)
    rates = {"An": -v.ka_n * v.An, "Ag": v.fsw * v.ka_n * v.An - v.ka_g * v.Ag}
    for image in "SR":
        k10, k12, k21, k13, k31 = (v.named[f"{k}{image}"] for k in ("k10", "k12", "k21", "k13", "k31"))
        central, shallow, deep = v.named[image], v.named[f"{image}1"], v.named[f"{image}2"]
        nor, nor_deep, site = v.named[f"N{image}"], v.named[f"N{image}p"], v.named[f"Ce{image}"]
        rates[image] = (
            absorbed / v.named[f"V{image}"] - (k10 + k12 + k13) * central + k21 * shallow + k31 * deep
        )
        rates[f"{image}1"] = k12 * central - k21 * shallow
        rates[f"{image}2"] = k13 * central - k31 * deep
        leaving = (v.named[f"kN{image}"] + v.kn12) * nor
        rates[f"N{image}"] = v.named[f"fm{image}"] * k10 * central - leaving + v.kn21 * nor_deep
        rates[f"N{image}p"] = v.kn12 * nor - v.kn21 * nor_deep
        rates[f"Ce{image}"] = v.ke0 * (central - site)
    rates["H"] = v.fh * (v.kNS * v.NS + v.kNR * v.NR) - v.kH * v.H
    bound = v.CeS + v.rR * v.CeR + v.rN * (v.NS + v.NR)
    rates["B"] = v.kon * bound * (1 - v.B) - v.koff * v.B
    return rates


def _circuit(v: _Symbols) -> dict[str, sp.Expr]:
    """Excitation and inhibition, glutamate and AMPA."""
    drive = v.wEE * v.E * (0.85 + 0.15 * v.Sm) - v.wEI * v.I + v.hE
    check = v.wIE * v.E * (1 - v.bI * v.B) - v.wII * v.I + v.hI
    return {
        "E": (_logistic(v.aE * drive) - v.E) / v.tauE,
        "I": (_logistic(v.aI * check) - v.I) / v.tauI,
        "Gl": v.kGl * (v.gmax * _hill(v.E, v.KE, v.nE) - v.Gl),
        "A": v.kA * (v.Gl * (1 + v.eH * _metabolite(v)) * (0.7 + 0.3 * v.Sm) - v.A),
    }


def _growth(v: _Symbols) -> dict[str, sp.Expr]:
    """BDNF to synapses."""
    maturing = v.kmat * v.Si * v.A / (v.A + 1)
    return {
        "Bd": v.kBd * (v.bd0 + v.bdA * _hill(v.A, v.KA, v.nB) - v.Bd * (1 + 0.2 * v.I2)),
        "T": v.kT * (_hill(v.Bd, v.KT, sp.Integer(2)) - v.T),
        "M": v.kM * (_hill(v.T, v.KM, v.nM) - v.M),
        "P": v.kP * (v.pm * v.M / (1 + 0.3 * v.I1) - v.P),
        "Si": v.ksyn * (0.2 + v.P) - v.kel * v.Si * (1 + 0.5 * v.I1) - maturing,
        "Sm": maturing - v.kdeg * v.Sm * (1 + 0.3 * v.HPA),
    }


def _mood(v: _Symbols) -> dict[str, sp.Expr]:
    """Inflammation, the stress axis, mood and harms."""
    drug = v.CeS + v.CeR
    loss = v.dB * v.B + v.dS * v.Sm / (1 + v.Sm)
    mood = v.m0 * _hill(v.D, v.KD, sp.Integer(2)) * (1 + v.mI * v.I2) / (1 + v.mS * v.Sm)
    return {
        "I1": v.kI1 * (1 + v.sH * v.HPA - v.aH * _metabolite(v) - v.I1),
        "I2": v.kI2 * (v.I1 - v.I2),
        "HPA": v.kHp * (v.h0 + v.hM * v.Mo / (1 + v.Mo) - v.HPA),
        "D": v.kD * (v.d0 + v.dI * v.I2 / (1 + v.I2) - loss - v.D),
        "Mo": v.kMo * (mood - v.Mo),
        "Su": v.kSu * (v.sM * v.Mo * (1 + 0.2 * v.I1) - v.Su),
        "Tol": v.kTo * (v.toB * v.B - v.Tol),
        "Cad": v.kCa * (v.caM * _hill(v.B, v.KC, sp.Integer(3)) / (1 + v.Tol) - v.Cad),
        "BP": v.kBP * (v.bpM * drug / (drug + v.KBP) / (1 + v.Tol) - v.BP),
    }


def _metabolite(v: _Symbols) -> sp.Expr:
    return v.H / (v.H + v.KHk)
