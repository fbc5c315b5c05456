"""The network with its bottlenecks' 1×1 convolutions and its transposed ones in 8 bits; the others stay in floats.

Each activation that one of these reads is stored in bytes by the kernel that makes it, and beside that in floats where
a shortcut or the head reads it too.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import relax

from engine.compiler import packing
from engine.compiler.graph import Features, GraphBuilder, Layer
from engine.compiler.kernels.bottleneck import Bottleneck, QuantisedBottleneck
from engine.compiler.kernels.deconv import DeconvTiling
from engine.compiler.kernels.dot_product import INSTRUCTIONS
from engine.compiler.kernels.emit import Tile
from engine.compiler.kernels.expand_depthwise import QuantisedExpandDepthwise
from engine.compiler.kernels.pointwise import QuantisedPointwise
from engine.compiler.kernels.stem import QuantisedStem
from engine.compiler.kernels.upsampler import Deconv, QuantisedDeconv
from engine.compiler.quantisation import IntegerDeconv, IntegerLayer, Levels
from engine.compiler.tiling import Core
from engine.compiler.tilings import Tilings
from models.checkpoints import Checkpoint


class QuantisedGraphBuilder(GraphBuilder):
    """For a core with a dot product. Raises WeightsError where nothing tells the ranges of the activations."""

    STEM = QuantisedStem
    BOTTLENECK = QuantisedBottleneck
    EXPAND_DEPTHWISE = QuantisedExpandDepthwise
    POINTWISE = QuantisedPointwise
    DECONV = QuantisedDeconv

    def __init__(
        self, checkpoint: Checkpoint, height: int, width: int, core: Core, tilings: Tilings | None = None
    ) -> None:
        super().__init__(checkpoint, height, width, core, tilings)
        self._ranges = checkpoint.activation_ranges()
        self._instruction = INSTRUCTIONS[core.dot_product or ""]
        self.MIDDLE = self._instruction.inputs
        blocks = [
            f"stage.{stage}.{number}"
            for stage, found in enumerate(self.architecture.blocks())
            for number in range(len(found))
        ]
        readers = [*(f"{name}.inv.0" for name in blocks), *(f"deconv_refined.{step}" for step in range(3))]
        # Of what the stem, each block and the first two steps of the head give out.
        self._readers = dict(zip(["first", *blocks, "deconv.0", "deconv.1"], readers))

    def _levels(self, reader: str) -> Levels:
        """Of the activation that the layer `reader` reads."""
        return Levels.of(*self._ranges[reader])

    def _features_and(
        self, layer: str, kernel: Any, arguments: list[Any], shape: tuple[int, int, int], others: list[Any]
    ) -> tuple[Features, list[Any]]:
        levels, blocked = self._levels(self._readers[layer]), self._blocked(*shape)
        types = [
            relax.TensorType(blocked, self.core.elements),
            relax.TensorType(blocked, self._instruction.inputs),
            *others,
        ]
        floats, in_bytes, *rest = self._outputs(kernel, [*arguments, levels.rounding()], types)
        return Features(floats, *shape, in_bytes, levels), rest

    def _input(self, x: Features) -> Any:
        return x.in_bytes

    def _shortcut(self, op: Bottleneck, x: Features) -> list[Any]:
        return [x.value] if op.residual else []

    def _depthwise(self, name: str) -> Layer:
        """In units of its output's levels, which begin at 0, and rounding included."""
        weight, bias = super()._depthwise(name)
        scale = np.float32(self._levels(f"{name}.point_conv.0").scale)
        return weight / scale, bias / scale + np.float32(0.5)

    def _product(self, name: str, tile: Tile, half: bool = False) -> list[Any]:
        weight, bias = self._weights.conv(f"{name}.0", f"{name}.1")
        layer = IntegerLayer.of(weight[:, :, 0, 0], bias, self._levels(f"{name}.0"))
        matrix = packing.quads(layer.weight, tile.vectors, self.core.lanes, half)
        return [matrix, *self._start(layer.weight.sum(axis=1)), self._vector(layer.scale), self._vector(layer.bias)]

    def _start(self, weights: NDArray[Any]) -> list[Any]:
        """With what the sums of bytes begin that stand for more than themselves. weights: sums (…, O) of each output's."""
        offset = self._instruction.offset
        return [np.apply_along_axis(self._vector, -1, weights * offset).astype(np.int32)] if offset else []

    def _deconv_arguments(self, step: int, inputs: list[Features], op: Deconv, tiling: DeconvTiling) -> list[Any]:
        lanes = self.core.lanes
        weights, shift = self._deconv_layer(step, len(inputs))
        levels = [x.levels for x in inputs]
        layer = IntegerDeconv.of([packing.taps_of(weight) for weight in weights], shift, levels)

        def packed(weight: NDArray[np.int8]) -> NDArray[np.int8]:
            """Each tap's input channels padded to whole quads."""
            channels = weight.shape[-1]
            full = np.pad(weight, [(0, 0)] * 3 + [(0, packing.padded(channels, packing.QUAD) - channels)])
            matrices = full.transpose(0, 2, 1, 3).reshape(4, weight.shape[2], -1)
            return np.stack([packing.quads(matrix, tiling.tile.vectors, lanes, op.half(lanes)) for matrix in matrices])

        return [
            *(x.in_bytes for x in inputs),
            *map(packed, layer.weights),
            np.stack([self._vector(parity) for parity in layer.bias]),
            np.stack([self._vector(parity) for parity in layer.scale]),
            np.array([level.zero - self._instruction.offset for level in levels], self._instruction.inputs),
            *self._start(np.sum([weight.sum(axis=(1, 3)) for weight in layer.weights], axis=0)),
        ]


def graph_builder(
    checkpoint: Checkpoint, height: int, width: int, core: Core, tilings: Tilings | None = None
) -> GraphBuilder:
    """The builder for what `core` computes in."""
    kind = QuantisedGraphBuilder if core.dot_product else GraphBuilder
    return kind(checkpoint, height, width, core, tilings)
