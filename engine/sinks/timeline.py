"""Turns the times of a source into the times of a recording, which only go forward."""

# Times that go back by less are a clock's jitter and stay in their order; by more, the source was rewound or another one
# began.
JITTER_S = 0.05
# Two frames never share a time: players and the video container need them to rise.
SMALLEST_STEP_S = 0.001
# The step over a rewind while no interval is known.
DEFAULT_STEP_S = 1.0 / 30.0


class Timeline:
    """The first frame's time is 0. Gaps are kept; after a rewind the recording goes on one interval later."""

    def __init__(self) -> None:
        self._start_s: float | None = None
        self._last_s = 0.0
        self._step_s = DEFAULT_STEP_S

    def place(self, media_s: float) -> float:
        """Seconds since the start of the recording, above those of every earlier call."""
        if self._start_s is None:
            self._start_s = media_s
            return 0.0
        step_s = media_s - self._start_s - self._last_s
        if step_s >= SMALLEST_STEP_S:
            self._step_s = step_s
        elif step_s > -JITTER_S:
            step_s = SMALLEST_STEP_S
        else:
            step_s = self._step_s
            self._start_s = media_s - self._last_s - step_s
        self._last_s += step_s
        return self._last_s
