"""Counts of a trial as tables: adverse events as a publication prints them, and guesses."""

from __future__ import annotations

from ketasim.report.markup import Cell, details, paragraph, table
from ketasim.report.trial.tables import Tables
from ketasim.report.words import arm_label, number
from ketasim.trials.endpoints import compared_with
from ketasim.trials.harms.incidence import incidence_table, printed_incidences
from ketasim.trials.scoring.blinding import blinding_table
from ketasim.trials.study import Study

__all__ = ["guess_part", "incidence_part"]


def incidence_part(tables: Tables, study: Study) -> str:
    """Write adverse events by arm as a publication prints them, folded away."""
    found = incidence_table(tables.events, tables.patients, comparator=compared_with(study))
    if found.empty:
        return paragraph("Nobody had an adverse event that at least one in twenty people of an arm had.")
    printed = printed_incidences(found)
    heads: list[Cell] = [str(name) for name in printed.columns]
    rows: list[list[Cell]] = [[str(cell) for cell in row] for row in printed.itertuples(index=False)]
    return details("Adverse events by arm as a table", table(heads, rows))


def guess_part(tables: Tables, study: Study) -> str:
    """Write what people guessed that they had been given; empty if nobody was asked."""
    found = blinding_table(tables.patients, study)
    if found.empty:
        return ""
    heads: list[Cell] = ["arm", ("asked", "n"), ("guessed active", "n"), ("guessed control", "n"), "index"]
    rows: list[list[Cell]] = [
        [
            ("all" if row["index"] == "James" else arm_label(row["arm"]), "keep"),
            (str(row["n"]), "n"),
            (str(row["guessed_active"]), "n"),
            (str(row["guessed_control"]), "n"),
            f"{row['index']} {number(row['value'])} ({number(row['low'])} to {number(row['high'])})",
        ]
        for row in found.to_dict("records")
    ]
    says = paragraph(
        "Asked at the last visit. Bang's index is 0 if people guess by chance and 1 if all guess right; "
        "James's is 0.5 by chance and 0 if all guess right."
    )
    return "<h3>What people guessed</h3>\n" + says + table(heads, rows)
