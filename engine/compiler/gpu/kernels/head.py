"""An output head in one kernel: for each branch depthwise K×K and ReLU, then one 1×1 over all of them, to planar maps.

A work item keeps all outputs of its pixels in registers. It convolves one block of channels after the other and multiplies
it into them at once, so that the depthwise layers' output never reaches memory. Items of a group may share the blocks of
channels of the same pixels and add up their parts.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from tvm.script.ir_builder import tirx as T

from engine.compiler.gpu.kernels.depthwise import Depthwise, Patch, add_depthwise
from engine.compiler.gpu.kernels.emit import (
    LANES,
    RELU,
    Expr,
    Kernel,
    Place,
    Registers,
    blocks,
    clipped,
    floats,
    kernel,
    lane,
    only_if,
    spread,
    vectors,
)
from engine.compiler.gpu.kernels.parts import add_parts
from engine.compiler.gpu.program import Grid


@dataclass(frozen=True, slots=True)
class Head:
    """inputs: channels of each branch; outputs: maps."""

    inputs: tuple[int, ...]
    outputs: int
    height: int
    width: int
    kernel: int


def head(op: Head, patch: Patch, split: int, name: str) -> Kernel:
    """(X of each branch, depthwise weights of each, bias of each, 1×1 weights (all blocks · 4, outputs / 4), maps).

    patch: rows is 1. split: items that share the blocks of channels of the same pixels.
    """
    in_blocks, out_blocks = [blocks(channels) for channels in op.inputs], blocks(op.outputs)
    area, taps = op.height * op.width, op.kernel * op.kernel
    arguments = {
        **{f"x{i}": vectors(count, area) for i, count in enumerate(in_blocks)},
        **{f"w{i}": vectors(count, taps) for i, count in enumerate(in_blocks)},
        **{f"bias{i}": vectors(count) for i, count in enumerate(in_blocks)},
        "projection": vectors(sum(in_blocks) * LANES, out_blocks),
        "maps": floats(op.outputs, area),
    }
    plain = patch.grid(op.height, op.width, 1)
    grid = Grid(plain.groups, (patch.across, patch.down, split))

    def body(place: Place, *buffers: Any) -> None:
        n = len(in_blocks)
        xs, ws, biases, (projection, maps) = buffers[:n], buffers[n : 2 * n], buffers[2 * n : 3 * n], buffers[-2:]
        corner = patch.corner(place)
        sums = Registers(patch.columns * out_blocks)
        sums.clear()

        def add_block(number: int, first: int, block: Expr) -> None:
            """One block of a branch, whose first block is the `first` one of the projection."""
            layer = Depthwise(op.inputs[number], op.height, op.width, op.kernel, 1, RELU)
            x, w, bias = xs[number], ws[number], biases[number]
            acc = Registers(patch.columns)
            for p in range(patch.columns):
                acc[p] = bias[block]
            add_depthwise(
                acc,
                patch,
                layer,
                corner,
                lambda row, column: x[block, row * op.width + column],
                lambda ky, kx: w[block, ky * op.kernel + kx],
            )
            for p in range(patch.columns):
                acc[p] = clipped(acc[p], RELU)
            for channel in range(LANES):
                for j in range(out_blocks):
                    weight = projection[(first + block) * LANES + channel, j]
                    for p in range(patch.columns):
                        at = p * out_blocks + j
                        sums[at] = sums[at] + spread(lane(acc[p], channel)) * weight

        first = 0
        for number, count in enumerate(in_blocks):
            with T.serial(0, -(-count // split)) as round_:
                block = round_ * split + place.item[2]
                only_if(block < count if count % split else True, partial(add_block, number, first, block))
            first += count

        def store(_: int, p: int) -> None:
            pixel = corner[0] * op.width + corner[1] + p
            for j in range(out_blocks):
                for channel in range(min(LANES, op.outputs - j * LANES)):
                    T.buffer_store(maps, lane(sums[p * out_blocks + j], channel), [j * LANES + channel, pixel])

        add_parts(sums, grid, place, lambda: patch.over_existing(place, op.height, op.width, store))

    return kernel(name, grid, arguments, body)
