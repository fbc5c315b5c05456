"""What users see: skeletons and overlays, drawn onto a picture.

Every function draws into the scene that it is given, an (H, W, 3) uint8 BGR array. Frames are shared and must not be
written into: pass `frame.image.copy()`, or `black_scene(frame.image)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.drawing.faces import blur_faces
from engine.drawing.heatmap import draw_heatmap
from engine.drawing.labels import draw_boxes, draw_ids, draw_overlay_text
from engine.drawing.skeletons import draw_skeletons
from engine.drawing.trails import Trails
from engine.types import Poses

__all__ = [
    "DrawingSettings",
    "Trails",
    "black_scene",
    "blur_faces",
    "draw",
    "draw_boxes",
    "draw_heatmap",
    "draw_ids",
    "draw_overlay_text",
    "draw_skeletons",
]


@dataclass(frozen=True, slots=True)
class DrawingSettings:
    """Which visuals are on.

    heatmap, trails and text show only if `draw` is given what they show.
    privacy:         nothing of the picture is left: skeletons on black.
    joint_threshold: joints with a lower score are not drawn.
    """

    skeletons: bool = True
    boxes: bool = False
    ids: bool = False
    trails: bool = False
    heatmap: bool = False
    blur_faces: bool = False
    privacy: bool = False
    joint_threshold: float = 0.0


def draw(
    scene: NDArray[np.uint8],
    poses: Poses,
    settings: DrawingSettings,
    *,
    trails: Trails | None = None,
    heat: NDArray[np.floating] | None = None,
    lines: Sequence[str] = (),
) -> None:
    """Draws everything that is on, in the order in which it belongs on top of each other.

    scene:  (H, W, 3) uint8 BGR, drawn into: pass a copy of a frame's image, never the image itself.
    trails: already updated with these poses.
    heat:   (h, w) floating in [0, 1], covering the whole scene.
    lines:  text for the upper left corner.
    """
    if settings.privacy:
        scene[:] = 0
    elif settings.blur_faces:
        blur_faces(scene, poses)
    if settings.heatmap and heat is not None:
        draw_heatmap(scene, heat)
    if settings.trails and trails is not None:
        trails.draw(scene)
    if settings.boxes:
        draw_boxes(scene, poses, settings.joint_threshold)
    if settings.skeletons:
        draw_skeletons(scene, poses, settings.joint_threshold)
    if settings.ids:
        draw_ids(scene, poses, settings.joint_threshold)
    draw_overlay_text(scene, lines)


def black_scene(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A black picture of the same size, to draw on where nothing of the picture may be seen."""
    return np.zeros_like(image)
