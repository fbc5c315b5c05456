"""People followed from frame to frame: ids, then smoothed joints, each timed and each off by a switch."""

from engine.types import Poses


class Following:
    """Tracker and smoother of one run. `update` belongs to one thread, `switch` to anyone."""

    def __init__(self, tracking: bool, smoothing: bool) -> None:
        self.switch(tracking, smoothing)

    def switch(self, tracking: bool, smoothing: bool) -> None:
        self._wanted = (tracking, smoothing)

    def update(self, poses: Poses, time_s: float, *, fresh: bool) -> tuple[Poses, dict[str, float]]:
        """-> the poses with ids and smoothed joints as wanted, and milliseconds per stage.

        fresh: the frame does not follow the one before it; people start anew.
        """
        return poses, {}
