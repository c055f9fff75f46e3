"""Figures and the HTML report."""

from __future__ import annotations

from ketasim.report.data import ReportData
from ketasim.report.figures import write_figures, write_overview
from ketasim.report.html import write_report

__all__ = ["ReportData", "write_figures", "write_overview", "write_report"]
