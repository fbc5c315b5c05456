"""The input's shape, a picture's place in it, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.preprocess import PADDING, InputShape, choose_shape, fill_input, input_shapes, place
from engine.types import Poses
from models.skeleton import COCO_17


def test_xs_has_the_five_shapes_of_its_pixel_budget() -> None:
    assert {str(shape) for shape in input_shapes(256)} == {"256x256", "288x224", "352x192", "224x288", "192x352"}


@pytest.mark.parametrize("resolution", [256, 448, 512])
def test_shapes_keep_the_budget_and_are_multiples_of_32(resolution: int) -> None:
    for shape in input_shapes(resolution):
        assert shape.width % 32 == shape.height % 32 == 0
        assert abs(shape.width * shape.height / resolution**2 - 1) < 0.1


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [
        (1280, 720, "352x192"),
        (640, 480, "288x224"),
        (480, 640, "224x288"),
        (1080, 1920, "192x352"),
        (500, 500, "256x256"),
    ],
)
def test_the_nearest_aspect_wins(width: int, height: int, shape: str) -> None:
    assert str(choose_shape(width, height, 256)) == shape


def test_square_and_own_shapes() -> None:
    assert choose_shape(1280, 720, 256, "square") == InputShape(256, 256)
    assert choose_shape(1280, 720, 256, "640x384") == InputShape(640, 384)


@pytest.mark.parametrize("mode", ["wide", "100x100", "32x32", "4096x64", "0x0", "256", "axb", "256x256x3"])
def test_a_wrong_shape_says_what_is_meant(mode: str) -> None:
    with pytest.raises(UsageError, match=mode):
        choose_shape(1280, 720, 256, mode)


@given(width=st.integers(1, 20000), height=st.integers(1, 20000))
def test_every_picture_fits_its_input_and_touches_two_sides(width: int, height: int) -> None:
    shape = choose_shape(width, height, 256)
    placement = place(width, height, shape)
    (w, h), left, top = placement.size, placement.left, placement.top
    assert 1 <= w <= shape.width
    assert 1 <= h <= shape.height
    assert left + w <= shape.width
    assert top + h <= shape.height
    assert w == shape.width or h == shape.height


@given(width=st.integers(8, 3000), height=st.integers(8, 3000))
def test_corners_come_back_to_the_corners(width: int, height: int) -> None:
    placement = place(width, height, choose_shape(width, height, 256))
    (w, h), left, top = placement.size, placement.left, placement.top
    keypoints = np.full((1, 17, 2), np.nan, np.float32)
    # The outer edges of the picture lie half a pixel outside of the outermost centres.
    keypoints[0, 0] = left - 0.5, top - 0.5
    keypoints[0, 1] = left + w - 0.5, top + h - 0.5
    poses = Poses(keypoints, np.zeros((1, 17), np.float32), np.zeros(1, np.float32), np.zeros(1, np.int64), COCO_17)
    back = placement.to_source(poses).keypoints[0]
    np.testing.assert_allclose(back[0], (-0.5, -0.5), atol=1e-2)
    np.testing.assert_allclose(back[1], (width - 0.5, height - 0.5), atol=1e-2)
    assert np.isnan(back[2:]).all()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (10000, 10), (10, 10000), (1280, 720), (33, 77), (352, 192)])
def test_a_picture_is_resized_into_its_place_and_nothing_else_is_touched(width: int, height: int) -> None:
    image = np.full((height, width, 3), (10, 20, 30), np.uint8)
    shape = choose_shape(width, height, 256)
    placement = place(width, height, shape)
    picture = np.full((shape.height, shape.width, 3), PADDING, np.uint8)
    fill_input(image, placement, picture)
    (w, h), left, top = placement.size, placement.left, placement.top
    inside = np.zeros(picture.shape[:2], bool)
    inside[top : top + h, left : left + w] = True
    assert (picture[inside] == (10, 20, 30)).all()
    assert (picture[~inside] == PADDING).all()
