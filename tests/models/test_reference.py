import cv2
import numpy as np
import pytest
import skimage.data
import torch

from models import checkpoints
from models.litepose import LitePose
from models.reference import ReferenceNetwork
from models.skeleton import COCO_17, CROWDPOSE_14


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(skimage.data.astronaut()[..., ::-1])


def peak(heatmap, scale):
    y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    return x * scale, y * scale


def test_our_weights_find_the_head_of_the_astronaut(astronaut):
    # Her face is at about (220, 110); her left is on the right of the picture.
    small = cv2.resize(astronaut, (128, 128), interpolation=cv2.INTER_AREA)
    coarse, fine = ReferenceNetwork(checkpoints.load("xs")).maps(small)
    for maps, scale in ((coarse, 16), (fine, 8)):
        left, right = (peak(maps[COCO_17.index(name)], scale) for name in ("left_ear", "right_ear"))
        for x, y in (left, right):
            assert abs(x - 220) < 80
            assert abs(y - 110) < 50
        assert left[0] > right[0]


def test_maps_have_the_promised_shapes_and_types(tiny):
    network = ReferenceNetwork(checkpoints.synthetic(tiny, CROWDPOSE_14, seed=0))
    coarse, fine = network.maps(np.zeros((32, 96, 3), np.uint8))
    assert (coarse.shape, coarse.dtype) == ((28, 8, 24), np.float32)
    assert (fine.shape, fine.dtype) == ((14, 16, 48), np.float32)


def test_pictures_are_bgr_and_normalised_as_imagenet(tiny_checkpoint, astronaut):
    picture = astronaut[:64, 192:288]
    network = LitePose(tiny_checkpoint.architecture, 17).eval()
    tensors = {name: torch.tensor(value) for name, value in tiny_checkpoint.tensors.items()}
    network.load_state_dict(tensors, strict=False)
    rgb = (picture[..., ::-1] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.no_grad():
        expected = network(torch.tensor(rgb.transpose(2, 0, 1)[None], dtype=torch.float32))
    for found, wanted in zip(ReferenceNetwork(tiny_checkpoint).maps(picture), expected):
        np.testing.assert_allclose(found, wanted[0].numpy(), atol=1e-3)
    swapped = ReferenceNetwork(tiny_checkpoint).maps(picture[..., ::-1])[1]
    assert np.abs(swapped - expected[1][0].numpy()).max() > 0.05


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((32, 40, 3), np.uint8),
        np.zeros((32, 32), np.uint8),
        np.zeros((32, 32, 4), np.uint8),
        np.zeros((32, 32, 3), np.float32),
        np.zeros((0, 32, 3), np.uint8),
    ],
)
def test_other_pictures_are_refused(tiny_checkpoint, picture):
    with pytest.raises(ValueError, match="image"):
        ReferenceNetwork(tiny_checkpoint).maps(picture)
