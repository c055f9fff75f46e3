"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import xarray as xr

from ketasim.trials.study import Study

__all__ = ["ReportData"]


@dataclass(frozen=True)
class ReportData:
    """Everything that a report shows, and nothing that it computes.

    Parameters
    ----------
    study : Study
        The design, with its published observations.
    outcomes, patients, events, endpoints, analyses, comparison, contrasts : DataFrame
        The tables of :mod:`ketasim.trials.runs.columns`.
    trajectories : xarray.Dataset
        The typical patient of each arm; dimensions ``replicate, arm, subject, time``.
    influence : DataFrame
        Parameters by how far they move the drug's effect.
    failed : tuple of (int, str)
        Persons that could not be simulated, with the reason.
    seed : int
        The seed.
    versions : mapping of str to str
        Software that made it.
    """

    study: Study
    outcomes: pd.DataFrame
    patients: pd.DataFrame
    events: pd.DataFrame
    endpoints: pd.DataFrame
    analyses: pd.DataFrame
    comparison: pd.DataFrame
    contrasts: pd.DataFrame
    trajectories: xr.Dataset
    influence: pd.DataFrame
    failed: tuple[tuple[int, str], ...]
    seed: int
    versions: Mapping[str, str]
