"""Boxes, ids and lines of text."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.drawing.geometry import SHIFT, body_boxes, drawable, far_to_near, rounded
from engine.drawing.palette import OUTLINE, PANEL, TEXT, Colour, id_colour
from engine.types import UNTRACKED, Poses

PANEL_OPACITY = 0.62
_FONT_WEIGHT = 600
_font: list[cv2.FontFace] = []


def draw_boxes(scene: NDArray[np.uint8], poses: Poses, threshold: float = 0.0) -> None:
    """Draws a rounded box around everyone, in the colour of the person's id. scene: (H, W, 3) uint8 BGR, drawn into."""
    boxes = body_boxes(poses, drawable(poses, threshold))
    thickness = max(1, round(max(scene.shape[:2]) / 640))
    for person in far_to_near(boxes):
        box = np.round(boxes[person])  # whole pixels: crisp sides
        outline = [rounded(box, 0.06 * float(min(box[2] - box[0], box[3] - box[1])) + 2)]
        cv2.polylines(scene, outline, True, OUTLINE, thickness + 2, cv2.LINE_AA, SHIFT)
        cv2.polylines(scene, outline, True, id_colour(int(poses.ids[person])), thickness, cv2.LINE_AA, SHIFT)


def draw_ids(scene: NDArray[np.uint8], poses: Poses, threshold: float = 0.0) -> None:
    """Draws a pill with the id above everyone who is tracked. scene: (H, W, 3) uint8 BGR, drawn into."""
    boxes = body_boxes(poses, drawable(poses, threshold))
    size = _text_size(scene)
    for person in far_to_near(boxes):
        number = int(poses.ids[person])
        if number == UNTRACKED:
            continue
        pill, opacity = _pill(str(number), size, id_colour(number))
        left, top, right, _ = boxes[person]
        _stamp(scene, pill, opacity, float(left + right) / 2, float(top) - 0.2 * size)


def draw_overlay_text(scene: NDArray[np.uint8], lines: Sequence[str]) -> None:
    """Draws lines of text on a translucent panel in the upper left corner. scene: (H, W, 3) uint8 BGR, drawn into."""
    lines = [line for line in lines if line.strip()]
    if not lines:
        return
    size = _text_size(scene)
    widest = max(_extent(line, size) for line in lines)
    edge, padding, step = round(0.6 * size), round(0.7 * size), round(1.45 * size)
    right = min(scene.shape[1], edge + widest + 2 * padding)
    bottom = min(scene.shape[0], edge + step * len(lines) + round(0.9 * padding))
    if right <= edge or bottom <= edge:
        return
    below = scene[edge:bottom, edge:right]
    layer = below.copy()
    panel = rounded(np.array((0, 0, right - edge - 1, bottom - edge - 1)), 0.5 * size)
    cv2.fillPoly(layer, [panel], PANEL, cv2.LINE_AA, SHIFT)
    cv2.addWeighted(layer, PANEL_OPACITY, below, 1 - PANEL_OPACITY, 0, dst=below)
    for row, line in enumerate(lines):
        baseline = edge + round(0.45 * padding) + step * row + size
        _write(scene, line, edge + padding, baseline, TEXT, size)


def _text_size(scene: NDArray[np.uint8]) -> int:
    """Pixels: the same share of every picture, never too small to read."""
    return int(np.clip(round(max(scene.shape[:2]) / 75), 11, 64))


def _face() -> cv2.FontFace:
    """OpenCV's own sans-serif font, opened when the first text is drawn: opening takes tens of milliseconds."""
    if not _font:
        _font.append(cv2.FontFace("sans"))
    return _font[0]


def _write(scene: NDArray[np.uint8], text: str, x: int, y: int, colour: Colour, size: int) -> None:
    """Writes text from (x, y), the left end of its base line."""
    cv2.putText(scene, text, (x, y), colour, _face(), size, _FONT_WEIGHT)


def _extent(text: str, size: int) -> int:
    """Width of a text in pixels."""
    return int(cv2.getTextSize((1, 1), text, (0, 0), _face(), size, _FONT_WEIGHT)[2])


@lru_cache(maxsize=256)
def _pill(text: str, size: int, colour: Colour) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A label (h, w, 3) uint8 and its opacity (h, w, 1) float32. Drawn once, stamped many times."""
    wide, high = _extent(text, size) + round(0.9 * size), round(1.35 * size)
    high += high % 2
    wide = max(wide, high) + 2
    picture = np.full((high + 2, wide, 3), OUTLINE, np.uint8)
    coverage = np.zeros((high + 2, wide), np.uint8)
    edge = np.array((0, 0, wide - 1, high + 1), np.float32)
    cv2.fillPoly(coverage, [rounded(edge, high)], 255, cv2.LINE_AA, SHIFT)
    inner = edge + np.array((1.5, 1.5, -1.5, -1.5), np.float32)
    cv2.fillPoly(picture, [rounded(inner, high)], colour, cv2.LINE_AA, SHIFT)
    left = (wide - _extent(text, size)) // 2
    _write(picture, text, left, round(high / 2 + 0.37 * size) + 1, OUTLINE, size)
    return picture, (coverage[..., None] / 255).astype(np.float32)


def _stamp(
    scene: NDArray[np.uint8], picture: NDArray[np.uint8], opacity: NDArray[np.float32], x: float, bottom: float
) -> None:
    """Puts a label with its lower edge's middle at (x, bottom), moved so that it is inside the scene."""
    high, wide = picture.shape[:2]
    height, width = scene.shape[:2]
    if high > height or wide > width:
        return
    left = int(np.clip(round(x - wide / 2), 0, width - wide))
    top = int(np.clip(round(bottom) - high, 0, height - high))
    below = scene[top : top + high, left : left + wide]
    below[:] = np.round(below + (picture - below.astype(np.float32)) * opacity).astype(np.uint8)
