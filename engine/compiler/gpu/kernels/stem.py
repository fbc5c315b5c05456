"""The network's first layer, from the camera's bytes: 3×3 convolution at stride 2 and ReLU6.

Normalisation is folded into the weights, and the picture's border is padded with the mean colour, which is what the
network's zero padding means before normalisation.
"""

from dataclasses import dataclass
from typing import Any

from tvm.script.ir_builder import tirx as T

from engine.compiler.gpu.kernels.emit import (
    RELU6,
    Expr,
    Kernel,
    Place,
    Registers,
    blocks,
    clipped,
    kernel,
    only_if,
    spread,
    vectors,
)
from engine.compiler.gpu.program import Grid

COLOURS = 3
KERNEL = 3


@dataclass(frozen=True, slots=True)
class Stem:
    """Picture (H, W, 3) uint8 BGR -> (outputs, H / 2, W / 2). mean: of each colour, 0 to 255, BGR."""

    height: int
    width: int
    outputs: int
    mean: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class StemTile:
    """vectors: output blocks of a work item, a divisor of all; items: of a group."""

    vectors: int
    items: int


def stem(op: Stem, tile: StemTile, name: str) -> Kernel:
    """(picture, weights in groups of tile.vectors blocks with depth 27 = (ky, kx, colour), bias, Y). One item makes one
    pixel; one layer of work groups makes tile.vectors blocks."""
    count, height, width = blocks(op.outputs), op.height // 2, op.width // 2
    depth, pixels = KERNEL * KERNEL * COLOURS, height * width
    if count % tile.vectors:
        raise ValueError(f"{tile.vectors} blocks an item do not divide {count}")
    arguments = {
        "picture": ((op.height, op.width * COLOURS), "uint8"),
        "w": vectors(count * depth),
        "bias": vectors(count),
        "y": vectors(count, pixels),
    }

    def body(place: Place, picture: Any, w: Any, bias: Any, y: Any) -> None:
        pixel, first = place.group[0] * tile.items + place.item[0], place.group[1] * tile.vectors

        def convolve() -> None:
            acc, byte = Registers(tile.vectors), Registers(1, "float32")
            for j in range(tile.vectors):
                acc[j] = bias[first + j]
            for ky in range(KERNEL):
                for kx in range(KERNEL):
                    for colour in range(COLOURS):
                        byte[0] = read(ky, kx, colour)
                        at = first * depth + ((ky * KERNEL + kx) * COLOURS + colour) * tile.vectors
                        for j in range(tile.vectors):
                            acc[j] = acc[j] + spread(byte[0]) * w[at + j]
            for j in range(tile.vectors):
                T.buffer_store(y, clipped(acc[j], RELU6), [first + j, pixel])

        def read(ky: int, kx: int, colour: int) -> Expr:
            """Sides are even, so only the first row and the first column have a neighbour outside."""
            row, column = 2 * (pixel // width) + ky - 1, 2 * (pixel % width) + kx - 1
            value = T.cast(picture[row, column * COLOURS + colour], "float32")
            if ky and kx:
                return value
            exists = column >= 0 if ky else (row >= 0 if kx else T.And(row >= 0, column >= 0))
            return T.if_then_else(exists, value, T.float32(op.mean[colour]))

        only_if(pixel < pixels if pixels % tile.items else True, convolve)

    return kernel(name, Grid((-(-pixels // tile.items), count // tile.vectors, 1), (tile.items, 1, 1)), arguments, body)
