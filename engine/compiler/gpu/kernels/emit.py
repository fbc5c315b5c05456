"""The few words in which every GPU kernel is written: work items, vectors of four floats, local memory.

Activations lie in the blocked layout (C / 4, H · W) of four-float vectors: one vector is one pixel's block of four channels,
so neighbouring work items read neighbouring vectors. Channels are padded to whole blocks with zeros, which stay zeros
through every operator. Small loops are unrolled while a kernel is written; then drivers keep `Registers` in registers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

from engine.compiler.gpu.program import Grid

Expr = Any  # a TensorIR expression or a Python number
LANES = 4
VECTOR = "float32x4"
RELU6 = (0.0, 6.0)
RELU = (0.0, None)
Clip = tuple[float, float | None]  # lowest and highest value; None: no highest
Argument = tuple[tuple[int, ...], str]  # shape and dtype of a buffer


@dataclass(frozen=True, slots=True)
class Place:
    """Which work item this is: `group` and `item` along x, y and z."""

    group: tuple[Expr, Expr, Expr]
    item: tuple[Expr, Expr, Expr]


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function for the device, how many work items run it, and its arguments by name, in the order of their passing."""

    function: tirx.PrimFunc
    grid: Grid
    arguments: tuple[str, ...]


def blocks(channels: int) -> int:
    """Vectors that hold `channels` of one pixel."""
    return -(-channels // LANES)


def vectors(*shape: int) -> Argument:
    return shape, VECTOR


def floats(*shape: int) -> Argument:
    return shape, "float32"


def kernel(name: str, grid: Grid, arguments: Mapping[str, Argument], body: Callable[..., None]) -> Kernel:
    """The kernel that body(place, *buffers) emits."""
    with IRBuilder() as builder, T.prim_func():
        T.func_name(name)
        T.func_attr({"global_symbol": name, "tirx.noalias": True})
        buffers = [T.arg(key, T.buffer(shape, dtype)) for key, (shape, dtype) in arguments.items()]
        _launch(grid, lambda place: body(place, *buffers))
    return Kernel(builder.get(), grid, tuple(arguments))


def _launch(grid: Grid, body: Callable[[Place], None]) -> None:
    tags = [("blockIdx", grid.groups), ("threadIdx", grid.items)]
    wanted = [(f"{tag}.{axis}", extent) for tag, extents in tags for axis, extent in zip("xyz", extents)]

    def bind(number: int, bound: list[Expr]) -> None:
        if number == len(wanted):
            body(Place((bound[0], bound[1], bound[2]), (bound[3], bound[4], bound[5])))
            return
        tag, extent = wanted[number]
        if extent == 1:
            bind(number + 1, [*bound, 0])
        else:
            with T.launch_thread(tag, extent) as index:
                bind(number + 1, [*bound, index])

    bind(0, [])


class Registers:
    """Values of one work item: vectors, or scalars of `dtype`. Indexed by Python numbers only."""

    def __init__(self, count: int, dtype: str = VECTOR) -> None:
        self.count = count
        self._buffer = T.alloc_buffer((count,), dtype, scope="local")

    def __getitem__(self, index: int) -> Expr:
        return self._buffer[index]

    def __setitem__(self, index: int, value: Expr) -> None:
        T.buffer_store(self._buffer, value, [index])

    def clear(self) -> None:
        for index in range(self.count):
            self[index] = zeros()


def local(shape: tuple[int, ...], dtype: str = VECTOR) -> Any:
    """Memory that a work group shares."""
    return T.alloc_buffer(shape, dtype, scope="shared")


def barrier() -> None:
    """Every work item of a group must come here."""
    T.evaluate(T.tvm_storage_sync("shared"))


def zeros() -> Expr:
    return T.broadcast(T.float32(0), LANES)


def spread(value: Expr) -> Expr:
    """A vector of one scalar."""
    return T.broadcast(value, LANES)


def lane(vector: Expr, number: int) -> Expr:
    """One channel of a vector."""
    return T.Shuffle([vector], [number])


def clipped(value: Expr, clip: Clip | None) -> Expr:
    if clip is None:
        return value
    low, high = clip
    value = T.max(value, spread(T.float32(low)))
    return value if high is None else T.min(value, spread(T.float32(high)))


def inside(value: Expr, length: int) -> Expr:
    """Whether 0 <= value < length."""
    return tirx.all(value >= 0, value < length)


def only_if(condition: Expr, body: Callable[[], None]) -> None:
    """`body` under a condition; one that is plainly True leaves no trace in the kernel."""
    if condition is True:
        body()
        return
    with T.If(condition), T.Then():
        body()
