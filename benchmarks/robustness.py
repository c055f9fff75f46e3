"""What the model's success hangs on, as numbers: padding, ablation, permuted draws, wrong numbers, recovery.

``python -m benchmarks.robustness`` runs everything, synthetic data on ``--workers`` processes, and writes
``ROBUSTNESS.md`` and ``robustness.json`` beside this file. ``--only`` runs some pieces anew and keeps the
others' numbers; ``--predictions FILE`` keeps the predictions of the whole chain between runs.
``--own-draws`` draws a posterior around the tables first, by the targets about the typical patient, for when
the tables are newer than the shipped posterior.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.robustness_report import markdown
from ketasim.inference.calibration import BIOLOGY, ensemble_around
from ketasim.inference.rivals.scoring import log_score
from ketasim.inference.robustness import (
    Rows,
    compare,
    corrupt,
    coverage,
    fit_delay,
    flags,
    informed,
    mean_difference,
    padding_table,
    permuted_draws,
    score_flags,
    symptom_works,
    synthetic_calibration,
)
from ketasim.inference.robustness.ablation import GROUPS, is_held_back
from ketasim.model.parameters import load_parameters
from ketasim.population.draws import Draws, load_posterior
from ketasim.validation.between import Between, fit_between
from ketasim.validation.predict import Predicted, predict_works
from ketasim.validation.scoreboard import board_of, read_works

HERE = Path(__file__).parent
PIECES = ("padding", "ablation", "permutation", "corruption", "synthetic")
DRAWS, PER_DRAW, SEED = 48, 4, 1
ALL_FOUR = "all four"
CORRUPTIONS, DATASETS, PERMUTATIONS = 40, 12, 2


class Bench:
    """Works and what the whole chain says of them; predicted once."""

    def __init__(self, keep: Path | None, own_draws: bool = False, workers: int = 1) -> None:
        self.works, self.failed = read_works(None)
        self.own_draws, self.workers = own_draws, workers
        self._keep = keep
        self._found: list[Predicted] | None = None

    @cached_property
    def draws(self) -> Draws:
        """The first draws of the posterior, or draws of our own around the tables."""
        if not self.own_draws:
            return load_posterior().take(np.arange(DRAWS))
        prior, _, found = ensemble_around(names=BIOLOGY, trials=False, sets=DRAWS, seed=SEED)
        return prior.draws(found.z)

    @property
    def chain(self) -> list[Predicted]:
        """Predictions of all rows."""
        if self._found is None:
            if self._keep is not None and self._keep.is_file():
                self._found = pickle.loads(self._keep.read_bytes())
            else:
                self._found = self.predict(self.works, self.draws)
                if self._keep is not None:
                    self._keep.write_bytes(pickle.dumps(self._found))
        return self._found

    def predict(self, works: Sequence[Any], draws: Draws, **options: Any) -> list[Predicted]:
        """Predictions of some works; those that cannot be simulated are told."""
        return predict_works(
            works, draws=draws, per_draw=PER_DRAW, seed=SEED, workers=1, failed=self._tell, **options
        )

    def _tell(self, work: Any, error: Exception) -> None:
        self.failed[work.id] = f"{work.id}: {error}"

    @property
    def between(self) -> Between:
        """SDs between studies by these predictions."""
        return fit_between(self.chain)


def padding(bench: Bench) -> dict[str, Any]:
    """Coverage and interval score with all predictive SDs halved and doubled."""
    settings = {"draws": DRAWS, "per_draw": PER_DRAW, "seed": SEED}
    board = board_of(bench.chain, bench.works, dict(bench.failed), settings, bench.between)
    return {"lines": padding_table(board.measured)}


def ablation(bench: Bench) -> dict[str, Any]:
    """The whole chain against one delayed filter."""
    fitted = fit_delay(trial_steps=6, sets=DRAWS)
    works = symptom_works(bench.works)
    other = bench.predict(works, fitted.draws, parameters=fitted.parameters, simulator=fitted.simulator)
    between = {"chain": bench.between, "filter": fit_between(other)}
    contest = compare(works, bench.chain, other, between)
    lines = []
    for only in ("check", "unfitted"):
        for name in (*GROUPS, ALL_FOUR, f"{ALL_FOUR}, against a comparator"):
            groups = GROUPS[:-1] if name.startswith(ALL_FOUR) else (name,)
            own = contest.difference(groups, only=only, contrasts=name.endswith("comparator"))
            lines.append({"rows_of": only, "group": name, **own.as_dict()})
    values = dict(zip(fitted.prior.names, fitted.prior.values(fitted.best.z).tolist(), strict=True))
    return {
        "lines": lines,
        "filter": values,
        "filter_cost_typical": fitted.typical.cost,
        "filter_cost": fitted.best.cost,
        "rows": list(contest.rows),
    }


def permutation(bench: Bench) -> dict[str, Any]:
    """Check rows with the posterior's stages torn apart."""
    kept = []
    for work in bench.works:
        rows = tuple(row for row in work.observations if is_held_back(row))
        if rows:
            kept.append(work.model_copy(update={"observations": rows}))
    between = bench.between
    usual = {(item.study, item.row.id): item for item in bench.predict(kept, bench.draws)}
    lines = []
    for number in range(PERMUTATIONS):
        torn = bench.predict(kept, permuted_draws(bench.draws, load_parameters(), number + 1))
        pairs = [
            (usual[item.study, item.row.id], item) for item in torn if (item.study, item.row.id) in usual
        ]
        own = mean_difference(
            np.array([log_score(first, between.of(first)) for first, _ in pairs]),
            np.array([log_score(second, between.of(second)) for _, second in pairs]),
            [first.study for first, _ in pairs],
        )
        lines.append({"permutation": number + 1, **own.as_dict()})
    return {"lines": lines}


