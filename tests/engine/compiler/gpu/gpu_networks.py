"""Small networks for the GPU tests, and what is needed to run them without a GPU."""

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.compiler.gpu import devices, store
from engine.compiler.gpu.device import DeviceError
from engine.compiler.gpu.devices import Choice
from engine.compiler.gpu.runtime import GpuCompiledNetwork
from models import architecture, checkpoints
from models.checkpoints import Checkpoint
from models.reference import ReferenceNetwork
from models.skeleton import COCO_17, Skeleton

HERE = Path(__file__).parent
SMALL = {
    "resolution": 64,
    "stem": 8,
    "kernel": 3,
    "stages": [
        {"width": 8, "depth": 2, "stride": 2},
        {"width": 12, "depth": 1, "stride": 2, "kernel": 5, "expansion": 3},
        {"width": 20, "depth": 2, "stride": 2, "kernel": 9, "expansion": 2},
        {"width": 24, "depth": 1, "stride": 1, "kernel": 7, "expansion": 4},
    ],
    "deconv": [12, 24, 20],
}


def small(skeleton: Skeleton = COCO_17, **changes: object) -> Checkpoint:
    return checkpoints.synthetic(architecture.parse({**SMALL, **changes}, "small.yaml"), skeleton, seed=3)


def opencl_device(target: str | None = None) -> Choice:
    """The first OpenCL device; without one whose driver works at all, the test is skipped."""
    devices._open.cache_clear()
    try:
        choice = devices.choose("opencl", target)
        assert choice is not None
        choice.device.load(b"__kernel void nothing(__global float* x) { x[0] = 0; }")
    except DeviceError as error:
        pytest.skip(str(error))
    return choice


def opened(checkpoint: Checkpoint, width: int, height: int, choice: Choice) -> GpuCompiledNetwork:
    return GpuCompiledNetwork(store.obtain(checkpoint, height, width, choice.target), choice.device)


def largest_error(network: GpuCompiledNetwork, checkpoint: Checkpoint, seed: int = 0) -> float:
    """Relative to the range of PyTorch's maps."""
    network.picture[:] = np.random.default_rng(seed).integers(0, 256, network.picture.shape, np.uint8)
    ours = [np.from_dlpack(maps) for maps in network.maps()]
    theirs = ReferenceNetwork(checkpoint).maps(network.picture)
    assert [a.shape for a in ours] == [b.shape for b in theirs]
    return max(float(np.abs(a - b).max() / np.ptp(b)) for a, b in zip(ours, theirs))


def compiler() -> str:
    """A C++ compiler, or the test is skipped."""
    found = shutil.which("g++")
    if found is None:
        pytest.skip("simulating a GPU needs g++")
    return found


def simulated_driver(folder: Path) -> ctypes.CDLL:
    """A CUDA driver without a GPU: see simulated_cuda.cpp."""
    library = folder / "libsimulated.so"
    _compile(HERE / "simulated_cuda.cpp", library, "-O1")
    return ctypes.CDLL(str(library))


def simulated_nvrtc(folder: Path) -> Callable[[str, str], bytes]:
    """Stands in for NVIDIA's compiler: gives the path of a library that the simulated driver takes for a module."""

    def compile_source(source: str, arch: str) -> bytes:
        assert arch == "sm_75"
        names = re.findall(r"__launch_bounds__\(\d+\) (\w+)\(", source)
        entries = "".join(f"SIMULATED_ENTRY({name})\n" for name in names)
        number = len(list(folder.glob("kernels*.cpp")))
        text = folder / f"kernels{number}.cpp"
        text.write_text((HERE / "simulated_kernels.hpp").read_text("utf-8") + source + entries, encoding="utf-8")
        _compile(text, text.with_suffix(".so"), "-O1")
        return str(text.with_suffix(".so")).encode()

    return compile_source


def _compile(source: Path, library: Path, *options: str) -> None:
    command = [compiler(), "-std=c++17", *options, "-shared", "-fPIC", str(source), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
