"""Skeletons: limbs in the colours of the two sides, joints as discs, legible on any background."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.drawing.geometry import FACE, SHIFT, clipped, drawable, far_to_near, fixed, joint_boxes
from engine.drawing.palette import MIDDLE, OUTLINE, Colour, joint_colour, limb_colour
from engine.types import Poses
from models.skeleton import Skeleton

FAINT = 0.45  # opacity of limbs that are not sure


def draw_skeletons(scene: NDArray[np.uint8], poses: Poses, threshold: float = 0.0, sure: float = 0.25) -> None:
    """Draws everyone's limbs and joints.

    scene:     (H, W, 3) uint8 BGR, drawn into.
    threshold: joints with a lower score are not drawn.
    sure:      what hangs on a joint with a lower score than this is translucent.
    """
    shown = drawable(poses, threshold)
    boxes = joint_boxes(poses, shown)
    for person in far_to_near(boxes):
        width = line_width(boxes[person], scene)
        points = np.where(shown[person, :, None], poses.keypoints[person], 0)
        solid = shown[person] & (poses.scores[person] >= sure)
        faint = shown[person] & ~solid
        if faint.any():
            _draw_faint(scene, boxes[person], points, shown[person], faint, width, poses.skeleton)
        _draw_person(scene, points, shown[person], solid, width, poses.skeleton)


def line_width(box: NDArray[np.floating], scene: NDArray[np.uint8]) -> float:
    """Width of limbs for a person of this size: thin for people far away, never so thick that it hides someone near."""
    size = float(max(box[2] - box[0], box[3] - box[1]))
    return float(min(1 + 0.0108 * size, max(2.0, max(scene.shape[:2]) / 150)))


def _draw_faint(
    scene: NDArray[np.uint8],
    box: NDArray[np.floating],
    points: NDArray[np.floating],
    shown: NDArray[np.bool_],
    faint: NDArray[np.bool_],
    width: float,
    skeleton: Skeleton,
) -> None:
    """Draws what hangs on unsure joints onto a copy of the person's surroundings, and blends that in."""
    inside = clipped(box, scene, 2 * width + 2)
    if inside is None:
        return
    left, top, right, bottom = inside
    below = scene[top:bottom, left:right]
    layer = below.copy()
    _draw_person(layer, points - (left, top), shown, faint, width, skeleton, any_of=True)
    cv2.addWeighted(layer, FAINT, below, 1 - FAINT, 0, dst=below)


def _draw_person(
    scene: NDArray[np.uint8],
    points: NDArray[np.floating],
    shown: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
    width: float,
    skeleton: Skeleton,
    any_of: bool = False,
) -> None:
    """Draws the chosen joints, and the limbs of which both joints, or any one of them, are chosen."""
    places = fixed(points)
    groups = []
    neck = _neck(points, shown, chosen, skeleton, any_of)
    if neck is not None:
        groups.append((fixed(neck), MIDDLE, max(1, round(width))))
    for limbs, colour, scale in _limb_groups(skeleton):
        ends = chosen[limbs]
        drawn = shown[limbs].all(axis=1) & (ends.any(axis=1) if any_of else ends.all(axis=1))
        if drawn.any():
            groups.append((places[limbs[drawn]], colour, max(1, round(width * scale))))
    border = _border(width)
    discs = [
        (places[joint], joint_colour(skeleton, joint), width * _joint_scale(skeleton.joints[joint]))
        for joint in np.flatnonzero(chosen).tolist()
    ]
    if border:
        for lines, _, thickness in groups:
            cv2.polylines(scene, list(lines), False, OUTLINE, thickness + border, cv2.LINE_AA, SHIFT)
        for place, _, radius in discs:
            _disc(scene, place, radius + border / 2, OUTLINE)
    for lines, colour, thickness in groups:
        cv2.polylines(scene, list(lines), False, colour, thickness, cv2.LINE_AA, SHIFT)
    if width >= 1.5:
        for place, colour, radius in discs:
            _disc(scene, place, radius, colour)
            if radius >= 4:
                _disc(scene, place, 0.45 * radius, MIDDLE)


def _neck(
    points: NDArray[np.floating], shown: NDArray[np.bool_], chosen: NDArray[np.bool_], skeleton: Skeleton, any_of: bool
) -> NDArray[np.floating] | None:
    """(1, 2, 2) a line from between the shoulders to the chin, so that no head floats; None where it does not belong."""
    if "nose" not in skeleton.joints or "neck" in skeleton.joints:
        return None
    ends = [skeleton.index(joint) for joint in ("nose", "left_shoulder", "right_shoulder")]
    if not shown[ends].all() or not (chosen[ends].any() if any_of else chosen[ends].all()):
        return None
    nose, left, right = points[ends]
    throat = (left + right) / 2
    return np.array([[throat, throat + 0.6 * (nose - throat)]])


def _disc(scene: NDArray[np.uint8], place: Sequence[int], radius: float, colour: Colour) -> None:
    cv2.circle(scene, (int(place[0]), int(place[1])), round(radius * (1 << SHIFT)), colour, -1, cv2.LINE_AA, SHIFT)


def _border(width: float) -> int:
    """How much wider the dark outline is; 0 for people so small that it would cover them."""
    return 0 if width < 1.3 else max(1, round(width * 0.6))


def _joint_scale(joint: str) -> float:
    """Radius of a joint's disc in widths of a limb; the face's joints lie close together."""
    return 0.62 if joint.endswith(FACE) else 0.95


@cache
def _limb_groups(skeleton: Skeleton) -> list[tuple[NDArray[np.intp], Colour, float]]:
    """Limbs (n, 2) that look alike, their colour, and their width relative to the person's."""
    groups: dict[tuple[Colour, float], list[tuple[int, int]]] = {}
    for limb in skeleton.limbs:
        scale = 0.6 if all(skeleton.joints[joint].endswith(FACE) for joint in limb) else 1.0
        groups.setdefault((limb_colour(skeleton, limb), scale), []).append(limb)
    return [(np.array(limbs), colour, scale) for (colour, scale), limbs in groups.items()]
