"""The decode front inside the graph: both heads' heatmaps averaged at stride 2, 5×5 non-maximum suppression, the best peaks
of each joint with sub-pixel place and tag. `engine.decode.peaks` is the same in NumPy and says what is decided how.
"""

from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.emit import Expr, argument, elements, prim_func, scratch

WINDOW = 5
REACH = WINDOW // 2
LOWEST = -3.0e38  # stands for "outside the map": lower than every heat, equal to none


@dataclass(frozen=True, slots=True)
class FindCandidates:
    """Maps of `joints` heatmaps and tags at (height, width), heatmaps at twice that, -> the best `count` peaks of each."""

    joints: int
    height: int
    width: int
    count: int


def find_candidates(op: FindCandidates, name: str) -> tirx.PrimFunc:
    """(maps4 (2J, h, w), maps2 (J, 2h, 2w)) -> xy (J, K, 2) in input pixels, scores (J, K), tags (J, K). One task a joint."""
    height, width = 2 * op.height, 2 * op.width

    def body() -> None:
        maps4 = argument("maps4", (2 * op.joints, op.height, op.width))
        maps2 = argument("maps2", (op.joints, height, width))
        xy = argument("xy", (op.joints, op.count, 2))
        scores = argument("scores", (op.joints, op.count))
        tags = argument("tags", (op.joints, op.count))

        with T.parallel(0, op.joints) as joint:
            # Both have REACH rows above and below the map; heat has REACH columns at both sides.
            heat = scratch((height + 2 * REACH, width + 2 * REACH))
            widest = scratch((height + 2 * REACH, width))  # maximum over the window's columns
            _average(op, joint, maps4, maps2, heat)
            with T.serial(0, height + 2 * REACH) as y, T.vectorized(0, width) as x:
                T.buffer_store(widest, _maximum([heat[y, x + d] for d in range(WINDOW)]), [y, x])

            best = _Best(op.count)
            peaks = scratch((width,))
            with T.serial(0, height) as y:
                with T.vectorized(0, width) as x:
                    value = heat[y + REACH, x + REACH]
                    top = _maximum([widest[y + d, x] for d in range(WINDOW)])
                    T.buffer_store(peaks, T.Select(value >= top, value, T.float32(0)), [x])
                with T.serial(0, width) as x, T.If(peaks[x] > best.worst), T.Then():
                    _unless_plateau(heat, y, x, lambda y=y, x=x: best.insert(peaks[x], y * width + x))

            with T.serial(0, op.count) as k:
                found = best.value(k)
                with T.If(found > 0):
                    with T.Then():
                        T.buffer_store(scores, found, [joint, k])
                        _describe(op, joint, k, best.place(k), heat, maps4, xy, tags)
                    with T.Else():
                        T.buffer_store(scores, T.float32(0), [joint, k])
                        T.buffer_store(xy, T.float32(0), [joint, k, 0])
                        T.buffer_store(xy, T.float32(0), [joint, k, 1])
                        T.buffer_store(tags, T.float32(0), [joint, k])

    with elements("float32"):  # as the output maps are, whatever the network computes with
        return prim_func(name, body)


