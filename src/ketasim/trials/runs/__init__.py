"""How a trial is run: chunks, processes, clusters, the folder of a run, and its tables."""

from __future__ import annotations
