"""What an endurance run has measured, and what speaks for and against it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Memory is judged from so many minutes on: a short run is still filling caches.
MEMORY_MINUTES = 10
MOST_GROWTH = 0.05


@dataclass(frozen=True)
class Minute:
    """One minute.

    memory_mib:     unique to the process, the least of the minute's last second. used_mib: handed out by malloc, alike; NaN where
                    the C library does not tell.
    threads, files: at the minute's end; open files or handles.
    p50_ms, p95_ms: from the complete picture to its people, over the `timed` frames that the first size found.
    captured, results: frames that the camera gave, and that the network took; the newest frame wins.
    recorded:       frames in the minute's videos. unreadable: files of recordings that could not be read or were left.
    recoveries:     kind of each fault, and seconds from it to the first people found after it.
    late_s:         how much later than planned the minute ended.
    """

    number: int
    memory_mib: float
    used_mib: float
    threads: int
    files: int
    p50_ms: float
    p95_ms: float
    timed: int
    captured: int
    results: int
    recorded: int
    unreadable: int
    recoveries: list[tuple[str, float]]
    late_s: float
    load: float


@dataclass
class Figures:
    """A whole run. problems: warnings of the session, with how often they came."""

    size: str
    other_size: str
    fps: float
    processor: str
    processors: int
    system: str
    load_before: float
    minutes: list[Minute] = field(default_factory=list)
    children_after: int = 0
    python_threads_after: list[str] = field(default_factory=list)
    problems: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Figures":
        minutes = [
            Minute(**{**row, "recoveries": [(kind, seconds) for kind, seconds in row["recoveries"]]})
            for row in content["minutes"]
        ]
        return cls(**{**content, "minutes": minutes})

    def part(self, name: str, begin: float, end: float) -> np.ndarray:
        """One figure of the minutes from a fraction of the run to another one; at least one minute."""
        count = len(self.minutes)
        first = min(int(begin * count), count - 1)
        rows = self.minutes[first : max(int(np.ceil(end * count)), first + 1)]
        return np.array([getattr(row, name) for row in rows], float)

    def tells_use(self) -> bool:
        """Whether malloc told what it had handed out."""
        return not np.isnan(self.part("used_mib", 0.0, 1.0)).any()

    def recoveries(self) -> dict[str, list[float]]:
        """Seconds by kind of fault."""
        found: dict[str, list[float]] = {}
        for row in self.minutes:
            for kind, seconds in row.recoveries:
                found.setdefault(kind, []).append(seconds)
        return dict(sorted(found.items()))

    def slope(self, name: str) -> float:
        """Of a figure, per hour, over the second half: the median of the slopes between all pairs of minutes (Theil and Sen)."""
        values = self.part(name, 0.5, 1.0)
        count = len(values)
        pairs = [(values[j] - values[i]) / (j - i) * 60 for i in range(count) for j in range(i + 1, count)]
        return float(np.median(pairs)) if pairs else float("nan")


@dataclass(frozen=True)
class Sign:
    good: bool
    text: str


def signs(figures: Figures) -> list[Sign]:
    """What was looked for, one sentence each."""
    first, last = figures.minutes[0], figures.minutes[-1]
    judged = len(figures.minutes) >= MEMORY_MINUTES
    faults = sum(len(row.recoveries) for row in figures.minutes)
    unreadable = sum(row.unreadable for row in figures.minutes)
    longest = max((seconds for row in figures.minutes for _, seconds in row.recoveries), default=0.0)
    found = [
        _growth(figures, "memory_mib", "memory", judged),
        *([_growth(figures, "used_mib", "of it handed out by malloc", judged)] if figures.tells_use() else []),
        Sign(last.threads <= first.threads, f"threads {first.threads} → {last.threads}"),
        Sign(last.files <= first.files, f"open files {first.files} → {last.files}"),
        Sign(figures.children_after == 0, f"child processes at the end: {figures.children_after}"),
        Sign(True, f"{faults} faults overcome, the slowest in {longest:.2f} s"),
        Sign(
            unreadable == 0,
            f"{sum(row.recorded for row in figures.minutes)} frames recorded, files that cannot be read: {unreadable}",
        ),
        Sign(True, f"latency p50 {_drift(figures, 'p50_ms')}, p95 {_drift(figures, 'p95_ms')} (told, not judged)"),
    ]
    found += [Sign(False, f"{count} × {problem}") for problem, count in sorted(figures.problems.items())]
    return found


def _growth(figures: Figures, name: str, title: str, judged: bool) -> Sign:
    early, late = (float(np.median(figures.part(name, *part))) for part in ((0.0, 1 / 3), (2 / 3, 1.0)))
    growth = late / early - 1
    slope = f"{figures.slope(name):+.1f} MiB an hour over the second half"
    return Sign(
        not judged or growth <= MOST_GROWTH,
        f"{title} {early:.1f} → {late:.1f} MiB ({growth:+.1%}) from the first third to the last, "
        + (slope if judged else f"not judged below {MEMORY_MINUTES} minutes"),
    )


def _drift(figures: Figures, name: str) -> str:
    early, late = (np.median(figures.part(name, *part)) for part in ((0.0, 1 / 3), (2 / 3, 1.0)))
    return f"{early:.1f} → {late:.1f} ms from the first third to the last"
