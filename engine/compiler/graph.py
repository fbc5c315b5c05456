"""From an architecture and its weights to a Relax module whose operators are our kernels.

Two entry points: `maps` (picture -> both heads' maps) and `candidates` (maps -> the best peaks of each joint).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
from numpy.typing import NDArray
from tvm import relax, tirx

from engine.compiler import packing
from engine.compiler.kernels.bottleneck import Bottleneck, bottleneck
from engine.compiler.kernels.candidates import FindCandidates, find_candidates
from engine.compiler.kernels.deconv import DeconvTiling, deconv
from engine.compiler.kernels.dot_product import dot_products
from engine.compiler.kernels.emit import Tile, blocks, elements
from engine.compiler.kernels.expand_depthwise import ExpandDepthwise, expand_depthwise
from engine.compiler.kernels.head import Head, UpsampledHead, upsampled_head
from engine.compiler.kernels.pointwise import Pointwise, pointwise
from engine.compiler.kernels.stem import Stem, stem
from engine.compiler.kernels.upsampler import Deconv
from engine.compiler.tiling import Core
from engine.compiler.tilings import Tilings
from models.architecture import STEM_CHANNELS, Architecture, Block
from models.checkpoints import Checkpoint
from models.normalisation import MEAN, STD

CANDIDATES = 30
Layer = tuple[NDArray[np.float32], NDArray[np.float32]]  # weight and bias, batch norm folded in


@dataclass(frozen=True, slots=True)
class Features:
    """An activation in the blocked layout (C / lanes, H · W, lanes). in_bytes: for layers that read it in 8
    bits; levels: what these bytes stand for, `quantisation.Levels`."""

    value: Any
    channels: int
    height: int
    width: int
    in_bytes: Any = None
    levels: Any = None


class GraphBuilder:
    """Emits one network for one input shape. Equal kernels are built once, whatever the weights.

    STEM, BOTTLENECK, EXPAND_DEPTHWISE, POINTWISE, DECONV: classes of the operators. MIDDLE: type of a block's middle
    activation; None: the core's elements.
    """

    STEM: type[Stem] = Stem
    BOTTLENECK: type[Bottleneck] = Bottleneck
    EXPAND_DEPTHWISE: type[ExpandDepthwise] = ExpandDepthwise
    POINTWISE: type[Pointwise] = Pointwise
    DECONV: type[Deconv] = Deconv
    MIDDLE: str | None = None

    def __init__(
        self, checkpoint: Checkpoint, height: int, width: int, core: Core, tilings: Tilings | None = None
    ) -> None:
        self.architecture: Architecture = checkpoint.architecture
        self.joints = checkpoint.skeleton.joint_count
        self.height, self.width, self.core = height, width, core
        self._tilings = tilings or Tilings(core)
        self._weights = packing.Folded(checkpoint.tensors)
        self._builder = relax.BlockBuilder()
        self._kernels: dict[Any, Any] = {}

    def build(self) -> tvm.IRModule:
        self._maps()
        self._candidates()
        return self._builder.get()

    def _maps(self) -> None:
        picture = relax.Var("picture", relax.TensorType((self.height, self.width * 3), "uint8"))
        with self._builder.function("maps", [picture]):
            with self._builder.dataflow():
                features = [self._stem(picture)]
                for number, stage in enumerate(self.architecture.blocks()):
                    features.append(self._stage(f"stage.{number}", stage, features[-1]))
                output = self._builder.emit_output(relax.Tuple(self._head(features)))
            self._builder.emit_func_output(output)

    def _candidates(self) -> None:
        h, w = self.height // 4, self.width // 4
        maps4 = relax.Var("maps4", relax.TensorType((2 * self.joints, h, w), "float32"))
        maps2 = relax.Var("maps2", relax.TensorType((self.joints, 2 * h, 2 * w), "float32"))
        op = FindCandidates(self.joints, h, w, CANDIDATES)
        kernel = self._kernel(op, None, lambda name: find_candidates(op, name))
        shapes = [(self.joints, CANDIDATES, 2), (self.joints, CANDIDATES), (self.joints, CANDIDATES)]
        with self._builder.function("candidates", [maps4, maps2]):
            with self._builder.dataflow():
                types = [relax.TensorType(shape, "float32") for shape in shapes]
                output = self._builder.emit_output(relax.call_tir(kernel, [maps4, maps2], types))
            self._builder.emit_func_output(output)

    def _kernel(self, op: Any, tiling: Any, build: Callable[[str], tirx.PrimFunc]) -> Any:
        key = (op, tiling)
        if key not in self._kernels:
            name = f"{type(op).__name__.lower()}_{len(self._kernels)}"
            with elements(self.core.elements), dot_products(self.core.dot_product):
                self._kernels[key] = self._builder.add_func(build(name), name)
        return self._kernels[key]

    def _call(self, kernel: Any, arguments: list[Any], shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """The output of a kernel that has one, of `dtype` or of the core's elements."""
        return self._outputs(kernel, arguments, [relax.TensorType(shape, dtype or self.core.elements)])[0]

    def _outputs(self, kernel: Any, arguments: list[Any], types: list[Any]) -> list[Any]:
        """A kernel's outputs. Arrays among the arguments become constants."""
        values = self._values(arguments)
        if len(types) == 1:
            return [self._builder.emit(relax.call_tir(kernel, values, types[0]))]
        together = self._builder.emit(relax.call_tir(kernel, values, types))
        return [self._builder.emit(relax.TupleGetItem(together, index)) for index in range(len(types))]

    def _values(self, arguments: list[Any]) -> list[Any]:
        """Arrays of floats as constants of the core's elements, others as they are."""
        kind = self.core.elements
        return [
            relax.const(np.ascontiguousarray(a, kind if a.dtype.kind == "f" else a.dtype))
            if isinstance(a, np.ndarray)
            else a
            for a in arguments
        ]

    def _blocked(self, channels: int, height: int, width: int) -> tuple[int, int, int]:
        return (blocks(channels, self.core.lanes), height * width, self.core.lanes)

    def _vector(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return packing.vector(values, self.core.lanes)

    def _stem(self, picture: Any) -> Features:
        lanes, out_height, out_width = self.core.lanes, self.height // 2, self.width // 2
        op = self.STEM(self.height, self.width, STEM_CHANNELS, self.architecture.stem)
        tiling = self._tilings(op)
        kernel = self._kernel(op, tiling, lambda name: stem(op, tiling, lanes, name))

        w1, b1 = self._weights.conv("first.0.0", "first.0.1")
        mean, std = np.asarray(MEAN, np.float32), np.asarray(STD, np.float32)
        w1 = w1 / std[None, :, None, None]
        b1 = b1 - np.einsum("oiyx,i->o", w1, mean)
        depth_first = w1[:, ::-1].transpose(0, 2, 3, 1).reshape(op.middle, -1)  # (O, ky, kx, BGR)
        w2, b2 = self._weights.conv("first.1.0", "first.1.1")
        w3, b3 = self._weights.conv("first.2", "first.3")
        # `weight_offset` addresses a group by its own size, so weights are packed for the vectors that a group really has.
        arguments = [
            picture,
            mean[::-1],
            packing.matrix(depth_first, tiling.tile.vectors, lanes),
            self._vector(b1),
            packing.depthwise(w2, lanes),
            self._vector(b2),
            packing.matrix(w3[:, :, 0, 0], tiling.tile.vectors, lanes),
            self._vector(b3),
        ]
        return self._features("first", kernel, arguments, (op.outputs, out_height, out_width))

    def _features(self, layer: str, kernel: Any, arguments: list[Any], shape: tuple[int, int, int]) -> Features:
        """What the stem, a block or a step of the deconv head, `layer`, gives out. shape: channels, height, width."""
        return self._features_and(layer, kernel, arguments, shape, [])[0]

    def _features_and(
        self, layer: str, kernel: Any, arguments: list[Any], shape: tuple[int, int, int], others: list[Any]
    ) -> tuple[Features, list[Any]]:
        """The same of a kernel with other outputs behind these. others: their types."""
        types = [relax.TensorType(self._blocked(*shape), self.core.elements), *others]
        value, *rest = self._outputs(kernel, arguments, types)
        return Features(value, *shape), rest

    def _stage(self, name: str, stage: list[Block], x: Features) -> Features:
        for number, block in enumerate(stage):
            x = self._bottleneck(f"{name}.{number}", block, x)
        return x

    def _bottleneck(self, name: str, block: Block, x: Features) -> Features:
        inner = self.EXPAND_DEPTHWISE(block.inputs, block.middle, x.height, x.width, block.kernel, block.stride)
        op = self.BOTTLENECK(inner, block.outputs, block.residual)
        tiling = self._tilings(op)
        if tiling is None:
            return self._pointwise(name, block, self._expand_depthwise(name, inner, x), x)

        kernel = self._kernel(op, tiling, lambda name: bottleneck(op, tiling, self.core.lanes, name))
        arguments = [
            self._input(x),
            *self._expand_depthwise_weights(name, tiling.expansion),
            *self._product(f"{name}.point_conv", tiling.projection),
            *self._shortcut(op, x),
        ]
        return self._features(name, kernel, arguments, (block.outputs, inner.out_height, inner.out_width))

    def _input(self, x: Features) -> Any:
        """What the kernels of a block read of it."""
        return x.value

    def _shortcut(self, op: Bottleneck, x: Features) -> list[Any]:
        """What the kernel of a whole bottleneck reads beside its input."""
        return []

    def _expand_depthwise(self, name: str, op: ExpandDepthwise, x: Features) -> Any:
        """The middle activation of the block `name`."""
        tiling = self._tilings(op)
        kernel = self._kernel(op, tiling, lambda name: expand_depthwise(op, tiling, self.core.lanes, name))
        arguments = [self._input(x), *self._expand_depthwise_weights(name, tiling.tile)]
        return self._call(kernel, arguments, self._blocked(op.middle, op.out_height, op.out_width), self.MIDDLE)

    def _expand_depthwise_weights(self, name: str, tile: Tile) -> list[Any]:
        weight, bias = self._depthwise(name)
        return [
            *self._product(f"{name}.inv", tile),
            packing.depthwise(weight, self.core.lanes),
            self._vector(bias),
        ]

    def _depthwise(self, name: str) -> Layer:
        """The depthwise layer of the block `name`."""
        return self._weights.conv(f"{name}.depth_conv.0", f"{name}.depth_conv.1")

    def _product(self, name: str, tile: Tile, half: bool = False) -> list[Any]:
        """Arguments of the kernels' product for the 1×1 convolution `name`. half: the last block is a half block."""
        weight, bias = self._weights.conv(f"{name}.0", f"{name}.1")
        return [packing.matrix(weight[:, :, 0, 0], tile.vectors, self.core.lanes, half), self._vector(bias)]

    def _pointwise(self, name: str, block: Block, middle: Any, x: Features) -> Features:
        """The last convolution of the block `name`, and its shortcut from the block's input x."""
        lanes, height, width = self.core.lanes, x.height // block.stride, x.width // block.stride
        op = self.POINTWISE(block.middle, block.outputs, height * width, block.residual)
        tiling = self._tilings(op)
        kernel = self._kernel(op, tiling, lambda name: pointwise(op, tiling, lanes, name))
        arguments = [middle, *self._product(f"{name}.point_conv", tiling.tile, op.half(lanes))]
        if block.residual:
            arguments.append(x.value)
        return self._features(name, kernel, arguments, (op.outputs, height, width))

    def _head(self, features: list[Features]) -> list[Any]:
        """The deconv head: three upsampling steps, the second and the third with an output head each."""
        refined = self._deconv(0, features[-1], features[-2])
        [refined], coarse = self._upsampled_head(0, refined, features[-3], features[-4])
        _, fine = self._upsampled_head(1, refined, features[-4], features[-5])
        return [coarse, fine]

    def _raw(self, features: Features) -> list[Features]:
        return [features] if self.architecture.fusion else []

    def _deconv(self, step: int, refined: Features, raw: Features) -> Features:
        inputs = [refined, *self._raw(raw)]
        op = self._deconv_operator(step, inputs)
        tiling = self._tilings(op)
        kernel = self._kernel(op, tiling, lambda name: deconv(op, tiling, self.core.lanes, name))
        arguments = self._deconv_arguments(step, inputs, op, tiling)
        return self._features(f"deconv.{step}", kernel, arguments, (op.outputs, 2 * op.height, 2 * op.width))

    def _deconv_operator(self, step: int, inputs: list[Features]) -> Deconv:
        place = inputs[0]
        return self.DECONV(tuple(x.channels for x in inputs), self.architecture.deconv[step], place.height, place.width)

    def _deconv_layer(self, step: int, inputs: int) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
        """Weight (I, O, 4, 4) of each input, and bias (O,)."""
        scale, shift = self._weights.norm(f"deconv_bnrelu.{step}.0")
        names = ("deconv_refined", "deconv_raw")[:inputs]
        return [self._weights.weight(f"{name}.{step}") * scale[None, :, None, None] for name in names], shift

    def _deconv_arguments(self, step: int, inputs: list[Features], op: Deconv, tiling: DeconvTiling) -> list[Any]:
        lanes, vectors = self.core.lanes, tiling.tile.vectors
        weights, shift = self._deconv_layer(step, len(inputs))
        packed = [packing.winograd(weight, vectors, lanes, op.half(lanes)) for weight in weights]
        return [*(x.value for x in inputs), *packed, self._vector(shift)]

    def _upsampled_head(
        self, number: int, refined: Features, raw: Features, place: Features
    ) -> tuple[list[Features], Any]:
        """The upsampling step before output head `number`: its features, if another step reads them, and the head's maps.
        place: the backbone's features of the head's size."""
        step, keep = number + 1, number == 0
        inputs, others = [refined, *self._raw(raw)], self._raw(place)
        deconv = self._deconv_operator(step, inputs)
        head = self._head_operator(number, place, [deconv.outputs, *(x.channels for x in others)])
        op = UpsampledHead(deconv, head, keep)
        tiling = self._tilings(op)
        kernel = self._kernel(op, tiling, lambda name: upsampled_head(op, tiling, self.core.lanes, name))
        arguments = [
            *self._deconv_arguments(step, inputs, deconv, tiling.deconv),
            *self._head_arguments(number, head),
            *(x.value for x in others),
        ]
        shape = (head.outputs, head.height, head.width)
        if not keep:
            return [], self._call(kernel, arguments, shape, "float32")
        features, [maps] = self._features_and(
            f"deconv.{step}",
            kernel,
            arguments,
            (deconv.outputs, head.height, head.width),
            [relax.TensorType(shape, "float32")],
        )
        return [features], maps

    def _head_operator(self, number: int, place: Features, channels: list[int]) -> Head:
        """Output head `number`, at the size of `place`: 0 is the coarse one, with tags, 1 the fine one."""
        outputs = (2 - number) * self.joints
        return Head(tuple(channels), outputs, place.height, place.width, self.architecture.head_kernel)

    def _head_arguments(self, number: int, op: Head) -> list[Any]:
        names = [f"final_{branch}.{number}.conv" for branch, _ in zip(("refined", "raw"), op.inputs)]
        arguments: list[Any] = [np.concatenate([self._weights.weight(f"{name}.3")[:, :, 0, 0].T for name in names])]
        for name in names:
            weight, bias = self._weights.conv(f"{name}.0", f"{name}.1")
            arguments += [packing.depthwise(weight, self.core.lanes), self._vector(bias)]
        return arguments
