"""The drugs that can be dosed, and what each puts into the body.

Masses are of free base unless the dose says hydrochloride.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ketasim.dosing.routes import ROUTES
from ketasim.errors import DoseError, unknown_name

__all__ = ["DRUGS", "Drug", "find_drug"]

_HYDROGEN_CHLORIDE = 36.46
_KETAMINE = 237.7
_MIDAZOLAM = 325.8
_MEMANTINE = 179.3


@dataclass(frozen=True)
class Drug:
    """A drug as it is dosed.

    Parameters
    ----------
    name : str
        The name used in texts, tables and files.
    label : str
        The name shown to a reader.
    moieties : mapping of str to float
        Model species, each with its share of the free-base mass; empty for a placebo. The
        shares add up to 1 otherwise.
    molar_mass_g_mol : float
        Molar mass of the free base in g/mol (0 for a placebo).
    salt_factor : float or None
        Mass of free base in one mass unit of the hydrochloride; None if it has no salt here.
    routes : tuple of str
        Names of :data:`~ketasim.dosing.ROUTES` by which it can be given.
    nasal_device_mg : float or None
        Free base that one nasal device gives, in mg; devices follow each other by 5 min.
    source : str
        Where the numbers come from.
    """

    name: str
    label: str
    moieties: Mapping[str, float] = field(hash=False)
    molar_mass_g_mol: float
    salt_factor: float | None
    routes: tuple[str, ...]
    nasal_device_mg: float | None
    source: str

    @property
    def is_active(self) -> bool:
        """Whether the drug puts any species into the body."""
        return bool(self.moieties)

    def amounts_umol(self, mass_mg: float) -> tuple[tuple[str, float], ...]:
        """Amount of each species, in umol, in a mass of free base in mg."""
        total = mass_mg / self.molar_mass_g_mol * 1000.0 if self.moieties else 0.0
        return tuple((species, share * total) for species, share in self.moieties.items())


def _salt_factor(molar_mass: float) -> float:
    return molar_mass / (molar_mass + _HYDROGEN_CHLORIDE)


_ALL_ROUTES = tuple(ROUTES)
_FORMULA = "molar masses from the formulas C13H16ClNO (base) and HCl"

_TABLE = (
    Drug(
        name="ketamine",
        label="ketamine (racemate)",
        moieties=MappingProxyType({"s_ketamine": 0.5, "r_ketamine": 0.5}),
        molar_mass_g_mol=_KETAMINE,
        salt_factor=_salt_factor(_KETAMINE),
        routes=_ALL_ROUTES,
        nasal_device_mg=50.0,
        source=f"{_FORMULA}; a racemate is half of each enantiomer; 50 mg a nasal device is assumed",
    ),
    Drug(
        name="esketamine",
        label="esketamine (S-ketamine)",
        moieties=MappingProxyType({"s_ketamine": 1.0}),
        molar_mass_g_mol=_KETAMINE,
        salt_factor=_salt_factor(_KETAMINE),
        routes=_ALL_ROUTES,
        nasal_device_mg=28.0,
        source=f"{_FORMULA}; 28 mg of free base a nasal device, devices 5 min apart (US label)",
    ),
    Drug(
        name="arketamine",
        label="arketamine (R-ketamine)",
        moieties=MappingProxyType({"r_ketamine": 1.0}),
        molar_mass_g_mol=_KETAMINE,
        salt_factor=_salt_factor(_KETAMINE),
        routes=_ALL_ROUTES,
        nasal_device_mg=50.0,
        source=f"{_FORMULA}; 50 mg a nasal device, as for the racemate, is assumed",
    ),
    Drug(
        name="midazolam",
        label="midazolam (active control)",
        moieties=MappingProxyType({"midazolam": 1.0}),
        molar_mass_g_mol=_MIDAZOLAM,
        salt_factor=_salt_factor(_MIDAZOLAM),
        routes=("iv_infusion", "iv_bolus"),
        nasal_device_mg=None,
        source="molar mass from the formula C18H13ClFN3; the depression trials gave it by vein",
    ),
    Drug(
        name="memantine",
        label="memantine (comparator)",
        moieties=MappingProxyType({"memantine": 1.0}),
        molar_mass_g_mol=_MEMANTINE,
        salt_factor=_salt_factor(_MEMANTINE),
        routes=("oral",),
        nasal_device_mg=None,
        source="molar masses from the formulas C12H21N (base) and HCl; its tablets state hydrochloride",
    ),
    Drug(
        name="placebo",
        label="placebo",
        moieties=MappingProxyType({}),
        molar_mass_g_mol=0.0,
        salt_factor=None,
        routes=_ALL_ROUTES,
        nasal_device_mg=None,
        source="no drug, by definition",
    ),
    Drug(
        name="saline",
        label="saline placebo",
        moieties=MappingProxyType({}),
        molar_mass_g_mol=0.0,
        salt_factor=None,
        routes=_ALL_ROUTES,
        nasal_device_mg=None,
        source="no drug, by definition",
    ),
)

#: Every drug by name.
DRUGS: Mapping[str, Drug] = MappingProxyType({drug.name: drug for drug in _TABLE})

# Keys hold letters only, so that "(S)-ketamine", "S-ketamine" and "s ketamine" are one name.
_SYNONYMS = {
    **{name: name for name in DRUGS},
    "racemicketamine": "ketamine",
    "ketamineracemate": "ketamine",
    "racketamine": "ketamine",
    "rsketamine": "ketamine",
    "srketamine": "ketamine",
    "sketamine": "esketamine",
    "rketamine": "arketamine",
    "normalsaline": "saline",
}


def find_drug(name: str) -> Drug:
    """Find a drug by its name or a synonym, in any case.

    Parameters
    ----------
    name : str
        For example ``"ketamine"``, ``"racemic ketamine"`` or ``"(S)-ketamine"``.

    Returns
    -------
    Drug
        The entry of :data:`DRUGS`.

    Raises
    ------
    DoseError
        If no drug has this name; the message gives the nearest one.
    """
    known = _SYNONYMS.get(re.sub(r"[^a-z]", "", str(name).lower()))
    if known is None:
        raise DoseError(unknown_name("drug", str(name), DRUGS))
    return DRUGS[known]
