"""Writes the kernels of a program as LLVM IR for one width.

A kernel works on several patients at once, one a lane of a vector register. No
operation moves anything between lanes, so that a patient's numbers do not depend
on his neighbours. Arrays hold one row of lanes an item. The kernels are

- ``setup``: terms without a state, from parameters and inputs;
- ``step``: one step of Rodas5P with its error;
- ``control``: which lanes accept, their next step, and flags for the driver;
- ``observe``: read-outs inside a step, each lane at its own time;
- ``newton``: a Newton step towards rest.

The text goes to LLVM as it is: writing it takes a tenth of a second, where
building the same through an object model takes several.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum

from ketasim.engine import elementary, rodas5p
from ketasim.engine.graph import Node, Op
from ketasim.engine.lower import Lowering
from ketasim.engine.writing import Evaluator, Function, bits_of, suffix_of

__all__ = ["WIDTHS", "Lane", "observer_text", "solver_text"]

#: Patients side by side that kernels can be written for.
WIDTHS = (1, 2, 4, 8)

#: Smaller numbers are set to 0: subnormal ones halve the speed, of neighbouring lanes too.
_TINY = 1e-100

#: A step grows and shrinks at most so much, and aims at this share of what the error allows.
_GROWTH, _SHRINKAGE, _CAUTION = 6.0, 0.15, 0.9
_LARGEST_STEP = 1e4

#: Share of the tolerance that one step may use: on the shipped studies the error of the result
#: is then below twice a tolerance of 1e-6.
_STEP_SHARE = 0.6

#: A pivot this small, over what it is for a very short step, is no base for a step.
_SMALLEST_PIVOT = 1e-9


class Lane(IntEnum):
    """Rows of the array that holds what the driver and the kernels know of each lane.

    Numba remakes the driver when ``driver.py`` changes, and cannot see a change here: whoever
    moves a row saves that file anew.
    """

    TIME = 0  #: in its segment
    END = 1  #: of the segment
    STEP = 2  #: to be tried next
    REJECTED = 3  #: 1 right after a rejection
    DUE = 4  #: time of the next output
    STEP_START = 5  #: of the last try
    STEP_TRIED = 6
    STEPS = 7
    REJECTIONS = 8
    ERROR = 9  #: squared, over what is allowed
    PIVOT = 10  #: smallest of the last try
    REPLAYED = 11  #: 1 if steps are taken as they are given
    LEAST_PIVOT = 12  #: smallest of all
    ORIGIN = 13  #: time at which the segment began, in the patient's time
    UNTIL = 14  #: time at which it ends


def _state_evaluator(function: Function, lowering: Lowering, states: str | Sequence[str]) -> Evaluator:
    """Evaluates nodes from an array of states, or from values at hand, and the slots ``%s``."""
    places = {number: place for place, number in enumerate(lowering.states)}

    def leaf(number: int, _node: Node) -> str:
        if number in places:
            place = places[number]
            return function.load(states, place) if isinstance(states, str) else states[place]
        slot = lowering.slots.get(number)
        return "" if slot is None else function.load("%s", slot)

    return Evaluator(function, lowering.graph, leaf)


def solver_text(lowering: Lowering, width: int) -> str:
    """Write all kernels but ``observe``.

    Parameters
    ----------
    lowering : Lowering
        What to write.
    width : int
        Patients side by side, one of :data:`WIDTHS`.

    Returns
    -------
    str
        LLVM IR.
    """
    parts = [
        _scales(lowering),
        _setup(lowering, width),
        _rhs(lowering, width),
        _factor(lowering, width),
        _solve(lowering, width),
        _step(lowering, width),
        _control(lowering, width),
        _newton(lowering, width),
    ]
    return _module(parts, width)


def observer_text(lowering: Lowering, width: int, outputs: Sequence[str] | None) -> str:
    """Write ``observe`` for some read-outs.

    Parameters
    ----------
    lowering : Lowering
        What they are read-outs of.
    width : int
        Patients side by side.
    outputs : sequence of str or None
        Names of quantities; None for all states.

    Returns
    -------
    str
        LLVM IR.
    """
    write = Function(width)
    size = len(lowering.states)
    start, tried, due = (write.load("%c", row) for row in (Lane.STEP_START, Lane.STEP_TRIED, Lane.DUE))
    theta = write.divide(write.subtract(due, start), tried)
    rest = write.subtract(write.constant(1.0), theta)
    both = write.multiply(theta, rest)
    weights = []
    for stage in range(rodas5p.STAGES):
        value = write.constant(rodas5p.DENSE[-1][stage])
        for row in reversed(rodas5p.DENSE[:-1]):
            value = write.add(write.constant(row[stage]), write.multiply(theta, value))
        weights.append(write.multiply(both, value))

    def inside(place: int) -> str:
        value = write.add(
            write.multiply(rest, write.load("%y", place)), write.multiply(theta, write.load("%y1", place))
        )
        for stage, weight in enumerate(weights):
            value = write.add(value, write.multiply(weight, write.load("%k", stage * size + place)))
        return value

    if outputs is None:
        for place in range(size):
            write.store(inside(place), "%o", place)
    else:
        wanted = [lowering.quantities[name] for name in outputs]
        needed = set(lowering.graph.order(wanted))
        states = [inside(place) if node in needed else "" for place, node in enumerate(lowering.states)]
        evaluate = _state_evaluator(write, lowering, states)
        for place, number in enumerate(wanted):
            write.store(evaluate(number), "%o", place)
    write.do("ret void")
    pointers = _pointers("y", "y1", "k", "c", "s", "o")
    return _module([write.text(f"void @observe({pointers})")], width)


def _pointers(*names: str) -> str:
    return ", ".join(f"ptr noalias nocapture %{name}" for name in names)


def _module(parts: Iterable[str], width: int) -> str:
    suffix, vector = suffix_of(width), Function(width).vector
    intrinsics = {"fabs": 1, "maxnum": 2, "minnum": 2, "sqrt": 1, "copysign": 2}
    declared = "\n".join(
        f"declare {vector} @llvm.{name}.{suffix}({', '.join([vector] * count)})"
        for name, count in intrinsics.items()
    )
    return "\n\n".join([declared, elementary.definitions(width), *parts]) + "\n"


def _setup(lowering: Lowering, width: int) -> str:
    write = Function(width)
    nodes = lowering.graph.nodes
    parameters = {name: place for place, name in enumerate(lowering.program.parameters)}
    inputs = {name: place for place, name in enumerate(lowering.program.inputs)}

    def leaf(_number: int, node: Node) -> str:
        if node.op is not Op.LEAF:
            return ""
        if node.name in parameters:
            return write.load("%p", parameters[node.name])
        return write.load("%u", inputs[node.name])

    evaluate = Evaluator(write, lowering.graph, leaf)
    for number, place in lowering.slots.items():
        assert not nodes[number].moving
        write.store(evaluate(number), "%s", place)
    write.do("ret void")
    return write.text(f"void @setup({_pointers('p', 'u', 's')})")


def _rhs(lowering: Lowering, width: int) -> str:
    """Add the rates of change to what is there."""
    write = Function(width)
    evaluate = _state_evaluator(write, lowering, "%y")
    for place, number in enumerate(lowering.rates):
        write.store(write.add(write.load("%dy", place), evaluate(number)), "%dy", place)
    write.do("ret void")
    return write.text(f"internal void @rhs({_pointers('y', 's', 'dy')}) noinline")


def _factor(lowering: Lowering, width: int) -> str:
    """LU factors of gi - J, row by row in the order of elimination; the diagonal is kept inverted."""
    write = Function(width)
    evaluate = _state_evaluator(write, lowering, "%y")
    plan = lowering.elimination
    slot = {entry: place for place, entry in enumerate(plan.entries)}
    rows: dict[int, list[int]] = {row: [] for row in plan.order}
    for i, j in plan.entries:
        rows[i].append(j)
    value: dict[tuple[int, int], str] = {}
    least, sign = "", ""
    for row in plan.order:
        for column in rows[row]:
            node = lowering.jacobian.get((row, column))
            diagonal = row == column
            if node is None:
                value[row, column] = "%gi" if diagonal else write.constant(0.0)
            else:
                base = "%gi" if diagonal else write.constant(0.0)
                value[row, column] = write.subtract(base, evaluate(node))
        left = sorted(
            (j for j in rows[row] if plan.position[j] < plan.position[row]), key=plan.position.__getitem__
        )
        for column in sorted(left, key=plan.position.__getitem__):
            share = write.multiply(value[row, column], value[column, column])
            value[row, column] = share
            for other in plan.right_of(column):
                value[row, other] = write.subtract(
                    value[row, other], write.multiply(share, value[column, other])
                )
        pivot = value[row, row]
        size = write.intrinsic("fabs", pivot)
        least = write.intrinsic("minnum", least, size) if least else size
        one = write.intrinsic("copysign", write.constant(1.0), pivot)
        sign = write.multiply(sign, one) if sign else one
        value[row, row] = write.reciprocal(pivot)
        for column in rows[row]:
            write.store(value[row, column], "%lu", slot[row, column])
    write.store(least, "%info", 0)
    write.store(sign, "%info", 1)
    write.do("ret void")
    arguments = f"{_pointers('y', 's')}, {write.vector} %gi, {_pointers('lu', 'info')}"
    return write.text(f"internal void @factor({arguments}) noinline")


def _solve(lowering: Lowering, width: int) -> str:
    write = Function(width)
    plan = lowering.elimination
    slot = {entry: place for place, entry in enumerate(plan.entries)}
    rows: dict[int, list[int]] = {row: [] for row in plan.order}
    for i, j in plan.entries:
        rows[i].append(j)
    value: dict[int, str] = {}
    for row in plan.order:
        total = write.load("%b", row)
        for column in sorted(rows[row], key=plan.position.__getitem__):
            if plan.position[column] < plan.position[row]:
                factor = write.load("%lu", slot[row, column])
                total = write.subtract(total, write.multiply(factor, value[column]))
        value[row] = total
    for row in reversed(plan.order):
        total = value[row]
        for column in rows[row]:
            if plan.position[column] > plan.position[row]:
                factor = write.load("%lu", slot[row, column])
                total = write.subtract(total, write.multiply(factor, value[column]))
        value[row] = write.multiply(total, write.load("%lu", slot[row, row]))
        write.store(value[row], "%b", row)
    write.do("ret void")
    return write.text(f"internal void @solve({_pointers('lu', 'b')}) noinline")


def _step(lowering: Lowering, width: int) -> str:
    write = Function(width)
    size, stages = len(lowering.states), rodas5p.STAGES
    step = write.load("%c", Lane.STEP)
    per_step = write.reciprocal(step)
    diagonal = write.multiply(per_step, write.constant(1.0 / rodas5p.GAMMA))
    write.do(f"call void @factor(ptr %y, ptr %s, {write.vector} {diagonal}, ptr %lu, ptr %info)")
    at = [write.row("%k", stage * size) for stage in range(stages)]
    for stage in range(stages):
        _write_stage_start(write, at, stage, size, per_step)
        write.do(f"call void @rhs(ptr {'%g' if stage else '%y'}, ptr %s, ptr {at[stage]})")
        write.do(f"call void @solve(ptr %lu, ptr {at[stage]})")
    _write_error(write, lowering, at[-1])
    least = write.divide(write.load("%info", 0), diagonal)
    write.store(least, "%c", Lane.PIVOT)
    write.do("ret void")
    pointers = _pointers("y", "s", "c", "k", "y1", "g", "lu", "info")
    return write.text(f"void @step({pointers}, double %rtol)")


def _write_stage_start(write: Function, at: Sequence[str], stage: int, size: int, per_step: str) -> None:
    """States at which a stage is evaluated, and what earlier stages add to its right-hand side."""

    def first(place: str, _carried: Sequence[str]) -> Sequence[str]:
        write.store(write.constant(0.0), at[0], place)
        return ()

    def later(place: str, _carried: Sequence[str]) -> Sequence[str]:
        earlier = [write.load(at[j], place) for j in range(stage)]
        if stage >= rodas5p.STAGES - 2:
            # The last two differ from the one before by one stage with weight 1.
            state = write.add(write.load("%g", place), earlier[-1])
        else:
            state = write.weighted(rodas5p.INTO_STATE[stage], earlier, write.load("%y", place))
        write.store(state, "%g", place)
        added = write.weighted(rodas5p.INTO_RIGHT_SIDE[stage], earlier, write.constant(0.0))
        write.store(write.multiply(per_step, added), at[stage], place)
        return ()

    write.loop(size, later if stage else first)


def _write_error(write: Function, lowering: Lowering, last: str) -> None:
    """The new state, and the square of its error over what is allowed.

    The error is the fourth root of the mean fourth power over the states. The root of the mean
    square lets a few states off lightly where most stand still, as here; the largest alone costs
    more steps for the same final error.
    """

    def one(place: str, carried: Sequence[str]) -> Sequence[str]:
        error = write.load(last, place)
        new = write.add(write.load("%g", place), error)
        write.store(new, "%y1", place)
        before = write.intrinsic("fabs", write.load("%y", place))
        largest = write.intrinsic("maxnum", before, write.intrinsic("fabs", new))
        at = write.line(f"getelementptr inbounds double, ptr @scales, i64 {place}")
        scale = write.spread(write.line(f"load double, ptr {at}, align 8"))
        share = write.divide(error, write.add(scale, largest))
        square = write.multiply(share, share)
        return (write.add(carried[0], write.multiply(square, square)),)

    size = len(lowering.states)
    (total,) = write.loop(size, one, [write.constant(0.0)])
    allowed = write.multiply(write.spread("%rtol"), write.constant(_STEP_SHARE))
    mean = write.intrinsic("sqrt", write.multiply(total, write.constant(1.0 / size)))
    write.store(write.divide(mean, write.multiply(allowed, allowed)), "%c", Lane.ERROR)


def _scales(lowering: Lowering) -> str:
    numbers = ", ".join(f"double {bits_of(scale)}" for scale in lowering.program.scales)
    return f"@scales = internal constant [{len(lowering.states)} x double] [{numbers}]"


def _control(lowering: Lowering, width: int) -> str:
    write = Function(width)
    zero, one = write.constant(0.0), write.constant(1.0)
    error, time, end, step, rejected, due, pivot, replayed, least = (
        write.load("%c", row)
        for row in (
            Lane.ERROR,
            Lane.TIME,
            Lane.END,
            Lane.STEP,
            Lane.REJECTED,
            Lane.DUE,
            Lane.PIVOT,
            Lane.REPLAYED,
            Lane.LEAST_PIVOT,
        )
    )
    both = f"and {write.mask}"
    small = write.compare("ole", error, one)
    solid = write.compare("oge", pivot, write.constant(_SMALLEST_PIVOT))
    good = write.line(f"{both} {small}, {solid}")
    finite = write.compare("ord", error, zero)
    given = write.line(f"{both} {finite}, {write.compare('ogt', replayed, zero)}")
    accepted = write.line(f"or {write.mask} {good}, {given}")
    last = write.compare("ole", write.subtract(end, time), step)
    # Error goes with the fifth power of the step, and this one is squared.
    bounded = write.intrinsic("maxnum", error, write.constant(1e-20))
    wanted = write.call("ks_exp", write.multiply(write.constant(-0.1), write.call("ks_log", bounded)))
    factor = write.multiply(write.constant(_CAUTION), wanted)
    factor = write.intrinsic("maxnum", write.constant(_SHRINKAGE), factor)
    factor = write.intrinsic("minnum", write.constant(_GROWTH), factor)
    usable = write.line(f"{both} {finite}, {solid}")
    factor = write.select(usable, factor, write.constant(_SHRINKAGE))
    # No growth right after a rejection.
    capped = write.intrinsic("minnum", factor, one)
    factor = write.select(write.compare("ogt", rejected, zero), capped, factor)
    reached = write.select(last, end, write.add(time, step))
    now = write.select(accepted, reached, time)
    free = write.intrinsic("minnum", write.multiply(step, factor), write.constant(_LARGEST_STEP))
    left = write.subtract(end, now)
    # A step that all but reaches the end is taken to the end.
    nearly = write.compare("ole", left, write.multiply(free, write.constant(1.0000001)))
    following = write.select(nearly, left, free)
    taken = write.add(write.load("%c", Lane.STEPS), one)
    refused = write.select(accepted, zero, one)
    rows = {
        Lane.TIME: now,
        Lane.STEP: following,
        Lane.REJECTED: refused,
        Lane.STEP_START: time,
        Lane.STEP_TRIED: step,
        Lane.STEPS: taken,
        Lane.REJECTIONS: write.add(write.load("%c", Lane.REJECTIONS), refused),
        Lane.LEAST_PIVOT: write.intrinsic("minnum", least, pivot),
    }
    for row, value in rows.items():
        write.store(value, "%c", row)

    def keep(place: str, _carried: Sequence[str]) -> Sequence[str]:
        kept = write.select(accepted, write.load("%y1", place), write.load("%y", place))
        tiny = write.compare("olt", write.intrinsic("fabs", kept), write.constant(_TINY))
        write.store(write.select(tiny, zero, kept), "%y1", place)
        return ()

    write.loop(len(lowering.states), keep)
    too_short = write.compare("ole", free, write.spread("%shortest"))
    stuck = write.line(f"{both} {too_short}, {_negated(write, accepted)}")
    spent = write.compare("oge", taken, write.spread("%limit"))
    ended = write.line(f"{both} {accepted}, {last}")
    output = write.line(f"{both} {accepted}, {write.compare('ole', due, now)}")
    failed = write.line(f"or {write.mask} {stuck}, {write.line(f'{both} {spent}, {_negated(write, ended)}')}")
    flags = "0"
    for place, mask in enumerate((accepted, ended, output, failed)):
        bits = mask if width == 1 else write.line(f"bitcast {write.mask} {mask} to i{width}")
        wide = write.line(f"zext i{width} {bits} to i64")
        moved = write.line(f"shl i64 {wide}, {8 * place}")
        flags = write.line(f"or i64 {flags}, {moved}")
    write.do(f"ret i64 {flags}")
    return write.text(f"i64 @control({_pointers('y', 'y1', 'c')}, double %shortest, double %limit)")


def _negated(write: Function, mask: str) -> str:
    ones = "true" if write.width == 1 else "splat (i1 true)"
    return write.line(f"xor {write.mask} {mask}, {ones}")


def _newton(lowering: Lowering, width: int) -> str:
    """Rates, and the step that would bring them to 0; with a shift it also tells growth apart."""
    write = Function(width)
    shift = write.load("%shift", 0)
    write.do(f"call void @factor(ptr %y, ptr %s, {write.vector} {shift}, ptr %lu, ptr %info)")

    def clear(place: str, _carried: Sequence[str]) -> Sequence[str]:
        write.store(write.constant(0.0), "%f", place)
        return ()

    def copy(place: str, _carried: Sequence[str]) -> Sequence[str]:
        write.store(write.load("%f", place), "%d", place)
        return ()

    write.loop(len(lowering.states), clear)
    write.do("call void @rhs(ptr %y, ptr %s, ptr %f)")
    write.loop(len(lowering.states), copy)
    write.do("call void @solve(ptr %lu, ptr %d)")
    write.do("ret void")
    return write.text(f"void @newton({_pointers('y', 's', 'shift', 'f', 'd', 'lu', 'info')})")
