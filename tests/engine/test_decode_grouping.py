"""People out of candidates: who gets which joint, and what must never happen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.decode.grouping import USUAL_CONFIDENCE, GroupingSettings, group
from engine.decode.proportions import joint_distances
from engine.errors import WeightsError
from engine.types import UNTRACKED, Candidates, Poses
from models.skeleton import COCO_17, CROWDPOSE_14, Skeleton

EVERY_GUESS = GroupingSettings(min_joints=1, person_threshold=0)

# A person of height 1, seen from the front, in the order of COCO's joints.
STANDING = np.array(
    [
        (0.00, 0.08), (0.03, 0.06), (-0.03, 0.06), (0.06, 0.08), (-0.06, 0.08),
        (0.12, 0.19), (-0.12, 0.19), (0.15, 0.34), (-0.15, 0.34), (0.16, 0.47), (-0.16, 0.47),
        (0.08, 0.49), (-0.08, 0.49), (0.08, 0.72), (-0.08, 0.72), (0.08, 0.94), (-0.08, 0.94),
    ],
    np.float32,
)  # fmt: skip


def person(x: float, y: float, height: float) -> NDArray[np.float32]:
    """(17, 2) joints of a standing person whose head's top is at (x, y)."""
    return STANDING * height + np.array((x, y), np.float32)


def candidates_of(
    people: list[NDArray[np.float32]],
    tags: list[float],
    scores: float | NDArray[np.float32] = 0.8,
    slots: int = 30,
    shuffle: np.random.Generator | None = None,
) -> Candidates:
    """One candidate per person and joint that is not NaN; in the given order of people, or shuffled per joint."""
    joints = len(STANDING)
    xy, score, tag = np.zeros((joints, slots, 2)), np.zeros((joints, slots)), np.zeros((joints, slots))
    strength = np.broadcast_to(scores, (len(people), joints))
    for j in range(joints):
        order = np.arange(len(people)) if shuffle is None else shuffle.permutation(len(people))
        order = [i for i in order if not np.isnan(people[i][j, 0])][:slots]
        for k, i in enumerate(order):
            xy[j, k], score[j, k], tag[j, k] = people[i][j], strength[i, j], tags[i]
    return Candidates(xy.astype(np.float32), score.astype(np.float32), tag.astype(np.float32))


def matches(poses: Poses, people: list[NDArray[np.float32]]) -> bool:
    """Whether the same people came out, in any order, with the same joints."""
    if len(poses) != len(people):
        return False
    left = list(people)
    for keypoints in poses.keypoints:
        same = [i for i, one in enumerate(left) if np.array_equal(one, keypoints, equal_nan=True)]
        if not same:
            return False
        left.pop(same[0])
    return True


def test_one_person() -> None:
    alice = person(100, 20, 200)
    poses = group(candidates_of([alice], [0.3]), COCO_17, GroupingSettings())
    assert matches(poses, [alice])
    assert poses.ids.tolist() == [UNTRACKED]
    assert poses.person_scores[0] == pytest.approx(0.8)
    assert poses.scores[0] == pytest.approx([0.8] * 17)


@pytest.mark.parametrize(("joints", "height"), [(3, 3000), (5, 2000), (7, 1500), (11, 800), (17, 25)])
def test_one_person_close_by_or_far_away(joints: int, height: float) -> None:
    """A face that fills the picture, a head and shoulders, someone tiny: all one person, however few joints are seen."""
    alice = person(100, 20, height)
    alice[joints:] = np.nan
    assert matches(group(candidates_of([alice], [0.0]), COCO_17, EVERY_GUESS), [alice])


def test_large_person_beside_a_small_one_with_the_same_tag() -> None:
    large, small = person(100, 10, 230), person(190, 100, 60)
    assert matches(group(candidates_of([large, small], [0.0, 0.0]), COCO_17, EVERY_GUESS), [large, small])


def test_nobody() -> None:
    empty = Candidates(
        np.zeros((17, 30, 2), np.float32), np.zeros((17, 30), np.float32), np.zeros((17, 30), np.float32)
    )
    assert len(group(empty, COCO_17, EVERY_GUESS)) == 0


def test_no_slots_at_all() -> None:
    empty = Candidates(np.zeros((17, 0, 2), np.float32), np.zeros((17, 0), np.float32), np.zeros((17, 0), np.float32))
    assert len(group(empty, COCO_17, EVERY_GUESS)) == 0


def test_everything_below_the_threshold() -> None:
    faint = candidates_of([person(100, 20, 200)], [0.0], scores=0.1)
    assert len(group(faint, COCO_17, EVERY_GUESS)) == 0


