"""Stable ids: who in this frame is whom of the frames before."""

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.assignment import best_pairs
from engine.decode.proportions import body_heights
from engine.types import Poses

UNKNOWN_HEIGHT = 100.0  # pixels, for someone of whom one joint was ever seen


@dataclass(frozen=True, slots=True)
class TrackingSettings:
    """How far people may be from where they are expected, and for how long they are remembered.

    memory_s:       seconds that someone may be out of sight and still keep the id.
    min_similarity: between a person and a detection of the next frame, from 0 to 1; less means somebody else.
    limb_speed:     body heights per second that a joint may stray from the motion of the whole body.
    reach:          body heights from the expected place within which somebody lost is found again...
    reach_speed:    ...and body heights more for every second out of sight.
    size_ratio:     who comes back is at most so many times larger or smaller.
    velocity_s:     seconds over which a velocity is averaged.
    """

    memory_s: float = 1.0
    min_similarity: float = 0.12
    limb_speed: float = 0.6
    reach: float = 0.35
    reach_speed: float = 0.6
    size_ratio: float = 1.6
    velocity_s: float = 0.2


@dataclass(slots=True)
class _Track:
    """One person.

    keypoints: (J, 2) float32, where each joint was last; joints that are out of sight move with the body. NaN if never seen.
    height:    body height in pixels, averaged over time.
    velocity:  (2,) float32 of the whole body, pixels per second.
    """

    number: int
    keypoints: NDArray[np.float32]
    height: float
    seen_s: float
    velocity: NDArray[np.float32] = field(default_factory=lambda: np.zeros(2, np.float32))
    updates: int = 1


@dataclass(frozen=True, slots=True)
class _Detections:
    """People of one frame who have no id yet: keypoints (D, J, 2) and body heights (D,), NaN where unknown."""

    keypoints: NDArray[np.float32]
    heights: NDArray[np.float32]
    sigmas: NDArray[np.float32]


class Tracker:
    """Gives every person an id that stays, across crossings and for a while out of sight, and is never used again."""

    def __init__(self, settings: TrackingSettings | None = None) -> None:
        self.settings = settings or TrackingSettings()
        self._tracks: list[_Track] = []
        self._numbers = itertools.count(1)
        self._now = -np.inf

    def reset(self) -> None:
        """Forgets everyone, as for a new source. Ids go on counting."""
        self._tracks.clear()
        self._now = -np.inf

    def update(self, poses: Poses, time_s: float) -> Poses:
        """-> the same people in the same order, with ids. time_s: media time; if it goes back (a seek), all ids are new.

        First, people in sight in the last frame are matched by OKS and boxes with where their motion takes them. Whoever
        is left on either side is then matched by place and size, which finds again who was hidden.
        """
        if time_s < self._now:
            self.reset()
        memory = self.settings.memory_s
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= memory]
        heights = np.maximum(body_heights(poses.keypoints, poses.skeleton), 1)
        sigmas = np.array(poses.skeleton.sigmas, np.float32)
        free = np.flatnonzero(poses.visible.any(axis=1))
        found: dict[int, _Track] = {}
        in_sight = [track for track in self._tracks if track.seen_s >= self._now]
        for tracks, affinity in ((in_sight, self._similarity), (self._tracks, self._nearness)):
            waiting = [track for track in tracks if all(track is not other for other in found.values())]
            if not waiting or not len(free):
                continue
            worth = affinity(waiting, _Detections(poses.keypoints[free], heights[free], sigmas), time_s)
            rows, columns = best_pairs(worth)
            matched = worth[rows, columns] > 0
            for row, column in zip(rows[matched].tolist(), columns[matched].tolist()):
                found[int(free[column])] = waiting[row]
            free = np.delete(free, columns[matched])
        for person, track in found.items():
            self._follow(track, poses.keypoints[person], float(heights[person]), time_s)
        for person in free.tolist():
            height = float(heights[person]) if np.isfinite(heights[person]) else UNKNOWN_HEIGHT
            track = _Track(next(self._numbers), poses.keypoints[person].copy(), height, time_s)
            self._tracks.append(track)
            found[person] = track
        self._now = time_s
        ids = poses.ids.copy()
        ids[list(found)] = [track.number for track in found.values()]
        return Poses(poses.keypoints, poses.scores, poses.person_scores, ids, poses.skeleton)

    def _similarity(self, tracks: list[_Track], detections: _Detections, time_s: float) -> NDArray[np.float32]:
        """(T, D) mostly OKS, a little overlap of boxes; 0 where it is too low.

        Object keypoint similarity as COCO defines it, with two changes: body height stands for the object's scale, so
        that it does not depend on which joints are there, and joints may stray the more, the more time has passed.
        """
        expected, sizes, gaps = _expected(tracks, time_s)
        seen = detections.keypoints
        deviation = 2 * detections.sigmas * (0.5 * sizes[:, None])
        tolerance = deviation**2 + (self.settings.limb_speed * sizes * gaps)[:, None] ** 2
        away = ((expected[:, None] - seen[None]) ** 2).sum(axis=3) / tolerance[:, None]
        shared = np.isfinite(away)
        likeness = np.where(shared, np.exp(-0.5 * np.where(shared, away, 0)), 0)
        oks = likeness.sum(axis=2) / np.maximum(shared.sum(axis=2), 1)
        result = 0.8 * oks + 0.2 * _overlap(_boxes(expected), _boxes(seen))
        likely: NDArray[np.float32] = np.where(result >= self.settings.min_similarity, result, 0).astype(np.float32)
        return likely

    def _nearness(self, tracks: list[_Track], detections: _Detections, time_s: float) -> NDArray[np.float32]:
        """(T, D) from 1, where and as large as expected, to 0, too far or too different in size.

        Someone may have gone on as before or have stayed: the nearer of the two places counts.
        """
        expected, sizes, gaps = _expected(tracks, time_s)
        last = np.stack([track.keypoints for track in tracks])
        seen = detections.keypoints
        away = np.minimum(_shift(expected, seen), _shift(last, seen))
        reach = sizes * (self.settings.reach + self.settings.reach_speed * gaps)
        growth = np.abs(np.log(detections.heights / sizes[:, None])) / np.log(self.settings.size_ratio)
        growth = np.nan_to_num(growth)  # a single joint has any size
        worth: NDArray[np.float32] = np.maximum(0, 1 - (away / reach[:, None]) ** 2 - growth**2).astype(np.float32)
        return worth

    def _follow(self, track: _Track, keypoints: NDArray[np.float32], height: float, time_s: float) -> None:
        """Takes a detection into a track."""
        gap = time_s - track.seen_s
        moved = _shift_vectors(track.keypoints[None], keypoints[None])[0, 0]
        seen = np.isfinite(keypoints[:, 0])
        if gap > 0:
            # Between two frames a whole body does not move further than this: what does is a wrong joint.
            limit = 3 * track.height * gap + 0.1 * track.height
            length = float(np.hypot(*moved))
            velocity = moved / gap * min(1.0, limit / max(length, 1e-6))
            # The first velocity of a track is the best guess there is; later ones are averaged.
            share = max(1 - np.exp(-gap / self.settings.velocity_s), 1 / (track.updates + 1))
            track.velocity = (track.velocity + share * (velocity - track.velocity)).astype(np.float32)
            if np.isfinite(height):
                track.height += 0.3 * (height - track.height)
        track.keypoints = np.where(seen[:, None], keypoints, track.keypoints + moved).astype(np.float32)
        track.seen_s = time_s
        track.updates += 1


