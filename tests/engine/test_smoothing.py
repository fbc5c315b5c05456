"""Calm joints that do not lag, at any frame rate and size, and that never invent or lose one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from walking import STANDING, Walker, poses_of

from engine.smoothing import Smoother, SmoothingSettings
from engine.types import UNTRACKED, Poses
from models.skeleton import COCO_17


def tracked(*people: NDArray[np.float64], ids: list[int] | None = None) -> Poses:
    poses = poses_of(people)
    poses.ids[:] = ids if ids is not None else range(1, len(people) + 1)
    return poses


def still_with_noise(
    smoother: Smoother, noise: float, fps: float, height: float = 250, frames: int = 150
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Joints as detected and smoothed, (frames, 17, 2) each, after the filter has settled."""
    random = np.random.default_rng(0)
    raw, calm = [], []
    for frame in range(frames):
        poses = poses_of([STANDING * height + 50], random, noise)
        poses.ids[:] = 1
        raw.append(poses.keypoints[0])
        calm.append(smoother.update(poses, frame / fps).keypoints[0])
    return np.array(raw)[30:], np.array(calm)[30:]


def test_someone_at_rest_stops_jittering() -> None:
    raw, calm = still_with_noise(Smoother(), noise=2, fps=30)
    assert calm.std(axis=0).mean() < raw.std(axis=0).mean() / 3
    assert calm.mean(axis=0) == pytest.approx(STANDING * 250 + 50, abs=1)


@pytest.mark.parametrize("fps", [8, 15, 30, 60])
@pytest.mark.parametrize("height", [40, 250, 900])
def test_a_walker_is_followed_within_30_milliseconds(fps: float, height: float) -> None:
    walker, smoother = Walker(0, 50, height, vx=0.8 * height), Smoother()
    for frame in range(round(3 * fps)):
        smoothed = smoother.update(tracked(walker.at(frame / fps)), frame / fps)
    behind = (walker.at(frame / fps) - smoothed.keypoints[0])[:, 0] / walker.vx
    assert (np.abs(behind) < 0.03).all()


def test_near_and_far_people_are_smoothed_alike() -> None:
    _, far = still_with_noise(Smoother(), noise=0.5, fps=30, height=60)
    _, near = still_with_noise(Smoother(), noise=5, fps=30, height=600)
    assert near.std(axis=0) == pytest.approx(10 * far.std(axis=0), rel=0.02)


def test_irregular_times_follow_the_same_path() -> None:
    """Twice as many frames, unevenly spread, end in nearly the same place."""
    walker, random = Walker(0, 50, 250, vx=150, steps=0.8), np.random.default_rng(0)
    ends = []
    for times in (np.arange(0, 3, 1 / 20), np.sort(np.append(random.uniform(0, 2.95, 118), [0, 2.95]))):
        smoother = Smoother()
        for time_s in times:
            last = smoother.update(tracked(walker.at(float(time_s))), float(time_s))
        ends.append(last.keypoints[0])
    assert ends[0] == pytest.approx(ends[1], abs=3)


def test_first_sight_is_not_changed() -> None:
    poses = tracked(Walker(10, 20, 200).at(0), Walker(300, 20, 100).at(0))
    assert np.array_equal(Smoother().update(poses, 5.0).keypoints, poses.keypoints)


def test_missing_joints_stay_missing_and_the_others_are_not_touched_by_them() -> None:
    whole, gaps = Smoother(), Smoother()
    for frame in range(20):
        joints = Walker(10, 20, 200, vx=100).at(frame / 30)
        with_gap = joints.copy()
        with_gap[9] = np.nan
        full = whole.update(tracked(joints), frame / 30).keypoints[0]
        part = gaps.update(tracked(with_gap), frame / 30).keypoints[0]
        assert np.isnan(part[9]).all()
        # Only the person's measured size may differ a little.
        assert np.delete(part, 9, axis=0) == pytest.approx(np.delete(full, 9, axis=0), abs=0.2)


def test_joint_that_comes_back_after_a_while_starts_afresh() -> None:
    smoother, joints = Smoother(), Walker(10, 20, 200).at(0)
    for frame in range(30):
        smoother.update(tracked(joints), frame / 30)
    hidden = joints.copy()
    hidden[9] = np.nan
    for frame in range(30, 45):
        smoother.update(tracked(hidden), frame / 30)
    moved = joints.copy()
    moved[9] += 60
    assert smoother.update(tracked(moved), 45 / 30).keypoints[0, 9] == pytest.approx(moved[9])


def test_joint_that_flickers_goes_on_being_smoothed() -> None:
    smoother, random, calm = Smoother(), np.random.default_rng(0), []
    for frame in range(200):
        poses = poses_of([STANDING * 250], random, noise=2)
        poses.ids[:] = 1
        if frame % 2:
            poses.keypoints[0, 9] = np.nan
        calm.append(smoother.update(poses, frame / 30).keypoints[0, 9])
    assert np.array(calm)[40::2].std(axis=0).mean() < 1.2


