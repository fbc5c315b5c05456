"""What the loop gives, and the time that it is filed under."""

from dataclasses import dataclass

from engine.estimator import Estimate
from engine.types import Frame, Poses, StageTimes

# Between two frames of a file when nothing says how far apart they are.
USUAL_GAP_S = 1 / 30
SHORTEST_GAP_S = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """Frames that follow one another: a new one begins with opening and with seeking.

    source: what the user asked for; the same after a lost camera has come back.
    """

    source: str


@dataclass(frozen=True, slots=True)
class Captured:
    """A frame on its way to the network.

    passage: the same object for all frames that follow one another.
    live:    the frame comes from a live source.
    again:   the frame had a result before, and gets another one because the network or a threshold changed.
    """

    frame: Frame
    passage: Passage
    live: bool
    again: bool = False


@dataclass(frozen=True, slots=True)
class LiveResult:
    """The people of one frame.

    index:      counts results from 0.
    frame:      as the source gave it.
    poses:      tracked and smoothed as asked, in the frame's pixels.
    estimate:   what the network gave: its poses as they were, maps and placement for a heat-map view.
    time_s:     the session's own time of the frame: like `frame.media_s`, but it never goes back, whatever is opened or
                sought; recordings and keypoint files use it.
    times:      milliseconds per stage: "wait" (in the mailbox), those of the estimator, "tracking", "smoothing".
    latency_ms: from the complete picture to this result.
    again:      the frame had a result before, from another size or with other thresholds.
    """

    index: int
    frame: Frame
    poses: Poses
    estimate: Estimate
    time_s: float
    times: StageTimes
    latency_ms: float
    again: bool = False


class Timeline:
    """Gives frames of changing sources one time that only goes forward."""

    def __init__(self) -> None:
        self._passage: Passage | None = None
        self._offset_s = 0.0
        self._time_s = 0.0
        self._last: Frame | None = None
        self._gap_s = USUAL_GAP_S

    def place(self, captured: Captured) -> tuple[float, bool]:
        """-> the session's time of a frame in seconds, and whether it shows the same scene as the frame before it.

        The first frame of a file keeps the file's time. A live source that comes back has lost the time in between, but
        people may still be where they were; a file that is sought has lost no time, and shows something else.
        """
        frame, last = captured.frame, self._last
        self._last = frame
        if last is None:
            self._offset_s = -frame.media_s if captured.live else 0.0
            self._time_s = frame.media_s + self._offset_s
            self._passage = captured.passage
            return self._time_s, False
        step_s = frame.media_s - last.media_s
        if captured.passage is self._passage and step_s > 0:
            self._gap_s = step_s
            # Rounding must not make two frames equal.
            self._time_s = max(frame.media_s + self._offset_s, self._time_s + SHORTEST_GAP_S)
            return self._time_s, True
        same_scene = captured.live and self._passage is not None and captured.passage.source == self._passage.source
        gap_s = (frame.captured_ns - last.captured_ns) / 1e9 if captured.live else self._gap_s
        self._time_s += max(gap_s, SHORTEST_GAP_S)
        self._offset_s = self._time_s - frame.media_s
        self._passage = captured.passage
        return self._time_s, same_scene
