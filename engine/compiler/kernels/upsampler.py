"""One step of the deconv head, relu(bias + deconv(refined) + deconv(raw)), some input rows at a time: what its kinds share.

A transposed 4×4 convolution at stride 2 is four 2×2 convolutions of the input, one for each parity of the output's row and
column (sub-pixel form), so no multiplication meets an inserted zero.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.emit import Expr, Tile, argument, blocks, half_block, over_groups, over_tiles
from engine.compiler.packing import QUAD

Size = tuple[int, int, bool]  # of a register tile: pixels, blocks of outputs, whether the last of these is a half block
# (block, row counted from the first of the step's output rows, column, lane, value)
Store = Callable[[Expr, Expr, Expr, Expr, Expr], None]


@dataclass(frozen=True, slots=True)
class Deconv:
    """inputs: channels of each input, the refined features first; one without fusion, two with it. height, width: of
    the inputs, even; the output is twice as high and wide."""

    SIDE: ClassVar[int] = 2  # input rows, and columns, whose outputs are computed together
    inputs: tuple[int, ...]
    outputs: int
    height: int
    width: int

    def half(self, lanes: int) -> bool:
        """Whether the last block of outputs is computed as half a block."""
        return half_block(self.outputs, self.inputs, lanes)


@dataclass(frozen=True, slots=True)
class QuantisedDeconv(Deconv):
    """Inputs in bytes, weights in 8 bits, the result in floats and, outside of a head's kernel, in bytes."""

    SIDE: ClassVar[int] = 1

    def half(self, lanes: int) -> bool:
        return half_block(self.outputs, self.inputs, lanes) and not any(depth % (2 * QUAD) for depth in self.inputs)


class Upsampler(ABC):
    """Emits the 2 · SIDE output rows of SIDE input rows. Its first arguments are the inputs (I, H · W, lanes) and the weights
    (4 parities, `MATRICES` packed as one of depth MATRICES · I)."""

    MATRICES: ClassVar[int]

    def __init__(self, op: Deconv, tile: Tile, lanes: int) -> None:
        self.op, self.tile, self.lanes = op, tile, lanes
        self._in_blocks = [blocks(channels, lanes) for channels in op.inputs]
        self._out_blocks = blocks(op.outputs, lanes)
        self._half = op.half(lanes)
        self._declare()

    @abstractmethod
    def _declare(self) -> None:
        """Declares the arguments."""

    @abstractmethod
    def allocate(self) -> None:
        """Scratch of one task, to be called inside it."""

    @abstractmethod
    def _read(self, number: int, row: Expr) -> None:
        """Brings what the outputs of the input rows from `row` on need of input `number` into scratch."""

    @abstractmethod
    def _tile(self, size: Size, first: Expr, parity_y: Expr, parity_x: Expr, start: Expr, store: Store) -> None:
        """Outputs of one parity and of the blocks from `first` on, for SIDE rows and size[0] times SIDE columns; `start` is
        the first of these times."""

    def _declare_matrices(self, inputs: str | None = None, weights: str | None = None, granule: int = 1) -> None:
        """inputs, weights: their types; None: the kernel's elements. granule: of which the input channels of a matrix are
        padded to a multiple."""
        op, area = self.op, self.op.height * self.op.width
        stored = op.outputs if self._half else self._out_blocks * self.lanes
        self._depths = [-(-channels // granule) * granule for channels in op.inputs]
        self._inputs = [argument(f"x{i}", (n, area, self.lanes), inputs) for i, n in enumerate(self._in_blocks)]
        self._weights = [
            argument(f"w{i}", (4, stored * self.MATRICES * n), weights) for i, n in enumerate(self._depths)
        ]

    def emit(self, row: Expr, store: Store) -> None:
        """Output rows from 2 · row on, block by block."""
        for number in range(len(self._inputs)):
            self._read(number, row)

        def group(first: Expr, vectors: int, half: bool) -> None:
            with T.serial(0, 2) as parity_y, T.serial(0, 2) as parity_x:
                over_tiles(
                    self.op.width // self.op.SIDE,
                    self.tile.pixels,
                    lambda start, pixels: self._tile((pixels, vectors, half), first, parity_y, parity_x, start, store),
                )

        over_groups(self._out_blocks, self.tile.vectors, self._half, group)