def corruption(bench: Bench) -> dict[str, Any]:
    """A fifth of the observations wrong, many times."""
    rows, between = Rows.of(bench.chain), bench.between
    found: dict[str, Any] = {"repeats": CORRUPTIONS, "rows": len(rows.items)}
    for name, robust in (("robust", True), ("plain", False)):
        counts: dict[str, float] = {}
        shares = []
        for number in range(CORRUPTIONS):
            wrong = corrupt(rows.values, number + 1)
            own = score_flags(rows, between, wrong, flags(rows, wrong.values, robust=robust))
            shares.append(own["found"] / own["outside"] if own["outside"] else math.nan)
            counts = {key: counts.get(key, 0.0) + value for key, value in own.items()}
        found[name] = {
            **counts,
            "share_found": counts["found"] / counts["outside"],
            "share_found_sd": float(np.nanstd(shares, ddof=1)),
            "share_found_possible": counts["found_possible"] / (counts["outside"] - counts["impossible"]),
            "false_alarm_share": counts["false_alarms"] / counts["clean"],
            "flagged_without_corruption": float(flags(rows, rows.values, robust=robust).mean()),
        }
    return found


def synthetic(bench: Bench) -> dict[str, Any]:
    """Calibration on synthetic data of known parameters."""
    items = synthetic_calibration(DATASETS, workers=bench.workers)
    found: dict[str, Any] = {"datasets": len(items)}
    for name in ("by_slopes", "by_ensemble"):
        hits = [getattr(item, name) for item in items]
        found[name] = asdict(coverage(hits))
        found[f"{name}_informed"] = asdict(informed(items, hits))
    found["fits_not_worse_than_truth"] = sum(item.cost <= item.cost_at_truth for item in items)
    return found


RUNNERS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "padding": padding,
    "ablation": ablation,
    "permutation": permutation,
    "corruption": corruption,
    "synthetic": synthetic,
}


def main() -> None:
    """Run the pieces and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=PIECES, default=list(PIECES))
    parser.add_argument("--predictions", type=Path, help="file that keeps the chain's predictions")
    parser.add_argument("--own-draws", action="store_true", help="draw a posterior around the tables first")
    parser.add_argument("--workers", type=int, default=1, help="processes of the synthetic data sets")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the table")
    chosen = parser.parse_args()
    path = chosen.out / "robustness.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    bench = Bench(chosen.predictions, chosen.own_draws, chosen.workers)
    for name in chosen.only:
        start = sum(os.times()[:4])
        found[name] = RUNNERS[name](bench)
        # With that of the processes that it has started.
        found[name]["cpu_s"] = round(sum(os.times()[:4]) - start)
        print(f"{name}: {found[name]['cpu_s']} s of processor time", flush=True)
        found[name]["own_draws"] = bench.own_draws
        found["settings"] = {"draws": DRAWS, "per_draw": PER_DRAW, "seed": SEED}
        found["failed"] = sorted(bench.failed.values())
        path.write_text(json.dumps(_plain(found), indent=1) + "\n", encoding="utf-8")
        (chosen.out / "ROBUSTNESS.md").write_text(markdown(found) + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Plain data, null where there is no number."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


if __name__ == "__main__":
    main()
