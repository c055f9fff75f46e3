"""Figures and the HTML report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader

if TYPE_CHECKING:
    from ketasim.report.data import ReportData
    from ketasim.report.figures import write_figures, write_overview
    from ketasim.report.html import write_report

__all__ = ["ReportData", "write_figures", "write_overview", "write_report"]

# Matplotlib takes long to load, and words and numbers of a report are used without it.
__getattr__ = lazy_loader(
    __name__,
    {
        "ketasim.report.data": ("ReportData",),
        "ketasim.report.figures": ("write_figures", "write_overview"),
        "ketasim.report.html": ("write_report",),
    },
)
