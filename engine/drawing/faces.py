"""Blurring faces. When in doubt, more is covered than less."""

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.drawing.geometry import SHIFT, clipped, fixed
from engine.types import Poses

_CELLS = 6  # pixels that are left of a head, across: too few to tell who it is
# Half the height of a head with its hair, as a multiple of the distance between two joints seen from the front.
# From the side these distances shrink; the largest of all estimates is taken.
_REACH = {
    ("left_eye", "right_eye"): 2.6,
    ("left_ear", "right_ear"): 1.1,
    ("nose", "left_eye"): 3.0,
    ("nose", "right_eye"): 3.0,
    ("nose", "left_ear"): 1.5,
    ("nose", "right_ear"): 1.5,
    ("left_eye", "left_ear"): 1.8,
    ("right_eye", "right_ear"): 1.8,
    ("left_shoulder", "right_shoulder"): 0.5,
    ("nose", "left_shoulder"): 0.5,
    ("nose", "right_shoulder"): 0.5,
    ("left_ear", "left_shoulder"): 0.55,
    ("right_ear", "right_shoulder"): 0.55,
    ("left_shoulder", "left_hip"): 0.33,
    ("right_shoulder", "right_hip"): 0.33,
    ("head", "neck"): 0.75,
}


def blur_faces(scene: NDArray[np.uint8], poses: Poses) -> None:
    """Makes every face and head unrecognisable, however unsure its joints are.

    One joint of the face is enough. Someone of whom no joint of the face was found, but both shoulders, is covered where
    the head must be. Call it before anything else is drawn. scene: (H, W, 3) uint8 BGR, drawn into.
    """
    guess = 0.2 * min(scene.shape[:2])
    for keypoints in poses.keypoints:
        joints = {
            name: xy for name, xy in zip(poses.skeleton.joints, keypoints.astype(np.float64)) if np.isfinite(xy).all()
        }
        head = head_ellipse(joints, guess)
        if head is not None:
            _cover(scene, *head)


def head_ellipse(
    joints: dict[str, NDArray[np.float64]], guess: float
) -> tuple[NDArray[np.float64], float, float, float] | None:
    """Centre (2,), half width, half height and tilt in degrees of a head; None if nothing shows where it is.

    joints: places in pixels of the joints that were found, by name.
    guess:  half the height of the head if no two joints show its size.
    """
    face = [joints[name] for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear") if name in joints]
    reach = max(
        (
            factor * float(np.linalg.norm(joints[a] - joints[b]))
            for (a, b), factor in _REACH.items()
            if a in joints and b in joints
        ),
        default=0.0,
    )
    up = _upwards(joints)
    if face:
        centre = np.mean(face, axis=0)
        reach = reach or guess
        # Joints of one side leave open where in the head they are.
        spread = max(float(np.linalg.norm(joint - centre)) for joint in face)
        across, along = 0.9 * reach + 0.2 * spread, 1.1 * reach + 0.2 * spread
        if not _both_sides(joints):
            across, along = 1.35 * across, 1.35 * along
        centre = centre + 0.1 * reach * up
    elif "head" in joints:
        reach = reach or guess
        centre, across, along = joints["head"] - 0.6 * reach * up, reach, 1.3 * reach
    elif "left_shoulder" in joints and "right_shoulder" in joints:
        shoulders = (joints["left_shoulder"] + joints["right_shoulder"]) / 2
        centre, across, along = shoulders + 1.5 * reach * up, 1.2 * reach, 1.5 * reach
    else:
        return None
    tilt = float(np.degrees(np.arctan2(up[0], -up[1])))
    return centre, across, along, tilt


def _upwards(joints: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Unit vector from the neck to the top of the head, from whatever pair of joints shows it best."""
    for left, right in (("left_ear", "right_ear"), ("left_eye", "right_eye"), ("left_shoulder", "right_shoulder")):
        if left in joints and right in joints:
            across = joints[left] - joints[right]
            # Seen from the front, the person's left is right in the picture; from behind, it is the other way round.
            up = np.array((across[1], -across[0]))
            length = float(np.linalg.norm(up))
            if length > 0:
                return (up if up[1] < 0 else -up) / length
    return np.array((0.0, -1.0))


def _both_sides(joints: dict[str, NDArray[np.float64]]) -> bool:
    """Whether both eyes or both ears were found."""
    return any(f"left_{pair}" in joints and f"right_{pair}" in joints for pair in ("eye", "ear"))


def _cover(scene: NDArray[np.uint8], centre: NDArray[np.float64], across: float, along: float, tilt: float) -> None:
    """Replaces an ellipse by a few blurred cells."""
    across, along = max(across, 2.0), max(along, 2.0)
    reach = max(across, along)
    inside = clipped(np.concatenate([centre - reach, centre + reach]), scene, 2)
    if inside is None:
        return
    left, top, right, bottom = inside
    below = scene[top:bottom, left:right]
    cell = 2 * reach / _CELLS
    cells = (max(1, round((right - left) / cell)), max(1, round((bottom - top) / cell)))
    coarse = cv2.resize(below, cells, interpolation=cv2.INTER_AREA)
    covered = cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    mask = np.zeros(below.shape[:2], np.uint8)
    x, y = fixed(centre - (left, top)).tolist()
    axes = (round(across * (1 << SHIFT)), round(along * (1 << SHIFT)))
    cv2.ellipse(mask, (x, y), axes, tilt, 0, 360, 255, -1, cv2.LINE_AA, SHIFT)
    opacity = mask * np.float32(1 / 255)
    cv2.blendLinear(covered, below, opacity, 1 - opacity, dst=below)
