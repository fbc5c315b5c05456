"""An output head in one pass: for each branch depthwise K×K and ReLU, then one 1×1 over all of them, to planar maps.

The refined and the raw branch end in the same sum, so their two 1×1 convolutions are one matrix product. Before it, a row
is turned from blocks of channels to blocks of pixels: so no vector is spent on padding the few outputs to a whole block, and
the maps are written row by row as their readers want them.
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
    over_vectors,
    prim_func,
    scratch,
    transpose,
    zero_fill,
)
from engine.compiler.kernels.expand_depthwise import depthwise_row


@dataclass(frozen=True, slots=True)
class Head:
    """inputs: channels of each branch; outputs: maps."""

    inputs: tuple[int, ...]
    outputs: int
    height: int
    width: int
    kernel: int


@dataclass(frozen=True, slots=True)
class _Branch:
    """Arguments of one branch and its scratch: the newest `kernel` input rows, and one row of the depthwise output."""

    channels: int
    blocks: int
    x: Any
    weight: Any
    bias: Any
    ring: Any = None
    line: Any = None


def head(op: Head, tile: Tile, rows: int, columns: int, lanes: int, name: str) -> tirx.PrimFunc:
    """(1×1 weights (Σ I, O), for each branch: X (I, H · W, lanes), depthwise weights (I, K · K, lanes), bias) -> maps (O, H, W).

    tile: vectors of pixels × maps. rows: output rows of one task. columns: outputs of one depthwise step.
    """
    height, width, k = op.height, op.width, op.kernel
    half = k // 2
    if height % rows:
        raise ValueError(f"{rows} rows a task do not divide {height}")

    def body() -> None:
        projection = argument("projection", (sum(op.inputs), op.outputs))
        inputs = [_declare(i, channels, op, lanes) for i, channels in enumerate(op.inputs)]
        maps = argument("maps", (op.outputs, height, width))

        with T.parallel(0, height // rows) as task:
            branches = [_allocate(branch, op, lanes) for branch in inputs]
            turned = scratch((sum(branch.blocks for branch in branches) * lanes, width))

            with T.serial(0, rows + 2 * half) as step:
                newest = task * rows + step - half
                with T.If(tirx.all(newest >= 0, newest < height)), T.Then():
                    for branch in branches:
                        _read_row(branch, newest, op, lanes)
                with T.If(step >= 2 * half), T.Then():
                    first = 0
                    for branch in branches:
                        _depthwise(branch, newest - half, op, columns, lanes)
                        _turn(branch, turned, first, width, lanes)
                        first += branch.blocks * lanes
                    _project(branches, turned, projection, maps, newest - half, op, tile, lanes)

    return prim_func(name, body)


def _declare(number: int, channels: int, op: Head, lanes: int) -> _Branch:
    count = blocks(channels, lanes)
    return _Branch(
        channels,
        count,
        argument(f"x{number}", (count, op.height * op.width, lanes)),
        argument(f"w{number}", (count, op.kernel * op.kernel, lanes)),
        argument(f"b{number}", (count * lanes,)),
    )


def _allocate(branch: _Branch, op: Head, lanes: int) -> _Branch:
    half = op.kernel // 2
    ring = scratch((branch.blocks, op.kernel, op.width + 2 * half, lanes))
    line = scratch((branch.blocks, op.width, lanes))
    with T.serial(0, branch.blocks) as block, T.serial(0, op.kernel) as r, T.serial(0, half) as c:
        zero_fill(ring, lanes, block, r, c)
        zero_fill(ring, lanes, block, r, op.width + half + c)
    return _Branch(branch.channels, branch.blocks, branch.x, branch.weight, branch.bias, ring, line)


def _read_row(branch: _Branch, row: Expr, op: Head, lanes: int) -> None:
    with T.serial(0, branch.blocks) as block, T.serial(0, op.width) as c, T.vectorized(0, lanes) as v:
        place = [block, row % op.kernel, c + op.kernel // 2, v]
        T.buffer_store(branch.ring, branch.x[block, row * op.width + c, v], place)


def _depthwise(branch: _Branch, row: Expr, op: Head, columns: int, lanes: int) -> None:
    half = op.kernel // 2

    def tile_of(block: Expr, start: Expr, pixels: int) -> None:
        acc = Registers(pixels, 1, lanes)
        acc.fill(lambda p, j, v: branch.bias[block * lanes + v])
        with T.serial(T.max(row - half, 0), T.min(row + half, op.height - 1) + 1) as r:
            depthwise_row(
                acc,
                pixels,
                op.kernel,
                1,
                lambda column, v: branch.ring[block, r % op.kernel, start + column, v],
                lambda kx, v: branch.weight[block, (r - row + half) * op.kernel + kx, v],
            )
        with acc.each() as (p, j, v):
            T.buffer_store(branch.line, clipped(acc[p, j, v], RELU), [block, start + p, v])

    with T.serial(0, branch.blocks) as block:
        over_tiles(op.width, columns, lambda start, pixels: tile_of(block, start, pixels))


def _turn(branch: _Branch, turned: Any, first: int, width: int, lanes: int) -> None:
    """Rows of `turned` from `first` on: one for each channel of the branch's newest line."""

    def square(block: Expr, start: Expr) -> None:
        transpose(
            lambda i: branch.line[block, start + i, T.ramp(0, 1, lanes)],
            lambda i, vector: T.buffer_store(turned, vector, [first + block * lanes + i, T.ramp(start, 1, lanes)]),
            lanes,
        )

    with T.serial(0, branch.blocks) as block:
        over_vectors(width, lanes, 1, lambda start, _: square(block, start))


def _project(
    branches: list[_Branch], turned: Any, projection: Any, maps: Any, row: Expr, op: Head, tile: Tile, lanes: int
) -> None:
    def tile_of(first_map: Expr, count: int, start: Expr, vectors: int) -> None:
        acc = Registers(count, vectors, lanes)
        acc.fill(lambda p, j, v: T.float32(0))
        first_row, first_weight = 0, 0
        for branch in branches:

            def weight_of(p: Expr, block: Expr, lane: Expr, first: int = first_weight) -> Expr:
                return projection[first + block * lanes + lane, first_map + p]

            def pixels_of(k: Expr, o: Expr, first: int = first_row) -> Expr:
                return turned[first + k, start + o]

            acc.contract(branch.channels, weight_of, pixels_of)
            first_row += branch.blocks * lanes
            first_weight += branch.channels
        with acc.each() as (p, j, v):
            T.buffer_store(maps, acc[p, j, v], [first_map + p, row, start + j * lanes + v])

    def maps_of(first_map: Expr, count: int) -> None:
        over_vectors(op.width, lanes, tile.vectors, lambda start, vectors: tile_of(first_map, count, start, vectors))

    over_tiles(op.outputs, tile.pixels, maps_of)
