"""How spine density acts on the whole brain: rival couplings, by name.

A coupling says on which connections density acts and whether local inhibition follows it. It turns a
:class:`~ketasim.brain.illness.BrainState` into a model and an influence on it. In every coupling the
healthy brain without a drug is the same model with all ratios 1.

========================  =======================================================  ===================
name                      density acts on                                          inhibition
========================  =======================================================  ===================
``recurrent``             local weight of prefrontal control and default regions   as before the dose
``recurrent_adapting``    the same                                                 follows slowly
``control_inhibition``    long-range inhibition, control to default regions        as before the dose
``control_density``       local weight of prefrontal control regions               as before the dose
========================  =======================================================  ===================

``recurrent`` is the reference that is known to give the wrong late sign; the other three are candidates.
Any of them can be made to adapt or not (``dataclasses.replace``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.conditions import Conditions, load_conditions
from ketasim.brain.connectome import Connectome
from ketasim.brain.illness import BrainState
from ketasim.brain.linear import LinearConnectivity, linear_connectivity
from ketasim.brain.model import BrainModel, Influence, brain_model, readapt_inhibition
from ketasim.brain.readouts import network_readouts, prefrontal
from ketasim.errors import BrainError, unknown_name

__all__ = [
    "COUPLINGS",
    "REFERENCE_COUPLING",
    "Coupling",
    "coupling",
    "expected_influences",
    "feedforward_inhibition",
]

_Floats = NDArray[np.float64]

_SITES = ("local", "local_control", "feedforward")

REFERENCE_COUPLING = "recurrent"
"""The coupling that is no candidate, only what the others are compared with."""


@dataclass(frozen=True)
class Coupling:
    """One way in which density acts.

    Parameters
    ----------
    name : str
        Its name.
    title : str
        In words.
    site : str
        ``local`` (local weight of prefrontal control and default regions), ``local_control`` (of prefrontal
        control regions alone) or ``feedforward`` (long-range inhibition from control to default regions).
    adapts : bool
        Whether local inhibition slowly follows density after a dose.

    Raises
    ------
    BrainError
        If there is no such site.
    """

    name: str
    title: str
    site: str
    adapts: bool

    def __post_init__(self) -> None:
        if self.site not in _SITES:
            raise BrainError(unknown_name("site of density", self.site, _SITES))

    def healthy(self, model: BrainModel, conditions: Conditions | None = None) -> BrainModel:
        """The healthy brain of this coupling.

        Parameters
        ----------
        model : BrainModel
            A brain without long-range inhibition.
        conditions : Conditions, optional
            Default: the shipped ones.

        Returns
        -------
        BrainModel
            The same model; for the site ``feedforward`` one with long-range inhibition, and local
            inhibition solved anew so that rates at rest are unchanged.

        Raises
        ------
        BrainError
            If the site is ``feedforward`` and the parcellation has no control regions.
        """
        if self.site != "feedforward":
            return model
        given = load_conditions() if conditions is None else conditions
        paths = feedforward_inhibition(model.connectome, model.weights, given.feedforward_share)
        return brain_model(model.connectome, model.node, weights=model.weights, feedforward_weights=paths)

    def at(
        self, healthy: BrainModel, state: BrainState, conditions: Conditions | None = None
    ) -> tuple[BrainModel, Influence]:
        """Model and influence for one state of the brain.

        Parameters
        ----------
        healthy : BrainModel
            As :meth:`healthy` returns it.
        state : BrainState
            Block, inhibition, density and illness.
        conditions : Conditions, optional
            Default: the shipped ones.

        Returns
        -------
        BrainModel
            The brain with inhibition adapted to ``state.adapted_density``.
        Influence
            What acts on it.
        """
        given = load_conditions() if conditions is None else conditions
        if state.illness * given.net_inhibition_loss >= 1.0:
            raise BrainError(
                f"an illness of strength {state.illness:g} leaves no inhibition; keep it below "
                f"{1.0 / given.net_inhibition_loss:g}."
            )
        model = healthy
        if state.adapted_density != 1.0:
            model = readapt_inhibition(healthy, self._density(healthy.connectome, state.adapted_density))
        inhibition = np.full(healthy.connectome.n_regions, state.inhibition_gain)
        inhibition[prefrontal(healthy.connectome)] *= 1.0 - state.illness * given.net_inhibition_loss
        influence = replace(
            self._density(healthy.connectome, state.density),
            block_excitatory=state.block_excitatory,
            block_inhibitory=state.block_inhibitory,
            inhibition_gain=inhibition,
        )
        return model, influence

    def connectivity(
        self, healthy: BrainModel, state: BrainState, conditions: Conditions | None = None
    ) -> LinearConnectivity:
        """Linear connectivity in one state of the brain.

        Parameters
        ----------
        healthy : BrainModel
            As :meth:`healthy` returns it.
        state : BrainState
            Block, inhibition, density and illness.
        conditions : Conditions, optional
            Default: the shipped ones.

        Returns
        -------
        LinearConnectivity
            With the fixed point and the leading eigenvalue.

        Raises
        ------
        BrainError
            If the network is unstable in this state.
        """
        return linear_connectivity(*self.at(healthy, state, conditions))

    def readouts(
        self, healthy: BrainModel, state: BrainState, conditions: Conditions | None = None
    ) -> dict[str, float | None]:
        """Read-outs of :meth:`connectivity`, which has the same arguments and errors."""
        return network_readouts(self.connectivity(healthy, state, conditions).fc, healthy.connectome)

    def _density(self, connectome: Connectome, density: float) -> Influence:
        if self.site == "feedforward":
            return Influence(feedforward=density)
        regions = prefrontal(connectome, "control" if self.site == "local_control" else None)
        weight = np.ones(connectome.n_regions)
        weight[regions] = density
        return Influence(local_weight=weight)


def feedforward_inhibition(connectome: Connectome, weights: _Floats, share: float) -> _Floats:
    """Long-range inhibition from prefrontal control regions onto interneurons of default regions.

    Parameters
    ----------
    connectome : Connectome
        Names the networks.
    weights : array, shape (n, n)
        Excitatory connections, row from column.
    share : float
        Inhibition in units of the excitation on the same path.

    Returns
    -------
    array, shape (n, n)
        Zero but in rows of default and columns of prefrontal control regions.

    Raises
    ------
    BrainError
        If the share is negative or there is no path from control to default regions.
    """
    if not share >= 0.0:
        raise BrainError(f"the share of feedforward inhibition is {share}; it is 0 or more.")
    paths = np.zeros_like(weights)
    rows, columns = connectome.members("default"), prefrontal(connectome, "control")
    block = np.ix_(rows, columns)
    paths[block] = share * weights[block]
    if share > 0.0 and not paths.any():
        raise BrainError(
            f"{connectome.name}: no connection from prefrontal control to default regions; the coupling "
            "control_inhibition has nothing to act on."
        )
    return paths


def expected_influences(
    connectome: Connectome, concentrations: Sequence[float], conditions: Conditions | None = None
) -> list[Influence]:
    """What a brain will meet when couplings are compared, for a fit that is to be safe under all of it.

    Parameters
    ----------
    connectome : Connectome
        Names the prefrontal regions.
    concentrations : sequence of float
        Doses, in uM on the circuit's scale.
    conditions : Conditions, optional
        Default: the shipped ones.

    Returns
    -------
    list of Influence
        Every dose in the healthy and in the depressed brain, with local weights of prefrontal regions as
        before a dose and as after it.
    """
    given = load_conditions() if conditions is None else conditions
    regions = prefrontal(connectome)
    found = []
    for loss in (0.0, given.net_inhibition_loss):
        inhibition = np.ones(connectome.n_regions)
        inhibition[regions] -= loss
        for gain in (0.0, given.density_gain):
            weight = np.ones(connectome.n_regions)
            weight[regions] += gain
            for concentration in concentrations:
                block_e, block_i = given.block(concentration)
                found.append(Influence(block_e, block_i, inhibition, weight))
    return found


COUPLINGS: Mapping[str, Coupling] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Coupling("recurrent", "density as recurrent weight, inhibition frozen", "local", False),
            Coupling("recurrent_adapting", "density as recurrent weight, inhibition follows", "local", True),
            Coupling("control_inhibition", "density as control-to-default inhibition", "feedforward", False),
            Coupling(
                "control_density", "density as recurrent weight of control alone", "local_control", False
            ),
        )
    }
)


def coupling(name: str) -> Coupling:
    """Return a coupling by name.

    Raises
    ------
    BrainError
        If there is none of this name.
    """
    if name not in COUPLINGS:
        raise BrainError(unknown_name("coupling", name, COUPLINGS))
    return COUPLINGS[name]
