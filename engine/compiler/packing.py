"""Weights from a checkpoint to the order in which the kernels read them: batch norm folded, channels blocked and padded."""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
T = TypeVar("T", bound=np.generic)
QUAD = 4  # input channels of one dot product of bytes
EPSILON = 1e-5  # of every batch norm, as in the official network


class Folded:
    """Reads convolutions of a checkpoint with the batch norm that follows them already multiplied in.

    tensors: official parameter names, see `models.checkpoints`.
    """

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]]) -> None:
        self._tensors = tensors

    def weight(self, name: str) -> Array:
        return np.asarray(self._tensors[f"{name}.weight"], np.float32)

    def norm(self, name: str) -> tuple[Array, Array]:
        """Scale and shift of batch norm `name`: y = scale · x + shift."""
        t = {
            key: np.asarray(self._tensors[f"{name}.{key}"], np.float64)
            for key in ("weight", "bias", "running_mean", "running_var")
        }
        scale = t["weight"] / np.sqrt(t["running_var"] + EPSILON)
        return scale.astype(np.float32), (t["bias"] - t["running_mean"] * scale).astype(np.float32)

    def conv(self, conv: str, norm: str) -> tuple[Array, Array]:
        """Weight (O, I / groups, K, K) and bias (O,) of a convolution with its batch norm."""
        scale, shift = self.norm(norm)
        return self.weight(conv) * scale[:, None, None, None], shift


def padded(channels: int, lanes: int) -> int:
    return -(-channels // lanes) * lanes


def vector(values: Array, lanes: int) -> Array:
    """(C,) -> (padded C,)."""
    return np.pad(values, (0, padded(len(values), lanes) - len(values)))


def matrix(weight: Array, vectors: int, lanes: int, half: bool = False) -> Array:
    """(O, I) -> flat: groups of `vectors` blocks of output channels, each (I, vectors · lanes); the last group may be smaller.

    half: the last block has lanes / 2 outputs and is stored as (I / 2, lanes): each output's even and odd input channel.
    """
    return _grouped(weight, vectors, lanes, half, 1)


def quads(weight: NDArray[np.int8], vectors: int, lanes: int, half: bool = False) -> NDArray[np.int8]:
    """As `matrix`, for dot products of four input channels: groups of `vectors` blocks, each (I / 4, vectors · lanes, 4).

    half: the last block is stored as (I / 8, lanes, 4): each output's even and odd quad of input channels.
    """
    return _grouped(weight, vectors, lanes, half, QUAD)


def _grouped(weight: NDArray[T], vectors: int, lanes: int, half: bool, together: int) -> NDArray[T]:
    """together: input channels that lie beside each other for each output; padded to a multiple of it."""
    outputs, inputs = weight.shape
    rest = outputs % lanes if half else 0
    full = np.zeros((padded(outputs - rest, lanes), padded(inputs, together)), weight.dtype)
    full[: outputs - rest, :inputs] = weight[: outputs - rest]
    step = vectors * lanes
    groups = (full[first : first + step] for first in range(0, len(full), step))
    parts = [group.reshape(len(group), -1, together).transpose(1, 0, 2).reshape(-1) for group in groups]
    if rest:
        parts.append(weight[-rest:].reshape(rest, -1, 2, together).transpose(1, 0, 2, 3).reshape(-1))
    return np.concatenate(parts)


def depthwise(weight: Array, lanes: int) -> Array:
    """(C, 1, K, K) -> (C / lanes, K · K, lanes)."""
    channels, _, k, _ = weight.shape
    full = np.zeros((padded(channels, lanes), k * k), np.float32)
    full[:channels] = weight.reshape(channels, k * k)
    return np.ascontiguousarray(full.reshape(-1, lanes, k * k).transpose(0, 2, 1))


def transposed(weight: Array, vectors: int, lanes: int) -> Array:
    """A 4×4 stride-2 transposed convolution (I, O, 4, 4) as four 2×2 convolutions: (4 parities, flat matrix of depth 4 · I).

    Output row 2y + a reads input rows y + a - 1 + dy, dy = 0 or 1, through kernel row 3 - a - 2 · dy; columns alike.
    """
    return np.stack([matrix(np.concatenate(list(taps), axis=1), vectors, lanes) for taps in taps_of(weight)])


def winograd(weight: Array, vectors: int, lanes: int, half: bool = False) -> Array:
    """The same for Winograd's F(2 × 2, 2 × 2), see `kernels.winograd`: (4 parities, flat matrix of depth 9 · I)."""
    outputs, inputs = weight.shape[1::-1]
    points = _points(_points(taps_of(weight).reshape(4, 2, 2, outputs, inputs), 1), 2)
    matrices = points.reshape(4, 9, outputs, inputs)
    return np.stack([matrix(np.concatenate(list(parity), axis=1), vectors, lanes, half) for parity in matrices])


def _points(taps: Array, axis: int) -> Array:
    """The two taps along `axis` as the three factors of F(2, 2)."""
    first, second = np.split(taps, 2, axis)
    return np.concatenate([first, first + second, second], axis)


def taps_of(weight: Array) -> Array:
    """(I, O, 4, 4) -> (4 parities, 4 taps, O, I), as of `transposed`."""
    return np.array(
        [
            [weight[:, :, 3 - a - 2 * dy, 3 - b - 2 * dx].T for dy in range(2) for dx in range(2)]
            for a in range(2)
            for b in range(2)
        ]
    )
