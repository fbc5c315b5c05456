"""Convolutions as tiled matrix products over pixels: 1×1, and the four 2×2 ones that make a transposed convolution.

A work item accumulates `vectors` output blocks × `pixels` pixels in registers. Its group either reads straight from
memory (GPUs whose local memory is main memory, such as Mali), or copies chunks of input and weights to local memory first,
or lets several items share one tile's input channels and adds up their parts (small pictures on large GPUs).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tvm.script.ir_builder import tirx as T

from engine.compiler.gpu.kernels.emit import (
    LANES,
    RELU,
    Clip,
    Expr,
    Kernel,
    Place,
    Registers,
    barrier,
    blocks,
    clipped,
    inside,
    kernel,
    lane,
    local,
    only_if,
    spread,
    vectors,
    zeros,
)
from engine.compiler.gpu.kernels.parts import add_parts
from engine.compiler.gpu.program import Grid

TAPS = 4  # of one output parity of a transposed convolution
CHUNK = 4  # blocks of input channels that are copied to local memory at a time
Store = Callable[[Expr, Expr, Expr], None]  # (output block, pixel, value)


@dataclass(frozen=True, slots=True)
class GemmTile:
    """vectors, pixels: of a work item. columns, rows: items of a group along pixels and output blocks.

    split:  items that share a tile's input channels. staged: input and weights go through local memory; split is 1 then.
    """

    vectors: int
    pixels: int
    columns: int
    rows: int
    split: int = 1
    staged: bool = False

    def grid(self, out_blocks: int, pixels: int, layers: int = 1) -> Grid:
        """layers: matrix products of this shape that one launch does."""
        along = -(-pixels // (self.columns * self.pixels))
        return Grid((along, self.row_groups(out_blocks), layers), (self.columns, self.rows, self.split))

    def row_groups(self, out_blocks: int) -> int:
        return -(-out_blocks // (self.rows * self.vectors))

    def padded_outputs(self, out_blocks: int) -> int:
        """Output channels for which weights are stored: whole tiles."""
        return self.row_groups(out_blocks) * self.rows * self.vectors * LANES


@dataclass(frozen=True, slots=True)
class Source:
    """One summand of a product. depth: its blocks of input channels, once for each tap.

    value(k, pixel): a block of input. weights: vectors packed as (tile, 4 · depth, tile.vectors); offset: of the layer.
    """

    depth: int
    value: Callable[[Expr, Expr], Expr]
    weights: Any
    offset: Expr


class Gemm:
    """Emits one product: store(block, pixel, Σ over sources) for every output block and pixel."""

    def __init__(self, tile: GemmTile, out_blocks: int, pixels: int, place: Place) -> None:
        self.tile, self.out_blocks, self.pixels, self.place = tile, out_blocks, pixels, place
        self._acc = Registers(tile.pixels * tile.vectors)
        self._x = Registers(tile.pixels)
        self._row = place.group[1] * tile.rows + place.item[1]  # number of this item's tile of output blocks

    def emit(self, sources: list[Source], store: Store) -> None:
        self._acc.clear()
        if self.tile.staged:
            inputs = local((CHUNK, self.tile.columns * self.tile.pixels))
            weights = local((CHUNK * LANES, self.tile.rows * self.tile.vectors))
            for source in sources:
                self._staged(source, inputs, weights)
        else:
            for source in sources:
                self._direct(source)
        add_parts(self._acc, self.tile.grid(self.out_blocks, self.pixels), self.place, lambda: self._store(store))

    def _pixel(self, number: int) -> Expr:
        return (self.place.group[0] * self.tile.pixels + number) * self.tile.columns + self.place.item[0]

    def _readable(self, pixel: Expr) -> Expr:
        """`pixel`, or one that exists: what is computed for it is not stored."""
        return T.min(pixel, self.pixels - 1) if self.pixels % (self.tile.columns * self.tile.pixels) else pixel

    def _direct(self, source: Source) -> None:
        tile = self.tile
        weights_at = source.offset + self._row * (source.depth * LANES * tile.vectors)

        def step(k: Expr) -> None:
            for p in range(tile.pixels):
                self._x[p] = source.value(k, self._readable(self._pixel(p)))
            self._multiply_add(lambda c, j: source.weights[weights_at + (k * LANES + c) * tile.vectors + j])

        with T.serial(0, -(-source.depth // tile.split)) as round_:
            k = round_ * tile.split + self.place.item[2]
            only_if(k < source.depth if source.depth % tile.split else True, lambda: step(k))

    def _multiply_add(self, weight: Callable[[int, int], Expr]) -> None:
        """Adds the outer product of the loaded block: weight(input channel, output block)."""
        tile = self.tile
        w = Registers(tile.vectors)
        for c in range(LANES):
            for j in range(tile.vectors):
                w[j] = weight(c, j)
            for p in range(tile.pixels):
                for j in range(tile.vectors):
                    at = p * tile.vectors + j
                    self._acc[at] = self._acc[at] + spread(lane(self._x[p], c)) * w[j]

    def _staged(self, source: Source, inputs: Any, weights: Any) -> None:
        tile, chunk = self.tile, min(CHUNK, source.depth)
        width, height = tile.columns * tile.pixels, tile.rows * tile.vectors
        with T.serial(0, -(-source.depth // chunk)) as round_:
            first = round_ * chunk

            def input_at(index: Expr, first: Expr = first) -> Expr:
                k, pixel = first + index // width, self.place.group[0] * width + index % width
                value = source.value(k, self._readable(pixel))
                return T.if_then_else(k < source.depth, value, zeros()) if source.depth % chunk else value

            def weight_at(index: Expr, first: Expr = first) -> Expr:
                channel, column = first * LANES + index // height, index % height
                row = self.place.group[1] * tile.rows + column // tile.vectors
                at = source.offset + (row * (source.depth * LANES) + channel) * tile.vectors + column % tile.vectors
                # Beyond the last channel the input is zero, but what lies there may be no number.
                return (
                    T.if_then_else(channel < source.depth * LANES, source.weights[at], zeros())
                    if source.depth % chunk
                    else source.weights[at]
                )

            self._copy(chunk * width, lambda i: T.buffer_store(inputs, input_at(i), [i // width, i % width]))
            self._copy(
                chunk * LANES * height, lambda i: T.buffer_store(weights, weight_at(i), [i // height, i % height])
            )
            barrier()
            with T.serial(0, chunk) as k:
                for p in range(tile.pixels):
                    self._x[p] = inputs[k, p * tile.columns + self.place.item[0]]
                self._multiply_add(lambda c, j: weights[k * LANES + c, self.place.item[1] * tile.vectors + j])
            barrier()

    def _copy(self, count: int, move: Callable[[Expr], None]) -> None:
        """move(i) for every i below `count`, shared by the group's items."""
        items = self.tile.columns * self.tile.rows
        own = self.place.item[1] * self.tile.columns + self.place.item[0]
        for start in range(0, count, items):
            only_if(start + own < count if start + items > count else True, partial(move, start + own))

    def _store(self, store: Store) -> None:
        tile = self.tile
        for p in range(tile.pixels):
            for j in range(tile.vectors):
                pixel, block = self._pixel(p), self._row * tile.vectors + j
                self._store_if_real(pixel, block, self._acc[p * tile.vectors + j], store)

    def _store_if_real(self, pixel: Expr, block: Expr, value: Expr, store: Store) -> None:
        exact_pixels = self.pixels % (self.tile.columns * self.tile.pixels) == 0
        exact_blocks = self.out_blocks % (self.tile.rows * self.tile.vectors) == 0
        only_if(
            True if exact_pixels else pixel < self.pixels,
            lambda: only_if(True if exact_blocks else block < self.out_blocks, lambda: store(block, pixel, value)),
        )


