"""The picture of a result as a recording, a stream or a snapshot shows it."""

from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from engine.drawing import DrawingSettings, Trails, draw
from engine.live.results import LiveResult


class Picture(StrEnum):
    """Which picture a sink takes.

    ANNOTATED: with the overlays that are on. RAW: as the source gave it, but with faces blurred or everything black where
    that is on. NONE: none at all.
    """

    ANNOTATED = "annotated"
    RAW = "raw"
    NONE = "none"


def picture_of(
    result: LiveResult, settings: DrawingSettings, picture: Picture, trails: Trails | None = None
) -> NDArray[np.uint8] | None:
    """(H, W, 3) uint8 BGR of its own; None where the frame's own picture serves.

    trails: get this result added, where they are on.
    """
    if picture is Picture.NONE:
        return None
    if picture is Picture.RAW:
        if not (settings.privacy or settings.blur_faces):
            return None
        # What must not be seen must not be recorded either.
        settings = replace(settings, skeletons=False, boxes=False, ids=False, trails=False, heatmap=False)
    scene = result.frame.image.copy()
    if settings.trails and trails is not None:
        trails.update(result.poses, scene, result.time_s)
    draw(scene, result.poses, settings, trails=trails, heat=heat_of(result) if settings.heatmap else None)
    return scene


def heat_of(result: LiveResult) -> NDArray[np.float32]:
    """(h, w): the strongest joint at each place of the frame, from the finer of the network's two maps."""
    fine = np.asarray(np.from_dlpack(result.estimate.maps[1]))
    place = result.estimate.placement
    # The map has half of the input's pixels; only where the frame lay in the input does it show the frame.
    rows = slice(place.top // 2, (place.top + place.size[1]) // 2)
    columns = slice(place.left // 2, (place.left + place.size[0]) // 2)
    return np.asarray(np.max(fine[:, rows, columns], axis=0), np.float32)
