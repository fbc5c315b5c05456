"""Every runtime that can be measured, behind one call: a prepared network that runs once and gives both heads' maps.

Each is set up for its own best latency with the given number of threads; what was set is reported beside its figures.
"""

import os
from collections.abc import Callable

import numpy as np

from engine.benchmark.job import Job, Maps, Prepared, normalised
from engine.errors import UsageError
from models import checkpoints


def _tvm(job: Job) -> Prepared:
    from engine.compiler import artifacts, targets
    from engine.compiler.runtime import CompiledNetwork

    target = targets.load(threads=job.threads)
    height, width = job.picture.shape[:2]
    artifact = artifacts.obtain(checkpoints.load(job.weights), height, width, target)
    network = CompiledNetwork(artifact, job.threads)
    network.picture[:] = job.picture

    def run() -> Maps:
        return [np.asarray(np.from_dlpack(tensor), np.float32) for tensor in network.maps()]

    return Prepared(run, {"target": target.name, "input": "uint8 picture", "tvm": artifact.metadata["tvm"]})


def _onnxruntime(job: Job) -> Prepared:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = job.threads, 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(str(job.onnx), options, providers=["CPUExecutionProvider"])
    name, picture = session.get_inputs()[0].name, normalised(job.picture)
    settings = {
        "version": onnxruntime.__version__,
        "optimisation": "all",
        "execution": "sequential",
        "intra_op_threads": job.threads,
    }
    return Prepared(lambda: [np.asarray(output)[0] for output in session.run(None, {name: picture})], settings)


def _openvino(job: Job) -> Prepared:
    import openvino

    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": job.threads,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(job.onnx), "CPU", config)
    request, picture = compiled.create_infer_request(), normalised(job.picture)

    def run() -> Maps:
        request.infer([picture], share_inputs=True)
        return [request.get_output_tensor(i).data[0] for i in range(2)]

    return Prepared(run, {"version": openvino.__version__, **config})


def _torch(job: Job, *, compiled: bool = False) -> Prepared:
    from importlib.metadata import version

    from models.export import torch_runner

    run = torch_runner(checkpoints.load(job.weights), normalised(job.picture), job.threads, compiled=compiled)
    return Prepared(run, {"version": version("torch"), "compiled": compiled, "threads": job.threads})


def _torch_compile(job: Job) -> Prepared:
    return _torch(job, compiled=True)


def _gemm(job: Job) -> Prepared:
    side = GEMM_SIDE
    generator = np.random.default_rng(0)
    a, b = (generator.random((side, side), np.float32) for _ in range(2))
    out = np.empty((side, side), np.float32)

    def run() -> Maps:
        np.matmul(a, b, out=out)
        return []

    return Prepared(run, {"side": side, "numpy": np.__version__})


def _on_gpu(name: str) -> Callable[[Job], Prepared]:
    def prepared(job: Job) -> Prepared:
        from engine.benchmark.gpu_engines import ENGINES

        return ENGINES[name](job)

    return prepared


GPU_NAMES = (
    *("tvm-opencl", "tvm-cuda"),
    *("onnxruntime-cuda", "torch-cuda", "torch-compile-cuda", "torch-cudagraph-cuda"),
)
GEMM, GEMM_SIDE = "gemm", 1024  # NumPy's matrix product, side × side: the machine's practical peak
_ENGINES: dict[str, Callable[[Job], Prepared]] = {
    "tvm": _tvm,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "torch": _torch,
    "torch-compile": _torch_compile,
    **{name: _on_gpu(name) for name in GPU_NAMES},
    GEMM: _gemm,
}
OURS = "tvm"
NAMES = [name for name in _ENGINES if name != GEMM]
NEEDS_ONNX = ("onnxruntime", "openvino", "onnxruntime-cuda")


def is_ours(name: str) -> bool:
    return name == OURS or name.startswith(f"{OURS}-")


def device(name: str) -> str:
    """What an engine runs on: "cpu", "opencl" or "cuda"."""
    return next((kind for kind in ("opencl", "cuda") if name.endswith(f"-{kind}")), "cpu")


def environment(threads: int) -> dict[str, str]:
    """Environment of an engine's process: libraries that count cores for themselves are told how many there are."""
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}


def prepare(name: str, job: Job) -> Prepared:
    """Raises UsageError for a runtime that is not installed."""
    try:
        return _ENGINES[name](job)
    except ImportError as error:
        raise UsageError(
            f"Engine “{name}” is not installed ({error}). Install it with: pip install -r requirements-bench.txt"
        ) from error
