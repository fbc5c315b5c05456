"""Depthwise K×K convolution with row reuse: a work item makes a patch of pixels, and loads each input vector once for all
of the patch's outputs that it touches."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tvm.script.ir_builder import tirx as T

from engine.compiler.gpu.kernels.emit import (
    Clip,
    Expr,
    Kernel,
    Place,
    Registers,
    blocks,
    clipped,
    inside,
    kernel,
    only_if,
    vectors,
    zeros,
)
from engine.compiler.gpu.program import Grid


@dataclass(frozen=True, slots=True)
class Patch:
    """rows × columns output pixels of a work item; across × down items of a group."""

    rows: int
    columns: int
    across: int
    down: int

    def grid(self, height: int, width: int, layers: int) -> Grid:
        groups = -(-width // (self.columns * self.across)), -(-height // (self.rows * self.down)), layers
        return Grid(groups, (self.across, self.down, 1))

    def corner(self, place: Place) -> tuple[Expr, Expr]:
        """Row and column of this item's first output pixel, which may lie outside the picture."""
        (gx, gy, _), (x, y, _) = place.group, place.item
        return (gy * self.down + y) * self.rows, (gx * self.across + x) * self.columns

    def over_existing(self, place: Place, height: int, width: int, body: Callable[[int, int], None]) -> None:
        """body(row, column) for each pixel of the patch that lies inside the picture."""
        top, left = self.corner(place)
        exact_rows = height % (self.rows * self.down) == 0
        exact_columns = width % (self.columns * self.across) == 0
        for o in range(self.rows):
            for p in range(self.columns):
                row_exists = True if exact_rows else top + o < height
                column_exists = True if exact_columns else left + p < width

                def in_row(o: int = o, p: int = p, column_exists: Expr = column_exists) -> None:
                    only_if(column_exists, lambda: body(o, p))

                only_if(row_exists, in_row)


@dataclass(frozen=True, slots=True)
class Depthwise:
    """X (C, H, W) -> clip(bias + depthwise(X)) (C, H / stride, W / stride)."""

    channels: int
    height: int
    width: int
    kernel: int
    stride: int
    clip: Clip


def add_depthwise(
    acc: Registers,
    patch: Patch,
    op: Depthwise,
    corner: tuple[Expr, Expr],
    source: Callable[[Expr, Expr], Expr],
    weight: Callable[[int, int], Expr],
) -> None:
    """acc[o · columns + p] += Σ source(row, column) · weight(ky, kx) for one block of channels. Pixels outside the input
    count as zero. corner: of the output patch."""
    half, reach = op.kernel // 2, (patch.columns - 1) * op.stride + op.kernel
    window = Registers(reach)
    left = corner[1] * op.stride - half

    def add_row(row: Expr, number: int) -> None:
        for i in range(reach):
            column = left + i
            window[i] = T.if_then_else(inside(column, op.width), source(row, column), zeros())
        for o in range(patch.rows):
            ky = number - o * op.stride
            if not 0 <= ky < op.kernel:
                continue
            for kx in range(op.kernel):
                for p in range(patch.columns):
                    at = o * patch.columns + p
                    acc[at] = acc[at] + window[p * op.stride + kx] * weight(ky, kx)

    for number in range((patch.rows - 1) * op.stride + op.kernel):
        row = corner[0] * op.stride - half + number
        only_if(inside(row, op.height), partial(add_row, row, number))


def depthwise(op: Depthwise, patch: Patch, name: str) -> Kernel:
    """(X, weights (C / 4, K · K), bias, Y). One layer of work groups for each block of channels."""
    count, height, width = blocks(op.channels), op.height // op.stride, op.width // op.stride
    arguments = {
        "x": vectors(count, op.height * op.width),
        "w": vectors(count, op.kernel * op.kernel),
        "bias": vectors(count),
        "y": vectors(count, height * width),
    }

    def body(place: Place, x: Any, w: Any, bias: Any, y: Any) -> None:
        block, (row, column) = place.group[2], patch.corner(place)
        acc = Registers(patch.rows * patch.columns)
        for i in range(acc.count):
            acc[i] = bias[block]
        add_depthwise(
            acc,
            patch,
            op,
            (row, column),
            lambda row, column: x[block, row * op.width + column],
            lambda ky, kx: w[block, ky * op.kernel + kx],
        )

        def store(o: int, p: int) -> None:
            value = clipped(acc[o * patch.columns + p], op.clip)
            T.buffer_store(y, value, [block, (row + o) * width + column + p])

        patch.over_existing(place, height, width, store)

    return kernel(name, patch.grid(height, width, count), arguments, body)
