"""The few words in which every kernel is written: functions, tiles of registers, loops over tiles.

Activations lie in the blocked layout (C / lanes, H · W, lanes): one vector register holds one pixel's block of channels.
Channels are padded to whole blocks with zeros, which stay zeros through every operator.
The kernels are plain loop nests; an accumulator is a small local buffer that is only indexed by unrolled loops, so that
LLVM keeps it in registers.
"""

from collections.abc import Callable, Iterable, Iterator
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
WIDER = {"float16": "float32", "float32": "float64"}
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


def registers(count: int, dtype: str | None = None) -> Any:
    """`count` elements that are only indexed by unrolled loops, so that LLVM keeps them in registers."""
    return T.alloc_buffer((count,), dtype or _ELEMENTS.get(), scope="local")


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


def half_block(outputs: int, depths: Iterable[int], lanes: int) -> bool:
    """Whether a matrix product's last block of outputs is half full and computed as half a block, see `Registers`.
    depths: input channels of each contraction into it."""
    return lanes >= 8 and outputs % lanes == lanes // 2 and not any(depth % 2 for depth in depths)


class Accumulators:
    """`pixels` × `vectors` sums of `lanes` elements, of type `dtype` or of the kernel's.

    half: the last vector has lanes / 2 outputs only. Its lane 2i sums output i over the even input channels (or groups of
    them, see `DotProducts`) and lane 2i + 1 over the odd ones, so that half a block takes half the multiply-adds; `settle`
    adds the two.
    """

    def __init__(self, pixels: int, vectors: int, lanes: int, half: bool = False, dtype: str | None = None) -> None:
        self.pixels, self.vectors, self.lanes, self.half = pixels, vectors, lanes, half
        self.full = vectors - half
        self.dtype = dtype or _ELEMENTS.get()
        self.buffer = registers(pixels * vectors * lanes, dtype)

    @contextmanager
    def each(self) -> Iterator[tuple[Expr, Expr, Expr]]:
        """Loops over pixel p, vector j and lane v."""
        with self._loops(self.vectors) as places:
            yield places

    @contextmanager
    def _loops(self, vectors: int) -> Iterator[tuple[Expr, Expr, Expr]]:
        with T.unroll(0, self.pixels) as p, T.unroll(0, vectors) as j, T.vectorized(0, self.lanes) as v:
            yield p, j, v

    def __getitem__(self, place: tuple[Expr, Expr, Expr]) -> Expr:
        return self.buffer[self._offset(place)]

    def __setitem__(self, place: tuple[Expr, Expr, Expr], value: Expr) -> None:
        T.buffer_store(self.buffer, value, [self._offset(place)])

    def _offset(self, place: tuple[Expr, Expr, Expr]) -> Expr:
        p, j, v = place
        return (p * self.vectors + j) * self.lanes + v

    def settle(self) -> None:
        """To be called between the last contraction and the first use; the half block's other lanes become zeros."""
        if not self.half:
            return
        zeros = T.Broadcast(tirx.const(0, self.dtype), self.lanes)
        rest = [self.lanes] * (self.lanes // 2)
        with T.unroll(0, self.pixels) as p:
            sums = [self.buffer[self._last(p)], zeros]
            even, odd = (T.Shuffle(sums, [*range(first, self.lanes, 2), *rest]) for first in (0, 1))
            T.buffer_store(self.buffer, even + odd, [self._last(p)])

    def _last(self, p: Expr) -> Expr:
        return T.ramp((p * self.vectors + self.full) * self.lanes, 1, self.lanes)


class Registers(Accumulators):
    """Accumulators in the kernel's elements that begin with what `fill` says."""

    def __init__(self, pixels: int, vectors: int, lanes: int, half: bool = False) -> None:
        super().__init__(pixels, vectors, lanes, half)
        self._start: Callable[[Expr, Expr, Expr], Expr] = lambda p, j, v: constant(0)

    def fill(self, value: Callable[[Expr, Expr, Expr], Expr]) -> None:
        self._start = value
        with self._loops(self.full) as (p, j, v):
            self[p, j, v] = value(p, j, v)
        if self.half:
            with T.unroll(0, self.pixels) as p, T.vectorized(0, self.lanes) as v:
                self[p, self.full, v] = constant(0)

    def multiply_add(self, x: Callable[[Expr], Expr], weight: Callable[[Expr], Expr]) -> None:
        """Adds x(pixel) · weight(offset), the outer product of one input channel; offset = vector · lanes + lane."""
        with self._loops(self.full) as (p, j, v):
            self[p, j, v] = self[p, j, v] + x(p) * weight(j * self.lanes + v)

    def contract(
        self,
        depth: int,
        x: Callable[[Expr, Expr, Expr], Expr],
        weight: Callable[[Expr, Expr], Expr],
        half_weight: Callable[[Expr], Expr] | None = None,
    ) -> None:
        """Adds Σ_k x(pixel, block, lane) · weight(k, offset) over `depth` input channels, k = block · lanes + lane.

        half_weight(k): the half block's vector, for the input channels k and k + 1 in turn.
        """

        def channels(block: Expr, first: Expr, count: int) -> None:
            with T.unroll(0, count) as step:
                lane = first + step
                self.multiply_add(lambda p: x(p, block, lane), lambda o: weight(block * self.lanes + lane, o))
            if self.half and half_weight:
                with T.unroll(0, count // 2) as step:
                    lane = first + 2 * step
                    self._multiply_add_pair(
                        lambda p: x(p, block, T.ramp(lane, 1, 2)), half_weight(block * self.lanes + lane)
                    )

        full, rest = divmod(depth, self.lanes)
        if full:
            with T.serial(0, full) as block, T.serial(0, self.lanes // UNROLL) as part:
                channels(block, part * UNROLL, UNROLL)
        if rest:
            channels(full, 0, rest)

    def _multiply_add_pair(self, x: Callable[[Expr], Expr], weight: Expr) -> None:
        """x(pixel): two neighbouring input channels; as one number of twice the width they fill a register by a broadcast."""
        kind = _ELEMENTS.get()
        with T.unroll(0, self.pixels) as p:
            pair = T.reinterpret(WIDER[kind], x(p))
            pairs = T.reinterpret(f"{kind}x{self.lanes}", T.Broadcast(pair, self.lanes // 2))
            T.buffer_store(self.buffer, self.buffer[self._last(p)] + pairs * weight, [self._last(p)])

    def settle(self) -> None:
        super().settle()
        if self.half:
            with T.unroll(0, self.pixels) as p, T.vectorized(0, self.lanes) as v:
                place = p, self.full, v
                self[place] = self[place] + self._start(*place)


def over_tiles(length: int, step: int, body: Callable[[Expr, int], None]) -> None:
    """Covers `length` items: body(first, count) in a loop over full tiles of `step`, then once for what is left."""
    full, rest = divmod(length, step)
    if full:
        with T.serial(0, full) as t:
            body(t * step, step)
    if rest:
        body(full * step, rest)


def over_groups(count: int, step: int, half: bool, body: Callable[[Expr, int, bool], None]) -> None:
    """Covers `count` blocks of outputs in groups of `step`: body(first, blocks, whether the last of them is a half block)."""
    groups = (count - half) // step
    if groups:
        with T.serial(0, groups) as group:
            body(group * step, step, False)
    if count > groups * step:
        body(groups * step, count - groups * step, half)


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
