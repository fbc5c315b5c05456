"""A step of the deconv head in floats, with nine products where its sub-pixel form needs sixteen.

Winograd's minimal algorithm F(2, 2) ("Arithmetic Complexity of Computations", SIAM 1980) gives two neighbouring outputs of a
convolution with two taps for three products:

    y0 = d0·g0 + d1·g1 = (d0 - d1)·g0 + d1·(g0 + g1)
    y1 = d1·g0 + d2·g1 = d1·(g0 + g1) - (d1 - d2)·g1

Here it is applied to rows and columns both: 2 × 2 outputs of a parity take 9 products of each input channel. All factors are
0 and ±1, so the rounding errors stay those of the plain sum. Both parities take the same of the input: each value, and the
difference of each pair of neighbours. These lie in turn in scratch, so that factor k of tile t of parity a is number
4t + 2a + k, in rows and in columns.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.emit import RELU, Expr, Registers, argument, clipped, constant, scratch, zero_fill
from engine.compiler.kernels.product import Source, half_weight_place, weight_offset
from engine.compiler.kernels.upsampler import Size, Store, Upsampler

TAPS = 3  # products of two outputs in one dimension
TRANSFORMED = 5  # rows of values and differences that the outputs of two input rows take


class WinogradUpsampler(Upsampler):
    """Arguments, in this order: each input, each weight (packed by `packing.winograd`), bias."""

    MATRICES = TAPS * TAPS

    def _declare(self) -> None:
        self._declare_matrices()
        self._bias = argument("bias", (self._out_blocks * self.lanes,))
        self._factors: list[Any] = []
        self._products: Any = None
        self._neighbours: Any = None

    def allocate(self) -> None:
        columns = 2 * self.op.width + 2
        self._factors = [scratch((count, TRANSFORMED, columns, self.lanes)) for count in self._in_blocks]
        self._products = scratch((self.MATRICES, self.tile.pixels * self.tile.vectors * self.lanes))
        self._neighbours = T.alloc_buffer((2,), "int32", scope="local")

    def _read(self, number: int, row: Expr) -> None:
        """Column 2c + 1 of a line of factors is the difference of columns c - 1 and c, column 2c + 2 column c itself."""
        width, lanes, factors = self.op.width, self.lanes, self._factors[number]
        self._find_neighbours(row)
        with T.serial(0, self._in_blocks[number]) as block:
            for r in range(TRANSFORMED):
                zero_fill(factors, lanes, block, r, 0)
            # One pass with a value and a difference of each line: they are stored once and not read again from far away.
            with T.serial(0, width) as column:
                for r in range(TRANSFORMED):
                    with T.vectorized(0, lanes) as v:
                        value = self._transformed(number, row, r, block, column, v)
                        before = factors[block, r, 2 * column, v]
                        T.buffer_store(factors, value, [block, r, 2 * column + 2, v])
                        T.buffer_store(factors, before - value, [block, r, 2 * column + 1, v])
            for r in range(TRANSFORMED):
                with T.vectorized(0, lanes) as v:
                    T.buffer_store(factors, factors[block, r, 2 * width, v], [block, r, 2 * width + 1, v])

    def _transformed(self, number: int, row: Expr, r: int, block: Expr, column: Expr, v: Expr) -> Expr:
        """Line r: the differences and values of the input rows row - 1 … row + 2 in turn."""
        after, odd = divmod(r, 2)
        value = self._value(number, row, after, block, column, v)
        return value if odd else self._value(number, row, after - 1, block, column, v) - value

    def _find_neighbours(self, row: Expr) -> None:
        """The rows that stand for row - 1 and row + 2, which at the map's edges are not there.

        They go through memory because TVM's simplifier must not see where they come from: under the condition that a row is
        there it would drop the bounds, and the row is loaded whether or not the condition holds.
        """
        for place, nearest in enumerate((T.max(row - 1, 0), T.min(row + 2, self.op.height - 1))):
            T.buffer_store(self._neighbours, nearest, [place])

    def _value(self, number: int, row: Expr, offset: int, block: Expr, column: Expr, v: Expr) -> Expr:
        """Input row `row` + `offset`, zeros where there is none."""
        x, width, y = self._inputs[number], self.op.width, row + offset
        if offset not in (-1, 2):
            return x[block, y * width + column, v]
        inside, nearest = (y >= 0, self._neighbours[0]) if offset == -1 else (y < self.op.height, self._neighbours[1])
        return tirx.Select(inside, x[block, nearest * width + column, v], constant(0))

    def _tile(self, size: Size, first: Expr, parity_y: Expr, parity_x: Expr, start: Expr, store: Store) -> None:
        pixels, vectors, half = size
        parity = parity_y * 2 + parity_x
        with T.serial(0, self.MATRICES) as point:
            row, column = 2 * parity_y + point // TAPS, 1 + 4 * start + 2 * parity_x + point % TAPS
            acc = Registers(pixels, vectors, self.lanes, half)
            acc.fill(lambda p, j, v: constant(0))
            for factors, weight, depth in zip(self._factors, self._weights, self._depths):
                self._add(acc, first, parity, point, depth, weight, partial(_at, factors, row, column))
            acc.settle()
            with acc.each() as (p, j, v):
                T.buffer_store(self._products, acc[p, j, v], [point, (p * vectors + j) * self.lanes + v])
        with T.unroll(0, pixels) as p, T.unroll(0, vectors) as j, T.vectorized(0, self.lanes) as v:
            products = [self._products[point, (p * vectors + j) * self.lanes + v] for point in range(self.MATRICES)]
            # The middle product is part of all four outputs, so it brings the bias into them.
            products[4] = products[4] + self._bias[(first + j) * self.lanes + v]
            for number, value in enumerate(_sums(products)):
                dy, dx = divmod(number, 2)
                column = 4 * (start + p) + 2 * dx + parity_x
                store(first + j, 2 * dy + parity_y, column, v, clipped(value, RELU))

    def _add(self, acc: Registers, first: Expr, parity: Expr, point: Expr, depth: int, weight: Any, x: Source) -> None:
        """Adds the products of one input, `depth` channels deep, with matrix `point`."""

        def place(offset: Callable[..., Expr], k: Expr) -> Expr:
            return offset(first, point * depth + k, self.MATRICES * depth, acc.full, self.lanes)

        acc.contract(
            depth,
            x,
            lambda k, o: weight[parity, place(weight_offset, k) + o],
            lambda k: weight[parity, place(half_weight_place, k)],
        )


def _at(factors: Any, row: Expr, column: Expr, p: Expr, block: Expr, lane: Expr) -> Expr:
    """What tile p of a register tile that begins at `column` takes."""
    return factors[block, row, column + 4 * p, lane]


def _sums(products: list[Expr]) -> list[Expr]:
    """The 2 × 2 outputs, row by row, of 3 × 3 products."""
    lines = [products[TAPS * y : TAPS * y + TAPS] for y in range(TAPS)]
    upper = [a + b for a, b in zip(lines[0], lines[1])]
    lower = [b - c for b, c in zip(lines[1], lines[2])]
    return [value for a, b, c in (upper, lower) for value in (a + b, b - c)]
