"""From joints in floating point to what OpenCV draws: sizes, sub-pixel points, outlines."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine.types import Poses

SHIFT = 4  # fractional bits of coordinates that are handed to OpenCV: anti-aliased shapes move smoothly
FACE = ("nose", "eye", "ear")  # how the names of a face's joints end
_FAR = 20_000  # pixels; beyond it OpenCV's fixed-point numbers overflow

Box = tuple[int, int, int, int]


def fixed(points: NDArray[np.floating]) -> NDArray[np.int32]:
    """Points in pixels as OpenCV's fixed-point numbers."""
    result: NDArray[np.int32] = np.round(np.clip(points, -_FAR, _FAR) * (1 << SHIFT)).astype(np.int32)
    return result


def drawable(poses: Poses, threshold: float = 0.0) -> NDArray[np.bool_]:
    """(N, J) bool: joints with a place and a score of at least the threshold."""
    result: NDArray[np.bool_] = np.isfinite(poses.keypoints).all(axis=2) & (poses.scores >= threshold)
    return result


def joint_boxes(poses: Poses, shown: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(N, 4) left, top, right, bottom of the shown joints; NaN for people without any."""
    low = np.where(shown[..., None], poses.keypoints, np.inf).min(axis=1)
    high = np.where(shown[..., None], poses.keypoints, -np.inf).max(axis=1)
    boxes: NDArray[np.float32] = np.concatenate([low, high], axis=1).astype(np.float32)
    boxes[~shown.any(axis=1)] = np.nan
    return boxes


def body_boxes(poses: Poses, shown: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(N, 4) boxes around whole bodies: joints lie inside the body, so there is a margin, and room for the hair."""
    boxes = joint_boxes(poses, shown)
    face = np.array([joint.endswith(FACE) for joint in poses.skeleton.joints])
    faces = joint_boxes(poses, shown & face)
    margin = 0.06 * np.max(boxes[:, 2:] - boxes[:, :2], axis=1) + 4
    # The top of the head is about as far above the ears as the ears are apart.
    hair = np.nan_to_num(np.max(faces[:, 2:] - faces[:, :2], axis=1))
    boxes += np.stack([-margin, -np.maximum(margin, hair), margin, margin], axis=1)
    return boxes


def far_to_near(boxes: NDArray[np.float32]) -> list[int]:
    """Indices of the people who have a box, small ones first: who is near covers who is far."""
    sizes = np.max(boxes[:, 2:] - boxes[:, :2], axis=1)
    return [int(i) for i in np.argsort(sizes, kind="stable") if not np.isnan(sizes[i])]


def clipped(box: NDArray[np.floating], scene: NDArray[np.uint8], margin: float = 0) -> Box | None:
    """Whole-pixel left, top, right, bottom of a box within the scene; None if nothing of it is inside."""
    height, width = scene.shape[:2]
    left, top = np.floor(np.clip(box[:2] - margin, 0, (width, height))).astype(int).tolist()
    right, bottom = np.ceil(np.clip(box[2:] + margin, 0, (width, height))).astype(int).tolist()
    return (left, top, right, bottom) if right > left and bottom > top else None


def rounded(box: NDArray[np.floating], radius: float) -> NDArray[np.int32]:
    """Outline of a rectangle with round corners, (n, 2) in fixed-point numbers."""
    left, top, right, bottom = (float(side) for side in box)
    radius = max(0.0, min(radius, (right - left) / 2, (bottom - top) / 2))
    centres = np.array(
        [
            (right - radius, bottom - radius),
            (left + radius, bottom - radius),
            (left + radius, top + radius),
            (right - radius, top + radius),
        ]
    )
    return fixed((centres[:, None] + radius * _corners()).reshape(-1, 2))


@cache
def _corners() -> NDArray[np.float64]:
    """(4, 7, 2): quarter circles of radius 1, clockwise from the lower right one, with y down."""
    angles = np.linspace(0, np.pi / 2, 7) + np.arange(4)[:, None] * np.pi / 2
    return np.stack([np.cos(angles), np.sin(angles)], axis=2)
