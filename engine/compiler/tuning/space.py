"""Which tilings a search tries for an operator: around the best so far, one choice varied at a time.

Every choice multiplies the number of tilings, but they hardly depend on each other: the register tile that suits an
expansion is the same whatever patch its depthwise convolution takes. So a search goes choice by choice.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import singledispatch
from typing import Any

from engine.compiler import tiling
from engine.compiler.kernels.bottleneck import Bottleneck, BottleneckTiling
from engine.compiler.kernels.deconv import DeconvTiling
from engine.compiler.kernels.depthwise import Patch
from engine.compiler.kernels.emit import Tile, blocks
from engine.compiler.kernels.expand_depthwise import ExpandDepthwise, ExpandDepthwiseTiling
from engine.compiler.kernels.head import Head, HeadTiling, UpsampledHead
from engine.compiler.kernels.pointwise import Pointwise, PointwiseTiling
from engine.compiler.kernels.stem import Stem, StemTiling
from engine.compiler.kernels.upsampler import Deconv
from engine.compiler.tiling import Core

MOST = 8  # alternatives tried for one choice
Vary = Callable[[Any], Iterable[Any]]


def tiles(core: Core, vectors: int, pixels: int, fits: Callable[[Tile], bool] = lambda tile: True) -> list[Tile]:
    """Register tiles that should be good, by the rule's estimate; a few take more registers than the rule allows."""
    options = [
        Tile(v, p)
        for v in range(1, min(vectors, tiling.MOST_VECTORS) + 1)
        for p in range(1, min(pixels, tiling.MOST_PIXELS) + 1)
        if core.registers // 4 <= v * p <= core.registers - 4 and fits(Tile(v, p))
    ]
    return sorted(options, key=lambda option: tiling.tile_cost(option, vectors, pixels))[:MOST]