def test_everyone_has_their_own_filter_whatever_the_order() -> None:
    alice, bob = Walker(10, 20, 200, vx=100), Walker(500, 20, 300, vx=-80)
    together, alone = Smoother(), Smoother()
    for frame in range(40):
        time_s = frame / 30
        people, ids = [alice.at(time_s), bob.at(time_s)], [4, 9]
        if frame % 2:
            people, ids = people[::-1], ids[::-1]
        both = together.update(tracked(*people, ids=ids), time_s)
        one = alone.update(tracked(alice.at(time_s), ids=[4]), time_s)
        assert np.array_equal(both.keypoints[both.ids == 4], one.keypoints)


def test_new_id_in_the_same_place_starts_afresh() -> None:
    smoother = Smoother()
    smoother.update(tracked(Walker(10, 20, 200).at(0), ids=[1]), 0.0)
    other = tracked(Walker(40, 20, 200).at(0), ids=[2])
    assert np.array_equal(smoother.update(other, 0.03).keypoints, other.keypoints)


def test_someone_who_comes_back_starts_afresh() -> None:
    smoother = Smoother()
    smoother.update(tracked(Walker(10, 20, 200).at(0)), 0.0)
    smoother.update(Poses.empty(COCO_17), 0.5)
    back = tracked(Walker(80, 20, 200).at(0))
    assert np.array_equal(smoother.update(back, 0.9).keypoints, back.keypoints)


@pytest.mark.parametrize("jump", [-3.0, 100.0])
def test_seeks_start_afresh(jump: float) -> None:
    smoother = Smoother()
    for frame in range(10):
        smoother.update(tracked(Walker(10, 20, 200).at(0)), 5 + frame / 30)
    there = tracked(Walker(300, 20, 200).at(0))
    assert np.array_equal(smoother.update(there, 5 + jump).keypoints, there.keypoints)


def test_reset_starts_afresh() -> None:
    smoother = Smoother()
    smoother.update(tracked(Walker(10, 20, 200).at(0)), 0.0)
    smoother.reset()
    there = tracked(Walker(60, 20, 200).at(0))
    assert np.array_equal(smoother.update(there, 0.03).keypoints, there.keypoints)


def test_untracked_people_pass_through() -> None:
    smoother = Smoother()
    for frame in range(5):
        poses = tracked(Walker(10 + 20 * frame, 20, 200).at(0), Walker(400, 20, 200).at(0), ids=[UNTRACKED, 3])
        smoothed = smoother.update(poses, frame / 30)
        assert np.array_equal(smoothed.keypoints[0], poses.keypoints[0])


def test_input_is_not_written_into() -> None:
    smoother = Smoother()
    smoother.update(tracked(Walker(10, 20, 200).at(0)), 0.0)
    poses = tracked(Walker(30, 20, 200).at(0))
    before = poses.keypoints.copy()
    smoothed = smoother.update(poses, 0.03)
    assert np.array_equal(poses.keypoints, before)
    assert not np.array_equal(smoothed.keypoints, before)
    assert np.array_equal(smoothed.scores, poses.scores)
    assert np.array_equal(smoothed.ids, poses.ids)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_smoothed_joints_lie_between_where_they_were_and_are(seed: int) -> None:
    """Whatever comes, no joint overshoots, none appears and none is lost."""
    random, smoother = np.random.default_rng(seed), Smoother()
    low, high = np.full((17, 2), np.inf), np.full((17, 2), -np.inf)
    time_s = 0.0
    for _ in range(12):
        time_s += float(random.choice([0, 0.001, 0.03, 0.2, 2]))
        joints = Walker(*random.uniform(0, 500, 2), random.choice([0, 2, 200, 3000])).at(0)
        joints[random.random(17) < 0.4] = np.nan
        poses = tracked(joints)
        smoothed = smoother.update(poses, time_s).keypoints[0]
        assert np.array_equal(np.isnan(smoothed), np.isnan(poses.keypoints[0]))
        low, high = np.fmin(low, poses.keypoints[0]), np.fmax(high, poses.keypoints[0])
        seen = ~np.isnan(smoothed)
        assert (smoothed[seen] >= low[seen] - 0.01).all()
        assert (smoothed[seen] <= high[seen] + 0.01).all()


def test_strength() -> None:
    assert SmoothingSettings.of_strength(0.5) == SmoothingSettings()
    jitter = [
        still_with_noise(Smoother(SmoothingSettings.of_strength(s)), 2, 30)[1].std(axis=0).mean() for s in (0, 0.5, 1)
    ]
    assert jitter[0] > jitter[1] > jitter[2]
    with pytest.raises(ValueError, match="from 0 to 1"):
        SmoothingSettings.of_strength(1.5)


@pytest.mark.parametrize("field", ["min_cutoff_hz", "derivative_cutoff_hz", "forget_s", "beta", "rest_speed"])
def test_impossible_settings_are_refused(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        SmoothingSettings(**{field: -1.0})
