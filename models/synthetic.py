"""Random weights that behave like trained ones: every size can be compiled and timed before it has weights. No torch.

Weights drawn at random let the signal of a deep network die or explode unless the batch-norm statistics fit them. So
they are measured: one generated picture goes through the network in NumPy, and each batch norm gets the mean and the
variance that it sees there (the data-dependent initialisation of Mishkin & Matas, 2016, for batch norm).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.architecture import STEM_CHANNELS, Architecture

Tensor = NDArray[np.float32]

SIDE = 128  # of the generated picture: 8 × 8 places are left at stride 16, enough to measure a mean and a variance
EPSILON = 1e-5  # of every batch norm
HEATMAP_DEVIATION, TAG_DEVIATION = 0.25, 1.0


def random_tensors(architecture: Architecture, joints: int, seed: int) -> dict[str, Tensor]:
    """Named and shaped as `expected_shapes`; the same for the same seed. All values are exact in half precision."""
    return _Initialisation(joints, seed).run(architecture)


class _Initialisation:
    """Draws the parameters of one layer after the other and carries the picture through them."""

    def __init__(self, joints: int, seed: int) -> None:
        self.joints = joints
        self.random = np.random.default_rng(seed)
        self.tensors: dict[str, Tensor] = {}

    def run(self, architecture: Architecture) -> dict[str, Tensor]:
        x = self._convolution("first.0.0.weight", self._picture(), STEM_CHANNELS, 3, 2)
        x = _relu6(self._batch_norm("first.0.1", x))
        x = _relu6(self._batch_norm("first.1.1", self._depthwise("first.1.0.weight", x, 3, 1)))
        features = [self._batch_norm("first.3", self._convolution("first.2.weight", x, architecture.stem))]
        for i, blocks in enumerate(architecture.blocks()):
            x = features[-1]
            for j, block in enumerate(blocks):
                name = f"stage.{i}.{j}"
                y = self._convolution(f"{name}.inv.0.weight", x, block.middle)
                y = _relu6(self._batch_norm(f"{name}.inv.1", y))
                y = self._depthwise(f"{name}.depth_conv.0.weight", y, block.kernel, block.stride)
                y = _relu6(self._batch_norm(f"{name}.depth_conv.1", y))
                y = self._convolution(f"{name}.point_conv.0.weight", y, block.outputs)
                # A residual branch adds to what is there: small gains keep ten of them from piling up.
                y = self._batch_norm(f"{name}.point_conv.1", y, gain=0.5 if block.residual else 1.0)
                x = x + y if block.residual else y
            features.append(x)
        self._heads(architecture, features)
        return self.tensors

    def _heads(self, architecture: Architecture, features: list[Tensor]) -> None:
        refined = features[4]
        for i, channels in enumerate(architecture.deconv):
            y = self._transposed(f"deconv_refined.{i}.weight", refined, channels)
            if architecture.fusion:
                y = y + self._transposed(f"deconv_raw.{i}.weight", features[3 - i], channels)
            refined = np.maximum(self._batch_norm(f"deconv_bnrelu.{i}.0", y), 0)
            if i:
                self._head(f"final_refined.{i - 1}", refined, i - 1, architecture.head_kernel)
                if architecture.fusion:
                    self._head(f"final_raw.{i - 1}", features[2 - i], i - 1, architecture.head_kernel)

    def _head(self, name: str, x: Tensor, index: int, kernel: int) -> None:
        y = self._batch_norm(f"{name}.conv.1", self._depthwise(f"{name}.conv.0.weight", x, kernel, 1))
        y = np.maximum(y, 0)
        wanted = np.full(self.joints, HEATMAP_DEVIATION, np.float32)
        if index == 0:
            wanted = np.concatenate([wanted, np.full(self.joints, TAG_DEVIATION, np.float32)])
        weight = self.random.standard_normal((len(wanted), len(x)), np.float32)
        deviation = np.tensordot(weight, y, 1).std(axis=(1, 2))
        weight *= (wanted / np.maximum(deviation, 1e-3))[:, None]
        self._keep(f"{name}.conv.3.weight", weight[:, :, None, None])

    def _picture(self) -> Tensor:
        """(3, SIDE, SIDE) normalised RGB: noise at every scale with equal power per octave, as in photographs."""
        picture = np.zeros((3, SIDE, SIDE), np.float32)
        side = 2
        while side <= SIDE:
            grain = self.random.standard_normal((3, side, side), np.float32) * 0.7
            grain += self.random.standard_normal((1, side, side), np.float32)  # channels of a photograph go together
            picture += np.kron(grain, np.ones((1, SIDE // side, SIDE // side), np.float32))
            side *= 2
        return np.asarray(picture / picture.std(), np.float32)

    def _keep(self, name: str, value: Tensor) -> Tensor:
        rounded = value.astype(np.float16).astype(np.float32)
        self.tensors[name] = rounded
        return rounded

    def _convolution(self, name: str, x: Tensor, outputs: int, kernel: int = 1, stride: int = 1) -> Tensor:
        weight = self.random.standard_normal((outputs, len(x), kernel, kernel), np.float32)
        weight = self._keep(name, weight * np.float32(np.sqrt(2 / (len(x) * kernel * kernel))))
        return _sum_of_taps(x, kernel, stride, lambda dy, dx, tap: np.tensordot(weight[:, :, dy, dx], tap, 1))

    def _depthwise(self, name: str, x: Tensor, kernel: int, stride: int) -> Tensor:
        weight = self.random.standard_normal((len(x), 1, kernel, kernel), np.float32)
        weight = self._keep(name, weight * np.float32(np.sqrt(2) / kernel))
        return _sum_of_taps(x, kernel, stride, lambda dy, dx, tap: weight[:, :, dy, dx, None] * tap)

    def _transposed(self, name: str, x: Tensor, outputs: int) -> Tensor:
        """4 × 4, stride 2, padding 1: input place i adds to the output places 2i - 1 … 2i + 2."""
        weight = self.random.standard_normal((len(x), outputs, 4, 4), np.float32)
        weight = self._keep(name, weight * np.float32(np.sqrt(2 / (len(x) * 4))))
        _, height, width = x.shape
        result = np.zeros((outputs, 2 * height + 2, 2 * width + 2), np.float32)
        for dy in range(4):
            for dx in range(4):
                tap = np.tensordot(weight[:, :, dy, dx].T, x, 1)
                result[:, dy : dy + 2 * height : 2, dx : dx + 2 * width : 2] += tap
        return result[:, 1:-1, 1:-1]

    def _batch_norm(self, name: str, x: Tensor, gain: float = 1.0) -> Tensor:
        channels = len(x)
        mean = self._keep(f"{name}.running_mean", x.mean(axis=(1, 2)))
        variance = self._keep(f"{name}.running_var", np.maximum(x.var(axis=(1, 2)), 1e-3))
        weight = self._keep(f"{name}.weight", self._uniform(0.5 * gain, 1.5 * gain, channels))
        bias = self._keep(f"{name}.bias", self._uniform(-0.5 * gain, 0.5 * gain, channels))
        scale = weight / np.sqrt(variance + np.float32(EPSILON))
        result: Tensor = (x - mean[:, None, None]) * scale[:, None, None] + bias[:, None, None]
        return result

    def _uniform(self, low: float, high: float, count: int) -> Tensor:
        return self.random.uniform(low, high, count).astype(np.float32)


def _relu6(x: Tensor) -> Tensor:
    return np.clip(x, 0, 6)


def _sum_of_taps(x: Tensor, kernel: int, stride: int, product: Callable[[int, int, Tensor], Tensor]) -> Tensor:
    """Adds product(dy, dx, shifted picture) over the places of a kernel."""
    # The picture repeats beyond its border here: with zeros, an 8 × 8 map would be nearly all border, and the measured
    # statistics would not be those of a map of real size.
    before = kernel // 2
    padded = np.pad(x, ((0, 0), (before, before), (before, before)), mode="wrap")
    height, width = x.shape[1:]
    places = [(dy, dx) for dy in range(kernel) for dx in range(kernel)]
    taps = (padded[:, dy : dy + height : stride, dx : dx + width : stride] for dy, dx in places)
    total = product(0, 0, next(taps))
    for (dy, dx), tap in zip(places[1:], taps):
        total += product(dy, dx, tap)
    return total
