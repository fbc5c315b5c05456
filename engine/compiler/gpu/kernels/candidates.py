"""The decode front on the device: both heads' heatmaps averaged at stride 2, 5×5 non-maximum suppression, the best peaks of
each joint with sub-pixel place and tag. `engine.decode.peaks` is the same in NumPy and says what is decided how.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tvm.script.ir_builder import tirx as T

from engine.compiler.gpu.kernels.emit import (
    Expr,
    Kernel,
    Place,
    Registers,
    barrier,
    floats,
    inside,
    kernel,
    local,
    only_if,
)
from engine.compiler.gpu.program import Grid

REACH = 2  # of the window of 5×5
SIDE = 2 + 2 * REACH  # of the square that the windows of one cell of 2×2 pixels cover
LOWEST = -3.0e38  # stands for "outside the map": lower than every heat, equal to none
HIGHEST = 3.0e38
FIELDS = 4  # of a candidate: x, y, score, tag


@dataclass(frozen=True, slots=True)
class FindCandidates:
    """Maps of `joints` heatmaps and tags at (height, width), heatmaps at twice that, -> the best `count` peaks of each."""

    joints: int
    height: int
    width: int
    count: int

    @property
    def cells(self) -> int:
        return self.height * self.width


def _per_pixel(joints: int, pixels: int, items: int) -> Grid:
    return Grid((-(-pixels // items), joints, 1), (items, 1, 1))


def _neighbour(fine: Expr, length: int) -> Expr:
    """The second coarse pixel that a fine one lies between (bilinear ×2, clamped edges); the first is fine // 2."""
    return T.max(T.min(fine // 2 + 2 * (fine % 2) - 1, length - 1), 0)


def _doubled(maps: Callable[[Expr, Expr], Expr], y: Expr, x: Expr, height: int, width: int) -> Expr:
    """A coarse map (height, width), doubled bilinearly, at the fine pixel (y, x)."""
    y0, y1, x0, x1 = y // 2, _neighbour(y, height), x // 2, _neighbour(x, width)
    near, far = T.float32(0.75), T.float32(0.25)
    return (maps(y0, x0) * near + maps(y1, x0) * far) * near + (maps(y0, x1) * near + maps(y1, x1) * far) * far


def average(op: FindCandidates, items: int, name: str) -> Kernel:
    """(coarse (2J, h · w), fine (J, 2h · 2w), heat (J, 2h · 2w)): heat = ½ (coarse heatmaps, doubled, + fine)."""
    pixels, width = 4 * op.cells, 2 * op.width
    arguments = {
        "coarse": floats(2 * op.joints, op.cells),
        "fine": floats(op.joints, pixels),
        "heat": floats(op.joints, pixels),
    }

    def body(place: Place, coarse: Any, fine: Any, heat: Any) -> None:
        pixel, joint = place.group[0] * items + place.item[0], place.group[1]

        def mix() -> None:
            doubled = _doubled(
                lambda y, x: coarse[joint, y * op.width + x], pixel // width, pixel % width, op.height, op.width
            )
            T.buffer_store(heat, (doubled + fine[joint, pixel]) * T.float32(0.5), [joint, pixel])

        only_if(pixel < pixels if pixels % items else True, mix)

    return kernel(name, _per_pixel(op.joints, pixels, items), arguments, body)


def peaks(op: FindCandidates, items: int, name: str) -> Kernel:
    """(heat, value (J, h · w), pixel (J, h · w)): the peak in each cell of 2×2 pixels, value 0 where there is none.

    Two peaks cannot share a cell: each would lie in the other's window.
    """
    height, width = 2 * op.height, 2 * op.width
    arguments = {
        "heat": floats(op.joints, 4 * op.cells),
        "value": floats(op.joints, op.cells),
        "pixel": ((op.joints, op.cells), "int32"),
    }

    def body(place: Place, heat: Any, value: Any, pixel: Any) -> None:
        cell, joint = place.group[0] * items + place.item[0], place.group[1]
        top, left = 2 * (cell // op.width), 2 * (cell % op.width)

        def search() -> None:
            square, widest = Registers(SIDE * SIDE, "float32"), Registers(SIDE * 2, "float32")
            for i in range(SIDE):
                for j in range(SIDE):
                    y, x = top + i - REACH, left + j - REACH
                    exists = T.And(inside(y, height), inside(x, width))
                    square[i * SIDE + j] = T.if_then_else(exists, heat[joint, y * width + x], T.float32(LOWEST))
                for column in range(2):
                    row = [square[i * SIDE + column + j] for j in range(2 * REACH + 1)]
                    widest[i * 2 + column] = _maximum(row)
            best, at = Registers(1, "float32"), Registers(1, "int32")
            best[0], at[0] = T.float32(0), 0
            for i in range(2):
                for j in range(2):
                    centre = square[(i + REACH) * SIDE + j + REACH]
                    highest = _maximum([widest[(i + d) * 2 + j] for d in range(2 * REACH + 1)])
                    # Of equal neighbours, the first in row-major order is the peak.
                    earlier = [widest[(i + d) * 2 + j] for d in range(REACH)]
                    earlier += [square[(i + REACH) * SIDE + j + d] for d in range(REACH)]
                    is_peak = T.And(T.And(centre > 0, centre >= highest), centre > _maximum(earlier))

                    def take(centre: Expr = centre, i: int = i, j: int = j) -> None:
                        best[0], at[0] = centre, (top + i) * width + left + j

                    only_if(is_peak, take)
            T.buffer_store(value, best[0], [joint, cell])
            T.buffer_store(pixel, at[0], [joint, cell])

        only_if(cell < op.cells if op.cells % items else True, search)

    return kernel(name, _per_pixel(op.joints, op.cells, items), arguments, body)


def select(op: FindCandidates, items: int, name: str) -> Kernel:
    """(value, pixel, heat, coarse, candidates (J, K, 4)). One group a joint, `items` a power of two.

    Every item knows the best of its own cells; K times the group finds the best of these, and the item that had it looks
    for its next one. Better means higher, or as high and earlier in row-major order.
    """
    arguments = {
        "value": floats(op.joints, op.cells),
        "pixel": ((op.joints, op.cells), "int32"),
        "heat": floats(op.joints, 4 * op.cells),
        "coarse": floats(2 * op.joints, op.cells),
        "candidates": floats(op.joints, op.count, FIELDS),
    }

    def body(place: Place, value: Any, pixel: Any, heat: Any, coarse: Any, candidates: Any) -> None:
        joint, own = place.group[0], place.item[0]
        values, pixels = local((items,), "float32"), local((items,), "int32")
        won_values, won_pixels = local((op.count,), "float32"), local((op.count,), "int32")
        best, at = Registers(1, "float32"), Registers(1, "int32")
        last, last_at = Registers(1, "float32"), Registers(1, "int32")
        now, now_at = Registers(1, "float32"), Registers(1, "int32")

        def look(cell: Expr) -> None:
            now[0], now_at[0] = value[joint, cell], pixel[joint, cell]
            new = T.And(now[0] > 0, _better(last[0], last_at[0], now[0], now_at[0]))

            def keep() -> None:
                best[0], at[0] = now[0], now_at[0]

            only_if(T.And(new, _better(now[0], now_at[0], best[0], at[0])), keep)

        def find_next() -> None:
            best[0], at[0] = T.float32(0), 4 * op.cells
            with T.serial(0, -(-op.cells // items)) as round_:
                cell = round_ * items + own
                only_if(cell < op.cells if op.cells % items else True, lambda: look(cell))

        last[0], last_at[0] = T.float32(HIGHEST), -1
        find_next()
        with T.serial(0, op.count) as k:
            T.buffer_store(values, best[0], [own])
            T.buffer_store(pixels, at[0], [own])
            barrier()
            half = items // 2
            while half:
                only_if(own < half, partial(_keep_better, values, pixels, own, own + half))
                barrier()
                half //= 2
            last[0], last_at[0] = values[0], pixels[0]
            barrier()

            def note(k: Expr = k) -> None:
                T.buffer_store(won_values, last[0], [k])
                T.buffer_store(won_pixels, last_at[0], [k])

            only_if(own == 0, note)
            only_if(T.And(last[0] > 0, at[0] == last_at[0]), find_next)
        barrier()
        with T.serial(0, -(-op.count // items)) as round_:
            k = round_ * items + own
            only_if(
                k < op.count if op.count % items else True,
                lambda: _describe(op, joint, k, won_values[k], won_pixels[k], heat, coarse, candidates),
            )

    return kernel(name, Grid((op.joints, 1, 1), (items, 1, 1)), arguments, body)


def _maximum(values: list[Expr]) -> Expr:
    result = values[0]
    for value in values[1:]:
        result = T.max(result, value)
    return result


def _better(value: Expr, at: Expr, than: Expr, than_at: Expr) -> Expr:
    return T.Or(value > than, T.And(value == than, at < than_at))


def _keep_better(values: Any, pixels: Any, mine: Expr, other: Expr) -> None:
    def take() -> None:
        T.buffer_store(values, values[other], [mine])
        T.buffer_store(pixels, pixels[other], [mine])

    only_if(_better(values[other], pixels[other], values[mine], pixels[mine]), take)


def _describe(
    op: FindCandidates, joint: Expr, k: Expr, score: Expr, pixel: Expr, heat: Any, coarse: Any, candidates: Any
) -> None:
    """Writes x and y in input pixels, score and tag of the peak at `pixel`; zeros where the score is 0."""
    height, width = 2 * op.height, 2 * op.width
    y, x = pixel // width, pixel % width

    def offset(step: int, at: Expr, length: int) -> Expr:
        """Where the parabola through the peak and its neighbours has its top."""
        before, after = heat[joint, T.max(pixel - step, 0)], heat[joint, T.min(pixel + step, 4 * op.cells - 1)]
        centre = heat[joint, pixel]
        curvature = before - T.float32(2) * centre + after
        shift = T.float32(0.5) * (before - after) / curvature
        shift = T.max(T.min(shift, T.float32(0.5)), T.float32(-0.5))
        bent = T.if_then_else(curvature < T.float32(0), shift, T.float32(0))
        return T.if_then_else(inside(at - 1, length - 2), bent, T.float32(0))

    def put(values: list[Expr]) -> None:
        for number, value in enumerate(values):
            T.buffer_store(candidates, value, [joint, k, number])

    with T.If(score > 0):
        with T.Then():
            tag = _doubled(lambda y, x: coarse[op.joints + joint, y * op.width + x], y, x, op.height, op.width)
            # From pixels at stride 2 to input pixels, centres at whole numbers in both.
            place = [
                (T.cast(at, "float32") + shift) * T.float32(2) + T.float32(0.5)
                for at, shift in ((x, offset(1, x, width)), (y, offset(width, y, height)))
            ]
            put([*place, score, tag])
        with T.Else():
            put([T.float32(0)] * FIELDS)
