"""How many registers, pixels and rows each kernel works on at a time, chosen from what the target's cores can hold."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from engine.compiler.kernels.bottleneck import Bottleneck, BottleneckTiling
from engine.compiler.kernels.deconv import DeconvTiling
from engine.compiler.kernels.depthwise import Patch, ring_rows
from engine.compiler.kernels.dot_product import INSTRUCTIONS
from engine.compiler.kernels.emit import Tile, blocks, half_block
from engine.compiler.kernels.expand_depthwise import ExpandDepthwise, ExpandDepthwiseTiling
from engine.compiler.kernels.head import Head, HeadTiling, UpsampledHead, UpsampledHeadTiling
from engine.compiler.kernels.pointwise import Pointwise, PointwiseTiling
from engine.compiler.kernels.stem import Stem, StemTiling
from engine.compiler.kernels.upsampler import Deconv
from engine.compiler.packing import QUAD

MOST_VECTORS, MOST_PIXELS = 6, 16  # of a register tile
HALO = 0.06  # of a bottleneck's work that a task may do again for a neighbouring one
SHARING = 0.2  # of a group's work that is done again when the workers share it by bands of rows
SPARE = 2  # registers beside those of a tile where `Core.load_store`: LLVM loads ahead
CACHE_FLOATS = 6144  # of one task's input in a 1×1 convolution: well inside a first-level cache


@dataclass(frozen=True, slots=True)
class Core:
    """What the tiling needs to know of a target's core.

    lanes:     floats of one vector register; also the channel block of the layout.
    registers: vector registers.
    threads:   workers that share a kernel's tasks.
    cache:     bytes of a core's second-level cache, or of its share of it.
    elements:  type of activations and weights, float32 or float16.
    load_store: whether arithmetic takes its operands from registers only, as on ARM. Elsewhere an instruction can read a
               weight or an input from memory.
    dot_product: instruction for sums of 8-bit products, if 1×1 and transposed convolutions are to be computed with it.
    """

    lanes: int
    registers: int
    threads: int
    cache: int
    elements: str = "float32"
    load_store: bool = False
    dot_product: str | None = None

    @property
    def element_bytes(self) -> int:
        return 2 if self.elements == "float16" else 4

    @property
    def accumulators(self) -> int:
        """Registers that a tile may take; with more, LLVM runs out of them for inputs and weights and spills."""
        return self.registers * 3 // 4

    def holds(self, tile: Tile, operands: int) -> bool:
        """Whether a register tile fits. operands: weights and inputs that are multiplied at the same time."""
        accumulators = tile.vectors * tile.pixels
        if self.load_store:
            return accumulators + operands <= self.registers - SPARE
        return accumulators <= self.accumulators


def matrix_operands(tile: Tile) -> int:
    """Of one input channel: a weight for each output block, and each pixel's value."""
    return tile.vectors + tile.pixels


def lane_operands(tile: Tile) -> int:
    """Of four input channels in bytes: weights, vectors that hold four pixels' values, and another that LLVM loads ahead."""
    return tile.vectors + blocks(tile.pixels, QUAD) + 1


def product_operands(core: Core) -> Callable[[Tile], int]:
    """What the matrix products of 1×1 and transposed convolutions hold beside their sums."""
    by_lane = core.dot_product is not None and INSTRUCTIONS[core.dot_product].by_lane
    return lane_operands if by_lane else matrix_operands


def stem_operands(tile: Tile) -> int:
    """Neighbouring pixels' bytes do not lie in the same vector, so LLVM loads the next channel's ahead."""
    return 2 * matrix_operands(tile)


def tile(core: Core, vectors: int, pixels: int, operands: Callable[[Tile], int] | None = None) -> Tile:
    """The best register tile for `vectors` output blocks × `pixels` pixels in a row; for `operands` see `Core.holds`, by
    default those of a 1×1 or transposed convolution.

    A tile of V × P accumulators does V · P multiply-adds for V + P loads, and fewer than eight accumulators leave the
    multipliers waiting for each other. What a division by the tile leaves over is done by a smaller, slower tile.
    """
    operands = operands or product_operands(core)
    options = [
        option
        for v in range(1, min(vectors, MOST_VECTORS) + 1)
        for p in range(1, min(pixels, MOST_PIXELS) + 1)
        if core.holds(option := Tile(v, p), operands(option))
    ]
    return min(options, key=lambda option: tile_cost(option, vectors, pixels), default=Tile(1, 1))


