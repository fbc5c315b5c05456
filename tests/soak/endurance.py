"""A live session for an hour: recordings in turns, size switches and source faults, and what that does to the process.

    python -m tests.soak.endurance [--minutes 60] [--json FILE] [--plot FILE] [--report FILE] [--seed 0]
    python -m tests.soak.endurance --read FILE [--plot FILE] [--report FILE]

A camera of 30 frames a second shows the bundled clip. Every minute is the same: a recording from its 3rd to its 52nd second,
annotated in one minute, annotated and raw in the next; a fault of the source at 10, 30 and 45 seconds; another size of network
from 20 to 38 seconds. At each minute's end, with all of it over, one line is printed: memory that this process alone holds and that malloc has handed out,
threads, open files, and the latency from picture to people of all frames of the minute that the first size found, those
after faults and beside recordings included. --json is written anew each minute; --read makes plot and page of it later.

Returns 1 where threads, open files, child processes or memory were left behind, a fault was not overcome, or a recording
cannot be read. Latency is told and not judged: it depends on what else the machine does.

The second size has made-up weights: what it finds means nothing, what it costs is real.
"""

import argparse
import gc
import itertools
import json
import os
import platform
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import av
import numpy as np
import psutil

from engine.compiler import host
from engine.live import Event, EventKind, LiveOptions, LiveSession, RecordingOptions, SessionState
from engine.sources import SourceSettings, open_source
from tests.soak.changes import make_weights
from tests.soak.endurance_figures import Figures, Minute, signs
from tests.soak.endurance_report import save_page, save_plot
from tests.soak.faults import KINDS, FaultyCamera, Plan, left_behind
from tests.soak.memory import own_mib, used_mib

