"""Draw circuits from their ranges, keep those with a plausible baseline, and probe these for the signs.

One line of JSON a draw goes into a file as soon as it is done, so that a stopped run goes on where it was.
A draw depends on its number and the seed alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.measures import NetworkActivity
from ketasim.circuit.network import SpikingNetwork, Task, build_network, run_tasks
from ketasim.circuit.parameters import NetworkParameters, draw_parameters
from ketasim.circuit.signs import effects_of, probes
from ketasim.circuit.wiring import FULL_SIZE, Wiring, wire
from ketasim.errors import ModelError

__all__ = ["PLAUSIBLE", "Screened", "drawn", "read_screened", "screen_draws", "table_hash"]

_SEED = 20261128
_DURATION = 3000.0
# What a baseline must be, and why a draw is refused otherwise.
_RATE_FACTOR = 1.6
_LARGEST_SYNCHRONY = 1.0
_LARGEST_SILENT = 0.6
_LARGEST_DRIFT = 1.3
#: The rules of a plausible baseline, in words.
PLAUSIBLE = (
    f"each class fires within a factor of {_RATE_FACTOR:g} of its target",
    f"pyramidal firing in bins of 5 ms varies by at most {_LARGEST_SYNCHRONY:g} of its mean",
    f"at most {_LARGEST_SILENT:.0%} of pyramidal cells fire below 0.5 Hz",
    f"pyramidal firing of the two halves of a run differs by at most a factor of {_LARGEST_DRIFT:g}",
)


@dataclass(frozen=True)
class Screened:
    """One draw: its baseline, and what the probes showed if it was accepted.

    Parameters
    ----------
    index : int
        Number of the draw.
    refused : str
        Why the baseline is not plausible; empty if it is.
    rest : tuple of float
        Baseline rates in Hz of pyramidal, PV, SST and VIP cells.
    synchrony : float
        Coefficient of variation of pyramidal firing in bins of 5 ms.
    drive : tuple of float
        External events per ms of each class.
    effects : mapping of str to float
        From :func:`ketasim.circuit.signs.effects_of`; empty if refused.
    """

    index: int
    refused: str
    rest: tuple[float, ...]
    synchrony: float
    drive: tuple[float, ...]
    effects: Mapping[str, float]

    @property
    def accepted(self) -> bool:
        """Whether the baseline is plausible."""
        return not self.refused


@cache
def table_hash() -> str:
    """Fingerprint of the tables that draws and probes depend on."""
    folder = resources.files("ketasim.circuit")
    text = "".join((folder / name).read_text(encoding="utf-8") for name in ("network.csv", "subunits.csv"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def drawn(index: int) -> NetworkParameters:
    """Return the parameters of a draw by its number."""
    return draw_parameters(np.random.default_rng([_SEED, index]), f"draw-{index:04d}")


def _refusal(rest: NetworkActivity, targets: np.ndarray) -> str:
    for name, rate, target in zip(CLASSES, rest.rates, targets, strict=True):
        if not target / _RATE_FACTOR <= rate <= target * _RATE_FACTOR:
            return f"{name} rate"
    if rest.synchrony > _LARGEST_SYNCHRONY:
        return "synchrony"
    if rest.silent_share > _LARGEST_SILENT:
        return "silent cells"
    if not 1.0 / _LARGEST_DRIFT <= rest.drift <= _LARGEST_DRIFT:
        return "drift"
    return ""


def probe(network: SpikingNetwork) -> dict[str, float]:
    """Run all probes of a network on one thread and read the effects."""
    wanted = probes()
    tasks = [Task(condition, seed, _DURATION) for condition, seeds in wanted.values() for seed in seeds]
    done = iter(run_tasks(network, tasks))
    runs = {name: [next(done) for _ in seeds] for name, (_, seeds) in wanted.items()}
    return {name: round(value, 5) for name, value in effects_of(runs).items()}


def _screen(index: int, wiring: Wiring) -> Screened:
    parameters = drawn(index)
    try:
        network = build_network(parameters, wiring=wiring)
    except ModelError:
        return Screened(index, "drive", (0.0,) * len(CLASSES), 0.0, (0.0,) * len(CLASSES), {})
    rest = network.run(seed=11, duration=_DURATION)
    refused = _refusal(rest, parameters.of_classes("target"))
    effects = {} if refused else probe(network)
    return Screened(
        index,
        refused,
        tuple(rest.rates.round(4).tolist()),
        round(rest.synchrony, 4),
        tuple(network.drive.round(6).tolist()),
        effects,
    )


def read_screened(path: Path) -> list[Screened]:
    """Read the draws that a file holds, in the order of their numbers.

    Raises
    ------
    ModelError
        If the file belongs to other tables of parameters, or a line cannot be read.
    """
    if not path.is_file():
        return []
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            tables = row.pop("tables")
            one = Screened(**{**row, "rest": tuple(row["rest"]), "drive": tuple(row["drive"])})
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{path}, line {number}: this is no line of a screening; delete the line to draw it again."
            ) from error
        if tables != table_hash():
            raise ModelError(
                f"{path}, line {number}: drawn with other tables of the network ({tables}, now "
                f"{table_hash()}); name a new folder."
            )
        found[one.index] = one
    return [found[index] for index in sorted(found)]


def screen_draws(
    path: Path, draws: int, threads: int = 1, progress: Callable[[int, int], None] | None = None
) -> list[Screened]:
    """Screen draws 0 to ``draws`` - 1; those that the file holds already are not run again.

    Parameters
    ----------
    path : Path
        File with one line a draw; made if it is not there.
    draws : int
        How many in all.
    threads : int
        Draws that are run side by side; the result does not depend on it.
    progress : function, optional
        Called with the number of draws that are done and how many of them are accepted.

    Raises
    ------
    ModelError
        If the file cannot be continued.
    """
    done = {one.index: one for one in read_screened(path) if one.index < draws}
    wanted = [index for index in range(draws) if index not in done]
    if wanted:
        wiring = wire(NetworkParameters("table", {}), FULL_SIZE)
        path.parent.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(threads) as pool, path.open("a", encoding="utf-8") as file:
            try:
                for one in pool.map(lambda index: _screen(index, wiring), wanted):
                    done[one.index] = one
                    file.write(json.dumps({**asdict(one), "tables": table_hash()}) + "\n")
                    file.flush()
                    if progress is not None:
                        progress(len(done), sum(entry.accepted for entry in done.values()))
            except BaseException:
                # What has not begun need not be waited for.
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [done[index] for index in sorted(done)]
