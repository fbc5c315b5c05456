"""The few words in which every kernel is written: functions, tiles of registers, loops over tiles.

Activations lie in the blocked layout (C / lanes, H · W, lanes): one vector register holds one pixel's block of channels.
Channels are padded to whole blocks with zeros, which stay zeros through every operator.
The kernels are plain loop nests; an accumulator is a small local buffer that is only indexed by unrolled loops, so that
LLVM keeps it in registers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

Expr = Any  # a TensorIR expression or a Python number
RELU6 = (0.0, 6.0)
RELU = (0.0, None)
Clip = tuple[float, float | None]  # lowest and highest value; None: no highest
# Input channels whose multiply-adds are unrolled together. With more, LLVM loads ahead until it runs out of registers.
UNROLL = 4
_ELEMENTS: ContextVar[str] = ContextVar("elements", default="float32")


@contextmanager
def elements(dtype: str) -> Iterator[None]:
    """Kernels emitted inside compute with, and store, elements of this type: float32, or float16 for cores that multiply
    halves twice as fast. Output maps are float32 in either case."""
    token = _ELEMENTS.set(dtype)
    try:
        yield
    finally:
        _ELEMENTS.reset(token)


def constant(value: float) -> Expr:
    return tirx.const(value, _ELEMENTS.get())


@dataclass(frozen=True, slots=True)
class Tile:
    """How many registers one step of a kernel accumulates into: `vectors` output blocks × `pixels` pixels."""

    vectors: int
    pixels: int


def blocks(channels: int, lanes: int) -> int:
    """Blocks of `lanes` channels that hold `channels`."""
    return -(-channels // lanes)


def prim_func(name: str, body: Callable[[], None]) -> tirx.PrimFunc:
    """The function that `body` emits; its arguments are declared with `argument`."""
    with IRBuilder() as builder, T.prim_func():
        T.func_name(name)
        T.func_attr({"global_symbol": name, "tirx.noalias": True})
        body()
    return builder.get()


def argument(name: str, shape: tuple[int, ...], dtype: str | None = None) -> Any:
    return T.arg(name, T.buffer(shape, dtype or _ELEMENTS.get()))


def scratch(shape: tuple[int, ...], dtype: str | None = None) -> Any:
    """Memory of one task, from the runtime's workspace pool."""
    return T.alloc_buffer(shape, dtype or _ELEMENTS.get(), scope="global")


def registers(count: int) -> Any:
    """`count` elements that are only indexed by unrolled loops, so that LLVM keeps them in registers."""
    return T.alloc_buffer((count,), _ELEMENTS.get(), scope="local")


def element(value: Expr) -> Expr:
    """`value` as an element."""
    return T.cast(value, _ELEMENTS.get())


def clipped(value: Expr, clip: Clip) -> Expr:
    low, high = clip
    value = T.max(value, constant(low))
    return value if high is None else T.min(value, constant(high))


def zero_fill(buffer: Any, lanes: int, *index: Expr) -> None:
    """Writes zeros into the block at `index`."""
    with T.vectorized(0, lanes) as v:
        T.buffer_store(buffer, constant(0), [*index, v])


class Registers:
    """`pixels` × `vectors` accumulators of `lanes` elements."""

    def __init__(self, pixels: int, vectors: int, lanes: int) -> None:
        self.pixels, self.vectors, self.lanes = pixels, vectors, lanes
        self.buffer = registers(pixels * vectors * lanes)

    @contextmanager
    def each(self) -> Iterator[tuple[Expr, Expr, Expr]]:
        """Loops over pixel p, vector j and lane v."""
        with T.unroll(0, self.pixels) as p, T.unroll(0, self.vectors) as j, T.vectorized(0, self.lanes) as v:
            yield p, j, v

    def __getitem__(self, place: tuple[Expr, Expr, Expr]) -> Expr:
        return self.buffer[self._offset(place)]

    def __setitem__(self, place: tuple[Expr, Expr, Expr], value: Expr) -> None:
        T.buffer_store(self.buffer, value, [self._offset(place)])

    def _offset(self, place: tuple[Expr, Expr, Expr]) -> Expr:
        p, j, v = place
        return (p * self.vectors + j) * self.lanes + v

    def fill(self, value: Callable[[Expr, Expr, Expr], Expr]) -> None:
        with self.each() as (p, j, v):
            self[p, j, v] = value(p, j, v)

    def multiply_add(self, x: Callable[[Expr], Expr], weight: Callable[[Expr], Expr]) -> None:
        """Adds x(pixel) · weight(offset), the outer product of one input channel; offset = vector · lanes + lane."""
        with self.each() as (p, j, v):
            self[p, j, v] = self[p, j, v] + x(p) * weight(j * self.lanes + v)

    def contract(self, depth: int, x: Callable[[Expr, Expr, Expr], Expr], weight: Callable[[Expr, Expr], Expr]) -> None:
        """Adds Σ_k x(pixel, block, lane) · weight(k, offset) over `depth` input channels, k = block · lanes + lane."""
        full, rest = divmod(depth, self.lanes)
        if full:
            with T.serial(0, full) as block, T.serial(0, self.lanes // UNROLL) as part, T.unroll(0, UNROLL) as step:
                lane = part * UNROLL + step
                self.multiply_add(lambda p: x(p, block, lane), lambda o: weight(block * self.lanes + lane, o))
        if rest:
            with T.unroll(0, rest) as lane:
                self.multiply_add(lambda p: x(p, full, lane), lambda o: weight(full * self.lanes + lane, o))


def over_tiles(length: int, step: int, body: Callable[[Expr, int], None]) -> None:
    """Covers `length` items: body(first, count) in a loop over full tiles of `step`, then once for what is left."""
    full, rest = divmod(length, step)
    if full:
        with T.serial(0, full) as t:
            body(t * step, step)
    if rest:
        body(full * step, rest)


def over_vectors(length: int, lanes: int, vectors: int, body: Callable[[Expr, int], None]) -> None:
    """Covers a row of `length` floats: body(start, count) for up to `vectors` whole vectors at a time. What is less than a
    vector at the end is covered by one that overlaps the one before it, so `body` must not mind doing a float twice."""
    if length < lanes:
        raise ValueError(f"a row of {length} floats is shorter than a vector of {lanes}")
    over_tiles(length // lanes, vectors, lambda first, count: body(first * lanes, count))
    if length % lanes:
        body(length - lanes, 1)


def transpose(source: Callable[[int], Expr], sink: Callable[[int, Expr], None], lanes: int) -> None:
    """Turns a square of `lanes` vectors in registers: sink(i, vector of lane i of source(0), source(1), …).

    Eklundh's method: log2(lanes) rounds, each exchanging halves between pairs of vectors.
    """
    square = registers(lanes * lanes)
    spare = registers(lanes)

    def row(i: int) -> Expr:
        return T.ramp(i * lanes, 1, lanes)

    for i in range(lanes):
        T.buffer_store(square, source(i), [row(i)])
    step = 1
    while step < lanes:
        low = [lane if not lane & step else lanes + lane - step for lane in range(lanes)]
        high = [lane + step if not lane & step else lanes + lane for lane in range(lanes)]
        for i in (i for i in range(lanes) if not i & step):
            pair = [square[row(i)], square[row(i + step)]]
            T.buffer_store(spare, T.Shuffle(pair, low), [row(0)])
            T.buffer_store(square, T.Shuffle(pair, high), [row(i + step)])
            T.buffer_store(square, spare[row(0)], [row(i)])
        step *= 2
    for i in range(lanes):
        sink(i, square[row(i)])
