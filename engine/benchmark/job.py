"""What every measured runtime is asked, and what it gives back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.normalisation import MEAN, STD

Maps = Sequence[Any]  # arrays, or what NumPy reads like arrays


@dataclass(frozen=True, slots=True)
class Job:
    """What an engine is asked to run.

    weights: a size name or weights file.
    onnx:    the same network, for runtimes that read ONNX.
    picture: (H, W, 3) uint8 BGR, at the network's input shape.
    """

    weights: str
    onnx: Path
    picture: NDArray[np.uint8]
    threads: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """run: one inference; its result's maps are (2J, H / 4, W / 4) and (J, H / 2, W / 2). settings: for the report."""

    run: Callable[[], Maps]
    settings: dict[str, Any]


def normalised(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) uint8 BGR -> (1, 3, H, W) float32, normalised RGB: what the other runtimes are given ready-made."""
    rgb = (picture[:, :, ::-1].astype(np.float32) - np.asarray(MEAN, np.float32)) / np.asarray(STD, np.float32)
    return np.ascontiguousarray(rgb.transpose(2, 0, 1)[None])
