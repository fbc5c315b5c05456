"""A session whose size, source and recordings change all the time, and what that leaves in the process.

    python -m tests.soak.changes [--minutes 3] [--every 2] [--changes size,source,recording,restart] [--seed 0]

Every few seconds one of the chosen things happens: another size of network, another source of another shape, a recording
begun or ended, the session stopped and started. Prints memory, threads, open files and what was done, and how much the
memory grew after the first third, when every network and every shape has been seen. Returns 1 where threads or open files
were left behind.

The second size has made-up weights: what it finds means nothing, what it costs is real.
"""

import argparse
import gc
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import psutil

from engine.live import Event, EventKind, LiveOptions, LiveSession, RecordingOptions, SessionState
from engine.sinks import VideoRecorder
from engine.sources import SourceSettings, find_source
from engine.types import Frame, Poses
from models import architecture, checkpoints
from models.skeleton import COCO_17
from tests.soak.faults import left_behind

CHANGES = ("size", "source", "recording", "restart")
# (width, height): one for each of the network's shapes that the bundled clip does not have, and one that changes none.
SHAPES = ((720, 720), (480, 848), (640, 480), (1920, 1080))
CLIP_S, CLIP_FPS = 4.0, 30.0
PATIENCE_S = 120.0
REPORTS = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="between two changes")
    parser.add_argument("--changes", default=",".join(CHANGES))
    parser.add_argument("--size", default="s", help="beside xs; gets made-up weights")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = ["xs", make_weights(folder, args.size)]
        sources = ["demo", *(make_clip(folder, width, height) for width, height in SHAPES), make_pictures(folder)]
        run = Changes(folder, sizes, sources, random.Random(args.seed))
        return run.go(args.changes.split(","), args.minutes * 60, args.every)


