"""A whole inverted bottleneck in one pass: expand 1×1, depthwise K×K, project 1×1 and the shortcut.

One task makes a band of output rows. A ring of expanded rows of every middle channel lies in the second-level cache, and
the depthwise outputs of a patch of pixels in the first: neither of the two wide activations (6× the input) ever reaches
memory. The price is that neighbouring bands both expand the rows between them, and that all weights are read again for every
patch of rows; so it suits the large, narrow stages, and `expand_depthwise` with `pointwise` the small, wide ones.
"""

from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.depthwise import Patch
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
)
from engine.compiler.kernels.expand_depthwise import ExpandDepthwise, Expansion
from engine.compiler.kernels.pointwise import weight_offset


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """X (I, H, W) -> project(relu6(depthwise(relu6(expand(X))))) (O, H / stride, W / stride), plus X if `residual`."""

    inner: ExpandDepthwise
    outputs: int
    residual: bool


@dataclass(frozen=True, slots=True)
class BottleneckTiling:
    """expansion, projection: register tiles of the 1×1 convolutions. patch: of the depthwise step; the projection's pixels
    are taken from one patch. bands: tasks, each a band of output rows."""

    expansion: Tile
    projection: Tile
    patch: Patch
    bands: int


def bottleneck(op: Bottleneck, tiling: BottleneckTiling, lanes: int, name: str) -> tirx.PrimFunc:
    """(X (I, H · W, lanes), expand weights, bias, depthwise weights (M, K · K, lanes), bias, project weights, bias)
    -> Y (O, H' · W', lanes)."""
    inner, patch, projection = op.inner, tiling.patch, tiling.projection
    mid_blocks, out_blocks = blocks(inner.middle, lanes), blocks(op.outputs, lanes)

    def body() -> None:
        expansion = Expansion(inner, tiling.expansion, patch, lanes)
        w3 = argument("w3", (out_blocks * lanes * inner.middle,))
        b3 = argument("b3", (out_blocks * lanes,))
        y = argument("y", (out_blocks, inner.out_height * inner.out_width, lanes))

        with T.parallel(0, tiling.bands) as band:
            expansion.allocate(0, mid_blocks)
            middle = scratch((mid_blocks, patch.rows * patch.columns, lanes))

            def finish(row: Expr, start: Expr, columns: int) -> None:
                with T.serial(0, mid_blocks) as block:
                    acc = expansion.depthwise(block, row, start, columns)
                    with acc.each() as (p, j, v):
                        T.buffer_store(middle, clipped(acc[p, j, v], RELU6), [block, p, v])
                over_tiles(out_blocks, projection.vectors, lambda first, n: project(first, n, row, start, columns))

            def project(first: Expr, vectors: int, row: Expr, start: Expr, columns: int) -> None:
                def tile_of(inside: Expr, pixels: int) -> None:
                    def place(p: Expr) -> Expr:
                        return (row + (inside + p) // columns) * inner.out_width + start + (inside + p) % columns

                    acc = Registers(pixels, vectors, lanes)
                    acc.fill(
                        lambda p, j, v: (
                            b3[(first + j) * lanes + v] + expansion.x[first + j, place(p), v]
                            if op.residual
                            else b3[(first + j) * lanes + v]
                        )
                    )
                    acc.contract(
                        inner.middle,
                        lambda p, block, lane: middle[block, inside + p, lane],
                        lambda m, o: w3[weight_offset(first, m, inner.middle, vectors, lanes) + o],
                    )
                    with acc.each() as (p, j, v):
                        T.buffer_store(y, acc[p, j, v], [first + j, place(p), v])

                over_tiles(patch.rows * columns, projection.pixels, tile_of)

            patches = inner.out_height // patch.rows
            top, bottom = band * patches // tiling.bands, (band + 1) * patches // tiling.bands
            expansion.over_rows(
                top,
                bottom,
                lambda row: over_tiles(
                    inner.out_width, patch.columns, lambda start, columns: finish(row, start, columns)
                ),
            )

    return prim_func(name, body)
