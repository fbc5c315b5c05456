import copy

import pytest
import torch
from torch import Tensor, nn

from models.architecture import load
from models.litepose import LitePose
from models.training import kernels, losses, targets

pytestmark = pytest.mark.skipif(kernels.extension() is None, reason="no C++ compiler")


def gradients(layer: nn.Module, x: Tensor, slope: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(slope)
    assert x.grad is not None
    return [y.detach(), x.grad, *(weight.grad.clone() for weight in layer.parameters() if weight.grad is not None)]


def assert_same(ours: list[Tensor], truth: list[Tensor], tolerance: float = 1e-4) -> None:
    for a, b in zip(ours, truth, strict=True):
        assert torch.allclose(a.double(), b, rtol=0, atol=tolerance * float(b.abs().max()))


@pytest.mark.parametrize("size", [(4, 4), (8, 12), (14, 10), (20, 34), (32, 64)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7, 9])
@pytest.mark.parametrize("norm_before", [True, False])
def test_depthwise_with_its_norms_equals_pytorch_in_double_precision(
    norm_before: bool, kernel: int, stride: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    before = [nn.BatchNorm2d(3), nn.ReLU6()] if norm_before else []
    behind = [nn.Conv2d(3, 3, kernel, stride, kernel // 2, groups=3, bias=False), nn.BatchNorm2d(3), nn.ReLU()]
    layers = with_scales(nn.Sequential(*before, *behind))
    fast = Parts(copy.deepcopy(layers), len(before))
    x, slope = torch.randn(2, 3, *size) * 3 + 2, torch.randn(2, 3, *(side // stride for side in size))
    assert_same(gradients(fast, x, slope), gradients(layers.double(), x.double(), slope.double()))
    assert_same_statistics(fast.layers, layers)


class Parts(nn.Module):
    """A row of layers run by the kernels as one."""

    def __init__(self, layers: nn.Sequential, before: int) -> None:
        super().__init__()
        self.layers, self.before = layers, before

    def forward(self, x: Tensor) -> Tensor:
        return kernels._depthwise(x, list(self.layers)[: self.before], list(self.layers)[self.before :])


def with_scales(layers: nn.Sequential) -> nn.Sequential:
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 4)
                layer.bias.uniform_(-1, 4)
    return layers


def assert_same_statistics(ours: nn.Module, truth: nn.Module) -> None:
    for a, b in zip(ours.buffers(), truth.buffers(), strict=True):
        assert a.ndim == 0 or torch.allclose(a.double(), b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize(
    ("inputs", "outputs", "size"),
    [(1, 1, (1, 1)), (6, 4, (5, 7)), (7, 13, (3, 3)), (16, 96, (20, 34)), (96, 17, (8, 8)), (150, 40, (22, 22))],
)
def test_pointwise_equals_pytorch_in_double_precision(
    inputs: int, outputs: int, size: tuple[int, int], kind: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(inputs, outputs, 1, bias=False)
    fast = copy.deepcopy(layer)
    fast.__class__ = kernels.PointwiseConv
    x, slope = torch.randn(3, inputs, *size), torch.randn(3, outputs, *size)
    truth = gradients(layer.double(), x.double(), slope.double())
    assert_same(gradients(fast, x.to(kind), slope.to(kind)), truth, tolerance)


@pytest.mark.parametrize("stride", [2, 4])
def test_heatmap_loss_and_its_gradient_are_those_of_the_reference(stride: int) -> None:
    torch.manual_seed(0)
    # Joints of every state, some outside the view, some beside each other; pictures with nobody and without boxes.
    people = torch.rand(3, 5, 17, 3) * torch.tensor([140.0, 110.0, 3.0]) - torch.tensor([20.0, 15.0, 0.0])
    people[..., 2].floor_()
    people[2] = 0
    corners = torch.rand(3, 4, 4) * 60
    ignored = torch.cat([corners[..., :2], corners[..., :2] + corners[..., 2:]], -1)
    ignored[1] = 0
    ours, theirs = (torch.randn(3, 17, 64 // stride, 96 // stride).requires_grad_() for _ in range(2))
    ours.data.copy_(theirs)
    spread = stride * (1 + 3 * torch.rand(3, 5, 17))
    loss = kernels.heatmap_loss(ours, people, ignored, spread, stride, 3.0)
    target, mask = targets.heatmaps(people, ignored, spread, *theirs.shape[2:], stride)
    assert 0.1 < float(mask.mean()) < 0.9
    truth = losses.heatmap_loss(theirs, target, mask, 3.0)
    (0.5 * loss).backward()
    (0.5 * truth).backward()
    assert torch.allclose(loss, truth, rtol=1e-5)
    assert ours.grad is not None
    assert theirs.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("activation", [None, nn.ReLU, nn.ReLU6])
def test_norm_with_activation_equals_pytorch_in_double_precision(activation: type[nn.Module] | None) -> None:
    torch.manual_seed(0)
    layers = with_scales(nn.Sequential(nn.BatchNorm2d(5), *([activation()] if activation else [])))
    fast = copy.deepcopy(layers)
    kernels._fuse_activations(fast)
    x, slope = torch.randn(2, 5, 5, 7) * 3 + 2, torch.randn(2, 5, 5, 7)
    assert_same(gradients(fast, x, slope), gradients(layers.double(), x.double(), slope.double()))
    assert_same_statistics(fast, layers)


def test_the_whole_network_keeps_its_names_and_outputs() -> None:
    torch.manual_seed(0)
    network = LitePose(load("xs"), 17)
    fast = copy.deepcopy(network)
    kernels.accelerate(fast)
    assert list(fast.state_dict()) == list(network.state_dict())
    assert {type(layer) for layer in fast.modules()} > {kernels.FastBottleneck, kernels.FastHead, kernels.FastStem}
    x = torch.randn(2, 3, 64, 64)
    for training in (True, False):
        for ours, truth in zip(fast.train(training)(x), network.train(training)(x)):
            assert torch.allclose(ours, truth, rtol=1e-3, atol=1e-4)


def test_bfloat16_gives_gradients_as_near_as_pytorchs_own() -> None:
    torch.manual_seed(0)
    network = LitePose(load("xs"), 17)
    fast = copy.deepcopy(network)
    kernels.accelerate(fast)
    # The first layers of each kind: through all of them, rounding leaves nothing to compare where weights are random.
    network, fast = (nn.Sequential(one.first, one.stage[0], one.final_raw[0]) for one in (network, fast))
    x = torch.randn(2, 3, 96, 96)

    def slope(network: nn.Module, half: bool) -> Tensor:
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            maps = network(x)
        ((maps.float() - 0.1) ** 2).mean().backward()
        return torch.cat([weight.grad.flatten() for weight in network.parameters()])

    truth = slope(network, half=False)
    ours, theirs = (float(torch.cosine_similarity(truth, slope(one, half=True), 0)) for one in (fast, network))
    assert ours > max(0.9, theirs - 0.01)


def test_without_a_compiler_training_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    kernels.extension.cache_clear()
    try:
        assert not kernels.accelerate(LitePose(load("xs"), 17))
    finally:
        kernels.extension.cache_clear()
    assert "plain PyTorch" in caplog.text


def test_a_killed_build_does_not_hold_up_the_next_one() -> None:
    (kernels.build_folder() / "lock").touch()  # PyTorch would wait until somebody removes it
    kernels.extension.cache_clear()
    assert kernels.extension() is not None
