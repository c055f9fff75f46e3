"""The explorer: a page on this computer on which a dose becomes a mood, and a harm.

It reads the public API and nothing else. Needs the extra ``app`` (``pip install 'ketasim[app]'``); the
command line is ``ketasim app``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader

if TYPE_CHECKING:
    from ketasim.app.server import create_app
    from ketasim.app.settings import AppSettings

__all__ = ["AppSettings", "create_app"]

# What tells a missing extra must load without it. Hidden from type checkers, which would else accept any
# misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(
        __name__,
        {"ketasim.app.server": ("create_app",), "ketasim.app.settings": ("AppSettings",)},
    )
