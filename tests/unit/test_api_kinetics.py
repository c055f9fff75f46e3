"""What the exposure of a regimen says about its limits, and the figure with published spread."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import ErrorbarContainer
from typer.testing import CliRunner

from ketasim.api.kinetics import simulate_pk
from ketasim.cli.application import app
from ketasim.report.pk_figure import pk_figure

INFUSION = "0.5 mg/kg ketamine iv over 40 min"


def command(*words: str) -> str:
    found = CliRunner().invoke(app, ["pk", *words])
    assert found.exit_code == 0
    return found.stdout


def test_a_dose_far_from_the_published_ones_is_told_and_a_usual_one_is_not() -> None:
    assert simulate_pk(INFUSION).notes == ()
    (note,) = simulate_pk("50 mg/kg ketamine iv over 40 min").notes
    assert note.startswith("50 mg/kg of ketamine by iv_infusion is far outside")


def test_a_simulation_that_ends_early_says_so_and_guesses_nothing() -> None:
    result = simulate_pk(INFUSION, duration="10min")
    assert any("ends before the last dose" in note for note in result.notes)
    found = result.exposure["ketamine_venous"]
    assert found["auc_infinity"] is None
    assert "auc_infinity" in found["reasons"]
    # The published row is at 40 min, where this curve is not known.
    (line,) = [row for row in command(INFUSION, "--duration", "10min").splitlines() if "zarate2006" in row]
    assert "185 ng/mL" in line
    assert line.split()[-2] == "-"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("regimen", ["20 mg memantine oral", "2 mg midazolam iv over 2 min"])
def test_other_drugs_have_blocks_but_no_exposure(regimen: str, tmp_path: Path) -> None:
    path = tmp_path / "pk.svg"
    text = command(regimen, "--figure", str(path))
    assert "No dose is of ketamine" in text
    assert "Cmax" not in text
    assert path.stat().st_size > 0
    assert json.loads(command(regimen, "--json"))["exposure"] == {}


def test_the_figure_shows_the_spread_that_was_published() -> None:
    times = np.linspace(0.0, 4.0, 41)
    curve = 10.0 + times
    names = [f"{e}{n}_{s}" for e in ("", "s_", "r_") for n in ("ketamine", "norketamine", "hnk", "dhnk")
             for s in ("venous", "arterial")]  # fmt: skip
    blocks = [f"nmda_block_{n}" for n in ("mean", "pyramidal", "pv", "sst", "vip")]
    quantities = dict.fromkeys(names, curve) | dict.fromkeys(blocks, 0.1 * curve / curve.max())
    row = {"citation": "one", "quantity": "ketamine", "site": "venous", "statistic": "value_at",
           "time_h": 1.0, "value": 12.0}  # fmt: skip
    observations = pd.DataFrame(
        [
            {**row, "spread_kind": "sd", "spread_low": 5.0, "spread_high": np.nan},
            {**row, "time_h": 2.0, "spread_kind": "range", "spread_low": 9.0, "spread_high": 20.0},
            {**row, "time_h": 3.0, "spread_kind": "none", "spread_low": np.nan, "spread_high": np.nan},
        ]
    )
    figure = pk_figure(times, quantities, observations, "made up", 4.0)
    (bars,) = [item for item in figure.axes[0].containers if isinstance(item, ErrorbarContainer)]
    ends = [tuple(float(y) for _, y in segment) for segment in bars.lines[2][0].get_segments()]
    assert ends == [(7.0, 17.0), (9.0, 20.0), (12.0, 12.0)]
