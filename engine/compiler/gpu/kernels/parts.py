"""Work items of a group that each have a part of the same sums, and one of them that adds the parts up."""

from collections.abc import Callable

from tvm.script.ir_builder import tirx as T

from engine.compiler.gpu.kernels.emit import Place, Registers, barrier, local, only_if
from engine.compiler.gpu.program import Grid

VECTOR_BYTES = 16


def local_bytes(count: int, grid: Grid) -> int:
    """Local memory that `add_parts` takes for `count` sums of each item."""
    across, down, split = grid.items
    return (split - 1) * count * down * across * VECTOR_BYTES


def add_parts(sums: Registers, grid: Grid, place: Place, then: Callable[[], None]) -> None:
    """Adds the sums of the items that differ only in z, and runs `then` in the first of them, with the whole sums."""
    across, down, split = grid.items
    if split == 1:
        then()
        return
    x, y, z = place.item
    parts = local((split - 1, sums.count, down, across))

    def leave() -> None:
        for i in range(sums.count):
            T.buffer_store(parts, sums[i], [z - 1, i, y, x])

    def collect() -> None:
        for part in range(split - 1):
            for i in range(sums.count):
                sums[i] = sums[i] + parts[part, i, y, x]
        then()

    only_if(z > 0, leave)
    barrier()
    only_if(z == 0, collect)
