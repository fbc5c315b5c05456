"""A step of the deconv head in 8 bits: each output parity is a 2×2 convolution of the input.

A task copies the rows that it needs into scratch with a zero column at both sides, so that no tile is special. Winograd's
differences would not fit bytes.
"""

from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.dot_product import DotProducts, instruction
from engine.compiler.kernels.emit import RELU, Expr, argument, clipped, scratch
from engine.compiler.kernels.upsampler import Size, Store, Upsampler
from engine.compiler.packing import QUAD

TAPS = 4  # of one output parity: (dy, dx), each 0 or 1


class QuantisedUpsampler(Upsampler):
    """Arguments, in this order: each input in bytes, each weight (packed by `packing.quads`), bias (4 parities, O), scales of
    the sums alike, the byte that is zero for each input, and, if bytes are signed, what the sums begin with (4 parities, O).
    All inputs' products go into the same sums."""

    MATRICES = TAPS

    def _declare(self) -> None:
        kind = instruction()
        self._declare_matrices(kind.inputs, "int8", QUAD)
        padded = self._out_blocks * self.lanes
        self._bias = argument("bias", (4, padded))
        self._scale = argument("scale", (4, padded))
        self._zero = argument("zero", (len(self.op.inputs),), kind.inputs)
        self._start: Any = argument("start", (4, padded), "int32") if kind.offset else None
        self._rows: list[Any] = []

    def allocate(self) -> None:
        self._rows = [
            scratch((count, 3, self.op.width + 2, self.lanes), str(x.dtype))
            for count, x in zip(self._in_blocks, self._inputs)
        ]

    def _read(self, number: int, row: Expr) -> None:
        """Rows row - 1 … row + 1 of an input, zeros where there are none, with a zero column at both sides."""
        height, width, lanes = self.op.height, self.op.width, self.lanes
        source, target = self._inputs[number], self._rows[number]

        def blank(*place: Expr) -> None:
            with T.vectorized(0, lanes) as v:
                T.buffer_store(target, self._zero[number], [*place, v])

        with T.serial(0, self._in_blocks[number]) as block, T.serial(0, 3) as r:
            blank(block, r, 0)
            blank(block, r, width + 1)
            with T.If(tirx.all(row + r >= 1, row + r <= height)):
                with T.Then(), T.serial(0, width) as column, T.vectorized(0, lanes) as v:
                    T.buffer_store(target, source[block, (row + r - 1) * width + column, v], [block, r, column + 1, v])
                with T.Else(), T.serial(0, width) as column:
                    blank(block, r, column + 1)

    def _tile(self, size: Size, first: Expr, parity_y: Expr, parity_x: Expr, start: Expr, store: Store) -> None:
        pixels, vectors, half = size
        parity = parity_y * 2 + parity_x

        def begin(j: Expr) -> Expr:
            return self._start[parity, T.ramp((first + j) * self.lanes, 1, self.lanes)]

        acc = DotProducts(pixels, vectors, self.lanes, half, begin if self._start is not None else None)
        for rows, weight, depth in zip(self._rows, self._weights, self._depths):
            with T.serial(0, TAPS) as tap:
                place = parity_y + tap // 2, start + parity_x + tap % 2
                self._add(acc, first, parity, tap, depth, weight, rows, place)
        acc.settle()
        with acc.each() as (p, j, v):
            o = (first + j) * self.lanes + v
            value = T.cast(acc[p, j, v], "float32") * self._scale[parity, o] + self._bias[parity, o]
            store(first + j, parity_y, 2 * (start + p) + parity_x, v, clipped(value, RELU))

    def _add(
        self,
        acc: DotProducts,
        first: Expr,
        parity: Expr,
        tap: Expr,
        depth: int,
        weight: Any,
        rows: Any,
        place: tuple[Expr, Expr],
    ) -> None:
        """Adds one tap of one input, `depth` channels deep. place: row and column of the tile's first pixel."""
        before, size = tap * (depth // QUAD), QUAD * self.lanes
        row, column = place

        def vector(group: Expr, quad: Expr) -> Expr:
            return weight[parity, T.ramp(group * (TAPS * depth * self.lanes) + quad * size, 1, size)]

        acc.contract(
            depth,
            lambda p, block, lane: rows[block, row, column + p, lane],
            lambda quad, j: vector(first, (before + quad) * acc.full + j),
            lambda quad: vector(first + acc.full, (before + quad) // 2),
        )
