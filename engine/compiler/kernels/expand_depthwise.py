"""The first two thirds of an inverted bottleneck in one pass: expand 1×1 and depthwise K×K, both with ReLU6.

A few blocks of middle channels are made at a time, for the whole picture. A ring of expanded rows stays in the cache, so the
expanded activation (6× the input) never reaches memory. Nothing is computed twice but the rows between two bands of those
blocks that the workers share.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.depthwise import Patch, add_depthwise, ring_rows
from engine.compiler.kernels.emit import (
    RELU6,
    Expr,
    Registers,
    Tile,
    argument,
    blocks,
    clipped,
    over_tiles,
    prim_func,
    scratch,
    zero_fill,
)
from engine.compiler.kernels.product import IntegerProduct, Product, rounded_byte


@dataclass(frozen=True, slots=True)
class ExpandDepthwise:
    """X (I, H, W) -> relu6(depthwise(relu6(expand(X)))) (M, H / stride, W / stride)."""

    inputs: int
    middle: int
    height: int
    width: int
    kernel: int
    stride: int

    @property
    def out_height(self) -> int:
        return self.height // self.stride

    @property
    def out_width(self) -> int:
        return self.width // self.stride


@dataclass(frozen=True, slots=True)
class QuantisedExpandDepthwise(ExpandDepthwise):
    """X in bytes, expand weights in 8 bits, the depthwise step in floats. The result is in bytes: depthwise weights and bias
    come divided by its scale, and the bias with another ½."""


@dataclass(frozen=True, slots=True)
class ExpandDepthwiseTiling:
    """tile: of the expansion; its vectors are also the blocks made at a time, and divide the middle blocks. patch: of the
    depthwise step. workers: tasks, of as many blocks each; what a division leaves over they share by bands of rows."""

    tile: Tile
    patch: Patch
    workers: int


class Expansion:
    """Expanded rows, made when an output row needs them and kept in a ring, and the depthwise convolution over them.

    Arguments, in this order: X (I, H · W, lanes), those of the product, depthwise weights (M, K · K, lanes), bias.
    result: type of what is stored of the depthwise step; None: the kernel's elements.

    tile: register tile of the expansion. patch: of the depthwise step; its rows divide the output's.
    """

    def __init__(self, op: ExpandDepthwise, tile: Tile, patch: Patch, lanes: int) -> None:
        if op.out_height % patch.rows:
            raise ValueError(f"patches of {patch.rows} rows do not divide {op.out_height} rows")
        self.op, self.tile, self.patch, self.lanes = op, tile, patch, lanes
        self.in_blocks, self.mid_blocks = blocks(op.inputs, lanes), blocks(op.middle, lanes)
        self._half = op.kernel // 2
        self._ring_rows = ring_rows(patch.rows, op.kernel, op.stride)
        kind = IntegerProduct if isinstance(op, QuantisedExpandDepthwise) else Product
        self.result = kind.inputs()
        self.x = argument("x", (self.in_blocks, op.height * op.width, lanes), self.result)
        self._product = kind(op.inputs, op.middle, lanes)
        self._w2 = argument("w2", (self.mid_blocks, op.kernel * op.kernel, lanes))
        self._b2 = argument("b2", (self.mid_blocks * lanes,))
        self._ring: Any = None
        self._first: Expr = 0
        self._count = 0

    def allocate(self, first: Expr, count: int) -> None:
        """Scratch for `count` blocks of middle channels from block `first` on, to be called inside the task that makes them."""
        width, half = self.op.width, self._half
        self._first, self._count = first, count
        self._ring = scratch((count, self._ring_rows, width + 2 * half, self.lanes))
        with T.serial(0, count) as j, T.serial(0, self._ring_rows) as r, T.serial(0, half) as c:
            zero_fill(self._ring, self.lanes, j, r, c)
            zero_fill(self._ring, self.lanes, j, r, width + half + c)

    def over_rows(self, top: Expr, bottom: Expr, body: Callable[[Expr], None]) -> None:
        """body(first output row) for the patches of rows `top` … `bottom` - 1, whose input rows are then in the ring."""
        op, rows, half = self.op, self.patch.rows, self._half

        def needed(number: Expr) -> Expr:
            """End of the input rows that the patches before `number` need."""
            return T.min((number * rows - 1) * op.stride + half + 1, op.height)

        with T.serial(0, bottom - top) as step:
            number = top + step
            row = number * rows
            start = tirx.Select(step == 0, T.max(row * op.stride - half, 0), needed(number))
            with T.serial(start, needed(number + 1)) as fresh:
                self._expand(fresh)
            body(row)

    def _expand(self, row: Expr) -> None:
        op = self.op

        def group(start_block: Expr, vectors: int) -> None:
            first = self._first + start_block

            def tile_of(start: Expr, pixels: int) -> None:
                def keep(p: Expr, j: Expr, v: Expr, value: Expr) -> None:
                    place = [start_block + j, row % self._ring_rows, start + p + self._half, v]
                    T.buffer_store(self._ring, clipped(value, RELU6), place)

                self._product.tile(
                    first,
                    vectors,
                    pixels,
                    lambda p, block, lane: self.x[block, row * op.width + start + p, lane],
                    keep,
                )

            over_tiles(op.width, self.tile.pixels, tile_of)

        over_tiles(self._count, self.tile.vectors, group)

    def depthwise(self, block: Expr, row: Expr, start: Expr, columns: int) -> Registers:
        """A patch of outputs of the task's block `block`, from output row `row` and column `start` on; before `finished`."""
        op = self.op
        patch = Patch(self.patch.rows, columns)
        acc = Registers(patch.rows * columns, 1, self.lanes)
        acc.fill(lambda p, j, v: self._b2[(self._first + block) * self.lanes + v])
        add_depthwise(
            acc,
            patch,
            op.kernel,
            op.stride,
            row * op.stride,
            op.height,
            lambda r, column, v: self._ring[block, r % self._ring_rows, start * op.stride + column, v],
            lambda ky, kx, v: self._w2[self._first + block, ky * op.kernel + kx, v],
        )
        return acc

    def finished(self, value: Expr) -> Expr:
        """An output as it is stored."""
        return clipped(value, RELU6) if self.result is None else rounded_byte(value)


