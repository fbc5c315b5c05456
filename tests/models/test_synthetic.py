import cv2
import numpy as np
import pytest
import skimage.data

from models import architecture, checkpoints
from models.parameters import expected_shapes
from models.reference import ReferenceNetwork
from models.skeleton import COCO_17, CROWDPOSE_14


@pytest.fixture(scope="module")
def picture():
    return cv2.resize(skimage.data.astronaut()[..., ::-1], (96, 96), interpolation=cv2.INTER_AREA)


def activations(network, picture):
    """Deviation and greatest value of the output of every block, and of both maps."""
    seen = []
    for name, module in network.module.named_modules():
        if name.startswith("stage.") and name.count(".") == 2:
            module.register_forward_hook(lambda _module, _input, y: seen.append((float(y.std()), float(y.abs().max()))))
    maps = network.maps(picture)
    return seen, maps


@pytest.mark.parametrize("size", architecture.SIZES)
def test_activations_and_maps_stay_moderate_however_deep(size, picture):
    network = ReferenceNetwork(checkpoints.synthetic(architecture.load(size), COCO_17, seed=3))
    seen, (coarse, fine) = activations(network, picture)
    assert len(seen) == 34
    assert all(0.5 < deviation < 6 and greatest < 60 for deviation, greatest in seen)
    for heatmaps in (coarse[:17], fine):
        assert 0.1 < heatmaps.std() < 1.5
    assert 0.3 < coarse[17:].std() < 5


def test_searched_networks_stay_moderate(searched, picture):
    for network in searched:
        seen, (coarse, fine) = activations(ReferenceNetwork(checkpoints.synthetic(network, CROWDPOSE_14, 0)), picture)
        assert all(0.3 < deviation < 6 for deviation, _ in seen)
        assert 0.05 < fine.std() < 1.5
        assert coarse.shape[0] == 28


def test_the_same_seed_gives_the_same_weights(tiny):
    first, again, other = (checkpoints.synthetic(tiny, COCO_17, seed) for seed in (5, 5, 6))
    assert first.sha256 == again.sha256 != other.sha256


def test_no_weight_is_lost_in_half_precision(tiny_checkpoint):
    for tensor in tiny_checkpoint.tensors.values():
        np.testing.assert_array_equal(tensor, tensor.astype(np.float16))


def test_names_and_order_are_those_of_the_network(tiny, tiny_checkpoint):
    shapes = {name: tensor.shape for name, tensor in tiny_checkpoint.tensors.items()}
    assert list(shapes.items()) == list(expected_shapes(tiny, 17).items())
