"""Numbers of the circuit's runs, for a table and for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ketasim.cli.circuit_settings import NO_DRUG_LABEL, Setting
from ketasim.cli.console import number, plain_table

if TYPE_CHECKING:
    from rich.table import Table

    from ketasim.circuit.measures import NetworkActivity

__all__ = ["summarise", "summary_table"]

_HEADINGS = {"pyramidal": "pyramidal", "pv": "PV", "sst": "SST", "vip": "VIP"}


def summarise(
    chosen: Sequence[Setting], runs: Mapping[str, Sequence[NetworkActivity]]
) -> list[dict[str, Any]]:
    """Means over the seeds, and their spread.

    Parameters
    ----------
    chosen : sequence of Setting
        What was run; one is called :data:`ketasim.cli.circuit_settings.NO_DRUG_LABEL`.
    runs : mapping of str to sequence of NetworkActivity
        One run a seed of each, by label; the same seeds in the same order.

    Returns
    -------
    list of dict
        Plain data of each setting. ``sd`` and ``ratio_sd`` are between seeds, NaN for one seed. ``woken``
        and ``silenced`` compare a run with the undrugged one of the next seed, so that the undrugged row
        tells what other input alone does; they are NaN for one seed.
    """
    return [
        {
            "setting": setting.label,
            "condition": asdict(setting.condition),
            **_measured(runs[setting.label], runs[NO_DRUG_LABEL]),
        }
        for setting in chosen
    ]


def _measured(runs: Sequence[NetworkActivity], undrugged: Sequence[NetworkActivity]) -> dict[str, Any]:
    import numpy as np

    from ketasim.circuit.formulas import CLASSES
    from ketasim.circuit.kernel import CURRENTS
    from ketasim.circuit.measures import swap

    def spread(values: Any) -> Any:
        return np.std(values, axis=0, ddof=1) if len(values) > 1 else np.full(np.shape(values)[1:], np.nan)

    rates = np.array([run.rates for run in runs])
    before = np.array([run.rates for run in undrugged])
    gamma, gamma_before = (float(np.mean([run.gamma for run in many])) for many in (runs, undrugged))
    swaps = [swap(first, run) for first, run in zip([*undrugged[1:], undrugged[0]], runs, strict=True)]
    several = len(runs) > 1
    # A class that is silent without a drug has no ratio.
    ratios = np.divide(rates, before, out=np.full_like(rates, np.nan), where=before > 0.0)
    currents = {name: float(np.mean([run.mean_currents[name] for run in runs])) for name in CURRENTS}
    columns = zip(
        CLASSES, rates.mean(axis=0), spread(rates), ratios.mean(axis=0), spread(ratios), strict=True
    )
    return {
        "rates_hz": {
            name: {"mean": float(mean), "sd": float(sd), "ratio": float(ratio), "ratio_sd": float(ratio_sd)}
            for name, mean, sd, ratio, ratio_sd in columns
        },
        "block": dict(zip(CLASSES, np.mean([run.block for run in runs], axis=0).tolist(), strict=True)),
        "gamma_ratio": gamma / gamma_before if gamma_before > 0.0 else float("nan"),
        "excitation_over_inhibition": float(np.mean([run.excitation_over_inhibition for run in runs])),
        "currents_pa": currents,
        "burst_share": float(np.mean([run.burst_share for run in runs])),
        "woken": float(np.mean([item.woken for item in swaps])) if several else float("nan"),
        "silenced": float(np.mean([item.silenced for item in swaps])) if several else float("nan"),
    }


def summary_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out :func:`summarise` for a screen: rates in Hz, with the ratio to no drug in brackets."""
    columns = (
        "setting",
        "block of each",
        *_HEADINGS.values(),
        "gamma",
        "E/I",
        "bursts",
        "woken",
        "silenced",
    )
    cells = [
        (
            row["setting"],
            " ".join(f"{value:.2f}" for value in row["block"].values())
            if any(row["block"].values())
            else "-",
            *(_rate(row["rates_hz"][name]) for name in _HEADINGS),
            f"{row['gamma_ratio']:.3g}",
            f"{row['excitation_over_inhibition']:.2f}",
            _percent(row["burst_share"]),
            _percent(row["woken"]),
            _percent(row["silenced"]),
        )
        for row in rows
    ]
    return plain_table(columns, cells, title="Rates in Hz; gamma: sign only", right=columns[2:])


def _rate(found: Mapping[str, float]) -> str:
    ratio = found["ratio"]
    return f"{found['mean']:.2f} ({ratio:.2f})" if ratio == ratio else f"{found['mean']:.2f} (-)"


def _percent(share: float) -> str:
    return f"{number(float(f'{100.0 * share:.2g}'))} %" if share == share else "-"
