"""What runs here: versions, processor, memory."""

from __future__ import annotations

import os
import platform
import sys
from typing import Annotated, Any

import typer

from ketasim.cli.console import output, plain_table, write_json

__all__ = ["show_version", "system_info"]


def show_version(wanted: bool) -> None:
    """Print the version and leave, if it was asked for."""
    if wanted:
        from importlib.metadata import version

        print(f"ketasim {version('ketasim')}")
        raise typer.Exit


def system_info(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Show versions, processor and memory, as needed in a report of a fault."""
    facts = _facts()
    if as_json:
        write_json(facts)
        return
    rows = [
        (name.replace("_", " "), str(value)) for name, value in facts.items() if not isinstance(value, dict)
    ]
    rows += list(facts["versions"].items())
    output().print(plain_table(("what", "value"), rows))


def _facts() -> dict[str, Any]:
    from ketasim.trials.runs.folder import versions
    from ketasim.trials.runs.workers import default_workers

    cores = os.cpu_count() or 1
    return {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": cores,
        "default_workers": default_workers(cores),
        "memory_gb": _memory_gb(),
        "executable": sys.executable,
        "versions": versions(),
    }


def _memory_gb() -> float | None:
    """Memory of the computer in GB; None where the system does not tell."""
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    return round(pages * size / 1e9, 1)
