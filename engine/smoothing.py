"""Calm joints: the One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) for every joint of everyone with an id."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.decode.proportions import body_heights
from engine.types import UNTRACKED, Poses

UNKNOWN_HEIGHT = 100.0  # pixels, for someone of whom one joint was ever seen
HEIGHT_SHARE = 0.2  # of a new measurement in the average


@dataclass(frozen=True, slots=True)
class SmoothingSettings:
    """The One-Euro filter's three parameters, with speeds in body heights per second: one setting fits near and far.

    min_cutoff_hz:        for joints at rest. Lower is calmer, and slower to follow slow motion.
    rest_speed:           below it a joint is at rest; noise alone makes that much. Casiez et al. have 0.
    beta:                 how much the cutoff rises per speed above that. Higher lags less behind quick motion.
    derivative_cutoff_hz: for the speed itself.
    forget_s:             a joint that was out of sight for longer starts afresh, where it is.
    """

    min_cutoff_hz: float = 0.6
    rest_speed: float = 0.08
    beta: float = 9.0
    derivative_cutoff_hz: float = 1.0
    forget_s: float = 0.25

    def __post_init__(self) -> None:
        for name in ("min_cutoff_hz", "derivative_cutoff_hz", "forget_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("rest_speed", "beta"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")

    @classmethod
    def of_strength(cls, strength: float) -> "SmoothingSettings":
        """Settings for one slider: 0.5 is the default, 1 four times calmer, 0 four times quicker to follow."""
        if not 0 <= strength <= 1:
            raise ValueError(f"strength must be from 0 to 1, not {strength}")
        quicker = 4 ** (1 - 2 * strength)
        default = cls()
        return replace(default, min_cutoff_hz=default.min_cutoff_hz * quicker, beta=default.beta * quicker)


@dataclass(frozen=True, slots=True)
class _Memory:
    """What the filter knows of M people.

    ids:     (M,) int64, ascending.
    raw:     (M, J, 2) float32, where each joint was last; NaN if never seen.
    places:  (M, J, 2) float32, the same, filtered.
    speeds:  (M, J, 2) float32, filtered, in pixels per second.
    times_s: (M, J) float64, when each joint was last seen.
    counts:  (M, J) int64, how often each joint was seen since it started.
    heights: (M,) float32, body heights in pixels, averaged; NaN if unknown.
    """

    ids: NDArray[np.int64]
    raw: NDArray[np.float32]
    places: NDArray[np.float32]
    speeds: NDArray[np.float32]
    times_s: NDArray[np.float64]
    counts: NDArray[np.int64]
    heights: NDArray[np.float32]

    @classmethod
    def blank(cls, ids: NDArray[np.int64], joints: int) -> "_Memory":
        people = len(ids)
        return cls(
            ids,
            np.full((people, joints, 2), np.nan, np.float32),
            np.full((people, joints, 2), np.nan, np.float32),
            np.zeros((people, joints, 2), np.float32),
            np.full((people, joints), -np.inf),
            np.zeros((people, joints), np.int64),
            np.full(people, np.nan, np.float32),
        )

    def __getitem__(self, people: NDArray[np.intp] | NDArray[np.bool_]) -> "_Memory":
        return _Memory(*(getattr(self, name)[people] for name in self.__slots__))

    def __add__(self, other: "_Memory") -> "_Memory":
        """Both, by id."""
        both = _Memory(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in self.__slots__))
        return both[np.argsort(both.ids)]


class Smoother:
    """Filters the joints of everyone with an id. People without one pass through unchanged."""

    def __init__(self, settings: SmoothingSettings | None = None) -> None:
        self.settings = settings or SmoothingSettings()
        self._memory: _Memory | None = None
        self._now = -np.inf

    def reset(self) -> None:
        """Forgets everyone, as for a new source."""
        self._memory = None
        self._now = -np.inf

    def update(self, poses: Poses, time_s: float) -> Poses:
        """-> the same people with calmer joints; missing joints stay missing.

        time_s: media time of the frame. Frames may come at any distance; time that goes back (a seek) starts afresh.
        """
        if time_s < self._now:
            self.reset()
        self._now = time_s
        people = np.flatnonzero(poses.ids != UNTRACKED)
        kept = self._recall(poses.ids[people], poses.skeleton.joint_count, time_s)
        rows = np.searchsorted(kept.ids, poses.ids[people])
        now = self._filter(kept[rows], poses[people], time_s)
        for name in now.__slots__:
            getattr(kept, name)[rows] = getattr(now, name)
        self._memory = kept
        keypoints = poses.keypoints.copy()
        keypoints[people] = np.where(poses.visible[people][..., None], now.places, np.nan)
        return Poses(keypoints, poses.scores, poses.person_scores, poses.ids, poses.skeleton)

    def _recall(self, ids: NDArray[np.int64], joints: int, time_s: float) -> _Memory:
        """Everyone who was in sight lately or is now."""
        memory = self._memory
        if memory is None or memory.raw.shape[1] != joints:
            return _Memory.blank(np.unique(ids), joints)
        lately = (time_s - memory.times_s.max(axis=1) <= self.settings.forget_s) | np.isin(memory.ids, ids)
        if not lately.all():
            memory = memory[lately]
        new = np.setdiff1d(ids, memory.ids)
        return memory + _Memory.blank(new, joints) if len(new) else memory

    def _filter(self, before: _Memory, poses: Poses, time_s: float) -> _Memory:
        """One step of the filter for the people in `poses`, whose memories are `before`, row by row."""
        seen = poses.visible
        passed = time_s - before.times_s
        known = seen & (passed <= self.settings.forget_s)
        started = seen & ~known
        step = np.where(known, passed, 0)
        moved = np.where(known[..., None], poses.keypoints - before.raw, 0)
        speed = moved / np.maximum(step, 1e-6)[..., None]

        # Speed starts as the mean of what there is: a filter from zero would lag behind someone who walks in.
        share = np.maximum(_share(self.settings.derivative_cutoff_hz, step), 1 / np.maximum(before.counts, 1))
        share = np.where(step > 0, share, 0)
        speeds = before.speeds + share[..., None] * (speed - before.speeds)
        heights = self._heights(before.heights, poses)
        pace = np.hypot(speeds[..., 0], speeds[..., 1]) / np.where(np.isnan(heights), UNKNOWN_HEIGHT, heights)[:, None]
        cutoff = self.settings.min_cutoff_hz + self.settings.beta * np.maximum(pace - self.settings.rest_speed, 0)
        share = _share(cutoff, step)
        places = before.places + share[..., None] * (poses.keypoints - before.places)

        fresh, moving = started[..., None], known[..., None]
        return _Memory(
            before.ids,
            np.where(seen[..., None], poses.keypoints, before.raw),
            np.where(fresh, poses.keypoints, np.where(moving, places, before.places)).astype(np.float32),
            np.where(fresh, 0, np.where(moving, speeds, before.speeds)).astype(np.float32),
            np.where(seen, time_s, before.times_s),
            np.where(started, 1, before.counts + known),
            heights,
        )

    def _heights(self, before: NDArray[np.float32], poses: Poses) -> NDArray[np.float32]:
        """(N,) averaged body heights."""
        now = body_heights(poses.keypoints, poses.skeleton)
        averaged = np.where(np.isnan(before), now, before + HEIGHT_SHARE * (now - before))
        heights: NDArray[np.float32] = np.maximum(np.where(np.isnan(now), before, averaged), 1).astype(np.float32)
        return heights


def _share(cutoff_hz: float | NDArray[np.floating], step_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the new value in a first-order low-pass filter with this cutoff: 0 for no step, towards 1 for long ones."""
    turn = 2 * np.pi * cutoff_hz * step_s
    share: NDArray[np.float64] = turn / (turn + 1)
    return share
