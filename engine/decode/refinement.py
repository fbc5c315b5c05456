"""A second look for missing joints of people who were found, as HigherHRNet's refinement (Cheng et al., CVPR 2020)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.decode.peaks import STRIDE, double, mean_heatmaps, parabola_offset, sample
from engine.decode.person_score import PersonScorer, person_scores
from engine.decode.proportions import body_heights, joint_distances
from engine.types import Poses, expect_shape

# Heights are medians: some pairs of joints are further apart than their share of it.
GENEROUS = 1.3
TAKEN = 6.0  # input pixels around someone else's joint in which no joint of the same kind is looked for


@dataclass(frozen=True, slots=True)
class RefinementSettings:
    """How weak and how far a joint may be that is added to a person.

    joint_threshold: its heat must be above it; lower than the grouping's, which must not take noise for people.
    tag_threshold:   furthest distance of its tag from the person's mean tag.
    """

    joint_threshold: float = 0.05
    tag_threshold: float = 1.0


def refine(
    poses: Poses,
    maps4: NDArray[np.float32],
    maps2: NDArray[np.float32],
    settings: RefinementSettings,
    scorer: PersonScorer | None = None,
) -> Poses:
    """Adds to everyone the missing joints that the maps show within reach of the body, if weakly.

    The best place is where heat × fit of the tag is greatest; heat is the mean that the peaks were found in. People get new
    scores, and keep their order.

    poses: in the pixels of the network's input, as grouping gives them.
    maps4: (2J, h, w) float32 at stride 4: J heatmaps, then J tag maps.
    maps2: (J, 2h, 2w) float32 heatmaps at stride 2.
    scorer: as in the grouping's settings.
    """
    skeleton, joints = poses.skeleton, poses.skeleton.joint_count
    expect_shape("maps4", maps4, (2 * joints, None, None))
    expect_shape("maps2", maps2, (joints, 2 * maps4.shape[1], 2 * maps4.shape[2]))
    visible = poses.visible
    heights = body_heights(poses.keypoints, skeleton)
    keypoints, scores = poses.keypoints.copy(), poses.scores.copy()
    for joint in np.flatnonzero((~visible).any(axis=0)).tolist():
        heat = mean_heatmaps(maps4[joint : joint + 1], maps2[joint : joint + 1])[0]
        tags = double(maps4[joints + joint][None])[0]
        for person in np.flatnonzero(~visible[:, joint] & (visible.sum(axis=1) >= 2)).tolist():
            reach = GENEROUS * heights[person] * joint_distances(skeleton)[joint, visible[person]]
            window = _window(poses.keypoints[person, visible[person]], reach, heat.shape)
            if window is None:
                continue
            rows, columns = window
            tag = _mean_tag(poses.keypoints[person], visible[person], maps4[joints:])
            off = np.abs(tags[rows, columns] - tag) / settings.tag_threshold
            worth = heat[rows, columns] * np.maximum(0, 1 - off**2)
            others = keypoints[np.arange(len(poses)) != person, joint]
            _exclude(worth, others[np.isfinite(others[:, 0])], rows.start, columns.start)
            y, x = np.unravel_index(int(np.argmax(worth)), worth.shape)
            y, x = int(y) + rows.start, int(x) + columns.start
            if worth[y - rows.start, x - columns.start] <= 0 or heat[y, x] <= settings.joint_threshold:
                continue
            keypoints[person, joint] = _place(heat, y, x)
            scores[person, joint] = min(1.0, float(heat[y, x]))
    return Poses(keypoints, scores, person_scores(keypoints, scores, skeleton, scorer), poses.ids, skeleton)


def _window(
    joints: NDArray[np.float32], reach: NDArray[np.float32], shape: tuple[int, ...]
) -> tuple[slice, slice] | None:
    """Rows and columns of the map that are within reach of all of a person's joints; None if there are none.

    joints: (n, 2) in input pixels; reach: (n,) how far the joint that is looked for can be from each of them.
    """
    low = np.max(joints - reach[:, None], axis=0) / STRIDE
    high = np.min(joints + reach[:, None], axis=0) / STRIDE
    left, top = np.maximum(np.ceil(low), 0).astype(int).tolist()
    right, bottom = np.minimum(np.floor(high) + 1, (shape[1], shape[0])).astype(int).tolist()
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


def _mean_tag(keypoints: NDArray[np.float32], visible: NDArray[np.bool_], tags: NDArray[np.float32]) -> float:
    """Mean tag of a person's joints, read from the maps (J, h, w) where the joints are."""
    found = np.flatnonzero(visible)
    place = (keypoints[found] + 0.5) / (2 * STRIDE) - 0.5
    return float(sample(tags, found, place[:, 0], place[:, 1]).mean())


def _exclude(worth: NDArray[np.float32], taken: NDArray[np.float32], top: int, left: int) -> None:
    """Sets worth to 0 around places (n, 2), in input pixels, that are somebody else's."""
    rows, columns = np.ogrid[top : top + worth.shape[0], left : left + worth.shape[1]]
    for x, y in (taken + 0.5) / STRIDE - 0.5:
        worth[(rows - y) ** 2 + (columns - x) ** 2 < (TAKEN / STRIDE) ** 2] = 0


def _place(heat: NDArray[np.float32], y: int, x: int) -> tuple[float, float]:
    """Sub-pixel place, in input pixels, of a pixel of the map."""
    here = np.zeros(1, np.intp), np.array([y]), np.array([x])
    across = float(parabola_offset(heat[None], *here, 0, 1)[0])
    down = float(parabola_offset(heat[None], *here, 1, 0)[0])
    return (x + across + 0.5) * STRIDE - 0.5, (y + down + 0.5) * STRIDE - 0.5
