import numpy as np
import pytest
import torch

from models import architecture
from models.litepose import LitePose
from models.parameters import expected_shapes


def shapes(network):
    return {
        name: tuple(tensor.shape)
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize("size", architecture.SIZES)
@pytest.mark.parametrize("joints", [14, 17])
def test_shapes_known_without_torch_are_those_of_the_network(size, joints):
    network = architecture.load(size)
    with torch.device("meta"):
        found = shapes(LitePose(network, joints))
    assert found == expected_shapes(network, joints)


def test_shapes_of_searched_networks(tiny, without_fusion):
    for network in (tiny, without_fusion):
        assert shapes(LitePose(network, 17)) == expected_shapes(network, 17)


def test_kernels_and_expansions_of_stages_reach_the_layers(tiny):
    found = shapes(LitePose(tiny, 17))
    assert found["stage.0.1.depth_conv.0.weight"] == (16, 1, 3, 3)
    assert found["stage.1.0.depth_conv.0.weight"] == (16, 1, 5, 5)
    assert found["stage.2.1.depth_conv.0.weight"] == (48, 1, 3, 3)
    assert found["stage.3.0.depth_conv.0.weight"] == (32, 1, 9, 9)
    assert found["final_refined.0.conv.0.weight"] == (12, 1, 3, 3)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96)])
def test_maps_lie_at_strides_4_and_2(tiny, without_fusion, height, width):
    for network in (tiny, without_fusion):
        coarse, fine = LitePose(network, 14).eval()(torch.zeros(2, 3, height, width))
        assert coarse.shape == (2, 28, height // 4, width // 4)
        assert fine.shape == (2, 14, height // 2, width // 2)


def test_without_fusion_nothing_raw_is_left(without_fusion):
    assert not [name for name in LitePose(without_fusion, 17).state_dict() if "raw" in name]


def test_fusion_adds_the_raw_branch(tiny):
    torch.manual_seed(0)
    network = LitePose(tiny, 17).eval()
    picture = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = network(picture)
        for head in network.final_raw:
            head.conv[3].weight.zero_()
        without_heads = network(picture)
        for layer in network.deconv_raw:
            layer.weight.zero_()
        without_any = network(picture)
    for first, second, third in zip(before, without_heads, without_any):
        assert not torch.allclose(first, second)
        assert not torch.allclose(second, third)


def test_a_network_learns(tiny):
    torch.manual_seed(0)
    network = LitePose(tiny, 17)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    picture = torch.randn(2, 3, 64, 64)
    losses = []
    for _ in range(8):
        coarse, fine = network(picture)
        loss = (coarse - 1).square().mean() + (fine - 1).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert all(np.isfinite(losses))
    assert all(parameter.grad is not None for parameter in network.parameters())
