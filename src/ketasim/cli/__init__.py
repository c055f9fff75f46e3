"""The command line. It only calls :mod:`ketasim.api` and the public loaders."""

from __future__ import annotations

from ketasim.cli.application import main

__all__ = ["main"]
