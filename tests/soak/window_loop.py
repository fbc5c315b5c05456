"""A window in which something changes all the time, and what that leaves in the process.

    python -m tests.soak.window_loop [--minutes 30] [--every 3] [--plot FILE] [--seed 0] [--on-screen] [--objects]

Every few seconds one thing happens that a user may do: another size, another source of another shape, a recording begun or
ended, an overlay, the statistics panel, another size of the window, another theme, dialogs opened and closed, preferences
that start the session again, an export. Prints memory, threads, open files and Qt's objects once a minute, then how much the
memory grew from the first third, when everything has been seen, to the end. Returns 1 where threads or open files were left
behind. --objects says which kinds of Python objects have become more.

The second size has made-up weights: what it finds means nothing, what it costs is real.
"""

import argparse
import gc
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tests.soak.changes import make_clip, make_weights
from tests.soak.memory import own_mib, used_mib

SHAPES = ((720, 720), (640, 480), (1920, 1080))  # (width, height): two more of the network's input shapes, and none
PATIENCE_S = 180.0
REPORT_S = 60.0
SAMPLE_S = 2.0
TROUBLE = ("warning", "failure")


@dataclass(frozen=True)
class Sample:
    """seconds since the start. memory: unique to the process, used: handed out by malloc at this moment, in MiB."""

    seconds: float
    memory: float
    used: float
    threads: int
    files: int
    objects: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=3.0, metavar="SECONDS", help="between two changes")
    parser.add_argument("--only", help="names of changes, separated by commas (default: all but threads)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="memory, threads and files over time, as a picture")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--on-screen", action="store_true", help="on this machine's screen instead of none")
    parser.add_argument("--objects", action="store_true", help="which kinds of objects have become more")
    args = parser.parse_args()
    if not args.on_screen:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        os.environ["QT_LOGGING_RULES"] = "default.warning=false"  # that no screen has no size hints, again and again
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["LITEPOSE_WEIGHTS"] = str(folder)
        make_weights(folder, "s")
        sources = ["demo", *(make_clip(folder, width, height) for width, height in SHAPES)]
        loop = WindowLoop(folder, sources, random.Random(args.seed))
        return loop.go(
            args.only.split(",") if args.only else None, args.minutes * 60, args.every, args.plot, args.objects
        )


