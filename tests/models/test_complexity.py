import pytest
import torch

from models import architecture, complexity
from models.litepose import LitePose


@pytest.mark.parametrize(("size", "giga"), [("xs", "0.886"), ("s", "3.624"), ("m", "5.276"), ("l", "9.979")])
def test_what_the_papers_sizes_compute(size, giga):
    network = architecture.load(size)
    assert f"{complexity.count(network, 17, network.resolution, network.resolution).actual / 1e9:.3f}" == giga


# The paper prints 1.2, 5.0, 7.8 and 13.8; why the last three are not met to the digit, see `Complexity`.
@pytest.mark.parametrize(
    ("size", "printed", "tolerance"), [("xs", 1.2, 0.05), ("s", 5.0, 0.2), ("m", 7.8, 0.2), ("l", 13.8, 0.45)]
)
def test_the_papers_way_of_counting_comes_near_what_it_prints(size, printed, tolerance):
    network = architecture.load(size)
    counted = complexity.count(network, 17, network.resolution, network.resolution).paper / 1e9
    assert abs(counted - printed) < tolerance


def count_in_torch(network: LitePose, height: int, width: int) -> tuple[int, int]:
    """(actual, paper) from the shapes that really flow through the modules."""
    totals = [0, 0]

    def add(module, inputs, output):
        if isinstance(module, torch.nn.ConvTranspose2d):
            totals[0] += inputs[0].numel() * module.out_channels * 16
            totals[1] += output.numel() * module.in_channels * 16
        else:
            products = output.numel() * module.weight[0].numel()
            totals[0] += products
            totals[1] += products

    for module in network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            module.register_forward_hook(add)
    with torch.no_grad():
        network(torch.zeros(1, 3, height, width))
    return totals[0], totals[1]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 96)])
def test_counts_agree_with_the_shapes_in_the_network(tiny, without_fusion, height, width):
    for network in (tiny, without_fusion, architecture.load("xs")):
        counted = complexity.count(network, 14, height, width)
        assert (counted.actual, counted.paper) == count_in_torch(LitePose(network, 14).eval(), height, width)


def test_parameters_agree_with_the_network(tiny, without_fusion):
    for network in (tiny, without_fusion, architecture.load("xs")):
        trained = sum(parameter.numel() for parameter in LitePose(network, 17).parameters())
        assert complexity.parameters(network, 17) == trained
