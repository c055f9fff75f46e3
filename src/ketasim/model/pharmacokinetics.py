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

import numpy as np

from ketasim.errors import ModelError
from ketasim.model.stage import Derived, Equations, Input, Provides, Stage, State, Symbols

__all__ = ["COMEDICATIONS", "DEPOTS", "ENANTIOMERS", "GIVEN_RATES", "SPECIES", "Pharmacokinetics"]

ENANTIOMERS = ("s", "r")

#: Depots whose absorption the model knows, and the rate constant by which each empties.
DEPOTS = {
    "nose": "nasal_absorption_rate",
    "mucosa": "mucosal_absorption_rate",
    "muscle": "intramuscular_absorption_rate",
    "gut_swallowed": "swallowed_absorption_rate",
    "gut_oral": "oral_absorption_rate",
    "gut_prolonged": "prolonged_absorption_rate",
}
#: Depots whose absorption comes with the dose, and the input that holds its rate constant.
GIVEN_RATES = {"subcutis": "subcutaneous_absorption_rate", "rectum": "rectal_absorption_rate"}

_INTO_BLOOD = ("nose", "mucosa", "muscle", *GIVEN_RATES)
_INTO_LIVER = ("gut_swallowed", "gut_oral", "gut_prolonged")

#: Drugs and food that change what gut wall and liver make of ketamine.
COMEDICATIONS = ("rifampicin", "clarithromycin", "ticlopidine", "grapefruit")

