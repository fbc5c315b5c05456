"""NVIDIA GPUs through the CUDA driver alone (libcuda, which comes with the GPU's driver): no toolkit, no other package.

All launches of a frame are captured into a CUDA graph once, so that a frame costs one call of the driver for them.
"""

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from numpy.typing import NDArray

from engine.compiler.gpu import presets
from engine.compiler.gpu.device import DeviceError, Launch, Recording
from engine.compiler.gpu.presets import GpuTarget

LIBRARIES = {"win32": "nvcuda.dll"}
DEFAULT_LIBRARY = "libcuda.so.1"
NOT_DEFAULT_STREAM = 1  # CU_STREAM_NON_BLOCKING
THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads' networks do not disturb a capture
MOST_ITEMS, MOST_SHARED, MAJOR, MINOR = 1, 8, 75, 76  # CUdevice_attribute


@dataclass(frozen=True, slots=True)
class Found:
    """A GPU that the driver lists."""

    name: str


def find() -> list[Found]:
    """Every NVIDIA GPU. Raises DeviceError where there is none, or no driver."""
    driver = _driver()
    count = ctypes.c_int()
    driver("cuDeviceGetCount", ctypes.byref(count))
    if not count.value:
        raise DeviceError("NVIDIA's driver is installed, but it lists no GPU.")
    return [Found(_name(driver, number)) for number in range(count.value)]


class Driver:
    """Calls functions of the driver by name, and raises DeviceError where one fails."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.cuGetErrorString.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)]

    def __call__(self, function: str, *arguments: Any, device: str = "") -> None:
        try:
            result = getattr(self._library, function)(*arguments)
        except AttributeError:
            raise DeviceError(f"NVIDIA's driver is too old: it has no {function}. Install a newer one.") from None
        if result:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(result, ctypes.byref(text))
            reason = text.value.decode(errors="replace") if text.value else f"error {result}"
            raise DeviceError(f"The NVIDIA GPU{f' “{device}”' if device else ''} failed: {reason} ({function}).")


class CudaDevice:
    """See `device.Device`."""

    def __init__(self, number: int) -> None:
        self._driver = _driver()
        self.name = _name(self._driver, number)
        self._handle = _handle(self._driver, number)
        self._context = ctypes.c_void_p()
        self._driver("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), self._handle, device=self.name)

    def target(self, name: str | None) -> GpuTarget:
        limits = self._attribute(MOST_ITEMS), self._attribute(MOST_SHARED)
        arch = f"sm_{self._attribute(MAJOR)}{self._attribute(MINOR)}"
        return presets.load(name or "cuda").within(*limits).for_arch(arch)

    def load(self, code: bytes) -> "CudaSession":
        return CudaSession(self.name, self._driver, self._context, code)

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self._driver("cuDeviceGetAttribute", ctypes.byref(value), number, self._handle, device=self.name)
        return value.value


class _Memory:
    """Memory of the device, freed with this object."""

    def __init__(self, session: "CudaSession", size: int) -> None:
        self._session = session
        self.address = ctypes.c_uint64()
        session.call("cuMemAlloc_v2", ctypes.byref(self.address), ctypes.c_size_t(size))

    def __del__(self) -> None:
        # At the interpreter's end the driver goes first, and takes all memory with it.
        if self.address.value and not sys.is_finalizing():
            self._session.free(self.address)


class CudaSession:
    """See `device.Session`. Any thread may use it: each call makes the GPU's context its thread's own first."""

    def __init__(self, name: str, driver: Driver, context: ctypes.c_void_p, code: bytes) -> None:
        self._name, self._driver, self._context = name, driver, context
        self._module, self._stream = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuModuleLoadData", ctypes.byref(self._module), ctypes.c_char_p(code))
        self.call("cuStreamCreate", ctypes.byref(self._stream), NOT_DEFAULT_STREAM)

    def call(self, function: str, *arguments: Any) -> None:
        self._driver("cuCtxSetCurrent", self._context, device=self._name)
        self._driver(function, *arguments, device=self._name)

    def free(self, address: ctypes.c_uint64) -> None:
        self.call("cuMemFree_v2", address)

    def allocate(self, size: int) -> _Memory:
        return _Memory(self, size)

    def write(self, buffer: _Memory, values: NDArray[Any]) -> None:
        size = ctypes.c_size_t(values.nbytes)
        self.call("cuMemcpyHtoDAsync_v2", buffer.address, ctypes.c_void_p(values.ctypes.data), size, self._stream)

    def read(self, buffer: _Memory, values: NDArray[Any]) -> None:
        size = ctypes.c_size_t(values.nbytes)
        self.call("cuMemcpyDtoHAsync_v2", ctypes.c_void_p(values.ctypes.data), buffer.address, size, self._stream)
        self.call("cuStreamSynchronize", self._stream)

    def record(self, launches: Sequence[Launch]) -> Recording:
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuStreamBeginCapture_v2", self._stream, THREAD_LOCAL)
        for launch in launches:
            self._launch(launch)
        self.call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
        self.call("cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_uint64(0))
        self.call("cuGraphDestroy", graph)
        kept = [launch.buffers for launch in launches]  # the graph knows only their addresses

        def run(_: Any = kept) -> None:
            self.call("cuGraphLaunch", executable, self._stream)

        return run

    def _launch(self, launch: Launch) -> None:
        function = ctypes.c_void_p()
        self.call("cuModuleGetFunction", ctypes.byref(function), self._module, launch.kernel.encode())
        addresses = [buffer.address for buffer in launch.buffers]
        arguments = (ctypes.c_void_p * len(addresses))(*(ctypes.addressof(address) for address in addresses))
        sizes = [ctypes.c_uint(extent) for extent in (*launch.grid.groups, *launch.grid.items)]
        no_more = ctypes.c_uint(0)  # of shared memory beside the kernels' own
        self.call("cuLaunchKernel", function, *sizes, no_more, self._stream, arguments, None)


@cache
def _driver() -> Driver:
    name = LIBRARIES.get(sys.platform, DEFAULT_LIBRARY)
    try:
        driver = Driver(ctypes.CDLL(name))
    except OSError as error:
        raise DeviceError(f"No NVIDIA driver was found ({name}).") from error
    driver("cuInit", 0)
    return driver


def _handle(driver: Driver, number: int) -> ctypes.c_int:
    handle = ctypes.c_int()
    driver("cuDeviceGet", ctypes.byref(handle), number)
    return handle


def _name(driver: Driver, number: int) -> str:
    text = ctypes.create_string_buffer(100)
    driver("cuDeviceGetName", text, len(text), _handle(driver, number))
    return text.value.decode(errors="replace")
