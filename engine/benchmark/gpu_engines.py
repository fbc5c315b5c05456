"""The runtimes that can be measured on a GPU. Pictures and maps of the others stay on the GPU; ours also uploads the picture,
finds the candidates and downloads them: what a frame really needs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.benchmark.job import Job, Maps, Prepared, normalised
from engine.compiler.gpu import devices, store
from engine.compiler.gpu.runtime import GpuCompiledNetwork
from engine.errors import UsageError
from models import checkpoints


class OnDevice:
    """One output on the GPU, which NumPy downloads when it reads it: after the clock has stopped."""

    def __init__(self, download: Callable[[], NDArray[np.float32]]) -> None:
        self._download = download

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self._download(), dtype)


def ours(job: Job, device: str) -> Prepared:
    choice = devices.choose(device)
    assert choice is not None
    height, width = job.picture.shape[:2]
    stored = store.obtain(checkpoints.load(job.weights), height, width, choice.target)
    network = GpuCompiledNetwork(stored, choice.device)
    network.picture[:] = job.picture
    settings = {
        "device": choice.device.name,
        "target": choice.target.name,
        "input": "uint8 picture, uploaded",
        "output": "candidates, downloaded",
    }
    return Prepared(lambda: list(network.maps()), settings)


def onnxruntime(job: Job) -> Prepared:
    """With its execution captured in a CUDA graph where the network allows it."""
    import onnxruntime as ort

    if "CUDAExecutionProvider" not in ort.get_available_providers():
        raise UsageError("This ONNX Runtime has no CUDA. Install it with: pip install onnxruntime-gpu")
    try:
        return _onnxruntime(ort, job, graph=True)
    except Exception:  # which error it is that forbids the graph depends on ONNX Runtime's version
        return _onnxruntime(ort, job, graph=False)


def _onnxruntime(ort: Any, job: Job, graph: bool) -> Prepared:
    options = {"cudnn_conv_algo_search": "EXHAUSTIVE", "enable_cuda_graph": str(int(graph))}
    session = ort.InferenceSession(str(job.onnx), providers=[("CUDAExecutionProvider", options)])
    if session.get_providers()[0] != "CUDAExecutionProvider":
        raise UsageError("ONNX Runtime could not load its CUDA provider. Its log says which library is missing.")
    binding = session.io_binding()
    picture = ort.OrtValue.ortvalue_from_numpy(normalised(job.picture), "cuda", 0)
    binding.bind_ortvalue_input(session.get_inputs()[0].name, picture)
    outputs = []
    for output in session.get_outputs():
        value = ort.OrtValue.ortvalue_from_shape_and_type(output.shape, np.float32, "cuda", 0)
        binding.bind_ortvalue_output(output.name, value)
        outputs.append(value)

    def run() -> Maps:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return [OnDevice(partial(_first, value)) for value in outputs]

    run()
    return Prepared(run, {"version": ort.__version__, "picture": picture.device_name(), **options})


def _first(value: Any) -> NDArray[np.float32]:
    maps: NDArray[np.float32] = value.numpy()[0]
    return maps


def torch(job: Job, mode: str) -> Prepared:
    """mode: "eager", "compile" or "cudagraph"."""
    from importlib.metadata import version

    from models.export import torch_cuda_runner

    run, name = torch_cuda_runner(checkpoints.load(job.weights), normalised(job.picture), mode)
    settings = {"version": version("torch"), "mode": mode, "device": name}
    return Prepared(lambda: [OnDevice(read) for read in run()], settings)


ENGINES: dict[str, Callable[[Job], Prepared]] = {
    "tvm-opencl": lambda job: ours(job, "opencl"),
    "tvm-cuda": lambda job: ours(job, "cuda"),
    "onnxruntime-cuda": onnxruntime,
    "torch-cuda": lambda job: torch(job, "eager"),
    "torch-compile-cuda": lambda job: torch(job, "compile"),
    "torch-cudagraph-cuda": lambda job: torch(job, "cudagraph"),
}
