"""One picture file into one BGR array: what the file holds, the right way up, or one sentence that says what is wrong."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SourceError

PICTURE_SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pnm", ".jp2", ".avif", ".gif",
)  # fmt: skip

JPEG_START = b"\xff\xd8"


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8, BGR, upright by its EXIF orientation.

    Grey pictures become three equal channels, 16 bits become 8, what is transparent is laid on white. Raises
    SourceError for a missing, empty, truncated or foreign file.
    """
    try:
        # Read by Python and not by OpenCV, whose own file access fails on names outside the system's code page.
        data = path.read_bytes()
    except FileNotFoundError:
        raise SourceError(f"There is no file “{path}”. Check the name.") from None
    except OSError as error:
        raise SourceError(f"“{path}” cannot be read: {error.strerror or error}.") from error
    if not data:
        raise SourceError(f"“{path}” is an empty file.")
    image = _decode(data)
    if image is None:
        raise SourceError(
            f"“{path}” cannot be read as a picture. It is damaged, or of another kind than its name says."
        )
    return _to_bgr8(image)


def _decode(data: bytes) -> NDArray[np.generic] | None:
    buffer = np.frombuffer(data, np.uint8)
    try:
        upright = cv2.imdecode(buffer, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
        if upright is not None and data.startswith(JPEG_START):
            return upright
        stored = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        # Raised for more pixels than OpenCV's limit and for headers that cannot be.
        return None
    if upright is None:
        # Floating-point pictures of one channel are given only as they are stored.
        return stored
    if stored is None or stored.ndim != 3 or stored.shape[2] != 4:
        return upright
    return np.dstack([upright, _turned_like(stored, upright)])


def _turned_like(stored: NDArray[np.generic], upright: NDArray[np.generic]) -> NDArray[np.generic]:
    """(H, W) alpha of `stored`, turned as `upright` is.

    OpenCV gives either the alpha or the EXIF orientation; which of the eight it was shows in the colours.
    """
    for mirrored in (stored, stored[:, ::-1]):
        for quarter_turns in range(4):
            turned = np.rot90(mirrored, quarter_turns)
            if np.array_equal(turned[..., :3], upright):
                return turned[..., 3]
    return np.full(upright.shape[:2], np.iinfo(np.uint8).max if upright.dtype == np.uint8 else 65535, upright.dtype)


def _to_bgr8(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    if image.dtype == np.uint8:
        eight = image.astype(np.uint8, copy=False)
    elif image.dtype == np.uint16:
        eight = (image.astype(np.uint32) // 257).astype(np.uint8)
    else:
        # Floating-point TIFF: 0 to 1 by convention.
        eight = (np.clip(np.nan_to_num(image.astype(np.float32)), 0.0, 1.0) * 255.0).round().astype(np.uint8)
    if eight.ndim == 2:
        eight = np.repeat(eight[..., None], 3, axis=2)
    if eight.shape[2] == 4:
        alpha = eight[..., 3:].astype(np.uint16)
        eight = ((eight[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(eight)
