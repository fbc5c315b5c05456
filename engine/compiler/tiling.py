"""How many registers, pixels and rows each kernel works on at a time, chosen from what the target's cores can hold."""

from dataclasses import dataclass

from engine.compiler.kernels.emit import Tile, blocks

CACHE_FLOATS = 6144  # of one task's input in a 1×1 convolution: well inside a first-level cache


@dataclass(frozen=True, slots=True)
class Core:
    """What the tiling needs to know of a target's core.

    lanes:     floats of one vector register; also the channel block of the layout.
    registers: vector registers.
    threads:   workers that share a kernel's tasks.
    """

    lanes: int
    registers: int
    threads: int

    @property
    def accumulators(self) -> int:
        """Registers that a tile may take; with more, LLVM runs out of them for inputs and weights and spills."""
        return self.registers * 3 // 4


def tile(core: Core, vectors: int, pixels: int) -> Tile:
    """The best register tile for `vectors` output blocks × `pixels` pixels in a row.

    A tile of V × P accumulators does V · P multiply-adds for V + P loads, and fewer than eight accumulators leave the
    multipliers waiting for each other. What a division by the tile leaves over is done by a smaller, slower tile.
    """
    best, best_cost = Tile(1, 1), float("inf")
    for v in range(1, min(vectors, 6) + 1):
        for p in range(1, min(pixels, 16) + 1):
            if v * p > core.accumulators:
                continue
            cost = _cover(vectors, v) * _cover(pixels, p)
            cost *= max(1.0, 8 / (v * p)) * max(1.0, (v + p) / (v * p) + 0.55)
            # A remainder tile costs about as much as a full one of a third the work.
            cost += 0.1 * (vectors % v > 0) + 0.1 * (pixels % p > 0)
            cost += 0.02 * (v * p < 16)
            if cost < best_cost - 1e-9:
                best, best_cost = Tile(v, p), cost
    return best


def _cover(length: int, step: int) -> float:
    """Work relative to `length` when it is done in steps: a remainder is less efficient than a full step."""
    full, rest = divmod(length, step)
    return (full * step + (rest + step) / 2 * (rest > 0)) / length


def expansion_tile(core: Core, middle: int, width: int) -> Tile:
    """Tile of a fused expand + depthwise kernel. Its vectors are one task's blocks, so they also balance the threads."""
    mid_blocks = blocks(middle, core.lanes)
    best, best_cost = Tile(1, 1), float("inf")
    for v in (v for v in range(1, 5) if mid_blocks % v == 0):
        candidate = tile(core, v, width)
        if candidate.vectors != v:
            candidate = Tile(v, max(1, min(width, core.accumulators // v)))
        tasks = mid_blocks // v
        rounds = -(-tasks // core.threads) * core.threads / tasks
        loads = (v + candidate.pixels) / (v * candidate.pixels)
        cost = rounds * (1 + 0.25 * loads) * _cover(width, candidate.pixels)
        if cost < best_cost - 1e-9:
            best, best_cost = candidate, cost
    return best


def depthwise_columns(core: Core, width: int, kernel: int) -> int:
    """Outputs of one depthwise step: half the registers accumulate; x86 also multiplies straight from memory."""
    most = min(width, core.registers // 2)
    least = min(most, 4)

    def cost(columns: int) -> float:
        loads = (columns + kernel) / (3 * columns * kernel)
        return _cover(width, columns) * max(1.0, 8 / columns) * (1 + loads)

    return min(range(least, most + 1), key=lambda columns: (cost(columns), -columns))


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
