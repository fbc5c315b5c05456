"""Sums of products of 8-bit integers: an instruction multiplies four neighbouring input channels of a pixel with their
weights and adds the four products to a 32-bit sum."""

from collections.abc import Callable

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.emit import Accumulators, Expr
from engine.compiler.packing import QUAD

# Dot products of a pixel that are unrolled together: as much of the input as the floats' UNROLL covers twice over.
UNROLL = 2


class DotProducts(Accumulators):
    """32-bit sums that begin with 0. The half block's even and odd lanes sum even and odd quads of input channels."""

    def __init__(self, pixels: int, vectors: int, lanes: int, half: bool = False) -> None:
        super().__init__(pixels, vectors, lanes, half, "int32")
        with T.unroll(0, pixels) as p, T.unroll(0, vectors) as j:
            T.buffer_store(self.buffer, T.Broadcast(tirx.const(0, "int32"), lanes), [self._vector(p, j)])

    def contract(
        self,
        depth: int,
        x: Callable[[Expr, Expr, Expr], Expr],
        weight: Callable[[Expr, Expr], Expr],
        half_weight: Callable[[Expr], Expr],
    ) -> None:
        """Adds Σ_k x(pixel, block, lanes) · weight(quad, vector) over `depth` input channels, a multiple of four.

        x: bytes of the input. weight: 4 · lanes bytes, four of each output. half_weight(quad): the half block's, for that
        quad and the next in turn.
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

        full, rest = divmod(depth, self.lanes)
        unroll = min(UNROLL, in_block)
        if full:
            with T.serial(0, full) as block, T.serial(0, in_block // unroll) as part:
                quads(block, part * unroll, unroll)
        if rest:
            quads(full, 0, rest // QUAD)

    def _vector(self, p: Expr, j: Expr) -> Expr:
        return T.ramp((p * self.vectors + j) * self.lanes, 1, self.lanes)

    def _add(self, sums: Expr, inputs: Expr, weights: Expr) -> None:
        """AVX-512's and AVX-VNNI's instruction: unsigned bytes times signed ones. No step of it saturates."""
        quads = T.reinterpret(f"uint8x{QUAD * self.lanes}", inputs)
        name = f"llvm.x86.avx512.vpdpbusd.{32 * self.lanes}"
        found = T.call_llvm_pure_intrin(f"int32x{self.lanes}", name, self.buffer[sums], quads, weights)
        T.buffer_store(self.buffer, found, [sums])
