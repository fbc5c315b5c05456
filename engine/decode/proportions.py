"""How far apart two joints of one person can be, relative to the person's size, and how large a person is."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from models.skeleton import Skeleton

# A person with arms and legs spread, seen from the front: x to the person's left, y down, in body heights.
# Spread, because a picture can only shorten the distance between two joints, never lengthen it.
_SPREAD = {
    "head": (0.00, 0.00),
    "nose": (0.00, 0.09),
    "left_eye": (0.03, 0.06),
    "left_ear": (0.07, 0.07),
    "neck": (0.00, 0.16),
    "left_shoulder": (0.13, 0.19),
    "left_elbow": (0.27, 0.19),
    "left_wrist": (0.42, 0.20),
    "left_hip": (0.07, 0.49),
    "left_knee": (0.17, 0.72),
    "left_ankle": (0.26, 0.94),
}


@cache
def joint_distances(skeleton: Skeleton) -> NDArray[np.float32]:
    """(J, J) float32: distance between two joints of a person with spread arms and legs, in body heights; 1 on the diagonal."""
    places = []
    for joint, name in enumerate(skeleton.joints):
        x, y = _SPREAD[name.replace("right_", "left_")]
        places.append((-x if skeleton.side(joint) == "right" else x, y))
    place = np.array(places)
    distances = np.linalg.norm(place[:, None] - place[None], axis=2)
    np.fill_diagonal(distances, 1)
    result: NDArray[np.float32] = distances.astype(np.float32)
    result.setflags(write=False)
    return result


def body_heights(keypoints: NDArray[np.float32], skeleton: Skeleton) -> NDArray[np.float32]:
    """(N,) heights of people in pixels: the median over pairs of joints of the height that their distance implies.

    It hardly changes when joints come and go, as the height of a box would. NaN for people with fewer than two joints.
    keypoints: (N, J, 2), NaN where a joint is missing.
    """
    one, other = np.triu_indices(skeleton.joint_count, 1)
    away = keypoints[:, one] - keypoints[:, other]
    heights = np.hypot(away[..., 0], away[..., 1]) / joint_distances(skeleton)[one, other]
    known = np.isfinite(heights).sum(axis=1)
    heights.sort(axis=1)  # NaN last
    middle = heights[np.arange(len(heights)), np.maximum(known - 1, 0) // 2]
    result: NDArray[np.float32] = np.where(known > 0, middle, np.nan).astype(np.float32)
    return result
