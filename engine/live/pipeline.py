"""One run of a session: its threads, what they hand to each other, and what is known of it from outside."""

import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from engine.errors import LitePoseError, UsageError
from engine.live.failures import details, sentence
from engine.live.inference import InferenceLoop
from engine.live.kept_threads import NETWORK_THREADS, KeptTask
from engine.live.loader import Builder, EstimatorFactory
from engine.live.mailbox import Mailbox
from engine.live.options import EventKind, FileMode, LiveOptions
from engine.live.outlet import Outlet, Output
from engine.live.playback import Playback
from engine.live.reader import Reader, SourceFactory, SourceInfo
from engine.live.recording import Recording, RecordingOptions
from engine.live.recording_control import RecordingControl
from engine.live.results import Captured, LiveResult
from engine.live.states import SessionState, StateMachine
from engine.live.supervisor import Supervisor
from engine.sources import SourceSettings
from engine.statistics import Statistics, StatisticsCollector
from engine.types import Frame

logger = logging.getLogger(__name__)

DEMO = "demo"
FREE_S = 0.1  # how often a reader that waits for the network looks whether it is still wanted


class PipelineOwner(Protocol):
    """Hears from a pipeline, in its threads; must not wait."""

    def tell(self, kind: EventKind, text: str, details: str = "", paths: tuple[Path, ...] = ()) -> None:
        """A sentence for the user, the traceback or nothing, files that it is about."""

    def size_changed(self, size: str) -> None: ...

    def source_changed(self, info: SourceInfo) -> None: ...


