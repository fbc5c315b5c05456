"""Joint angles and speeds over time, from keypoints: what a coach or a researcher records them for."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.decode.proportions import body_heights
from engine.keypoint_files import FrameRecord
from engine.types import UNTRACKED
from models.skeleton import Skeleton

# (angle, from, at, to): the angle between two limbs, 180° where they are in one line.
JOINT_ANGLES = tuple(
    (f"{side}_{name}", *(f"{side}_{joint}" for joint in joints))
    for side in ("left", "right")
    for name, joints in {
        "elbow": ("shoulder", "elbow", "wrist"),
        "shoulder": ("hip", "shoulder", "elbow"),
        "hip": ("shoulder", "hip", "knee"),
        "knee": ("hip", "knee", "ankle"),
    }.items()
)
TRUNK_LEAN = "trunk_lean"
"""Of the line from hips to shoulders against upright: 0° upright, positive to the right of the picture."""

# Speeds are the slope of a line through the positions within this time.
SPEED_WINDOW_S = 0.15
# Over longer gaps nothing is known about how somebody moved.
LONGEST_GAP_S = 0.5


@dataclass(frozen=True, slots=True)
class PersonMeasures:
    """One person over time.

    number:   the id, UNTRACKED where nobody was tracked.
    times_s:  (T,) float64, rising.
    frames:   (T,) int64, indices of the frames.
    angles:   {name: (T,) float64 degrees}, NaN where a joint is missing.
    speeds:   {joint: (T,) float64 pixels per second}, NaN where unknown.
    height:   median body height in pixels, also of people of whom only a part is seen; NaN where nothing tells it.
    """

    number: int
    times_s: NDArray[np.float64]
    frames: NDArray[np.int64]
    angles: dict[str, NDArray[np.float64]]
    speeds: dict[str, NDArray[np.float64]]
    height: float


def measure(records: Iterable[FrameRecord], skeleton: Skeleton, *, min_score: float = 0.0) -> list[PersonMeasures]:
    """Everyone with an id, in the order of ids; people without ids only where there is never more than one in a frame.

    min_score: joints with a lower score count as missing. Raises ValueError where people cannot be told apart.
    """
    seen: dict[int, list[tuple[float, int, NDArray[np.float64]]]] = {}
    for record in records:
        poses = record.poses(skeleton)
        keypoints = np.where((poses.scores >= min_score)[..., None], poses.keypoints, np.nan).astype(np.float64)
        if np.count_nonzero(poses.ids == UNTRACKED) > 1:
            raise ValueError("several people without ids are in one frame")
        for number, joints in zip(poses.ids.tolist(), keypoints):
            seen.setdefault(number, []).append((record.time_s, record.frame, joints))
    people = []
    for number in sorted(seen):
        times, frames, joints = zip(*seen[number])
        order = np.argsort(times, kind="stable")
        track = np.array(joints)[order]
        times_s = np.array(times, np.float64)[order]
        people.append(
            PersonMeasures(
                number,
                times_s,
                np.array(frames, np.int64)[order],
                joint_angles(track, skeleton),
                {joint: speed(times_s, track[:, index]) for index, joint in enumerate(skeleton.joints)},
                _median_height(track, skeleton),
            )
        )
    return people


def joint_angles(track: NDArray[np.float64], skeleton: Skeleton) -> dict[str, NDArray[np.float64]]:
    """track: (T, J, 2). -> {name: (T,) degrees}: 0 to 180 between two limbs, and the trunk's lean, -180 to 180.

    Angles are those in the picture: a limb that points towards the camera looks shorter, and bent otherwise.
    """
    angles = {}
    for name, *joints in JOINT_ANGLES:
        if all(joint in skeleton.joints for joint in joints):
            start, corner, end = (track[:, skeleton.index(joint)] for joint in joints)
            one, other = start - corner, end - corner
            cross = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
            angles[name] = np.degrees(np.abs(np.arctan2(cross, np.sum(one * other, axis=1))))
    ends = [
        np.mean([track[:, skeleton.index(f"{side}_{joint}")] for side in ("left", "right")], axis=0)
        for joint in ("hip", "shoulder")
    ]
    up = ends[1] - ends[0]
    angles[TRUNK_LEAN] = np.degrees(np.arctan2(up[:, 0], -up[:, 1]))
    return angles


def speed(times_s: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels per second of one joint. times_s: (T,). places: (T, 2), NaN where missing. -> (T,)

    At each time, the slope of the straight line that fits the places around it best: a difference of two frames would
    be mostly noise. NaN where the joint is missing or alone.
    """
    result = np.full(len(times_s), np.nan)
    known = np.flatnonzero(np.isfinite(places).all(axis=1))
    for passage in _passages(times_s, known):
        times, xy = times_s[passage], places[passage]
        for row, now in zip(passage, times):
            near = np.abs(times - now) <= SPEED_WINDOW_S
            if np.count_nonzero(near) < 2:
                # A slow frame rate: the neighbours, however far.
                near = np.argsort(np.abs(times - now))[:2]
            around = times[near] - times[near].mean()
            spread = np.sum(around**2)
            if spread > 0:
                result[row] = np.hypot(*(around @ xy[near] / spread))
    return result


def _passages(times_s: NDArray[np.float64], known: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Runs of at least two known rows without a long gap."""
    breaks = np.flatnonzero(np.diff(times_s[known]) > LONGEST_GAP_S) + 1
    for passage in np.split(known, breaks):
        if len(passage) > 1:
            yield passage


def _median_height(track: NDArray[np.float64], skeleton: Skeleton) -> float:
    """NaN where no two joints that tell it were ever seen together."""
    heights = body_heights(track.astype(np.float32), skeleton)
    known = heights[np.isfinite(heights)]
    return float(np.median(known)) if len(known) else float("nan")


def write_table(people: Sequence[PersonMeasures], file: io.TextIOBase) -> None:
    """CSV: a row for each person and frame; angles in degrees, speeds in pixels per second and in body heights per second."""
    rows = csv.writer(file, lineterminator="\n")
    if not people:
        rows.writerow(["person", "frame", "time_s"])
        return
    angles, joints = list(people[0].angles), list(people[0].speeds)
    rows.writerow(
        [
            "person",
            "frame",
            "time_s",
            *(f"{name}_deg" for name in angles),
            *(f"{joint}_px_per_s" for joint in joints),
            *(f"{joint}_heights_per_s" for joint in joints),
        ]
    )
    for person in people:
        columns = [
            *(person.angles[name] for name in angles),
            *(person.speeds[joint] for joint in joints),
            *(person.speeds[joint] / person.height for joint in joints),
        ]
        number = "" if person.number == UNTRACKED else person.number
        for row, (frame, time_s) in enumerate(zip(person.frames, person.times_s)):
            cells = ["" if np.isnan(column[row]) else f"{column[row]:.4g}" for column in columns]
            rows.writerow([number, int(frame), f"{time_s:.4f}", *cells])
