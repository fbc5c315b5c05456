"""Runs a network on a device: per frame one upload of the picture, all launches in one queue, one small download.

The maps stay on the device. They are downloaded when somebody reads them, and not overwritten while somebody might.
"""

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.compiler.gpu.device import Device, Launch, Recording, Session
from engine.compiler.gpu.program import Role, Step
from engine.compiler.gpu.store import GpuNetwork
from engine.compiler.runtime import aligned
from engine.types import Backend, Candidates

MAIN_MEMORY = (1, 0)  # DLPack's device type and number


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """Memory for the maps of one frame, and the launches that use it."""

    coarse: Any
    fine: Any
    network: Recording
    decode: Recording


@dataclass(frozen=True, eq=False)
class _Result:
    """What one run gave. As long as it lives, its frame is not used again."""

    owner: "GpuCompiledNetwork"
    candidates: Candidates


class DeviceMaps:
    """One head's maps on the device, (maps, height, width) float32. NumPy reads them as it reads arrays, by
    `np.from_dlpack` or `np.asarray`; the first time downloads them."""

    def __init__(self, result: _Result, session: Session, buffer: Any, shape: tuple[int, int, int]) -> None:
        self.result, self.shape = result, shape
        self._session, self._buffer = session, buffer
        self._values: NDArray[np.float32] | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if self._values is None:
            values = np.empty(self.shape, np.float32)
            self._session.read(self._buffer, values)
            self._values = values
        return np.array(self._values, dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        return np.asarray(self).__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return MAIN_MEMORY


class GpuCompiledNetwork:
    """See `engine.estimator.Network`. `maps` also does the decode front, so that device and caller wait once a frame.

    target: its name, for `backend`.
    Raises DeviceError where the device fails, there and in every method.
    """

    def __init__(self, network: GpuNetwork, device: Device, target: str = "") -> None:
        self.backend = Backend(device.name, target, network.name)
        self.picture: NDArray[np.uint8] = aligned((network.height, network.width, 3), np.uint8)
        height, width, joints = network.height, network.width, network.joints
        self._coarse_shape = (2 * joints, height // 4, width // 4)
        self._fine_shape = (joints, height // 2, width // 2)
        self._program = network.program
        self._session = device.load(network.code)
        weights = np.frombuffer(network.weights, np.uint8)
        self._buffers: dict[int, Any] = {}
        for number, buffer in enumerate(network.program.buffers):
            if buffer.role not in (Role.COARSE, Role.FINE):
                self._buffers[number] = self._session.allocate(buffer.size)
            if buffer.role is Role.WEIGHTS:
                self._session.write(self._buffers[number], weights[buffer.offset : buffer.offset + buffer.size])
        found = network.program.number_of(Role.CANDIDATES)
        self._picture, self._candidates = self._of(Role.PICTURE), self._buffers[found]
        self._found_shape = (joints, network.program.buffers[found].size // (joints * 16), 4)
        self._free: list[_Frame] = []

    def maps(self) -> tuple[DeviceMaps, DeviceMaps]:
        """Runs everything on `picture`. -> (2J, H / 4, W / 4): heatmaps, then tags; (J, H / 2, W / 2): heatmaps."""
        frame = self._take()
        self._session.write(self._picture, self.picture)
        frame.network()
        return self._finish(frame)

    def candidates(self, maps: tuple[Any, Any]) -> Candidates:
        """The best peaks of each joint. Maps that this network did not just make are uploaded."""
        coarse, fine = maps
        if isinstance(coarse, DeviceMaps) and coarse.result.owner is self:
            return coarse.result.candidates
        frame = self._take()
        arrays = [np.ascontiguousarray(np.from_dlpack(one), np.float32) for one in (coarse, fine)]
        self._session.write(frame.coarse, arrays[0])
        self._session.write(frame.fine, arrays[1])
        frame.decode()
        return self._finish(frame)[0].result.candidates

    def _finish(self, frame: _Frame) -> tuple[DeviceMaps, DeviceMaps]:
        """Waits for the candidates of a run that has been started."""
        found = np.empty(self._found_shape, np.float32)
        self._session.read(self._candidates, found)
        xy, scores, tags = (np.ascontiguousarray(part) for part in (found[..., :2], found[..., 2], found[..., 3]))
        result = _Result(self, Candidates(xy, scores, tags))
        weakref.finalize(result, self._free.append, frame).atexit = False
        return (
            DeviceMaps(result, self._session, frame.coarse, self._coarse_shape),
            DeviceMaps(result, self._session, frame.fine, self._fine_shape),
        )

    def _take(self) -> _Frame:
        """A frame whose maps nobody has any more, or a new one."""
        if self._free:
            return self._free.pop()
        coarse, fine = (self._program.number_of(role) for role in (Role.COARSE, Role.FINE))
        sizes = self._program.buffers[coarse].size, self._program.buffers[fine].size
        buffers = {**self._buffers, coarse: self._session.allocate(sizes[0]), fine: self._session.allocate(sizes[1])}
        launches = [self._launch(step, buffers) for step in self._program.steps]
        return _Frame(
            buffers[coarse],
            buffers[fine],
            self._session.record(launches),
            self._session.record(launches[self._program.maps_steps :]),
        )

    def _launch(self, step: Step, buffers: dict[int, Any]) -> Launch:
        grid = self._program.kernels[step.kernel]
        return Launch(step.kernel, grid, tuple(buffers[number] for number in step.buffers))

    def _of(self, role: Role) -> Any:
        return self._buffers[self._program.number_of(role)]
