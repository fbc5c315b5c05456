"""Turns the times of a source into the times of a recording, the same for the video and its keypoint file."""

# Times that go back by less are jitter and stay in their order; by more, the source was rewound or another one began.
REWIND_S = 0.5
# Two frames never share a time: players and the video container need them to rise.
SMALLEST_STEP_S = 0.001
# The step over a rewind while no interval is known.
DEFAULT_STEP_S = 1.0 / 30.0


class Timeline:
    """start_s: the source's time that becomes 0; None takes the first frame's.

    Sinks that record the same frames each have a timeline of their own and get the same times from it.
    """

    def __init__(self, start_s: float | None = None) -> None:
        self._start_s = start_s
        self._last_s: float | None = None
        self.step_s: float | None = None
        """The interval before the latest frame; None before the second one."""

    @property
    def start_s(self) -> float | None:
        """The source's time that is 0 here; None before the first frame where that decides."""
        return self._start_s

    def place(self, media_s: float) -> float:
        """Seconds since the start of the recording, above those of every earlier call. Gaps are kept."""
        if self._start_s is None:
            self._start_s = media_s
        placed_s = max(0.0, media_s - self._start_s)
        if self._last_s is not None:
            if placed_s < self._last_s - REWIND_S:
                self._start_s = media_s - self._last_s - (self.step_s or DEFAULT_STEP_S)
                placed_s = media_s - self._start_s
            placed_s = max(placed_s, self._last_s + SMALLEST_STEP_S)
            self.step_s = placed_s - self._last_s
        self._last_s = placed_s
        return placed_s
