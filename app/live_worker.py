"""A thread around the live session. What the window asks is done here; what happened comes back as signals.

Nothing that can take time runs in the GUI thread: every request is a call that the worker's own thread makes. Only what the
session promises to answer at once (its newest frame, its newest result) is asked directly.
"""

import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from PyQt6.QtCore import QObject, QThread, QTimer, pyqtSignal

from engine.drawing import DrawingSettings
from engine.errors import LitePoseError
from engine.live import Event, EventKind, LiveOptions, LiveResult, LiveSession, RecordingOptions, SourceInfo
from engine.sources import SourceSettings
from engine.types import Frame

STATISTICS_MS = 250
STOP_S = 2.0


class LiveWorker(QObject):
    """Owns the session and its thread. Signals carry the engine's dataclasses and arrive in the receiver's thread."""

    happened = pyqtSignal(object)
    """An Event of the session."""
    measured = pyqtSignal(object)
    """Statistics, a few times a second while the session is active."""
    source_known = pyqtSignal(object)
    """SourceInfo of what is being read now."""
    saved = pyqtSignal(object)
    """The Path of a snapshot."""
    refused = pyqtSignal(str)
    """A request failed with a sentence for the user; the session goes on."""
    broken = pyqtSignal(str, str)
    """A request failed in a way that nobody expected: a sentence and the traceback."""
    stopped = pyqtSignal()

    _asked = pyqtSignal(object)

    def __init__(self, options: LiveOptions, make_session: Callable[..., LiveSession] = LiveSession) -> None:
        super().__init__()
        self._from_session = _Bridge()
        self._make_session = make_session
        self.session = make_session(options, on_event=self._from_session.told.emit)
        self._thread = QThread()
        self._thread.setObjectName("live-session")
        self._timer = QTimer(self)
        self._timer.setInterval(STATISTICS_MS)
        self._timer.timeout.connect(self._measure)
        self.moveToThread(self._thread)
        self._from_session.told.connect(self._on_event)
        self._asked.connect(self._do)
        self._thread.started.connect(self._timer.start)
        self._thread.start()

    @property
    def active(self) -> bool:
        """Whether there is a source to read: not before the start, after a failure, or after the stop."""
        return self.session.state.active

    @property
    def running_size(self) -> str:
        return str(self.session.options.size)

    @property
    def running_source(self) -> str:
        return self.session.options.source

    def latest(self) -> LiveResult | None:
        return self.session.latest()

    def latest_frame(self) -> Frame | None:
        return self.session.latest_frame()

    def source(self) -> SourceInfo | None:
        return self.session.source_info()

    def painted(self, frame: Frame) -> None:
        self.session.painted(frame)

    def start(self) -> None:
        self._ask(self.session.start)

    def restart(self, options: LiveOptions) -> None:
        """Stops, and starts again with other options: for what cannot be changed while a session runs."""

        def begin_anew() -> None:
            self.session.stop(STOP_S)
            self.session = self._make_session(options, on_event=self._from_session.told.emit)
            self.session.start()

        self._ask(begin_anew)

    def switch_size(self, size: str) -> None:
        self._ask(lambda: self.session.switch_size(size))

    def switch_source(self, text: str, settings: SourceSettings) -> None:
        def switch() -> None:
            if self.session.state.active:
                self.session.switch_source(text, settings)
            else:
                self.session.stop(STOP_S)
                self.session.switch_source(text, settings)
                self.session.start()

        self._ask(switch)

    def set_thresholds(self, confidence: float, people: int) -> None:
        """people: at most."""
        self._ask(lambda: self.session.set_thresholds(confidence=confidence, max_people=people))

    def set_smoothing(self, on: bool) -> None:
        self._ask(lambda: self.session.set_smoothing(on))

    def set_drawing(self, drawing: DrawingSettings) -> None:
        self._ask(lambda: self.session.set_drawing(drawing))

    def start_recording(self, options: RecordingOptions) -> None:
        self._ask(lambda: self.session.start_recording(options))

    def stop_recording(self) -> None:
        self._ask(self.session.stop_recording)

    def snapshot(self, path: Path, annotated: bool) -> None:
        self._ask(lambda: self.saved.emit(self.session.snapshot(path, annotated)))

    def pause(self) -> None:
        self._ask(self.session.pause)

    def resume(self) -> None:
        self._ask(self.session.resume)

    def step(self) -> None:
        self._ask(self.session.step)

    def seek(self, media_s: float) -> None:
        self._ask(lambda: self.session.seek(media_s))

    def set_speed(self, speed: float) -> None:
        self._ask(lambda: self.session.set_speed(speed))

    def close(self) -> bool:
        """Stops the session, finishing a recording, and the thread. Waits, within the session's promise. -> whether the
        thread has ended.

        What has not been told by then is not told any more: the window may be gone.
        """
        self._ask(self._finish)
        ended = self._thread.wait(round(2000 * STOP_S) + 1000)
        for signal in (self.happened, self.measured, self.source_known, self.saved, self.refused, self.broken):
            with suppress(TypeError):  # nobody has listened to it
                signal.disconnect()
        return ended

    def _ask(self, request: Callable[[], object]) -> None:
        self._asked.emit(request)

    def _do(self, request: Callable[[], object]) -> None:
        try:
            request()
        except LitePoseError as error:
            self.refused.emit(str(error))
        except Exception as error:  # every kind: whatever it is, the user is told, and the thread lives on
            self.broken.emit(f"{type(error).__name__}: {error}", traceback.format_exc())

    def _measure(self) -> None:
        if self.active:
            self.measured.emit(self.session.statistics())

    def _on_event(self, event: Event) -> None:
        if event.kind in (EventKind.SOURCE, EventKind.STATE) and (source := self.session.source_info()) is not None:
            self.source_known.emit(source)
        self.happened.emit(event)

    def _finish(self) -> None:
        self._timer.stop()
        try:
            self.session.stop(STOP_S)
        finally:
            self._thread.quit()
        self.stopped.emit()


class _Bridge(QObject):
    """Lives in the GUI thread's world only as a sender: events come from the session's many threads."""

    told = pyqtSignal(object)
