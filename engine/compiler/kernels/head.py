"""An output head in one pass: for each branch depthwise K×K and ReLU, then one 1×1 over all of them, to planar maps.

The refined and the raw branch end in the same sum, so their two 1×1 convolutions are one matrix product. Before it, a row
is turned from blocks of channels to blocks of pixels: so no vector is spent on padding the few outputs to a whole block, and
the maps are written row by row as their readers want them.
"""

from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from engine.compiler.kernels.deconv import DeconvTiling, upsampler
from engine.compiler.kernels.depthwise import Patch, add_depthwise
from engine.compiler.kernels.emit import (
    RELU,
    Expr,
    Registers,
    Tile,
    argument,
    blocks,
    clipped,
    constant,
    over_tiles,
    over_vectors,
    prim_func,
    scratch,
    transpose,
    zero_fill,
)
from engine.compiler.kernels.product import output
from engine.compiler.kernels.upsampler import Deconv, QuantisedDeconv


@dataclass(frozen=True, slots=True)
class Head:
    """inputs: channels of each branch; outputs: maps."""

    inputs: tuple[int, ...]
    outputs: int
    height: int
    width: int
    kernel: int


@dataclass(frozen=True, slots=True)
class HeadTiling:
    """tile: vectors of pixels × maps of the 1×1 convolution. rows: output rows of one task, whole patches. patch: of the
    depthwise step."""

    tile: Tile
    rows: int
    patch: Patch


