"""Stage 1: from a dose to concentrations of ketamine and its metabolites.

One linear structure for each enantiomer: three compartments with a well-stirred
liver, a gut wall with its own extraction, depots for the routes, norketamine and
hydroxynorketamine in two compartments each behind a transit delay, and
dehydronorketamine. Arterial blood drives the effect; a venous sample lags behind
it in a fast and a slow share (an observation, without mass).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import sympy as sp

from ketasim.errors import ModelError
from ketasim.model.stage import Derived, Equations, Provides, Stage, State, Symbols

__all__ = ["DEPOTS", "ENANTIOMERS", "Pharmacokinetics"]

ENANTIOMERS = ("s", "r")

#: Depots and the rate constant by which each empties; the first three empty into arterial blood.
DEPOTS = {
    "nose": "nasal_absorption_rate",
    "mucosa": "mucosal_absorption_rate",
    "muscle": "intramuscular_absorption_rate",
    "gut_swallowed": "swallowed_absorption_rate",
    "gut_oral": "oral_absorption_rate",
    "gut_prolonged": "prolonged_absorption_rate",
}
_INTO_BLOOD = ("nose", "mucosa", "muscle")
_INTO_LIVER = ("gut_swallowed", "gut_oral", "gut_prolonged")

_COMPARTMENTS = {
    "central": "ketamine in arterial blood and what equilibrates with it",
    "shallow": "ketamine in the shallow peripheral compartment",
    "deep": "ketamine in the deep peripheral compartment",
    "liver": "ketamine in the liver",
    "transit_first": "norketamine on its way, first step",
    "transit_second": "norketamine on its way, second step",
    "norketamine": "norketamine, central",
    "norketamine_deep": "norketamine, peripheral",
    "hnk": "hydroxynorketamine, central",
    "hnk_deep": "hydroxynorketamine, peripheral",
    "dhnk": "dehydronorketamine",
}


def _states() -> tuple[State, ...]:
    found = []
    for e in ENANTIOMERS:
        for name, label in _COMPARTMENTS.items():
            found.append(State(f"{name}_{e}", "umol", f"{e.upper()}-{label}", 10.0))
        for name in DEPOTS:
            found.append(State(f"{name}_{e}", "umol", f"{e.upper()}-ketamine in the depot {name}", 10.0))
        found.append(State(f"venous_fast_{e}", "uM", f"fast share of a venous sample, {e.upper()}", 0.1))
        found.append(State(f"venous_slow_{e}", "uM", f"slow share of a venous sample, {e.upper()}", 0.1))
    return tuple(found)


_SPECIES = {
    "ketamine": "ketamine (S + R)",
    "s_ketamine": "S-ketamine",
    "r_ketamine": "R-ketamine",
    "norketamine": "norketamine (S + R)",
    "hnk": "hydroxynorketamine (S + R)",
    "dhnk": "dehydronorketamine",
}


def _provides() -> tuple[Provides, ...]:
    found = []
    for name, label in _SPECIES.items():
        for site in ("venous", "arterial"):
            found.append(
                Provides(f"{name}_{site}", "mg/L", f"{label} in {site} plasma, total", display="ng/mL")
            )
            found.append(Provides(f"unbound_{name}_{site}", "uM", f"{label} in {site} plasma, unbound"))
    for e in ENANTIOMERS:
        found.append(
            Provides(f"unbound_{e}_norketamine", "uM", f"{e.upper()}-norketamine in plasma, unbound")
        )
    return tuple(found)


def hepatic_extraction(parameters: Mapping[str, float]) -> float:
    """Share of S-ketamine that one passage through the liver removes.

    Raises
    ------
    ModelError
        If the liver would have to clear more than flows through it.
    """
    clearance, flow = parameters["clearance"], parameters["flow_hepatic"]
    ratio = max(1.0, parameters["clearance_ratio_r"])
    if not 0.0 < clearance * ratio < flow:
        raise ModelError(
            f"clearance: {clearance:g} L/h (times {ratio:g} for R-ketamine) is not below the hepatic flow of "
            f"{flow:g} L/h; all of it is hepatic here. Lower clearance, or raise flow_hepatic."
        )
    return clearance / flow


@dataclass(frozen=True)
class Pharmacokinetics(Stage):
    """Enantiomer-resolved kinetics of ketamine, norketamine, HNK and DHNK."""

    name: ClassVar[str] = "pharmacokinetics"
    title: ClassVar[str] = "Dose and plasma"
    section: ClassVar[str] = "1"
    states: ClassVar[tuple[State, ...]] = _states()
    provides: ClassVar[tuple[Provides, ...]] = _provides()
    derived: ClassVar[tuple[Derived, ...]] = (
        Derived("hepatic_extraction", "ratio", "hepatic extraction of S-ketamine", hepatic_extraction),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return mass balances; volumes scale with weight, clearances with its allometric power."""
        rates: dict[str, Any] = {}
        concentrations: dict[str, dict[str, Any]] = {name: {} for name in ("arterial", "venous")}
        metabolites: dict[str, dict[str, Any]] = {name: {} for name in ("norketamine", "hnk", "dhnk")}
        for e in ENANTIOMERS:
            arterial, metabolite = self._enantiomer(x, p, e, rates)
            concentrations["arterial"][e] = arterial
            concentrations["venous"][e] = (
                p.venous_fast_share * x[f"venous_fast_{e}"]
                + (1 - p.venous_fast_share) * x[f"venous_slow_{e}"]
            )
            for name, value in metabolite.items():
                metabolites[name][e] = value
        return Equations(rates, self._read_outs(p, concentrations, metabolites))

    def _enantiomer(
        self, x: Symbols, p: Symbols, e: str, rates: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Rates of one enantiomer; returns its arterial and its metabolites' concentrations."""
        size = p.weight / p.weight_reference
        flow = size**p.allometric_exponent
        v1, v2, v3 = (size * p[f"volume_{name}"] for name in ("central", "shallow", "deep"))
        vl = size * p.volume_liver
        q2, q3, qh = (flow * p[name] for name in ("flow_shallow", "flow_deep", "flow_hepatic"))
        ratio = p.clearance_ratio_r if e == "r" else 1
        systemic = flow * p.clearance * ratio
        # Well-stirred liver: the intrinsic clearance that gives the systemic one at this flow.
        # People differ in it, not in the systemic one, which the blood flow caps.
        intrinsic = p.intrinsic_clearance_factor * systemic / (1 - p.hepatic_extraction * ratio)
        c1, c2, c3 = x[f"central_{e}"] / v1, x[f"shallow_{e}"] / v2, x[f"deep_{e}"] / v3
        cl = x[f"liver_{e}"] / vl
        emptying = {name: p[rate] * x[f"{name}_{e}"] for name, rate in DEPOTS.items()}
        for name, amount in emptying.items():
            rates[f"{name}_{e}"] = -amount
        from_gut = sum(emptying[name] for name in _INTO_LIVER)
        rates[f"central_{e}"] = (
            sum(emptying[name] for name in _INTO_BLOOD) - q2 * (c1 - c2) - q3 * (c1 - c3) - qh * (c1 - cl)
        )
        rates[f"shallow_{e}"] = q2 * (c1 - c2)
        rates[f"deep_{e}"] = q3 * (c1 - c3)
        rates[f"liver_{e}"] = qh * (c1 - cl) + p.gut_survival * from_gut - intrinsic * cl
        formed = p.norketamine_fraction * intrinsic * cl + (
            (1 - p.gut_survival) * p.gut_norketamine_fraction * from_gut
        )
        transit = 2 / p.norketamine_transit_time
        rates[f"transit_first_{e}"] = formed - transit * x[f"transit_first_{e}"]
        rates[f"transit_second_{e}"] = transit * (x[f"transit_first_{e}"] - x[f"transit_second_{e}"])
        rates[f"venous_fast_{e}"] = p.venous_fast_rate * (c1 - x[f"venous_fast_{e}"])
        rates[f"venous_slow_{e}"] = p.venous_slow_rate * (c1 - x[f"venous_slow_{e}"])
        return c1, self._metabolites(x, p, e, rates, size, flow, transit * x[f"transit_second_{e}"])

    @staticmethod
    def _metabolites(
        x: Symbols, p: Symbols, e: str, rates: dict[str, Any], size: Any, flow: Any, formed: Any
    ) -> dict[str, Any]:
        nk = x[f"norketamine_{e}"] / (size * p.norketamine_volume)
        nk2 = x[f"norketamine_deep_{e}"] / (size * p.norketamine_volume_deep)
        hnk = x[f"hnk_{e}"] / (size * p.hnk_volume)
        hnk2 = x[f"hnk_deep_{e}"] / (size * p.hnk_volume_deep)
        dhnk = x[f"dhnk_{e}"] / (size * p.dhnk_volume)
        nk_lost = flow * p.norketamine_clearance * nk
        nk_exchange = flow * p.norketamine_flow * (nk - nk2)
        hnk_exchange = flow * p.hnk_flow * (hnk - hnk2)
        hnk_clearance = p.hnk_clearance * (p.hnk_clearance_ratio_r if e == "r" else 1)
        rates[f"norketamine_{e}"] = formed - nk_lost - nk_exchange
        rates[f"norketamine_deep_{e}"] = nk_exchange
        rates[f"hnk_{e}"] = p.hnk_fraction * nk_lost - flow * hnk_clearance * hnk - hnk_exchange
        rates[f"hnk_deep_{e}"] = hnk_exchange
        rates[f"dhnk_{e}"] = p.dhnk_fraction * nk_lost - flow * p.dhnk_clearance * dhnk
        return {"norketamine": nk, "hnk": hnk, "dhnk": dhnk}

    @staticmethod
    def _read_outs(
        p: Symbols, ketamine: dict[str, dict[str, Any]], metabolites: dict[str, dict[str, Any]]
    ) -> dict[str, sp.Expr]:
        """Total concentrations by mass and unbound ones by amount, at both sites."""
        found: dict[str, sp.Expr] = {}
        for site, by_enantiomer in ketamine.items():
            species = {
                "ketamine": by_enantiomer["s"] + by_enantiomer["r"],
                "s_ketamine": by_enantiomer["s"],
                "r_ketamine": by_enantiomer["r"],
            }
            for name, concentration in species.items():
                found[f"{name}_{site}"] = p.molar_mass_ketamine * concentration
                found[f"unbound_{name}_{site}"] = p.unbound_fraction * concentration
            # No arterial-venous difference is known for the metabolites: both sites are the same.
            for name, pair in metabolites.items():
                total = pair["s"] + pair["r"]
                found[f"{name}_{site}"] = p[f"molar_mass_{name}"] * total
                found[f"unbound_{name}_{site}"] = p.unbound_fraction_metabolites * total
        for e in ENANTIOMERS:
            found[f"unbound_{e}_norketamine"] = p.unbound_fraction_metabolites * metabolites["norketamine"][e]
        return found