FPS = 30.0
STALL_S = 1.0
PATIENCE_S = 120.0
POLL_S = 0.008
SETTLE_S = 3.0
LEAVE_S = 10.0
CLIP_FRAMES = 60
MINUTE_S = 60.0
SAMPLES = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--size", default="xs")
    parser.add_argument("--other-size", default="s", help="gets made-up weights (default: s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="the figures as a picture")
    parser.add_argument("--report", type=Path, metavar="FILE", help="the figures as a page of Markdown")
    parser.add_argument("--read", type=Path, metavar="FILE", help="no run: the figures of this --json")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.read:
        figures = Figures.from_json(json.loads(args.read.read_text(encoding="utf-8")))
    else:
        with tempfile.TemporaryDirectory() as name:
            run = Endurance(Path(name), args.size, args.other_size, random.Random(args.seed), args.json)
            figures = run.go(args.minutes)
    if args.plot:
        save_plot(figures, args.plot)
    if args.report:
        save_page(figures, args.report, args.plot)
    found = signs(figures)
    for sign in found:
        print(f"{'ok  ' if sign.good else 'BAD '}{sign.text}")
    return 0 if all(sign.good for sign in found) else 1


class Endurance:
    """The session, its camera, and what is done to them minute by minute."""

    def __init__(self, folder: Path, size: str, other: str, choose: random.Random, json_path: Path | None) -> None:
        self.folder, self.size, self.json_path = folder, size, json_path
        self.other = make_weights(folder, other)
        self.videos = folder / "videos"
        self.videos.mkdir()
        with open_source("demo", SourceSettings(loop=False)) as clip:
            pictures = [frame.image for frame, _ in zip(clip, range(CLIP_FRAMES))]
        kinds = list(KINDS)
        choose.shuffle(kinds)
        self.plan = Plan(itertools.cycle(kinds), pictures)
        self.session = LiveSession(
            LiveOptions("camera", SourceSettings(), size, stall_s=STALL_S),
            self.hear,
            source_factory=lambda text, settings: FaultyCamera(pictures, self.plan, settings, FPS),
        )
        self.process = psutil.Process()
        self.problems: Counter[str] = Counter()
        self.finished: list[Path] = []
        self.latencies: list[float] = []
        self.seen = -1
        self.figures = Figures(
            size=size,
            other_size=other,
            fps=FPS,
            processor=host.detect().model or platform.processor() or platform.machine(),
            processors=os.cpu_count() or 1,
            system=f"{platform.system()}, Python {platform.python_version()}",
            load_before=load(),
        )

    def hear(self, event: Event) -> None:
        if event.kind in (EventKind.WARNING, EventKind.FAILURE):
            self.problems[event.text] += 1
        if event.kind is EventKind.RECORDING and not self.session.recording:
            self.finished += event.paths

    def go(self, minutes: int) -> Figures:
        self.session.start()
        self.wait_until(self.runs, "the first result")
        self.see_everything()
        self.tell_head()
        self.begin_s = time.monotonic()
        for number in range(1, minutes + 1):
            self.figures.minutes.append(self.minute(number))
            self.tell_minute(self.figures.minutes[-1])
            self.save()
        self.session.stop()
        self.wait_until_gone()
        self.figures.children_after = len(self.process.children(recursive=True))
        self.figures.python_threads_after = sorted(thread.name for thread in threading.enumerate())
        self.figures.problems = dict(self.problems)
        self.save()
        return self.figures

    def see_everything(self) -> None:
        """Both networks and a recording of each kind: what is kept for good is there before anything is counted."""
        for size, picture in ((self.other, "annotated"), (self.size, "both")):
            self.record(picture)
            self.switch_size(size)
            self.watch(time.monotonic() + SETTLE_S)
            self.stop_recording()

    def minute(self, number: int) -> Minute:
        start = self.begin_s + (number - 1) * MINUTE_S
        statistics = self.session.statistics()
        self.latencies.clear()
        recoveries: list[tuple[str, float]] = []
        self.watch(start + 3)
        self.record("both" if number % 2 == 0 else "annotated")
        self.watch(start + 10)
        recoveries.append(self.fault())
        self.watch(start + 20)
        self.switch_size(self.other)
        self.watch(start + 30)
        recoveries.append(self.fault())
        self.watch(start + 38)
        self.switch_size(self.size)
        self.watch(start + 45)
        recoveries.append(self.fault())
        self.watch(start + 52)
        recorded, unreadable = self.stop_recording()
        held, used = [], []
        for sample in range(SAMPLES):  # the least of a second: frames on their way come and go
            self.watch(start + MINUTE_S - (SAMPLES - 1 - sample) / SAMPLES)
            held.append(own_mib(self.process))
            used.append(used_mib())

        after = self.session.statistics()
        threads, files = left_behind(self.process)
        p50, p95 = np.percentile(self.latencies, (50, 95)) if self.latencies else (float("nan"),) * 2
        return Minute(
            number=number,
            memory_mib=min(held),
            used_mib=min(used),
            threads=threads,
            files=files,
            p50_ms=float(p50),
            p95_ms=float(p95),
            timed=len(self.latencies),
            captured=after.captured - statistics.captured,
            results=after.inferred - statistics.inferred,
            recorded=recorded,
            unreadable=unreadable,
            recoveries=recoveries,
            late_s=max(0.0, time.monotonic() - start - MINUTE_S),
            load=load(),
        )

    def watch(self, until: float) -> None:
        """Looks at every result until then, as a window would."""
        while time.monotonic() < until:
            self.look()
            time.sleep(POLL_S)

    def look(self) -> None:
        """Keeps the latency of a new result of the first size."""
        result = self.session.latest()
        if result is None or result.index == self.seen:
            return
        self.seen = result.index
        if not result.again and str(self.session.options.size) == self.size:
            self.latencies.append(result.latency_ms)

    def wait_until(self, holds: Callable[[], bool], what: str) -> float:
        """-> seconds that it took, the results of which are looked at as well."""
        begin = time.monotonic()
        while not holds():
            if time.monotonic() - begin > PATIENCE_S or self.session.state is SessionState.FAILED:
                raise SystemExit(f"waited in vain for {what}. {' '.join(self.problems)}")
            self.look()
            time.sleep(POLL_S)
        return time.monotonic() - begin

    def runs(self) -> bool:
        return self.session.state is SessionState.RUNNING and self.session.latest() is not None

    def fault(self) -> tuple[str, float]:
        """-> its kind, and seconds from the fault to the first people found after it."""
        self.plan.kind = None
        self.plan.allow()
        self.wait_until(lambda: self.plan.kind is not None, "the next fault")
        self.wait_until(self.recovered, f"the source after “{self.plan.kind}”")
        return str(self.plan.kind), (time.monotonic_ns() - self.plan.at_ns) / 1e9

    def recovered(self) -> bool:
        latest = self.session.latest()
        return self.runs() and latest is not None and latest.frame.captured_ns > self.plan.at_ns + 1.5e9 / FPS

    def switch_size(self, size: str) -> None:
        if str(self.session.options.size) != size:
            self.session.switch_size(size)
            self.wait_until(lambda: str(self.session.options.size) == size and self.runs(), f"size {size}")

    def record(self, picture: str) -> None:
        self.session.start_recording(RecordingOptions(self.videos, "both" if picture == "both" else "annotated"))

    def stop_recording(self) -> tuple[int, int]:
        """-> frames in all videos, and files that cannot be read. The files are removed."""
        self.session.stop_recording(PATIENCE_S)
        self.wait_until(lambda: bool(self.finished), "the recording's files")
        frames = unreadable = 0
        for path in self.finished:
            count = frames_in(path)
            frames += count if path.suffix == ".mp4" else 0
            unreadable += count == 0
            path.unlink(missing_ok=True)
        self.finished.clear()
        return frames, unreadable + len(list(self.videos.iterdir()))

    def wait_until_gone(self) -> None:
        deadline = time.monotonic() + LEAVE_S
        while self.process.children(recursive=True) and time.monotonic() < deadline:
            time.sleep(0.1)

    def tell_head(self) -> None:
        gc.collect()
        print(f"{self.figures.processor}, {self.figures.processors} processors, load {self.figures.load_before:.1f}")
        columns = (
            "minute",
            "MiB",
            "in use",
            "threads",
            "files",
            "p50 ms",
            "p95 ms",
            "results",
            "recorded",
            "recovery s",
            "load",
        )
        print("".join(f"{name:>11}" for name in columns), flush=True)

    def tell_minute(self, minute: Minute) -> None:
        slowest = max(seconds for _, seconds in minute.recoveries)
        cells = (
            f"{minute.number}", f"{minute.memory_mib:.1f}", f"{minute.used_mib:.1f}", f"{minute.threads}", f"{minute.files}", f"{minute.p50_ms:.1f}",
            f"{minute.p95_ms:.1f}", f"{minute.results}", f"{minute.recorded}", f"{slowest:.2f}", f"{minute.load:.1f}",
        )  # fmt: skip
        print("".join(f"{cell:>11}" for cell in cells), flush=True)

    def save(self) -> None:
        if self.json_path is not None:
            unfinished = self.json_path.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(asdict(self.figures), indent=1) + "\n", encoding="utf-8")
            unfinished.replace(self.json_path)


def frames_in(path: Path) -> int:
    """Pictures of a video, or lines of a keypoint file; 0 where it cannot be read. Pictures are counted, not decoded."""
    if path.suffix != ".mp4":
        return len(path.read_bytes().splitlines())
    try:
        with av.open(str(path)) as container:
            return sum(1 for packet in container.demux(video=0) if packet.size)
    except (OSError, av.error.FFmpegError) as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        return 0


def load() -> float:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


if __name__ == "__main__":
    raise SystemExit(main())
