"""Ids that stay with people, whatever happens between them."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from walking import Walker, poses_of

from engine.smoothing import Smoother
from engine.tracking import Tracker
from engine.types import UNTRACKED, Poses
from models.skeleton import COCO_17

Visible = Callable[[int, float], bool]


def everyone(person: int, time_s: float) -> bool:
    return True


def follow(
    walkers: Sequence[Walker],
    seconds: float,
    fps: float = 30,
    visible: Visible = everyone,
    noise: float = 0.0,
    missing: float = 0.0,
    smooth: bool = False,
    seed: int = 0,
) -> list[dict[int, int]]:
    """Tracks walkers, listed in a random order in every frame. -> per frame, the id of each one who is in sight."""
    random, tracker, smoother = np.random.default_rng(seed), Tracker(), Smoother()
    history = []
    for frame in range(round(seconds * fps)):
        time_s = frame / fps
        present = [i for i in range(len(walkers)) if visible(i, time_s)]
        present = [present[i] for i in random.permutation(len(present))]
        poses = poses_of([walkers[i].at(time_s) for i in present], random, noise, missing)
        poses = tracker.update(poses, time_s)
        if smooth:
            poses = smoother.update(poses, time_s)
        history.append(dict(zip(present, poses.ids.tolist())))
    return history


def ids_of(history: list[dict[int, int]], person: int) -> set[int]:
    return {ids[person] for ids in history if person in ids}


def expect_one_id_each(history: list[dict[int, int]], people: int) -> None:
    ids = [ids_of(history, person) for person in range(people)]
    assert [len(some) for some in ids] == [1] * people
    assert len(set.union(*ids)) == people


RATES = pytest.mark.parametrize("fps", [8, 15, 30])
MESS = pytest.mark.parametrize(("noise", "missing"), [(0.0, 0.0), (3.0, 0.15)], ids=["clean", "noisy"])


@RATES
@MESS
def test_one_walker(fps: float, noise: float, missing: float) -> None:
    walker = Walker(0, 100, 250, vx=180, steps=0.9)
    expect_one_id_each(follow([walker], 4, fps, noise=noise, missing=missing), 1)


@RATES
@MESS
@pytest.mark.parametrize("seed", range(3))
def test_crossing_people_keep_their_ids(fps: float, noise: float, missing: float, seed: int) -> None:
    walkers = [Walker(0, 100, 250, vx=170, steps=0.9), Walker(640, 110, 240, vx=-150, steps=1.0)]
    expect_one_id_each(follow(walkers, 4, fps, noise=noise, missing=missing, seed=seed), 2)


@RATES
@MESS
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("speed", [0, -120], ids=["standing", "walking"])
def test_someone_hidden_behind_another_for_half_a_second(
    fps: float, noise: float, missing: float, seed: int, speed: float
) -> None:
    front = Walker(0, 80, 280, vx=200, steps=0.9)
    back = Walker(320 - 1.6 * speed, 100, 240, vx=speed, steps=0.8 if speed else 0)
    hidden = (1.35, 1.85)  # around the time when both are in the same place

    def visible(person: int, time_s: float) -> bool:
        return person == 0 or not hidden[0] < time_s < hidden[1]

    history = follow([front, back], 3.5, fps, visible, noise=noise, missing=missing, seed=seed)
    assert any(1 not in ids for ids in history)
    expect_one_id_each(history, 2)


@pytest.mark.parametrize(("gap", "ids"), [(0.3, 1), (0.8, 1), (1.3, 2), (5.0, 2)])
@RATES
def test_leaving_and_returning(gap: float, ids: int, fps: float) -> None:
    """Someone who turns round at the edge comes back where they left."""

    def visible(person: int, time_s: float) -> bool:
        return not 2.0 < time_s < 2.0 + gap

    walker = Walker(200, 100, 250, vx=-60, steps=0.9)
    history = follow([walker], 2.0 + gap + 1.0, fps, visible, noise=1.5)
    assert len(ids_of(history, 0)) == ids


def test_ids_are_never_used_again() -> None:
    tracker, seen = Tracker(), set()
    for visit in range(5):
        poses = tracker.update(poses_of([Walker(100, 100, 200).at(0), Walker(400, 100, 200).at(0)]), 10.0 * visit)
        assert not seen & set(poses.ids.tolist())
        seen |= set(poses.ids.tolist())
    tracker.reset()
    assert not seen & set(tracker.update(poses_of([Walker(100, 100, 200).at(0)]), 0.0).ids.tolist())


@MESS
def test_people_side_by_side(noise: float, missing: float) -> None:
    """Closer than their own arms reach, and standing still."""
    walkers = [Walker(200 + 55 * i, 100, 220, steps=0.2) for i in range(4)]
    expect_one_id_each(follow(walkers, 4, noise=noise, missing=missing), 4)


def test_jittering_detection() -> None:
    """A person of 150 pixels whose joints jump by 6 pixels in every frame, and of whom a third is missing."""
    expect_one_id_each(follow([Walker(200, 100, 150)], 5, noise=6, missing=0.33), 1)


def test_detection_that_comes_and_goes() -> None:
    random = np.random.default_rng(1)
    gone = {round(time, 1) for time in random.uniform(0.5, 5, 25)}

    def visible(person: int, time_s: float) -> bool:
        return person == 1 or round(time_s, 1) not in gone

    walkers = [Walker(100, 100, 250, vx=60, steps=0.9), Walker(500, 120, 200)]
    expect_one_id_each(follow(walkers, 5, visible=visible, noise=2), 2)


def test_smoothed_input_too() -> None:
    """Ids are the same whether or not what comes out is smoothed, and whether the smoothed people go in."""
    walkers = [Walker(0, 100, 250, vx=170, steps=0.9), Walker(640, 110, 240, vx=-150, steps=1.0)]
    expect_one_id_each(follow(walkers, 4, noise=2, missing=0.1, smooth=True), 2)
    first, smoother, second = Tracker(), Smoother(), Tracker()
    random, pairs = np.random.default_rng(0), set()
    for frame in range(120):
        poses = poses_of([walker.at(frame / 30) for walker in walkers], random, 2, 0.1)
        smoothed = smoother.update(first.update(poses, frame / 30), frame / 30)
        again = second.update(smoothed, frame / 30)
        pairs |= set(zip(smoothed.ids.tolist(), again.ids.tolist()))
    assert len(pairs) == 2


def test_someone_approaching_the_camera() -> None:
    expect_one_id_each(follow([Walker(300, 200, 80, vx=-30, vy=-20, steps=0.9, growth=1.2)], 4, noise=1.5), 1)


def test_jump_to_another_place_is_another_person() -> None:
    tracker = Tracker()
    first = tracker.update(poses_of([Walker(100, 100, 200).at(0)]), 0.0)
    second = tracker.update(poses_of([Walker(900, 100, 200).at(0)]), 0.033)
    assert first.ids[0] != second.ids[0]


def test_much_larger_person_in_the_same_place_is_another_one() -> None:
    tracker = Tracker()
    first = tracker.update(poses_of([Walker(300, 200, 100).at(0)]), 0.0)
    second = tracker.update(poses_of([Walker(300, 130, 350).at(0)]), 0.4)
    assert first.ids[0] != second.ids[0]


def test_seek_backwards_gives_new_ids() -> None:
    tracker = Tracker()
    first = tracker.update(poses_of([Walker(100, 100, 200).at(0)]), 10.0)
    second = tracker.update(poses_of([Walker(100, 100, 200).at(0)]), 3.0)
    assert first.ids[0] != second.ids[0]


def test_the_same_time_twice() -> None:
    tracker = Tracker()
    poses = poses_of([Walker(100, 100, 200).at(0), Walker(400, 100, 200).at(0)])
    first = tracker.update(poses, 1.0)
    assert tracker.update(poses, 1.0).ids.tolist() == first.ids.tolist()


def test_only_ids_change() -> None:
    poses = poses_of([Walker(100, 100, 200).at(0), Walker(400, 100, 200).at(0)])
    tracked = Tracker().update(poses, 0.0)
    assert np.array_equal(tracked.keypoints, poses.keypoints)
    assert np.array_equal(tracked.scores, poses.scores)
    assert np.array_equal(tracked.person_scores, poses.person_scores)
    assert (poses.ids == UNTRACKED).all()


def test_people_without_any_joint_stay_untracked() -> None:
    keypoints = Walker(100, 100, 200).at(0)
    tracker = Tracker()
    for time_s in (0.0, 0.1, 0.2):
        tracked = tracker.update(poses_of([np.full((17, 2), np.nan), keypoints]), time_s)
        assert tracked.ids[0] == UNTRACKED
        assert tracked.ids[1] != UNTRACKED


def scattered(random: np.random.Generator, people: int) -> Poses:
    """Poses as a young network may find them: anywhere, any size, joints missing, some with one joint only."""
    keypoints: list[NDArray[np.float64]] = []
    for _ in range(people):
        joints = Walker(*random.uniform(-100, 600, 2), random.choice([0, 3, 50, 200, 2000])).at(0)
        joints[random.random(17) < random.choice([0, 0.5, 0.95])] = np.nan
        keypoints.append(joints)
    return poses_of(keypoints)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_ids_are_unique_in_every_frame_whatever_is_found(seed: int) -> None:
    random, tracker, time_s = np.random.default_rng(seed), Tracker(), 0.0
    for _ in range(8):
        time_s += float(random.choice([0, 0.01, 0.1, 0.7, 3]))
        poses = scattered(random, int(random.integers(0, 8)))
        tracked = tracker.update(poses, time_s)
        given_ids = tracked.ids[tracked.visible.any(axis=1)]
        assert len(set(given_ids.tolist())) == len(given_ids)
        assert (given_ids != UNTRACKED).all()


def test_nobody() -> None:
    assert len(Tracker().update(Poses.empty(COCO_17), 0.0)) == 0
