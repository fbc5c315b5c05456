"""Measuring on GPUs: what is compared with what, and what is said where there is no GPU. Times are not asserted."""

import pytest

from engine.benchmark import engines, gpu_engines, gpu_kernels
from engine.benchmark.comparison import Result, ratios
from engine.compiler.gpu import cuda, devices, opencl, store
from engine.compiler.gpu.device import DeviceError
from tests.engine.compiler.gpu.gpu_networks import opencl_device, small


def result(engine: str, ms: float) -> Result:
    return Result(engine, "xs", 2, "256x256", ms, ms, ms, 1e-6, 1.0, 1.0, {})


def test_ours_is_compared_with_others_on_the_same_device() -> None:
    measured = [
        *(result("tvm", 8.0), result("onnxruntime", 16.0), result("openvino", 12.0)),
        *(result("tvm-cuda", 0.5), result("torch-cudagraph-cuda", 0.75), result("onnxruntime-cuda", 1.0)),
        result("tvm-opencl", 3.0),
    ]
    assert ratios(measured) == {"xs": {"2": 1.5, "cuda": 1.5}}


def test_every_engine_of_a_gpu_is_offered() -> None:
    assert set(engines.GPU_NAMES) == set(gpu_engines.ENGINES) < set(engines.NAMES)


def test_without_a_gpu_there_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none() -> list[opencl.Found]:
        raise DeviceError("No driver was found.")

    devices._open.cache_clear()
    monkeypatch.setattr(cuda, "find", none)
    monkeypatch.setattr(opencl, "find", none)
    assert gpu_kernels.main(["cuda", "xs"]) == 1
    assert capsys.readouterr().err == "error: No driver was found.\n"
    assert gpu_kernels.main(["auto", "xs"]) == 2
    assert "no GPU" in capsys.readouterr().err


def test_the_table_of_kernels_counts_every_launch() -> None:
    choice = opencl_device()
    network = store.obtain(small(), 64, 64, choice.target)
    clock = gpu_kernels.KernelClock(network, choice.device)
    times = clock.kernels()
    assert sum(one.launches for one in times) == len(network.program.steps)
    assert {one.kernel for one in times} == set(network.program.kernels)
    assert all(one.us > 0 for one in times)
    assert len(gpu_kernels.table(clock)) == len(times) + 2
