"""One step of the deconv head: relu(bias + deconv(refined) + deconv(raw)), transposed 4×4 convolutions at stride 2.

Each of the four output parities is a 2×2 convolution of the input (sub-pixel form), so no multiplication meets an inserted
zero. A task copies the rows that it needs into scratch with a zero column at both sides, so that no tile is special.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.emit import (
    RELU,
    Expr,
    Registers,
    Tile,
    argument,
    blocks,
    clipped,
    half_block,
    over_groups,
    over_tiles,
    prim_func,
    scratch,
    zero_fill,
)
from engine.compiler.kernels.product import half_weight_place, weight_offset

TAPS = 4  # of one output parity: (dy, dx), each 0 or 1
Store = Callable[[Expr, Expr, Expr, Expr, Expr], None]


@dataclass(frozen=True, slots=True)
class Deconv:
    """inputs: channels of each input, the refined features first; one without fusion, two with it. height, width: of
    the inputs; the output is twice as high and wide."""

    inputs: tuple[int, ...]
    outputs: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class DeconvTiling:
    """tile: register tile of each of the four convolutions."""

    tile: Tile


class Upsampler:
    """Emits the two output rows of one input row.

    Arguments, in this order: each input (I, H · W, lanes), each weight (4 parities, 4 taps packed as one matrix of depth
    4 · I), bias.
    """

    def __init__(self, op: Deconv, tile: Tile, lanes: int) -> None:
        self.op, self.tile, self.lanes = op, tile, lanes
        self._in_blocks = [blocks(channels, lanes) for channels in op.inputs]
        self._out_blocks = blocks(op.outputs, lanes)
        self._half = half_block(op.outputs, op.inputs, lanes)
        stored = op.outputs if self._half else self._out_blocks * lanes
        area = op.height * op.width
        self._inputs = [argument(f"x{i}", (count, area, lanes)) for i, count in enumerate(self._in_blocks)]
        self._weights = [argument(f"w{i}", (4, stored * TAPS * channels)) for i, channels in enumerate(op.inputs)]
        self._bias = argument("bias", (self._out_blocks * lanes,))
        self._rows: list[Any] = []

    def allocate(self) -> None:
        """Scratch of one task, to be called inside it."""
        self._rows = [scratch((count, 3, self.op.width + 2, self.lanes)) for count in self._in_blocks]

    def emit(self, row: Expr, store: Store) -> None:
        """Output rows 2 · row and 2 · row + 1, block by block: store(block, parity of the row, column, lane, value)."""
        for source, target, count in zip(self._inputs, self._rows, self._in_blocks):
            self._copy_rows(source, target, count, row)

        def group(first: Expr, vectors: int, half: bool) -> None:
            with T.serial(0, 2) as parity_y, T.serial(0, 2) as parity_x:
                over_tiles(
                    self.op.width,
                    self.tile.pixels,
                    lambda start, pixels: self._tile(
                        Registers(pixels, vectors, self.lanes, half), first, parity_y, parity_x, start, store
                    ),
                )

        over_groups(self._out_blocks, self.tile.vectors, self._half, group)

    def _tile(self, acc: Registers, first: Expr, parity_y: Expr, parity_x: Expr, start: Expr, store: Store) -> None:
        acc.fill(lambda p, j, v: self._bias[(first + j) * self.lanes + v])
        for source, weight, channels in zip(self._rows, self._weights, self.op.inputs):
            self._taps(acc, first, parity_y, parity_x, start, source, weight, channels)
        acc.settle()
        with acc.each() as (p, j, v):
            store(first + j, parity_y, 2 * (start + p) + parity_x, v, clipped(acc[p, j, v], RELU))

    def _taps(
        self,
        acc: Registers,
        first: Expr,
        parity_y: Expr,
        parity_x: Expr,
        start: Expr,
        source: Any,
        weight: Any,
        channels: int,
    ) -> None:
        depth, parity = TAPS * channels, parity_y * 2 + parity_x
        with T.serial(0, TAPS) as tap:
            row, column = parity_y + tap // 2, start + parity_x + tap % 2

            def place(offset: Callable[..., Expr], k: Expr) -> Expr:
                return offset(first, tap * channels + k, depth, acc.full, self.lanes)

            acc.contract(
                channels,
                lambda p, block, lane: source[block, row, column + p, lane],
                lambda k, o: weight[parity, place(weight_offset, k) + o],
                lambda k: weight[parity, place(half_weight_place, k)],
            )

    def _copy_rows(self, source: Any, target: Any, count: int, row: Expr) -> None:
        """Rows row - 1 … row + 1 of `source`, zeros where there are none, with a zero column at both sides."""
        height, width, lanes = self.op.height, self.op.width, self.lanes
        with T.serial(0, count) as block, T.serial(0, 3) as r:
            zero_fill(target, lanes, block, r, 0)
            zero_fill(target, lanes, block, r, width + 1)
            with T.If(tirx.all(row + r >= 1, row + r <= height)):
                with T.Then(), T.serial(0, width) as column, T.vectorized(0, lanes) as v:
                    T.buffer_store(target, source[block, (row + r - 1) * width + column, v], [block, r, column + 1, v])
                with T.Else(), T.serial(0, width) as column:
                    zero_fill(target, lanes, block, r, column + 1)


def deconv(op: Deconv, tiling: DeconvTiling, lanes: int, name: str) -> tirx.PrimFunc:
    """(the arguments of Upsampler) -> Y (O, 2H · 2W, lanes). One task is one input row."""

    def body() -> None:
        upsampler = Upsampler(op, tiling.tile, lanes)
        y = argument("y", (blocks(op.outputs, lanes), 4 * op.height * op.width, lanes))

        with T.parallel(0, op.height) as row:
            upsampler.allocate()

            def store(block: Expr, parity: Expr, column: Expr, lane: Expr, value: Expr) -> None:
                T.buffer_store(y, value, [block, (2 * row + parity) * (2 * op.width) + column, lane])

            upsampler.emit(row, store)

    return prim_func(name, body)
