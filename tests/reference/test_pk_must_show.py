"""What part 3 of the plan must show of plasma and channel block, in numbers that were set beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import pytest
import sympy as sp

from ketasim.dosing import parse_regimen
from ketasim.engine import Bolus, Infusion, ReferenceEngine, Schedule, System
from ketasim.model import build_chain, load_parameters
from ketasim.model.kinetics import simulate_kinetics
from ketasim.model.pharmacokinetics import DEPOTS, ENANTIOMERS, GIVEN_RATES, Pharmacokinetics
from ketasim.model.receptors import Receptors
from ketasim.model.simulator import Run
from ketasim.model.stage import Equations, Input, Provides, Stage, Symbols
from ketasim.validation.pharmacokinetics import FEWEST, PkScores, score_readings

#: Fine where curves peak, and long enough that what is left of the slowest dose is below 0.1 %.
TIMES = np.unique(np.concatenate([np.arange(0, 301) / 60.0, np.arange(50, 240) / 10.0, np.arange(24, 193)]))

NASAL = "84 mg esketamine intranasal"
INFUSED = "0.5 mg/kg ketamine iv over 40 min"


@cache
def course(regimen: str, beside: str = "") -> Run:
    inputs = {beside: 1.0} if beside else None
    return simulate_kinetics(parse_regimen(regimen), TIMES, inputs=inputs)


def area(regimen: str, beside: str = "", quantity: str = "s_ketamine_venous") -> float:
    return float(np.trapezoid(course(regimen, beside).quantities[quantity], TIMES))


@cache
def scores() -> PkScores:
    return score_readings()


# Errors over published rows


def test_median_errors_are_within_the_bars() -> None:
    everything, _, vein, nasal = scores().headline
    for error, kind, bar in ((everything, "measured", 0.20), (vein, "measured", 0.15)):
        assert error.kind == kind
        assert error.median is not None
        assert error.median <= bar
    assert nasal.kind == "model_output"
    assert nasal.median is not None
    assert nasal.median <= 0.15


def test_headline_rows_are_all_the_measured_ones() -> None:
    rows = scores().rows
    everything, _, vein, nasal = scores().headline
    assert everything.n == (rows["kind"] == "measured").sum() >= 200
    assert vein.n == ((rows["kind"] == "measured") & (rows["route"] == "iv")).sum() >= 100
    assert nasal.n >= 70
    # No row is lost for want of a prediction.
    assert np.isfinite(rows["predicted"]).all()
    assert (rows["predicted"] > 0.0).all()


def test_routes_without_enough_rows_have_no_score() -> None:
    by_route = scores().by_route
    assert {"im", "sc", "rectal", "inhaled"} <= {error.group for error in by_route}
    for error in by_route:
        assert (error.median is None) == (error.n < FEWEST), error
    assert all(error.median is None for error in by_route if error.group in ("im", "sc", "rectal", "inhaled"))


def test_hydroxynorketamine_is_reported_and_rows_far_off_have_a_reason() -> None:
    groups = {error.group for error in scores().by_species}
    assert {"hnk", "s_hnk", "r_hnk"} <= groups
    far = scores().far
    ratio = scores().rows["predicted"] / scores().rows["value"]
    assert len(far) == ((ratio > 2.0) | (ratio < 0.5)).sum()
    assert not far["why"].isin(["", "not explained"]).any()


# What must emerge of plasma


def test_nasal_esketamine_against_the_infusion() -> None:
    peak = (
        course(NASAL).quantities["s_ketamine_venous"].max()
        / course(INFUSED).quantities["s_ketamine_venous"].max()
    )
    # Published peaks are alike. Since a third of the studies is kept out of the fit, the infusion's peak is
    # 8 % lower than published, and the ratio 1.22.
    assert 0.9 <= peak <= 1.25
    assert 1.7 <= area(NASAL) / area(INFUSED) <= 2.6


@pytest.mark.parametrize("quantity", ["s_ketamine_arterial", "r_ketamine_arterial", "ketamine_venous"])
def test_oral_bioavailability(quantity: str) -> None:
    share = area("0.5 mg/kg ketamine oral", quantity=quantity) / area(INFUSED, quantity=quantity)
    assert 0.08 <= share <= 0.23


def test_rifampicin_induces_gut_and_liver_apart() -> None:
    oral, vein = (
        area(text, "rifampicin") / area(text)
        for text in ("0.3 mg/kg esketamine oral", "0.1 mg/kg esketamine iv over 40 min")
    )
    assert 0.10 <= oral <= 0.18
    assert 0.78 <= vein <= 0.94
    own = load_parameters()
    # Both were moved, and by factors of their own.
    assert own["rifampicin_gut"].value > 1.5 * own["rifampicin_liver"].value > 1.5


@pytest.mark.parametrize(
    ("drug", "published"), [("clarithromycin", 2.6), ("ticlopidine", 2.4), ("grapefruit", 3.0)]
)
def test_what_raises_oral_exposure(drug: str, published: float) -> None:
    text = "0.2 mg/kg esketamine oral"
    assert area(text, drug) / area(text) == pytest.approx(published, rel=0.25)


@pytest.mark.parametrize("site", ["arterial", "venous"])
def test_waking_levels_are_passed_when_patients_wake(site: str) -> None:
    times = np.arange(0.0, 1.0, 1.0 / 600.0)
    level = simulate_kinetics(parse_regimen("2 mg/kg ketamine iv bolus"), times).quantities[
        f"ketamine_{site}"
    ]
    top = int(np.argmax(level))
    # Anaesthesia, near 2200 ng/mL, is reached; from there the level only falls.
    if site == "arterial":
        assert level[top] > 2200.0
    falling = level[top:]
    assert np.all(np.diff(falling) < 0.0)
    begin, end = (60.0 * float(times[top:][np.argmax(falling < bound)]) for bound in (1100.0, 640.0))
    # 10 to 15 minutes is when patients usually wake; the two must overlap.
    assert begin < 15.0
    assert 10.0 < end < 25.0


# What must emerge of the block


@dataclass(frozen=True)
class Held(Stage):
    """Concentrations as they are set, in place of the kinetics."""

    name: ClassVar[str] = "pharmacokinetics"
    title: ClassVar[str] = "Held concentrations"
    section: ClassVar[str] = "1"
    _names: ClassVar[tuple[str, ...]] = (
        *(
            read.name
            for read in Receptors.reads
            if read.name.startswith("unbound_") and "_arterial" in read.name
        ),
        "unbound_memantine",
    )
    inputs: ClassVar[tuple[Input, ...]] = tuple(Input(f"held_{name}", "uM", name) for name in _names)
    provides: ClassVar[tuple[Provides, ...]] = tuple(Provides(name, "uM", name) for name in _names)

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Hand the inputs on."""
        del x, p, q
        return Equations({}, {name: u[f"held_{name}"] for name in self._names})