class Pipeline:
    """Capture thread → mailbox → network thread → owner. Made for one start, closed by one stop."""

    def __init__(
        self,
        options: LiveOptions,
        machine: StateMachine,
        owner: PipelineOwner,
        source_factory: SourceFactory,
        estimator_factory: EstimatorFactory,
        build: Builder | None,
    ) -> None:
        self._machine, self._owner = machine, owner
        self._camera_like = options.file_mode is FileMode.AS_CAMERA
        self._record_from_start = options.recording
        self._closed = False
        self.statistics = StatisticsCollector()
        self.mailbox: Mailbox[Captured] = Mailbox()
        self.latest: LiveResult | None = None
        self.latest_frame: Frame | None = None
        self._latest_info: SourceInfo | None = None
        self.supervisor = Supervisor(
            source_factory, self, machine, owner.tell, reconnect=options.reconnect, stall_s=options.stall_s
        )
        self.loop = InferenceLoop(options, self.mailbox, self, self._newest_size, estimator_factory, build)
        self.outlet = Outlet(options.drawing, self._output_failed, self._output_wrote)
        self.recording = RecordingControl(self.outlet, self.statistics, owner.tell)
        self._network: KeptTask | None = None

    def start(self, text: str, settings: SourceSettings) -> None:
        self._network = NETWORK_THREADS.start(self.loop.run)
        self.open(text, settings, first=True)

    def open(self, text: str, settings: SourceSettings, *, first: bool = False) -> None:
        """Another source instead of the one that is read, or the first one."""
        # The reader paces files itself, so that they can be paused, stepped and played faster.
        loop = settings.loop
        if loop is None and text == DEMO:
            loop = settings.real_time
        unpaced = replace(settings, real_time=False, loop=loop)
        (self.supervisor.start if first else self.supervisor.switch)(text, unpaced, settings.real_time)

    @property
    def playback(self) -> Playback | None:
        return self.supervisor.playback

    @property
    def source_info(self) -> SourceInfo | None:
        reader = self.supervisor.current
        return reader.info if reader else None

    def figures(self) -> Statistics:
        return self.statistics.figures(
            dropped=self.mailbox.dropped,
            recorded=self.recording.recorded,
            recorder_dropped=self.recording.dropped + self.outlet.dropped,
        )

    def record(self, options: RecordingOptions) -> tuple[Path, ...]:
        """Raises SinkError, and UsageError before the first result."""
        # A source may be lost already when its first frame has its result.
        info, latest = self.source_info or self._latest_info, self.latest
        if info is None or latest is None:
            raise UsageError("There is nothing to record yet.")
        recording = Recording(options, info, latest.poses.skeleton, live=not self._loses_nothing())
        self.recording.start(recording)
        return recording.paths

    def stop(self) -> None:
        """Tells every thread to end; returns at once."""
        self._closed = True
        self.supervisor.stop()
        self.loop.stop()
        self.mailbox.close()
        self.recording.stop()
        self.outlet.close()

    def forget(self) -> None:
        """Lets go of the pictures that are kept for whoever looks after the end."""
        self.latest = self.latest_frame = None

    def join(self, deadline_s: float) -> list[str]:
        """Waits until time.monotonic() is `deadline_s`. -> names of the threads that have not ended."""
        late = self.supervisor.join(deadline_s)
        if self._network is not None:
            self._network.join(max(0.0, deadline_s - time.monotonic()))
            late += [self._network.name] if self._network.is_alive() else []
        late += [] if self.outlet.join(max(0.0, deadline_s - time.monotonic())) else ["litepose-output"]
        for job in [*self.loop.jobs(), *self.recording.jobs()]:
            job.join(max(0.0, deadline_s - time.monotonic()))
            late += [job.name] if job.is_alive() else []
        return late

    # From the readers and the supervisor.

    def take_frame(self, frame: Frame, reader: Reader) -> None:
        if not (reader.live or self._camera_like):
            while not self.mailbox.wait_until_free(FREE_S):
                if reader.abandoned():
                    return
            # Where the network is slower than the file, the file waits, and its picture's moment comes later.
            frame = replace(frame, captured_ns=time.monotonic_ns())
        self.latest_frame, self._latest_info = frame, reader.info
        self.statistics.captured()
        self.mailbox.put(Captured(frame, reader.passage, reader.live))

    def frame_damaged(self) -> None:
        self.statistics.damaged()

    def source_changed(self, info: SourceInfo, again: bool) -> None:
        if again:
            self.statistics.reconnected()
        # A new source plays, whether or not the one before it was paused; a very short one may be at its end already.
        playback = self.playback
        self._machine.set_condition(SessionState.PAUSED, playback is not None and playback.paused)
        self._owner.source_changed(info)
        size = f", {info.size[0]}×{info.size[1]}" if info.size else ""
        self._owner.tell(
            EventKind.SOURCE, f"“{info.name}” is back{size}." if again else f"Reading “{info.name}”{size}.", ""
        )

    def source_ended(self) -> None:
        self.loop.source_ended()

    def source_failed(self, error: Exception) -> None:
        self._fail(error)

    # From the network's thread.

    def take_result(self, result: LiveResult) -> None:
        if self._closed:
            return
        self.latest = result
        self.statistics.inferred(result.times.ms, result.latency_ms, len(result.poses))
        if self._machine.state is SessionState.STARTING:
            self._machine.try_go(SessionState.RUNNING)
        if result.index == 0 and self._record_from_start is not None:
            try:
                self.record(self._record_from_start)
            except LitePoseError as error:
                self._fail(error)
        if not result.again:
            self.outlet.offer(result, wait=self._loses_nothing())

    def progress(self, step: str) -> None:
        if not self._closed:
            self._owner.tell(EventKind.PROGRESS, step, "")

    def switching(self, holds: bool) -> None:
        (self._machine.begin if holds else self._machine.end)(SessionState.SWITCHING)

    def size_changed(self, size: str) -> None:
        self._owner.size_changed(size)
        self._owner.tell(EventKind.SIZE, size, "")

    def switch_failed(self, size: str, error: Exception) -> None:
        self._owner.tell(EventKind.WARNING, f"{sentence(error)} The size before {size} stays.", details(error))

    def all_done(self) -> None:
        playback = self.playback
        if playback is not None and playback.at_end:
            self._machine.set_condition(SessionState.PAUSED, True)
            self._owner.tell(EventKind.ENDED, "The source is at its end.", "")

    def inference_failed(self, error: Exception) -> None:
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._closed:
            return
        self.stop()
        logger.debug("the session failed", exc_info=error)
        if self._machine.try_go(SessionState.FAILED):
            self._owner.tell(EventKind.FAILURE, sentence(error), details(error))

    # From the outlet's thread.

    def _output_failed(self, output: Output, error: Exception) -> None:
        if not self.recording.output_failed(output, error):
            self._owner.tell(EventKind.WARNING, sentence(error), details(error))

    def _output_wrote(self, output: Output) -> None:
        self.recording.output_wrote(output)

    def _loses_nothing(self) -> bool:
        """True where every frame counts: files that are not read as cameras."""
        reader = self.supervisor.current
        return not self._camera_like and reader is not None and not reader.live

    def _newest_size(self) -> tuple[int, int] | None:
        frame = self.latest_frame
        return (frame.width, frame.height) if frame is not None else None
