"""Write ``fit_demo.csv`` beside this file: simulated persons for ``ketasim fit``, not real ones.

Run it with ``python examples/fit_demo.py``. What the persons were simulated with stands below; a fit should
find it again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ketasim.dosing import parse_regimen
from ketasim.inference.population_fit.simulate import Truth, simulate_data

PERSONS, SEED = 30, 20
TRUTH = Truth(
    values={"clearance": 80.0, "mood_fast_arm_weight": 0.8},
    spreads={"clearance": 0.18, "volume_deep": 0.35, "mood_fast_arm_weight": 0.4},
    errors={"ketamine_venous": ("proportional", 0.12), "madrs": ("additive", 1.5)},
)
SAMPLES = (
    ("ketamine_venous", (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)),
    ("madrs", (4.0, 24.0, 72.0, 168.0)),
)


def main() -> None:
    """Write the file."""
    weights = np.round(np.random.default_rng(SEED).normal(75.0, 12.0, PERSONS).clip(50.0, 110.0), 1)
    regimen = parse_regimen("0.5 mg/kg ketamine iv over 40 min")
    table = simulate_data(TRUTH, [regimen] * PERSONS, SAMPLES, weights_kg=weights.tolist(), seed=SEED)
    scores = table["DVID"] == 2
    # A rater gives whole points.
    table.loc[scores, "DV"] = table.loc[scores, "DV"].round()
    table["DV"] = table["DV"].map(lambda value: float(f"{value:.4g}"))
    table["BASELINE"] = 33
    table["SOURCE"] = "simulated"
    path = Path(__file__).with_name("fit_demo.csv")
    table.to_csv(path, index=False, na_rep=".", lineterminator="\n")
    print(path)


if __name__ == "__main__":
    main()
