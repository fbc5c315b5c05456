"""Many pictures on one sheet, with labels and what was found drawn into each."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Poses
from models.skeleton import Skeleton
from models.training.annotations import LABELLED, LabelledPicture

Colour = tuple[int, int, int]
TILE = 256  # side in pixels
LABELS: Colour = (255, 255, 255)
SIDES: dict[str, Colour] = {"left": (80, 220, 80), "right": (60, 120, 255), "middle": (230, 190, 60)}  # BGR
SHOWN = 0.15  # people below this score would cover the picture


def tile(image: NDArray[np.uint8], picture: LabelledPicture, poses: Poses, caption: str) -> NDArray[np.uint8]:
    """(TILE, TILE, 3) uint8 BGR: labels as thin white limbs, found people with their left green and their right red."""
    scale = TILE / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas = np.zeros((TILE, TILE, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small[:TILE, :TILE]
    skeleton = poses.skeleton
    for person in picture.people:
        places = np.where(person[:, 2:] == LABELLED, person[:, :2], np.nan)
        _draw(canvas, places * scale, skeleton, None)
    for keypoints in poses[poses.person_scores >= SHOWN].keypoints:
        _draw(canvas, keypoints * scale, skeleton, SIDES)
    cv2.putText(canvas, caption, (4, TILE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(canvas, caption, (4, TILE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return canvas


def sheet(tiles: Sequence[NDArray[np.uint8]], columns: int = 8) -> NDArray[np.uint8]:
    """Tiles in rows; the last row is filled up with black."""
    rows = -(-len(tiles) // columns)
    canvas = np.zeros((rows * TILE, columns * TILE, 3), np.uint8)
    for index, one in enumerate(tiles):
        y, x = index // columns * TILE, index % columns * TILE
        canvas[y : y + TILE, x : x + TILE] = one
    return canvas


def _draw(
    canvas: NDArray[np.uint8], places: NDArray[np.floating], skeleton: Skeleton, colours: dict[str, Colour] | None
) -> None:
    known = ~np.isnan(places[:, 0])
    for a, b in skeleton.limbs:
        if known[a] and known[b]:
            side = skeleton.side(b)
            colour = colours[side] if colours else LABELS
            start, end = ((int(places[joint, 0]), int(places[joint, 1])) for joint in (a, b))
            cv2.line(canvas, start, end, colour, 2 if colours else 1, cv2.LINE_AA)
    for joint in np.flatnonzero(known):
        colour = colours[skeleton.side(int(joint))] if colours else LABELS
        cv2.circle(canvas, (int(places[joint, 0]), int(places[joint, 1])), 2, colour, -1, cv2.LINE_AA)
