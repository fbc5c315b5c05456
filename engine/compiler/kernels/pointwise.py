"""1×1 convolution as a register-tiled matrix product over pixels, with bias and residual inside."""

from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.emit import (
    Expr,
    Registers,
    Tile,
    argument,
    blocks,
    half_block,
    over_groups,
    over_tiles,
    prim_func,
)


@dataclass(frozen=True, slots=True)
class Pointwise:
    """Y[o, p] = bias[o] + residual[o, p] + Σ_i weight[o, i] · X[i, p] for every pixel p."""

    inputs: int
    outputs: int
    pixels: int
    residual: bool


@dataclass(frozen=True, slots=True)
class PointwiseTiling:
    """tile: register tile. pixels_per_task: they divide the pixels."""

    tile: Tile
    pixels_per_task: int


def weight_offset(group_start: Expr, k: Expr, depth: int, vectors: int, lanes: int) -> Expr:
    """Place of input channel k's row in weights packed by `packing.matrix`: groups of `vectors` output blocks, each group
    (depth, vectors · lanes); `group_start` is the group's first block."""
    return group_start * (depth * lanes) + k * (vectors * lanes)


def half_weight_place(group_start: Expr, k: Expr, depth: int, full: int, lanes: int) -> Expr:
    """Places of the input channels k and k + 1 of a group's half block, which lies behind the group's `full` blocks."""
    return T.ramp((group_start + full) * (depth * lanes) + k // 2 * lanes, 1, lanes)


def pointwise(op: Pointwise, tiling: PointwiseTiling, lanes: int, name: str) -> tirx.PrimFunc:
    """(X (I, P, lanes), weights, bias, [residual (O, P, lanes)]) -> Y (O, P, lanes)."""
    tile, pixels_per_task = tiling.tile, tiling.pixels_per_task
    in_blocks, out_blocks = blocks(op.inputs, lanes), blocks(op.outputs, lanes)
    half = half_block(op.outputs, [op.inputs], lanes)
    if op.pixels % pixels_per_task:
        raise ValueError(f"{pixels_per_task} pixels a task do not divide {op.pixels}")

    def body() -> None:
        x = argument("x", (in_blocks, op.pixels, lanes))
        w = argument("w", ((op.outputs if half else out_blocks * lanes) * op.inputs,))
        bias = argument("bias", (out_blocks * lanes,))
        residual = argument("residual", (out_blocks, op.pixels, lanes)) if op.residual else None
        y = argument("y", (out_blocks, op.pixels, lanes))

        with T.parallel(0, op.pixels // pixels_per_task) as task:

            def group(first: Expr, vectors: int, ends_half: bool) -> None:
                def tile_of(start: Expr, pixels: int) -> None:
                    p0 = task * pixels_per_task + start
                    acc = Registers(pixels, vectors, lanes, ends_half)
                    acc.fill(
                        lambda p, j, v: (
                            bias[(first + j) * lanes + v]
                            if residual is None
                            else bias[(first + j) * lanes + v] + residual[first + j, p0 + p, v]
                        )
                    )
                    acc.contract(
                        op.inputs,
                        lambda p, block, lane: x[block, p0 + p, lane],
                        lambda k, o: w[weight_offset(first, k, op.inputs, acc.full, lanes) + o],
                        lambda k: w[half_weight_place(first, k, op.inputs, acc.full, lanes)],
                    )
                    acc.settle()
                    with acc.each() as (p, j, v):
                        T.buffer_store(y, acc[p, j, v], [first + j, p0 + p, v])

                over_tiles(pixels_per_task, tile.pixels, tile_of)

            over_groups(out_blocks, tile.vectors, half, group)

    return prim_func(name, body)
