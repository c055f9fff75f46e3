"""Whether ``ketasim fit`` finds what data were simulated with, and whether its intervals hold it.

``python -m benchmarks.fit_recovery --datasets 40`` simulates data sets, fits each without priors, and prints
the table of ``docs/fit.md``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ketasim.api.fit import fit_data
from ketasim.dosing import parse_regimen
from ketasim.inference.population_fit.simulate import Truth, simulate_data

FloatArray = npt.NDArray[np.float64]

TRUTH = Truth(
    values={"clearance": 80.0, "volume_deep": 250.0},
    spreads={"clearance": 0.18, "volume_deep": 0.35},
    errors={"ketamine_venous": ("proportional", 0.12)},
)
TIMES_H = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
REGIMEN = "0.5 mg/kg ketamine iv over 40 min"


def one(number: int, persons: int, folder: Path) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Simulate and fit one data set.

    Returns
    -------
    estimates, hits, errors : arrays, shape (values,)
        Estimates, whether the 95 % interval holds the truth, and standard errors (NaN where there is none).
    """
    weights = np.round(np.random.default_rng([7, number]).normal(75.0, 12.0, persons).clip(50.0, 110.0), 1)
    regimens = [parse_regimen(REGIMEN)] * persons
    table = simulate_data(
        TRUTH, regimens, [("ketamine_venous", TIMES_H)], weights_kg=weights.tolist(), seed=1000 + number
    )
    path = folder / "data.csv"
    table.to_csv(path, index=False, na_rep=".")
    names = list(TRUTH.values)
    found = fit_data(path, names, quantity="ketamine_venous", prior="none").parameters
    truth = truths()
    held = (found["low"].to_numpy() <= truth) & (truth <= found["high"].to_numpy())
    return found["estimate"].to_numpy(), held.astype(np.float64), found["se"].to_numpy()


def truths() -> FloatArray:
    """What data are simulated with, in the order of a table of fitted values."""
    errors = [size for _, size in TRUTH.errors.values()]
    return np.array([*TRUTH.values.values(), *TRUTH.spreads.values(), *errors])


def lines(estimates: FloatArray, hits: FloatArray, errors: FloatArray) -> list[str]:
    """The table as Markdown, a row a value."""
    names = [*TRUTH.values, *(f"spread of {name}" for name in TRUTH.spreads), "proportional error"]
    rows = ["| value | truth | mean estimate | bias | SD | mean SE | 95 % interval holds the truth |"]
    rows.append("|---|---:|---:|---:|---:|---:|---:|")
    for place, (name, truth) in enumerate(zip(names, truths(), strict=True)):
        own = estimates[:, place]
        bias, spread = own.mean() / truth - 1.0, own.std(ddof=1) / truth
        error = np.nanmean(errors[:, place]) / truth
        rows.append(
            f"| {name} | {truth:g} | {own.mean():.4g} | {100.0 * bias:+.1f} % | {100.0 * spread:.1f} % | "
            f"{100.0 * error:.1f} % | {int(hits[:, place].sum())} of {len(own)} |"
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_recovery", description=__doc__)
    parser.add_argument("--datasets", type=int, default=40, help="data sets (%(default)s)")
    parser.add_argument("--persons", type=int, default=24, help="persons in each (%(default)s)")
    options = parser.parse_args(arguments)
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = [one(number, options.persons, Path(folder)) for number in range(options.datasets)]
    estimates, hits, errors = (np.array(part) for part in zip(*found, strict=True))
    print("\n".join(lines(estimates, hits, errors)))
    every = hits.mean()
    seconds = time.perf_counter() - begin
    print(f"\n{100.0 * every:.0f} % of the intervals hold it; {seconds / options.datasets:.1f} s a data set.")


if __name__ == "__main__":
    main()