def expand_depthwise(op: ExpandDepthwise, tiling: ExpandDepthwiseTiling, lanes: int, name: str) -> tirx.PrimFunc:
    """(the arguments of Expansion) -> Y (M, H' · W', lanes)."""
    tile, patch, workers = tiling.tile, tiling.patch, tiling.workers
    mid_blocks, patches = blocks(op.middle, lanes), op.out_height // patch.rows
    if mid_blocks % tile.vectors:
        raise ValueError(f"{tile.vectors} blocks at a time do not divide {mid_blocks}")
    if workers > patches:
        raise ValueError(f"{patches} patches are not enough for {workers} workers")
    own, shared = divmod(mid_blocks // tile.vectors, workers)  # groups of blocks

    def body() -> None:
        expansion = Expansion(op, tile, patch, lanes)
        y = argument("y", (mid_blocks, op.out_height * op.out_width, lanes), expansion.result)

        def make(group: Expr, top: Expr, bottom: Expr) -> None:
            """Patches of rows `top` … `bottom` - 1 of a group."""
            first = group * tile.vectors
            expansion.allocate(first, tile.vectors)

            def finish(row: Expr) -> None:
                with T.serial(0, tile.vectors) as block:
                    over_tiles(op.out_width, patch.columns, lambda start, columns: tile_of(block, row, start, columns))

            def tile_of(block: Expr, row: Expr, start: Expr, columns: int) -> None:
                acc = expansion.depthwise(block, row, start, columns)
                with acc.each() as (p, j, v):
                    place = [first + block, (row + p // columns) * op.out_width + start + p % columns, v]
                    T.buffer_store(y, expansion.finished(acc[p, j, v]), place)

            expansion.over_rows(top, bottom, finish)

        # One call of `make`, whoever owns the group: to emit it twice would double the code.
        with T.parallel(0, workers) as worker, T.serial(0, own + shared) as turn:
            if not shared:
                make(worker * own + turn, 0, patches)
            else:
                alone = turn < own
                make(
                    tirx.Select(alone, worker * own + turn, workers * own + turn - own),
                    tirx.Select(alone, 0, worker * patches // workers),
                    tirx.Select(alone, patches, (worker + 1) * patches // workers),
                )

    return prim_func(name, body)
