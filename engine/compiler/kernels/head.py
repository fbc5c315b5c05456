"""An output head in one pass: for each input depthwise K×K and ReLU, then one 1×1 over all of them, to planar maps.

The refined and the raw branch end in the same sum, so their two 1×1 convolutions are one matrix product.
"""

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
from engine.compiler.kernels.expand_depthwise import depthwise_row
from engine.compiler.kernels.pointwise import weight_offset


@dataclass(frozen=True, slots=True)
class Head:
    """inputs: channels of each branch; outputs: maps."""

    inputs: tuple[int, ...]
    outputs: int
    height: int
    width: int
    kernel: int


def head(op: Head, tile: Tile, rows: int, columns: int, lanes: int, name: str) -> tirx.PrimFunc:
    """(for each branch: X (I, H · W, lanes), depthwise weights (I, K · K, lanes), bias, 1×1 weights) -> maps (O, H, W).

    rows: output rows of one task; columns: outputs of one depthwise step.
    """
    in_blocks = [blocks(channels, lanes) for channels in op.inputs]
    out_blocks = blocks(op.outputs, lanes)
    height, width, k = op.height, op.width, op.kernel
    half = k // 2
    if height % rows:
        raise ValueError(f"{rows} rows a task do not divide {height}")

    def body() -> None:
        branches = [
            (
                argument(f"x{i}", (count, height * width, lanes)),
                argument(f"dw{i}", (count, k * k, lanes)),
                argument(f"b{i}", (count * lanes,)),
                argument(f"pw{i}", (out_blocks * lanes * channels,)),
            )
            for i, (count, channels) in enumerate(zip(in_blocks, op.inputs))
        ]
        maps = argument("maps", (op.outputs, height, width))

        with T.parallel(0, height // rows) as task:
            rings = [scratch((count, k, width + 2 * half, lanes)) for count in in_blocks]
            lines = [scratch((count, width, lanes)) for count in in_blocks]
            for ring, count in zip(rings, in_blocks):
                with T.serial(0, count) as block, T.serial(0, k) as r, T.serial(0, half) as c:
                    zero_fill(ring, lanes, block, r, c)
                    zero_fill(ring, lanes, block, r, width + half + c)

            top = task * rows
            with T.serial(0, rows + 2 * half) as step:
                newest = top + step - half
                with T.If(tirx.all(newest >= 0, newest < height)), T.Then():
                    for (x, *_), ring, count in zip(branches, rings, in_blocks):
                        with T.serial(0, count) as block, T.serial(0, width) as c, T.vectorized(0, lanes) as v:
                            T.buffer_store(ring, x[block, newest * width + c, v], [block, newest % k, c + half, v])
                with T.If(step >= 2 * half), T.Then():
                    row = newest - half
                    for (_, weight, bias, _), ring, line, count in zip(branches, rings, lines, in_blocks):
                        with T.serial(0, count) as block:
                            _depthwise(ring, line, weight, bias, block, row, op, columns, lanes)
                    _project([branch[3] for branch in branches], lines, maps, row, op, tile, lanes)

    return prim_func(name, body)


def _depthwise(
    ring: Any, line: Any, weight: Any, bias: Any, block: Expr, row: Expr, op: Head, columns: int, lanes: int
) -> None:
    half = op.kernel // 2

    def tile_of(start: Expr, pixels: int) -> None:
        acc = Registers(pixels, 1, lanes)
        acc.fill(lambda p, j, v: bias[block * lanes + v])
        with T.serial(T.max(row - half, 0), T.min(row + half, op.height - 1) + 1) as r:
            depthwise_row(
                acc,
                pixels,
                op.kernel,
                1,
                lambda column, v: ring[block, r % op.kernel, start + column, v],
                lambda kx, v: weight[block, (r - row + half) * op.kernel + kx, v],
            )
        with acc.each() as (p, j, v):
            T.buffer_store(line, clipped(acc[p, j, v], RELU), [block, start + p, v])

    over_tiles(op.width, columns, tile_of)


def _project(weights: list[Any], lines: list[Any], maps: Any, row: Expr, op: Head, tile: Tile, lanes: int) -> None:
    def group(first: int, vectors: int) -> None:
        outputs = min(vectors * lanes, op.outputs - first * lanes)

        def tile_of(start: Expr, pixels: int) -> None:
            acc = Registers(pixels, vectors, lanes)
            acc.fill(lambda p, j, v: T.float32(0))
            for weight, line, channels in zip(weights, lines, op.inputs):
                acc.contract(
                    channels,
                    lambda p, block, lane: line[block, start + p, lane],
                    lambda i, o: weight[weight_offset(first, i, channels, vectors, lanes) + o],
                )
            # Through memory from pixel-major to planar: lanes of one vector belong to different maps.
            turned = T.alloc_buffer((pixels * vectors * lanes,), "float32", scope="global")
            with acc.each() as (p, j, v):
                T.buffer_store(turned, acc[p, j, v], [(p * vectors + j) * lanes + v])
            with T.serial(0, outputs) as o, T.vectorized(0, pixels) as p:
                T.buffer_store(maps, turned[p * (vectors * lanes) + o], [first * lanes + o, row, start + p])

        over_tiles(op.width, tile.pixels, tile_of)

    full, rest = divmod(blocks(op.outputs, lanes), tile.vectors)
    for g in range(full):
        group(g * tile.vectors, tile.vectors)
    if rest:
        group(full * tile.vectors, rest)
