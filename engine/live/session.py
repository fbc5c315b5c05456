"""A live session: from a source to people, with everything that a user may ask for while it runs."""

import logging
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from engine.drawing import DrawingSettings
from engine.errors import UsageError
from engine.estimator import PoseEstimator
from engine.live.composition import Picture
from engine.live.heaps import share_heaps
from engine.live.loader import Builder, EstimatorFactory, build_in_process
from engine.live.options import Event, EventKind, Listener, LiveOptions
from engine.live.outlet import Output
from engine.live.pipeline import Pipeline
from engine.live.playback import Playback
from engine.live.reader import SourceFactory, SourceInfo
from engine.live.recording import RecordingOptions
from engine.live.results import LiveResult
from engine.live.snapshot import save_snapshot
from engine.live.states import SessionState, StateMachine
from engine.sinks import Sink
from engine.sources import SourceSettings, find_source
from engine.statistics import Statistics
from engine.types import Frame

logger = logging.getLogger(__name__)

STOP_S = 2.0


class LiveSession:
    """The loop between a source and whoever looks at it: a window, a command line, a recording.

    All methods may be called from any thread and return at once, except `stop`, which takes no longer than it is given.
    What happens is told to `on_event`, in whatever thread it happens, one event at a time; a listener should only pass
    it on. Frames and results are not told but asked for, by a painter at its own pace.

    source_factory:    makes closed sources; find_source if left out.
    estimator_factory: loads a size; PoseEstimator.load if left out.
    build:             builds missing networks beside the loop. Left out: in a process of its own for PoseEstimator, and
                       within `prepare` for other factories.
    """

    def __init__(
        self,
        options: LiveOptions | None = None,
        on_event: Listener | None = None,
        *,
        source_factory: SourceFactory = find_source,
        estimator_factory: EstimatorFactory | None = None,
        build: Builder | None = None,
    ) -> None:
        self._options = options or LiveOptions()
        self._on_event = on_event or (lambda event: None)
        self._source_factory = source_factory
        self._own_estimator_factory, self._own_build = estimator_factory, build
        self._machine = StateMachine(self._state_changed)
        self._asked = (self._options.source, self._options.source_settings)
        self._pipeline: Pipeline | None = None
        self._streams: list[Output] = []
        self._lifecycle = threading.RLock()

    # Life.

    @property
    def state(self) -> SessionState:
        return self._machine.state

    @property
    def options(self) -> LiveOptions:
        """As they are now, after all that was changed."""
        return self._options

    def start(self, options: LiveOptions | None = None) -> None:
        """IDLE or FAILED → STARTING; RUNNING with the first result. Raises UsageError while it is active."""
        with self._lifecycle:
            if self.state is SessionState.FAILED:
                self.stop()
            if self.state is not SessionState.IDLE:
                raise UsageError(f"The session is {self.state}. Stop it before starting it again.")
            if options is not None:
                self._options = options
            share_heaps()
            self._asked = (self._options.source, self._options.source_settings)
            if self._pipeline is not None:
                self._pipeline.forget()
            self._pipeline = Pipeline(
                self._options,
                self._machine,
                self,
                self._source_factory,
                *self._estimator_parts(),
            )
            self._pipeline.outlet.add(*self._streams)
            self._machine.go(SessionState.STARTING)
            self._pipeline.start(self._options.source, self._options.source_settings)

    def _estimator_parts(self) -> tuple[EstimatorFactory, Builder | None]:
        """What loads networks and what builds them, for the device and the precision of the options."""
        device, precision = self._options.device, self._options.precision
        factory = self._own_estimator_factory or partial(PoseEstimator.load, device=device, precision=precision)
        if self._own_build or self._own_estimator_factory:
            return factory, self._own_build
        return factory, partial(build_in_process, device=device, precision=precision)

    def stop(self, timeout_s: float = STOP_S) -> None:
        """From any state to IDLE. Threads that hang in a driver are left to themselves and end when it lets them."""
        deadline_s = time.monotonic() + timeout_s
        with self._lifecycle:
            if self._pipeline is None or self.state is SessionState.IDLE:
                return
            self._pipeline.stop()
            self._machine.go(SessionState.STOPPING)
            late = self._pipeline.join(deadline_s)
            if late:
                logger.warning("did not end within %.1f s: %s", timeout_s, ", ".join(late))
            self._machine.go(SessionState.IDLE)

    def __enter__(self) -> "LiveSession":
        self.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self.stop()

    # Looking.

    def latest(self) -> LiveResult | None:
        """The newest result. Never waits."""
        return self._pipeline.latest if self._pipeline else None

    def latest_frame(self) -> Frame | None:
        """The newest frame of the source, which may have no result yet. Never waits."""
        return self._pipeline.latest_frame if self._pipeline else None

    def painted(self, frame: Frame) -> None:
        """This frame is on the screen now."""
        if self._pipeline is not None:
            self._pipeline.statistics.painted((time.monotonic_ns() - frame.captured_ns) / 1e6)

    def statistics(self) -> Statistics:
        """Figures of the last seconds."""
        return self._pipeline.figures() if self._pipeline else Statistics()

    def source_info(self) -> SourceInfo | None:
        """Of the source that is being read; None while there is none."""
        return self._pipeline.source_info if self._pipeline else None

    # Changing.

    def switch_size(self, size: str | Path) -> None:
        """Loads another size beside the running one. A SIZE event says that it has taken over, a WARNING why it has not."""
        if self._pipeline is not None and self.state.active:
            self._pipeline.loop.switch_size(size)
        else:
            self._options = replace(self._options, size=size)

    def switch_source(self, text: str, settings: SourceSettings | None = None) -> None:
        """Opens another source, or the same one with other settings. A SOURCE event, or a WARNING and the old one stays."""
        settings = settings or self._options.source_settings
        if self._pipeline is not None and self.state.active:
            self._asked = (text, settings)
            self._pipeline.open(text, settings)
        else:
            self._options = replace(self._options, source=text, source_settings=settings)

    def set_thresholds(
        self, *, joint: float | None = None, confidence: float | None = None, max_people: int | None = None
    ) -> None:
        """As in LiveOptions; None: as it was."""
        old = self._options
        self._options = replace(
            old,
            joint_threshold=old.joint_threshold if joint is None else joint,
            confidence=old.confidence if confidence is None else confidence,
            max_people=old.max_people if max_people is None else max_people,
        )
        if self._pipeline is not None:
            self._pipeline.loop.set_grouping(self._options)

    def set_tracking(self, on: bool) -> None:
        self._options = replace(self._options, tracking=on)
        self._follow()

    def set_smoothing(self, on: bool) -> None:
        self._options = replace(self._options, smoothing=on)
        self._follow()

    def _follow(self) -> None:
        if self._pipeline is not None:
            self._pipeline.loop.follow(self._options.tracking, self._options.smoothing)

    def set_drawing(self, drawing: DrawingSettings) -> None:
        """The overlays on recordings, streams and snapshots."""
        self._options = replace(self._options, drawing=drawing)
        if self._pipeline is not None:
            self._pipeline.outlet.drawing = drawing

    # Keeping.

    @property
    def recording(self) -> bool:
        return self._pipeline is not None and self._pipeline.recording.active

    def start_recording(self, options: RecordingOptions) -> tuple[Path, ...]:
        """-> the files. Raises SinkError where one cannot be made, UsageError where the session is not running."""
        if self._pipeline is None or not self.state.active:
            raise UsageError("There is nothing to record: the session is not running.")
        return self._pipeline.record(options)

    def stop_recording(self, wait_s: float = 0.0) -> bool:
        """-> whether the files were finished in that time. A RECORDING event tells when they are."""
        return self._pipeline is None or self._pipeline.recording.stop(wait_s)

    def snapshot(self, path: Path, annotated: bool = True) -> Path:
        """The newest result as a picture; a folder gets a name with date and time. -> the file. Raises SinkError."""
        result = self.latest()
        if result is None:
            raise UsageError("There is no picture yet.")
        return save_snapshot(result, path, self._options.drawing, annotated)

    def add_stream(self, sink: Sink, picture: Picture = Picture.ANNOTATED) -> None:
        """Every result goes there from now on, over all stops and starts. The sink stays the caller's to close."""
        output = Output(sink, picture)
        with self._lifecycle:
            self._streams.append(output)
            if self._pipeline is not None:
                self._pipeline.outlet.add(output)

    def remove_stream(self, sink: Sink) -> None:
        """Nothing more goes there; results that are on their way may."""
        with self._lifecycle:
            for output in [output for output in self._streams if output.sink is sink]:
                self._streams.remove(output)
                if self._pipeline is not None:
                    self._pipeline.outlet.remove(output)

    # Files.

    def pause(self) -> None:
        """Raises UsageError, as do the others below, where the source is not a file."""
        self._file().pause()
        self._machine.set_condition(SessionState.PAUSED, True)

    def resume(self) -> None:
        """Goes on; after the end, from the start again."""
        self._file().resume()
        self._machine.set_condition(SessionState.PAUSED, False)

    def step(self, frames: int = 1) -> None:
        """Pauses and goes on by some frames."""
        self._file().step(frames)
        self._machine.set_condition(SessionState.PAUSED, True)

    def seek(self, media_s: float) -> None:
        """To a time of the file; while paused, the frame there is shown."""
        info = self.source_info()
        playback = self._file()
        if info is None or not info.can_seek:
            raise UsageError("This source cannot be read from another time.")
        playback.seek(max(0.0, media_s))

    def set_speed(self, speed: float) -> None:
        """1 is the file's own speed."""
        if not 0.05 <= speed <= 20:
            raise UsageError(f"A file can be played at 0.05 to 20 times its speed, not {speed:g}.")
        self._file().set_speed(speed)

    def _file(self) -> Playback:
        playback = self._pipeline.playback if self._pipeline and self.state.active else None
        if playback is None:
            raise UsageError("Only files and pictures can be paused, stepped and sought.")
        return playback

    # From the pipeline, in its threads.

    def size_changed(self, size: str) -> None:
        self._options = replace(self._options, size=size)

    def source_changed(self, info: SourceInfo) -> None:
        text, settings = self._asked
        if info.text == text:
            self._options = replace(self._options, source=text, source_settings=settings)

    def _state_changed(self, old: SessionState, new: SessionState) -> None:
        self._deliver(Event(EventKind.STATE, new))

    def tell(self, kind: EventKind, text: str, details: str = "", paths: tuple[Path, ...] = ()) -> None:
        self._deliver(Event(kind, self.state, text, paths, details))

    def _deliver(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:
            logger.exception("the listener of a live session failed on %s", event)