@dataclass(frozen=True, slots=True)
class Pointwise:
    """Y[o, p] = clip(bias[o] + residual[o, p] + Σ_i weight[o, i] · X[i, p]) for every pixel p."""

    inputs: int
    outputs: int
    pixels: int
    residual: bool
    clip: Clip | None


def pointwise(op: Pointwise, tile: GemmTile, name: str) -> Kernel:
    """(X, weights, bias, [residual], Y)."""
    in_blocks, out_blocks = blocks(op.inputs), blocks(op.outputs)
    arguments = {
        "x": vectors(in_blocks, op.pixels),
        "w": vectors(tile.padded_outputs(out_blocks) * in_blocks),
        "bias": vectors(out_blocks),
        **({"residual": vectors(out_blocks, op.pixels)} if op.residual else {}),
        "y": vectors(out_blocks, op.pixels),
    }

    def body(place: Place, x: Any, w: Any, bias: Any, *rest: Any) -> None:
        y = rest[-1]

        def store(block: Expr, pixel: Expr, value: Expr) -> None:
            value = value + bias[block]
            if op.residual:
                value = value + rest[0][block, pixel]
            T.buffer_store(y, clipped(value, op.clip), [block, pixel])

        source = Source(in_blocks, lambda k, pixel: x[k, pixel], w, 0)
        Gemm(tile, out_blocks, op.pixels, place).emit([source], store)

    return kernel(name, tile.grid(out_blocks, op.pixels), arguments, body)