class _Best:
    """The `count` best (value, place) so far, best first; equal values keep the order in which they came."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._values = T.alloc_buffer((count + 1,), "float32", scope="global")  # a sentinel above the best comes first
        self._places = T.alloc_buffer((count + 1,), "int32", scope="global")
        self._slot = T.alloc_buffer((1,), "int32", scope="local")
        with T.serial(0, count + 1) as i:
            T.buffer_store(self._values, T.if_then_else(i == 0, T.float32(-LOWEST), T.float32(0)), [i])
            T.buffer_store(self._places, 0, [i])

    @property
    def worst(self) -> Expr:
        return self._values[self.count]

    def value(self, k: Expr) -> Expr:
        return self._values[k + 1]

    def place(self, k: Expr) -> Expr:
        return self._places[k + 1]

    def insert(self, value: Expr, place: Expr) -> None:
        T.buffer_store(self._slot, self.count, [0])
        with T.While(self._values[self._slot[0] - 1] < value):
            T.buffer_store(self._values, self._values[self._slot[0] - 1], [self._slot[0]])
            T.buffer_store(self._places, self._places[self._slot[0] - 1], [self._slot[0]])
            T.buffer_store(self._slot, self._slot[0] - 1, [0])
        T.buffer_store(self._values, value, [self._slot[0]])
        T.buffer_store(self._places, place, [self._slot[0]])


def _maximum(values: list[Expr]) -> Expr:
    result = values[0]
    for value in values[1:]:
        result = T.max(result, value)
    return result


def _neighbour(fine: Expr, length: int) -> Expr:
    """The second coarse pixel that a fine one lies between (bilinear ×2, clamped edges); the first is fine // 2."""
    return T.max(T.min(fine // 2 + 2 * (fine % 2) - 1, length - 1), 0)


def _average(op: FindCandidates, joint: Expr, maps4: Any, maps2: Any, heat: Any) -> None:
    """heat = ½ (bilinear ×2 of the coarse heatmap + the fine heatmap), with a border of LOWEST."""
    height, width = 2 * op.height, 2 * op.width
    line = scratch((op.width + 2,))  # one row mixed from two coarse ones, its ends repeated
    with T.serial(0, height + 2 * REACH) as y:
        with T.unroll(0, REACH) as c:
            T.buffer_store(heat, T.float32(LOWEST), [y, c])
            T.buffer_store(heat, T.float32(LOWEST), [y, width + REACH + c])
        with T.If(tirx.all(y >= REACH, y < height + REACH)):
            with T.Then():
                row = y - REACH
                with T.vectorized(0, op.width) as x:
                    near, far = maps4[joint, row // 2, x], maps4[joint, _neighbour(row, op.height), x]
                    T.buffer_store(line, near * T.float32(0.75) + far * T.float32(0.25), [x + 1])
                T.buffer_store(line, line[1], [0])
                T.buffer_store(line, line[op.width], [op.width + 1])
                with T.serial(0, op.width) as x, T.unroll(0, 2) as odd:
                    mixed = line[x + 1] * T.float32(0.75) + line[x + 2 * odd] * T.float32(0.25)
                    value = (mixed + maps2[joint, row, 2 * x + odd]) * T.float32(0.5)
                    T.buffer_store(heat, value, [y, 2 * x + odd + REACH])
            with T.Else(), T.vectorized(0, width) as x:
                T.buffer_store(heat, T.float32(LOWEST), [y, x + REACH])


def _unless_plateau(heat: Any, y: Expr, x: Expr, action: Any) -> None:
    """Runs `action` unless an earlier pixel of the window has the same value: a plateau is one peak."""
    value = heat[y + REACH, x + REACH]
    earlier = [heat[y + dy, x + dx] for dy in range(REACH) for dx in range(WINDOW)]
    earlier += [heat[y + REACH, x + dx] for dx in range(REACH)]
    with T.If(_maximum(earlier) < value), T.Then():
        action()


def _describe(op: FindCandidates, joint: Expr, k: Expr, place: Expr, heat: Any, maps4: Any, xy: Any, tags: Any) -> None:
    """Writes the sub-pixel place and the tag of peak `place`, a flat index into the fine map."""
    height, width = 2 * op.height, 2 * op.width
    y, x = place // width, place % width
    centre = heat[y + REACH, x + REACH]

    def offset(before: Expr, after: Expr, at: Expr, length: int) -> Expr:
        curvature = before - T.float32(2) * centre + after
        shift = T.float32(0.5) * (before - after) / curvature
        shift = T.max(T.min(shift, T.float32(0.5)), T.float32(-0.5))
        return T.if_then_else(tirx.all(at > 0, at < length - 1, curvature < T.float32(0)), shift, T.float32(0))

    dx = offset(heat[y + REACH, x + REACH - 1], heat[y + REACH, x + REACH + 1], x, width)
    dy = offset(heat[y + REACH - 1, x + REACH], heat[y + REACH + 1, x + REACH], y, height)
    # From pixels at stride 2 to input pixels, centres at whole numbers in both.
    T.buffer_store(xy, (T.cast(x, "float32") + dx) * T.float32(2) + T.float32(0.5), [joint, k, 0])
    T.buffer_store(xy, (T.cast(y, "float32") + dy) * T.float32(2) + T.float32(0.5), [joint, k, 1])

    def tag(row: Expr, column: Expr) -> Expr:
        return maps4[op.joints + joint, row, column]

    y0, y1, x0, x1 = y // 2, _neighbour(y, op.height), x // 2, _neighbour(x, op.width)
    top = tag(y0, x0) * T.float32(0.75) + tag(y0, x1) * T.float32(0.25)
    bottom = tag(y1, x0) * T.float32(0.75) + tag(y1, x1) * T.float32(0.25)
    T.buffer_store(tags, top * T.float32(0.75) + bottom * T.float32(0.25), [joint, k])
