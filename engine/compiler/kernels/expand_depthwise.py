"""The first two thirds of an inverted bottleneck in one pass: expand 1×1 and depthwise K×K, both with ReLU6.

One task makes a few blocks of middle channels for the whole picture. A ring of K expanded rows stays in the cache, so the
expanded activation (6× the input) never reaches memory and nothing is computed twice.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

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
from engine.compiler.kernels.pointwise import weight_offset


@dataclass(frozen=True, slots=True)
class ExpandDepthwise:
    """X (I, H, W) -> relu6(depthwise(relu6(expand(X)))) (M, H / stride, W / stride)."""

    inputs: int
    middle: int
    height: int
    width: int
    kernel: int
    stride: int


def depthwise_row(
    acc: Registers,
    columns: int,
    kernel: int,
    stride: int,
    row: Callable[[int, Expr], Expr],
    weight: Callable[[int, Expr], Expr],
) -> None:
    """Adds one kernel row: acc[p] += Σ_kx row(p · stride + kx) · weight(kx), for one block of channels.

    Goes by input column, so that each input vector is loaded once and used for all the outputs that it touches.
    """
    for column in range((columns - 1) * stride + kernel):
        for kx in range(kernel):
            p, between = divmod(column - kx, stride)
            if between == 0 and 0 <= p < columns:
                with T.vectorized(0, acc.lanes) as v:
                    acc[p, 0, v] = acc[p, 0, v] + row(column, v) * weight(kx, v)


def expand_depthwise(op: ExpandDepthwise, tile: Tile, columns: int, lanes: int, name: str) -> tirx.PrimFunc:
    """(X (I, H · W, lanes), expand weights, bias, depthwise weights (M, K · K, lanes), bias) -> Y (M, H' · W', lanes).

    tile: of the expansion; its vectors are also the blocks of one task. columns: outputs of one depthwise step.
    """
    in_blocks, mid_blocks = blocks(op.inputs, lanes), blocks(op.middle, lanes)
    height, width, k = op.height, op.width, op.kernel
    half, out_height, out_width = k // 2, height // op.stride, width // op.stride
    if mid_blocks % tile.vectors:
        raise ValueError(f"{tile.vectors} blocks a task do not divide {mid_blocks}")

    def body() -> None:
        x = argument("x", (in_blocks, height * width, lanes))
        w1 = argument("w1", (mid_blocks * lanes * op.inputs,))
        b1 = argument("b1", (mid_blocks * lanes,))
        w2 = argument("w2", (mid_blocks, k * k, lanes))
        b2 = argument("b2", (mid_blocks * lanes,))
        y = argument("y", (mid_blocks, out_height * out_width, lanes))

        with T.parallel(0, mid_blocks // tile.vectors) as task:
            first = task * tile.vectors
            ring = scratch((tile.vectors, k, width + 2 * half, lanes))
            with T.serial(0, tile.vectors) as j, T.serial(0, k) as r, T.serial(0, half) as c:
                zero_fill(ring, lanes, j, r, c)
                zero_fill(ring, lanes, j, r, width + half + c)

            def expand(row: Expr, start: Expr, pixels: int) -> None:
                acc = Registers(pixels, tile.vectors, lanes)
                acc.fill(lambda p, j, v: b1[(first + j) * lanes + v])
                acc.contract(
                    op.inputs,
                    lambda p, block, lane: x[block, row * width + start + p, lane],
                    lambda i, o: w1[weight_offset(first, i, op.inputs, tile.vectors, lanes) + o],
                )
                with acc.each() as (p, j, v):
                    T.buffer_store(ring, clipped(acc[p, j, v], RELU6), [j, row % k, start + p + half, v])

            def depthwise(block: Expr, row: Expr, start: Expr, pixels: int) -> None:
                acc = Registers(pixels, 1, lanes)
                acc.fill(lambda p, j, v: b2[(first + block) * lanes + v])
                top = T.max(row - 2 * half, 0)
                with T.serial(top, T.min(row, height - 1) + 1) as r:
                    depthwise_row(
                        acc,
                        pixels,
                        k,
                        op.stride,
                        lambda column, v: ring[block, r % k, start * op.stride + column, v],
                        lambda kx, v: w2[first + block, (r - row + 2 * half) * k + kx, v],
                    )
                with acc.each() as (p, j, v):
                    place = [first + block, (row - half) // op.stride * out_width + start + p, v]
                    T.buffer_store(y, clipped(acc[p, j, v], RELU6), place)

            # `row` is the newest expanded row; the depthwise output it completes lies `half` rows above it.
            with T.serial(0, height + half) as row:
                with T.If(row < height), T.Then():
                    over_tiles(width, tile.pixels, lambda start, pixels: expand(row, start, pixels))
                with (
                    T.If(tirx.all(row >= half, (row - half) % op.stride == 0)),
                    T.Then(),
                    T.serial(0, tile.vectors) as block,
                ):
                    over_tiles(out_width, columns, lambda start, pixels: depthwise(block, row, start, pixels))

    return prim_func(name, body)