class Changes:
    """The session and everything that is done to it."""

    def __init__(self, folder: Path, sizes: list[str], sources: list[str], choose: random.Random) -> None:
        self.folder, self.sizes, self.sources, self.choose = folder, sizes, sources, choose
        self.done: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.problems: list[str] = []
        self.recorded: list[Path] = []
        self.session = LiveSession(self.options("demo"), self.hear)

    def options(self, source: str) -> LiveOptions:
        return LiveOptions(source, SourceSettings(real_time=True, loop=True), self.sizes[0])

    def hear(self, event: Event) -> None:
        self.told[event.kind] += 1
        if event.kind in (EventKind.WARNING, EventKind.FAILURE):
            self.problems.append(event.text)
        if event.kind is EventKind.RECORDING and not self.session.recording:
            self.recorded += event.paths

    def go(self, changes: list[str], seconds: float, every_s: float) -> int:
        process = psutil.Process()
        self.session.start()
        self.settle()
        self.see_everything()
        before = self.at_rest(process)
        print(f"{'minute':>7}{'MiB':>8}{'threads':>9}{'files':>7}  done")
        begin = time.monotonic()
        samples: list[tuple[float, float]] = []
        next_report_s = 0.0
        while (now := time.monotonic() - begin) < seconds:
            samples.append((now, process.memory_info().rss / 2**20))
            if now >= next_report_s:
                next_report_s += seconds / REPORTS
                self.report(now, process)
            self.change(self.choose.choice(changes))
            self.work(every_s)
        self.report(seconds, process)
        after = self.at_rest(process)
        self.session.stop()
        times, sizes = np.array(samples).T
        early = sizes[(times >= seconds / 3) & (times < seconds / 2)].mean()
        late = sizes[times >= seconds * 5 / 6].mean()
        print(f"memory {early:.0f} → {late:.0f} MiB ({late / early - 1:+.1%}) from the middle third to the last sixth")
        print(f"at rest: threads {before[0]} → {after[0]}, open files {before[1]} → {after[1]}")
        print(f"told: {', '.join(f'{count} {kind}' for kind, count in sorted(self.told.items()))}")
        for problem in sorted(set(self.problems)):
            print(f"  {problem}")
        return 0 if after[0] <= before[0] and after[1] <= before[1] else 1

    def see_everything(self) -> None:
        """Every network for every shape, and a recording: all that is kept for good is there before anything is counted."""
        self.session.start_recording(RecordingOptions(self.folder, "both"))
        for size in self.sizes:
            self.session.switch_size(size)
            for source in self.sources:
                self.session.switch_source(source)
                self.work(0.5)
                self.settle()

    def change(self, what: str) -> None:
        self.done[what] += 1
        match what:
            case "size":
                running = str(self.session.options.size)
                self.session.switch_size(next(size for size in self.sizes if size != running))
            case "source":
                self.session.switch_source(self.choose.choice(self.sources))
            case "recording":
                if self.session.recording:
                    self.session.stop_recording()
                else:
                    self.session.start_recording(
                        RecordingOptions(self.folder, self.choose.choice(["annotated", "both"]))
                    )
            case "restart":
                source = self.session.options.source
                self.session.stop()
                self.session.start(self.options(source))
            case _:
                raise SystemExit(f"unknown change “{what}”; known are {', '.join(CHANGES)}")

    def work(self, seconds: float) -> None:
        """Lets the session run, until whatever was asked for is there."""
        time.sleep(seconds)
        self.settle()
        while self.recorded:
            self.recorded.pop().unlink(missing_ok=True)

    def settle(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.session.state is not SessionState.RUNNING or self.session.latest() is None:
            if time.monotonic() > deadline or self.session.state is SessionState.FAILED:
                raise SystemExit(f"the session is {self.session.state}. {' '.join(self.problems)}")
            time.sleep(0.02)

    def at_rest(self, process: psutil.Process) -> tuple[int, int]:
        """Threads and open files with the first size on the bundled clip and nothing else going on."""
        self.session.stop_recording(PATIENCE_S)
        self.session.switch_size(self.sizes[0])
        self.session.switch_source(self.sources[0])
        self.work(3.0)
        return left_behind(process)

    def report(self, now: float, process: psutil.Process) -> None:
        gc.collect()
        threads, files = left_behind(process)
        memory = process.memory_info().rss / 2**20
        done = ", ".join(f"{count} {what}" for what, count in sorted(self.done.items()))
        print(f"{now / 60:7.1f}{memory:8.0f}{threads:9}{files:7}  {done}", flush=True)


def make_weights(folder: Path, size: str) -> str:
    path = folder / f"{size}.safetensors"
    checkpoints.save(checkpoints.synthetic(architecture.load(size), COCO_17, seed=0), path)
    return str(path)


def picture(width: int, height: int) -> np.ndarray:
    """The bundled clip's first picture, cut to these proportions."""
    with find_source("demo", SourceSettings(loop=False)) as source:
        frame = source.read()
    assert frame is not None
    scale = max(width / frame.width, height / frame.height)
    whole = cv2.resize(frame.image, None, fx=scale, fy=scale)
    top, left = (whole.shape[0] - height) // 2, (whole.shape[1] - width) // 2
    return np.ascontiguousarray(whole[top : top + height, left : left + width])


def make_clip(folder: Path, width: int, height: int) -> str:
    path = folder / f"clip{width}x{height}.mp4"
    image = picture(width, height)
    with VideoRecorder(path, fps_hint=CLIP_FPS) as recorder:
        for index in range(round(CLIP_S * CLIP_FPS)):
            shown = np.roll(image, 4 * index, axis=1)
            recorder.write(Frame(shown, index, 0, index / CLIP_FPS), Poses.empty(COCO_17), None)
    return str(path)


def make_pictures(folder: Path) -> str:
    pictures = folder / "pictures"
    pictures.mkdir()
    for index, (width, height) in enumerate(SHAPES):
        cv2.imwrite(str(pictures / f"{index}.jpg"), picture(width, height))
    return str(pictures)


if __name__ == "__main__":
    raise SystemExit(main())