@cache
def held_block(total: float) -> Mapping[str, float]:
    """Blocks at rest, with the racemate alone at a total concentration in ng/mL."""
    chain = build_chain((Held(), Receptors()))
    own = load_parameters()
    # ng/mL over g/mol is uM.
    free = total / own["molar_mass_ketamine"].value * own["unbound_fraction"].value
    inputs = chain.input_defaults() | {
        "held_unbound_s_ketamine_arterial": 0.5 * free,
        "held_unbound_r_ketamine_arterial": 0.5 * free,
        "held_unbound_ketamine_arterial": free,
    }
    engine = ReferenceEngine(chain.system)
    start = np.zeros(len(chain.system.states))
    values = chain.parameter_values(chain.parameters)
    # The site follows plasma within seconds: after ten hours all is at rest.
    found = engine.solve(values, start, Schedule(), np.array([0.0, 10.0]), inputs, 1e-9)
    return {name: float(series[-1]) for name, series in found.quantities.items()}


@pytest.mark.parametrize(
    ("total", "low", "high"), [(185.0, 0.20, 0.28), (640.0, 0.45, 0.60), (2200.0, 0.70, 0.85)]
)
def test_mean_block_by_the_racemate_alone(total: float, low: float, high: float) -> None:
    assert low <= held_block(total)["nmda_block_mean"] <= high


@pytest.mark.parametrize("total", [185.0, 640.0, 2200.0])
def test_interneurons_are_blocked_more_than_pyramidal_cells(total: float) -> None:
    block = held_block(total)
    assert block["nmda_block_pyramidal"] < block["nmda_block_vip"] < block["nmda_block_pv"]
    assert block["nmda_block_pv"] < block["nmda_block_sst"]


# Balance of amounts

HOURS = np.array([0.0, 0.2, 1.0, 3.0, 8.0, 24.0])
TYPICAL: Mapping[str, float] = {}
OTHER = {"weight": 95.0, "asian": 1.0, "age": 71.0, "liver_function": 0.6}
#: What is integrated beside the amounts: what leaves the liver, passes the gut, and the metabolites.
WATCHED = ("liver", "gut", "norketamine", "hnk", "dhnk")


