"""1×1 convolution as a register-tiled matrix product over pixels, with bias and residual inside."""

from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.emit import (
    Expr,
    Tile,
    argument,
    blocks,
    half_block,
    over_groups,
    over_tiles,
    prim_func,
)
from engine.compiler.kernels.product import IntegerProduct, Product, output
from engine.compiler.packing import QUAD


@dataclass(frozen=True, slots=True)
class Pointwise:
    """Y[o, p] = bias[o] + residual[o, p] + Σ_i weight[o, i] · X[i, p] for every pixel p."""

    inputs: int
    outputs: int
    pixels: int
    residual: bool

    def half(self, lanes: int) -> bool:
        """Whether the last block of outputs is computed as half a block."""
        return half_block(self.outputs, [self.inputs], lanes)


@dataclass(frozen=True, slots=True)
class QuantisedPointwise(Pointwise):
    """X in bytes, weights in 8 bits; Y in floats and in bytes."""

    def half(self, lanes: int) -> bool:
        return half_block(self.outputs, [self.inputs], lanes) and self.inputs % (2 * QUAD) == 0


@dataclass(frozen=True, slots=True)
class PointwiseTiling:
    """tile: register tile. pixels_per_task: they divide the pixels."""

    tile: Tile
    pixels_per_task: int


def pointwise(op: Pointwise, tiling: PointwiseTiling, lanes: int, name: str) -> tirx.PrimFunc:
    """(X (I, P, lanes), the arguments of the product, [residual (O, P, lanes)], the arguments of `output`)."""
    tile, pixels_per_task = tiling.tile, tiling.pixels_per_task
    in_blocks, out_blocks = blocks(op.inputs, lanes), blocks(op.outputs, lanes)
    half = op.half(lanes)
    quantised = isinstance(op, QuantisedPointwise)
    kind = IntegerProduct if quantised else Product
    if op.pixels % pixels_per_task:
        raise ValueError(f"{pixels_per_task} pixels a task do not divide {op.pixels}")

    def body() -> None:
        x = argument("x", (in_blocks, op.pixels, lanes), kind.inputs())
        product = kind(op.inputs, op.outputs, lanes, half)
        residual = argument("residual", (out_blocks, op.pixels, lanes)) if op.residual else None
        store = output((out_blocks, op.pixels, lanes), quantised)

        with T.parallel(0, op.pixels // pixels_per_task) as task:

            def group(first: Expr, vectors: int, ends_half: bool) -> None:
                def tile_of(start: Expr, pixels: int) -> None:
                    p0 = task * pixels_per_task + start
                    product.tile(
                        first,
                        vectors,
                        pixels,
                        lambda p, block, lane: x[block, p0 + p, lane],
                        lambda p, j, v, value: store(value, [first + j, p0 + p, v]),
                        None if residual is None else lambda p, j, v: residual[first + j, p0 + p, v],
                        ends_half,
                    )

                over_tiles(pixels_per_task, tile.pixels, tile_of)

            over_groups(out_blocks, tile.vectors, half, group)

    return prim_func(name, body)
