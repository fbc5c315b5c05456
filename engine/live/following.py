"""People followed from frame to frame: ids, then smoothed joints, each timed and each off by a switch."""

import time

from engine.smoothing import Smoother
from engine.tracking import Tracker
from engine.types import Poses


class Following:
    """Tracker and smoother of one run. `update` belongs to one thread, `switch` to anyone."""

    def __init__(self, tracking: bool, smoothing: bool) -> None:
        self._wanted = (tracking, smoothing)
        self._tracker = Tracker()
        self._smoother = Smoother()

    def switch(self, tracking: bool, smoothing: bool) -> None:
        self._wanted = (tracking, smoothing)

    def update(
        self, poses: Poses, time_s: float, *, fresh: bool = False, again: bool = False
    ) -> tuple[Poses, dict[str, float]]:
        """-> the poses with ids and smoothed joints as wanted, and milliseconds per stage.

        fresh: the frame does not follow the one before it; people start anew.
        again: the frame has been seen before. It shows what the network says now: a filter would stay where it was.
        """
        tracking, smoothing = self._wanted
        if fresh or not tracking:
            self._tracker.reset()
        if fresh or not (tracking and smoothing):
            self._smoother.reset()
        times: dict[str, float] = {}
        if tracking:
            start = time.perf_counter()
            poses = self._tracker.update(poses, time_s)
            times["tracking"] = (time.perf_counter() - start) * 1e3
        if tracking and smoothing and not again:
            start = time.perf_counter()
            poses = self._smoother.update(poses, time_s)
            times["smoothing"] = (time.perf_counter() - start) * 1e3
        return poses, times
