"""Moves patients through the kernels: lanes, events, outputs and refills.

Compiled by Numba, once for all models and widths. Everything that concerns one
patient follows from that patient: which lane works on him, beside whom, and in
which order, changes no bit of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba as nb
import numpy as np
from numba.core import types
from numba.experimental import function_type as _function_type  # noqa: F401  registers functions as arguments

from ketasim.engine.kernel import Lane
from ketasim.engine.native import Library
from ketasim.engine.records import Action, Control, Ending, Events, Outputs, Patients, Report, Tape, Work

__all__ = ["kernel_functions", "run_march", "run_settle"]


_F = TypeVar("_F", bound=Callable[..., Any])

_ADD, _SET_STATE, _SET_INPUT = int(Action.ADD), int(Action.SET_STATE), int(Action.SET_INPUT)
_REACHED, _SHORT, _MANY = int(Ending.REACHED), int(Ending.STEP_TOO_SHORT), int(Ending.TOO_MANY_STEPS)
_STOPPED = int(Ending.STOPPED)
_TIME, _END, _STEP, _REJECTED = int(Lane.TIME), int(Lane.END), int(Lane.STEP), int(Lane.REJECTED)
_DUE, _START, _TRIED = int(Lane.DUE), int(Lane.STEP_START), int(Lane.STEP_TRIED)
_STEPS, _REJECTIONS, _REPLAYED = int(Lane.STEPS), int(Lane.REJECTIONS), int(Lane.REPLAYED)
_LEAST = int(Lane.LEAST_PIVOT)
_ORIGIN, _UNTIL = int(Lane.ORIGIN), int(Lane.UNTIL)
_WHO, _EVENT, _OUTPUT, _TAPED = range(4)
_NEVER = np.inf

#: A try that is shorter than this, in the unit of time, is a failure.
_SHORTEST = 1e-12

_AT = types.uintp
_SIGNATURES = {
    "setup": types.void(_AT, _AT, _AT),
    "step": types.void(*[_AT] * 8, types.float64),
    "control": types.int64(_AT, _AT, _AT, types.float64, types.float64),
    "observe": types.void(*[_AT] * 6),
    "newton": types.void(*[_AT] * 7),
}


class _Kernel(types.WrapperAddressProtocol):
    """A compiled kernel as an argument of compiled Python; pointers are whole numbers."""

    def __init__(self, name: str, library: Library) -> None:
        # With the library, so that its code is not freed while somebody may call it.
        self._name, self._library = name, library

    def __wrapper_address__(self) -> int:
        return self._library.addresses[self._name]

    def signature(self) -> Any:
        return _SIGNATURES[self._name]


def kernel_functions(library: Library) -> dict[str, Any]:
    """Return the functions of a library as the driver takes them."""
    return {name: _Kernel(name, library) for name in library.addresses}


def _helper(function: _F) -> _F:
    """Compile a function that only compiled ones call."""
    # Without what Python would need to call it, which takes longer to compile than the function.
    return _made(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compiled(function: _F) -> _F:
    """Compile a function that Python calls."""
    return _made(function, no_cfunc_wrapper=True)


def _made(function: _F, **options: bool) -> _F:
    """Compile with Numba, and keep the result on disk where there is a place for it."""
    compiler: Any = nb.njit  # its types leave out the options about wrappers
    try:
        made = compiler(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # neither this folder nor the user's cache can be written
        made = compiler(nogil=True, **options)(function)
    return cast(_F, made)


@_helper
def _address(memory: Any, row: int) -> Any:
    """Address of a row of lanes, as kernels take it."""
    return memory.ctypes.data + np.uint64(8 * memory.shape[1]) * np.uint64(row)


@_helper
def _fill(memory: Any, first: int, lane: int, table: Any, row: int) -> None:
    """Write a row of a table down a lane."""
    for m in range(table.shape[1]):
        memory[first + m, lane] = table[row, m]


@_helper
def _set(memory: Any, first: int, end: int, lane: int, value: float) -> None:
    for m in range(first, end):
        memory[m, lane] = value


@_helper
def _seat(
    work: Work, lane: int, i: int, patients: Patients, events: Events, outputs: Outputs, tape: Tape
) -> None:
    """Put a patient into a lane."""
    memory, at = work.memory, work.at
    _fill(memory, at.p, lane, patients.parameters, i)
    _fill(memory, at.u, lane, patients.inputs, i)
    _fill(memory, at.y, lane, patients.starts, i)
    _fill(memory, at.y1, lane, patients.starts, i)
    _set(memory, at.k, at.lu, lane, 0.0)
    _set(memory, at.c, at.o, lane, 0.0)
    memory[at.c + _LEAST, lane] = _NEVER
    memory[at.c + _TRIED, lane] = 1.0
    memory[at.c + _ORIGIN, lane] = patients.begins[i]
    memory[at.c + _REPLAYED, lane] = 1.0 if tape.replayed else 0.0
    work.seats[_WHO, lane] = i
    work.seats[_EVENT, lane] = events.offsets[i]
    work.seats[_OUTPUT, lane] = outputs.offsets[i]
    work.seats[_TAPED, lane] = tape.offsets[i] if len(tape.offsets) else 0
    # An input set at the very start holds at the first output; what is given then does not yet.
    for e in range(events.offsets[i], events.offsets[i + 1]):
        if events.times[e] > patients.begins[i]:
            break
        if events.kinds[e] >= _SET_INPUT:
            memory[at.u + events.targets[e], lane] = events.values[e]


@_helper
def _write(work: Work, lane: int, outputs: Outputs) -> None:
    """Keep what was observed, and set the time of the lane's next output."""
    place = work.seats[_OUTPUT, lane]
    for m in range(outputs.results.shape[1]):
        outputs.results[place, m] = work.memory[work.at.o + m, lane]
    work.seats[_OUTPUT, lane] = place + 1
    _look_ahead(work, lane, outputs)


