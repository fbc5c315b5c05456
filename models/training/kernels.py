"""Faster training on CPU cores: the same layers, parameters and loss, with our C++ kernels behind them.

PyTorch's own step spends nearly all of its time in the weight gradient of depthwise convolutions. The kernels are compiled on
demand with the system's C++ compiler; without one, training works as before and is slow. Maps may be bfloat16, by autocast.
"""

import logging
import math
import os
import shutil
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from filelock import FileLock
from torch import Tensor, nn

from models.litepose import InvertedBottleneck, LitePose, SeparableHead
from models.training import targets

log = logging.getLogger(__name__)

NAME = "litepose_training_kernels"
SOURCES = [
    Path(__file__).with_name(name) for name in ("module.cpp", "kernels.cpp", "pointwise.cpp", "heatmap_loss.cpp")
]
KERNEL_SIZES = (3, 5, 7, 9)
Limits = tuple[float, float]
ACTIVATIONS: dict[type[nn.Module], Limits] = {nn.ReLU: (0.0, math.inf), nn.ReLU6: (0.0, 6.0)}
LINEAR: Limits = (-math.inf, math.inf)


def build_folder() -> Path:
    """Where the kernels are built for this Python and this PyTorch, below PyTorch's own folder for such things."""
    from torch.utils import cpp_extension

    root = os.environ.get("TORCH_EXTENSIONS_DIR") or cpp_extension.get_default_build_root()
    return Path(root) / f"{NAME}-py{sys.version_info.major}{sys.version_info.minor}-torch{torch.__version__}"


@cache
def extension() -> Any:
    """The compiled kernels, or None with a message where they cannot be built."""
    if shutil.which(os.environ.get("CXX", "c++")) is None:
        log.warning("No C++ compiler was found, so training uses plain PyTorch, about five times slower. Install g++.")
        return None
    from torch.utils import cpp_extension

    # ninja is looked for on the path, and may be installed beside the interpreter only.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    folder = build_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "building"):
            # PyTorch locks by a file that a build leaves behind when it is killed, and then waits for it for ever. The
            # system frees ours, so whoever holds it is the only one to build.
            (folder / "lock").unlink(missing_ok=True)
            return cpp_extension.load(
                name=NAME,
                sources=[str(source) for source in SOURCES],
                extra_cflags=["-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-fopenmp", "-Wno-psabi"],
                extra_ldflags=["-fopenmp"],
                build_directory=str(folder),
            )
    except (RuntimeError, OSError, ImportError) as error:
        log.warning(
            "The training kernels cannot be built, so training uses plain PyTorch, five times slower: %s", error
        )
        return None


