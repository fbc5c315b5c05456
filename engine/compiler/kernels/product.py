"""The matrix product inside a 1×1 convolution, one register tile at a time: in floats, or in 8-bit integers.

Integers: an input is scale · (q - zero point) with q in 0 … 255, one scale and zero point for the whole activation; a weight
is scale · q with q in -127 … 127, one scale for each output channel. Sums are exact. What the zero point contributes is the
same for every pixel and lies in the bias, see `engine.compiler.quantisation`. Where the dot product takes signed bytes, q is
stored as q - 128, see `dot_product`.
"""

from collections.abc import Callable
from typing import Any

from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.dot_product import DotProducts, instruction
from engine.compiler.kernels.emit import Expr, Registers, argument, blocks, clipped
from engine.compiler.packing import QUAD

LEVELS = (0.0, 255.5)  # a value to which ½ was added, clipped to these and truncated, is a rounded byte
Source = Callable[[Expr, Expr, Expr], Expr]  # (pixel of the tile, block, lane or lanes) -> inputs
Place = Callable[[Expr, Expr, Expr], Expr]  # (pixel of the tile, vector of the tile, lane) -> value
Store = Callable[[Expr, Expr, Expr, Expr], None]  # the same and a value


def weight_offset(group_start: Expr, k: Expr, depth: int, vectors: int, lanes: int) -> Expr:
    """Place of input channel k's row in weights packed by `packing.matrix`: groups of `vectors` output blocks, each group
    (depth, vectors · lanes); `group_start` is the group's first block."""
    return group_start * (depth * lanes) + k * (vectors * lanes)


def half_weight_place(group_start: Expr, k: Expr, depth: int, full: int, lanes: int) -> Expr:
    """Places of the input channels k and k + 1 of a group's half block, which lies behind the group's `full` blocks."""
    return T.ramp((group_start + full) * (depth * lanes) + k // 2 * lanes, 1, lanes)


class Product:
    """Σ_i weight[o, i] · X[i, p] + bias[o] + residual[o, p] in the kernel's elements.

    Declares the arguments weights and bias. half: whether the last block of outputs is a half block.
    """

    def __init__(self, depth: int, outputs: int, lanes: int, half: bool = False) -> None:
        self.depth, self.lanes = depth, lanes
        padded = blocks(outputs, lanes) * lanes
        self._weight = argument("weight", ((outputs if half else padded) * depth,))
        self._bias = argument("bias", (padded,))

    @classmethod
    def inputs(cls) -> str | None:
        """Type of X; None: the kernel's elements."""
        return None

    def tile(
        self,
        first: Expr,
        vectors: int,
        pixels: int,
        x: Source,
        store: Store,
        residual: Place | None = None,
        half: bool = False,
    ) -> None:
        """Computes `vectors` blocks of outputs from block `first` on, of which the last may be a half block."""
        depth, lanes = self.depth, self.lanes

        def start(p: Expr, j: Expr, v: Expr) -> Expr:
            bias = self._bias[(first + j) * lanes + v]
            return bias if residual is None else bias + residual(p, j, v)

        acc = Registers(pixels, vectors, lanes, half)
        acc.fill(start)
        acc.contract(
            depth,
            x,
            lambda k, o: self._weight[weight_offset(first, k, depth, acc.full, lanes) + o],
            lambda k: self._weight[half_weight_place(first, k, depth, acc.full, lanes)],
        )
        acc.settle()
        with acc.each() as (p, j, v):
            store(p, j, v, acc[p, j, v])


class IntegerProduct(Product):
    """The same of bytes and 8-bit weights, into floats. Declares the arguments weights, what the sums begin with if the bytes
    are signed, scales of the sums, and bias."""

    def __init__(self, depth: int, outputs: int, lanes: int, half: bool = False) -> None:
        self.depth, self.lanes = -(-depth // QUAD) * QUAD, lanes
        padded = blocks(outputs, lanes) * lanes
        self._weight = argument("weight", ((outputs if half else padded) * self.depth,), "int8")
        self._start: Any = argument("start", (padded,), "int32") if instruction().offset else None
        self._scale = argument("scale", (padded,))
        self._bias = argument("bias", (padded,))

    @classmethod
    def inputs(cls) -> str | None:
        return instruction().inputs

    def tile(
        self,
        first: Expr,
        vectors: int,
        pixels: int,
        x: Source,
        store: Store,
        residual: Place | None = None,
        half: bool = False,
    ) -> None:
        depth, lanes, full = self.depth, self.lanes, vectors - half
        row = QUAD * lanes

        def weight(quad: Expr, j: Expr) -> Expr:
            return self._weight[T.ramp(first * (depth * lanes) + (quad * full + j) * row, 1, row)]

        def half_weight(quad: Expr) -> Expr:
            return self._weight[T.ramp((first + full) * (depth * lanes) + quad // 2 * row, 1, row)]

        def start(j: Expr) -> Expr:
            return self._start[T.ramp((first + j) * lanes, 1, lanes)]

        acc = DotProducts(pixels, vectors, lanes, half, start if self._start is not None else None)
        acc.contract(depth, x, weight, half_weight)
        acc.settle()
        with acc.each() as (p, j, v):
            o = (first + j) * lanes + v
            value = T.cast(acc[p, j, v], "float32") * self._scale[o] + self._bias[o]
            store(p, j, v, value if residual is None else value + residual(p, j, v))


def rounded_byte(value: Expr) -> Expr:
    """The byte nearest to a value in 0 … 255 to which ½ was added, as the dot product takes it."""
    kind = instruction()
    if not kind.offset:
        return T.cast(clipped(value, LEVELS), kind.inputs)
    return T.cast(T.cast(clipped(value, LEVELS), "int32") - kind.offset, kind.inputs)


def output(shape: tuple[int, ...], as_bytes: bool) -> Callable[[Expr, list[Expr]], None]:
    """Declares a kernel's last arguments: its output y, and with `as_bytes` levels (2,) = 1 / scale and zero point + ½
    before it and the output once more in bytes behind it. -> store(value, place)."""
    if not as_bytes:
        y = argument("y", shape)
        return lambda value, place: T.buffer_store(y, value, place)
    levels = argument("levels", (2,))
    y, in_bytes = argument("y", shape), argument("y_bytes", shape, instruction().inputs)

    def store(value: Expr, place: list[Expr]) -> None:
        T.buffer_store(y, value, place)
        T.buffer_store(in_bytes, rounded_byte(value * levels[0] + levels[1]), place)

    return store
