import cv2
import numpy as np
import pytest
from skimage import data

from app.composition import fitted

PICTURE = np.ascontiguousarray(data.astronaut()[:400, :, ::-1])


@pytest.mark.parametrize("share", [0.95, 0.7, 0.51, 0.5, 0.3, 0.2])
def test_a_shrunk_picture_looks_like_an_averaged_one(share: float) -> None:
    """No pixels are skipped, which would flicker where things move."""
    width, height = round(512 * share), round(400 * share)
    ours = fitted(PICTURE, width, height, mirror=False)
    truth = cv2.resize(PICTURE, (width, height), interpolation=cv2.INTER_AREA)
    assert ours.shape == (height, width, 3)
    assert np.abs(ours.astype(int) - truth).mean() < 4


@pytest.mark.parametrize("size", [(512, 400), (256, 200), (300, 180), (700, 547)])
def test_a_mirror_swaps_left_and_right_and_leaves_the_frame_alone(size: tuple[int, int]) -> None:
    before = PICTURE.copy()
    straight, mirrored = (fitted(PICTURE, *size, mirror=mirror) for mirror in (False, True))
    assert np.array_equal(mirrored, straight[:, ::-1])
    assert straight.shape == (size[1], size[0], 3)
    assert not np.shares_memory(straight, PICTURE)
    assert np.array_equal(PICTURE, before)
