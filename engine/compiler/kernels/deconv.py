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
    over_tiles,
    prim_func,
    scratch,
    zero_fill,
)
from engine.compiler.kernels.pointwise import weight_offset

Reader = Callable[[Expr, Expr], Expr]
TAPS = 4  # of one output parity: (dy, dx), each 0 or 1


@dataclass(frozen=True, slots=True)
class Deconv:
    """inputs: channels of each input, the refined features first; one without fusion, two with it."""

    inputs: tuple[int, ...]
    outputs: int
    height: int
    width: int


def deconv(op: Deconv, tile: Tile, lanes: int, name: str) -> tirx.PrimFunc:
    """(each input (I, H · W, lanes), each weight (4 parities, 4 taps packed as one matrix of depth 4 · I), bias) ->
    Y (O, 2H · 2W, lanes)."""
    in_blocks = [blocks(channels, lanes) for channels in op.inputs]
    out_blocks = blocks(op.outputs, lanes)
    height, width = op.height, op.width

    def body() -> None:
        inputs = [argument(f"x{i}", (count, height * width, lanes)) for i, count in enumerate(in_blocks)]
        weights = [argument(f"w{i}", (4, out_blocks * lanes * TAPS * channels)) for i, channels in enumerate(op.inputs)]
        bias = argument("bias", (out_blocks * lanes,))
        y = argument("y", (out_blocks, 4 * height * width, lanes))

        with T.parallel(0, height) as row:
            rows = [scratch((count, 3, width + 2, lanes)) for count in in_blocks]
            for source, target, count in zip(inputs, rows, in_blocks):
                _copy_rows(source, target, count, row, height, width, lanes)

            def group(first: Expr, vectors: int) -> None:
                def tile_of(parity_y: Expr, parity_x: Expr, start: Expr, pixels: int) -> None:
                    acc = Registers(pixels, vectors, lanes)
                    acc.fill(lambda p, j, v: bias[(first + j) * lanes + v])
                    for source, weight, channels in zip(rows, weights, op.inputs):
                        parity = parity_y * 2 + parity_x

                        def weight_of(
                            tap: Expr, weight: Any = weight, channels: int = channels, parity: Expr = parity
                        ) -> Reader:
                            depth = TAPS * channels
                            return lambda k, o: weight[
                                parity, weight_offset(first, tap * channels + k, depth, vectors, lanes) + o
                            ]

                        with T.serial(0, TAPS) as tap:
                            pixels_of = _reader(source, parity_y + tap // 2, start + parity_x + tap % 2)
                            acc.contract(channels, pixels_of, weight_of(tap))
                    with acc.each() as (p, j, v):
                        place = [first + j, (2 * row + parity_y) * (2 * width) + 2 * (start + p) + parity_x, v]
                        T.buffer_store(y, clipped(acc[p, j, v], RELU), place)

                with T.serial(0, 2) as parity_y, T.serial(0, 2) as parity_x:
                    over_tiles(width, tile.pixels, lambda start, pixels: tile_of(parity_y, parity_x, start, pixels))

            over_tiles(out_blocks, tile.vectors, group)

    return prim_func(name, body)


def _reader(rows: Any, row: Expr, column: Expr) -> Callable[[Expr, Expr, Expr], Expr]:
    return lambda p, block, lane: rows[block, row, column + p, lane]


def _copy_rows(source: Any, target: Any, count: int, row: Expr, height: int, width: int, lanes: int) -> None:
    """Rows row - 1 … row + 1 of `source`, zeros where there are none, with a zero column at both sides."""
    with T.serial(0, count) as block, T.serial(0, 3) as r:
        zero_fill(target, lanes, block, r, 0)
        zero_fill(target, lanes, block, r, width + 1)
        inside = tirx.all(row + r >= 1, row + r <= height)
        with T.If(inside):
            with T.Then(), T.serial(0, width) as column, T.vectorized(0, lanes) as v:
                T.buffer_store(target, source[block, (row + r - 1) * width + column, v], [block, r, column + 1, v])
            with T.Else(), T.serial(0, width) as column:
                zero_fill(target, lanes, block, r, column + 1)
