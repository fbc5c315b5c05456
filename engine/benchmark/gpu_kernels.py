"""A table of a network's GPU kernels, slowest first: `python -m engine.benchmark.gpu_kernels DEVICE SIZE…`.

Each kernel is started many times in a row between two waits, so that the waits hardly count. Its neighbours' data is not in
the caches then, so the sum is not a frame's time; that is printed beside it.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.compiler.gpu import devices, store
from engine.compiler.gpu.device import Device, Launch, Recording
from engine.compiler.gpu.program import Role, Step
from engine.compiler.gpu.store import GpuNetwork
from engine.errors import UsageError
from models import checkpoints
from models.errors import LitePoseError

REPEATS = 50
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class KernelTime:
    """kernel: by name. launches: of one frame. us: microseconds of one launch. items: work items of one launch."""

    kernel: str
    launches: int
    us: float
    items: int

    @property
    def total_us(self) -> float:
        return self.launches * self.us


class KernelClock:
    """A network on a device, whose launches can be timed together and one by one. The picture is noise."""

    def __init__(self, network: GpuNetwork, device: Device) -> None:
        self._program, self._session = network.program, device.load(network.code)
        self._buffers: list[Any] = []
        weights = np.frombuffer(network.weights, np.uint8)
        noise = np.random.default_rng(0).integers(0, 256, network.height * network.width * 3, np.uint8)
        for buffer in network.program.buffers:
            self._buffers.append(self._session.allocate(buffer.size))
            if buffer.role is Role.WEIGHTS:
                self._session.write(self._buffers[-1], weights[buffer.offset : buffer.offset + buffer.size])
            elif buffer.role is Role.PICTURE:
                self._session.write(self._buffers[-1], noise)
        found = network.program.number_of(Role.CANDIDATES)
        self._candidates = self._buffers[found]
        self._found = np.empty(network.program.buffers[found].size // 4, np.float32)
        self._frame = self._session.record([self._launch(step) for step in network.program.steps])

    def frame_us(self) -> float:
        """Microseconds of all launches of a frame and the download of the candidates: the median."""
        self._time(self._frame)
        return float(np.median([self._time(self._frame) for _ in range(ROUNDS * 4)]))

    def kernels(self) -> list[KernelTime]:
        """Slowest first, by what all launches of a kernel in a frame cost together; the best of a few rounds."""
        times = []
        for name, grid in self._program.kernels.items():
            steps = [step for step in self._program.steps if step.kernel == name]
            repeated = self._session.record([self._launch(steps[0])] * REPEATS)
            # A whole frame first: kernels that find places in maps must read those of a real one.
            self._time(self._frame)
            us = min(self._time(repeated) for _ in range(ROUNDS)) / REPEATS
            items = int(np.prod(grid.groups) * np.prod(grid.items))
            times.append(KernelTime(name, len(steps), us, items))
        return sorted(times, key=lambda one: -one.total_us)

    def _launch(self, step: Step) -> Launch:
        buffers = tuple(self._buffers[number] for number in step.buffers)
        return Launch(step.kernel, self._program.kernels[step.kernel], buffers)

    def _time(self, recording: Recording) -> float:
        start = time.perf_counter()
        recording()
        self._session.read(self._candidates, self._found)
        return (time.perf_counter() - start) * 1e6


def table(clock: KernelClock) -> list[str]:
    """Lines of text."""
    times = clock.kernels()
    total = sum(one.total_us for one in times)
    lines = [f"{'kernel':<16}{'launches':>9}{'one':>12}{'together':>12}{'share':>8}{'work items':>12}"]
    lines += [
        f"{one.kernel:<16}{one.launches:>9}{one.us:>9.1f} µs{one.total_us:>9.1f} µs{one.total_us / total:>8.1%}{one.items:>12}"
        for one in times
    ]
    return [*lines, f"together {total / 1e3:.3f} ms; a frame {clock.frame_us() / 1e3:.3f} ms"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m engine.benchmark.gpu_kernels", description=__doc__)
    parser.add_argument("device", help="opencl or cuda")
    parser.add_argument("size", nargs="+", help="xs, s, m, l")
    parser.add_argument("--target", help="a GPU preset (default: the one that fits the device)")
    args = parser.parse_args(arguments)
    try:
        choice = devices.choose(args.device, args.target)
        if choice is None:
            raise UsageError("There is no GPU to measure.")
        for size in args.size:
            checkpoint = checkpoints.load_or_make_up(size)
            side = checkpoint.architecture.resolution
            stored = store.obtain(checkpoint, side, side, choice.target)
            print(f"{stored.name} on {choice.device.name}")
            print("\n".join(table(KernelClock(stored, choice.device))))
    except LitePoseError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