@_helper
def _look_ahead(work: Work, lane: int, outputs: Outputs) -> None:
    """Set the time of a lane's next output, in its segment."""
    place = work.seats[_OUTPUT, lane]
    due = _NEVER
    if place < outputs.offsets[work.seats[_WHO, lane] + 1]:
        due = outputs.times[place] - work.memory[work.at.c + _ORIGIN, lane]
    work.memory[work.at.c + _DUE, lane] = due


@_helper
def _open_segment(
    work: Work, lane: int, patients: Patients, events: Events, outputs: Outputs, tape: Tape, control: Control
) -> bool:
    """Do what happens now, and set the lane up to the next event; says whether an input changed."""
    memory, at = work.memory, work.at
    i, e = work.seats[_WHO, lane], work.seats[_EVENT, lane]
    now, last = memory[at.c + _ORIGIN, lane], events.offsets[i + 1]
    sharp, changed = now <= patients.begins[i], False
    while e < last and events.times[e] <= now:
        kind, target, value = events.kinds[e], events.targets[e], events.values[e]
        if kind == _ADD:
            memory[at.y + target, lane] += value
        elif kind == _SET_STATE:
            memory[at.y + target, lane] = value
        else:
            memory[at.u + target, lane] = value
            changed = True
        sharp = sharp or kind != _SET_INPUT
        e += 1
    work.seats[_EVENT, lane] = e
    end = patients.ends[i]
    if e < last and events.times[e] < end:
        end = events.times[e]
    memory[at.c + _UNTIL, lane] = end
    memory[at.c + _TIME, lane] = 0.0
    memory[at.c + _END, lane] = end - now
    memory[at.c + _STEP, lane] = min(control.sharp_step if sharp else control.gentle_step, end - now)
    memory[at.c + _REJECTED, lane] = 0.0
    _look_ahead(work, lane, outputs)
    if tape.replayed:
        _wind(work, lane, tape)
    return changed


@_helper
def _leave(work: Work, lane: int, ending: int, report: Report) -> None:
    """Take a patient out of his lane, which idles on with harmless numbers."""
    memory, at = work.memory, work.at
    i = work.seats[_WHO, lane]
    report.endings[i] = ending
    report.steps[i] = int(memory[at.c + _STEPS, lane])
    report.rejections[i] = int(memory[at.c + _REJECTIONS, lane])
    report.least_pivots[i] = memory[at.c + _LEAST, lane]
    report.reached[i] = memory[at.c + _ORIGIN, lane] + memory[at.c + _TIME, lane]
    for row in range(report.finals.shape[1]):
        report.finals[i, row] = memory[at.y + row, lane]
    work.seats[_WHO, lane] = -1
    memory[at.c + _REPLAYED, lane] = 0.0
    memory[at.c + _END, lane] = _NEVER
    memory[at.c + _DUE, lane] = _NEVER
    if ending != _REACHED:
        _set(memory, at.y, at.y1, lane, 1.0)
        memory[at.c + _STEP, lane] = 1e-3


