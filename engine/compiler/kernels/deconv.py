"""One step of the deconv head: relu(bias + deconv(refined) + deconv(raw)), transposed 4×4 convolutions at stride 2.

Each of the four output parities is a 2×2 convolution of the input (sub-pixel form), so no multiplication meets an inserted
zero. A task copies the rows that it needs into scratch with a zero column at both sides, so that no tile is special.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.dot_product import DotProducts
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
from engine.compiler.kernels.product import Source, half_weight_place, output, weight_offset
from engine.compiler.packing import QUAD

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

    def half(self, lanes: int) -> bool:
        """Whether the last block of outputs is computed as half a block."""
        return half_block(self.outputs, self.inputs, lanes)


@dataclass(frozen=True, slots=True)
class QuantisedDeconv(Deconv):
    """Inputs in bytes, weights in 8 bits, the result in floats and, outside of a head's kernel, in bytes."""

    def half(self, lanes: int) -> bool:
        return half_block(self.outputs, self.inputs, lanes) and not any(depth % (2 * QUAD) for depth in self.inputs)


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
        self._half = op.half(lanes)
        self._rows: list[Any] = []
        self._declare()

    def _declare(self) -> None:
        self._declare_matrices()
        self._bias = argument("bias", (self._out_blocks * self.lanes,))

    def _declare_matrices(self, inputs: str | None = None, weights: str | None = None, granule: int = 1) -> None:
        """Declares inputs and weights. inputs, weights: their types; None: the kernel's elements. granule: of which the
        input channels of a tap are padded to a multiple."""
        op, area = self.op, self.op.height * self.op.width
        stored = op.outputs if self._half else self._out_blocks * self.lanes
        self._depths = [-(-channels // granule) * granule for channels in op.inputs]
        self._inputs = [argument(f"x{i}", (n, area, self.lanes), inputs) for i, n in enumerate(self._in_blocks)]
        self._weights = [argument(f"w{i}", (4, stored * TAPS * n), weights) for i, n in enumerate(self._depths)]

    def allocate(self) -> None:
        """Scratch of one task, to be called inside it."""
        width = self.op.width + 2
        self._rows = [
            scratch((count, 3, width, self.lanes), str(x.dtype)) for count, x in zip(self._in_blocks, self._inputs)
        ]

    def emit(self, row: Expr, store: Store) -> None:
        """Output rows 2 · row and 2 · row + 1, block by block: store(block, parity of the row, column, lane, value)."""
        for number in range(len(self._inputs)):
            self._copy_rows(number, row)

        def group(first: Expr, vectors: int, half: bool) -> None:
            with T.serial(0, 2) as parity_y, T.serial(0, 2) as parity_x:
                over_tiles(
                    self.op.width,
                    self.tile.pixels,
                    lambda start, pixels: self._tile((pixels, vectors, half), first, parity_y, parity_x, start, store),
                )

        over_groups(self._out_blocks, self.tile.vectors, self._half, group)

    def _tile(
        self,
        size: tuple[int, int, bool],
        first: Expr,
        parity_y: Expr,
        parity_x: Expr,
        start: Expr,
        store: Store,
    ) -> None:
        """size: pixels, blocks of outputs, and whether the last of these is a half block."""
        parity = parity_y * 2 + parity_x
        acc = self._accumulators(size, first)
        for source, weight, depth in zip(self._rows, self._weights, self._depths):
            with T.serial(0, TAPS) as tap:
                row, column = parity_y + tap // 2, start + parity_x + tap % 2
                self._add(acc, first, parity, tap, depth, weight, partial(_at, source, row, column))
        acc.settle()
        with acc.each() as (p, j, v):
            value = self._value(acc[p, j, v], parity, (first + j) * self.lanes + v)
            store(first + j, parity_y, 2 * (start + p) + parity_x, v, clipped(value, RELU))

    def _accumulators(self, size: tuple[int, int, bool], first: Expr) -> Any:
        pixels, vectors, half = size
        acc = Registers(pixels, vectors, self.lanes, half)
        acc.fill(lambda p, j, v: self._bias[(first + j) * self.lanes + v])
        return acc

    def _add(self, acc: Any, first: Expr, parity: Expr, tap: Expr, depth: int, weight: Any, x: Source) -> None:
        """Adds one tap of one input, `depth` channels deep."""

        def place(offset: Callable[..., Expr], k: Expr) -> Expr:
            return offset(first, tap * depth + k, TAPS * depth, acc.full, self.lanes)

        acc.contract(
            depth,
            x,
            lambda k, o: weight[parity, place(weight_offset, k) + o],
            lambda k: weight[parity, place(half_weight_place, k)],
        )

    def _value(self, total: Expr, parity: Expr, output: Expr) -> Expr:
        """What the sum of all products says of an output channel, before the ReLU."""
        return total

    def _blank(self, number: int, *place: Expr) -> None:
        """Writes a block of zeros into the rows of input `number`."""
        zero_fill(self._rows[number], self.lanes, *place)

    def _copy_rows(self, number: int, row: Expr) -> None:
        """Rows row - 1 … row + 1 of an input, zeros where there are none, with a zero column at both sides."""
        height, width, lanes = self.op.height, self.op.width, self.lanes
        source, target = self._inputs[number], self._rows[number]
        with T.serial(0, self._in_blocks[number]) as block, T.serial(0, 3) as r:
            self._blank(number, block, r, 0)
            self._blank(number, block, r, width + 1)
            with T.If(tirx.all(row + r >= 1, row + r <= height)):
                with T.Then(), T.serial(0, width) as column, T.vectorized(0, lanes) as v:
                    T.buffer_store(target, source[block, (row + r - 1) * width + column, v], [block, r, column + 1, v])
                with T.Else(), T.serial(0, width) as column:
                    self._blank(number, block, r, column + 1)


class QuantisedUpsampler(Upsampler):
    """Arguments, in this order: each input in bytes, each weight (4 parities, 4 taps packed by `packing.quads`), bias (4
    parities, O), scales of the sums alike, and the byte that is zero for each input. All inputs' products go into the same sums.
    """

    def _declare(self) -> None:
        self._declare_matrices("uint8", "int8", QUAD)
        padded = self._out_blocks * self.lanes
        self._bias = argument("bias", (4, padded))
        self._scale = argument("scale", (4, padded))
        self._zero = argument("zero", (len(self.op.inputs),), "uint8")

    def _blank(self, number: int, *place: Expr) -> None:
        with T.vectorized(0, self.lanes) as v:
            T.buffer_store(self._rows[number], self._zero[number], [*place, v])

    def _accumulators(self, size: tuple[int, int, bool], first: Expr) -> Any:
        pixels, vectors, half = size
        return DotProducts(pixels, vectors, self.lanes, half)

    def _add(self, acc: Any, first: Expr, parity: Expr, tap: Expr, depth: int, weight: Any, x: Source) -> None:
        before, size = tap * (depth // QUAD), QUAD * self.lanes

        def vector(group: Expr, place: Expr) -> Expr:
            return weight[parity, T.ramp(group * (TAPS * depth * self.lanes) + place * size, 1, size)]

        acc.contract(
            depth,
            x,
            lambda quad, j: vector(first, (before + quad) * acc.full + j),
            lambda quad: vector(first + acc.full, (before + quad) // 2),
        )

    def _value(self, total: Expr, parity: Expr, output: Expr) -> Expr:
        return T.cast(total, "float32") * self._scale[parity, output] + self._bias[parity, output]


def _at(rows: Any, row: Expr, column: Expr, p: Expr, block: Expr, lane: Expr) -> Expr:
    """Pixel p of a tile that begins at `column` of the row."""
    return rows[block, row, column + p, lane]


def upsampler(op: Deconv, tile: Tile, lanes: int) -> Upsampler:
    return (QuantisedUpsampler if isinstance(op, QuantisedDeconv) else Upsampler)(op, tile, lanes)


def deconv(op: Deconv, tiling: DeconvTiling, lanes: int, name: str) -> tirx.PrimFunc:
    """(the arguments of the upsampler, those of `output` for Y (O, 2H · 2W, lanes)). One task is one input row."""

    def body() -> None:
        steps = upsampler(op, tiling.tile, lanes)
        shape = (blocks(op.outputs, lanes), 4 * op.height * op.width, lanes)
        store_value = output(shape, isinstance(op, QuantisedDeconv))

        with T.parallel(0, op.height) as row:
            steps.allocate()

            def store(block: Expr, parity: Expr, column: Expr, lane: Expr, value: Expr) -> None:
                store_value(value, [block, (2 * row + parity) * (2 * op.width) + column, lane])

            steps.emit(row, store)

    return prim_func(name, body)
