"""From a frame to the network's input, and from input pixels back to the frame's.

The input's shape follows the aspect ratio of the source at a constant pixel budget, so that little computation is spent on
padding and people appear larger than in a letterboxed square.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError
from engine.types import Poses

ASPECTS = (1.0, 4 / 3, 16 / 9, 3 / 4, 9 / 16)  # width : height
STEP = 32  # input sides are multiples of this
PADDING = 114  # grey level around a picture that does not fill the input, as in training


@dataclass(frozen=True, slots=True)
class InputShape:
    """Size of the network's input in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def input_shapes(resolution: int) -> list[InputShape]:
    """The shapes that a network of this resolution is compiled for: five aspects at about resolution² pixels."""
    return [_shape(resolution, aspect) for aspect in ASPECTS]


def _shape(resolution: int, aspect: float) -> InputShape:
    """Sides in multiples of STEP: the aspect matters twice as much as the number of pixels."""
    width, height = resolution * math.sqrt(aspect), resolution / math.sqrt(aspect)
    options = [
        InputShape(STEP * w, STEP * h)
        for w in (math.floor(width / STEP), math.ceil(width / STEP))
        for h in (math.floor(height / STEP), math.ceil(height / STEP))
    ]

    def distance(shape: InputShape) -> float:
        ratio = abs(math.log(shape.width / shape.height / aspect))
        pixels = abs(math.log(shape.width * shape.height / resolution**2))
        return 2 * ratio + pixels

    return min(options, key=distance)


def choose_shape(width: int, height: int, resolution: int, mode: str = "auto") -> InputShape:
    """The input shape for a source of width × height pixels. mode: "auto", "square" (the paper's), or "WxH"."""
    if mode == "square":
        return InputShape(resolution, resolution)
    if mode == "auto":
        aspect = math.log(width / height)
        return min(input_shapes(resolution), key=lambda shape: abs(math.log(shape.width / shape.height) - aspect))
    try:
        wanted_width, wanted_height = (int(side) for side in mode.lower().split("x"))
    except ValueError:
        raise UsageError(
            f"Input shape “{mode}” is not understood. Use auto, square, or WIDTHxHEIGHT such as 352x192."
        ) from None
    if wanted_width % STEP or wanted_height % STEP or not (64 <= wanted_width <= 2048 and 64 <= wanted_height <= 2048):
        raise UsageError(f"Input shape “{mode}” must have sides from 64 to 2048 that are multiples of {STEP}.")
    return InputShape(wanted_width, wanted_height)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture of `source` (width, height) lies in the input: resized to `size`, its corner at `left`, `top`."""

    source: tuple[int, int]
    size: tuple[int, int]
    left: int
    top: int

    def to_source(self, poses: Poses) -> Poses:
        """Keypoints from input pixels to source pixels; pixel centres lie at whole numbers in both."""
        scale = np.array(self.source, np.float32) / np.array(self.size, np.float32)
        corner = np.array((self.left, self.top), np.float32)
        keypoints = ((poses.keypoints - corner + 0.5) * scale - 0.5).astype(np.float32)
        return Poses(keypoints, poses.scores, poses.person_scores, poses.ids, poses.skeleton)


def place(width: int, height: int, shape: InputShape) -> Placement:
    """A picture of width × height pixels, as large as fits, in the middle of the input."""
    scale = min(shape.width / width, shape.height / height)
    w = min(shape.width, max(1, round(width * scale)))
    h = min(shape.height, max(1, round(height * scale)))
    return Placement((width, height), (w, h), (shape.width - w) // 2, (shape.height - h) // 2)


def halved(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """`image` (H, W, 3), halved until it is less than twice as wide or as high as asked: ready to be sampled.

    Bilinear sampling skips pixels below half the size. Halving first averages them all, and is several times as fast as
    averaging down to an odd size at once.
    """
    while image.shape[1] >= 2 * width and image.shape[0] >= 2 * height:
        half = (image.shape[1] // 2, image.shape[0] // 2)
        even = image[: 2 * half[1], : 2 * half[0]]
        image = np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), np.uint8)
    return image


def fill_input(image: NDArray[np.uint8], placement: Placement, picture: NDArray[np.uint8]) -> None:
    """Resizes `image` (H, W, 3) into its place in `picture`, the input; what lies around it is left as it is."""
    w, h = placement.size
    target = picture[placement.top : placement.top + h, placement.left : placement.left + w]
    # Halving and this way of sampling give the same pixels on every processor, so that a board finds the people that a
    # desktop finds: OpenCV's other ways of resizing round as the processor likes it.
    resized = cv2.resize(halved(image, w, h), (w, h), dst=target, interpolation=cv2.INTER_LINEAR_EXACT)
    if resized.ctypes.data != target.ctypes.data:
        np.copyto(target, resized)
