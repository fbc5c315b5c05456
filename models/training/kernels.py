"""Faster training on CPU cores: the same layers and parameters, with our C++ kernels behind depthwise convolution and batch norm.

PyTorch's own step spends nearly all of its time in the weight gradient of depthwise convolutions. The kernels are compiled on
demand with the system's C++ compiler; without one, training works as before and is slow.
"""

import logging
import os
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("kernels.cpp")
KERNEL_SIZES = (3, 5, 7, 9)
ACTIVATIONS: dict[type[nn.Module], int] = {nn.ReLU: 1, nn.ReLU6: 2}


@cache
def extension() -> Any:
    """The compiled kernels, or None with a message where they cannot be built."""
    if shutil.which(os.environ.get("CXX", "c++")) is None:
        log.warning("No C++ compiler was found, so training uses plain PyTorch, about five times slower. Install g++.")
        return None
    from torch.utils import cpp_extension

    # ninja is looked for on the path, and may be installed beside the interpreter only.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    try:
        return cpp_extension.load(
            name="litepose_training_kernels",
            sources=[str(SOURCE)],
            extra_cflags=["-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-fopenmp", "-Wno-psabi"],
            extra_ldflags=["-fopenmp"],
        )
    except (RuntimeError, OSError, ImportError) as error:
        log.warning(
            "The training kernels cannot be built, so training uses plain PyTorch, five times slower: %s", error
        )
        return None


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        result: Tensor = extension().depthwise(x, weight, stride)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        x, weight = ctx.saved_tensors
        dx, dweight = extension().depthwise_backward(x, weight, gradients[0], ctx.stride, ctx.needs_input_grad[0])
        return dx, dweight, None


class _Pointwise(torch.autograd.Function):
    """1×1 convolution as matrix products on NCHW, without PyTorch's change of layout."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, kind: torch.dtype) -> Tensor:
        n, channels, height, width = x.shape
        flat = x.reshape(n, channels, height * width).to(kind)
        matrix = weight.view(weight.shape[0], channels).to(kind)
        ctx.save_for_backward(flat, matrix)
        ctx.shape = (height, width)
        return torch.bmm(matrix.expand(n, -1, -1), flat).view(n, -1, height, width).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None]:
        flat, matrix = ctx.saved_tensors
        n, channels = flat.shape[:2]
        gradient = gradients[0].reshape(n, matrix.shape[0], -1).to(flat.dtype)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = torch.bmm(matrix.t().expand(n, -1, -1), gradient).view(n, channels, *ctx.shape).float()
        dweight = torch.bmm(gradient, flat.transpose(1, 2)).float().sum(0)
        return dx, dweight[..., None, None], None


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, shift: Tensor, epsilon: float, activation: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        y, mean, inverse, variance = extension().norm(x, scale, shift, epsilon, activation)
        ctx.save_for_backward(x, scale, shift, mean, inverse)
        ctx.activation = activation
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        dx, dscale, dshift = extension().norm_backward(gradients[0], *ctx.saved_tensors, ctx.activation)
        return dx, dscale, dshift, None, None


class DepthwiseConv(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the parent's name)
        stride = int(self.stride[0])
        if stride == 2 and (input.shape[2] % 2 or input.shape[3] % 2):
            return super().forward(input)
        return _Depthwise.apply(input, self.weight, stride)  # type: ignore[no-any-return, no-untyped-call]


class PointwiseConv(nn.Conv2d):
    """Products in `kind`, sums in single precision."""

    kind: torch.dtype = torch.float32

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        return _Pointwise.apply(input, self.weight, self.kind)  # type: ignore[no-any-return, no-untyped-call]


class NormActivation(nn.BatchNorm2d):
    """Batch norm that applies the activation behind it as well."""

    activation: int = 0

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        if not self.training:
            normal = super().forward(input)
            return normal.clamp(0, 6) if self.activation == 2 else normal.relu() if self.activation == 1 else normal
        y: Tensor
        y, mean, variance = _Norm.apply(  # type: ignore[no-untyped-call]
            input.contiguous(), self.weight, self.bias, self.eps, self.activation
        )
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        with torch.no_grad():
            samples = input.numel() / input.shape[1]
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (samples / (samples - 1)), self.momentum)
        return y


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than single precision."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def accelerate(network: nn.Module, bfloat16: bool | None = None) -> bool:
    """Puts our kernels behind the layers of a network, in place; parameters and their names stay. False where there are none.

    bfloat16: whether 1×1 convolutions multiply in it, as on GPUs: three times as fast; if left out, where the processor can.
    """
    if extension() is None:
        return False
    kind = torch.bfloat16 if (has_bfloat16() if bfloat16 is None else bfloat16) else torch.float32
    for layer in network.modules():
        if type(layer) is nn.Conv2d and layer.bias is None and layer.padding_mode == "zeros":
            kernel, groups = layer.kernel_size[0], layer.groups
            if kernel == 1 and groups == 1 and layer.stride == (1, 1):
                layer.__class__ = PointwiseConv
                cast(PointwiseConv, layer).kind = kind
            elif groups == layer.in_channels == layer.out_channels > 1 and kernel in KERNEL_SIZES:
                layer.__class__ = DepthwiseConv
    for layer in network.modules():
        if isinstance(layer, nn.Sequential):
            _fuse_activations(layer)
    return True


def _fuse_activations(row: nn.Sequential) -> None:
    for index, layer in enumerate(row):
        if type(layer) is not nn.BatchNorm2d:
            continue
        layer.__class__ = NormActivation
        following = ACTIVATIONS.get(type(row[index + 1]), 0) if index + 1 < len(row) else 0
        if following:
            cast(NormActivation, layer).activation = following
            row[index + 1] = nn.Identity()
