"""What the driver is told, what it works in, and what it reports."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from ketasim.engine.kernel import Lane
from ketasim.engine.program import Program
from ketasim.engine.rodas5p import STAGES

__all__ = [
    "Action",
    "Control",
    "Ending",
    "Events",
    "Layout",
    "Outputs",
    "Patients",
    "Report",
    "Tape",
    "Work",
    "allocate",
    "empty_report",
    "no_tape",
]


class Action(IntEnum):
    """What is done at an event; from ``SET_INPUT`` on it concerns an input."""

    ADD = 0  #: an amount added to a state
    SET_STATE = 1  #: a state put at a value
    SET_INPUT = 2  #: an input put at a value, gently
    SET_RATE = 3  #: an input put at a value, with fast consequences


class Ending(IntEnum):
    """How a patient's run ended."""

    REACHED = 0
    STEP_TOO_SHORT = 1
    TOO_MANY_STEPS = 2
    STOPPED = 3
    NOT_FINITE = 4  #: a parameter, the state at the start or a result is no finite number
    BY_REFERENCE = 5  #: the reference solver reached the end where the kernels did not


class Patients(NamedTuple):
    """Who is run. One row a patient."""

    parameters: Any  #: (patients, parameters)
    starts: Any  #: (patients, states)
    inputs: Any  #: (patients, inputs), before any event
    begins: Any  #: (patients), first time
    ends: Any  #: (patients), last time


class Events(NamedTuple):
    """What happens, in order of time; those of patient i are ``offsets[i]`` to ``offsets[i + 1]``."""

    offsets: Any
    times: Any
    kinds: Any
    targets: Any
    values: Any


class Outputs(NamedTuple):
    """Times at which results are wanted, increasing for each patient, and the results."""

    offsets: Any
    times: Any
    results: Any  #: (times, outputs)


class Tape(NamedTuple):
    """Steps as shares of their segments: written, or read if ``replayed``."""

    offsets: Any  #: none if steps are neither written nor read
    shares: Any
    replayed: bool


class Control(NamedTuple):
    """How exactly, how far, and whether to stop."""

    rtol: float
    sharp_step: float  #: first step after a dose
    gentle_step: float  #: first step after a change of an input alone
    step_limit: float
    stop: Any  #: (1), not 0 when all should end


class Report(NamedTuple):
    """What is known of each patient afterwards."""

    endings: Any
    steps: Any
    rejections: Any
    least_pivots: Any
    reached: Any  #: time
    finals: Any  #: (patients, states) at that time


def no_tape() -> Tape:
    """Steps are neither written nor read."""
    return Tape(np.zeros(0, np.int64), np.zeros(0), False)


def empty_report(patients: int, states: int) -> Report:
    """Memory for what is known of patients afterwards."""
    endings, steps, rejections = (np.zeros(patients, np.int64) for _ in range(3))
    finals = np.full((patients, states), np.nan)
    return Report(endings, steps, rejections, np.zeros(patients), np.zeros(patients), finals)


class Layout(NamedTuple):
    """First row of each array of lanes in one block of memory."""

    p: int  #: parameters
    u: int  #: inputs
    s: int  #: terms without a state
    y: int  #: states
    y1: int  #: states after the step that is tried
    g: int  #: states inside a step
    k: int  #: stages
    lu: int  #: factors
    info: int
    c: int  #: rows of :class:`~ketasim.engine.kernel.Lane`
    o: int  #: outputs
    end: int


class Work(NamedTuple):
    """Memory of one call."""

    memory: Any  #: (rows, width)
    seats: Any  #: (4, width): patient or -1, next event, next output, next step on the tape
    at: Layout


def allocate(program: Program, outputs: int, width: int) -> Work:
    """Memory for a march, on a cache line: a register that lies across two is read twice."""
    states = len(program.state_names)
    sizes = (
        len(program.parameters),
        len(program.inputs),
        program.slots,
        *(states, states, states),
        STAGES * states,
        program.factors,
        2,
        len(Lane),
        outputs,
    )
    firsts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    whole = np.zeros(firsts[-1] * width + 8)
    skipped = (-whole.ctypes.data % 64) // 8
    memory = whole[skipped : skipped + firsts[-1] * width].reshape(firsts[-1], width)
    return Work(memory, np.full((4, width), -1, dtype=np.int64), Layout(*firsts))
