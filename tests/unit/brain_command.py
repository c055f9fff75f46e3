"""``ketasim brain`` as its tests call it, and a small made-up brain in files."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ketasim.brain.connectome import Connectome
from ketasim.brain.files import connectome_from_files
from ketasim.brain.model import BrainModel, brain_model
from ketasim.brain.synthetic import synthetic_connectome
from ketasim.cli.application import GuardedGroup
from ketasim.cli.brain import brain

# Without a subgenual region; so weakly joined that every state is far from criticality.
_SYNTHETIC = synthetic_connectome(20)
MADE_UP = replace(
    _SYNTHETIC, roles={role: places for role, places in _SYNTHETIC.roles.items() if role != "subgenual"}
)
WEIGHTS = 0.5 * MADE_UP.weights

app = typer.Typer(cls=GuardedGroup, pretty_exceptions_enable=False)
app.add_typer(brain, name="brain")


def write_labels(path: Path, regions: Connectome = MADE_UP) -> Path:
    assert regions.positions is not None
    roles = {index: role for role, indices in regions.roles.items() for index in indices}
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["label", "network", "hemisphere", "role", "x", "y", "z"])
        for index, label in enumerate(regions.labels):
            place = [repr(float(value)) for value in regions.positions[index]]
            row = (label, regions.networks[index], regions.hemispheres[index], roles.get(index, ""))
            table.writerow([*row, *place])
    return path


def write_brain(place: Path) -> Path:
    """Write the made-up brain into a folder, and weights that stand for fitted ones."""
    np.save(place / "weights.npy", MADE_UP.weights)
    write_labels(place / "labels.csv")
    content = {"format": 1, "connectome": "made up", "group": "nobody", "labels": list(MADE_UP.labels)}
    for name, factor in (("fitted", 1.0), ("strong", 8.0)):
        weights = (factor * WEIGHTS).tolist()
        (place / f"{name}.json").write_text(json.dumps({**content, "weights": weights}), encoding="utf-8")
    return place


def files(folder: Path) -> list[str | Path]:
    return ["--weights", folder / "weights.npy", "--labels", folder / "labels.csv"]


def fitted(folder: Path) -> list[str | Path]:
    return [*files(folder), "--fitted", folder / "fitted.json"]


def model(folder: Path) -> BrainModel:
    regions = connectome_from_files(folder / "weights.npy", folder / "labels.csv")
    return brain_model(regions, weights=WEIGHTS)


def command(*words: str | Path) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["brain", *(str(word) for word in words)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.stdout, found.stderr


def numbers(*words: str | Path) -> dict[str, Any]:
    code, text, _ = command(*words, "--json", "-")
    assert code == 0
    found: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return found


def refusal(*words: str | Path) -> str:
    code, text, error = command(*words)
    assert code == 2
    assert text == ""
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    return error
