"""The chain of one patient under a regimen as SBML, with its labels, units and sources."""

from __future__ import annotations

from importlib.metadata import version

from ketasim.interop.sbml import Description, sbml_document
from ketasim.model import Chain, Simulator
from ketasim.model.simulator import Case
from ketasim.units import DEFAULT_SYSTEM, dimension

__all__ = ["chain_document"]

#: SBML base unit, scale and multiplier of each base dimension of the default unit system; a score
#: and mmHg have no place in SBML that tools agree on and count as numbers.
_BASE = (("second", 0, 3600.0), ("mole", -6, 1.0), ("metre", -1, 1.0), ("gram", -3, 1.0))


def chain_document(simulator: Simulator, case: Case) -> str:
    """Write what :meth:`Simulator.run` would simulate.

    Parameters
    ----------
    simulator : Simulator
        The model, in the default units: h, umol, L, mg.
    case : Case
        A patient and what happens to him.

    Returns
    -------
    str
        XML. Values are inside the model's units, which for some quantities differ from
        those shown elsewhere (mg/L for ng/mL); each says its unit.
    """
    chain, patient = simulator.chain, case.patient
    engine = simulator.engine(())
    span = float(case.times_h[0]), float(case.times_h[-1])
    return sbml_document(
        engine.system,
        chain.parameter_values(patient.parameters),
        dict(zip(chain.states, patient.state.tolist(), strict=True)),
        simulator.schedule(case),
        span,
        chain.input_defaults(),
        _description(chain, case),
    )


def _description(chain: Chain, case: Case) -> Description:
    labels = {name: state.label for name, state in chain.states.items()}
    labels |= {name: item.label for name, item in chain.quantities.items()}
    labels |= {name: item.label for name, item in chain.inputs.items()}
    units = {name: state.unit for name, state in chain.states.items()}
    units |= {name: item.unit for name, item in chain.quantities.items()}
    units |= {name: item.unit for name, item in chain.inputs.items()}
    details = {}
    for table in chain.stage_parameters.values():
        units |= table
    for parameter in chain.parameters.values():
        source = f"source: {parameter.source} ({parameter.grade})"
        details[parameter.name] = (
            f"stage {parameter.stage}; {parameter.unit}; {source}. {parameter.note}".strip()
        )
    for name, stage in chain.owner.items():
        details.setdefault(name, f"stage {stage}; unit {units[name]}")
    notes = (
        f"Ketasim {version('ketasim')}: the causal chain from a dose of ketamine to mood, for one person "
        f"under {case.regimen.text or 'no drug'}.\n"
        "A research and teaching instrument, not for treating a person.\n"
        "Time is in hours, amounts in umol, volumes in L, masses in mg; points and mmHg count as numbers."
    )
    return Description(
        name="ketasim",
        notes=notes,
        labels=labels,
        details=details,
        units={name: _sbml_unit(unit) for name, unit in units.items()},
        time_unit=_sbml_unit(DEFAULT_SYSTEM.time),
    )


def _sbml_unit(unit: str) -> tuple[tuple[str, int, float, float], ...]:
    """Factors of a unit of the default system."""
    exponents = dimension(unit)
    return tuple(
        (kind, scale, multiplier, exponent)
        for (kind, scale, multiplier), exponent in zip(_BASE, exponents, strict=False)
        if exponent
    )
