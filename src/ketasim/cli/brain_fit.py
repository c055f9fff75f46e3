"""``ketasim brain fit``: effective connectivity, scored on people who were not fitted."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli.brain_source import (
    LabelsFile,
    Named,
    Symmetrise,
    WeightsFile,
    chosen_connectome,
    met_influences,
    write_fitted,
)
from ketasim.cli.console import output, plain_table
from ketasim.cli.values import whole_number
from ketasim.cli.work import draw, require_file, require_folder, to_screen, write_numbers
from ketasim.errors import BrainError, unknown_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

    from ketasim.brain import Connectome, EffectiveConnectivity

__all__ = ["fit"]

_ROUNDS = ("a number of rounds", 1, 200)
#: From this correlation of two means on, a score on one after a fit to the other says little.
_ALIKE = 0.95
#: A model whose r is higher by less than this predicts no better than a plain mean.
_NO_GAIN = 0.01


@dataclass(frozen=True, eq=False)
class _People:
    """Who is fitted and who is held out: names, and correlations by name."""

    fitted: Mapping[str, Any]
    held_out: Mapping[str, Any]


def fit(
    connectome: Named = None,
    weights: WeightsFile = None,
    labels: LabelsFile = None,
    symmetrise: Symmetrise = False,
    functional: Annotated[
        list[str] | None,
        typer.Option(metavar="GROUP=FILE", help="Correlations of people, for files of your own; repeatable."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Who is fitted; of several, their mean. Default: the first half."),
    ] = None,
    held_out: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Who is scored and not fitted; default: all others."),
    ] = None,
    rounds: Annotated[str, typer.Option(metavar="N", help="Rounds of the fit.")] = "12",
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the weights, for --fitted of other commands.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw observed and modelled matrices here.")
    ] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers; - for the screen.")
    ] = None,
) -> None:
    """Fit weights to the functional connectivity of some people, and score them on others."""
    from ketasim.brain import fit_effective_connectivity, mean_correlations
    from ketasim.cli.progress import watching

    turns = whole_number("--rounds", rounds, *_ROUNDS)
    require_file("--write", write)
    require_folder("--out", out)
    require_file("--json", as_json)
    files = _functional(functional or [])
    regions = chosen_connectome(connectome, weights, labels, symmetrise=symmetrise, functional=files)
    people = _people(regions, group or [], held_out or [])
    names = ", ".join(people.fitted)
    aim: Any = mean_correlations(list(people.fitted.values())) if len(people.fitted) > 1 else names
    with watching("finding the strongest safe weights") as watcher:
        found = fit_effective_connectivity(
            regions,
            aim,
            influences=met_influences(regions),
            rounds=turns,
            progress=lambda done, total: watcher("fitting", done, total),
        )
    facts = _facts(regions, found, people)
    if write is not None:
        write_fitted(found, regions, names, write)
        print(f"weights: {write}", file=sys.stderr)
    if out is not None:
        draw(out, _figures(regions, found, people))
    write_numbers(facts, as_json)
    if not to_screen(as_json):
        _tell(facts)


def _functional(texts: Sequence[str]) -> dict[str, Path]:
    found = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not (name.strip() and equals and file.strip()):
            raise BrainError(f"--functional {text}: write a name and a file, as controls=controls.csv.")
        if name.strip() in found:
            raise BrainError(f"--functional {text}: group {name.strip()!r} is there already; rename one.")
        found[name.strip()] = Path(file.strip())
    return found


def _people(regions: Connectome, fitted: Sequence[str], held_out: Sequence[str]) -> _People:
    """Share out the groups of a connectome."""
    known = list(regions.functional)
    if not known:
        raise BrainError(
            f"connectome {regions.name!r} holds no functional connectivity, so that nothing can be fitted. "
            "'ketasim list connectomes' tells which do; to your own files add --functional GROUP=FILE. "
            "'ketasim brain run' needs no fit."
        )
    for option, names in (("--group", fitted), ("--held-out", held_out)):
        for name in names:
            if name not in known:
                raise BrainError(f"{option}: {unknown_name('group', name, known)}")
    both = sorted(set(fitted) & set(held_out))
    if both:
        raise BrainError(f"--held-out {both[0]}: it is fitted too; nobody can be both.")
    if not fitted:
        left = [name for name in known if name not in held_out]
        if not left:
            raise BrainError("--held-out: everybody is held out; leave somebody to be fitted.")
        # With none held out by name, half of the people are kept for the score.
        fitted = left if held_out else left[: (len(left) + 1) // 2]
    others = held_out or [name for name in known if name not in fitted]
    group = regions.group
    return _People({name: group(name) for name in fitted}, {name: group(name) for name in others})


def _facts(regions: Connectome, found: EffectiveConnectivity, people: _People) -> dict[str, Any]:
    """Plain data of a fit and its scores."""
    from ketasim.brain import dose_influences, mean_correlations, score

    mean = mean_correlations(list(people.fitted.values()))
    scores = [
        {
            "group": name,
            "model": score(found.fc, own).correlation,
            "mean_of_fitted": score(mean, own).correlation,
            "structure": score(regions.weights, own).correlation,
            "rmse": score(found.fc, own).rmse,
        }
        for name, own in people.held_out.items()
    ]
    means = None
    if people.held_out:
        means = score(mean, mean_correlations(list(people.held_out.values()))).correlation
    by_dose = zip(
        dose_influences(), found.safety.eigenvalues.tolist(), found.safety.rate_changes.tolist(), strict=False
    )
    return {
        "connectome": regions.name,
        "source": regions.source,
        "fitted": list(people.fitted),
        "connections": found.connections,
        "pairs": regions.n_regions * (regions.n_regions - 1) // 2,
        "fit": asdict(found.fitted),
        "plain_model": asdict(found.plain),
        "structure": found.structural_correlation,
        "history": [asdict(step) for step in found.history],
        "held_out": scores,
        "means_correlate": means,
        "by_dose": [
            {
                "block_excitatory": float(acts.block_excitatory),  # type: ignore[arg-type]
                "block_inhibitory": float(acts.block_inhibitory),  # type: ignore[arg-type]
                "eigenvalue_per_s": eigenvalue,
                "rate_change_5_percent": change,
            }
            for acts, eigenvalue, change in by_dose
        ],
        "conditions": len(found.safety.eigenvalues),
        "worst_eigenvalue_per_s": found.safety.eigenvalue,
        "worst_rate_change_5_percent": found.safety.rate_change,
        "safe": found.safety.safe,
    }


def _figures(
    regions: Connectome, found: EffectiveConnectivity, people: _People
) -> Iterator[tuple[str, Figure]]:
    from ketasim.brain import mean_correlations
    from ketasim.report.brain_matrix_figure import matrix_figure

    observed = "observed"
    matrices = {observed: mean_correlations(list(people.fitted.values())), "model": found.fc}
    if people.held_out:
        matrices["observed, held out"] = mean_correlations(list(people.held_out.values()))
    yield "fit", matrix_figure(matrices, regions, observed, f"{regions.name}: people and model")


def _tell(facts: Mapping[str, Any]) -> None:
    screen = output()
    fitted, plain = facts["fit"], facts["plain_model"]
    screen.print(
        f"{facts['connectome']}: {facts['connections']:,} weights were fitted to {facts['pairs']:,} "
        f"correlations of {', '.join(facts['fitted'])}. r with them {fitted['correlation']:.3f} (model with "
        f"the connectome's own weights {plain['correlation']:.3f}, those weights without a model "
        f"{facts['structure']:.3f}).",
        soft_wrap=True,
    )
    screen.print(
        f"Mean correlation {fitted['mean_model']:.3f}, observed {fitted['mean_observed']:.3f}; rms error "
        f"{fitted['rmse']:.3f}; contrasts in people are {fitted['slope']:.2g} times those of the model. A "
        "safe distance from criticality limits all three.",
        soft_wrap=True,
    )
    if facts["held_out"]:
        screen.print(_score_table(facts["held_out"]))
    for sentence in _honest(facts):
        screen.print(sentence, soft_wrap=True)
    screen.print(_dose_table(facts["by_dose"]))
    screen.print(
        f"Rates move under 5 % more local weight. Worst of {facts['conditions']} conditions (these doses, "
        "and doses in the healthy and the depressed brain, before and after a dose): "
        f"eigenvalue {facts['worst_eigenvalue_per_s']:.2f} /s, "
        f"{100.0 * facts['worst_rate_change_5_percent']:.1f} %. "
        f"{'Safe' if facts['safe'] else 'Not safe'}. A research and teaching instrument.",
        soft_wrap=True,
    )
    screen.print(
        f"Derived from: {facts['source']}. The terms of these data go with the weights.", soft_wrap=True
    )


def _score_table(scores: Sequence[Mapping[str, Any]]) -> Table:
    columns = ("held out", "model, r", "mean of the fitted, r", "plain weights, r", "model, rms error")
    cells = [
        (
            row["group"],
            *(f"{row[name]:.3f}" for name in ("model", "mean_of_fitted", "structure", "rmse")),
        )
        for row in scores
    ]
    return plain_table(columns, cells, title="People who were not fitted", right=columns[1:])


def _honest(facts: Mapping[str, Any]) -> list[str]:
    """What the scores do not show."""
    if not facts["held_out"]:
        return ["Nobody was held out: r above is of a fit to itself, and no evidence for the model."]
    count = len(facts["held_out"])
    model, mean = (
        sum(row[name] for row in facts["held_out"]) / count for name in ("model", "mean_of_fitted")
    )
    found = []
    if facts["means_correlate"] >= _ALIKE:
        found.append(
            f"A weak test: the means of fitted and held-out people correlate {facts['means_correlate']:.3f} "
            "with each other, so that whatever fits the one must predict the other."
        )
    else:
        found.append(
            f"The means of fitted and held-out people correlate {facts['means_correlate']:.3f} with each "
            "other."
        )
    plain = (
        f"The plain mean of the fitted people, without any model, predicts the others with r {mean:.3f}, the "
        f"model with {model:.3f}"
    )
    found.append(plain + (": it adds a mechanism, not accuracy." if model < mean + _NO_GAIN else "."))
    found.append("Connectivity is fitted here, not predicted.")
    return found


def _dose_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = ("block E", "block I", "eigenvalue, 1/s", "rates move by")
    cells = [
        (
            f"{row['block_excitatory']:.2f}",
            f"{row['block_inhibitory']:.2f}",
            f"{row['eigenvalue_per_s']:.2f}",
            f"{100.0 * row['rate_change_5_percent']:.1f} %",
        )
        for row in rows
    ]
    return plain_table(columns, cells, title="Distance from criticality by dose", right=columns)
