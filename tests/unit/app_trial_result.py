"""The result of a simulated trial as the explorer has it, made up and as small as it can be."""

from __future__ import annotations

from typing import Any


def a_result() -> dict[str, Any]:
    """The result of a trial, as small as it can be."""
    arms = [
        {"id": "ketamine", "name": "Ketamine", "n": 4.0, "control": False, "regimen": "x"},
        {"id": "midazolam", "name": "Midazolam", "n": 4.0, "control": True, "regimen": "y"},
    ]

    def rows(value: float) -> list[dict[str, Any]]:
        return [{"arm": arm["id"], "value": value, "low": 1.0, "high": None} for arm in arms]

    endpoint = {"name": "madrs", "label": "MADRS", "estimate": 20.0, "low": 18.0, "high": 22.0, "n": 4.0}
    harm = {"per_100": 25.0, "low": 10.0, "high": 40.0, "difference": None, "nnh": None}
    curve = {"time_h": [0.0, 144.0], "s": [1.0, 0.5], "low": [1.0, 0.2], "high": [1.0, None]}
    return {
        **{"kind": "trial", "name": "<Mine & yours>", "preliminary": True, "stopped": False, "seed": 3},
        **{"people": 16, "headline": "Of 100 people, 40 respond.", "support": "It is shown.", "notes": ["a"]},
        "uncertainty": "range over trials, 5 % to 95 %",
        "study": {
            "id": "mine",
            "scale": "madrs",
            "scale_label": "MADRS",
            "horizon_h": 24.0,
            "horizon": "24 h",
        },
        "arms": arms,
        "endpoints": [
            {**endpoint, "arm": arm["id"], "visit_h": time, "unit": "points"}
            for arm in arms
            for time in (0.0, 24.0)
        ],
        "per_100": [
            {"id": "response", "label": "Response", "benefit": True, "horizon_h": 24.0, "arms": rows(40.0)},
        ],
        "nnt": {"sentence": "For one more response, 4 people are treated."},
        "survival": {
            "from": "from day 1",
            "curves": [{**curve, "arm": "ketamine"}],
        },
        "groups": [{"group": "Sex", "level": "men", "n": 2.0, "estimate": -5.0, "low": None, "high": None}],
        "harms": [{"id": "nausea", "label": "Nausea", "arms": [{**harm, "arm": "ketamine"}]}],
        "completers": [
            {"arm": "ketamine", "randomised": 4.0, "completed": 3.0, "not_simulated": 0.0, "reasons": []}
        ],
        "power": {
            "analysis": "primary",
            "label": "L",
            "alpha": 0.05,
            "value": 0.5,
            "low": 0.1,
            "high": 0.9,
            "trials": 2,
        },
        "distribution": {
            **{"analysis": "primary", "unit": "points", "measure": "difference", "mean": -5.0, "q05": -7.0},
            **{"q95": -3.0, "edges": [-8.0, -5.0, -2.0], "counts": [1, 1]},
        },
        "published": [
            {
                "arm": "ketamine",
                "quantity": "madrs",
                "statistic": "change",
                "time_h": 24.0,
                "observed": -16.5,
                "predicted": None,
                "hit": None,
                "citation": "murrough2013",
            }
        ],
        "command": "ketasim run murrough2013",
        **{"model_hash": "m" * 16, "parameter_hash": "p" * 16, "version": "0.1.0"},
    }
