"""Measures the window with the real engine: painted frames, delay, and how long its thread is held up.

    python -m tests.app.measure_window [--seconds 60] [--source demo] [--size xs] [--threads 1] [--on-screen]

Prints figures; asserts nothing: they are for a person who knows what else the machine was doing.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

LAG_TICK_MS = 2
SETTLE_S = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description="painted frames and delay of the window")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--source", default="demo")
    parser.add_argument("--size", default="xs")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--on-screen", action="store_true", help="on this machine's screen instead of none")
    args = parser.parse_args()
    if not args.on_screen:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        os.environ["QT_LOGGING_RULES"] = "default.warning=false"  # that no screen has no size hints

    import app.qt_environment  # noqa: F401, I001  before the first module of PyQt6
    from PyQt6.QtWidgets import QApplication

    from app.appearance import Appearance
    from app.live_worker import LiveWorker
    from app.main_window import MainWindow
    from app.preference_store import PreferenceStore
    from app.session_options import live_options

    application = QApplication(["measure-window"])
    with tempfile.TemporaryDirectory() as folder:
        given = {"source": args.source, "size": args.size, "threads": args.threads, "folder": folder}
        store = PreferenceStore(Path(folder) / "preferences.yaml", given)
        window = MainWindow(
            store, LiveWorker(live_options(store.current)), Appearance(application, "dark", Path(folder))
        )
        window.show()
        window.start()
        wait(application, lambda: window.worker.latest() is not None, 180.0)
        wait(application, lambda: False, SETTLE_S)
        measure(application, window, args.seconds)
        window.close()
    return 0


def wait(application, until, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while not until() and time.monotonic() < deadline:
        application.processEvents()
        time.sleep(0.001)


def measure(application, window, seconds: float) -> None:
    """Frames and delays as they are painted; the thread's lateness from a timer that should come every 2 ms."""
    import numpy as np
    from PyQt6.QtCore import QEventLoop, Qt, QTimer

    delays, lags, last, shown = [], [], [time.monotonic()], [-1]

    def painted(picture) -> None:
        # A frame that is painted again, with newer poses, is no new frame.
        if picture.frame.captured_ns != shown[0]:
            shown[0] = picture.frame.captured_ns
            delays.append((time.monotonic_ns() - shown[0]) / 1e6)

    window.stage.painted.connect(painted)

    def tick() -> None:
        now = time.monotonic()
        lags.append(max(0.0, (now - last[0]) * 1e3 - LAG_TICK_MS))
        last[0] = now

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(LAG_TICK_MS)
    # Not application.quit, which closes the window.
    loop = QEventLoop()
    before_s = time.process_time()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()
    timer.stop()
    statistics, source = window.figures.statistics, window.figures.source
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    used_s = time.process_time() - before_s
    print(f"machine                  load {load:.1f} on {os.cpu_count()} processors")
    if source is not None and source.size is not None:
        size = window.stage.size()
        print(
            f"source                   {source.size[0]}×{source.size[1]}, {source.fps} fps, in a view of "
            f"{size.width()}×{size.height()} × {window.devicePixelRatioF():g}"
        )
    print(
        f"painted                  {len(delays) / seconds:.1f} frames/s (goal ≥ 29), poses {statistics.inference_fps:.1f}/s"
    )
    print("capture to paint         p50 {:.1f} ms, p95 {:.1f} ms".format(*np.percentile(delays, (50, 95))))
    print(f"processor time           {used_s / seconds:.2f} of {os.cpu_count()} processors")
    print(
        "window's thread held up  p99 {:.1f} ms, p99.9 {:.1f} ms (goal ≤ 50), most {:.1f} ms, in {:.0f} s".format(
            *np.percentile(lags, (99, 99.9)), max(lags), seconds
        )
    )


if __name__ == "__main__":
    sys.exit(main())
