"""Numbers of the whole brain under each setting, for tables, JSON and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ketasim.cli.brain_settings import NO_DRUG_LABEL, Setting
from ketasim.cli.console import plain_table
from ketasim.errors import BrainError

if TYPE_CHECKING:
    from rich.table import Table

    from ketasim.brain import BrainModel, BrainRun, Coupling, LinearConnectivity, Safety

__all__ = [
    "Found",
    "absent",
    "cautions",
    "connectivity_table",
    "find",
    "rate_table",
    "simulated_rows",
    "simulated_table",
    "summarise",
]

#: Read-outs of the table, by their headings; the last column is the loss of communication.
_SHOWN = {
    "within_dmn": "within DMN",
    "pcc_mpfc": "PCC-mPFC",
    "insula_dmn": "insula-DMN",
    "dmn_control": "DMN-control",
    "dmn_subgenual": "DMN-subgenual",
    "whole_gbc": "global",
    "prefrontal_gbc": "prefrontal",
}
#: A region that fires at more than this multiple of rest has left the resting branch.
_RUN_AWAY = 5.0


@dataclass(frozen=True, eq=False)
class Found:
    """What was computed of one setting.

    Parameters
    ----------
    setting : Setting
        Which.
    connectivity : LinearConnectivity
        With the resting state.
    safety : Safety
        Of this setting alone.
    readouts : mapping of str to float or None
        None where the parcellation lacks the regions.
    """

    setting: Setting
    connectivity: LinearConnectivity
    safety: Safety
    readouts: Mapping[str, float | None]


def find(coupling: Coupling, healthy: BrainModel, setting: Setting) -> Found:
    """Compute one setting.

    Parameters
    ----------
    coupling : Coupling
        How density acts.
    healthy : BrainModel
        As ``coupling.healthy`` returns it.
    setting : Setting
        Which.

    Raises
    ------
    BrainError
        If the network is unstable in this state; the message names the setting.
    """
    from ketasim.brain import linear_connectivity, network_readouts, safety

    try:
        model, influence = coupling.at(healthy, setting.state)
        connectivity = linear_connectivity(model, influence)
        distance = safety(model, [influence])
    except BrainError as error:
        raise BrainError(f"{setting.label}: {error}") from error
    return Found(setting, connectivity, distance, network_readouts(connectivity.fc, healthy.connectome))


def summarise(found: Sequence[Found], reference: Found) -> list[dict[str, Any]]:
    """Plain data of each setting, with changes from a reference.

    Parameters
    ----------
    found : sequence of Found
        From :func:`find`.
    reference : Found
        What changes, ratios and the loss of communication are relative to.

    Returns
    -------
    list of dict
        Read-outs are mean Fisher z (mutual information in nats), rates in Hz, eigenvalues in 1/s.
    """
    return [_record(item, reference) for item in found]


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else now - before


def _record(item: Found, reference: Found) -> dict[str, Any]:
    from ketasim.brain import communication_loss

    fixed, rest = item.connectivity.fixed, reference.connectivity.fixed
    changes = {name: _difference(value, reference.readouts[name]) for name, value in item.readouts.items()}
    shared = [float(one.readouts["mutual_information"] or 0.0) for one in (reference, item)]
    return {
        "setting": item.setting.label,
        "kind": item.setting.kind,
        "state": asdict(item.setting.state),
        "readouts": dict(item.readouts),
        "changes": changes,
        "communication_loss": communication_loss(*shared),
        "rates_hz": {
            "excitatory": float(fixed.rate_e.mean()),
            "inhibitory": float(fixed.rate_i.mean()),
            "highest_excitatory": float(fixed.rate_e.max()),
        },
        "rate_ratios": {
            "excitatory": float(fixed.rate_e.mean() / rest.rate_e.mean()),
            "inhibitory": float(fixed.rate_i.mean() / rest.rate_i.mean()),
            "highest_excitatory": float((fixed.rate_e / rest.rate_e).max()),
        },
        "eigenvalue_per_s": item.connectivity.eigenvalue,
        "rate_change_5_percent": item.safety.rate_change,
        "safe": item.safety.safe,
    }


def connectivity_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out read-outs in Fisher z, with the change from no drug in brackets; absent ones are left out."""
    names = [name for name in _SHOWN if rows[0]["readouts"][name] is not None]
    columns = ("setting", *(_SHOWN[name] for name in names), "loss")
    cells = [
        (
            row["setting"],
            *(_changed(row["readouts"][name], row["changes"][name]) for name in names),
            f"{100.0 * row['communication_loss']:.0f} %",
        )
        for row in rows
    ]
    title = f"Connectivity: mean Fisher z (change from {NO_DRUG_LABEL})"
    return plain_table(columns, cells, title=title, right=columns[1:])


