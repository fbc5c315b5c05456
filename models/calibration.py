"""Finds the ranges of a network's activations by running it on pictures. Needs torch."""

import math
from collections.abc import Iterable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.checkpoints import Checkpoint
from models.ranges import Ranges
from models.reference import STRIDE, ReferenceNetwork

CUT = 1e-4  # part of an activation's values that may lie below its range, and above it
MOST_VALUES = 100_000  # of one activation on one picture that are looked at


def calibrate(checkpoint: Checkpoint, pictures: Iterable[NDArray[np.uint8]]) -> Ranges:
    """pictures: (H, W, 3) uint8 BGR of any size. A range spans what all of them ask for, each without its rarest values."""
    network = ReferenceNetwork(checkpoint)
    found: dict[str, tuple[float, float]] = {}

    def look_at(name: str) -> None:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            values = inputs[0].flatten()
            values = values[:: math.ceil(len(values) / MOST_VALUES)]
            low, high = np.quantile(values.numpy(), (CUT, 1 - CUT))
            before = found.get(name, (0.0, 0.0))
            found[name] = min(before[0], float(low)), max(before[1], float(high))

        network.module.get_submodule(name).register_forward_pre_hook(hook)

    for name in quantisable(network.module):
        look_at(name)
    count = 0
    for picture in pictures:
        network.maps(_fitted(picture, checkpoint.architecture.resolution))
        count += 1
    return Ranges(checkpoint.sha256, count, found)


def quantisable(network: nn.Module) -> list[str]:
    """Names of the layers that contract over channels inside the backbone and its deconv head."""
    return [
        name
        for name, module in network.named_modules()
        if (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and name.startswith("stage."))
        or isinstance(module, nn.ConvTranspose2d)
    ]


def _fitted(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The picture at about side × side pixels, of nearly its own shape."""
    height, width = picture.shape[:2]
    shape = (side * math.sqrt(width / height), side * math.sqrt(height / width))
    w, h = (max(STRIDE, round(length / STRIDE) * STRIDE) for length in shape)
    return cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
