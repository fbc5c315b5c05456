"""NVIDIA's run-time compiler: CUDA C to machine code, without the CUDA toolkit. Needs no GPU."""

import ctypes
import ctypes.util
import importlib.util
from functools import cache
from pathlib import Path

from engine.errors import CompilerError

NAMES = ("libnvrtc.so.12", "libnvrtc.so.13", "libnvrtc.so", "nvrtc64_120_0.dll", "nvrtc64_130_0.dll")
# The packages nvidia-cuda-nvrtc-cu12 and nvidia-cuda-nvrtc put the library here.
PACKAGES = {"nvidia.cuda_nvrtc": ("lib", "bin"), "nvidia.cu13": ("lib", "bin/x86_64")}


def compile_source(source: str, arch: str) -> bytes:
    """Machine code for GPUs of `arch`, such as “sm_87”. Raises CompilerError with the compiler's complaint."""
    lib = _library()
    program = ctypes.c_void_p()
    _check(lib, lib.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None))
    try:
        options = (ctypes.c_char_p * 2)(f"--gpu-architecture={arch}".encode(), b"--std=c++17")
        if lib.nvrtcCompileProgram(program, len(options), options):
            complaint = _text(lib, program).strip().splitlines()[:1] or ["no reason given"]
            raise CompilerError(f"NVIDIA's compiler does not take the kernels for {arch}: {complaint[0]}")
        size = ctypes.c_size_t()
        _check(lib, lib.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        code = ctypes.create_string_buffer(size.value)
        _check(lib, lib.nvrtcGetCUBIN(program, code))
        return code.raw
    finally:
        lib.nvrtcDestroyProgram(ctypes.byref(program))


def is_available() -> bool:
    try:
        _library()
    except CompilerError:
        return False
    return True


@cache
def _library() -> ctypes.CDLL:
    for candidate in _candidates():
        try:
            return ctypes.CDLL(candidate)
        except OSError:
            continue
    raise CompilerError(
        "NVIDIA's run-time compiler (NVRTC) was not found. Install the CUDA toolkit, or the Python package "
        "nvidia-cuda-nvrtc-cu12 (pip install nvidia-cuda-nvrtc-cu12==12.9.86)."
    )


def _candidates() -> list[str]:
    found: list[str] = []
    for package, folders in PACKAGES.items():
        try:
            spec = importlib.util.find_spec(package)
        except ModuleNotFoundError:
            continue
        for place in spec.submodule_search_locations or [] if spec else []:
            for folder in folders:
                found += [str(path) for name in NAMES for path in (Path(place) / folder).glob(name)]
    system = ctypes.util.find_library("nvrtc")
    return [*found, *NAMES, *([system] if system else [])]


def _text(lib: ctypes.CDLL, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _check(lib, lib.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
    text = ctypes.create_string_buffer(size.value)
    _check(lib, lib.nvrtcGetProgramLog(program, text))
    return text.value.decode(errors="replace")


def _check(lib: ctypes.CDLL, result: int) -> None:
    if result:
        lib.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise CompilerError(f"NVIDIA's run-time compiler failed: {lib.nvrtcGetErrorString(result).decode()}.")
