"""A whole inverted bottleneck in one pass: expand 1×1, depthwise K×K, project 1×1 and the shortcut.

One task makes a band of output rows. A ring of expanded rows of every middle channel lies in the second-level cache, and
the depthwise outputs of a patch of pixels in the first: neither of the two wide activations (6× the input) ever reaches
memory. The price is that neighbouring bands both expand the rows between them, and that all weights are read again for every
patch of rows; so it suits the large, narrow stages, and `expand_depthwise` with `pointwise` the small, wide ones.
"""

from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.depthwise import Patch
from engine.compiler.kernels.emit import Expr, Tile, argument, blocks, over_tiles, prim_func, scratch
from engine.compiler.kernels.expand_depthwise import ExpandDepthwise, Expansion
from engine.compiler.kernels.product import IntegerProduct, Product, output


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """X (I, H, W) -> project(relu6(depthwise(relu6(expand(X))))) (O, H / stride, W / stride), plus X if `residual`."""

    inner: ExpandDepthwise
    outputs: int
    residual: bool


@dataclass(frozen=True, slots=True)
class QuantisedBottleneck(Bottleneck):
    """X in bytes, and once more in floats for the shortcut; both 1×1 convolutions in 8 bits, `inner` being a
    QuantisedExpandDepthwise; the result in floats and in bytes."""


@dataclass(frozen=True, slots=True)
class BottleneckTiling:
    """expansion, projection: register tiles of the 1×1 convolutions. patch: of the depthwise step; the projection's pixels
    are taken from one patch. bands: tasks, each a band of output rows."""

    expansion: Tile
    projection: Tile
    patch: Patch
    bands: int


def bottleneck(op: Bottleneck, tiling: BottleneckTiling, lanes: int, name: str) -> tirx.PrimFunc:
    """(the arguments of Expansion, those of the product, [X in floats, if quantised and residual], those of `output`)."""
    inner, patch, projection = op.inner, tiling.patch, tiling.projection
    mid_blocks, out_blocks = blocks(inner.middle, lanes), blocks(op.outputs, lanes)
    quantised = isinstance(op, QuantisedBottleneck)

    def body() -> None:
        expansion = Expansion(inner, tiling.expansion, patch, lanes)
        product = (IntegerProduct if quantised else Product)(inner.middle, op.outputs, lanes)
        shape = (out_blocks, inner.out_height * inner.out_width, lanes)
        shortcut: Any = expansion.x if not quantised else argument("residual", shape) if op.residual else None
        store = output(shape, quantised)

        with T.parallel(0, tiling.bands) as band:
            expansion.allocate(0, mid_blocks)
            middle = scratch((mid_blocks, patch.rows * patch.columns, lanes), expansion.result)

            def finish(row: Expr, start: Expr, columns: int) -> None:
                with T.serial(0, mid_blocks) as block:
                    acc = expansion.depthwise(block, row, start, columns)
                    with acc.each() as (p, j, v):
                        T.buffer_store(middle, expansion.finished(acc[p, j, v]), [block, p, v])
                over_tiles(out_blocks, projection.vectors, lambda first, n: project(first, n, row, start, columns))

            def project(first: Expr, vectors: int, row: Expr, start: Expr, columns: int) -> None:
                def tile_of(inside: Expr, pixels: int) -> None:
                    def place(p: Expr) -> Expr:
                        return (row + (inside + p) // columns) * inner.out_width + start + (inside + p) % columns

                    product.tile(
                        first,
                        vectors,
                        pixels,
                        lambda p, block, lane: middle[block, inside + p, lane],
                        lambda p, j, v, value: store(value, [first + j, place(p), v]),
                        (lambda p, j, v: shortcut[first + j, place(p), v]) if op.residual else None,
                    )

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
