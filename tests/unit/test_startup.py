"""What a start loads: one person's course must not wait for tables, figures and study files."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ketasim
from ketasim import api, circuit, trials, units
from ketasim.model.chain import STAGES
from ketasim.model.parameters import load_parameters

#: Needed by trials, figures, tables and fits; each takes longer to load than a person to simulate.
HEAVY = ("matplotlib", "pandas", "pint", "pyarrow", "pydantic", "rich", "xarray")
#: Needed by any curve.
ENGINE = ("llvmlite", "numba", "numpy")
#: Needed to derive equations, which is done once and then found on the disk.
DERIVING = ("sympy",)

SIMULATED = """
from ketasim import simulate
course = simulate("0.5 mg/kg ketamine iv over 40 min", days="7d", at=["24h"], set={"clearance": "80 L/h"})
assert course.summary(["24h"])["madrs"]["unit"] == "points"
"""


def loaded(code: str) -> set[str]:
    """Top-level packages that a fresh process holds after some code."""
    show = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_the_package_alone_loads_nothing() -> None:
    assert not loaded("import ketasim; ketasim.KetasimError") & {*HEAVY, *ENGINE, *DERIVING, "scipy"}


def test_the_command_line_alone_loads_no_model() -> None:
    assert not loaded("import ketasim.cli") & ({*HEAVY, *ENGINE, *DERIVING, "scipy"} - {"rich"})


def test_one_person_needs_no_table_figure_or_study_file() -> None:
    loaded(SIMULATED)
    found = loaded(SIMULATED)
    assert found >= set(ENGINE)
    # The first of the two left what it derived on the disk.
    assert not found & {*HEAVY, *DERIVING}


def test_what_is_left_out_is_loaded_when_it_is_asked_for() -> None:
    """The test above would also pass if nothing ever loaded these, or loading them had other names."""
    asked = "course.trajectories; import ketasim, ketasim.report; ketasim.Study; ketasim.report.write_report"
    found = loaded(f"{SIMULATED}\n{asked}")
    assert found >= {"matplotlib", "pandas", "pydantic", "xarray"}
    assert "pint" in loaded("from ketasim.units import convert; convert(1.0, 'mg/kg/d', 'mg/kg/h')")


@pytest.mark.parametrize("package", [ketasim, api, circuit, trials], ids=lambda package: package.__name__)
def test_every_public_name_is_there(package: object) -> None:
    names = package.__all__  # type: ignore[attr-defined]
    assert [name for name in names if getattr(package, name, None) is None] == []
    with pytest.raises(AttributeError, match="has no attribute 'simulat'"):
        package.simulat  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("unit", sorted(units._USUAL))
def test_the_usual_units_are_as_pint_gives_them(unit: str) -> None:
    factor, exponents = units._by_pint(unit)
    # Another version of pint may multiply in another order.
    assert units._USUAL[unit][0] == pytest.approx(factor, rel=1e-15)
    assert units._USUAL[unit][1] == exponents


def test_every_unit_of_the_model_is_a_usual_one() -> None:
    used = {parameter.unit for parameter in load_parameters().values()}
    for stage in STAGES:
        used |= {item.unit for item in (*stage.states, *stage.reads, *stage.inputs, *stage.derived)}
        used |= {text for item in stage.provides for text in (item.unit, item.shown_unit)}
    assert used <= set(units._USUAL)
