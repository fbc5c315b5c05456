"""What a network needs of a device, whoever's driver is behind it, and what goes wrong there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from engine.compiler.gpu.presets import GpuTarget
from engine.compiler.gpu.program import Grid
from engine.errors import CompilerError

Recording = Callable[[], None]  # starts the same launches again; does not wait for their end


class DeviceError(CompilerError):
    """A device cannot be used, or has stopped working."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A kernel by name, how many items run it, and its buffers as `Session.allocate` gave them."""

    kernel: str
    grid: Grid
    buffers: tuple[Any, ...]


class Session(Protocol):
    """The kernels of one network on one device, with a queue that keeps the order of everything put into it.

    Every method raises DeviceError where the device fails.
    """

    def allocate(self, size: int) -> Any:
        """`size` bytes of the device's memory, freed with the last reference to what is returned."""

    def write(self, buffer: Any, values: NDArray[Any]) -> None:
        """`values`, contiguous, must stay as they are until the next `read` is back."""

    def read(self, buffer: Any, values: NDArray[Any]) -> None:
        """Fills `values`, after everything before it is done."""

    def record(self, launches: Sequence[Launch]) -> Recording: ...


class Device(Protocol):
    """A device that is ready. name: for the user."""

    name: str

    def target(self, name: str | None) -> GpuTarget:
        """The preset of that name, or the one that fits best, within the device's limits."""

    def load(self, code: bytes) -> Session:
        """Code of one network, for that target. Raises DeviceError where the driver does not take it."""
