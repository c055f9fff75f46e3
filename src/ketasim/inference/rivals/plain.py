"""The comparison as plain numbers, for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ketasim.model.hypotheses import WIRINGS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ketasim.inference.rivals.comparison import Comparison

__all__ = ["plain"]


def plain(found: Comparison) -> dict[str, Any]:
    """All of a comparison as dicts, lists, texts and numbers."""
    return {
        "wirings": {name: {"says": WIRINGS[name].text, "cuts": WIRINGS[name].cuts} for name in found.wirings},
        "standings": [
            asdict(item) for domain in ("", "clinical", "mechanism") for item in found.standings(domain)
        ],
        "tests": [
            {
                **asdict(test),
                "use": found.tests.uses[place],
                "predicted": _by_name(found.wirings, found.tests.predicted[place]),
                "met": {
                    name: bool(own) for name, own in zip(found.wirings, found.tests.met[place], strict=True)
                },
                "log_score": _by_name(found.wirings, found.tests.log_scores[place]),
            }
            for place, test in enumerate(found.tests.tests)
        ],
        "evidence": [
            {
                "name": item.name,
                "kind": item.kind,
                "rows": item.rows,
                "against_mean": _by_name(found.wirings, item.against_mean),
            }
            for item in found.evidence()
        ],
        "information": [
            {
                "id": item.candidate.id,
                "title": item.candidate.title,
                "species": item.candidate.experiment.species,
                "n": item.candidate.n,
                "outcome": item.candidate.outcome,
                "bits": item.bits,
                "mean": _by_name(found.rivals, item.mean),
                "sd": _by_name(found.rivals, item.sd),
                "effect": _by_name(found.rivals, item.effect),
            }
            for item in found.information
        ],
        "disagree_on": [
            {"first": first, "second": second, "interventions": list(names)}
            for (first, second), names in found.disagreements().items()
        ],
        "rows": [
            {
                **asdict(row),
                "predicted": _by_name(found.wirings, found.held.predicted[place]),
                "log_score": _by_name(found.wirings, found.held.log_scores[place]),
            }
            for place, row in enumerate(found.held.rows)
        ],
        "failed": {**found.held.failed, **found.tests.failed},
    }


def _by_name(names: tuple[str, ...], values: npt.NDArray[np.float64]) -> Mapping[str, float]:
    return dict(zip(names, values.tolist(), strict=True))
