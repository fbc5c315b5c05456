"""How much each work item computes and how items form groups, chosen from what the target says of its GPU.

None of these costs was measured on a GPU: they count loads per multiply-add, idle items and padding.
"""

from itertools import product

from engine.compiler.gpu.kernels.candidates import FindCandidates
from engine.compiler.gpu.kernels.depthwise import Patch
from engine.compiler.gpu.kernels.emit import blocks
from engine.compiler.gpu.kernels.gemm import CHUNK, GemmTile
from engine.compiler.gpu.kernels.head import Head
from engine.compiler.gpu.kernels.parts import VECTOR_BYTES
from engine.compiler.gpu.kernels.stem import StemTile
from engine.compiler.gpu.presets import GpuTarget

SPLITS = (1, 2, 4, 8)
LEAST_ITEMS = 8  # along pixels in a group: fewer do not fill a transaction of memory
MOST_SPLIT_SHARE = 4  # blocks of channels that each part of a split sum has at least
STAGED_COLUMNS = 16


def gemm_tile(target: GpuTarget, out_blocks: int, pixels: int, depth: int, layers: int = 1) -> GemmTile:
    """Tile of a matrix product of `depth` input blocks; `layers` of them run in one launch."""
    best, best_cost = GemmTile(1, 1, LEAST_ITEMS, 1), float("inf")
    for vectors, own, split in product((1, 2, 3, 4, 6, 8), (1, 2, 4, 8), SPLITS):
        if vectors * own + own + vectors > target.registers or vectors > out_blocks:
            continue
        if split > 1 and depth < split * MOST_SPLIT_SHARE:
            continue
        tile = _gemm_groups(target, vectors, own, split, out_blocks, pixels)
        if tile is None:
            continue
        groups = tile.grid(out_blocks, pixels, layers)
        items = groups.groups[0] * groups.groups[1] * layers * tile.columns * tile.rows * split
        computed = groups.groups[0] * tile.columns * own * tile.padded_outputs(out_blocks) / 4
        waste = computed / (pixels * out_blocks)
        # Weights are the same for a whole row of items, so their loads cost less.
        loads = (own + 2 * vectors) / (4 * vectors * own)
        idle = max(1.0, target.work_items / items)
        cost = waste * (1 + 4 * loads) * idle**0.8 * (1 + 0.05 * (split - 1))
        if cost < best_cost - 1e-9:
            best, best_cost = tile, cost
    return best


def _gemm_groups(
    target: GpuTarget, vectors: int, own: int, split: int, out_blocks: int, pixels: int
) -> GemmTile | None:
    """The group for a tile, or None where there is none that the target can run."""
    across = _power_of_two(-(-pixels // own))
    if split > 1:
        columns = max(LEAST_ITEMS, min(across, target.work_group // split))
        needed = (split - 1) * vectors * own * columns * VECTOR_BYTES
        fits = needed <= target.local_memory and columns * split <= target.work_group
        return GemmTile(vectors, own, columns, 1, split) if fits else None
    rows = min(target.work_group // STAGED_COLUMNS, -(-out_blocks // vectors))
    needed = (STAGED_COLUMNS * own + 4 * rows * vectors) * CHUNK * VECTOR_BYTES
    # Local memory pays where several rows of items read the same input.
    if rows > 1 and needed <= target.local_memory and across >= STAGED_COLUMNS:
        return GemmTile(vectors, own, STAGED_COLUMNS, rows, staged=True)
    return GemmTile(vectors, own, min(across, target.work_group), 1)


def depthwise_patch(target: GpuTarget, channels: int, height: int, width: int, kernel: int, stride: int) -> Patch:
    """Patch of a depthwise layer with an output of `height` × `width` pixels."""
    best, best_cost = (1, 1), float("inf")
    for rows, columns in product((1, 2, 3, 4), (1, 2, 4)):
        reach = (columns - 1) * stride + kernel
        if rows * columns + reach > max(target.registers, kernel + 1) or rows > height or columns > width:
            continue
        loads = ((rows - 1) * stride + kernel) * reach / (rows * columns * kernel * kernel)
        weights = 1 / (rows * columns)
        items = -(-height // rows) * -(-width // columns) * blocks(channels)
        waste = -(-height // rows) * rows * -(-width // columns) * columns / (height * width)
        cost = waste * (1 + 2 * loads + weights) * max(1.0, target.work_items / items) ** 0.8
        if cost < best_cost - 1e-9:
            best, best_cost = (rows, columns), cost
    rows, columns = best
    across, down = _rectangle(target.work_group, -(-width // columns), -(-height // rows))
    return Patch(rows, columns, across, down)


def head_tile(target: GpuTarget, op: Head) -> tuple[Patch, int]:
    """Patch of an output head, and the items that share its channels."""
    out_blocks, in_blocks = blocks(op.outputs), sum(blocks(channels) for channels in op.inputs)
    columns = 2 if 2 * out_blocks + op.kernel + 3 <= target.registers and op.width % 2 == 0 else 1
    items = op.height * -(-op.width // columns)
    split = 1
    for more in SPLITS[1:]:
        group = target.work_group // more
        fits = (more - 1) * columns * out_blocks * group * VECTOR_BYTES <= target.local_memory
        if fits and items * split < target.work_items and in_blocks >= more * 2 and group >= LEAST_ITEMS:
            split = more
    across, down = _rectangle(target.work_group // split, -(-op.width // columns), op.height)
    return Patch(1, columns, across, down), split


def stem_tile(target: GpuTarget, outputs: int) -> StemTile:
    count = blocks(outputs)
    most = min(4, target.registers - 2)
    return StemTile(max(v for v in range(1, most + 1) if count % v == 0), target.work_group)


def per_pixel_items(target: GpuTarget) -> int:
    """Items of a group in kernels where each item has one pixel."""
    return target.work_group


def select_items(target: GpuTarget, op: FindCandidates) -> int:
    """Items that look for one joint's best peaks: many share the looking, few the steps of choosing."""
    return max(1, min(target.work_group, _power_of_two(op.cells)))


def _rectangle(items: int, width: int, height: int) -> tuple[int, int]:
    """Sides, powers of two, of a group of at most `items` that covers width × height items with little waste."""
    best, best_cost = (1, 1), float("inf")
    across = 1
    while across <= items:
        down = 1
        while across * down <= items:
            waste = -(-width // across) * across * -(-height // down) * down / (width * height)
            cost = waste * (items / (across * down)) ** 0.5 * (1 + 0.1 * (across < min(8, width)))
            # A square group shares more of its input than a flat one.
            cost *= 1 + 0.02 * abs(across - 2 * down) / items
            if cost < best_cost - 1e-9:
                best, best_cost = (across, down), cost
            down *= 2
        across *= 2
    return best


def _power_of_two(limit: int) -> int:
    """The largest power of two up to `limit`."""
    return 1 << (max(1, limit).bit_length() - 1)
