"""The second look finds weak joints of people who are there, and nothing else."""

import numpy as np
import pytest
from numpy.typing import NDArray
from walking import STANDING

from engine.decode.grouping import GroupingSettings, group
from engine.decode.peaks import find_candidates
from engine.decode.refinement import RefinementSettings, refine
from engine.types import Poses
from models.skeleton import COCO_17

WRIST, ANKLE = COCO_17.index("left_wrist"), COCO_17.index("right_ankle")


def maps_of(people: list[NDArray[np.float64]], heats: list[NDArray[np.float64]], tags: list[float], size: int = 256):
    """Maps as a perfect network would give them: a Gaussian of the given heat per joint, and each person's tag around it."""
    result = []
    for stride in (4, 2):
        side = size // stride
        centres = (np.arange(side) + 0.5) * stride - 0.5
        heat, tag = np.zeros((17, side, side)), np.full((17, side, side), 9.0)
        for joints, peak, number in zip(people, heats, tags):
            for j in np.flatnonzero(peak):
                x, y = joints[j]
                away = (centres[None, :] - x) ** 2 + (centres[:, None] - y) ** 2
                heat[j] = np.maximum(heat[j], peak[j] * np.exp(-away / (2 * (2 * stride) ** 2)))
                tag[j][away < 15**2] = number
        result += [heat, tag]
    return np.concatenate(result[:2]).astype(np.float32), result[2].astype(np.float32)


def found(maps4: NDArray[np.float32], maps2: NDArray[np.float32]) -> Poses:
    return group(find_candidates(maps4, maps2), COCO_17, GroupingSettings(joint_threshold=0.2))


def heat(weak: int | None = None, strength: float = 0.12) -> NDArray[np.float64]:
    result = np.full(17, 0.8)
    if weak is not None:
        result[weak] = strength
    return result


def test_weak_joint_is_found_where_it_is() -> None:
    alice = STANDING * 200 + (120, 25)
    maps = maps_of([alice], [heat(WRIST)], [0.5])
    before = found(*maps)
    assert np.isnan(before.keypoints[0, WRIST]).all()
    after = refine(before, *maps, RefinementSettings())
    assert after.keypoints[0, WRIST] == pytest.approx(alice[WRIST], abs=1.5)
    assert after.scores[0, WRIST] == pytest.approx(0.12, abs=0.02)
    assert after.person_scores[0] > before.person_scores[0]
    kept = before.visible
    assert np.array_equal(after.keypoints[kept], before.keypoints[kept])


def test_nothing_weaker_than_the_threshold_is_added() -> None:
    maps = maps_of([STANDING * 200 + (120, 25)], [heat(WRIST, 0.04)], [0.5])
    assert np.isnan(refine(found(*maps), *maps, RefinementSettings()).keypoints[0, WRIST]).all()


def test_joint_of_somebody_else_is_not_taken() -> None:
    """Alice's wrist is not in the picture; Bob's, with the same tag and within her reach, stays his."""
    alice, bob = STANDING * 200 + (90, 25), STANDING * 200 + (150, 25)
    hidden = heat(WRIST, 0.0)
    maps = maps_of([alice, bob], [hidden, heat()], [0.5, 0.5])
    before = found(*maps)
    after = refine(before, *maps, RefinementSettings())
    assert len(after) == len(before) == 2
    wrists = after.keypoints[:, WRIST]
    assert np.isfinite(wrists[:, 0]).sum() == 1


def test_weak_joint_with_another_tag_or_out_of_reach_is_not_taken() -> None:
    alice = STANDING * 90 + (60, 25)
    far = alice.copy()
    far[ANKLE] = (230, 230)
    near = alice.copy()
    near[ANKLE] += (4, 3)
    for ghost, tag in ((far, 0.5), (near, 3.0)):
        only_ankle = np.zeros(17)
        only_ankle[ANKLE] = 0.15
        maps = maps_of([alice, ghost], [heat(ANKLE, 0.0), only_ankle], [0.5, tag])
        assert np.isnan(refine(found(*maps), *maps, RefinementSettings()).keypoints[0, ANKLE]).all()


def test_nobody_and_complete_people_stay_as_they_are() -> None:
    maps = maps_of([STANDING * 200 + (120, 25)], [heat()], [0.5])
    before = found(*maps)
    assert np.array_equal(refine(before, *maps, RefinementSettings()).keypoints, before.keypoints)
    assert len(refine(Poses.empty(COCO_17), *maps, RefinementSettings())) == 0


def test_maps_of_another_shape_are_refused() -> None:
    maps4, maps2 = maps_of([], [], [])
    with pytest.raises(ValueError, match="maps2 must have shape"):
        refine(Poses.empty(COCO_17), maps4, maps2[:, :-2], RefinementSettings())