def tile_cost(tile: Tile, vectors: int, pixels: int) -> float:
    """Estimated time relative to a perfect tile's."""
    v, p = tile.vectors, tile.pixels
    cost = _cover(vectors, v) * _cover(pixels, p)
    cost *= max(1.0, 8 / (v * p)) * max(1.0, (v + p) / (v * p) + 0.55)
    # A remainder tile costs about as much as a full one of a third the work.
    cost += 0.1 * (vectors % v > 0) + 0.1 * (pixels % p > 0)
    return round(cost + 0.02 * (v * p < 16), 9)


def _cover(length: int, step: int) -> float:
    """Work relative to `length` when it is done in steps: a remainder is less efficient than a full step."""
    full, rest = divmod(length, step)
    return (full * step + (rest + step) / 2 * (rest > 0)) / length


def expansion_tile(core: Core, middle: int, width: int) -> Tile:
    """Tile of a fused expand + depthwise kernel. Its vectors are the blocks made at a time, so they divide the middle's."""
    mid_blocks = blocks(middle, core.lanes)
    best, best_cost = Tile(1, 1), float("inf")
    for v in (v for v in range(1, 5) if mid_blocks % v == 0):
        candidate = tile(core, v, width)
        if candidate.vectors != v:
            wide = (Tile(v, p) for p in range(min(width, core.accumulators // v), 1, -1))
            operands = product_operands(core)
            candidate = next((option for option in wide if core.holds(option, operands(option))), Tile(v, 1))
        # Groups that the workers cannot divide among themselves they share, and rows between bands are made twice.
        shared = (mid_blocks // v % core.threads) * v / mid_blocks
        loads = (v + candidate.pixels) / (v * candidate.pixels)
        cost = (1 + SHARING * shared) * (1 + 0.25 * loads) * _cover(width, candidate.pixels)
        if cost < best_cost - 1e-9:
            best, best_cost = candidate, cost
    return best


def depthwise_patch(core: Core, height: int, width: int, kernel: int, stride: int = 1, rows: int = 2) -> Patch:
    """Outputs of one depthwise step: about half the registers accumulate; the others hold weights and an input. rows: at
    most."""
    rows = rows if height % rows == 0 else 1
    most = core.registers // 2 // rows + (rows == 2)
    if core.load_store:
        most = min(most, _columns_in_registers(core, kernel, stride, rows))
    most = max(1, min(width, most))
    least = min(most, max(1, 4 // rows))
    remainder = 0.02 if core.load_store else 0.0  # a second loop, which also needs registers for its addresses

    def cost(columns: int) -> float:
        loads = (rows + kernel - 1) * (columns + kernel - 1) / (rows * columns * kernel * kernel)
        work = _cover(width, columns) * max(1.0, 8 / (rows * columns)) * (1 + loads)
        return work + remainder * (width % columns > 0)

    return Patch(rows, min(range(least, most + 1), key=lambda columns: (cost(columns), -columns)))


def _columns_in_registers(core: Core, kernel: int, stride: int, rows: int) -> int:
    """Most columns of a patch that LLVM computes without the stack where weights and inputs need registers too: each
    row's weights stay, and with a stride more inputs are loaded ahead. As counted in its code for 32 registers."""
    ahead = core.registers * (5 if stride > 1 else 6) // 16
    return min(ahead, (core.registers - 6) // rows - kernel)


def pixels_per_task(core: Core, inputs: int, pixels: int, step: int) -> int:
    """Pixels of one task of a 1×1 convolution: whole tiles, inside the cache, and evenly many tasks for the threads."""
    if pixels % step:
        step = 1
    tiles = pixels // step
    limit = max(1, CACHE_FLOATS // (inputs * step))
    best, best_cost = 1, float("inf")
    for count in (n for n in range(1, tiles + 1) if tiles % n == 0):
        tasks = tiles // count
        imbalance = -(-tasks // core.threads) * core.threads / tasks
        cost = imbalance + 0.1 * max(0.0, count / limit - 1) + 0.2 / count
        if cost < best_cost - 1e-9:
            best, best_cost = count, cost
    return best * step


def rows_per_task(core: Core, height: int, halo: int, multiple: int = 1) -> int:
    """Output rows of one task that also computes `halo` rows of its neighbours; a multiple of `multiple`."""
    options = [rows for rows in range(multiple, height + 1, multiple) if height % rows == 0]

    def cost(rows: int) -> float:
        tasks = height // rows
        return -(-tasks // core.threads) * core.threads / tasks * (1 + halo / rows * 0.5)

    return min(options, key=cost)


@singledispatch
def default(op: Any, core: Core) -> Any:
    """The tiling of one operator, of the class that its kernel takes."""
    raise TypeError(f"no kernel for {type(op).__name__}")


@default.register
def _(op: Stem, core: Core) -> StemTiling:
    out_height, out_width = op.height // 2, op.width // 2
    chosen = tile(core, blocks(op.middle, core.lanes), out_width, stem_operands)
    return StemTiling(chosen, rows_per_task(core, out_height, 2))


@default.register
def _(op: Bottleneck, core: Core) -> BottleneckTiling | None:
    """None where two kernels are faster: what a task keeps must fit the second-level cache, bands of rows must not have
    to compute too much twice, and only the 1×1 kernel computes half a block of outputs as half a block."""
    inner, chosen = op.inner, whole_bottleneck(op, core)
    if half_block(op.outputs, [inner.middle], core.lanes):
        return None
    middle = blocks(inner.middle, core.lanes) * core.lanes
    ring = ring_rows(chosen.patch.rows, inner.kernel, inner.stride) * (inner.width + inner.kernel - 1)
    weights = inner.inputs + inner.kernel**2 + op.outputs
    if core.element_bytes * middle * (ring + weights) > core.cache:
        return None
    halo = (core.threads - 1) * (inner.kernel - inner.stride) / inner.height
    per_pixel = inner.stride**2 * inner.inputs + inner.kernel**2 + op.outputs
    repeated = halo * inner.stride**2 * inner.inputs / per_pixel
    return chosen if repeated <= HALO and chosen.bands == core.threads else None


def whole_bottleneck(op: Bottleneck, core: Core) -> BottleneckTiling:
    """How to compute a bottleneck in one kernel, whether or not that is faster than two."""
    inner = op.inner
    patch = depthwise_patch(core, inner.out_height, inner.out_width, inner.kernel, inner.stride)
    return BottleneckTiling(
        tile(core, blocks(inner.middle, core.lanes), inner.width),
        tile(core, blocks(op.outputs, core.lanes), patch.rows * patch.columns),
        patch,
        min(core.threads, inner.out_height // patch.rows),
    )


@default.register
def _(op: ExpandDepthwise, core: Core) -> ExpandDepthwiseTiling:
    # What a task expands is little: to read it again for every row costs less than the registers for two rows' weights.
    rows = 1 if core.load_store else 2
    patch = depthwise_patch(core, op.out_height, op.out_width, op.kernel, op.stride, rows)
    workers = min(core.threads, op.out_height // patch.rows)
    return ExpandDepthwiseTiling(expansion_tile(core, op.middle, op.width), patch, workers)


@default.register
def _(op: Pointwise, core: Core) -> PointwiseTiling:
    chosen = tile(core, blocks(op.outputs, core.lanes), op.pixels)
    return PointwiseTiling(chosen, pixels_per_task(core, op.inputs, op.pixels, chosen.pixels))


@default.register
def _(op: Deconv, core: Core) -> DeconvTiling:
    return DeconvTiling(tile(core, blocks(op.outputs, core.lanes), op.width // op.SIDE))


@default.register
def _(op: UpsampledHead, core: Core) -> UpsampledHeadTiling:
    return UpsampledHeadTiling(default(op.deconv, core), _head_tiling(op.head, core, op.made_rows))


def _head_tiling(op: Head, core: Core, multiple: int) -> HeadTiling:
    """multiple: of rows a task has."""

    def operands(tile: Tile) -> int:
        return tile.vectors + blocks(tile.pixels, core.lanes)  # the maps' weights are neighbours

    return HeadTiling(
        tile(core, op.width // core.lanes, op.outputs, operands),
        rows_per_task(core, op.height, op.kernel - 1, multiple),
        depthwise_patch(core, op.height, op.width, op.kernel),
    )
