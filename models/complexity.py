"""How much a network computes: multiply-accumulates and parameters, from its architecture alone. No torch.

Counted are the products of convolutions and transposed convolutions. Batch norm is folded into them; activations, sums
and the decoding of the maps are left out, as is usual.
"""

import math
from dataclasses import dataclass

from models.architecture import Architecture
from models.parameters import expected_shapes


@dataclass(frozen=True, slots=True)
class Complexity:
    """Multiply-accumulates for one picture.

    actual: what is computed: each place of a stride-2 transposed convolution's output needs 4 of its 16 taps.
    paper:  all 16 taps at each of these places, as profilers of PyTorch modules count. At 17 joints and the paper's
            inputs this gives 1.16, 4.83, 7.65 and 13.40 G for XS, S, M and L, where the paper prints 1.2, 5.0, 7.8 and
            13.8. The rest, 2 to 4 % of S, M and L, is no operator of the network: it grows at least 1.7 times from M to
            L, where batch norms, activations and sums grow less than 1.6 times.
    """

    actual: int
    paper: int


def count(architecture: Architecture, joints: int, height: int, width: int) -> Complexity:
    """For an input of height × width pixels, both multiples of 32."""
    strides = _strides(architecture)
    actual = paper = 0
    for name, shape in expected_shapes(architecture, joints).items():
        if len(shape) != 4:
            continue
        stride = strides[name.removesuffix(".weight")]
        products = math.prod(shape) * (height // stride) * (width // stride)
        paper += products
        actual += products // 4 if name.startswith("deconv_") else products
    return Complexity(actual, paper)


def parameters(architecture: Architecture, joints: int) -> int:
    """Trained numbers: weights, and scale and shift of the batch norms, without their statistics."""
    shapes = expected_shapes(architecture, joints)
    return sum(math.prod(shape) for name, shape in shapes.items() if "running_" not in name)


def _strides(architecture: Architecture) -> dict[str, int]:
    """Input pixels per place of each convolution's output, along one side, by the convolution's name."""
    strides = {"first.0.0": 2, "first.1.0": 2, "first.2": 2}
    stride = 2
    for i, blocks in enumerate(architecture.blocks()):
        for j, block in enumerate(blocks):
            strides[f"stage.{i}.{j}.inv.0"] = stride
            stride *= block.stride
            strides[f"stage.{i}.{j}.depth_conv.0"] = strides[f"stage.{i}.{j}.point_conv.0"] = stride
    for branch in ("refined", "raw"):
        strides |= {f"deconv_{branch}.{i}": 8 >> i for i in range(3)}
        strides |= {f"final_{branch}.{i}.conv.{layer}": 4 >> i for i in range(2) for layer in (0, 3)}
    return strides
