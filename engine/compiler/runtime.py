"""Runs a compiled network with TVM's runtime alone: neither TVM's Python package nor its compiler is imported."""

import ctypes
import importlib.util
import weakref
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.compiler import ffi, workers
from engine.compiler.library import Artifact
from engine.errors import CompilerError
from engine.types import Backend, Candidates

CPU = 1  # DLPack's device type
POOLED = 2  # the virtual machine's allocator that reuses memory
ALIGNMENT = 64  # bytes; the kernels load whole vectors


@cache
def load_runtime() -> tuple[Any, ctypes.CDLL]:
    """The FFI module, with TVM's runtime library loaded into it, and that library."""
    workers.prepare()
    tvm_ffi = ffi.load()
    spec = importlib.util.find_spec("tvm")
    places = list(spec.submodule_search_locations or []) if spec else []
    for place in places:
        for name in ("libtvm_runtime.so", "libtvm_runtime.dylib", "tvm_runtime.dll"):
            library = Path(place) / "lib" / name
            if library.is_file():
                return tvm_ffi, ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    raise CompilerError("TVM's runtime library was not found. Install it with: pip install apache-tvm==0.27.0.post1")


def aligned(shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
    """An uninitialised array that starts at a multiple of ALIGNMENT."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


class CompiledNetwork:
    """One network for one input shape.

    picture: (H, W, 3) uint8 BGR, the input; written by the caller before `maps`. target: its name, for `backend`.
    """

    def __init__(self, artifact: Artifact, threads: int, target: str = "") -> None:
        runtime, library = load_runtime()
        self._use_workers = partial(workers.use, threads, runtime, library)
        self.height, self.width = int(artifact.metadata["height"]), int(artifact.metadata["width"])
        self.picture: NDArray[np.uint8] = aligned((self.height, self.width, 3), np.uint8)
        try:
            # Kept alive, every network that was ever loaded would keep its weights in memory until the process ends.
            module = runtime.load_module(str(artifact.library), keep_module_alive=False)
            machine = module["vm_load_executable"]()
            machine["vm_initialization"](CPU, 0, POOLED)
            self._maps, self._candidates = machine["maps"], machine["candidates"]
        except (RuntimeError, AttributeError, OSError) as error:
            raise CompilerError(
                f"The compiled network “{artifact.library}” cannot be loaded: {error}. Delete its folder and try again."
            ) from error
        # The pool keeps every activation of every network that ever ran; those of this one are nobody's after it.
        weakref.finalize(self, runtime.get_global_func("vm.builtin.memory_manager.clear")).atexit = False
        self._input = runtime.from_dlpack(self.picture.reshape(self.height, self.width * 3))
        self.backend = Backend("CPU", target, artifact.library.parent.name)

    def maps(self) -> tuple[Any, Any]:
        """Runs the network on `picture`. -> tensors (2J, H / 4, W / 4): heatmaps, then tags; (J, H / 2, W / 2): heatmaps.
        `np.from_dlpack` shows them as arrays without a copy."""
        self._use_workers()
        coarse, fine = self._maps(self._input)
        return coarse, fine

    def candidates(self, maps: tuple[Any, Any]) -> Candidates:
        """The best peaks of each joint."""
        self._use_workers()
        xy, scores, tags = self._candidates(*maps)
        arrays = (np.asarray(np.from_dlpack(tensor), np.float32) for tensor in (xy, scores, tags))
        return Candidates(*arrays)
