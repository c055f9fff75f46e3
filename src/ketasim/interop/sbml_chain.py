"""The chain of one patient under a regimen as SBML, with its labels, units and sources."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

from ketasim.errors import EvidenceError, ModelError
from ketasim.evidence import citation_text
from ketasim.interop.sbml import Description, Unit, sbml_document
from ketasim.model import Chain, Simulator
from ketasim.model.parameters import OWN_SOURCES, Parameter, load_parameters
from ketasim.model.simulator import Case
from ketasim.model.stage import Input, Provides, State
from ketasim.units import DEFAULT_SYSTEM, dimension

__all__ = ["chain_document"]

#: The units of :data:`DEFAULT_SYSTEM`, in the order of its base dimensions but for the volume, which
#: stands for the length; each as SBML says it. A score and mmHg have no unit that tools agree on, and
#: count as numbers there.
_BASE = (
    ("h", ("second", 0, 3600.0)),
    ("umol", ("mole", -6, 1.0)),
    ("L", ("litre", 0, 1.0)),
    ("mg", ("gram", -3, 1.0)),
    ("points", None),
    ("mmHg", None),
)
_VOLUME = 2


def chain_document(simulator: Simulator, case: Case) -> str:
    """Write what :meth:`Simulator.run` would simulate.

    Parameters
    ----------
    simulator : Simulator
        The model, in the default units: h, umol, L, mg.
    case : Case
        A patient and what happens to him; clamps too.

    Returns
    -------
    str
        XML. Values are in the model's units, which for some quantities differ from
        those shown elsewhere (mg/L for ng/mL); each says its unit.

    Raises
    ------
    ModelError
        If python-libsbml is not installed, the units are others, or something in the case does not exist.
    """
    chain, patient = simulator.chain, case.patient
    if chain.units != DEFAULT_SYSTEM:
        raise ModelError("SBML: the chain is written in the default units; build it without other ones.")
    engine = simulator.engine(tuple(sorted({clamp.quantity for clamp in case.clamps})))
    defaults = dict.fromkeys((symbol.name for symbol in engine.system.inputs), 0.0)
    return sbml_document(
        engine.system,
        chain.parameter_values(patient.parameters),
        dict(zip(chain.states, patient.state.tolist(), strict=True)),
        simulator.schedule(case),
        (float(case.times_h[0]), float(case.times_h[-1])),
        defaults | chain.input_defaults(),
        _description(chain, case),
    )


def _description(chain: Chain, case: Case) -> Description:
    items: dict[str, State | Provides | Input] = {**chain.states, **chain.quantities, **chain.inputs}
    units = {name: _sbml_unit(item.unit) for name, item in items.items()}
    for table in chain.stage_parameters.values():
        units |= {name: _sbml_unit(unit) for name, unit in table.items()}
    for name in {clamp.quantity for clamp in case.clamps}:
        units[f"clamp_value_{name}"] = units[name]
    details = {
        parameter.name: f"stage {parameter.stage}; unit {units[parameter.name].name}; {_origin(parameter)}"
        for parameter in case.patient.parameters.values()
        if parameter.name in units
    }
    for name, stage in chain.owner.items():
        details.setdefault(name, f"stage {stage}; unit {units[name].name}")
    notes = (
        f"Ketasim {version('ketasim')}: the causal chain from a dose of ketamine to mood, for one person "
        f"under {case.regimen.text or 'no drug'}.\n"
        "A research and teaching instrument, not for treating a person.\n"
        f"Time is in h and starts at {case.times_h[0]:g} h of the regimen. Amounts are in umol, volumes "
        "in L, masses in mg; points and mmHg count as numbers."
    )
    return Description(
        name="ketasim",
        notes=notes,
        labels={name: item.label for name, item in items.items()},
        details=details,
        units=units,
        time_unit=_sbml_unit(DEFAULT_SYSTEM.time),
    )


def _origin(parameter: Parameter) -> str:
    """Where a value comes from; one that was changed does not come from the table's source."""
    shipped = load_parameters()
    source = f"source: {_source(parameter.source, parameter.grade)}; grade {parameter.grade}"
    if parameter.name in shipped and shipped[parameter.name].value != parameter.value:
        typical = shipped[parameter.name]
        source = f"set for this person; the typical value, {typical.value:g} {typical.unit}, has the {source}"
    return f"{source}. {parameter.note}".strip()


@cache
def _source(key: str, grade: str) -> str:
    if key == "assumed" and grade == "calibrated":
        return "fitted here (calibration); no source gives it"
    if key in OWN_SOURCES:
        return OWN_SOURCES[key]
    try:
        return f"{citation_text(key)} [{key}]"
    except EvidenceError:
        return key


def _sbml_unit(unit: str) -> Unit:
    """A unit of the default system with the dimension of another unit."""
    factors: list[tuple[str, int, float, float]] = []
    above: list[str] = []
    below: list[str] = []
    for index, ((name, base), exponent) in enumerate(zip(_BASE, dimension(unit), strict=True)):
        power = exponent / 3.0 if index == _VOLUME else exponent
        if not power:
            continue
        if base is not None:
            factors.append((*base, power))
        size = abs(power)
        (above if power > 0 else below).append(name if size == 1 else f"{name}^{size:g}")
    name = "/".join(["*".join(above) or "1", *below]) if above or below else "dimensionless"
    return Unit(name, tuple(factors))
