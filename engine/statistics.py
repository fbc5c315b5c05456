"""What a live session measures about itself, and how it reads as text."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

WINDOW_S = 5.0
# At most this many values are kept of one thing: 5 s at 200 per second.
MOST_VALUES = 1000


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Median and 95th percentile of `count` values, in milliseconds."""

    p50: float
    p95: float
    count: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """A session's figures over the last seconds; counts are since its start.

    stages:            milliseconds per frame of each stage, in their order: "wait" (in the mailbox), "resize", "network", …
    capture_to_result: milliseconds from a complete picture to its people. None before the first.
    capture_to_paint:  milliseconds from a complete picture to its place on the screen. None where nobody paints.
    capture_fps, inference_fps, paint_fps, recording_fps: frames per second.
    captured, inferred, recorded: frames.
    dropped:           frames that a newer one replaced before the network was free.
    recorder_dropped:  frames that a recording lost because the encoder could not keep up.
    damaged:           frames that a source gave and that were no pictures.
    reconnects:        how often a lost source came back.
    people:            in the newest result.
    """

    stages: Mapping[str, Quantiles] = field(default_factory=dict)
    capture_to_result: Quantiles | None = None
    capture_to_paint: Quantiles | None = None
    capture_fps: float = 0.0
    inference_fps: float = 0.0
    paint_fps: float = 0.0
    recording_fps: float = 0.0
    captured: int = 0
    inferred: int = 0
    recorded: int = 0
    dropped: int = 0
    recorder_dropped: int = 0
    damaged: int = 0
    reconnects: int = 0
    people: int = 0


def statistics_lines(statistics: Statistics) -> list[str]:
    """The figures as short lines for a status line, an overlay or a log; what was not measured has no line."""
    s = statistics
    rates = [f"{s.inference_fps:.1f} FPS", f"camera {s.capture_fps:.1f}"]
    if s.paint_fps:
        rates.append(f"screen {s.paint_fps:.1f}")
    if s.recording_fps:
        rates.append(f"recording {s.recording_fps:.1f}")
    lines = [", ".join(rates), "1 person" if s.people == 1 else f"{s.people} people"]
    for name, quantiles in (("result", s.capture_to_result), ("screen", s.capture_to_paint)):
        if quantiles:
            lines.append(f"camera to {name} {quantiles.p50:.0f} ms, p95 {quantiles.p95:.0f} ms")
    if s.stages:
        lines.append(", ".join(f"{name} {stage.p50:.1f}" for name, stage in s.stages.items()) + " ms")
    lost = {"dropped": s.dropped, "lost by the recording": s.recorder_dropped, "damaged": s.damaged}
    if any(lost.values()):
        lines.append(", ".join(f"{count} {name}" for name, count in lost.items() if count))
    if s.reconnects:
        lines.append(f"reconnected {'once' if s.reconnects == 1 else f'{s.reconnects} times'}")
    return lines


class Series:
    """Values of the last WINDOW_S seconds with their times."""

    def __init__(self) -> None:
        self._values: deque[tuple[int, float]] = deque(maxlen=MOST_VALUES)

    def add(self, now_ns: int, value: float = 0.0) -> None:
        self._values.append((now_ns, value))

    def quantiles(self, now_ns: int) -> Quantiles | None:
        values = [value for _, value in self._recent(now_ns)]
        if not values:
            return None
        p50, p95 = np.percentile(values, (50, 95))
        return Quantiles(float(p50), float(p95), len(values))

    def rate(self, now_ns: int) -> float:
        """Values per second: of the window, or of the time since the first value where that is shorter."""
        recent = self._recent(now_ns)
        if len(recent) < 2:
            return 0.0
        # The time since the last value counts only where it is longer than usual: a source that stopped slows down.
        span_s = (recent[-1][0] - recent[0][0]) / 1e9
        mean_s = span_s / (len(recent) - 1)
        idle_s = (now_ns - recent[-1][0]) / 1e9
        return (len(recent) - 1) / max(span_s + max(0.0, idle_s - mean_s), 1e-9)

    def _recent(self, now_ns: int) -> list[tuple[int, float]]:
        earliest = now_ns - int(WINDOW_S * 1e9)
        while self._values and self._values[0][0] < earliest:
            self._values.popleft()
        return list(self._values)


class StatisticsCollector:
    """Takes the figures of all threads of a session. Safe to use from several threads; nobody waits long for another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stages: dict[str, Series] = {}
        self._capture, self._result, self._paint, self._recording = Series(), Series(), Series(), Series()
        self._captured = self._inferred = self._damaged = self._reconnects = self._people = 0

    def captured(self, now_ns: int | None = None) -> None:
        with self._lock:
            self._captured += 1
            self._capture.add(now_ns or time.monotonic_ns())

    def damaged(self) -> None:
        with self._lock:
            self._damaged += 1

    def reconnected(self) -> None:
        with self._lock:
            self._reconnects += 1

    def inferred(self, stages: Mapping[str, float], latency_ms: float, people: int, now_ns: int | None = None) -> None:
        """One frame has its result. stages: milliseconds by name. latency_ms: since its picture was complete."""
        now_ns = now_ns or time.monotonic_ns()
        with self._lock:
            self._inferred += 1
            self._people = people
            self._result.add(now_ns, latency_ms)
            for name, ms in stages.items():
                self._stages.setdefault(name, Series()).add(now_ns, ms)

    def painted(self, latency_ms: float, now_ns: int | None = None) -> None:
        with self._lock:
            self._paint.add(now_ns or time.monotonic_ns(), latency_ms)

    def recorded(self, now_ns: int | None = None) -> None:
        with self._lock:
            self._recording.add(now_ns or time.monotonic_ns())

    def recording_stopped(self) -> None:
        """Its rate belongs to the past at once."""
        with self._lock:
            self._recording = Series()

    def figures(
        self, *, dropped: int = 0, recorded: int = 0, recorder_dropped: int = 0, now_ns: int | None = None
    ) -> Statistics:
        """The figures now; those that others count are passed on."""
        now_ns = now_ns or time.monotonic_ns()
        with self._lock:
            stages = {name: series.quantiles(now_ns) for name, series in self._stages.items()}
            return Statistics(
                stages={name: quantiles for name, quantiles in stages.items() if quantiles},
                capture_to_result=self._result.quantiles(now_ns),
                capture_to_paint=self._paint.quantiles(now_ns),
                capture_fps=self._capture.rate(now_ns),
                inference_fps=self._result.rate(now_ns),
                paint_fps=self._paint.rate(now_ns),
                recording_fps=self._recording.rate(now_ns),
                captured=self._captured,
                inferred=self._inferred,
                recorded=recorded,
                dropped=dropped,
                recorder_dropped=recorder_dropped,
                damaged=self._damaged,
                reconnects=self._reconnects,
                people=self._people,
            )
