"""What an analysis is asked, checked; and the units that a clearance needs."""

from __future__ import annotations

import math

from ketasim.errors import ModelError, UnitError
from ketasim.nca._checks import check_method, check_number, check_range
from ketasim.nca.result import NcaSettings
from ketasim.units import convert, dimension, same_dimension


def check_settings(settings: NcaSettings, *, steadiness_said: bool) -> None:
    """Refuse what cannot be analysed, and what contradicts itself."""
    check_method(settings.method)
    dimension(settings.concentration_unit)
    infusion, interval, end = settings.infusion_h, settings.interval_h, settings.end_h
    check_number("infusion_h", infusion, unit="h", positive=False)
    if settings.extravascular and infusion > 0.0:
        raise ModelError(
            f"infusion_h: {infusion:g} h with extravascular=True; an infusion goes into the blood. "
            "Leave one of them out."
        )
    if interval is None:
        if settings.steady_state:
            raise ModelError("steady_state: True without interval_h; give the time to the next dose in h.")
    else:
        check_number("interval_h", interval, unit="h")
        if not steadiness_said:
            raise ModelError(
                f"steady_state: not said, with interval_h = {interval:g} h. Give steady_state=True for a "
                "dose of a long even course, or False for its first dose: clearance differs."
            )
    if end is not None and end != math.inf:
        check_number("end_h", end, unit="h")
    if settings.dose is not None:
        check_number("dose", settings.dose, unit=settings.dose_unit)
        litres(settings.dose_unit, settings.concentration_unit)
    if not isinstance(settings.half_life, str):
        check_range("half_life", settings.half_life)
    elif settings.half_life != "best":
        raise ModelError(f"half_life: {settings.half_life!r} is unknown; give 'best' or (from, to) in h.")


def litres(dose_unit: str, concentration_unit: str) -> float:
    """Litres in one unit of dose over one unit of concentration."""
    for amount, per_volume in (("mg", "mg/L"), ("umol", "uM")):
        if same_dimension(dose_unit, amount) and same_dimension(concentration_unit, per_volume):
            return convert(1.0, dose_unit, amount) / convert(1.0, concentration_unit, per_volume)
    raise UnitError(
        f"dose_unit {dose_unit!r} and concentration_unit {concentration_unit!r} do not give a volume. Give "
        "both by mass ('mg', 'ng/mL') or both by substance ('umol', 'uM'); multiply a dose per kg by the "
        "weight."
    )