@dataclass(frozen=True, slots=True)
class Deconv:
    """relu(bias + Σ deconv(input)), transposed 4×4 convolutions at stride 2. inputs: channels of each input, the refined
    features first; height, width: of the inputs; the output is twice as high and wide."""

    inputs: tuple[int, ...]
    outputs: int
    height: int
    width: int


def deconv(op: Deconv, tile: GemmTile, name: str) -> Kernel:
    """(X of each input, weights of each input (4 parities, …), bias, Y).

    Output row 2y + a is a 2×2 convolution of input rows y + a - 1 and y + a, columns alike, so that no multiplication
    meets an inserted zero. The four parities (a, b) are the launch's layers.
    """
    out_blocks, area = blocks(op.outputs), op.height * op.width
    in_blocks = [blocks(channels) for channels in op.inputs]
    sizes = [tile.padded_outputs(out_blocks) * TAPS * count for count in in_blocks]
    arguments = {
        **{f"x{i}": vectors(count, area) for i, count in enumerate(in_blocks)},
        **{f"w{i}": vectors(4 * size) for i, size in enumerate(sizes)},
        "bias": vectors(out_blocks),
        "y": vectors(out_blocks, 4 * area),
    }

    def body(place: Place, *buffers: Any) -> None:
        xs, ws = buffers[: len(in_blocks)], buffers[len(in_blocks) : 2 * len(in_blocks)]
        bias, y = buffers[-2:]
        parity = place.group[2]
        down, right = parity // 2, parity % 2

        def taps_of(x: Any, count: int) -> Callable[[Expr, Expr], Expr]:
            def value(k: Expr, pixel: Expr) -> Expr:
                tap, block = k // count, k % count
                row = pixel // op.width + down - 1 + tap // 2
                column = pixel % op.width + right - 1 + tap % 2
                exists = T.And(inside(row, op.height), inside(column, op.width))
                return T.if_then_else(exists, x[block, row * op.width + column], zeros())

            return value

        def store(block: Expr, pixel: Expr, value: Expr) -> None:
            row, column = 2 * (pixel // op.width) + down, 2 * (pixel % op.width) + right
            T.buffer_store(y, clipped(value + bias[block], RELU), [block, row * (2 * op.width) + column])

        sources = [
            Source(TAPS * count, taps_of(x, count), w, parity * size)
            for x, w, count, size in zip(xs, ws, in_blocks, sizes)
        ]
        Gemm(tile, out_blocks, area, place).emit(sources, store)

    return kernel(name, tile.grid(out_blocks, area, layers=4), arguments, body)