def test_best_person_comes_first() -> None:
    people = [person(50, 20, 100), person(150, 20, 100), person(250, 20, 100)]
    strength = np.array([[0.4], [0.9], [0.6]], np.float32)
    poses = group(candidates_of(people, [0, 3, 6], strength), COCO_17, GroupingSettings())
    assert poses.person_scores == pytest.approx([0.9, 0.6, 0.4])
    assert np.array_equal(poses.keypoints[0], people[1])


def test_missing_joints_are_nan_with_score_zero_and_lower_the_persons_score() -> None:
    alice = person(100, 20, 200)
    alice[13:] = np.nan
    poses = group(candidates_of([alice], [0.0]), COCO_17, GroupingSettings())
    assert matches(poses, [alice])
    assert not poses.scores[0, 13:].any()
    assert poses.person_scores[0] == pytest.approx(0.8 * 13 / 17)


def test_tags_separate_people_who_overlap() -> None:
    alice, bob = person(100, 20, 200), person(112, 24, 200)
    poses = group(candidates_of([alice, bob], [0.0, 2.0]), COCO_17, GroupingSettings())
    assert matches(poses, [alice, bob])


def test_body_separates_people_with_equal_tags() -> None:
    people = [person(40, 20, 100), person(130, 30, 100), person(220, 25, 100)]
    poses = group(candidates_of(people, [0.5, 0.5, 0.5]), COCO_17, GroupingSettings())
    assert matches(poses, people)


def test_limb_of_someone_far_away_is_not_taken_despite_its_tag() -> None:
    """Only one of the two has each joint, and their tags are equal: no arm may reach across the picture."""
    alice, bob = person(40, 20, 80), person(220, 20, 80)
    bob[[0, 5, 9, 10]] = np.nan
    alice[[7, 8, 13, 15]] = np.nan
    poses = group(candidates_of([alice, bob], [0.0, 0.0]), COCO_17, GroupingSettings())
    assert matches(poses, [alice, bob])


def test_without_the_body_only_tags_count() -> None:
    alice = person(40, 20, 80)
    alice[16] = (900, 500)
    candidates = candidates_of([alice], [0.0])
    tags_only = GroupingSettings(min_joints=1, person_threshold=0, body_weight=0)
    assert matches(group(candidates, COCO_17, tags_only), [alice])
    assert len(group(candidates, COCO_17, EVERY_GUESS)) == 2


def test_tag_beyond_the_threshold_starts_someone_new() -> None:
    candidates = candidates_of([person(100, 20, 200)], [0.0])
    candidates.tags[9, 0] = 1.01
    poses = group(candidates, COCO_17, EVERY_GUESS)
    assert len(poses) == 2
    assert np.isnan(poses.keypoints[0, 9, 0])
    assert np.count_nonzero(poses.visible[1]) == 1


def test_the_usual_confidence_is_the_weights_own_threshold() -> None:
    published = GroupingSettings(person_threshold=0.3, joint_threshold=0.06)
    assert published.at_confidence(USUAL_CONFIDENCE) == published
    assert published.at_confidence(0.0).person_threshold == 0
    assert published.at_confidence(0.1).person_threshold == pytest.approx(0.15)
    assert published.at_confidence(0.6).person_threshold == pytest.approx(0.65)
    assert published.at_confidence(1.0).person_threshold == 1


def test_min_joints_and_person_threshold_drop_scraps() -> None:
    alice, scrap, faint = person(100, 20, 200), person(300, 20, 200), person(500, 20, 200)
    scrap[3:] = np.nan
    strength = np.array([[0.8], [0.8], [0.12]], np.float32)
    candidates = candidates_of([alice, scrap, faint], [0, 3, 6], strength)
    assert len(group(candidates, COCO_17, EVERY_GUESS)) == 3
    assert len(group(candidates, COCO_17, GroupingSettings(min_joints=4, person_threshold=0))) == 2
    assert len(group(candidates, COCO_17, GroupingSettings(min_joints=1, person_threshold=0.13))) == 2


