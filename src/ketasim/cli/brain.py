"""``ketasim brain``: the whole brain, run and looked at."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli.brain_fit import fit
from ketasim.cli.brain_rule import couplings, tabulate
from ketasim.cli.brain_settings import (
    HEALTHY_LABEL,
    MEAN_BLOCKS,
    NO_DRUG_LABEL,
    Setting,
    block_of_mean,
    doses_by_cell,
    doses_by_mean,
    settings,
)
from ketasim.cli.brain_source import (
    DEFAULT_COUPLING,
    CouplingName,
    FittedFile,
    LabelsFile,
    Named,
    Symmetrise,
    WeightsFile,
    chosen_connectome,
    chosen_coupling,
    safe_model,
)
from ketasim.cli.brain_summary import (
    Found,
    absent,
    cautions,
    connectivity_table,
    find,
    rate_table,
    simulated_rows,
    simulated_table,
    summarise,
)
from ketasim.cli.console import output
from ketasim.cli.values import whole_number
from ketasim.cli.work import aside, draw, require_file, require_folder, to_screen, write_numbers
from ketasim.errors import BrainError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ketasim.brain import BrainModel, Connectome, Coupling

__all__ = ["brain"]

_SHORTEST, _LONGEST = 30.0, 3600.0
_SEED = ("a seed", 0, 2**32 - 1)
#: Where on the axis of mean block the picture and the curves mark a clinical dose.
_CLINICAL = 0.24
_CURVE_POINTS = 21

brain = typer.Typer(no_args_is_help=True, help="The whole brain on a connectome, and its networks.")
brain.command("couplings", epilog="Example: ketasim brain couplings --connectome synthetic")(couplings)
brain.command("fit", epilog="Example: ketasim brain fit --connectome cubnm-schaefer100 --write fit.json")(fit)
brain.command("tabulate", epilog="Example: ketasim brain tabulate --write surfaces.json")(tabulate)


@brain.callback()
def _brain() -> None:
    """Work with the whole brain: mean-field regions on a connectome."""


@brain.command("run", epilog="Example: ketasim brain run --dose-block 0,0.24,0.5 --out brain")
def run(
    connectome: Named = None,
    weights: WeightsFile = None,
    labels: LabelsFile = None,
    symmetrise: Symmetrise = False,
    fitted: FittedFile = None,
    dose_block: Annotated[
        str | None,
        typer.Option(metavar="SHARES", help=f"Mean NMDA block over all cells; default: {MEAN_BLOCKS}."),
    ] = None,
    block_excitatory: Annotated[
        str | None, typer.Option(metavar="SHARES", help="Block of excitatory cells instead, as 0.2,0.4.")
    ] = None,
    block_inhibitory: Annotated[
        str | None, typer.Option(metavar="SHARES", help="Block of inhibitory cells, as many values.")
    ] = None,
    midazolam: Annotated[bool, typer.Option("--midazolam", help="Look at midazolam too.")] = False,
    depressed: Annotated[bool, typer.Option("--depressed", help="Start from the depressed brain.")] = False,
    coupling: CouplingName = DEFAULT_COUPLING,
    simulate: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Simulate each setting too, as a check.")
    ] = None,
    seed: Annotated[str, typer.Option(metavar="N", help="Of the simulation's noise.")] = "1",
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw matrices, networks and dose curves here.")
    ] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers; - for the screen.")
    ] = None,
) -> None:
    """Show connectivity, rates and distance from criticality under block, and in the days after a dose."""
    doses = _doses(dose_block, block_excitatory, block_inhibitory)
    if simulate is not None and not _SHORTEST <= simulate <= _LONGEST:
        raise BrainError(
            f"--simulate: {simulate:g} is out of range; give from {_SHORTEST:g} to {_LONGEST:g} s."
        )
    noise = whole_number("--seed", seed, *_SEED)
    require_folder("--out", out)
    require_file("--json", as_json)
    how = chosen_coupling(coupling)
    regions = chosen_connectome(connectome, weights, labels, symmetrise=symmetrise)
    chosen = settings(doses, how, ill=depressed, midazolam=midazolam)
    healthy, origin, found, simulated = _computed(regions, fitted, how, chosen, simulate, noise)
    reference = next(item for item in found if item.setting.label == NO_DRUG_LABEL)
    facts: dict[str, Any] = {
        "connectome": regions.name,
        "regions": regions.n_regions,
        "source": regions.source,
        "weights": origin,
        "coupling": asdict(how),
        "depressed": depressed,
        "changes_from": NO_DRUG_LABEL,
        "not_in_this_parcellation": absent(reference.readouts),
        "settings": summarise(found, reference),
        "simulated": simulated,
    }
    if out is not None:
        by_mean = block_excitatory is None and block_inhibitory is None
        draw(out, _figures(how, healthy, found, facts, by_mean=by_mean))
    write_numbers(facts, as_json)
    if not to_screen(as_json):
        _tell(facts)


def _doses(
    mean: str | None, excitatory: str | None, inhibitory: str | None
) -> dict[str, tuple[float, float]]:
    if excitatory is None and inhibitory is None:
        return doses_by_mean(MEAN_BLOCKS if mean is None else mean)
    if mean is not None:
        raise BrainError(
            f"--dose-block {mean}: --block-excitatory and --block-inhibitory give other doses; leave one out."
        )
    return doses_by_cell(excitatory, inhibitory)


def _computed(
    regions: Connectome,
    fitted: Path | None,
    how: Coupling,
    chosen: Sequence[Setting],
    seconds: float | None,
    seed: int,
) -> tuple[BrainModel, str, list[Found], list[dict[str, Any]]]:
    """Build the brain and compute each setting, and simulate it if that was asked for."""
    from ketasim.brain import simulate
    from ketasim.cli.progress import watching

    with watching("finding the strongest safe weights") as watcher:
        whole = safe_model(regions, fitted)
        healthy = how.healthy(whole.model)
        found = []
        for setting in chosen:
            found.append(find(how, healthy, setting))
            watcher("computing connectivity", len(found), len(chosen))
        runs = []
        for setting in chosen if seconds is not None else ():
            # Equal noise for all, so that a difference between two is the work of what differs in them.
            runs.append(aside(simulate, *how.at(healthy, setting.state), seconds, seed))
            watcher("simulating", len(runs), len(chosen))
    return healthy, whole.weights, found, simulated_rows(found, runs, healthy) if runs else []


def _figures(
    how: Coupling, healthy: BrainModel, found: Sequence[Found], facts: Mapping[str, Any], *, by_mean: bool
) -> Iterator[tuple[str, Figure]]:
    """Draw what can be drawn, and say what cannot."""
    from ketasim.report.brain_matrix_figure import matrix_figure
    from ketasim.report.brain_network_figure import network_figure

    brain_words = "depressed brain" if facts["depressed"] else "healthy brain"
    title = f"{facts['connectome']}, {brain_words}"
    matrices = {item.setting.label: item.connectivity.fc for item in found}
    yield "matrices", matrix_figure(matrices, healthy.connectome, NO_DRUG_LABEL, title)
    if healthy.connectome.positions is None:
        print("no picture of the networks: this connectome has no positions.", file=sys.stderr)
    else:
        shown = {item.setting.label: item.connectivity.fc for item in _course(found)}
        yield "networks", network_figure(shown, healthy.connectome, title)
    if not by_mean:
        print("no dose curves: they are drawn over --dose-block.", file=sys.stderr)
        return
    yield "doses", _dose_curves(how, healthy, found, str(facts["connectome"]))


def _course(found: Sequence[Found]) -> list[Found]:
    """Before, during (the dose nearest to a clinical one) and after."""
    clinical = block_of_mean(_CLINICAL)[0]
    during = [item for item in found if item.setting.kind == "during"]
    during.sort(key=lambda item: abs(item.setting.state.block_excitatory - clinical))
    kept = {"before", "after"}
    return [item for item in found if item.setting.kind in kept or item in during[:1]]


def _dose_curves(how: Coupling, healthy: BrainModel, found: Sequence[Found], title: str) -> Figure:
    """Compute read-outs over a fine axis of doses, up to the highest that was given."""
    import numpy as np

    from ketasim.report.brain_dose_figure import dose_figure

    means = [float(item.setting.label.split()[-1]) for item in found if item.setting.kind == "during"]
    axis = np.linspace(0.0, max([*means, _CLINICAL]), _CURVE_POINTS)
    curves: dict[str, list[dict[str, Any] | None]] = {}
    for item in found:
        if item.setting.kind not in ("healthy", "before"):
            continue
        label = "depressed brain" if item.setting.state.illness else HEALTHY_LABEL
        curves[label] = [_dosed(how, healthy, item, float(mean)) for mean in axis]
    return dose_figure(axis, curves, _CLINICAL, title)


def _dosed(how: Coupling, healthy: BrainModel, undrugged: Found, mean: float) -> dict[str, Any] | None:
    """One point of a dose curve; None where the network is unstable."""
    first, second = block_of_mean(mean)
    state = replace(undrugged.setting.state, block_excitatory=first, block_inhibitory=second)
    try:
        item = find(how, healthy, Setting(f"mean block {mean:g}", "during", state))
    except BrainError:
        return None
    return summarise([item], undrugged)[0]


def _tell(facts: Mapping[str, Any]) -> None:
    """Show the tables and what to know of them."""
    screen = output()
    state = "depressed" if facts["depressed"] else "healthy"
    screen.print(
        f"{facts['connectome']}: {facts['regions']} regions, {state}; weights {facts['weights']}. "
        f"Density: coupling {facts['coupling']['name']} ({facts['coupling']['title']}).",
        soft_wrap=True,
    )
    rows = facts["settings"]
    screen.print(connectivity_table(rows))
    for name in facts["not_in_this_parcellation"]:
        screen.print(f"{name}: not in this parcellation.")
    screen.print(rate_table(rows))
    if facts["simulated"]:
        screen.print(simulated_table(facts["simulated"]))
        screen.print(
            "The simulation has sampling noise, which falls with its length; the linear theory has none.",
            soft_wrap=True,
        )
    for sentence in cautions(rows):
        screen.print(sentence, soft_wrap=True)
    screen.print(
        "Loss: of mutual information between regions. Rows 'after': days after one clinical dose, drug gone, "
        "by an assumed course of spine density; whether the coupling may be believed: ketasim brain "
        "couplings. A research and teaching instrument.",
        soft_wrap=True,
    )
