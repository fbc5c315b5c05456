"""Networks with 1×1 convolutions in 8 bits: the kernels against exact integers, the network against PyTorch with the same
rounding."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tvm
from numpy.typing import NDArray
from torch import nn
from tvm.script.ir_builder import tirx as T

from engine.compiler import artifacts, host, packing, targets
from engine.compiler.kernels.dot_product import DotProducts, dot_products
from engine.compiler.kernels.emit import Expr, Tile
from engine.compiler.kernels.pointwise import PointwiseTiling, QuantisedPointwise, pointwise
from engine.compiler.library import Artifact
from engine.compiler.quantisation import IntegerLayer, Levels
from engine.compiler.runtime import CompiledNetwork
from engine.compiler.targets import Target
from models import architecture, checkpoints
from models.calibration import calibrate
from models.checkpoints import Checkpoint
from models.errors import WeightsError
from models.ranges import Ranges
from models.reference import ReferenceNetwork
from models.skeleton import COCO_17

needs_vnni = pytest.mark.skipif(
    "AVX512VNNI" not in host.detect().features, reason="this machine's processor has no AVX512VNNI"
)
needs_avx_vnni = pytest.mark.skipif(
    "AVXVNNI" not in host.detect().features, reason="this machine's processor has no AVX-VNNI"
)
SMALL = {
    "name": "small",
    "resolution": 64,
    "stem": 8,
    "kernel": 3,
    "stages": [
        {"width": 8, "depth": 2, "stride": 2},
        {"width": 12, "depth": 1, "stride": 2, "kernel": 5, "expansion": 3},
        {"width": 22, "depth": 2, "stride": 2, "kernel": 7, "expansion": 2},
        {"width": 24, "depth": 2, "stride": 1, "kernel": 7, "expansion": 4},
    ],
    "deconv": [12, 24, 20],
}


def run(kernel: tvm.tirx.PrimFunc, arguments: list[NDArray[Any]], outputs: list[NDArray[Any]], target: Target) -> None:
    """Compiles and calls a kernel; `outputs` are filled."""
    library = tvm.compile(tvm.IRModule({"f": kernel}), target=tvm.target.Target({**target.tvm, "num-cores": 1}))
    placed = [tvm.runtime.tensor(np.ascontiguousarray(a)) for a in (*arguments, *outputs)]
    library["f"](*placed)
    for array, tensor in zip(outputs, placed[len(arguments) :]):
        array[:] = tensor.numpy()


def blocked(values: NDArray[Any], lanes: int) -> NDArray[Any]:
    """(C, P) -> (C / lanes, P, lanes), padded with rubbish that no result may depend on."""
    channels, pixels = values.shape
    full = np.full((packing.padded(channels, lanes), pixels), 77, values.dtype)
    full[:channels] = values
    return full.reshape(-1, lanes, pixels).transpose(0, 2, 1)


def plain(values: NDArray[Any], channels: int) -> NDArray[Any]:
    return values.transpose(0, 2, 1).reshape(-1, values.shape[1])[:channels]


def written_out(self: DotProducts, sums: Expr, inputs: Expr, weights: Expr) -> None:
    """What the instruction does, in place of `DotProducts._add`, so that every processor can do it."""

    def factors(of: Expr, number: int) -> Expr:
        return T.cast(T.Shuffle([of], [*range(number, 4 * self.lanes, 4)]), f"int32x{self.lanes}")

    quads = T.reinterpret(f"{self._instruction.inputs}x{4 * self.lanes}", inputs)
    products = [factors(quads, number) * factors(weights, number) for number in range(4)]
    T.buffer_store(self.buffer, sum(products, self.buffer[sums]), [sums])


@needs_vnni
@pytest.mark.parametrize("lanes", [4, 8, 16])
@pytest.mark.parametrize(("inputs", "outputs"), [(16, 16), (96, 24), (40, 56), (36, 24), (22, 9), (17, 40)])
def test_a_pointwise_kernel_sums_exactly(lanes: int, inputs: int, outputs: int) -> None:
    check_pointwise(targets.load(threads=1, precision="int8"), Tile(2, 4), lanes, inputs, outputs)


@needs_avx_vnni
@pytest.mark.parametrize(("lanes", "inputs", "outputs"), [(4, 22, 9), (8, 40, 56), (8, 16, 12)])
def test_so_it_does_without_avx_512(lanes: int, inputs: int, outputs: int) -> None:
    check_pointwise(targets.load("x86-64-v3", threads=1, precision="int8"), Tile(2, 4), lanes, inputs, outputs)


@pytest.mark.parametrize("tile", [Tile(1, 4), Tile(2, 6), Tile(3, 7)])
@pytest.mark.parametrize(("inputs", "outputs"), [(16, 16), (40, 56), (22, 9)])
def test_so_it_does_with_signed_bytes_and_quads_taken_from_lanes(
    tile: Tile, inputs: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DotProducts, "_add", written_out)
    with dot_products("sdot"):
        check_pointwise(targets.load(threads=1), tile, 4, inputs, outputs, offset=128)


def check_pointwise(target: Target, tile: Tile, lanes: int, inputs: int, outputs: int, offset: int = 0) -> None:
    """offset: how much more than themselves the bytes stand for."""
    rng = np.random.default_rng(inputs)
    pixels, vectors = 21, tile.vectors
    op = QuantisedPointwise(inputs, outputs, pixels, residual=True)
    kernel = pointwise(op, PointwiseTiling(tile, 7), lanes, "f")
    x = rng.integers(0, 256, (inputs, pixels), np.uint8)
    weight = rng.integers(-127, 128, (outputs, inputs), np.int8)
    x[:, 0], weight[0] = 255, 127  # the largest sums
    x[:, 1], weight[-1] = 255, -127
    scale = np.ones(outputs, np.float32)
    bias = rng.integers(-9, 9, outputs).astype(np.float32)
    residual = rng.integers(-9, 9, (outputs, pixels)).astype(np.float32)
    levels = np.array([1 / 64, 120.5], np.float32)
    shape = (-(-outputs // lanes), pixels, lanes)
    kind = np.int8 if offset else np.uint8
    y, in_bytes = np.zeros(shape, np.float32), np.zeros(shape, kind)
    start = offset * weight.sum(axis=1, dtype=np.int32)
    arguments = [
        blocked((x.astype(np.int16) - offset).astype(kind), lanes),
        packing.quads(weight, vectors, lanes, op.half(lanes)),
        *([packing.vector(start, lanes)] if offset else []),
        packing.vector(scale, lanes),
        packing.vector(bias, lanes),
        blocked(residual, lanes),
        levels,
    ]
    run(kernel, arguments, [y, in_bytes], target)

    expected = weight.astype(np.int64) @ x.astype(np.int64) + bias[:, None].astype(np.int64) + residual.astype(np.int64)
    np.testing.assert_array_equal(plain(y, outputs), expected)
    rounded = np.clip(np.floor(expected / 64 + 120.5), 0, 255)
    np.testing.assert_array_equal(plain(in_bytes, outputs), rounded - offset)


def test_a_layer_of_bytes_is_the_layer_of_what_they_stand_for() -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(6, 40)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    weight[3] = 0
    levels = Levels.of(-1.5, 4.0)
    layer = IntegerLayer.of(weight, bias, levels)
    x = rng.integers(0, 256, (40, 9))
    ours = layer.scale[:, None] * (layer.weight.astype(np.int64) @ x) + layer.bias[:, None]
    theirs = weight @ (levels.scale * (x - levels.zero)) + bias[:, None]
    assert np.abs(ours - theirs).max() < 0.01 * np.ptp(theirs)
    assert np.abs(layer.weight).max() == 127
    np.testing.assert_allclose(ours[3], bias[3], rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(-1.5, 4.0), (0.0, 6.0), (0.5, 2.0), (-3.0, -1.0), (0.0, 0.0)])
def test_zero_is_a_level_and_levels_round(low: float, high: float) -> None:
    levels = Levels.of(low, high)
    assert 0 <= levels.zero <= 255
    values = np.linspace(min(low, 0), max(high, 0), 1001)
    factor, addend = levels.rounding().astype(np.float64)
    found = levels.scale * (np.clip(np.floor(values * factor + addend), 0, 255) - levels.zero)
    assert np.abs(found - values).max() <= levels.scale * 1.001
    assert levels.scale * (np.floor(addend) - levels.zero) == 0


def fake_quantised(checkpoint: Checkpoint) -> ReferenceNetwork:
    """PyTorch with the rounding of 8-bit layers, in floats."""
    network = ReferenceNetwork(checkpoint)
    deconvs: dict[str, list[tuple[nn.ConvTranspose2d, float]]] = {}
    for name, (low, high) in checkpoint.activation_ranges().items():
        layer, levels = network.module.get_submodule(name), Levels.of(low, high)
        layer.register_forward_pre_hook(rounding(levels))
        if isinstance(layer, nn.ConvTranspose2d):
            deconvs.setdefault(name.rpartition(".")[2], []).append((layer, levels.scale))
        else:
            assert isinstance(layer, nn.Conv2d)
            step = layer.weight.data.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
            layer.weight.data = torch.round(layer.weight.data / step) * step
    for layers in deconvs.values():
        round_together(layers)
    return network


def round_together(layers: list[tuple[nn.ConvTranspose2d, float]]) -> None:
    """The weights (I, O, 4, 4) of deconvolutions that end in one sum, each with the scale of what it reads: of each output
    and each of the four parities, all products are multiples of one step."""
    for rows in (slice(1, 4, 2), slice(0, 4, 2)):
        for columns in (slice(1, 4, 2), slice(0, 4, 2)):
            parts = [(layer.weight.data[:, :, rows, columns], scale) for layer, scale in layers]
            largest = [weight.abs().amax(dim=(0, 2, 3)) * scale for weight, scale in parts]
            step = torch.stack(largest).amax(dim=0)[None, :, None, None] / 127
            for weight, scale in parts:
                weight.copy_(torch.round(weight * scale / step) * step / scale)


def rounding(levels: Levels) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], tuple[torch.Tensor]]:
    def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor]:
        steps = torch.clamp(torch.floor(inputs[0] / levels.scale + levels.zero + 0.5), 0, 255)
        return ((steps - levels.zero) * levels.scale,)

    return hook


def small(picture: NDArray[np.uint8], **changes: object) -> Checkpoint:
    checkpoint = checkpoints.synthetic(architecture.parse({**SMALL, **changes}, "small.yaml"), COCO_17, seed=3)
    return replace(checkpoint, ranges=calibrate(checkpoint, [picture]))


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def maps(network: CompiledNetwork, picture: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    network.picture[:] = picture
    return [np.asarray(np.from_dlpack(found), np.float32).copy() for found in network.maps()]


@needs_vnni
@pytest.mark.parametrize(
    ("lanes", "cache_kib", "changes"),
    [
        *((lanes, cache_kib, {}) for lanes in (4, 8, 16) for cache_kib in (1, 4096)),
        (16, 1024, {"fusion": False}),
        (16, 1024, {"deconv": [24, 40, 17], "stem": 13}),
    ],
)
def test_the_network_computes_what_pytorch_computes_with_the_same_rounding(
    lanes: int, cache_kib: int, changes: dict[str, object]
) -> None:
    picture = noise(64, 96)
    checkpoint = small(picture, **changes)
    target = targets.load(threads=1, precision="int8")
    target = replace(target, cache_kib=(32, cache_kib, 4096), lanes=lanes)
    network = CompiledNetwork(artifacts.obtain(checkpoint, 64, 96, target), threads=1)
    ours = maps(network, picture)
    theirs = fake_quantised(checkpoint).maps(picture)
    floats = ReferenceNetwork(checkpoint).maps(picture)
    for a, b, c in zip(ours, theirs, floats):
        # A value that lies between two levels may become either of them, so a few bytes differ by one.
        assert np.abs(a - b).max() < 0.02 * np.ptp(b)
        assert np.abs(a - b).mean() < 0.2 * np.abs(b - c).mean()


@pytest.mark.parametrize("changes", [{}, {"fusion": False}])
def test_the_network_computes_the_same_with_signed_bytes(
    changes: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stays_inside: Callable[[Artifact], None],
) -> None:
    monkeypatch.setattr(DotProducts, "_add", written_out)
    picture = noise(64, 96)
    checkpoint = small(picture, **changes)
    found = []
    for name in ("vnni", "sdot"):
        # Nobody else may get networks that were built so.
        monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path / name))
        target = replace(targets.load(threads=1), precision="int8", dot_product=name, lanes=4)
        artifact = artifacts.obtain(checkpoint, 64, 96, target)
        stays_inside(artifact)
        found.append(maps(CompiledNetwork(artifact, threads=1), picture))
    for ours, theirs, reference in zip(*found, fake_quantised(checkpoint).maps(picture)):
        np.testing.assert_array_equal(ours, theirs)
        assert np.abs(ours - reference).max() < 0.02 * np.ptp(reference)


def test_weights_without_ranges_are_refused() -> None:
    checkpoint = checkpoints.synthetic(architecture.parse(SMALL, "small.yaml"), COCO_17, seed=3)
    with pytest.raises(WeightsError, match=r"not known for these weights.*models calibrate"):
        checkpoint.activation_ranges()
    with pytest.raises(WeightsError, match="changed since"):
        replace(checkpoint, ranges=Ranges("other", 1, {})).activation_ranges()
