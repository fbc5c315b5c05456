"""A camera that fails on purpose, again and again, and a session that must survive it.

    python -m tests.soak.faults [--faults 100] [--size xs] [--seed 0]

The source shows the bundled clip and breaks in one of eight ways after every few frames. A fault has recovered when
people are found in a frame that was captured after it. Prints how long each kind took, and threads and open files before
and after; returns 1 if a fault did not recover or something was left behind.
"""

import argparse
import gc
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import psutil
from numpy.typing import NDArray

from engine.errors import SourceError
from engine.live import EventKind, LiveOptions, LiveSession, SessionState
from engine.sources import Source, SourceSettings, open_source
from engine.types import Frame

FPS = 60.0
FRAMES_BETWEEN = 8
STALL_S = 0.4
PATIENCE_S = 20.0
KINDS = ("stall", "deaf stall", "disconnect", "end", "resolution", "no pixels", "noise", "throw", "malformed frame")


class FaultyCamera(Source):
    """Gives `pictures` at `fps`. `plan` is shared by all openings: a kind of fault is taken from it every few frames."""

    live = True

    def __init__(
        self, pictures: list[NDArray[np.uint8]], plan: "Plan", settings: SourceSettings, fps: float = FPS
    ) -> None:
        super().__init__("faulty camera", settings)
        self._pictures, self._plan, self._fps = pictures, plan, fps
        self._open = False
        self._frames = 0

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        self._interrupted.clear()
        self._open, self._frames = True, 0

    def read(self) -> Frame | None:
        if not self._open or self._interrupted.wait(1 / self._fps):
            return None
        self._frames += 1
        kind = self._plan.due(self._frames)
        if kind is not None:
            frame = self._break(kind)
            if frame is None or kind in ("resolution", "no pixels", "noise"):
                return frame
        return self._frame(self._pictures[self._frames % len(self._pictures)])

    def close(self) -> None:
        self._open = False

    def _frame(self, image: NDArray[np.uint8]) -> Frame:
        return Frame(image, self._frames, time.monotonic_ns(), self._frames / self._fps, self.name)

    def _break(self, kind: str) -> Frame | None:
        picture = self._pictures[0]
        match kind:
            case "stall":
                self._interrupted.wait(1000)
                return None
            case "deaf stall":
                time.sleep(3 * STALL_S)  # a driver that cannot be interrupted
                return None
            case "disconnect":
                raise SourceError("The camera was unplugged.")
            case "end":
                return None
            case "resolution":
                self._pictures = [np.ascontiguousarray(image[::2, ::2]) for image in self._pictures[:20]]
                if self._pictures[0].shape[0] < 90:
                    self._pictures = self._plan.pictures
                return self._frame(self._pictures[0])
            case "no pixels":
                return self._frame(picture[:0])
            case "noise":
                return self._frame(np.random.default_rng(0).integers(0, 256, picture.shape, np.uint8))
            case "throw":
                raise RuntimeError("a driver's own mistake")
            case _:
                return self._frame(picture[..., 0])


class Plan:
    """Which fault comes next, and when the last one came."""

    def __init__(self, faults: Iterable[str], pictures: list[NDArray[np.uint8]]) -> None:
        self.pictures = pictures
        self._faults: Iterator[str] = iter(faults)
        self._ready = threading.Event()
        self.kind: str | None = None
        self.at_ns = 0

    def allow(self) -> None:
        """The last fault is overcome: the next one may come."""
        self._ready.set()

    def due(self, frames: int) -> str | None:
        if frames < FRAMES_BETWEEN or not self._ready.is_set():
            return None
        self._ready.clear()
        kind = next(self._faults, None)
        if kind is not None:
            self.kind, self.at_ns = kind, time.monotonic_ns()
        return kind


def left_behind(process: psutil.Process) -> tuple[int, int]:
    """Threads of the system and open files or handles of this process."""
    gc.collect()
    handles = process.num_handles() if hasattr(process, "num_handles") else process.num_fds()
    return process.num_threads(), handles


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--size", default="xs")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    faults = [KINDS[number % len(KINDS)] for number in range(args.faults)]
    random.Random(args.seed).shuffle(faults)
    with open_source("demo", SourceSettings(loop=False)) as clip:
        pictures = [frame.image for frame, _ in zip(clip, range(40))]

    process = psutil.Process()
    # The first run makes what is kept for all later ones: the network's thread and its helpers.
    survive([], pictures, args.size)
    before = left_behind(process)
    times, reconnects = survive(faults, pictures, args.size)
    deadline = time.monotonic() + 5
    while left_behind(process) > before and time.monotonic() < deadline:
        time.sleep(0.1)
    after = left_behind(process)

    recovered = sum(map(len, times.values()))
    print(f"{len(faults)} faults, {recovered} recoveries, {reconnects} reconnections")
    for kind in KINDS:
        if times[kind]:
            print(
                f"  {kind:<16}{len(times[kind]):>4} × {np.median(times[kind]):6.2f} s median{max(times[kind]):7.2f} s longest"
            )
    print(f"threads {before[0]} → {after[0]}, open files {before[1]} → {after[1]}")
    names = sorted(thread.name for thread in threading.enumerate())
    print(f"Python's threads: {', '.join(names)}")
    return 0 if recovered == len(faults) and after[0] <= before[0] and after[1] <= before[1] else 1


def survive(faults: list[str], pictures: list[NDArray[np.uint8]], size: str) -> tuple[dict[str, list[float]], int]:
    """-> seconds from each fault to the first result of a later frame, by kind, and the number of reconnections."""
    plan = Plan(faults, pictures)
    times: dict[str, list[float]] = defaultdict(list)
    problems: list[str] = []
    session = LiveSession(
        LiveOptions("camera", SourceSettings(), size=size, stall_s=STALL_S),
        lambda event: problems.append(event.text) if event.kind in (EventKind.FAILURE, EventKind.WARNING) else None,
        source_factory=lambda text, settings: FaultyCamera(pictures, plan, settings),
    )
    with session:
        wait_for(lambda: session.state is SessionState.RUNNING, problems)
        for _ in faults:
            plan.kind = None
            plan.allow()
            wait_for(lambda: plan.kind is not None, problems)
            wait_for(lambda: recovered(session, plan), problems)
            times[str(plan.kind)].append((time.monotonic_ns() - plan.at_ns) / 1e9)
        reconnects = session.statistics().reconnects
    if problems:
        print("\n".join(problems))
    return times, reconnects


def recovered(session: LiveSession, plan: Plan) -> bool:
    """A frame that came well after the fault has its result, and the session says that all is well."""
    latest = session.latest()
    running = session.state is SessionState.RUNNING
    return running and latest is not None and latest.frame.captured_ns > plan.at_ns + 1.5e9 / FPS


def wait_for(condition, problems: list[str]) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"no recovery within {PATIENCE_S:.0f} s. {' '.join(problems)}")
        time.sleep(0.005)


if __name__ == "__main__":
    raise SystemExit(main())