class WindowLoop:
    """The window and everything that is done to it."""

    def __init__(self, folder: Path, sources: list[str], choose: random.Random) -> None:
        import app.qt_environment  # noqa: F401, I001  before the first module of PyQt6
        from PyQt6.QtWidgets import QApplication

        from app.appearance import Appearance
        from app.live_worker import LiveWorker
        from app.main_window import MainWindow
        from app.preference_store import PreferenceStore
        from app.session_options import live_options

        self.application: QApplication = QApplication(["window-loop"])
        store = PreferenceStore(folder / "preferences.yaml", {"source": "demo", "folder": str(folder / "videos")})
        self.window: MainWindow = MainWindow(
            store, LiveWorker(live_options(store.current)), Appearance(self.application, "dark", folder)
        )
        self.store, self.folder, self.sources, self.choose = store, folder, sources, choose
        self.problems: Counter[str] = Counter()
        self.window.worker.refused.connect(self.note)
        self.window.worker.broken.connect(self.note)
        self.window.worker.happened.connect(lambda event: self.note(event.text) if event.kind in TROUBLE else None)
        self.done: Counter[str] = Counter()
        self.process = psutil.Process()

    def note(self, problem: str) -> None:
        self.problems[problem] += 1

    def changes(self) -> dict[str, Callable[[], Any]]:
        window, choose = self.window, self.choose
        return {
            "size": lambda: window.size_choice.choose("s" if window.worker.running_size == "xs" else "xs"),
            "source": lambda: window.source_choice.open(choose.choice(self.sources)),
            "recording": window.capture.toggle,
            "snapshot": window.capture.snapshot,
            "overlay": lambda: choose.choice(list(window.rail.buttons.values())).click(),
            "panel": window.actions_by_name["panel"].trigger,
            "resize": lambda: window.resize(choose.randint(480, 1600), choose.randint(360, 900)),
            "theme": lambda: self.store.change(theme="light" if self.store.current.theme == "dark" else "dark"),
            "dialogs": self.open_dialogs,
            "people": lambda: self.store.change(max_people=choose.randint(1, 30)),
            "restart": lambda: self.store.change(input_mode=self.other_shape()),
            "threads": lambda: self.store.change(threads=1 if self.store.current.inference.threads != 1 else 2),
            "export": self.export,
        }

    def other_shape(self) -> str:
        return "square" if self.store.current.inference.input_mode == "auto" else "auto"

    def open_dialogs(self) -> None:
        from PyQt6.QtCore import QTimer
        from PyQt6.QtWidgets import QDialog

        def close() -> None:
            dialog = self.application.activeModalWidget()
            if dialog is not None:
                dialog.close()

        for show in (self.window.show_preferences, self.window.show_shortcuts):
            QTimer.singleShot(100, close)
            show()
        self.window.show_error("An error that is none.", "Traceback (made up)")
        for dialog in self.window.findChildren(QDialog):
            dialog.close()

    def export(self) -> None:
        """Of a whole file, cancelled after a second."""
        source = self.window.figures.source
        if source is not None and not source.live:
            dialog = self.window.file_export.begin(source, self.folder / "export.mp4")
            self.wait(1.0)
            dialog.reject()
            self.window.worker.resume()

    def go(self, names: list[str] | None, seconds: float, every_s: float, plot: Path | None, objects: bool) -> int:
        changes = self.changes()
        # TVM keeps something of every pool of workers, and nobody changes their number all day.
        names = names or [name for name in changes if name != "threads"]
        self.window.show()
        self.window.start()
        self.settle()
        # Everything once, so that all that is kept for good is there before anything is counted.
        for mode in ("square", "auto"):
            self.store.change(input_mode=mode)
            for size in ("s", "xs"):
                self.window.size_choice.choose(size)
                for source in self.sources:
                    self.window.source_choice.open(source)
                    self.wait(1.0)
                    self.settle()
        for name in [*names, *names]:
            changes[name]()
            self.wait(1.0)
        at_rest = self.at_rest()
        kinds = kinds_of_objects() if objects else Counter[str]()
        print(f"{'minute':>7}{'MiB':>7}{'used':>8}{'threads':>9}{'files':>7}{'objects':>9}  done")
        samples: list[Sample] = []
        begin = time.monotonic()
        next_report = 0.0
        while (now := time.monotonic() - begin) < seconds:
            name = self.choose.choice(names)
            self.done[name] += 1
            changes[name]()
            self.wait(every_s, sample=lambda: samples.append(self.sample(time.monotonic() - begin)))
            self.tidy()
            if now >= next_report:
                next_report += REPORT_S
                self.report(samples[-1])
        self.report(self.sample(seconds))
        after = self.at_rest()
        conclude(samples, seconds, at_rest, after)
        for problem, count in self.problems.most_common(10):
            print(f"  {count}× {problem}")
        if objects:
            for kind, count in (kinds_of_objects() - kinds).most_common(15):
                print(f"  {count:+6} {kind}")
        if plot is not None:
            save_plot(samples, plot)
        self.window.close()
        return 0 if after.threads <= at_rest.threads and after.files <= at_rest.files else 1

    def wait(self, seconds: float, sample: Callable[[], None] | None = None) -> None:
        end = time.monotonic() + seconds
        next_sample = time.monotonic() + SAMPLE_S
        while (now := time.monotonic()) < end:
            self.application.processEvents()
            if sample is not None and now > next_sample:
                next_sample = now + SAMPLE_S
                sample()
            time.sleep(0.002)
        if sample is not None:
            sample()

    def settle(self) -> None:
        """Until the session runs, or stands at the end of a file."""
        from engine.live import SessionState

        deadline = time.monotonic() + PATIENCE_S
        settled = (SessionState.RUNNING, SessionState.PAUSED)
        while self.window.worker.session.state not in settled or self.window.worker.latest() is None:
            if time.monotonic() > deadline:
                raise SystemExit(f"the session is {self.window.worker.session.state}. {self.problems}")
            self.wait(0.05)

    def at_rest(self) -> Sample:
        """With the first size on the bundled clip and nothing else going on: what was left behind shows here."""
        if self.window.capture.recording:
            self.window.capture.toggle()
        self.store.change(threads=0, input_mode="auto")
        self.wait(1.0)
        self.settle()
        self.window.size_choice.choose("xs")
        self.window.source_choice.open("demo")
        self.wait(5.0)
        self.settle()
        self.tidy()
        self.store.change(panel=False)
        self.window.resize(1280, 800)
        gc.collect()
        # The thread that looks for cameras comes and goes, and so do frames.
        seen = []
        for _ in range(10):
            self.wait(0.7)
            seen.append(self.sample(0.0))
        return Sample(*(min(values) for values in zip(*map(astuple, seen))))

    def tidy(self) -> None:
        """Recordings would fill the disk."""
        if not self.window.capture.recording:
            for path in (self.folder / "videos").glob("*"):
                path.unlink()

    def sample(self, seconds: float) -> Sample:
        from PyQt6.QtCore import QObject

        files = self.process.num_handles() if hasattr(self.process, "num_handles") else self.process.num_fds()
        return Sample(
            seconds,
            own_mib(self.process),
            used_mib(),
            self.process.num_threads(),
            files,
            len(self.window.findChildren(QObject)),
        )

    def report(self, now: Sample) -> None:
        done = ", ".join(f"{count} {name}" for name, count in sorted(self.done.items()))
        print(
            f"{now.seconds / 60:7.1f}{now.memory:7.0f}{now.used:8.0f}{now.threads:9}{now.files:7}{now.objects:9}  {done}",
            flush=True,
        )


