"""The thread that runs the network: takes the newest frame, finds its people, follows them, hands the result on.

Everything that touches the network happens in this one thread, between two frames: making it ready, exchanging it,
changing its thresholds.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from engine.decode.grouping import GroupingSettings
from engine.live.following import Following
from engine.live.heaps import give_back
from engine.live.loader import Builder, Estimator, EstimatorFactory
from engine.live.mailbox import Mailbox
from engine.live.network_change import NetworkChange
from engine.live.options import LiveOptions
from engine.live.results import Captured, LiveResult, Timeline
from engine.types import StageTimes

WAIT_S = 0.05  # for a frame, before looking at other orders
POLL_S = 0.005  # while a network is awaited and nothing else can be done


class ResultTaker(Protocol):
    """Hears from the loop, in its thread."""

    def take_result(self, result: LiveResult) -> None: ...

    def progress(self, step: str) -> None: ...

    def switching(self, holds: bool) -> None:
        """A network is on its way in."""

    def size_changed(self, size: str) -> None: ...

    def switch_failed(self, size: str, error: Exception) -> None:
        """The running size stays."""

    def all_done(self) -> None:
        """The source is at its end and all its frames have their results."""

    def inference_failed(self, error: Exception) -> None: ...


class InferenceLoop:
    """`run` is the thread's function and returns after `stop`; the other methods may be called from any thread.

    newest_size: (width, height) of the newest captured frame, None before the first.
    build:       makes missing networks; None lets the factory's estimators build within `prepare`.
    """

    def __init__(
        self,
        options: LiveOptions,
        mailbox: Mailbox[Captured],
        taker: ResultTaker,
        newest_size: Callable[[], tuple[int, int] | None],
        factory: EstimatorFactory,
        build: Builder | None,
    ) -> None:
        self._options, self._mailbox, self._taker = options, mailbox, taker
        self._newest_size, self._factory, self._build = newest_size, factory, build
        self._stopping = threading.Event()
        self._source_ended = threading.Event()
        self._orders = threading.Lock()
        self._ordered_size: str | Path | None = None
        self._grouping_changed = False
        self._change: NetworkChange | None = self._load(options.size)
        self._switching = False
        self._left: list[threading.Thread] = []
        self._size = str(options.size)
        self._estimator: Estimator | None = None
        self._published = GroupingSettings()
        self._ready_for: set[tuple[int, int]] = set()
        self._held: Captured | None = None
        self._last: Captured | None = None
        self._last_time_s = 0.0
        self._show_again = False
        self._timeline = Timeline()
        self._following = Following(options.tracking, options.smoothing)
        self._results = 0

    def stop(self) -> None:
        self._stopping.set()
        change = self._change
        if change is not None:
            change.cancel()

    def jobs(self) -> list[threading.Thread]:
        """Loaders and builders that may still be at work."""
        change = self._change
        return [*self._left, *(change.jobs() if change else [])]

    def switch_size(self, size: str | Path) -> None:
        """The last order counts: a size that is still being loaded for an earlier one is given up."""
        with self._orders:
            self._ordered_size = size

    def set_grouping(self, options: LiveOptions) -> None:
        """Their thresholds and number of people hold from the next frame on, and stay when the size is switched."""
        with self._orders:
            self._options = options
            self._grouping_changed = True

    def follow(self, tracking: bool, smoothing: bool) -> None:
        self._following.switch(tracking, smoothing)

    def source_ended(self) -> None:
        """No frame will come after the one that is waiting, until the source is read again."""
        self._source_ended.set()

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._obey()
                self._advance()
                if self._estimator is None or (self._held is not None and self._change is not None):
                    self._stopping.wait(POLL_S)
                    continue
                captured = self._next()
                if captured is not None and self._is_ready_for(captured):
                    self._infer(captured)
        except Exception as error:
            self._taker.inference_failed(error)
        finally:
            # A network is large, and this object waits for the garbage collector with all that it refers to.
            self._give_up_change()
            self._estimator = self._held = self._last = None
            give_back()

    def _obey(self) -> None:
        with self._orders:
            size, self._ordered_size = self._ordered_size, None
            changed, self._grouping_changed = self._grouping_changed, False
        if changed and self._estimator is not None:
            self._estimator.settings = self._options.grouping(self._published)
            self._show_again = True
        if size is not None:
            self._give_up_change()
            self._change = self._load(size)
            self._say_switching(True)

    def _load(self, size: str | Path, estimator: Estimator | None = None) -> NetworkChange:
        return NetworkChange(
            size,
            input_mode=self._options.input_mode,
            threads=self._options.threads,
            factory=self._factory,
            build=self._build,
            progress=self._taker.progress,
            estimator=estimator,
        )

    def _give_up_change(self) -> None:
        if self._change is not None:
            self._change.cancel()
            self._left = [job for job in [*self._left, *self._change.jobs()] if job.is_alive()]
            self._change = None

    def _advance(self) -> None:
        """One step of the change that is under way; the new network takes over when it is ready."""
        change = self._change
        if change is None:
            return
        frame_size = _size_of(self._held) if self._held else self._newest_size()
        try:
            estimator = change.advance(frame_size)
        except Exception as error:
            self._give_up_change()
            # Without the network that frames need there is nothing to go on with.
            if self._estimator is None or not change.new:
                raise
            self._say_switching(False)
            self._taker.switch_failed(change.size, error)
            return
        if estimator is None:
            return
        assert frame_size is not None
        first, self._change = self._estimator is None, None
        if change.new:
            self._published = estimator.settings
            estimator.settings = self._options.grouping(self._published)
            self._estimator, self._size, self._ready_for = estimator, change.size, set()
            self._show_again = True
        self._ready_for.add(frame_size)
        self._say_switching(False)
        if change.new and not first:
            give_back()
            self._taker.size_changed(change.size)

    def _next(self) -> Captured | None:
        if self._held is not None:
            held, self._held = self._held, None
            newer = self._mailbox.take(0.0) if held.live else None
            return newer or held
        # Asked before the mailbox: what was put into it before the end must not be overlooked.
        ended = self._source_ended.is_set()
        captured = self._mailbox.take(WAIT_S)
        if captured is not None:
            return captured
        if ended:
            self._source_ended.clear()
            self._taker.all_done()
        if self._show_again and self._last is not None:
            # Nothing moves, but the size or a threshold is another one: the standing picture shows it.
            frame = replace(self._last.frame, captured_ns=time.monotonic_ns())
            return replace(self._last, frame=frame, again=True)
        return None

    def _is_ready_for(self, captured: Captured) -> bool:
        """False: the frame has another shape than those before; it is held until the network is ready for it."""
        if _size_of(captured) in self._ready_for:
            return True
        self._held = captured
        if self._change is None:
            self._change = self._load(self._size, self._estimator)
            self._say_switching(True)
        return False

    def _say_switching(self, holds: bool) -> None:
        if holds != self._switching:
            self._switching = holds
            self._taker.switching(holds)

    def _infer(self, captured: Captured) -> None:
        assert self._estimator is not None
        frame = captured.frame
        taken_ns = time.monotonic_ns()
        estimate = self._estimator.estimate(frame.image)
        time_s, follows = (self._last_time_s, True) if captured.again else self._timeline.place(captured)
        poses, following_ms = self._following.update(estimate.poses, time_s, fresh=not follows, again=captured.again)
        stages = {"wait": (taken_ns - frame.captured_ns) / 1e6, **estimate.times.ms, **following_ms}
        latency_ms = (time.monotonic_ns() - frame.captured_ns) / 1e6
        result = LiveResult(
            self._results, frame, poses, estimate, time_s, StageTimes(stages), latency_ms, captured.again
        )
        self._results += 1
        self._last, self._last_time_s, self._show_again = captured, time_s, False
        self._taker.take_result(result)


def _size_of(captured: Captured) -> tuple[int, int]:
    return captured.frame.width, captured.frame.height
