"""Where people came from: a line behind everyone that thins out with time."""

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.drawing.geometry import SHIFT, drawable, fixed, joint_boxes
from engine.drawing.palette import OUTLINE, id_colour
from engine.drawing.skeletons import line_width
from engine.types import UNTRACKED, Poses

_STEPS = 6  # widths between a trail's end and its beginning
_TRUNK = ("shoulder", "hip", "neck")


@dataclass(frozen=True, slots=True)
class _Point:
    time_s: float
    xy: NDArray[np.float32]
    width: float


class Trails:
    """Remembers where everyone with an id was in the last seconds."""

    def __init__(self, seconds: float = 1.5) -> None:
        self.seconds = seconds
        self._points: dict[int, deque[_Point]] = {}
        self._newest = -np.inf

    def reset(self) -> None:
        """Forgets everything: for a new source."""
        self._points.clear()
        self._newest = -np.inf

    def update(self, poses: Poses, scene: NDArray[np.uint8], time_s: float) -> None:
        """Adds where people are now. Time that goes back, as after a seek, starts new trails."""
        if time_s < self._newest:
            self.reset()
        self._newest = time_s
        shown = drawable(poses)
        boxes = joint_boxes(poses, shown)
        trunk = np.array([joint.endswith(_TRUNK) for joint in poses.skeleton.joints])
        for person, number in enumerate(poses.ids.tolist()):
            if number == UNTRACKED or not shown[person].any():
                continue
            # The trunk moves evenly; without it, whatever is there.
            joints = shown[person] & trunk if (shown[person] & trunk).any() else shown[person]
            centre = poses.keypoints[person, joints].mean(axis=0)
            point = _Point(time_s, centre, line_width(boxes[person], scene))
            self._points.setdefault(number, deque()).append(point)
        for number, points in list(self._points.items()):
            while points and points[0].time_s < time_s - self.seconds:
                points.popleft()
            if not points:
                del self._points[number]

    def draw(self, scene: NDArray[np.uint8]) -> None:
        """Draws every trail. scene: (H, W, 3) uint8 BGR, drawn into."""
        for number, points in self._points.items():
            if len(points) < 2:
                continue
            places = fixed(np.stack([point.xy for point in points]))
            ages = np.array([self._newest - point.time_s for point in points]) / self.seconds
            steps = np.minimum((1 - ages) * _STEPS, _STEPS - 1).astype(int)
            for colour, border in ((OUTLINE, 2), (id_colour(number), 0)):
                for step in np.unique(steps):
                    part = np.flatnonzero(steps == step)
                    # One point more, so that the parts join.
                    line = places[part[0] : part[-1] + 2]
                    width = max(1, round(points[-1].width * (step + 1) / _STEPS)) + border
                    cv2.polylines(scene, [line], False, colour, width, cv2.LINE_AA, SHIFT)
