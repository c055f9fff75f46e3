"""Equations that are made only where they are needed: what is found on the disk, and when not."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from ketasim.engine import Batch, Recipe, Schedule, System, VectorEngine
from ketasim.engine.cache import KernelCache
from ketasim.engine.lower import lower
from ketasim.engine.program import Program
from ketasim.model import build_chain, sources
from ketasim.model.ampa import Ampa
from ketasim.model.chain import STAGES
from ketasim.model.parameters import load_parameters

DIGEST = KernelCache.make_key("decay")


def decay(order: int = 1) -> System:
    amount, k = (sp.Symbol(name, real=True) for name in ("amount", "k"))
    return System(
        (amount,), (k,), (), (-k * amount**order,), {sp.Symbol("seen", real=True): 2 * amount}, (1.0,)
    )


def refused() -> System:
    raise AssertionError("the equations were made")


def solved(engine: VectorEngine) -> tuple[float, float]:
    """Amount and read-out after half a unit of time."""
    batch = Batch(np.array([[1.5]]), np.array([[2.0]]), [Schedule()], [np.array([0.0, 0.5])])
    amount = engine.solve(batch, {}).values[0][-1, 0]
    return float(amount), float(engine.solve(batch, {}, outputs=("seen",)).values[0][-1, 0])


def engine(cache: KernelCache, recipe: Recipe) -> VectorEngine:
    return VectorEngine(recipe, ("amount",), width=1, cache=cache)


def test_a_program_comes_back_as_it_was() -> None:
    program = lower(replace(decay(), scales=(0.1,)), ("amount",)).program
    again = Program.from_bytes(program.to_bytes())
    assert again == program
    assert again.scales == (0.1,)
    assert again.inputs == ("infusion_into_amount",)


def test_what_is_on_the_disk_needs_no_equations(tmp_path: Path) -> None:
    cache = KernelCache(tmp_path)
    first = solved(engine(cache, Recipe(decay, DIGEST)))
    # e^-0.75 of 2, to the engine's tolerance of 3e-5 of a state's size.
    assert first[0] == pytest.approx(2.0 * np.exp(-0.75), abs=1e-4)
    assert solved(engine(cache, Recipe(refused, DIGEST))) == first


def test_another_digest_or_none_makes_the_equations(tmp_path: Path) -> None:
    cache = KernelCache(tmp_path)
    first = solved(engine(cache, Recipe(decay, DIGEST)))
    for digest in (KernelCache.make_key("another"), None):
        with pytest.raises(AssertionError, match="were made"):
            solved(engine(cache, Recipe(refused, digest)))
        second = solved(engine(cache, Recipe(lambda: decay(2), digest)))
        # dx/dt = -1.5 x^2 from 2: 2 / (1 + 3 t).
        assert second[0] == pytest.approx(2.0 / 2.5, abs=1e-4) != first[0]


def test_a_note_without_its_code_makes_the_code_again(tmp_path: Path) -> None:
    cache = KernelCache(tmp_path)
    first = solved(engine(cache, Recipe(decay, DIGEST)))
    # Notes are some hundred bytes, machine code is not.
    for path in tmp_path.iterdir():
        if path.stat().st_size > 1000:
            path.unlink()
    assert solved(engine(cache, Recipe(decay, DIGEST))) == first


def test_changed_recipes_have_digests_of_their_own() -> None:
    plain = Recipe(refused, DIGEST)
    changed = [
        plain.with_clamps(("seen",)),
        plain.with_clamps(("seen", "other")),
        plain.exchanged("amount", "k"),
        plain.exchanged("k", "amount"),
    ]
    assert plain.with_clamps(()) is plain
    assert len({plain.digest, *(recipe.digest for recipe in changed)}) == 5
    assert Recipe(decay).exchanged("amount", "k").digest is None
    assert Recipe(decay, DIGEST).exchanged("amount", "k").system == decay().exchanged("amount", "k")


def test_the_digest_follows_all_that_the_equations_are_made_of() -> None:
    chain = build_chain()
    parameters = load_parameters()
    moved = parameters.with_values({"fast_arm_time": parameters["fast_arm_time"].value * 1.01})
    assert chain.recipe.digest is not None
    # Values are numbers to the equations.
    assert build_chain(parameters=moved).recipe.digest == chain.recipe.digest
    others = [build_chain(switched=("spine_density",)), build_chain(STAGES[:4])]
    assert len({chain.recipe.digest, *(other.recipe.digest for other in others)}) == 3


def test_a_stage_that_is_not_shipped_has_no_digest() -> None:
    class Other(Ampa):
        pass

    stages = tuple(Other() if isinstance(stage, Ampa) else stage for stage in STAGES)
    assert build_chain(stages).recipe.digest is None


def test_a_file_that_changed_while_the_process_ran_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    newest = max(Path(sources.__file__).stat().st_mtime, Path(sources.__file__).stat().st_ctime)
    monkeypatch.setattr(sources, "BEGUN", newest - 1.0)
    assert sources.source_digest.__wrapped__() is None
    monkeypatch.undo()
    assert sources.source_digest.__wrapped__() == sources.source_digest()


_LOADED = """
import sys
from ketasim.model.chain import build_chain
from ketasim.model.sources import PACKAGES
_ = build_chain().system
for name in sorted(sys.modules):
    if name.startswith("ketasim."):
        print(name)
"""


def test_every_module_that_the_equations_load_is_in_the_digest() -> None:
    names = _run(_LOADED).split()
    assert "ketasim.model.ampa" in names
    outside = [name for name in names if name.count(".") > 1 and name.split(".")[1] not in sources.PACKAGES]
    assert outside == []


_WARM = """
import sys
from ketasim.api import scenarios
scenarios.simulate_scenarios(["0.5 mg/kg ketamine iv over 40 min"])
heavy = ("sympy", "scipy.stats", "scipy.optimize", "pandas", "matplotlib")
print(*(name for name in heavy if name in sys.modules))
"""


def test_a_warm_start_loads_no_library_that_a_curve_does_not_need() -> None:
    """The first makes notes where there are none, the second must find them."""
    _run(_WARM)
    assert _run(_WARM).split() == []


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
