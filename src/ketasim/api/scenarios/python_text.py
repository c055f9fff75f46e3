"""Scenarios as a Python program that prints the same numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ketasim.api.scenarios.axis import Axis, read_axis
from ketasim.api.scenarios.definition import Scenario, read_scenario

__all__ = ["to_python"]

_PROGRAM: Final = '''"""Scenarios of Ketasim: a research and teaching instrument, not for treating a person.

Written by Ketasim {version}. Run it with: python FILE
"""

import json

import ketasim as ks

SCENARIOS = json.loads(
    """
{scenarios}
"""
)
AXIS = {{
    "knots_h": {knots},
    "shares": {shares},
    "columns": {columns},
    "dose": {dose},
}}

results = ks.simulate_scenarios(
    SCENARIOS, axis=AXIS, bands={bands!r}, draws={draws}, people={people}, seed={seed}
)
for letter, result in zip("ABCDEFGH", results):
    print(f"{{letter}}: {{result.sentence}}")
    for metric in result.to_dict()["metrics"]:
        if metric["value"] is not None:
            low, high = metric["low"], metric["high"]
            interval = "" if low is None else f" ({{low:.5g}} to {{high:.5g}})"
            print(f"  {{metric['name']}}: {{metric['value']:.5g}} {{metric['unit']}}{{interval}}")
'''


def to_python(
    scenarios: Sequence[Scenario | Mapping[str, Any] | str],
    *,
    axis: Axis | Mapping[str, Any] | None = None,
    bands: str = "none",
    draws: int = 64,
    people: int = 0,
    seed: int = 1,
) -> str:
    """Write a program that simulates scenarios and prints their numbers.

    Parameters
    ----------
    scenarios, axis, bands, draws, people, seed
        As for :func:`~ketasim.api.scenarios.run.simulate_scenarios`.

    Returns
    -------
    str
        Python, with nothing in it but the public API.

    Raises
    ------
    ScenarioError
        If a scenario or the axis is not one.
    """
    from ketasim import __version__

    line = read_axis(axis)
    data = [read_scenario(item).to_data() for item in scenarios]
    # The text stands between triple quotes, in which a backslash is one of Python's.
    text = json.dumps(data, indent=1, ensure_ascii=True).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return _PROGRAM.format(
        version=__version__,
        scenarios=text,
        knots=list(line.knots_h),
        shares=list(line.shares),
        columns=line.columns,
        dose=line.dose,
        bands=bands,
        draws=draws,
        people=people,
        seed=seed,
    )