def kinds_of_objects() -> Counter[str]:
    gc.collect()
    return Counter(f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())


def conclude(samples: list[Sample], seconds: float, before: Sample, after: Sample) -> None:
    times = np.array([sample.seconds for sample in samples])
    for name in ("memory", "used"):
        sizes = np.array([getattr(sample, name) for sample in samples])
        early = sizes[(times >= seconds / 3) & (times < seconds / 2)]
        late = sizes[times >= seconds * 5 / 6]
        if len(early) and len(late):
            growth = late.mean() / early.mean() - 1
            # What a straight line through the last two thirds says an hour would add.
            rest = times >= seconds / 3
            slope = np.polyfit(times[rest], sizes[rest], 1)[0] * 3600
            print(
                f"{name} {early.mean():.0f} → {late.mean():.0f} MiB ({growth:+.1%}) from the middle third to the last "
                f"sixth, {slope:+.0f} MiB an hour"
            )
    print(
        f"at rest: {before.memory:.0f} → {after.memory:.0f} MiB, of which malloc had handed out {before.used:.1f} → "
        f"{after.used:.1f}; threads {before.threads} → {after.threads}, open files {before.files} → {after.files}, "
        f"objects of the window {before.objects} → {after.objects}"
    )


def save_plot(samples: list[Sample], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    seconds, memory, used, threads, files, objects = np.array([astuple(sample) for sample in samples]).T
    figure, axes = pyplot.subplots(3, 1, sharex=True, figsize=(9, 7), layout="constrained")
    axes[0].plot(seconds / 60, memory, label="of the process alone")
    axes[0].plot(seconds / 60, used, label="handed out by malloc")
    axes[0].set_ylabel("MiB")
    axes[0].set_ylim(bottom=0)
    axes[1].plot(seconds / 60, threads, label="threads")
    axes[1].plot(seconds / 60, files, label="open files")
    axes[1].set_ylim(bottom=0)
    axes[2].plot(seconds / 60, objects, label="objects of the window")
    axes[2].set_ylim(bottom=0)
    axes[2].set_xlabel("minutes")
    for axis in axes:
        axis.legend()
        axis.grid(alpha=0.3)
    figure.savefig(path)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