@cache
def balancing() -> ReferenceEngine:
    """The kinetics, and beside them integrals of amounts and of what leaves the guts."""
    system = build_chain((Pharmacokinetics(),)).system
    symbols = {symbol.name: symbol for symbol in system.states}
    own = {symbol.name: symbol for symbol in system.parameters}
    extra, rates = [], []
    for e in ENANTIOMERS:
        for name in WATCHED:
            extra.append(sp.Symbol(f"integral_{name}_{e}", real=True))
            guts = ("gut_swallowed", "gut_oral", "gut_prolonged")
            emptied = sum(own[DEPOTS[gut]] * symbols[f"{gut}_{e}"] for gut in guts)
            rates.append(emptied if name == "gut" else symbols[f"{name}_{e}"])
    return ReferenceEngine(
        System(
            states=system.states + tuple(extra),
            parameters=system.parameters,
            inputs=system.inputs,
            rates=system.rates + tuple(rates),
            quantities=system.quantities,
            scales=system.scales + (1.0,) * len(extra),
        )
    )


def constants(own: Mapping[str, float], e: str) -> dict[str, float]:
    """Rates of loss by the table and the description of the model, not by its equations."""
    p = {name: item.value for name, item in load_parameters().items()} | own
    size = p["weight"] / p["weight_reference"]
    flow = size ** p["allometric_exponent"]
    r = e == "r"
    ratio = p["clearance_ratio_r"] if r else 1.0
    systemic = p["clearance"] * ratio
    intrinsic = flow * systemic / (1.0 - systemic / p["flow_hepatic"]) * p["liver_function"]
    other = p["asian_other_loss_ratio"] if p["asian"] else 1.0
    slower = p["asian_norketamine_ratio"] if p["asian"] else 1.0
    volume = {name: size * p[f"{name}_volume"] for name in ("norketamine", "hnk", "dhnk")}
    return {
        "demethylation": intrinsic * p["norketamine_fraction"] / (size * p["volume_liver"]),
        "other": intrinsic * (1.0 - p["norketamine_fraction"]) * other / (size * p["volume_liver"]),
        "gut_loss": 1.0 - p["gut_survival"],
        "gut_norketamine": p["gut_norketamine_fraction"] * (1.0 - p["gut_survival"]),
        "norketamine": flow * slower * p["norketamine_clearance"]
        * (p["norketamine_clearance_ratio_r"] if r else 1.0) / volume["norketamine"],
        "hnk": flow * p["hnk_clearance"] * (p["hnk_clearance_ratio_r"] if r else 1.0) / volume["hnk"],
        "dhnk": flow * p["dhnk_clearance"] / volume["dhnk"],
        "hnk_fraction": p["hnk_fraction"],
        "dhnk_fraction": p["dhnk_fraction"],
    }  # fmt: skip


@pytest.mark.parametrize("own", [TYPICAL, OTHER], ids=["typical", "other"])
@pytest.mark.parametrize("depot", ["central", *DEPOTS, *GIVEN_RATES])
def test_amounts_of_every_species_balance(depot: str, own: Mapping[str, float]) -> None:
    dose, length = 100.0, 1.5
    chain = build_chain((Pharmacokinetics(),))
    values = chain.parameter_values(load_parameters().with_values(dict(own)))
    engine = balancing()
    events = Schedule(
        boluses=[Bolus(f"{depot}_{e}", 0.0, dose) for e in ENANTIOMERS],
        infusions=[Infusion(f"{depot}_{e}", 0.0, length, dose) for e in ENANTIOMERS],
    )
    start = np.zeros(len(engine.system.states))
    solved = engine.solve(values, start, events, HOURS, chain.input_defaults(), 1e-8).states[:, 1:]
    at = {symbol.name: solved[place] for place, symbol in enumerate(engine.system.states)}
    given = dose + dose * np.minimum(HOURS[1:], length) / length
    for e in ENANTIOMERS:
        k = constants(own, e)
        done = {name: at[f"integral_{name}_{e}"] for name in WATCHED}
        ketamine = sum(
            at[f"{name}_{e}"] for name in ("central", "shallow", "deep", "liver", *DEPOTS, *GIVEN_RATES)
        )
        lost = (k["demethylation"] + k["other"]) * done["liver"] + k["gut_loss"] * done["gut"]
        # A solver of this family keeps linear sums to rounding, whatever its tolerance.
        assert np.abs(given - ketamine - lost).max() <= 1e-9 * given.max()
        formed = k["demethylation"] * done["liver"] + k["gut_norketamine"] * done["gut"]
        held = at[f"transit_{e}"] + at[f"norketamine_{e}"] + at[f"norketamine_deep_{e}"]
        eliminated = k["norketamine"] * done["norketamine"]
        assert np.abs(formed - held - eliminated).max() <= 1e-9 * given.max()
        for name in ("hnk", "dhnk"):
            held = at[f"{name}_{e}"] + (at[f"hnk_deep_{e}"] if name == "hnk" else 0.0)
            made, gone = k[f"{name}_fraction"] * eliminated, k[name] * done[name]
            assert np.abs(made - held - gone).max() <= 1e-9 * given.max()
