"""A heatmap over the picture: where the network sees joints."""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

_STRONGEST = 0.75  # opacity where the heat is 1


def draw_heatmap(scene: NDArray[np.uint8], heat: NDArray[np.floating]) -> None:
    """Blends heat over the picture: nothing where it is 0, glowing where it is 1.

    scene: (H, W, 3) uint8 BGR, drawn into.
    heat:  (h, w) floating, covering the whole scene; what is below 0 or above 1 counts as that.
    """
    height, width = scene.shape[:2]
    glow, shade = _tables()
    level = np.nan_to_num(np.clip(heat, 0, 1) * 255).astype(np.uint8)
    # Colours are looked up in the small map: there are far fewer of its pixels.
    light = cv2.resize(glow[level], (width, height), interpolation=cv2.INTER_LINEAR)
    dim = cv2.resize(shade[level], (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(scene, dim, dst=scene, scale=1 / 255)
    cv2.add(scene, light, dst=scene)


@cache
def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(256, 3) uint8 light that each level of heat adds, and (256, 3) uint8 share of the picture, of 255, that it leaves."""
    levels = np.arange(256, dtype=np.uint8)
    colours = cv2.applyColorMap(levels[:, None], cv2.COLORMAP_INFERNO)[:, 0]
    # The square root lets weak heat show as well.
    opacity = _STRONGEST * np.sqrt(levels / 255)[:, None]
    glow = (colours * opacity).astype(np.uint8)
    shade = np.round(255 * (1 - opacity)).astype(np.uint8).repeat(3, axis=1)
    return glow, shade
