"""From an architecture and its weights to the kernels and launches of one frame. `engine.compiler.graph` is the same for
processors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.compiler import packing
from engine.compiler.gpu import tiling
from engine.compiler.gpu.kernels.candidates import FIELDS, FindCandidates, average, peaks, select
from engine.compiler.gpu.kernels.depthwise import Depthwise, depthwise
from engine.compiler.gpu.kernels.emit import LANES, RELU6, Clip, Kernel, blocks
from engine.compiler.gpu.kernels.gemm import TAPS, Deconv, GemmTile, Pointwise, deconv, pointwise
from engine.compiler.gpu.kernels.head import Head, head
from engine.compiler.gpu.kernels.stem import Stem, stem
from engine.compiler.gpu.presets import GpuTarget
from engine.compiler.gpu.program import Buffer, Role
from models.architecture import STEM_CHANNELS, Block
from models.checkpoints import Checkpoint
from models.normalisation import MEAN, STD

CANDIDATES = 30
FLOAT = 4  # bytes
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Features:
    """An activation: number of its buffer, and its shape."""

    buffer: int
    channels: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Call:
    """One launch, before code generation: buffers by the names of the kernel's arguments."""

    kernel: str
    buffers: dict[str, int]


class NetworkBuilder:
    """Writes one network for one input shape. Equal kernels are written once, whatever the weights.

    kernels: by name. calls: in order; the first `maps_calls` of them make the maps. weights: the bytes of all of them.
    """

    def __init__(self, checkpoint: Checkpoint, height: int, width: int, target: GpuTarget) -> None:
        self.architecture = checkpoint.architecture
        self.joints = checkpoint.skeleton.joint_count
        self.height, self.width, self.target = height, width, target
        self.kernels: dict[str, Kernel] = {}
        self.calls: list[Call] = []
        self.buffers: list[Buffer] = []
        self.maps_calls = 0
        self._folded = packing.Folded(checkpoint.tensors)
        self._chunks: list[bytes] = []
        self._stored = 0
        self._known: dict[Any, str] = {}

    @property
    def weights(self) -> bytes:
        return b"".join(self._chunks)

    def build(self) -> None:
        features = [self._stem()]
        for number, stage in enumerate(self.architecture.blocks()):
            x = features[-1]
            for place, block in enumerate(stage):
                x = self._bottleneck(f"stage.{number}.{place}", block, x)
            features.append(x)
        refined = self._deconv(1, self._deconv(0, features[-1], features[-2]), features[-3])
        coarse = self._head(0, Role.COARSE, [refined, *self._raw(features[-4])])
        refined = self._deconv(2, refined, features[-4])
        fine = self._head(1, Role.FINE, [refined, *self._raw(features[-5])])
        self.maps_calls = len(self.calls)
        self._candidates(coarse, fine)

    def _buffer(self, role: Role, size: int) -> int:
        self.buffers.append(Buffer(role, size))
        return len(self.buffers) - 1

    def _constant(self, values: Array) -> int:
        data = np.ascontiguousarray(values, np.float32).tobytes()
        self.buffers.append(Buffer(Role.WEIGHTS, len(data), self._stored))
        self._chunks.append(data)
        self._stored += len(data)
        return len(self.buffers) - 1

    def _vector(self, values: Array) -> int:
        return self._constant(packing.vector(values, LANES))

    def _features(self, channels: int, height: int, width: int) -> Features:
        size = blocks(channels) * height * width * LANES * FLOAT
        return Features(self._buffer(Role.WORK, size), channels, height, width)

    def _kernel(self, verb: str, op: Any, choices: Any, write: Callable[[str], Kernel]) -> str:
        """The name of the kernel that does `verb` for an operator with these choices, written by `write` if it is new."""
        key = (verb, op, choices)
        if key not in self._known:
            name = f"{verb}_{len(self._known)}"
            self._known[key] = name
            self.kernels[name] = write(name)
        return self._known[key]

    def _call(self, kernel: str, buffers: list[int]) -> None:
        self.calls.append(Call(kernel, dict(zip(self.kernels[kernel].arguments, buffers, strict=True))))

    def _stem(self) -> Features:
        picture = self._buffer(Role.PICTURE, self.height * self.width * 3)
        mean, std = np.asarray(MEAN, np.float32), np.asarray(STD, np.float32)
        blue, green, red = (float(value) for value in mean[::-1])
        op = Stem(self.height, self.width, STEM_CHANNELS, (blue, green, red))
        tile = tiling.stem_tile(self.target, op.outputs)
        kernel = self._kernel("stem", op, tile, lambda name: stem(op, tile, name))
        weight, bias = self._folded.conv("first.0.0", "first.0.1")
        weight = weight / std[None, :, None, None]
        bias = bias - np.einsum("oiyx,i->o", weight, mean)
        depth_first = weight[:, ::-1].transpose(0, 2, 3, 1).reshape(op.outputs, -1)  # (O, ky, kx, BGR)
        first = self._features(op.outputs, self.height // 2, self.width // 2)
        packed = self._constant(packing.matrix(depth_first, tile.vectors, LANES))
        self._call(kernel, [picture, packed, self._vector(bias), first.buffer])
        middle = self._depthwise(*self._folded.conv("first.1.0", "first.1.1"), first, 3, 1)
        weight, bias = self._folded.conv("first.2", "first.3")
        return self._pointwise(weight, bias, middle, None, None)

    def _bottleneck(self, name: str, block: Block, x: Features) -> Features:
        expanded = self._pointwise(*self._folded.conv(f"{name}.inv.0", f"{name}.inv.1"), x, RELU6, None)
        weight, bias = self._folded.conv(f"{name}.depth_conv.0", f"{name}.depth_conv.1")
        middle = self._depthwise(weight, bias, expanded, block.kernel, block.stride)
        weight, bias = self._folded.conv(f"{name}.point_conv.0", f"{name}.point_conv.1")
        return self._pointwise(weight, bias, middle, None, x if block.residual else None)

    def _depthwise(self, weight: Array, bias: Array, x: Features, kernel: int, stride: int) -> Features:
        op = Depthwise(x.channels, x.height, x.width, kernel, stride, RELU6)
        result = self._features(x.channels, x.height // stride, x.width // stride)
        patch = tiling.depthwise_patch(self.target, x.channels, result.height, result.width, kernel, stride)
        name = self._kernel("depthwise", op, patch, lambda name: depthwise(op, patch, name))
        packed = self._constant(packing.depthwise(weight, LANES))
        self._call(name, [x.buffer, packed, self._vector(bias), result.buffer])
        return result

    def _pointwise(
        self, weight: Array, bias: Array, x: Features, clip: Clip | None, residual: Features | None
    ) -> Features:
        """weight: (O, I, 1, 1)."""
        op = Pointwise(x.channels, len(weight), x.height * x.width, residual is not None, clip)
        tile = tiling.gemm_tile(self.target, blocks(op.outputs), op.pixels, blocks(op.inputs))
        kernel = self._kernel("pointwise", op, tile, lambda name: pointwise(op, tile, name))
        result = self._features(op.outputs, x.height, x.width)
        packed = self._constant(packing.matrix(_whole_tiles(weight, tile)[:, :, 0, 0], tile.vectors, LANES))
        added = [residual.buffer] if residual else []
        self._call(kernel, [x.buffer, packed, self._vector(bias), *added, result.buffer])
        return result

    def _raw(self, features: Features) -> list[Features]:
        return [features] if self.architecture.fusion else []

    def _deconv(self, step: int, refined: Features, raw: Features) -> Features:
        inputs = [refined, *self._raw(raw)]
        op = Deconv(tuple(x.channels for x in inputs), self.architecture.deconv[step], refined.height, refined.width)
        depth = TAPS * sum(blocks(channels) for channels in op.inputs)
        tile = tiling.gemm_tile(self.target, blocks(op.outputs), op.height * op.width, depth, layers=4)
        kernel = self._kernel("deconv", op, tile, lambda name: deconv(op, tile, name))
        scale, shift = self._folded.norm(f"deconv_bnrelu.{step}.0")
        packed = []
        for name, _ in zip(("deconv_refined", "deconv_raw"), inputs):
            weight = self._folded.weight(f"{name}.{step}") * scale[None, :, None, None]
            whole = _whole_tiles(weight.transpose(1, 0, 2, 3), tile).transpose(1, 0, 2, 3)
            packed.append(self._constant(packing.transposed(whole, tile.vectors, LANES)))
        result = self._features(op.outputs, 2 * op.height, 2 * op.width)
        self._call(kernel, [*(x.buffer for x in inputs), *packed, self._vector(shift), result.buffer])
        return result

    def _head(self, number: int, role: Role, inputs: list[Features]) -> int:
        """Output head `number`: 0 is the coarse one, with tags, 1 the fine one. The number of its maps' buffer."""
        place = inputs[0]
        op = Head(
            tuple(x.channels for x in inputs),
            (2 - number) * self.joints,
            place.height,
            place.width,
            self.architecture.head_kernel,
        )
        patch, split = tiling.head_tile(self.target, op)
        kernel = self._kernel("head", op, (patch, split), lambda name: head(op, patch, split, name))
        names = [f"final_{branch}.{number}.conv" for branch, _ in zip(("refined", "raw"), inputs)]
        depthwise_layers = [self._folded.conv(f"{name}.0", f"{name}.1") for name in names]
        projection = np.concatenate([_whole_blocks(self._folded.weight(f"{name}.3")[:, :, 0, 0].T) for name in names])
        maps = self._buffer(role, op.outputs * place.height * place.width * FLOAT)
        self._call(
            kernel,
            [
                *(x.buffer for x in inputs),
                *(self._constant(packing.depthwise(weight, LANES)) for weight, _ in depthwise_layers),
                *(self._vector(bias) for _, bias in depthwise_layers),
                self._constant(projection),
                maps,
            ],
        )
        return maps

    def _candidates(self, coarse: int, fine: int) -> None:
        op = FindCandidates(self.joints, self.height // 4, self.width // 4, CANDIDATES)
        items, few = tiling.per_pixel_items(self.target), tiling.select_items(self.target, op)
        heat = self._buffer(Role.WORK, op.joints * 4 * op.cells * FLOAT)
        value, pixel = (self._buffer(Role.WORK, op.joints * op.cells * FLOAT) for _ in range(2))
        found = self._buffer(Role.CANDIDATES, op.joints * op.count * FIELDS * FLOAT)
        self._call(self._kernel("average", op, items, lambda name: average(op, items, name)), [coarse, fine, heat])
        self._call(self._kernel("peaks", op, items, lambda name: peaks(op, items, name)), [heat, value, pixel])
        self._call(
            self._kernel("select", op, few, lambda name: select(op, few, name)), [value, pixel, heat, coarse, found]
        )


def _whole_tiles(weight: Array, tile: GemmTile) -> Array:
    """(O, I, h, w) with zeros for the output channels of incomplete tiles and the input channels of incomplete blocks."""
    outputs, inputs = weight.shape[:2]
    more_outputs = tile.padded_outputs(blocks(outputs)) - outputs
    return np.pad(weight, ((0, more_outputs), (0, blocks(inputs) * LANES - inputs), (0, 0), (0, 0)))


def _whole_blocks(matrix: Array) -> Array:
    """(I, O) with zeros up to whole blocks of both."""
    inputs, outputs = matrix.shape
    return np.pad(matrix, ((0, blocks(inputs) * LANES - inputs), (0, blocks(outputs) * LANES - outputs)))
