"""Sums of products of 8-bit integers: an instruction multiplies four neighbouring input channels of a pixel with their
weights and adds the four products to a 32-bit sum.

x86's instruction takes inputs of 0 … 255, ARM's takes them of -128 … 127. For ARM each byte is stored as 128 less than x86's,
and its sums begin with what that leaves out, 128 · Σ weights: so the sums are the same integers on both.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.emit import Accumulators, Expr
from engine.compiler.packing import QUAD

# Dot products of a pixel that are unrolled together: as much of the input as the floats' UNROLL covers twice over.
UNROLL = 2


@dataclass(frozen=True, slots=True)
class Instruction:
    """intrinsic: LLVM's name, with the vector's {bits} where it is made for several widths. inputs: type of the bytes.
    by_lane: whether it can multiply all weights with any one quad of a vector of them."""

    intrinsic: str
    inputs: str
    by_lane: bool = False

    @property
    def offset(self) -> int:
        """How much more than itself a byte stands for."""
        return 128 if self.inputs == "int8" else 0


VPDPBUSD = Instruction("llvm.x86.avx512.vpdpbusd.{bits}", "uint8")  # no step of it saturates
# By the names that targets give them.
INSTRUCTIONS = {
    "vnni": VPDPBUSD,
    "avx-vnni": VPDPBUSD,
    "sdot": Instruction("llvm.aarch64.neon.sdot.v4i32.v16i8", "int8", by_lane=True),
}
_INSTRUCTION: ContextVar[Instruction] = ContextVar("instruction", default=VPDPBUSD)


@contextmanager
def dot_products(name: str | None) -> Iterator[None]:
    """Quantised kernels emitted inside use this one of INSTRUCTIONS. None: there are no such kernels."""
    token = _INSTRUCTION.set(INSTRUCTIONS[name] if name else VPDPBUSD)
    try:
        yield
    finally:
        _INSTRUCTION.reset(token)


def instruction() -> Instruction:
    return _INSTRUCTION.get()


class DotProducts(Accumulators):
    """32-bit sums that begin with `start`(vector) or with 0. The half block's even and odd lanes sum even and odd quads of
    input channels; it always begins with 0."""

    def __init__(
        self, pixels: int, vectors: int, lanes: int, half: bool = False, start: Callable[[Expr], Expr] | None = None
    ) -> None:
        super().__init__(pixels, vectors, lanes, half, "int32")
        self._instruction = instruction()
        zeros = T.Broadcast(tirx.const(0, "int32"), lanes)
        with T.unroll(0, pixels) as p, T.unroll(0, vectors) as j:
            T.buffer_store(self.buffer, start(j) if start else zeros, [self._vector(p, j)])

    def contract(
        self,
        depth: int,
        x: Callable[[Expr, Expr, Expr], Expr],
        weight: Callable[[Expr, Expr], Expr],
        half_weight: Callable[[Expr], Expr],
    ) -> None:
        """Adds Σ_k x(pixel, block, lanes) · weight(quad, vector) over `depth` input channels, a multiple of four.

        x: bytes of the input; the next pixel's block lies behind a pixel's. weight: 4 · lanes bytes, four of each output.
        half_weight(quad): the half block's, for that quad and the next in turn.
        """
        in_block = self.lanes // QUAD

        def quads(block: Expr, first: Expr, count: int) -> None:
            with T.unroll(0, count) as step, T.unroll(0, self.pixels) as p, T.unroll(0, self.full) as j:
                quad = first + step
                inputs = T.reinterpret("int32", x(p, block, T.ramp(quad * QUAD, 1, QUAD)))
                self._add(self._vector(p, j), T.Broadcast(inputs, self.lanes), weight(block * in_block + quad, j))
            if self.half:
                with T.unroll(0, count // 2) as step, T.unroll(0, self.pixels) as p:
                    quad = first + 2 * step
                    inputs = T.reinterpret("int64", x(p, block, T.ramp(quad * QUAD, 1, 2 * QUAD)))
                    pairs = T.Broadcast(inputs, self.lanes // 2)
                    self._add(self._last(p), pairs, half_weight(block * in_block + quad))

        if self._instruction.by_lane and in_block == 1:
            self._contract_by_lane(depth // QUAD, x, weight)
            return
        full, rest = divmod(depth, self.lanes)
        unroll = min(UNROLL, in_block)
        if full:
            with T.serial(0, full) as block, T.serial(0, in_block // unroll) as part:
                quads(block, part * unroll, unroll)
        if rest:
            quads(full, 0, rest // QUAD)

    def _contract_by_lane(
        self, count: int, x: Callable[[Expr, Expr, Expr], Expr], weight: Callable[[Expr, Expr], Expr]
    ) -> None:
        """`count` blocks, each of one quad: a vector holds the quads of neighbouring pixels."""

        def add(block: Expr) -> None:
            for first, width in _neighbours(self.pixels, self.lanes):
                kind = f"int32x{width}" if width > 1 else "int32"
                found = T.reinterpret(kind, x(first, block, T.ramp(0, 1, QUAD * width)))
                for lane in range(width):
                    # A shuffle may not give more lanes than it is given.
                    sources = [found] * (self.lanes // width)
                    inputs = T.Shuffle(sources, [lane] * self.lanes) if width > 1 else T.Broadcast(found, self.lanes)
                    with T.unroll(0, self.full) as j:
                        self._add(self._vector(first + lane, j), inputs, weight(block, j))

        full, rest = divmod(count, UNROLL)
        if full:
            with T.serial(0, full) as group, T.unroll(0, UNROLL) as step:
                add(group * UNROLL + step)
        if rest:
            add(full * UNROLL)

    def _vector(self, p: Expr, j: Expr) -> Expr:
        return T.ramp((p * self.vectors + j) * self.lanes, 1, self.lanes)

    def _add(self, sums: Expr, inputs: Expr, weights: Expr) -> None:
        quads = T.reinterpret(f"{self._instruction.inputs}x{QUAD * self.lanes}", inputs)
        name = self._instruction.intrinsic.format(bits=32 * self.lanes)
        # ARM's takes the quad that is the same for all outputs from a lane of its last operand.
        factors = (weights, quads) if self._instruction.by_lane else (quads, weights)
        found = T.call_llvm_pure_intrin(f"int32x{self.lanes}", name, self.buffer[sums], *factors)
        T.buffer_store(self.buffer, found, [sums])


def _neighbours(pixels: int, lanes: int) -> Iterator[tuple[int, int]]:
    """(first, count) of pixels whose quads are read together: as many as a vector has lanes, then half of them, …"""
    first = 0
    while lanes:
        for _ in range((pixels - first) // lanes):
            yield first, lanes
            first += lanes
        lanes //= 2