@_helper
def _wind(work: Work, lane: int, tape: Tape) -> None:
    """Take the next step from the tape."""
    memory, c = work.memory, work.at.c
    left = memory[c + _END, lane] - memory[c + _TIME, lane]
    place = work.seats[_TAPED, lane]
    step = left
    if place < len(tape.shares):
        step = tape.shares[place] * memory[c + _END, lane]
    memory[c + _STEP, lane] = left if step > left * (1.0 - 1e-9) else step


@_helper
def _turn_tape(work: Work, accepted: int, ended: int, tape: Tape) -> None:
    """Write the steps that were accepted, or take the next ones."""
    memory, c = work.memory, work.at.c
    for lane in range(memory.shape[1]):
        if accepted >> lane & 1:
            if not tape.replayed and work.seats[_TAPED, lane] < len(tape.shares):
                tape.shares[work.seats[_TAPED, lane]] = memory[c + _TRIED, lane] / memory[c + _END, lane]
            work.seats[_TAPED, lane] += 1
            if tape.replayed and not ended >> lane & 1:
                _wind(work, lane, tape)


@_helper
def _keep_states(work: Work) -> None:
    """Let every lane go on from what it accepted."""
    memory, at = work.memory, work.at
    for m in range(at.y1 - at.y):
        for lane in range(memory.shape[1]):
            memory[at.y + m, lane] = memory[at.y1 + m, lane]


@_helper
def _close_segments(work: Work, failed: int, ended: int, control: Control, report: Report) -> None:
    """Take those who failed out, and let the others go on from where their segments end."""
    memory, c = work.memory, work.at.c
    endings = np.array([_SHORT, _MANY])
    for lane in range(memory.shape[1]):
        if failed >> lane & 1:
            many = memory[c + _STEPS, lane] >= control.step_limit
            _leave(work, lane, endings[1 if many else 0], report)
        elif ended >> lane & 1:
            memory[c + _ORIGIN, lane] = memory[c + _UNTIL, lane]


@_compiled
def march(
    setup: Any,
    step: Any,
    check: Any,
    observe: Any,
    work: Work,
    patients: Patients,
    events: Events,
    outputs: Outputs,
    tape: Tape,
    control: Control,
    report: Report,
) -> None:
    """Run patients, a lane each, until all are done.

    Results of a patient that fails stay as they were from where he failed.
    """
    memory, at = work.memory, work.at
    width, n = memory.shape[1], len(patients.begins)
    p, u, s = _address(memory, at.p), _address(memory, at.u), _address(memory, at.s)
    y, y1, g = _address(memory, at.y), _address(memory, at.y1), _address(memory, at.g)
    k, lu, info = _address(memory, at.k), _address(memory, at.lu), _address(memory, at.info)
    c, o = _address(memory, at.c), _address(memory, at.o)
    following, busy, empty, turned = 0, 0, (1 << width) - 1, 0
    # As variables: Numba compiles a function anew for each constant it is given.
    endings = np.array([_REACHED, _STOPPED])
    while True:
        fresh = 0
        for lane in range(width):
            if empty >> lane & 1 and following < n:
                _seat(work, lane, following, patients, events, outputs, tape)
                following += 1
                fresh |= 1 << lane
        if fresh:
            setup(p, u, s)
            observe(y, y1, k, c, s, o)
            for lane in range(width):
                if fresh >> lane & 1:
                    _look_ahead(work, lane, outputs)
                    if memory[at.c + _DUE, lane] <= 0.0:
                        _write(work, lane, outputs)
            busy, empty, turned = busy | fresh, empty & ~fresh, turned | fresh
        changed = False
        for lane in range(width):
            if turned >> lane & 1:
                if memory[at.c + _ORIGIN, lane] >= patients.ends[work.seats[_WHO, lane]]:
                    _leave(work, lane, endings[0], report)
                    busy, empty = busy & ~(1 << lane), empty | 1 << lane
                else:
                    changed |= _open_segment(work, lane, patients, events, outputs, tape, control)
        turned = 0
        if changed:
            setup(p, u, s)
        if empty and following < n:
            continue
        if busy == 0:
            return
        if control.stop[0]:
            for lane in range(width):
                if busy >> lane & 1:
                    _leave(work, lane, endings[1], report)
            return

        step(y, s, c, k, y1, g, lu, info, control.rtol)
        flags = check(y, y1, c, _SHORTEST, control.step_limit)
        due = flags >> 16 & busy
        while due:
            observe(y, y1, k, c, s, o)
            for lane in range(width):
                if due >> lane & 1:
                    _write(work, lane, outputs)
                    if memory[at.c + _DUE, lane] > memory[at.c + _TIME, lane]:
                        due &= ~(1 << lane)
        _keep_states(work)
        failed, ended = flags >> 24 & busy, flags >> 8 & busy
        if len(tape.offsets):
            _turn_tape(work, flags & busy, ended, tape)
        if failed | ended:
            _close_segments(work, failed, ended, control, report)
            busy, empty, turned = busy & ~failed, empty | failed, ended & ~failed


