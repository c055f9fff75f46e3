"""Questions of design: how many patients, and what if the trial were run in another way.

Answered with whole simulated trials: patients are drawn, treated, rated, lost and analysed as
the study file says, again and again.
"""

from __future__ import annotations

from ketasim._lazy import lazy_loader
from ketasim.design.what_if import WhatIf, changed, parse_what_if

__all__ = [
    "Needed",
    "WhatIf",
    "changed",
    "null_study",
    "parse_sizes",
    "parse_what_if",
    "power_curve",
]

__getattr__ = lazy_loader(
    __name__,
    {
        "ketasim.design.curve": ("Needed", "power_curve"),
        "ketasim.design.no_effect": ("null_study",),
        "ketasim.design.sizes": ("parse_sizes",),
    },
)
