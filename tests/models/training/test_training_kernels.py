import copy

import pytest
import torch
from torch import Tensor, nn

from models.architecture import load
from models.litepose import LitePose
from models.training import kernels

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


@pytest.mark.parametrize("size", [(2, 2), (8, 12), (14, 10), (20, 34)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7, 9])
def test_depthwise_equals_pytorch_in_double_precision(kernel: int, stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 3, kernel, stride, kernel // 2, groups=3, bias=False)
    fast = nn.Sequential(copy.deepcopy(layer))
    assert kernels.accelerate(fast)
    assert type(fast[0]) is kernels.DepthwiseConv
    x, slope = torch.randn(2, 3, *size), torch.randn(2, 3, *(side // stride for side in size))
    assert_same(gradients(fast, x, slope), gradients(layer.double(), x.double(), slope.double()))


@pytest.mark.parametrize(("bfloat16", "tolerance"), [(False, 1e-4), (True, 2e-2)])
def test_pointwise_equals_pytorch_in_double_precision(bfloat16: bool, tolerance: float) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(6, 4, 1, bias=False)
    fast = nn.Sequential(copy.deepcopy(layer))
    kernels.accelerate(fast, bfloat16)
    x, slope = torch.randn(2, 6, 5, 7), torch.randn(2, 4, 5, 7)
    truth = gradients(layer.double(), x.double(), slope.double())
    assert_same(gradients(fast, x, slope), truth, tolerance)


@pytest.mark.parametrize("activation", [nn.Identity, nn.ReLU, nn.ReLU6])
def test_norm_with_activation_equals_pytorch_in_double_precision(activation: type[nn.Module]) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.BatchNorm2d(5), activation())
    with torch.no_grad():
        layers[0].weight.uniform_(0.5, 4)
        layers[0].bias.uniform_(-1, 4)
    fast = copy.deepcopy(layers)
    kernels.accelerate(fast)
    x, slope = torch.randn(2, 5, 5, 7) * 3 + 2, torch.randn(2, 5, 5, 7)
    assert_same(gradients(fast, x, slope), gradients(layers.double(), x.double(), slope.double()))
    for a, b in zip(fast[0].buffers(), layers[0].buffers(), strict=True):
        assert a.ndim == 0 or torch.allclose(a.double(), b, rtol=1e-5)


def test_the_whole_network_keeps_its_names_and_outputs() -> None:
    torch.manual_seed(0)
    network = LitePose(load("xs"), 17)
    fast = copy.deepcopy(network)
    kernels.accelerate(fast, bfloat16=False)
    assert list(fast.state_dict()) == list(network.state_dict())
    x = torch.randn(2, 3, 64, 64)
    for training in (True, False):
        for ours, truth in zip(fast.train(training)(x), network.train(training)(x)):
            assert torch.allclose(ours, truth, rtol=1e-3, atol=1e-4)


def test_without_a_compiler_training_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    kernels.extension.cache_clear()
    try:
        assert not kernels.accelerate(nn.Sequential(nn.Conv2d(2, 2, 3, groups=2, bias=False)))
    finally:
        kernels.extension.cache_clear()
    assert "plain PyTorch" in caplog.text
