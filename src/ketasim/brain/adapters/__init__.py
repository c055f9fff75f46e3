"""Connectomes by name: the synthetic one, and those in the files of installed packages."""

from __future__ import annotations

from ketasim.brain.adapters.catalogue import AvailableConnectome, available_connectomes, load_connectome

__all__ = ["AvailableConnectome", "available_connectomes", "load_connectome"]
