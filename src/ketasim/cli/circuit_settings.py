"""What the circuit is run under: options of the command line become conditions with names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ketasim.errors import ModelError, unknown_name

if TYPE_CHECKING:
    from ketasim.circuit.condition import ChannelState, Condition

__all__ = ["NO_DRUG_LABEL", "STATES", "Gains", "Setting", "block_conditions", "channel_state", "settings"]

#: What every ratio is relative to.
NO_DRUG_LABEL = "no drug"
#: How block can follow the state of a channel.
STATES = ("fixed", "kinetic")
_MOST_SETTINGS = 12


@dataclass(frozen=True)
class Setting:
    """A condition of the network under the name that tables and figures give it."""

    label: str
    condition: Condition


@dataclass(frozen=True)
class Gains:
    """What else acts on the network; all are ratios, 1 for no change.

    Parameters
    ----------
    gaba_a, release : float
        What other drugs do: GABA-A conductances, and glutamate released by pyramidal cells.
    density, sst : float
        How the circuit itself differs: synapses between pyramidal cells, and what SST cells release.
    """

    gaba_a: float = 1.0
    release: float = 1.0
    density: float = 1.0
    sst: float = 1.0


@contextmanager
def _told(option: str) -> Iterator[None]:
    """Put the option in front of what the network says of its value."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{option}: {error}") from error


def _number(option: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ModelError(f"{option}: {text.strip()!r} is not a number; give for example 0.24.")
    return value


def _numbers(option: str, text: str) -> list[float]:
    return [_number(option, part) for part in text.split(",")]


def channel_state(state: str, trapped: float | None) -> ChannelState:
    """Read ``--state`` and ``--trapped``.

    Parameters
    ----------
    state : str
        One of :data:`STATES`.
    trapped : float or None
        Share of blocked channels that keep their blocker when they close; None for the network's own.

    Raises
    ------
    ModelError
        If the state is unknown, the share is not from 0 to 1, or it is given for a fixed block.
    """
    from ketasim.circuit.condition import FIXED_BLOCK, ChannelState

    if state not in STATES:
        raise ModelError(f"--state: {unknown_name('state of the block', state, STATES)}")
    if state == "fixed":
        if trapped is not None:
            raise ModelError(f"--trapped {trapped:g}: a fixed block traps nothing; add --state kinetic.")
        return FIXED_BLOCK
    if trapped is None:
        return ChannelState(kinetic=True)
    with _told("--trapped"):
        return ChannelState(kinetic=True, trapped=trapped)


def block_conditions(
    by_class: Sequence[str], mean_block: str | None, ic50: str | None
) -> list[tuple[str, Condition]]:
    """Read ``--block``, ``--mean-block`` and ``--ic50``.

    Parameters
    ----------
    by_class : sequence of str
        Texts such as ``"pyramidal=0.2,pv=0.4"``; a class that is not named is not blocked.
    mean_block : str or None
        Means over the cells, as ``"0.1,0.24"``; the ratios of the half-blocking concentrations share them
        out between the classes.
    ic50 : str or None
        Four half-blocking concentrations; None for the declared ones.

    Returns
    -------
    list of (str, Condition)
        A name and a condition each, in the order given, without repeats. No block at all is left out.

    Raises
    ------
    ModelError
        If a class is unknown or named twice, a value is no fraction, or there are too many.
    """
    from ketasim.circuit.blocks import CLASS_IC50, blocks_at_mean
    from ketasim.circuit.condition import NO_DRUG, Condition

    half = list(CLASS_IC50)
    if ic50 is not None:
        if mean_block is None:
            raise ModelError(f"--ic50 {ic50}: it shares out a mean block; add --mean-block, as 0.24.")
        half = _numbers("--ic50", ic50)
    found = {}
    for text in by_class:
        with _told(f"--block {text}"):
            condition = NO_DRUG.with_block(**_assignments(text))
        found["block " + " / ".join(f"{value:g}" for value in condition.block)] = condition
    for mean in [] if mean_block is None else _numbers("--mean-block", mean_block):
        with _told("--mean-block"):
            found[f"mean block {mean:g}"] = Condition(block=blocks_at_mean(mean, half))
    if len(found) > _MOST_SETTINGS:
        raise ModelError(f"{len(found)} blocks were given; one figure holds at most {_MOST_SETTINGS}.")
    return [(label, condition) for label, condition in found.items() if any(condition.block)]


def _assignments(text: str) -> dict[str, float]:
    """Read ``class=block`` pairs; the names are checked by the condition."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign:
            raise ModelError(f"{part.strip()!r} is not a class and its block; write for example pv=0.4.")
        if name.lower() in found:
            raise ModelError(f"{name} is named twice; give one block for a class.")
        try:
            found[name.lower()] = float(value)
        except ValueError as error:
            raise ModelError(f"the block of {name}, {value!r}, is not a number; write {name}=0.4.") from error
    return found


def settings(
    blocks: Sequence[tuple[str, Condition]], gains: Gains, state: ChannelState, baseline: Condition
) -> list[Setting]:
    """Lay out what is run: references first, then each block.

    Parameters
    ----------
    blocks : sequence of (str, Condition)
        From :func:`block_conditions`.
    gains : Gains
        What else acts.
    state : ChannelState
        How block follows the state of a channel.
    baseline : Condition
        The circuit to which nothing was done: healthy, or depressed.

    Returns
    -------
    list of Setting
        The healthy circuit if the one that is studied differs from it, the circuit without any drug
        (:data:`NO_DRUG_LABEL`), the other drugs alone if there are any, and the blocks.

    Raises
    ------
    ModelError
        If a gain is not above 0.
    """
    from ketasim.circuit.condition import NO_DRUG

    for option, value in (
        ("--gaba-a-gain", gains.gaba_a),
        ("--release-gain", gains.release),
        ("--density", gains.density),
        ("--sst-gain", gains.sst),
    ):
        if not (math.isfinite(value) and value > 0.0):
            raise ModelError(
                f"{option}: {value:g} is out of range; a ratio is above 0, and 1 changes nothing."
            )
    undrugged = replace(
        baseline, density=baseline.density * gains.density, sst_gain=baseline.sst_gain * gains.sst
    )
    drugged = replace(
        undrugged,
        gaba_a_gain=undrugged.gaba_a_gain * gains.gaba_a,
        release_gain=undrugged.release_gain * gains.release,
        state=state,
    )
    found = [] if undrugged == NO_DRUG else [Setting("healthy circuit", NO_DRUG)]
    found.append(Setting(NO_DRUG_LABEL, undrugged))
    if (gains.gaba_a, gains.release) != (1.0, 1.0):
        found.append(Setting("other drugs alone", drugged))
    return found + [Setting(label, replace(drugged, block=item.block)) for label, item in blocks]