def _changed(value: float, change: float) -> str:
    # Adding zero turns a negative zero into a plain one.
    return f"{value:.3f} ({round(change, 3) + 0.0:+.3f})"


def rate_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out block, mean rates with their ratios to no drug, and the distance from criticality."""
    columns = (
        "setting",
        "block E",
        "block I",
        "E, Hz",
        "I, Hz",
        "eigenvalue, 1/s",
        "5 % more weight",
        "safe",
    )
    cells = [
        (
            row["setting"],
            *(_block(row["state"][name]) for name in ("block_excitatory", "block_inhibitory")),
            *(
                f"{row['rates_hz'][name]:.2f} ({row['rate_ratios'][name]:.2f})"
                for name in ("excitatory", "inhibitory")
            ),
            f"{row['eigenvalue_per_s']:.2f}",
            _percent(row["rate_change_5_percent"]),
            "yes" if row["safe"] else "no",
        )
        for row in rows
    ]
    return plain_table(columns, cells, title="Rates and distance from criticality", right=columns[1:-1])


def _block(value: float) -> str:
    return f"{value:.2f}" if value else "-"


def _percent(share: float) -> str:
    # The network may have no resting state at all with more weight.
    return f"{100.0 * share:.1f} %" if share < float("inf") else "no rest"


def simulated_rows(
    found: Sequence[Found], runs: Sequence[BrainRun], healthy: BrainModel
) -> list[dict[str, Any]]:
    """Read-outs of simulations beside those of the linear theory.

    Parameters
    ----------
    found : sequence of Found
        The linear theory.
    runs : sequence of BrainRun
        One a setting, in the same order.
    healthy : BrainModel
        Names the regions.
    """
    from ketasim.brain import network_readouts, score

    rows = []
    for item, run in zip(found, runs, strict=True):
        agreement = score(item.connectivity.fc, run.fc)
        rows.append(
            {
                "setting": item.setting.label,
                "volumes": len(run.times),
                "readouts": network_readouts(run.fc, healthy.connectome),
                "excitatory_hz": float(run.rate_e.mean()),
                "inhibitory_hz": float(run.rate_i.mean()),
                "linear_excitatory_hz": float(item.connectivity.fixed.rate_e.mean()),
                "correlation_with_linear": agreement.correlation,
                "rms_difference": agreement.rmse,
                "linear_readouts": dict(item.readouts),
            }
        )
    return rows


def simulated_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Lay out :func:`simulated_rows`; in brackets what the linear theory says."""
    names = [name for name in _SHOWN if rows[0]["readouts"][name] is not None][:5]
    columns = ("setting", *(_SHOWN[name] for name in names), "E, Hz", "r, all pairs", "rms")
    cells = [
        (
            row["setting"],
            *(f"{row['readouts'][name]:.3f} ({row['linear_readouts'][name]:.3f})" for name in names),
            f"{row['excitatory_hz']:.2f} ({row['linear_excitatory_hz']:.2f})",
            f"{row['correlation_with_linear']:.2f}",
            f"{row['rms_difference']:.3f}",
        )
        for row in rows
    ]
    return plain_table(columns, cells, title="By simulation (linear theory)", right=columns[1:])


def absent(readouts: Mapping[str, float | None]) -> list[str]:
    """Read-outs of the table whose regions the parcellation lacks, by their headings."""
    return [heading for name, heading in _SHOWN.items() if readouts[name] is None]


def cautions(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on settings whose numbers must not be trusted."""
    found = []
    away = [row["setting"] for row in rows if row["rate_ratios"]["highest_excitatory"] > _RUN_AWAY]
    if away:
        found.append(
            f"Rates run away in: {', '.join(away)}. A region fires there at more than {_RUN_AWAY:g} times "
            f"its rate with {NO_DRUG_LABEL}: this is another state of the network, not the resting brain."
        )
    unsafe = [row["setting"] for row in rows if not row["safe"]]
    if unsafe:
        found.append(
            f"Too near to criticality: {', '.join(unsafe)}. Small changes have large effects there; do not "
            "read the effect of a drug from it."
        )
    return found
