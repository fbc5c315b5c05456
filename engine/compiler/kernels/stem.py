"""The network's first layers in one pass, from the camera's bytes: 3×3 stride 2 and ReLU6, depthwise 3×3 and ReLU6, 1×1.

Normalisation is folded into the first weights, and the picture's border is padded with the mean colour, which is what the
network's zero padding means before normalisation. Three rows of the first layer's output are kept in a ring.
"""

from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.depthwise import Patch, add_depthwise
from engine.compiler.kernels.emit import (
    RELU6,
    Expr,
    Registers,
    Tile,
    argument,
    blocks,
    clipped,
    element,
    over_tiles,
    prim_func,
    scratch,
    zero_fill,
)
from engine.compiler.kernels.product import output, weight_offset

COLOURS = 3
KERNEL = 3


@dataclass(frozen=True, slots=True)
class Stem:
    """Picture (H, W, 3) uint8 BGR -> (outputs, H / 2, W / 2), through `middle` channels."""

    height: int
    width: int
    middle: int
    outputs: int


@dataclass(frozen=True, slots=True)
class QuantisedStem(Stem):
    """The same in floats, but the result also in bytes, for the quantised layer behind it."""


@dataclass(frozen=True, slots=True)
class StemTiling:
    """tile: register tile of the 3×3 and the 1×1 convolution. rows: output rows of one task; they divide H / 2."""

    tile: Tile
    rows: int


def stem(op: Stem, tiling: StemTiling, lanes: int, name: str) -> tirx.PrimFunc:
    """(picture, mean (3,), 3×3 weights packed with depth 27 = (ky, kx, colour), bias, depthwise weights (M, 9, lanes), bias,
    1×1 weights, bias, the arguments of `output`)."""
    tile, rows = tiling.tile, tiling.rows
    mid_blocks, out_blocks = blocks(op.middle, lanes), blocks(op.outputs, lanes)
    out_height, out_width = op.height // 2, op.width // 2
    depth = KERNEL * KERNEL * COLOURS
    row_length = (op.width + 1) * COLOURS
    if out_height % rows:
        raise ValueError(f"{rows} rows a task do not divide {out_height}")

    def body() -> None:
        picture = argument("picture", (op.height, op.width * COLOURS), "uint8")
        mean = argument("mean", (COLOURS,))
        w1 = argument("w1", (mid_blocks * lanes * depth,))
        b1 = argument("b1", (mid_blocks * lanes,))
        w2 = argument("w2", (mid_blocks, KERNEL * KERNEL, lanes))
        b2 = argument("b2", (mid_blocks * lanes,))
        w3 = argument("w3", (out_blocks * lanes * op.middle,))
        b3 = argument("b3", (out_blocks * lanes,))
        store = output((out_blocks, out_height * out_width, lanes), isinstance(op, QuantisedStem))

        with T.parallel(0, out_height // rows) as task:
            pixels_ring = scratch((KERNEL, row_length))  # picture rows as floats, the left border's mean colour first
            ring = scratch((mid_blocks, KERNEL, out_width + 2, lanes))  # first layer's rows, zero columns at both sides
            line = scratch((mid_blocks, out_width, lanes))  # the depthwise layer's newest row
            with T.serial(0, mid_blocks) as j, T.serial(0, KERNEL) as r:
                zero_fill(ring, lanes, j, r, 0)
                zero_fill(ring, lanes, j, r, out_width + 1)

            def read_row(row: Expr) -> None:
                """Picture row `row`, which may be -1, as floats."""
                slot = (row + KERNEL) % KERNEL
                with T.serial(0, COLOURS) as c:
                    T.buffer_store(pixels_ring, mean[c], [slot, c])
                with T.If(row >= 0):
                    with T.Then(), T.vectorized(0, op.width * COLOURS) as i:
                        T.buffer_store(pixels_ring, element(picture[row, i]), [slot, COLOURS + i])
                    with T.Else(), T.serial(0, op.width) as i, T.unroll(0, COLOURS) as c:
                        T.buffer_store(pixels_ring, mean[c], [slot, COLOURS + i * COLOURS + c])

            def first_layer(row: Expr) -> None:
                def group(first: Expr, vectors: int) -> None:
                    def tile_of(start: Expr, pixels: int) -> None:
                        acc = Registers(pixels, vectors, lanes)
                        acc.fill(lambda p, j, v: b1[(first + j) * lanes + v])
                        with T.serial(0, KERNEL) as ky:
                            slot = (2 * row + ky + KERNEL - 1) % KERNEL
                            with T.unroll(0, KERNEL * COLOURS) as i:
                                acc.multiply_add(
                                    lambda p: pixels_ring[slot, (start + p) * 2 * COLOURS + i],
                                    lambda o: w1[
                                        weight_offset(first, ky * KERNEL * COLOURS + i, depth, vectors, lanes) + o
                                    ],
                                )
                        with acc.each() as (p, j, v):
                            place = [first + j, row % KERNEL, start + p + 1, v]
                            T.buffer_store(ring, clipped(acc[p, j, v], RELU6), place)

                    over_tiles(out_width, tile.pixels, tile_of)

                over_tiles(mid_blocks, tile.vectors, group)

            def depthwise(row: Expr) -> None:
                def tile_of(block: Expr, start: Expr, pixels: int) -> None:
                    acc = Registers(pixels, 1, lanes)
                    acc.fill(lambda p, j, v: b2[block * lanes + v])
                    add_depthwise(
                        acc,
                        Patch(1, pixels),
                        KERNEL,
                        1,
                        row,
                        out_height,
                        lambda r, column, v: ring[block, r % KERNEL, start + column, v],
                        lambda ky, kx, v: w2[block, ky * KERNEL + kx, v],
                    )
                    with acc.each() as (p, j, v):
                        T.buffer_store(line, clipped(acc[p, j, v], RELU6), [block, start + p, v])

                with T.serial(0, mid_blocks) as block:
                    over_tiles(out_width, 8, lambda start, pixels: tile_of(block, start, pixels))

            def project(row: Expr) -> None:
                def group(first: Expr, vectors: int) -> None:
                    def tile_of(start: Expr, pixels: int) -> None:
                        acc = Registers(pixels, vectors, lanes)
                        acc.fill(lambda p, j, v: b3[(first + j) * lanes + v])
                        acc.contract(
                            op.middle,
                            lambda p, block, lane: line[block, start + p, lane],
                            lambda k, o: w3[weight_offset(first, k, op.middle, vectors, lanes) + o],
                        )
                        with acc.each() as (p, j, v):
                            store(acc[p, j, v], [first + j, row * out_width + start + p, v])

                    over_tiles(out_width, tile.pixels, tile_of)

                over_tiles(out_blocks, tile.vectors, group)

            # One row above and one below the task's own are computed too: the depthwise layer needs them.
            top = task * rows
            with T.If(task > 0), T.Then():
                read_row(2 * top - 3)
            with T.serial(0, rows + 2) as step:
                row = top + step - 1
                with T.If(tirx.all(row >= 0, row < out_height)), T.Then():
                    with T.If(row == 0), T.Then():
                        read_row(-1)
                    read_row(2 * row)
                    read_row(2 * row + 1)
                    first_layer(row)
                with T.If(step >= 2), T.Then():
                    depthwise(row - 1)
                    project(row - 1)

    return prim_func(name, body)
