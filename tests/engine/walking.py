"""Synthetic people in motion: hand-drawn, walking, noisy and with missing joints."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.types import UNTRACKED, Poses
from models.skeleton import COCO_17

# A person of height 1, seen from the front, in the order of COCO's joints.
STANDING = np.array(
    [
        (0.00, 0.08), (0.03, 0.06), (-0.03, 0.06), (0.06, 0.08), (-0.06, 0.08),
        (0.12, 0.19), (-0.12, 0.19), (0.15, 0.34), (-0.15, 0.34), (0.16, 0.47), (-0.16, 0.47),
        (0.08, 0.49), (-0.08, 0.49), (0.08, 0.72), (-0.08, 0.72), (0.08, 0.94), (-0.08, 0.94),
    ]
)  # fmt: skip
# How far each joint swings sideways in a step, in body heights; opposite limbs swing against each other.
SWING = np.array([0, 0, 0, 0, 0, 0.01, -0.01, -0.04, 0.04, -0.1, 0.1, 0.01, -0.01, 0.06, -0.06, 0.13, -0.13])


@dataclass(frozen=True)
class Walker:
    """x, y: where the top of the head is at time 0, in pixels; vx, vy: pixels per second; steps: pace, per second."""

    x: float
    y: float
    height: float
    vx: float = 0.0
    vy: float = 0.0
    steps: float = 0.0
    growth: float = 0.0

    def at(self, time_s: float) -> NDArray[np.float64]:
        """(17, 2) joints in pixels."""
        joints = STANDING.copy()
        joints[:, 0] += SWING * np.sin(2 * np.pi * self.steps * time_s)
        size = self.height * (1 + self.growth * time_s)
        return joints * size + (self.x + self.vx * time_s, self.y + self.vy * time_s)


def poses_of(
    people: Sequence[NDArray[np.float64]],
    random: np.random.Generator | None = None,
    noise: float = 0.0,
    missing: float = 0.0,
) -> Poses:
    """Untracked poses of these people; noise in pixels, missing is the probability that a joint is not found."""
    keypoints = np.array(people, np.float32).reshape(-1, 17, 2)
    if random is not None:
        keypoints = keypoints + random.normal(0, 1, keypoints.shape).astype(np.float32) * noise
        keypoints[random.random(keypoints.shape[:2]) < missing] = np.nan
    scores = np.where(np.isnan(keypoints[..., 0]), 0, 0.8).astype(np.float32)
    return Poses(keypoints, scores, scores.mean(axis=1), np.full(len(keypoints), UNTRACKED, np.int64), COCO_17)
