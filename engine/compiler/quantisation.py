"""Post-training quantisation of a layer: bytes for what it reads, 8-bit weights with a scale for each output channel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HIGHEST = 255  # of a byte
LARGEST_WEIGHT = 127
TINY = 1e-12  # scale of what is zero everywhere


@dataclass(frozen=True, slots=True)
class Levels:
    """How bytes stand for an activation: value = scale · (byte - zero)."""

    scale: float
    zero: int

    @classmethod
    def of(cls, low: float, high: float) -> "Levels":
        """256 levels from `low` to `high`, one of them exactly 0. What lies outside becomes the nearest level."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / HIGHEST, TINY)
        return cls(scale, round(-low / scale))

    def rounding(self) -> NDArray[np.float32]:
        """(factor, addend): a value times the one plus the other, truncated, is its byte."""
        return np.array([1 / self.scale, self.zero + 0.5], np.float32)


@dataclass(frozen=True, slots=True)
class IntegerLayer:
    """A 1×1 convolution of bytes: y = scale · (weight @ bytes) + bias.

    weight: (O, I) int8. scale, bias: (O,) float32; the bias takes off what the bytes' zero point contributes.
    """

    weight: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def of(cls, weight: NDArray[np.float32], bias: NDArray[np.float32], levels: Levels) -> "IntegerLayer":
        """weight (O, I) and bias (O,) of a layer that reads an activation with these levels."""
        steps = np.maximum(np.abs(weight).max(axis=1), TINY) / LARGEST_WEIGHT
        rounded = np.rint(weight / steps[:, None]).astype(np.int8)
        scale = steps * np.float32(levels.scale)
        offset = scale * levels.zero * rounded.sum(axis=1, dtype=np.int64)
        return cls(rounded, scale.astype(np.float32), (bias - offset).astype(np.float32))


@dataclass(frozen=True, slots=True)
class IntegerDeconv:
    """A transposed convolution of bytes, whose inputs' products have one scale: y = scale · Σ (weight @ bytes) + bias.

    weights: of each input, (4 parities, 4 taps, O, I) int8. scale, bias: (4 parities, O) float32.
    """

    weights: list[NDArray[np.int8]]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def of(cls, weights: list[NDArray[np.float32]], bias: NDArray[np.float32], levels: list[Levels]) -> "IntegerDeconv":
        """weights: of each input, as `packing.taps_of` gives them; bias: (O,)."""
        scaled = [weight * np.float32(level.scale) for weight, level in zip(weights, levels)]
        scale = (
            np.maximum(np.max([np.abs(weight).max(axis=(1, 3)) for weight in scaled], axis=0), TINY) / LARGEST_WEIGHT
        )
        rounded = [np.rint(weight / scale[:, None, :, None]).astype(np.int8) for weight in scaled]
        offset = sum(level.zero * weight.sum(axis=(1, 3), dtype=np.int64) for weight, level in zip(rounded, levels))
        return cls(rounded, scale.astype(np.float32), (bias - scale * offset).astype(np.float32))
