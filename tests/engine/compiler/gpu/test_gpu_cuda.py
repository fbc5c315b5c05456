"""CUDA without a GPU: what TVM writes is taken by NVIDIA's compiler, and computes what PyTorch computes when a simulated
driver runs it. None of this says anything of speed; on a machine with an NVIDIA GPU, that GPU is tested too."""

import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.compiler.gpu import cuda, devices, nvrtc, presets, store
from engine.compiler.gpu.device import DeviceError
from engine.compiler.gpu.devices import Choice
from engine.decode.peaks import find_candidates
from engine.errors import CompilerError
from models.skeleton import CROWDPOSE_14
from tests.engine.compiler.gpu.gpu_networks import largest_error, opened, simulated_driver, simulated_nvrtc, small


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return simulated_driver(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def simulated(driver: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ctypes.CDLL]:
    """No GPU, but a driver that says there is one; its networks are cached apart."""
    monkeypatch.setenv("LITEPOSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store.nvrtc, "compile_source", simulated_nvrtc(tmp_path))
    monkeypatch.setattr(cuda, "_driver", lambda: cuda.Driver(driver))
    devices._open.cache_clear()
    yield driver
    ctypes.c_int.in_dll(driver, "simulated_broken").value = 0
    devices._open.cache_clear()


def chosen() -> Choice:
    choice = devices.choose("cuda")
    assert choice is not None
    return choice


def test_the_kernels_compute_what_pytorch_computes(simulated: ctypes.CDLL) -> None:
    checkpoint = small(CROWDPOSE_14)
    network = opened(checkpoint, 96, 64, chosen())
    assert largest_error(network, checkpoint) < 1e-4
    maps = network.maps()
    ours, theirs = network.candidates(maps), find_candidates(*(np.from_dlpack(one) for one in maps))
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-6)
    np.testing.assert_allclose(ours.xy, theirs.xy, atol=1e-3)


def test_a_gpu_that_fails_is_named(simulated: ctypes.CDLL) -> None:
    network = opened(small(), 64, 64, chosen())
    ctypes.c_int.in_dll(simulated, "simulated_broken").value = 1
    with pytest.raises(DeviceError, match=r"Simulated GPU.*launch failure"):
        network.maps()


def test_a_network_gives_back_all_that_it_took(simulated: ctypes.CDLL) -> None:
    gc.collect()
    before = simulated.simulated_held()
    network = opened(small(), 64, 64, chosen())
    maps = network.maps()
    assert simulated.simulated_held() > before
    del network
    np.from_dlpack(maps[0])  # whoever has maps can read them still
    del maps
    gc.collect()
    assert simulated.simulated_held() == before


def test_the_target_is_the_gpus_own_architecture(simulated: ctypes.CDLL) -> None:
    choice = chosen()
    assert choice.target.arch == "sm_75"
    assert choice.device.name == "Simulated GPU"


def test_without_a_driver_the_message_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "DEFAULT_LIBRARY", "libnothere.so.1")
    monkeypatch.setattr(cuda, "LIBRARIES", {})
    cuda._driver.cache_clear()
    with pytest.raises(DeviceError, match="No NVIDIA driver"):
        devices.choose("cuda")


@pytest.mark.parametrize("arch", ["sm_75", "sm_90"])
def test_nvidias_compiler_takes_the_kernels(arch: str) -> None:
    if not nvrtc.is_available():
        pytest.skip("needs nvidia-cuda-nvrtc-cu12")
    from engine.compiler.gpu.build import build_network

    source = build_network(small(), 64, 64, presets.load("cuda").for_arch(arch)).source
    code = nvrtc.compile_source(source, arch)
    assert code[:4] == b"\x7fELF"


def test_nvidias_compiler_complains_in_one_sentence() -> None:
    if not nvrtc.is_available():
        pytest.skip("needs nvidia-cuda-nvrtc-cu12")
    with pytest.raises(CompilerError, match=r"sm_90.*expected"):
        nvrtc.compile_source("this is no CUDA", "sm_90")


def test_a_real_gpu_computes_what_pytorch_computes() -> None:
    cuda._driver.cache_clear()
    devices._open.cache_clear()
    try:
        choice = chosen()
    except DeviceError as error:
        pytest.skip(str(error))
    checkpoint = small()
    assert largest_error(opened(checkpoint, 96, 64, choice), checkpoint) < 1e-4