def patches(core: Core, height: int, width: int, rows: Iterable[int] = (1, 2, 3, 4)) -> list[Patch]:
    """Patches of a depthwise step whose outputs fill a quarter to three quarters of the registers."""
    options = [
        Patch(r, c)
        for r in rows
        for c in range(1, min(width, core.registers * 3 // 4 // r) + 1)
        if height % r == 0 and r * c >= core.registers // 4
    ]

    def waste(patch: Patch) -> tuple[float, int]:
        uncovered = width % patch.columns > 0
        return uncovered + abs(patch.rows * patch.columns - core.registers / 2) / core.registers, -patch.columns

    return sorted(options, key=waste)[:MOST]


def divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


@singledispatch
def choices(op: Any, core: Core) -> list[Vary]:
    """One function a choice: from the best tiling so far to those that differ from it in that choice."""
    raise TypeError(f"no search for {type(op).__name__}")


@choices.register
def _(op: Stem, core: Core) -> list[Vary]:
    options = tiles(core, blocks(op.middle, core.lanes), op.width // 2)
    rows = [n for n in divisors(op.height // 2) if n >= 4]

    def vary_tile(best: StemTiling) -> Iterable[StemTiling]:
        return [replace(best, tile=tile) for tile in options]

    def vary_rows(best: StemTiling) -> Iterable[StemTiling]:
        return [replace(best, rows=n) for n in rows[-MOST:]]

    return [vary_tile, vary_rows]


@choices.register
def _(op: Bottleneck, core: Core) -> list[Vary]:
    inner = op.inner
    expansions = tiles(core, blocks(inner.middle, core.lanes), inner.width)
    shapes = patches(core, inner.out_height, inner.out_width)

    def vary_patch(best: BottleneckTiling) -> Iterable[BottleneckTiling]:
        for patch in shapes:
            area = patch.rows * patch.columns
            bands = min(best.bands, inner.out_height // patch.rows)
            projection = tiling.tile(core, blocks(op.outputs, core.lanes), area)
            yield replace(best, patch=patch, projection=projection, bands=bands)

    def vary_expansion(best: BottleneckTiling) -> Iterable[BottleneckTiling]:
        return [replace(best, expansion=tile) for tile in expansions]

    def vary_projection(best: BottleneckTiling) -> Iterable[BottleneckTiling]:
        area = best.patch.rows * best.patch.columns
        return [replace(best, projection=tile) for tile in tiles(core, blocks(op.outputs, core.lanes), area)]

    def vary_bands(best: BottleneckTiling) -> Iterable[BottleneckTiling]:
        most = inner.out_height // best.patch.rows
        return [replace(best, bands=core.threads * n) for n in (1, 2, 3, 4) if core.threads * n <= most]

    return [vary_patch, vary_expansion, vary_projection, vary_bands]


@choices.register
def _(op: ExpandDepthwise, core: Core) -> list[Vary]:
    mid_blocks = blocks(op.middle, core.lanes)
    options = tiles(core, mid_blocks, op.width, lambda tile: mid_blocks % tile.vectors == 0)
    shapes = patches(core, op.out_height, op.out_width)

    def vary_tile(best: ExpandDepthwiseTiling) -> Iterable[ExpandDepthwiseTiling]:
        return [replace(best, tile=tile) for tile in options]

    def vary_patch(best: ExpandDepthwiseTiling) -> Iterable[ExpandDepthwiseTiling]:
        return [replace(best, patch=patch) for patch in shapes]

    return [vary_patch, vary_tile]


@choices.register
def _(op: Pointwise, core: Core) -> list[Vary]:
    options = tiles(core, blocks(op.outputs, core.lanes), op.pixels)

    def vary_tile(best: PointwiseTiling) -> Iterable[PointwiseTiling]:
        for tile in options:
            yield PointwiseTiling(tile, tiling.pixels_per_task(core, op.inputs, op.pixels, tile.pixels))

    def vary_task(best: PointwiseTiling) -> Iterable[PointwiseTiling]:
        step = best.tile.pixels
        sizes = [n for n in divisors(op.pixels) if n % step == 0 or n > 4 * step]
        sizes.sort(key=lambda n: abs(n - best.pixels_per_task))
        return [replace(best, pixels_per_task=n) for n in sizes[:MOST]]

    return [vary_tile, vary_task]


@choices.register
def _(op: Deconv, core: Core) -> list[Vary]:
    options = tiles(core, blocks(op.outputs, core.lanes), op.width // op.SIDE)

    def vary_tile(best: DeconvTiling) -> Iterable[DeconvTiling]:
        return [DeconvTiling(tile) for tile in options]

    return [vary_tile]


@choices.register
def _(op: UpsampledHead, core: Core) -> list[Vary]:
    def of_head(vary: Vary) -> Vary:
        return lambda best: [replace(best, head=head) for head in vary(best.head)]

    def of_deconv(vary: Vary) -> Vary:
        return lambda best: [replace(best, deconv=step) for step in vary(best.deconv)]

    return [
        *map(of_deconv, choices(op.deconv, core)),
        *map(of_head, _head_choices(op.head, core, divisors(op.made_rows), op.made_rows)),
    ]


def _head_choices(op: Head, core: Core, patch_rows: Iterable[int], multiple: int) -> list[Vary]:
    """multiple: of rows a task has."""
    options = tiles(core, op.width // core.lanes, op.outputs)
    shapes = patches(core, op.height, op.width, patch_rows)

    def vary_tile(best: HeadTiling) -> Iterable[HeadTiling]:
        return [replace(best, tile=tile) for tile in options]

    def vary_patch(best: HeadTiling) -> Iterable[HeadTiling]:
        return [replace(best, patch=patch) for patch in shapes if best.rows % patch.rows == 0]

    def vary_rows(best: HeadTiling) -> Iterable[HeadTiling]:
        sizes = [n for n in divisors(op.height) if n % multiple == 0 and n % best.patch.rows == 0 and n >= 4]
        return [replace(best, rows=n) for n in sizes[-MOST:]]

    return [vary_tile, vary_patch, vary_rows]