def _expected(
    tracks: list[_Track], time_s: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """(T, J, 2) joints at constant velocity, (T,) body heights, (T,) seconds since each was seen."""
    gaps = np.array([time_s - track.seen_s for track in tracks], np.float32)
    velocity = np.stack([track.velocity for track in tracks])
    keypoints = np.stack([track.keypoints for track in tracks]) + (velocity * gaps[:, None])[:, None]
    return keypoints, np.array([track.height for track in tracks], np.float32), gaps


def _middle(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median over the last but one axis, of what is not NaN; NaN where nothing is."""
    ordered = np.sort(values, axis=-2)  # NaN last
    known = np.isfinite(ordered).sum(axis=-2, keepdims=True)
    low, high = np.maximum(known - 1, 0) // 2, known // 2
    high = np.minimum(high, np.maximum(known - 1, 0))
    pair = np.take_along_axis(ordered, low, axis=-2) + np.take_along_axis(ordered, high, axis=-2)
    middle: NDArray[np.float32] = 0.5 * pair[..., 0, :]
    return middle


def _centres(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 2) centres of boxes."""
    boxes = _boxes(keypoints)
    centres: NDArray[np.float32] = 0.5 * (boxes[:, :2] + boxes[:, 2:])
    return centres


def _shift_vectors(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, D, 2) how far each body moved: the median joint, or the box's centre where no joint is in both."""
    joints = _middle(after[None] - before[:, None])
    boxes = _centres(after)[None] - _centres(before)[:, None]
    moved: NDArray[np.float32] = np.where(np.isfinite(joints), joints, boxes)
    return moved


def _shift(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, D) how far each body would have moved, in pixels."""
    distances: NDArray[np.float32] = np.linalg.norm(_shift_vectors(before, after), axis=2)
    return distances


def _boxes(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 4) left, top, right, bottom of the joints that are there; everyone has at least one."""
    seen = np.isfinite(keypoints)
    low = np.where(seen, keypoints, np.inf).min(axis=1)
    high = np.where(seen, keypoints, -np.inf).max(axis=1)
    boxes: NDArray[np.float32] = np.concatenate([low, high], axis=1)
    return boxes


def _overlap(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(S, O) intersection over union of boxes; 0 for boxes without area."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    common = np.prod(np.maximum(0, high - low), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (some, others)]
    union = areas[0][:, None] + areas[1][None] - common
    overlap: NDArray[np.float32] = common / np.maximum(union, 1e-6)
    return overlap
