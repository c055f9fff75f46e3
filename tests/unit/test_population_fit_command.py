"""``ketasim fit``: files that cannot be used, and what a good run shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ketasim.cli.application import GuardedGroup
from ketasim.cli.fit import fit
from ketasim.dosing import parse_regimen
from ketasim.inference.population_fit.simulate import Truth, simulate_data

GOOD = """ID,TIME,AMT,RATE,EVID,DVID,DV,WT,DRUG,ROUTE
1,0,35,52.5,1,0,.,70,ketamine,iv
1,1,0,0,0,1,95,70,.,.
1,4,0,0,0,1,22,70,.,.
2,0,40,60,1,0,.,80,ketamine,iv
2,1,0,0,0,1,101,80,.,.
2,4,0,0,0,1,19,80,.,.
"""
OBSERVE = ("--observe", "1=ketamine_venous")


def run(path: Path, *options: str) -> tuple[int, str, str]:
    """Run the command; exit code, output and error stream."""
    app = typer.Typer(cls=GuardedGroup)
    app.callback()(lambda: None)
    app.command("fit")(fit)
    found = CliRunner().invoke(app, ["fit", str(path), *options])
    return found.exit_code, found.stdout, found.stderr


def changed(folder: Path, old: str, new: str) -> Path:
    """The good file with one place changed."""
    assert old in GOOD
    path = folder / "own.csv"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("TIME,", "HOUR,", "own.csv: column TIME is missing"),
        (",DV,", ",VALUE,", "own.csv, line 1: column DV is missing"),
        ("1,1,0,0,0,1,95", "1,-1,0,0,0,1,95", "own.csv, line 3, column TIME: -1"),
        ("1,95,70", "1,high,70", "own.csv, line 3, column DV: 'high' is not a number"),
        ("0,1,22", "0,7,22", "own.csv, line 4, column DVID: 7 stands for no quantity"),
        ("35,52.5,1,0,.,70", "35,52.5,1,0,.,-70", "own.csv, line 2, column WT: -70 must be above 0"),
        ("1,1,0,0,0,1,95", "1,0,0,0,0,1,95", "column DV: ketamine_venous is 0 in the model at 0 h"),
    ],
)
def test_a_wrong_file_is_named_with_line_and_column(tmp_path: Path, old: str, new: str, says: str) -> None:
    code, _, told = run(changed(tmp_path, old, new), "--parameters", "clearance", *OBSERVE)
    assert code == 2
    assert says in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--parameters", "clearence", *OBSERVE), "the nearest valid name is 'clearance'"),
        (("--parameters", "clearance"), "--observe: say what DV is"),
        (
            ("--parameters", "clearance", "--observe", "1=ketamin_venous"),
            "nearest valid name is 'ketamine_venous'",
        ),
        (
            ("--parameters", "clearance", "--observe", "1=ketamine_venous in uM"),
            "they measure different things",
        ),
        (("--parameters", "clearance", "--observe", "ketamine_venous"), "write the number in DVID or CMT"),
        (
            ("--parameters", "clearance", *OBSERVE, "--error", "proportionl"),
            "nearest valid name is 'proportional'",
        ),
        (("--parameters", "clearance", *OBSERVE, "--prior", "flat"), "unknown prior 'flat'"),
        (("--parameters", "oral_absorption_rate", *OBSERVE), "depends on oral_absorption_rate"),
        (("--parameters", "clearance", *OBSERVE, "--forecast", "9", "--regimen", "none"), "no ID 9"),
        (("--parameters", "clearance", *OBSERVE, "--forecast", "1"), "belong together"),
        (("--parameters", "clearance", *OBSERVE, "--iterations", "two"), "--iterations: 'two'"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(GOOD, encoding="utf-8")
    code, _, told = run(path, *options)
    assert code == 2
    assert says in told


def test_no_observation_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("\n".join(line for line in GOOD.splitlines() if ",0,1," not in line), encoding="utf-8")
    code, _, told = run(path, "--parameters", "clearance", *OBSERVE)
    assert (code, "no observation is there" in told) == (2, True)
    code, _, told = run(tmp_path / "none.csv", "--parameters", "clearance", *OBSERVE)
    assert (code, "there is no such file" in told) == (2, True)


def test_a_unit_of_its_own_is_converted_or_refused(tmp_path: Path) -> None:
    wrong = GOOD.replace("ROUTE", "ROUTE,UNIT").replace("iv\n", "iv,.\n").replace(".,.\n", ".,.,umol/L\n")
    path = tmp_path / "own.csv"
    path.write_text(wrong, encoding="utf-8")
    code, _, told = run(path, "--parameters", "clearance", *OBSERVE)
    assert code == 2
    assert "own.csv, line 3, column DV: 'umol/L' cannot be converted to 'ng/mL'" in told
    # The same course in mg/L gives the same fit.
    small = GOOD
    for value, smaller in (("95", "0.095"), ("22", "0.022"), ("101", "0.101"), ("19", "0.019")):
        small = small.replace(f",1,{value},", f",1,{smaller},")
    estimates = []
    for unit, text in (("ng/mL", GOOD), ("mg/L", small)):
        path.write_text(text, encoding="utf-8")
        options = ("--parameters", "clearance", "--observe", f"1=ketamine_venous in {unit}", "--json")
        code, shown, _ = run(path, *options)
        assert code == 0
        estimates.append(json.loads(shown)["parameters"][0]["estimate"])
    assert estimates[0] == pytest.approx(estimates[1], rel=1e-6)


def test_a_run_shows_what_it_found(tmp_path: Path) -> None:
    truth = Truth({}, {"clearance": 0.2}, {"ketamine_venous": ("proportional", 0.1)})
    table = simulate_data(
        truth,
        [parse_regimen("0.5 mg/kg ketamine iv over 40 min")] * 6,
        [("ketamine_venous", (0.5, 2.0, 6.0))],
        weights_kg=[70.0] * 6,
        seed=3,
    )
    path = tmp_path / "own.csv"
    table.to_csv(path, index=False, na_rep=".")
    options = ("--parameters", "clearance", *OBSERVE, "--forecast", "2")
    options = (*options, "--regimen", "25 mg ketamine iv over 40 min")
    code, shown, _ = run(path, *options)
    assert code == 0
    assert "6 persons, 18 measurements" in shown
    assert "Forecast for ID 2" in shown
    code, shown, _ = run(path, *options, "--json")
    assert code == 0
    found = json.loads(shown)
    assert found["parameters"][0]["name"] == "clearance"
    assert "25 mg ketamine iv over 40 min" in found["forecast"]["regimen"]
