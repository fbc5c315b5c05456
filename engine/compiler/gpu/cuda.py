"""NVIDIA GPUs through the CUDA driver alone (libcuda, which comes with the GPU's driver): no toolkit, no other package.

All launches of a frame are captured into a CUDA graph once, so that a frame costs one call of the driver for them.
"""

import contextlib
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


class CudaSession:
    """See `device.Session`. Any thread may use it: each call makes the GPU's context its thread's own first."""

    def __init__(self, name: str, driver: Driver, context: ctypes.c_void_p, code: bytes) -> None:
        self._name, self._driver, self._context = name, driver, context
        self._module, self._stream = ctypes.c_void_p(), ctypes.c_void_p()
        self._sent: list[NDArray[Any]] = []  # what the GPU may not have read yet
        self.call("cuModuleLoadData", ctypes.byref(self._module), ctypes.c_char_p(code))
        self.call("cuStreamCreate", ctypes.byref(self._stream), NOT_DEFAULT_STREAM)

    def __del__(self) -> None:
        if self._stream:
            self.release("cuStreamDestroy_v2", self._stream)
        if self._module:
            self.release("cuModuleUnload", self._module)

    def call(self, function: str, *arguments: Any) -> None:
        self._driver("cuCtxSetCurrent", self._context, device=self._name)
        self._driver(function, *arguments, device=self._name)

    def release(self, function: str, handle: Any) -> None:
        """Gives something back, where that is still possible: at the interpreter's end the driver goes first, and takes
        everything with it; so does a GPU that fails."""
        if not sys.is_finalizing():
            with contextlib.suppress(DeviceError):
                self.call(function, handle)

    def allocate(self, size: int) -> "_Memory":
        return _Memory(self, size)

    def write(self, buffer: "_Memory", values: NDArray[Any]) -> None:
        size = ctypes.c_size_t(values.nbytes)
        self._sent.append(values)
        self.call("cuMemcpyHtoDAsync_v2", buffer.address, ctypes.c_void_p(values.ctypes.data), size, self._stream)

    def read(self, buffer: "_Memory", values: NDArray[Any]) -> None:
        size = ctypes.c_size_t(values.nbytes)
        self.call("cuMemcpyDtoHAsync_v2", ctypes.c_void_p(values.ctypes.data), buffer.address, size, self._stream)
        self._wait()

    def record(self, launches: Sequence[Launch]) -> Recording:
        calls = [(self._function(launch.kernel), launch) for launch in launches]
        # The driver loads kernels when they first run, and must not have to while it captures.
        for function, launch in calls:
            self._launch(function, launch)
        self._wait()
        graph = ctypes.c_void_p()
        self.call("cuStreamBeginCapture_v2", self._stream, THREAD_LOCAL)
        for function, launch in calls:
            self._launch(function, launch)
        self.call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
        executable = _Executable(self, graph, [launch.buffers for launch in launches])
        self.call("cuGraphDestroy", graph)
        return lambda: self.call("cuGraphLaunch", executable.handle, self._stream)

    def _function(self, name: str) -> ctypes.c_void_p:
        function = ctypes.c_void_p()
        self.call("cuModuleGetFunction", ctypes.byref(function), self._module, name.encode())
        return function

    def _launch(self, function: ctypes.c_void_p, launch: Launch) -> None:
        addresses = [buffer.address for buffer in launch.buffers]
        arguments = (ctypes.c_void_p * len(addresses))(*(ctypes.addressof(address) for address in addresses))
        extents = [ctypes.c_uint(extent) for extent in (*launch.grid.groups, *launch.grid.items)]
        no_more = ctypes.c_uint(0)  # shared memory beside the kernel's own
        self.call("cuLaunchKernel", function, *extents, no_more, self._stream, arguments, None)

    def _wait(self) -> None:
        self.call("cuStreamSynchronize", self._stream)
        self._sent.clear()


class _Memory:
    """Memory of the device, freed with this object."""

    def __init__(self, session: CudaSession, size: int) -> None:
        self._session = session
        self.address = ctypes.c_uint64()
        session.call("cuMemAlloc_v2", ctypes.byref(self.address), ctypes.c_size_t(size))

    def __del__(self) -> None:
        if self.address.value:
            self._session.release("cuMemFree_v2", self.address)


class _Executable:
    """A graph that can be launched, freed with this object. It knows only the addresses of its buffers, which are kept."""

    def __init__(self, session: CudaSession, graph: ctypes.c_void_p, buffers: list[tuple[Any, ...]]) -> None:
        self._session, self._buffers = session, buffers
        self.handle = ctypes.c_void_p()
        session.call("cuGraphInstantiateWithFlags", ctypes.byref(self.handle), graph, ctypes.c_uint64(0))

    def __del__(self) -> None:
        if self.handle:
            self._session.release("cuGraphExecDestroy", self.handle)


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