_COMPARTMENTS = {
    "central": "ketamine in arterial blood and what equilibrates with it",
    "shallow": "ketamine in the shallow peripheral compartment",
    "deep": "ketamine in the deep peripheral compartment",
    "liver": "ketamine in the liver",
    "transit": "norketamine on its way to plasma",
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
        for name in (*DEPOTS, *GIVEN_RATES):
            found.append(State(f"{name}_{e}", "umol", f"{e.upper()}-ketamine in the depot {name}", 10.0))
        found.append(State(f"venous_fast_{e}", "uM", f"fast share of a venous sample, {e.upper()}", 0.1))
        found.append(State(f"venous_slow_{e}", "uM", f"slow share of a venous sample, {e.upper()}", 0.1))
    return tuple(found)


#: What is measured in plasma: name, and what it is. A prefix ``s_`` or ``r_`` names an enantiomer.
SPECIES = {
    "ketamine": "ketamine",
    "norketamine": "norketamine",
    "hnk": "hydroxynorketamine",
    "dhnk": "dehydronorketamine",
}
_FULL_NAMES = {"s_hnk": "(2S,6S)-hydroxynorketamine", "r_hnk": "(2R,6R)-hydroxynorketamine"}


def _provides() -> tuple[Provides, ...]:
    found = []
    for name, words in SPECIES.items():
        labels = {name: f"{words} (S + R)"}
        for e in ENANTIOMERS:
            labels[f"{e}_{name}"] = _FULL_NAMES.get(f"{e}_{name}", f"{e.upper()}-{words}")
        for species, label in labels.items():
            for site in ("venous", "arterial"):
                text = f"{label} in {site} plasma"
                found.append(Provides(f"{species}_{site}", "mg/L", f"{text}, total", display="ng/mL"))
                found.append(Provides(f"unbound_{species}_{site}", "uM", f"{text}, unbound"))
    return tuple(found)


def hepatic_extraction(parameters: Mapping[str, Any]) -> Any:
    """Share of S-ketamine that one passage through the liver of the reference adult removes.

    Raises
    ------
    ModelError
        If the liver would have to clear more than flows through it.
    """
    clearance, flow = parameters["clearance"], parameters["flow_hepatic"]
    ratio = np.maximum(1.0, parameters["clearance_ratio_r"])
    wrong = np.ravel(~((clearance > 0.0) & (clearance * ratio < flow)))
    if wrong.any():
        shown = [
            float(np.broadcast_to(item, wrong.shape)[np.argmax(wrong)]) for item in (clearance, ratio, flow)
        ]
        raise ModelError(
            f"clearance: {shown[0]:g} L/h (times {shown[1]:g} for R-ketamine) is not below the "
            f"hepatic flow of {shown[2]:g} L/h; all of it is hepatic here. Lower clearance, or raise "
            "flow_hepatic."
        )
    return clearance / flow


def hepatic_flow(parameters: Mapping[str, Any]) -> Any:
    """Blood flow through the liver of a person of this age and the reference weight, in L/h.

    It falls by a constant amount for each year over 60 (perezruixo2021), to half at most: older
    people than the source had are no basis for less.
    """
    flow = parameters["flow_hepatic"]
    years = np.maximum(0.0, parameters["age"] - parameters["hepatic_flow_age"])
    return np.maximum(0.5 * flow, flow + parameters["hepatic_flow_slope"] * years)


def norketamine_elsewhere(parameters: Mapping[str, Any]) -> Any:
    """Share of norketamine that becomes neither hydroxy- nor dehydronorketamine.

    Raises
    ------
    ModelError
        If the two shares together are more than all.
    """
    left = 1.0 - parameters["hnk_fraction"] - parameters["dhnk_fraction"]
    if np.any(left < 0.0):
        raise ModelError(
            "hnk_fraction and dhnk_fraction: together they are more than 1, so that norketamine would "
            "become more than there is of it. Lower one."
        )
    return left


def demethylation_ratio(parameters: Mapping[str, Any]) -> Any:
    """Hepatic formation of norketamine by CYP2B6 genotype, over that without a *6 allele."""
    return parameters["star6_clearance_ratio"] ** parameters["cyp2b6_star6"]


@dataclass(frozen=True)
class Pharmacokinetics(Stage):
    """Enantiomer-resolved kinetics of ketamine, norketamine, HNK and DHNK."""

    name: ClassVar[str] = "pharmacokinetics"
    title: ClassVar[str] = "Dose and plasma"
    section: ClassVar[str] = "1"
    states: ClassVar[tuple[State, ...]] = _states()
    provides: ClassVar[tuple[Provides, ...]] = _provides()
    inputs: ClassVar[tuple[Input, ...]] = (
        # What an empty depot empties by is of no account, but zero would leave it without a rest.
        *(
            Input(name, "1/h", f"{name.replace('_', ' ')}, as given with the dose", 1.0)
            for name in GIVEN_RATES.values()
        ),
        *(Input(name, "ratio", f"{name} taken (0 or 1)") for name in COMEDICATIONS),
        Input("metabolism_block", "ratio", "share of the way from norketamine to hydroxynorketamine blocked"),
    )
    derived: ClassVar[tuple[Derived, ...]] = (
        Derived("hepatic_extraction", "ratio", "hepatic extraction of S-ketamine", hepatic_extraction),
        Derived("flow_hepatic_by_age", "L/h", "hepatic blood flow at this age", hepatic_flow),
        Derived("norketamine_elsewhere", "ratio", "norketamine that ends otherwise", norketamine_elsewhere),
        Derived("demethylation_ratio", "ratio", "norketamine formation by genotype", demethylation_ratio),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return mass balances; volumes scale with weight, clearances with its allometric power."""
        rates: dict[str, Any] = {}
        found: dict[str, dict[str, dict[str, Any]]] = {"arterial": {}, "venous": {}}
        for e in ENANTIOMERS:
            arterial, metabolites = self._enantiomer(x, p, u, e, rates)
            venous = (
                p.venous_fast_share * x[f"venous_fast_{e}"]
                + (1 - p.venous_fast_share) * x[f"venous_slow_{e}"]
            )
            # No arterial-venous difference is known for the metabolites: both sites are the same.
            found["arterial"][e] = {"ketamine": arterial, **metabolites}
            found["venous"][e] = {"ketamine": venous, **metabolites}
        return Equations(rates, self._read_outs(p, found))

    def _enantiomer(
        self, x: Symbols, p: Symbols, u: Symbols, e: str, rates: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """Rates of one enantiomer; returns its arterial and its metabolites' concentrations."""
        size = p.weight / p.weight_reference
        flow = size**p.allometric_exponent
        v1, v2, v3 = (size * p[f"volume_{name}"] for name in ("central", "shallow", "deep"))
        q2, q3, qh = (flow * p[name] for name in ("flow_shallow", "flow_deep", "flow_hepatic_by_age"))
        c1, c2, c3 = x[f"central_{e}"] / v1, x[f"shallow_{e}"] / v2, x[f"deep_{e}"] / v3
        cl = x[f"liver_{e}"] / (size * p.volume_liver)
        emptying = {name: p[rate] * x[f"{name}_{e}"] for name, rate in DEPOTS.items()}
        emptying |= {name: u[rate] * x[f"{name}_{e}"] for name, rate in GIVEN_RATES.items()}
        for name, amount in emptying.items():
            rates[f"{name}_{e}"] = -amount
        from_gut = sum(emptying[name] for name in _INTO_LIVER)
        gut_survival, demethylation, other_loss = self._metabolism(p, u, e, flow)
        rates[f"central_{e}"] = (
            sum(emptying[name] for name in _INTO_BLOOD) - q2 * (c1 - c2) - q3 * (c1 - c3) - qh * (c1 - cl)
        )
        rates[f"shallow_{e}"] = q2 * (c1 - c2)
        rates[f"deep_{e}"] = q3 * (c1 - c3)
        rates[f"liver_{e}"] = qh * (c1 - cl) + gut_survival * from_gut - (demethylation + other_loss) * cl
        formed = demethylation * cl + (1 - gut_survival) * p.gut_norketamine_fraction * from_gut
        arriving = x[f"transit_{e}"] / p.norketamine_transit_time
        rates[f"transit_{e}"] = formed - arriving
        rates[f"venous_fast_{e}"] = p.venous_fast_rate * (c1 - x[f"venous_fast_{e}"])
        rates[f"venous_slow_{e}"] = p.venous_slow_rate * (c1 - x[f"venous_slow_{e}"])
        return c1, self._metabolites(x, p, u, e, rates, size, flow, arriving)

    @staticmethod
    def _metabolism(p: Symbols, u: Symbols, e: str, flow: Any) -> tuple[Any, Any, Any]:
        """Share that passes the gut wall, and intrinsic clearances to norketamine and to all else."""
        gut = liver = 1
        for name in COMEDICATIONS:
            gut = gut * (1 + u[name] * (p[f"{name}_gut"] - 1))
            liver = liver * (1 + u[name] * (p[f"{name}_liver"] - 1))
        # Survival is flow over flow plus metabolism: a factor on the metabolism moves it so.
        survival = p.gut_survival / (p.gut_survival + gut * (1 - p.gut_survival))
        ratio = p.clearance_ratio_r if e == "r" else 1
        sex = 1 + p.female * (p.clearance_ratio_female - 1)
        # Well-stirred liver: the intrinsic clearance that gives the systemic one at the reference flow.
        # People differ in it, not in the systemic one, which the blood flow caps.
        intrinsic = (
            (flow * p.clearance * ratio / (1 - p.hepatic_extraction * ratio))
            * p.intrinsic_clearance_factor
            * p.liver_function
            * sex
            * liver
        )
        asian = 1 + p.asian * (p.asian_other_loss_ratio - 1)
        demethylation = p.norketamine_fraction * p.demethylation_ratio * intrinsic
        return survival, demethylation, (1 - p.norketamine_fraction) * asian * intrinsic

    @staticmethod
    def _metabolites(
        x: Symbols,
        p: Symbols,
        u: Symbols,
        e: str,
        rates: dict[str, Any],
        size: Any,
        flow: Any,
        formed: Any,
    ) -> dict[str, Any]:
        nk = x[f"norketamine_{e}"] / (size * p.norketamine_volume)
        nk2 = x[f"norketamine_deep_{e}"] / (size * p.norketamine_volume_deep)
        hnk = x[f"hnk_{e}"] / (size * p.hnk_volume)
        hnk2 = x[f"hnk_deep_{e}"] / (size * p.hnk_volume_deep)
        dhnk = x[f"dhnk_{e}"] / (size * p.dhnk_volume)
        r = e == "r"
        nk_clearance = (
            flow
            * p.norketamine_clearance
            * (p.norketamine_clearance_ratio_r if r else 1)
            * (1 + p.asian * (p.asian_norketamine_ratio - 1))
            * (1 + p.female * (p.clearance_ratio_female - 1))
        )
        nk_lost = nk_clearance * nk
        nk_exchange = flow * p.norketamine_flow * (nk - nk2)
        hnk_exchange = flow * p.hnk_flow * (hnk - hnk2)
        hnk_lost = flow * p.hnk_clearance * (p.hnk_clearance_ratio_r if r else 1) * hnk
        rates[f"norketamine_{e}"] = formed - nk_lost - nk_exchange
        rates[f"norketamine_deep_{e}"] = nk_exchange
        rates[f"hnk_{e}"] = p.hnk_fraction * (1 - u.metabolism_block) * nk_lost - hnk_lost - hnk_exchange
        rates[f"hnk_deep_{e}"] = hnk_exchange
        rates[f"dhnk_{e}"] = p.dhnk_fraction * nk_lost - flow * p.dhnk_clearance * dhnk
        return {"norketamine": nk, "hnk": hnk, "dhnk": dhnk}

    @staticmethod
    def _read_outs(p: Symbols, found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
        """Total concentrations by mass and unbound ones by amount, at both sites."""
        provided: dict[str, Any] = {}
        for site, enantiomers in found.items():
            for name in SPECIES:
                free = p.unbound_fraction if name == "ketamine" else p.unbound_fraction_metabolites
                amounts = {f"{e}_{name}": enantiomers[e][name] for e in ENANTIOMERS}
                amounts[name] = amounts[f"s_{name}"] + amounts[f"r_{name}"]
                for species, amount in amounts.items():
                    provided[f"{species}_{site}"] = p[f"molar_mass_{name}"] * amount
                    provided[f"unbound_{species}_{site}"] = free * amount
        return provided
