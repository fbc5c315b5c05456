"""From maps to candidates, in NumPy: the reference for the decode that the compiled graph does itself.

Every decision is spelled out (plateaus, borders, ties), because both must take the same peaks.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.types import Candidates, expect_shape

RADIUS = 2  # non-maximum suppression looks at a window of 5×5
STRIDE = 2  # input pixels per pixel of the finer maps


def find_candidates(maps4: NDArray[np.float32], maps2: NDArray[np.float32], count: int = 30) -> Candidates:
    """Takes the `count` best peaks of each joint.

    maps4: (2J, h, w) float32 at stride 4: J heatmaps, then J tag maps.
    maps2: (J, 2h, 2w) float32 heatmaps at stride 2.

    A pixel of the mean heatmap is a peak if it is above 0, no pixel of its 5×5 window (clipped at the border) is higher,
    and no earlier pixel of the window, in row-major order, is as high. Peaks are sorted by value, equal ones by place.
    Raises ValueError if the shapes do not belong together.
    """
    joints = len(maps2)
    expect_shape("maps4", maps4, (2 * joints, None, None))
    expect_shape("maps2", maps2, (joints, 2 * maps4.shape[1], 2 * maps4.shape[2]))
    heat = mean_heatmaps(maps4[:joints], maps2)
    joint, y, x = _peaks(heat)
    value = heat[joint, y, x]

    # np.nonzero lists the peaks row-major, and a stable sort keeps that order among equal values.
    best = np.lexsort((-value, joint))
    joint, y, x, value = joint[best], y[best], x[best], value[best]
    rank = np.arange(len(joint)) - np.searchsorted(joint, np.arange(joints))[joint]
    kept = rank < count
    joint, y, x, value, rank = joint[kept], y[kept], x[kept], value[kept], rank[kept]

    xy = np.zeros((joints, count, 2), np.float32)
    scores = np.zeros((joints, count), np.float32)
    tags = np.zeros((joints, count), np.float32)
    xy[joint, rank, 0] = (x + parabola_offset(heat, joint, y, x, 0, 1) + 0.5) * STRIDE - 0.5
    xy[joint, rank, 1] = (y + parabola_offset(heat, joint, y, x, 1, 0) + 0.5) * STRIDE - 0.5
    scores[joint, rank] = value
    tags[joint, rank] = sample(maps4[joints:], joint, (x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5)
    return Candidates(xy, scores, tags)


def mean_heatmaps(heat4: NDArray[np.float32], heat2: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the heatmaps (J, h, w) at stride 4, doubled bilinearly, and those (J, 2h, 2w) at stride 2: (J, 2h, 2w)."""
    heat: NDArray[np.float32] = np.float32(0.5) * (double(heat4) + heat2)
    return heat


def double(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """(J, h, w) float32 to (J, 2h, 2w), bilinear with half-pixel centres and clamped edges: weights 0.75 and 0.25."""
    wide = _double_axis(maps, 2)
    return _double_axis(wide, 1)


def sample(
    maps: NDArray[np.float32], index: NDArray[np.intp], x: NDArray[np.floating], y: NDArray[np.floating]
) -> NDArray[np.float32]:
    """(n,) bilinear samples of maps[index] at (x, y), in pixels of the maps, clamped to the map. maps: (J, h, w)."""
    height, width = maps.shape[1:]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left).astype(np.float32), (y - top).astype(np.float32)
    above = maps[index, top, left] * (1 - across) + maps[index, top, right] * across
    below = maps[index, bottom, left] * (1 - across) + maps[index, bottom, right] * across
    result: NDArray[np.float32] = above * (1 - down) + below * down
    return result


def _double_axis(maps: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    maps = np.moveaxis(maps, axis, -1)
    padded = np.pad(maps, [(0, 0)] * (maps.ndim - 1) + [(1, 1)], mode="edge")
    near, far = np.float32(0.75), np.float32(0.25)
    doubled = np.empty((*maps.shape[:-1], 2 * maps.shape[-1]), np.float32)
    doubled[..., 0::2] = near * maps + far * padded[..., :-2]
    doubled[..., 1::2] = near * maps + far * padded[..., 2:]
    return np.moveaxis(doubled, -1, axis)


def _peaks(heat: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Joint, row and column of every peak, row-major."""
    window = np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), np.uint8)
    highest = np.stack([cv2.dilate(one, window) for one in heat]) if len(heat) else heat
    joint, y, x = np.nonzero((heat == highest) & (heat > 0))

    # Few pixels are left; of a plateau, only the ones without an equal before them stay.
    value = heat[joint, y, x]
    padded = np.pad(heat, [(0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)])  # 0 never equals a positive value
    first = np.ones(len(value), np.bool_)
    for dy in range(-RADIUS, 1):
        for dx in range(-RADIUS, RADIUS + 1 if dy < 0 else 0):
            first &= padded[joint, y + RADIUS + dy, x + RADIUS + dx] != value
    return joint[first], y[first], x[first]


def parabola_offset(
    heat: NDArray[np.float32], joint: NDArray[np.intp], y: NDArray[np.intp], x: NDArray[np.intp], dy: int, dx: int
) -> NDArray[np.float32]:
    """Where the parabola through a peak and its two neighbours along one axis has its top, from -0.5 to 0.5 pixels."""
    height, width = heat.shape[1:]
    inside = (y >= dy) & (y < height - dy) & (x >= dx) & (x < width - dx)
    y_in, x_in = np.where(inside, y, dy), np.where(inside, x, dx)
    if height <= 2 * dy or width <= 2 * dx:
        return np.zeros(len(joint), np.float32)
    low, centre, high = (heat[joint, y_in + step * dy, x_in + step * dx] for step in (-1, 0, 1))
    curve = low - 2 * centre + high
    bent = inside & (curve < 0)
    offset = np.where(bent, 0.5 * (low - high) / np.where(bent, curve, 1), 0)
    return np.clip(offset, -0.5, 0.5).astype(np.float32)