class Branch:
    """One input of a head: its depthwise layer, a ring of its newest rows with zero columns at both sides, and the
    depthwise layer's newest output rows, as many as a patch has.

    ring_rows: at least what those need; more where several rows arrive before one is used.
    """

    def __init__(self, number: int, op: Head, patch: Patch, ring_rows: int, lanes: int) -> None:
        self.op, self.patch, self.ring_rows, self.lanes = op, patch, ring_rows, lanes
        self.channels = op.inputs[number]
        self.blocks = blocks(self.channels, lanes)
        self._half = op.kernel // 2
        self._weight = argument(f"dw{number}", (self.blocks, op.kernel * op.kernel, lanes))
        self._bias = argument(f"b{number}", (self.blocks * lanes,))
        self._ring: Any = None
        self.lines: Any = None

    def allocate(self) -> None:
        """Scratch of one task, to be called inside it."""
        width = self.op.width
        self._ring = scratch((self.blocks, self.ring_rows, width + 2 * self._half, self.lanes))
        self.lines = scratch((self.blocks, self.patch.rows, width, self.lanes))
        with T.serial(0, self.blocks) as block, T.serial(0, self.ring_rows) as r, T.serial(0, self._half) as c:
            zero_fill(self._ring, self.lanes, block, r, c)
            zero_fill(self._ring, self.lanes, block, r, width + self._half + c)

    def put(self, block: Expr, row: Expr, column: Expr, lane: Expr, value: Expr) -> None:
        """Writes one value of input row `row`."""
        T.buffer_store(self._ring, value, [block, row % self.ring_rows, column + self._half, lane])

    def read_row(self, x: Any, row: Expr) -> None:
        """Copies input row `row` from x (I, H · W, lanes)."""
        width = self.op.width
        with T.serial(0, self.blocks) as block, T.serial(0, width) as c, T.vectorized(0, self.lanes) as v:
            self.put(block, row, c, v, x[block, row * width + c, v])

    def depthwise(self, row: Expr) -> None:
        """Output rows from `row` on of the depthwise layer into `lines`."""
        columns = self.patch.columns
        with T.serial(0, self.blocks) as block:
            over_tiles(self.op.width, columns, lambda start, pixels: self._depthwise_patch(block, row, start, pixels))

    def _depthwise_patch(self, block: Expr, row: Expr, start: Expr, columns: int) -> None:
        k, patch = self.op.kernel, Patch(self.patch.rows, columns)
        acc = Registers(patch.rows * columns, 1, self.lanes)
        acc.fill(lambda p, j, v: self._bias[block * self.lanes + v])
        add_depthwise(
            acc,
            patch,
            k,
            1,
            row,
            self.op.height,
            lambda r, column, v: self._ring[block, r % self.ring_rows, start + column, v],
            lambda ky, kx, v: self._weight[block, ky * k + kx, v],
        )
        with acc.each() as (p, j, v):
            T.buffer_store(self.lines, clipped(acc[p, j, v], RELU), [block, p // columns, start + p % columns, v])

    def turn(self, line: Expr, turned: Any, first: int) -> None:
        """One of `lines` from blocks of channels to one row per channel: rows of `turned` from `first` on."""

        def square(block: Expr, start: Expr) -> None:
            transpose(
                lambda i: self.lines[block, line, start + i, T.ramp(0, 1, self.lanes)],
                lambda i, row: T.buffer_store(
                    turned, row, [first + block * self.lanes + i, T.ramp(start, 1, self.lanes)]
                ),
                self.lanes,
            )

        with T.serial(0, self.blocks) as block:
            over_vectors(self.op.width, self.lanes, 1, lambda start, _: square(block, start))


class Projection:
    """The 1×1 convolution over all branches, and the maps that it writes."""

    def __init__(self, op: Head, tile: Tile, lanes: int) -> None:
        self.op, self.tile, self.lanes = op, tile, lanes
        self._weight = argument("projection", (sum(op.inputs), op.outputs))
        self._turned: Any = None

    def allocate(self, branches: list[Branch]) -> None:
        self._turned = scratch((sum(branch.blocks for branch in branches) * self.lanes, self.op.width))

    def emit(self, branches: list[Branch], row: Expr, maps: Any) -> None:
        """Rows of the maps from `row` on, as many as a patch has, whose neighbours are in the branches' rings."""
        for branch in branches:
            branch.depthwise(row)
        with T.serial(0, branches[0].patch.rows) as line:
            first = 0
            for branch in branches:
                branch.turn(line, self._turned, first)
                first += branch.blocks * self.lanes
            over_tiles(
                self.op.outputs,
                self.tile.pixels,
                lambda first_map, count: self._maps(branches, first_map, count, row + line, maps),
            )

    def _maps(self, branches: list[Branch], first_map: Expr, count: int, row: Expr, maps: Any) -> None:
        over_vectors(
            self.op.width,
            self.lanes,
            self.tile.vectors,
            lambda start, vectors: self._tile(branches, first_map, count, start, vectors, row, maps),
        )

    def _tile(
        self, branches: list[Branch], first_map: Expr, count: int, start: Expr, vectors: int, row: Expr, maps: Any
    ) -> None:
        acc = Registers(count, vectors, self.lanes)
        acc.fill(lambda p, j, v: constant(0))
        first_row, first_weight = 0, 0
        for branch in branches:
            self._add(acc, branch.channels, first_row, first_weight, first_map, start)
            first_row += branch.blocks * self.lanes
            first_weight += branch.channels
        with acc.each() as (p, j, v):
            value = T.cast(acc[p, j, v], "float32")
            T.buffer_store(maps, value, [first_map + p, row, start + j * self.lanes + v])

    def _add(
        self, acc: Registers, channels: int, first_row: int, first_weight: int, first_map: Expr, start: Expr
    ) -> None:
        acc.contract(
            channels,
            lambda p, block, lane: self._weight[first_weight + block * self.lanes + lane, first_map + p],
            lambda k, o: self._turned[first_row + k, start + o],
        )


@dataclass(frozen=True, slots=True)
class UpsampledHead:
    """A step of the deconv head and the output head that reads it first. keep: whether another step reads its features too;
    the finest never reach memory."""

    deconv: Deconv
    head: Head
    keep: bool

    @property
    def made_rows(self) -> int:
        """Rows that a step of the upsampler makes."""
        return 2 * self.deconv.SIDE


@dataclass(frozen=True, slots=True)
class UpsampledHeadTiling:
    """The head's tasks take whole steps of the upsampler, and these whole patches."""

    deconv: DeconvTiling
    head: HeadTiling


def upsampled_head(op: UpsampledHead, tiling: UpsampledHeadTiling, lanes: int, name: str) -> tirx.PrimFunc:
    """(the arguments of the upsampler, 1×1 weights (Σ I, O), depthwise weights (I, K · K, lanes) and bias of each branch, X (I,
    H · W, lanes) of every branch but the first, [those of `output` for the features, if kept]) -> maps (O, H, W). The first
    branch reads the upsampled features."""
    rows, patch, half, made = tiling.head.rows, tiling.head.patch, op.head.kernel // 2, op.made_rows
    if op.head.height % rows or rows % made or made % patch.rows:
        raise ValueError(
            f"{rows} rows a task do not divide {op.head.height}, or steps of {made} rows or patches of {patch.rows} do not "
            "divide them"
        )

    def body() -> None:
        height, width = op.head.height, op.head.width
        steps = upsampler(op.deconv, tiling.deconv.tile, lanes)
        projection = Projection(op.head, tiling.head.tile, lanes)
        around = -(-half // made)  # steps that the rows of one need on each side
        held = made * (around + 1) + half
        branches = [Branch(number, op.head, patch, held, lanes) for number in range(len(op.head.inputs))]
        refined, others = branches[0], branches[1:]
        inputs = [argument(f"raw{i}", (branch.blocks, height * width, lanes)) for i, branch in enumerate(others)]
        features = (refined.blocks, height * width, lanes)
        keep = output(features, isinstance(op.deconv, QuantisedDeconv)) if op.keep else None
        maps = argument("maps", (op.head.outputs, height, width), "float32")

        with T.parallel(0, height // rows) as task:
            steps.allocate()
            for branch in branches:
                branch.allocate()
            projection.allocate(branches)
            with T.serial(0, rows // made + 2 * around) as step:
                first = task * rows + (step - around) * made

                def put(block: Expr, row: Expr, column: Expr, lane: Expr, value: Expr) -> None:
                    refined.put(block, first + row, column, lane, value)
                    if keep is not None:
                        with T.If(tirx.all(step >= around, step < rows // made + around)), T.Then():
                            keep(value, [block, (first + row) * width + column, lane])

                with T.If(tirx.all(first >= 0, first < height)), T.Then():
                    steps.emit(first // 2, put)
                    with T.serial(0, made) as row:
                        for branch, x in zip(others, inputs):
                            branch.read_row(x, first + row)
                with T.If(step >= 2 * around), T.Then(), T.serial(0, made // patch.rows) as number:
                    projection.emit(branches, first - around * made + number * patch.rows, maps)

    return prim_func(name, body)