def test_more_candidates_than_people_may_come_out() -> None:
    people = [person(60 * (i % 8), 120 * (i // 8), 100) for i in range(40)]
    strength = np.linspace(0.3, 0.9, 40, dtype=np.float32)[:, None]
    candidates = candidates_of(people, [3.0 * i for i in range(40)], strength, slots=45)
    poses = group(candidates, COCO_17, GroupingSettings(max_people=30))
    assert matches(poses, people[10:])
    assert len(group(candidates, COCO_17, GroupingSettings(max_people=3))) == 3


def test_scores_above_one_are_cut() -> None:
    """The mean of two heatmaps may overshoot."""
    poses = group(candidates_of([person(100, 20, 200)], [0.0], scores=1.2), COCO_17, GroupingSettings())
    assert poses.scores.max() == 1
    assert poses.person_scores[0] == 1


@pytest.mark.parametrize("field", ["xy", "scores", "tags"])
def test_candidates_with_nan_are_ignored(field: str) -> None:
    alice = person(100, 20, 200)
    candidates = candidates_of([alice, person(300, 20, 200)], [0.0, 3.0])
    getattr(candidates, field)[:, 1] = np.nan
    assert matches(group(candidates, COCO_17, EVERY_GUESS), [alice])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 12))
def test_order_of_candidates_decides_nothing(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    people = [
        person(*random.uniform(0, 400, 2), random.uniform(30, 300)) + random.normal(0, 2, (17, 2)).astype(np.float32)
        for _ in range(count)
    ]
    for one in people:
        one[random.random(17) < 0.2] = np.nan
    tags = random.normal(0, 1, count).tolist()
    strength = random.uniform(0.05, 1, (count, 17)).astype(np.float32)
    shuffled = candidates_of(people, tags, strength, shuffle=random)
    same = group(candidates_of(people, tags, strength), COCO_17, EVERY_GUESS)
    poses = group(shuffled, COCO_17, EVERY_GUESS)
    assert matches(poses, list(same.keypoints))
    assert poses.person_scores == pytest.approx(same.person_scores)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), slots=st.integers(0, 40), spread=st.sampled_from([0.0, 0.5, 5.0]))
@pytest.mark.parametrize("skeleton", [COCO_17, CROWDPOSE_14], ids=lambda skeleton: skeleton.name)
def test_no_candidate_is_used_twice_and_none_is_lost(skeleton: Skeleton, seed: int, slots: int, spread: float) -> None:
    random = np.random.default_rng(seed)
    shape = (skeleton.joint_count, slots)
    candidates = Candidates(
        random.uniform(0, 300, (*shape, 2)).astype(np.float32),
        random.uniform(0, 1, shape).astype(np.float32),
        random.normal(0, spread, shape).astype(np.float32),
    )
    # Room for everyone, so that nothing is dropped: each candidate above the threshold is in exactly one person.
    plenty = GroupingSettings(min_joints=1, person_threshold=0, max_people=slots * skeleton.joint_count + 1)
    poses = group(candidates, skeleton, plenty)
    for j in range(skeleton.joint_count):
        usable = candidates.xy[j][candidates.scores[j] > plenty.joint_threshold]
        used = poses.keypoints[:, j][poses.visible[:, j]]
        assert sorted(map(tuple, used.tolist())) == sorted(map(tuple, usable.tolist()))
    assert (np.diff(poses.person_scores) <= 0).all()
    assert poses.visible.any(axis=1).all()


def test_candidates_of_another_skeleton_are_refused() -> None:
    with pytest.raises(ValueError, match="crowdpose-14 has 14 joints, not 17"):
        group(candidates_of([], []), CROWDPOSE_14, GroupingSettings())


def test_settings_from_metadata() -> None:
    metadata = {"size": "xs", "joint_threshold": "0.2", "tag_threshold": "0.7", "max_people": "12"}
    assert GroupingSettings.from_metadata(metadata, COCO_17) == GroupingSettings(
        joint_threshold=0.2, tag_threshold=0.7, max_people=12
    )
    assert GroupingSettings.from_metadata({}, COCO_17) == GroupingSettings()


@pytest.mark.parametrize("metadata", [{"tag_threshold": "wide"}, {"tag_threshold": "0"}, {"min_joints": "2.5"}])
def test_impossible_metadata_is_named(metadata: dict[str, str]) -> None:
    with pytest.raises(WeightsError, match=next(iter(metadata))):
        GroupingSettings.from_metadata(metadata, COCO_17)


@pytest.mark.parametrize("skeleton", [COCO_17, CROWDPOSE_14], ids=lambda skeleton: skeleton.name)
def test_proportions_are_those_of_a_person(skeleton: Skeleton) -> None:
    distances = joint_distances(skeleton)
    assert np.array_equal(distances, distances.T)
    assert (distances > 0).all()
    mirrored = distances[np.ix_(skeleton.flip, skeleton.flip)]
    assert mirrored == pytest.approx(distances)
    ankle, wrist = skeleton.index("left_ankle"), skeleton.index("left_wrist")
    assert distances[ankle, skeleton.index("left_shoulder")] > distances[wrist, skeleton.index("left_elbow")]
