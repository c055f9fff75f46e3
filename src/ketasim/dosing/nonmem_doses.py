"""Doses of one subject from the records of an event table."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ketasim.dosing.dose import Dose
from ketasim.dosing.drugs import DRUGS
from ketasim.dosing.nonmem_records import TOLERANCE, Records
from ketasim.dosing.regimen import DEVICE_GAP_H, Regimen, split_devices
from ketasim.errors import DoseError

__all__ = ["read_regimen"]


@dataclass(frozen=True)
class _Spray:
    row: int
    device: int
    dose: Dose

    @property
    def kind(self) -> Dose:
        """The dose without its time and amount."""
        return replace(self.dose, start_h=0.0, amount=1.0) if self.dose.is_active else self.dose.at(0.0)


def read_regimen(records: Records, begin: int, end: int) -> Regimen:
    """Make the regimen of the records from ``begin`` to before ``end``.

    Each of the ``ADDL`` doses is a dose of its own; the devices of one nasal dose are one dose.

    Parameters
    ----------
    records : Records
        Checked records.
    begin, end : int
        The records of one subject.

    Returns
    -------
    Regimen
        The doses.

    Raises
    ------
    DoseError
        If the devices of a nasal dose do not fit each other.
    """
    doses: list[Dose] = []
    sprays: list[_Spray] = []
    has_devices = bool(records.device[begin:end].any())
    for at in range(begin, end):
        if records.treatment[at] < 0:
            continue
        start, step, amount = (
            float(records.time_h[at]),
            float(records.interval_h[at]),
            float(records.amount[at]),
        )
        course = [
            records.dose(at, start + index * step, amount, steady=index == 0 and records.steady[at] > 0)
            for index in range(1 + int(records.additional[at]))
        ]
        if (
            has_devices
            and course[0].route == "intranasal"
            and DRUGS[course[0].drug].nasal_device_mg is not None
        ):
            sprays += [_Spray(int(records.row[at]), int(records.device[at]), dose) for dose in course]
        else:
            doses += course
    return Regimen(tuple(doses + _joined(sprays, records.where)))


def _joined(sprays: list[_Spray], where: str) -> list[Dose]:
    """Put the devices of each nasal dose back together."""
    sessions: list[list[_Spray]] = []
    for spray in sorted(sprays, key=lambda spray: (spray.dose.start_h, spray.device)):
        if spray.device == 0:
            sessions.append([spray])
            continue
        for session in sessions:
            if _continues(session, spray):
                session.append(spray)
                break
        else:
            raise DoseError(
                f"{where}, row {spray.row}, column DEVICE: no full device {spray.device - 1} of "
                f"{spray.dose.drug} is given 5 min before this one."
            )
    return [_whole(session, where) for session in sessions]


def _continues(session: list[_Spray], spray: _Spray) -> bool:
    first, last = session[0], session[-1]
    full = DRUGS[spray.dose.drug].nasal_device_mg
    expected = first.dose.start_h + spray.device * DEVICE_GAP_H
    return (
        full is not None
        and last.device == spray.device - 1
        and last.kind == spray.kind
        and math.isclose(spray.dose.start_h, expected, rel_tol=1e-9, abs_tol=TOLERANCE)
        and math.isclose(last.dose.mass_mg(1.0), full, rel_tol=TOLERANCE)
    )


def _whole(session: list[_Spray], where: str) -> Dose:
    first, full = session[0].dose, DRUGS[session[0].dose.drug].nasal_device_mg
    masses = [spray.dose.mass_mg(1.0) for spray in session]
    if full is not None:
        over = [place for place, mass in enumerate(masses) if mass > full * (1.0 + TOLERANCE)]
        # A first row above one device is a whole dose, written without its devices.
        if over and len(session) > 1:
            raise DoseError(
                f"{where}, row {session[over[0]].row}, column AMT: {masses[over[0]]:g} mg is more than one "
                f"device of {full:g} mg."
            )
        if not over and len(split_devices(math.fsum(masses), full)) != len(session):
            raise DoseError(
                f"{where}, row {session[-1].row}, column DEVICE: {math.fsum(masses):g} mg do not take "
                f"{len(session)} devices."
            )
    return replace(first, amount=math.fsum(spray.dose.amount for spray in session))
