"""OpenCL devices through pyopencl, whose wheels bring all that a program needs beside the vendor's driver."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from engine.compiler.gpu import presets
from engine.compiler.gpu.device import DeviceError, Launch, Recording
from engine.compiler.gpu.presets import GpuTarget

PRESETS = {"arm": "mali-opencl", "qualcomm": "adreno-opencl"}  # by a word in the vendor's name
OPTIONS = ["-cl-mad-enable"]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A device that the system lists. handle: pyopencl's."""

    name: str
    is_gpu: bool
    handle: Any


def find() -> list[Found]:
    """Every OpenCL device, GPUs first, those with memory of their own before those without.

    Raises DeviceError where there is none, or no pyopencl.
    """
    cl = _pyopencl()
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        raise DeviceError(f"No OpenCL driver was found ({error}). Install that of the GPU's vendor.") from error
    devices = []
    for platform in platforms:
        try:
            devices += platform.get_devices()
        except cl.Error as error:
            log.info("OpenCL platform “%s” lists no device: %s", platform.name, error)
    if not devices:
        raise DeviceError("OpenCL is installed, but it lists no device. Install the driver of the GPU's vendor.")
    found = [Found(device.name.strip(), bool(device.type & cl.device_type.GPU), device) for device in devices]
    return sorted(found, key=lambda one: (not one.is_gpu, bool(one.handle.host_unified_memory)))


class OpenClDevice:
    """See `device.Device`."""

    def __init__(self, found: Found) -> None:
        cl = _pyopencl()
        self.name = found.name
        self._device = found.handle
        with _faults(self.name):
            self._context = cl.Context([found.handle])

    def target(self, name: str | None) -> GpuTarget:
        cl = _pyopencl()
        vendor = f"{self._device.vendor} {self._device.name}".lower()
        fitting = next((preset for word, preset in PRESETS.items() if word in vendor.split()), "generic-opencl")
        own = self._device.local_mem_type == cl.device_local_mem_type.LOCAL
        # Whoever names a target wants what it says, as far as the device can.
        local_memory = self._device.local_mem_size if own or name else 0
        return presets.load(name or fitting).within(self._device.max_work_group_size, local_memory)

    def load(self, code: bytes) -> "OpenClSession":
        cl = _pyopencl()
        with _faults(self.name), warnings.catch_warnings():
            # Drivers are talkative; what matters raises.
            warnings.simplefilter("ignore", cl.CompilerWarning)
            program = cl.Program(self._context, code.decode())
            try:
                program.build(OPTIONS)
            except cl.RuntimeError as error:
                raise DeviceError(
                    f"The driver of the OpenCL device “{self.name}” does not take the kernels: {_complaint(error)}."
                ) from error
        return OpenClSession(self.name, self._context, program)


class OpenClSession:
    """See `device.Session`."""

    def __init__(self, name: str, context: Any, program: Any) -> None:
        self._cl = _pyopencl()
        self._name, self._context, self._program = name, context, program
        self._sent: list[NDArray[Any]] = []  # what the device may not have read yet
        with _faults(name):
            self._queue = self._cl.CommandQueue(context)

    def __del__(self) -> None:
        if self._sent and not sys.is_finalizing():
            with contextlib.suppress(DeviceError), _faults(self._name):
                self._queue.finish()

    def allocate(self, size: int) -> Any:
        with _faults(self._name):
            return self._cl.Buffer(self._context, self._cl.mem_flags.READ_WRITE, size)

    def write(self, buffer: Any, values: NDArray[Any]) -> None:
        with _faults(self._name):
            self._sent.append(values)
            self._cl.enqueue_copy(self._queue, buffer, values, is_blocking=False)

    def read(self, buffer: Any, values: NDArray[Any]) -> None:
        with _faults(self._name):
            self._cl.enqueue_copy(self._queue, values, buffer, is_blocking=True)
        self._sent.clear()

    def record(self, launches: Sequence[Launch]) -> Recording:
        with _faults(self._name):
            calls = [self._prepared(launch) for launch in launches]
        start, queue = self._cl.enqueue_nd_range_kernel, self._queue

        def run() -> None:
            with _faults(self._name):
                for kernel, items, group in calls:
                    start(queue, kernel, items, group)

        return run

    def _prepared(self, launch: Launch) -> tuple[Any, tuple[int, ...], tuple[int, ...]]:
        """A kernel of its own for each launch, so that its arguments are set once."""
        kernel = self._cl.Kernel(self._program, launch.kernel)
        kernel.set_args(*launch.buffers)
        grid = launch.grid
        return kernel, tuple(count * size for count, size in zip(grid.groups, grid.items)), grid.items


def _pyopencl() -> Any:
    try:
        import pyopencl
    except ImportError as error:
        raise DeviceError(
            "Running on OpenCL needs the Python package pyopencl. Install it with: pip install pyopencl==2026.1.4"
        ) from error
    return pyopencl


@contextlib.contextmanager
def _faults(name: str) -> Iterator[None]:
    """Turns pyopencl's errors into one that names the device."""
    cl = _pyopencl()
    try:
        yield
    except cl.MemoryError as error:
        raise DeviceError(f"The OpenCL device “{name}” has too little memory: {_first_line(error)}.") from error
    except cl.Error as error:
        raise DeviceError(f"The OpenCL device “{name}” failed: {_first_line(error)}.") from error


def _complaint(error: Exception) -> str:
    """The line of a build's log that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if "error:" in line), lines[0] if lines else "no reason given")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
