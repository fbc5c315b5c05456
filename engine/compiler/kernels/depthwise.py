"""Depthwise K×K convolution of a patch of pixels, from rows that are still in the cache."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.emit import Expr, Registers


@dataclass(frozen=True, slots=True)
class Patch:
    """What one step computes of one block of channels: `rows` × `columns` output pixels.

    Two rows together read nine rows of a 7×7 kernel's input where two single ones read fourteen.
    """

    rows: int
    columns: int


def ring_rows(rows: int, kernel: int, stride: int) -> int:
    """Input rows that `rows` neighbouring output rows need."""
    return (rows - 1) * stride + kernel


def add_depthwise(
    acc: Registers,
    patch: Patch,
    kernel: int,
    stride: int,
    centre: Expr,
    height: int,
    source: Callable[[Expr, Expr, Expr], Expr],
    weight: Callable[[Expr, int, Expr], Expr],
) -> None:
    """acc[o · columns + p] += Σ source(row, p · stride + kx, lane) · weight(ky, kx, lane), for one block of channels.

    centre: input row under the middle of the first output row's kernel. Input rows outside 0 … height - 1 count as zero.
    Goes by input pixel, so that each is loaded once and used for all the outputs that it touches.
    """
    half = kernel // 2
    for first, end, outputs in _runs(patch.rows, kernel, stride):
        with T.serial(T.max(half - centre, first), T.min(height + half - centre, end)) as step:
            for column in range((patch.columns - 1) * stride + kernel):
                for o in outputs:
                    for kx in range(kernel):
                        p, between = divmod(column - kx, stride)
                        if between == 0 and 0 <= p < patch.columns:
                            with T.vectorized(0, acc.lanes) as v:
                                place = o * patch.columns + p, 0, v
                                product = source(centre - half + step, column, v) * weight(step - o * stride, kx, v)
                                acc[place] = acc[place] + product


def _runs(rows: int, kernel: int, stride: int) -> Iterator[tuple[int, int, list[int]]]:
    """Runs (first, end, output rows) of input rows, counted from the topmost, that touch the same output rows."""

    def touched(step: int) -> list[int]:
        return [o for o in range(rows) if 0 <= step - o * stride < kernel]

    first, count = 0, ring_rows(rows, kernel, stride)
    for step in range(1, count + 1):
        if step == count or touched(step) != touched(first):
            yield first, step, touched(first)
            first = step