@_compiled
def settle(
    setup: Any,
    newton: Any,
    work: Work,
    parameters: Any,
    inputs: Any,
    states: Any,
    scales: Any,
    shift: float,
    largest_move: float,
    iterations: int,
    found: Any,
    signs: Any,
) -> None:
    """Move states to where nothing changes, a register of patients after another.

    With no iterations the states stay, and only the signs of det(shift - J) are found.
    """
    memory, at = work.memory, work.at
    width, n, n_states = memory.shape[1], states.shape[0], states.shape[1]
    p, u, s = _address(memory, at.p), _address(memory, at.u), _address(memory, at.s)
    y, f, d = _address(memory, at.y), _address(memory, at.y1), _address(memory, at.g)
    lu, info, shifts = _address(memory, at.lu), _address(memory, at.info), _address(memory, at.c)
    best = np.zeros(width)
    for first in range(0, n, width):
        busy = 0
        for lane in range(width):
            i = min(first + lane, n - 1)
            _fill(memory, at.p, lane, parameters, i)
            _fill(memory, at.u, lane, inputs, i)
            _fill(memory, at.y, lane, states, i)
            memory[at.c, lane] = shift
            best[lane] = np.inf
            if first + lane < n:
                busy |= 1 << lane
        setup(p, u, s)
        for _ in range(max(1, iterations)):
            newton(y, s, shifts, f, d, lu, info)
            for lane in range(width):
                if not busy >> lane & 1:
                    continue
                if iterations == 0:
                    signs[first + lane] = memory[at.info + 1, lane]
                    continue
                size = 0.0
                for m in range(n_states):
                    share = abs(memory[at.g + m, lane]) / scales[m]
                    if not share <= size:
                        size = share
                    if share != share:  # NaN
                        break
                if not np.isfinite(size):
                    busy &= ~(1 << lane)
                    continue
                share = min(1.0, largest_move / size) if size > 0.0 else 1.0
                for m in range(n_states):
                    memory[at.y + m, lane] += share * memory[at.g + m, lane]
                # Rounding ends the descent: far down, a step that no longer halves is the end.
                if size < 1e-13 or (size < 1e-9 and size >= 0.5 * best[lane]):
                    found[first + lane] = True
                    busy &= ~(1 << lane)
                best[lane] = min(best[lane], size)
            if busy == 0:
                break
        for lane in range(min(width, n - first)):
            for m in range(n_states):
                states[first + lane, m] = memory[at.y + m, lane]


def run_march(*arguments: Any) -> None:
    """Call :func:`march`; where its compiled form on disk is damaged, make it anew."""
    _guarded(march, arguments)


def run_settle(*arguments: Any) -> None:
    """Call :func:`settle`; where its compiled form on disk is damaged, make it anew."""
    _guarded(settle, arguments)


def _guarded(function: Any, arguments: tuple[Any, ...]) -> None:
    try:
        function(*arguments)
    except Exception:
        # The functions raise nothing themselves: what comes from here is Numba reading its files.
        for made in (*_HELPERS, march, settle):
            getattr(made, "_cache").flush()  # noqa: B009
        function(*arguments)


_HELPERS = (
    _address,
    _fill,
    _set,
    _seat,
    _write,
    _look_ahead,
    _open_segment,
    _leave,
    _wind,
    _turn_tape,
    _keep_states,
    _close_segments,
)