class _Pointwise(torch.autograd.Function):
    """1×1 convolution as matrix products on NCHW, in the type of the maps, without PyTorch's change of layout."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        flat = x.reshape(n, channels, height * width)
        matrix = weight.view(weight.shape[0], channels).to(x.dtype)
        ctx.save_for_backward(flat, matrix)
        ctx.shape = (height, width)
        return _product(flat, matrix).view(n, -1, height, width)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor]:
        flat, matrix = ctx.saved_tensors
        n, channels = flat.shape[:2]
        gradient = gradients[0].reshape(n, matrix.shape[0], -1)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = _product(gradient, matrix.t()).view(n, channels, *ctx.shape)
        if flat.dtype == torch.float32:
            dweight = extension().pointwise_weight_gradient(gradient, flat)
        else:
            dweight = torch.bmm(gradient, flat.transpose(1, 2)).float().sum(0)
        return dx, dweight[..., None, None]


def _product(maps: Tensor, matrix: Tensor) -> Tensor:
    """matrix (M, K) times maps (N, K, pixels). Those of bfloat16 have instructions of their own, which PyTorch uses."""
    if maps.dtype == torch.float32:
        return cast(Tensor, extension().pointwise(maps, matrix))
    return torch.bmm(matrix.expand(len(maps), -1, -1), maps)


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, limits: Limits, epsilon: float, *norm: Tensor) -> tuple[Tensor, Tensor]:
        """norm: scale, shift and running mean. -> output, statistics"""
        y, statistics = extension().norm(x, norm, limits, epsilon)
        ctx.save_for_backward(x, statistics, *norm[:2])
        ctx.limits = limits
        ctx.mark_non_differentiable(statistics)
        return y, statistics

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, statistics, *norm = ctx.saved_tensors
        dx, dnorm = extension().norm_backward(gradients[0], x, norm, ctx.limits, statistics)
        return dx, None, None, *dnorm, None


class _Depthwise(torch.autograd.Function):
    """Depthwise convolution, the norm and activation behind it, and those before it where there are any."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, stride: int, limits: Sequence[Limits], epsilon: float, *norms: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """norms: scale, shift and running mean of each; limits: of the same. -> output, statistics before and behind"""
        before, after = norms[:-3], norms[-3:]
        y, z, first, second = extension().depthwise(x, weight, stride, before, limits[0], after, limits[-1], epsilon)
        ctx.save_for_backward(x, weight, z, first, second, *before[:2], *after[:2])
        ctx.stride, ctx.limits = stride, limits
        ctx.mark_non_differentiable(first, second)
        return y, first, second

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, z, first, second, *norms = ctx.saved_tensors
        before, after = norms[:-2], norms[-2:]
        dx, dweight, dbefore, dafter = extension().depthwise_backward(
            gradients[0], x, z, weight, ctx.stride, before, ctx.limits[0], first, after, ctx.limits[-1], second,
            ctx.needs_input_grad[0],
        )  # fmt: skip
        return dx, dweight, None, None, None, *((*dbefore, None) if before else ()), *dafter, None


class _HeatmapLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, output: Tensor, *described: Any) -> Tensor:
        loss, gradient = extension().heatmap_loss(output, *described)
        ctx.save_for_backward(gradient)
        return cast(Tensor, loss)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradients[0] * gradient, *[None] * 7


def heatmap_loss(
    output: Tensor, people: Tensor, ignored: Tensor, deviations: Tensor, stride: int, joint_weight: float
) -> Tensor:
    """`losses.heatmap_loss` of the heatmaps (N, J, h, w) against `targets.heatmaps`, both at once, of float32 on the CPU."""
    reach = (targets.UNSURE_REACH, targets.LEAST_REACH)
    return cast(
        Tensor,
        _HeatmapLoss.apply(output, people, ignored, deviations, stride, joint_weight, reach, targets.CLEAR),  # type: ignore[no-untyped-call]
    )


class PointwiseConv(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (the parent's name)
        return _Pointwise.apply(input, self.weight)  # type: ignore[no-any-return, no-untyped-call]


class NormActivation(nn.BatchNorm2d):
    """Batch norm that applies the activation behind it as well."""

    limits: Limits = LINEAR

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        if not self.training:
            return super().forward(input).clamp(*self.limits)
        y, statistics = _Norm.apply(input.contiguous(), self.limits, self.eps, *_parameters(self))  # type: ignore[no-untyped-call]
        _note(self, statistics, y)
        return cast(Tensor, y)


class FastBottleneck(InvertedBottleneck):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        y = cast(Tensor, self.point_conv(_depthwise(self.inv[0](x), list(self.inv)[1:], list(self.depth_conv))))
        return x + y if self.residual else y


class FastHead(SeparableHead):
    def forward(self, x: Tensor) -> Tensor:
        return (
            cast(Tensor, self.conv[3](_depthwise(x, [], list(self.conv)[:3]))) if self.training else super().forward(x)
        )


class FastStem(nn.Sequential):
    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        if not self.training:
            return cast(Tensor, super().forward(input))  # type: ignore[no-untyped-call]
        first, depthwise, pointwise, norm = (cast(nn.Sequential, layer) for layer in self)
        return cast(Tensor, norm(pointwise(_depthwise(first[0](input), list(first)[1:], list(depthwise)))))


def _depthwise(x: Tensor, before: Sequence[nn.Module], convolution: Sequence[Any]) -> Tensor:
    """before: a norm and its activation, or nothing. convolution: a depthwise convolution, a norm and its activation."""
    layer, *behind = convolution
    rows = [before, behind] if before else [behind]
    norms = [cast(nn.BatchNorm2d, norm) for norm, _ in rows]
    limits = [ACTIVATIONS[type(activation)] for _, activation in rows]
    parameters = [tensor for norm in norms for tensor in _parameters(norm)]
    y, *statistics = _Depthwise.apply(  # type: ignore[no-untyped-call]
        x.contiguous(), layer.weight, layer.stride[0], limits, norms[0].eps, *parameters
    )
    for norm, measured, maps in zip(norms, statistics[-len(norms) :], (x, y)[-len(norms) :]):
        _note(norm, measured, maps)
    return cast(Tensor, y)


def _parameters(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor]:
    assert norm.running_mean is not None
    return norm.weight, norm.bias, norm.running_mean


@torch.no_grad()
def _note(norm: nn.BatchNorm2d, statistics: Tensor, maps: Tensor) -> None:
    """Moves the running statistics towards (mean, inverse deviation, variance) of maps of this shape."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.momentum is not None
    samples = maps.numel() / maps.shape[1]
    norm.running_mean.lerp_(statistics[0], norm.momentum)
    norm.running_var.lerp_(statistics[2] * (samples / (samples - 1)), norm.momentum)


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than single precision."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def accelerate(network: LitePose) -> bool:
    """Puts our kernels behind the layers of a network, in place; parameters and their names stay. False where there are none."""
    if extension() is None:
        return False
    for layer in list(network.modules()):
        if type(layer) is nn.Conv2d and layer.kernel_size == (1, 1):
            layer.__class__ = PointwiseConv
        elif type(layer) is InvertedBottleneck and _has_kernel(layer.depth_conv[0]):
            layer.__class__ = FastBottleneck
            _fuse_activations(layer.point_conv)
        elif type(layer) is SeparableHead and _has_kernel(layer.conv[0]):
            layer.__class__ = FastHead
    network.first.__class__ = FastStem
    network.first[-1].__class__ = NormActivation
    for row in network.deconv_bnrelu:
        _fuse_activations(cast(nn.Sequential, row))
    return True


def _has_kernel(layer: nn.Module) -> bool:
    return cast(nn.Conv2d, layer).kernel_size[0] in KERNEL_SIZES


def _fuse_activations(row: nn.Sequential) -> None:
    for index, layer in enumerate(row):
        if type(layer) is not nn.BatchNorm2d:
            continue
        layer.__class__ = NormActivation
        if index + 1 < len(row):
            cast(NormActivation, layer).limits = ACTIVATIONS[type(row[index + 1])]
            row[index + 1] = nn.Identity()
