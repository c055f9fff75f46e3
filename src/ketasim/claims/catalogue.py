"""Every claim, in the order of the list that asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from ketasim.claims import course, drug, exposure, growth, harms, networks, people
from ketasim.claims.claim import Claim
from ketasim.errors import ModelError, unknown_name

__all__ = ["CLAIMS", "named_claims"]

_ORDER = (
    *("nmda", "surge", "low-not-high", "balance", "gaba-depletion", "ampa", "bdnf", "mtor", "synapse-loss"),
    *("regrow", "reset", "dmn-over", "dmn-down", "rumination", "inflammation", "anti-inflammatory", "hours"),
    *("weeks-ssri", "outlasts", "two-weeks", "repeat", "trd", "suicidal", "ptsd-anxiety", "pain"),
    *("dissociation", "needed-trip", "euphoria-high", "transient", "bladder", "cognition", "abuse"),
    *("everyone", "supervised", "mystery"),
)
_BY_NAME = {
    item.name: item
    for item in (
        *drug.CLAIMS,
        *growth.CLAIMS,
        *networks.CLAIMS,
        *course.CLAIMS,
        *people.CLAIMS,
        *harms.CLAIMS,
        *exposure.CLAIMS,
        growth.MYSTERY,
    )
}

#: Every claim.
CLAIMS: tuple[Claim, ...] = tuple(_BY_NAME[name] for name in _ORDER)


def named_claims(names: Sequence[str] | None = None) -> tuple[Claim, ...]:
    """Return claims by name.

    Parameters
    ----------
    names : sequence of str, optional
        Which; default: all. The order is always that of :data:`CLAIMS`.

    Returns
    -------
    tuple of Claim

    Raises
    ------
    ModelError
        If a name is unknown.
    """
    for name in names or ():
        if name not in _BY_NAME:
            raise ModelError(f"claims: {unknown_name('claim', name, _BY_NAME)}")
    return tuple(item for item in CLAIMS if not names or item.name in names)
