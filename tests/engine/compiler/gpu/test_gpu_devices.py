"""Which device is taken, and what a user is told where none can be."""

import logging
import sys
from typing import Any

import numpy as np
import pytest
from skimage import data

from engine.compiler.gpu import cuda, devices, opencl, opening
from engine.compiler.gpu.device import DeviceError
from engine.compiler.gpu.devices import Choice
from engine.compiler.gpu.presets import GpuTarget, load
from engine.errors import CompilerError, UsageError
from engine.estimator import PoseEstimator

ASTRONAUT = np.ascontiguousarray(data.astronaut()[:, :, ::-1])


@pytest.fixture(autouse=True)
def fresh() -> None:
    devices._open.cache_clear()


def no_device(*_: object) -> Any:
    raise DeviceError("There is no such driver.")


class Broken:
    """A device that takes every network and fails at the first frame."""

    name = "Broken GPU"

    def target(self, name: str | None) -> GpuTarget:
        return load(name or "generic-opencl")

    def load(self, code: bytes) -> "Broken":
        return self

    def allocate(self, size: int) -> int:
        return size

    def write(self, buffer: Any, values: Any) -> None:
        pass

    def read(self, buffer: Any, values: Any) -> None:
        raise DeviceError("The OpenCL device “Broken GPU” failed: it was lost.")

    def record(self, launches: Any) -> Any:
        return lambda: None


@pytest.mark.parametrize("word", ["vulkan", "gpu", "cpu:1", "auto:0", "opencl:x", "opencl:-1", ""])
def test_an_unknown_device_lists_the_known_ones(word: str) -> None:
    with pytest.raises(UsageError, match="cpu, opencl, cuda, auto"):
        devices.choose(word)


def test_without_pyopencl_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    with pytest.raises(DeviceError, match="pip install pyopencl"):
        PoseEstimator.load("xs", device="opencl")


def test_auto_goes_to_the_processor_where_there_is_no_gpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cuda, "find", no_device)
    monkeypatch.setattr(opencl, "find", no_device)
    with caplog.at_level(logging.WARNING):
        assert devices.choose("auto") is None
    assert "processor" in caplog.text


def test_auto_does_not_take_a_processor_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "find", no_device)
    monkeypatch.setattr(opencl, "find", lambda: [opencl.Found("a processor", False, None)])
    assert devices.choose("auto") is None


def test_a_number_beyond_the_list_shows_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opencl, "find", lambda: [opencl.Found("Mali-G52", True, None)])
    with pytest.raises(DeviceError, match=r"opencl:0 \(Mali-G52\)"):
        devices.choose("opencl:1")


def test_a_target_must_fit_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_open", lambda kind, number: Broken())
    with pytest.raises(UsageError, match="mali-opencl"):
        devices.choose("opencl", "cuda")
    with pytest.raises(CompilerError, match="Unknown GPU target"):
        devices.choose("opencl", "x86-64-v3")


def test_the_reference_engine_has_no_devices() -> None:
    with pytest.raises(UsageError, match="torch"):
        PoseEstimator.load("xs", engine="torch", device="opencl")


def choose_broken(wanted: str, target: str | None = None) -> Choice | None:
    return None if wanted == "cpu" else Choice(Broken(), load("generic-opencl"))


def test_a_device_that_was_asked_for_and_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening.devices, "choose", choose_broken)
    with pytest.raises(DeviceError, match="Broken GPU"):
        PoseEstimator.load("xs", device="opencl")(ASTRONAUT)


def test_auto_goes_on_on_the_processor_when_the_gpu_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening.devices, "choose", choose_broken)
    estimator = PoseEstimator.load("xs", device="auto")
    expected = PoseEstimator.load("xs").estimate(ASTRONAUT)
    with caplog.at_level(logging.WARNING):
        poses = estimator(ASTRONAUT)
    np.testing.assert_array_equal(poses.keypoints, expected.poses.keypoints)
    assert "Broken GPU" in caplog.text
    assert "processor from now on" in caplog.text
    caplog.clear()
    estimator(ASTRONAUT)
    assert not caplog.text
