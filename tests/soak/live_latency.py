"""Measures the live loop on a file that plays in real time, and its memory at full speed.

    python -m tests.soak.live_latency [--seconds 60] [--memory-minutes 20] [--size xs] [--threads 2] [--source FILE]

Prints: capture → result, every stage, what is not the network, drops; then the process's memory over time. The default
source is the bundled clip, 1280×720 at 30 frames a second, in a loop. Nothing here is asserted: the numbers are for a
person, who knows what else the machine was doing (the load average is printed too).
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import psutil

from engine.drawing import DrawingSettings
from engine.live import FileMode, LiveOptions, LiveResult, LiveSession, Picture, SessionState
from engine.live.composition import picture_of
from engine.sources import SourceSettings

SETTLE_S = 3.0
PATIENCE_S = 120.0
GOAL_MS = {"capture → result p95": 80.0, "not the network": 8.0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", default="demo")
    parser.add_argument("--size", default="xs")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--memory-minutes", type=float, default=0.0)
    args = parser.parse_args()
    options = LiveOptions(
        source=args.source,
        source_settings=SourceSettings(real_time=True, loop=True),
        size=args.size,
        threads=args.threads,
        file_mode=FileMode.AS_CAMERA,
    )
    if args.seconds:
        measure_latency(options, args.seconds)
    if args.memory_minutes:
        fast = replace(options.source_settings, real_time=False)
        measure_memory(replace(options, source_settings=fast, file_mode=FileMode.LOSS_FREE), args.memory_minutes * 60)
    return 0


@contextmanager
def settled(options: LiveOptions) -> Iterator[LiveSession]:
    """A session that runs and has settled."""
    with LiveSession(options, lambda event: print(f"  {event.text}") if event.text else None) as session:
        deadline = time.monotonic() + PATIENCE_S
        while session.state is not SessionState.RUNNING:
            if time.monotonic() > deadline or session.state is SessionState.FAILED:
                raise SystemExit("the session does not run")
            time.sleep(0.05)
        time.sleep(SETTLE_S)
        yield session


def measure_latency(options: LiveOptions, seconds: float) -> None:
    results: list[LiveResult] = []
    stages: dict[str, list[float]] = {}
    seen = -1
    with settled(options) as session:
        before = session.statistics()
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        processor = psutil.Process().cpu_times()
        begin = time.monotonic()
        while time.monotonic() < begin + seconds:
            result = session.latest()
            if result is None or result.index == seen:
                time.sleep(0.001)
                continue
            seen = result.index
            start = time.perf_counter()
            picture_of(result, DrawingSettings(ids=True), Picture.ANNOTATED)
            drawing = (time.perf_counter() - start) * 1e3
            for name, ms in {**result.times.ms, "drawing": drawing}.items():
                stages.setdefault(name, []).append(ms)
            # Only its figures: a minute of frames would fill the memory.
            known = sum(result.times.ms.values())
            stages.setdefault("hand-over", []).append(result.latency_ms - known)
            results.append(replace(result, frame=None, estimate=None))  # type: ignore[arg-type]
        after = session.statistics()
        used = psutil.Process().cpu_times()
        load = max(load, os.getloadavg()[0]) if hasattr(os, "getloadavg") else load
    frames = after.captured - before.captured
    print(f"{options.size}, {frames} frames in {seconds:.0f} s, {os.cpu_count()} processors, load average {load:.1f}")
    print(f"  results {after.inferred - before.inferred}, dropped {after.dropped - before.dropped}")
    busy = (used.user + used.system - processor.user - processor.system) / seconds
    print(f"  processor time {busy:.2f} s a second, this measurement's own drawing included")
    line("capture → result", [result.latency_ms for result in results])
    for name, values in stages.items():
        line(name, values)
    work = [name for name in stages if name not in ("network", "wait")]
    line("not the network", list(np.sum([stages[name] for name in work], axis=0)))
    print(f"  goals: {', '.join(f'{name} < {ms:.0f} ms' for name, ms in GOAL_MS.items())}")


def line(name: str, values: list[float]) -> None:
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    print(f"  {name:<18}{p50:>8.2f} ms median{p95:>9.2f} ms p95{p99:>9.2f} ms p99")


def measure_memory(options: LiveOptions, seconds: float) -> None:
    process = psutil.Process()
    with settled(options) as session:
        begin = time.monotonic()
        samples: list[tuple[float, float]] = []
        while (now := time.monotonic() - begin) < seconds:
            samples.append((now, process.memory_info().rss / 2**20))
            time.sleep(min(5.0, seconds / 50))
        figures = session.statistics()
        print(f"memory at full speed, {figures.inferred} frames, {figures.inference_fps:.1f} FPS at the end")
        times, sizes = np.array(samples).T
        for minute in np.linspace(0, seconds / 60, 11):
            print(f"  minute {minute:5.1f}: {np.interp(minute * 60, times, sizes):7.1f} MiB")
        # From 3 of 20 minutes on: caches are full then.
        early = sizes[(times >= 0.15 * seconds) & (times < 0.25 * seconds)].mean()
        late = sizes[times >= 0.9 * seconds].mean()
        print(
            f"  growth from {0.15 * seconds / 60:.1f} to {seconds / 60:.1f} minutes: {late / early - 1:+.2%} (goal < 5 %)"
        )
        print(f"  threads {process.num_threads()}")


if __name__ == "__main__":
    raise SystemExit(main())
