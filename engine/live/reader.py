"""One source, read by its own thread."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from engine.errors import SourceError
from engine.live.heaps import give_back
from engine.live.playback import Playback
from engine.live.results import Passage
from engine.sources import Source, SourceSettings
from engine.types import Frame

logger = logging.getLogger(__name__)

SourceFactory = Callable[[str, SourceSettings], Source]
"""Makes the closed source that a text means, as engine.sources.find_source does. Raises SourceError."""


@runtime_checkable
class Seekable(Protocol):
    """A source that can be read from any time."""

    def seek(self, media_s: float) -> None: ...


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known about the open source.

    text: what was asked for. name: what to call it. size: (width, height) in pixels, None where frames differ.
    fps, frame_count, duration_s: as announced, None where unknown. live: a camera, a stream, the screen.
    can_seek: it can be read from any time. has_audio: it carries sound.
    """

    text: str
    name: str
    size: tuple[int, int] | None
    fps: float | None
    frame_count: int | None
    duration_s: float | None
    live: bool
    can_seek: bool
    has_audio: bool


class ReaderListener(Protocol):
    """Hears from a reader, in the reader's thread."""

    def frame_read(self, reader: "Reader", frame: Frame) -> None:
        """May wait where the reader's source is a file; must not where it is live."""

    def source_ended(self, reader: "Reader", problem: SourceError | None) -> None:
        """A file or folder is at its end. problem: it should have been longer."""

    def source_lost(self, reader: "Reader", error: Exception) -> None:
        """The source did not open, broke, or threw; the reader ends."""

    def frame_damaged(self, reader: "Reader") -> None:
        """A frame without pixels was left out."""


class Reader(threading.Thread):
    """Opens a source, reads it as fast as it gives frames or as `playback` says, and closes it.

    Ends when it is abandoned or when the source is lost; a file that is at its end waits for a seek. `passage` is another
    object after each seek.
    """

    def __init__(
        self, text: str, settings: SourceSettings, make: SourceFactory, playback: Playback, listener: ReaderListener
    ) -> None:
        # A daemon: a driver that never comes back must not keep the program from ending.
        super().__init__(name="litepose-capture", daemon=True)
        self.text, self.settings = text, settings
        self.playback = playback
        self.info: SourceInfo | None = None
        self.live = False
        self.passage = Passage(self.text)
        self.opened = False
        self.started_ns = time.monotonic_ns()
        self.last_frame_ns: int | None = None
        self._make = make
        self._listener = listener
        self._source: Source | None = None
        self._lock = threading.Lock()
        self._abandoned = threading.Event()

    def abandoned(self) -> bool:
        return self._abandoned.is_set()

    def abandon(self) -> None:
        """From any thread: nothing more is heard of this reader, and it ends as soon as its source lets it."""
        self._abandoned.set()
        self.playback.close()
        with self._lock:
            if self._source is not None:
                self._source.interrupt()

    def run(self) -> None:
        try:
            source = self._make(self.text, self.settings)
            with self._lock:
                self._source = source
            self.live = source.live
            try:
                # Opening clears an earlier interruption, so it is asked for only by a reader that is still wanted.
                if not self.abandoned():
                    source.open()
                    self.info = describe(source, self.text)
                    self.opened = True
                    self._read(source)
            finally:
                source.close()
                give_back()
        except Exception as error:
            if self.abandoned():
                logger.debug("an abandoned source ended with: %s", error)
            else:
                self._listener.source_lost(self, error)

    def _read(self, source: Source) -> None:
        while not self.abandoned():
            if not source.live:
                seek_s = self.playback.wait_for_turn()
                if self.abandoned():
                    return
                if seek_s is not None:
                    self._go_to(source, seek_s)
            problem = None
            try:
                frame = source.read()
            except SourceError as error:
                # A file that is cut off gives what it has first; that is worth keeping.
                if source.live or self.last_frame_ns is None:
                    raise
                frame, problem = None, error
            if self.abandoned():
                return
            if frame is None:
                if source.live:
                    raise SourceError(f"“{source.name}” gives no pictures any more.")
                self.playback.reach_end()
                self._listener.source_ended(self, problem)
            elif not frame.image.size:
                self._listener.frame_damaged(self)
            elif source.live:
                self._hand_over(frame)
            elif self.playback.wait_until_due(frame.media_s):
                # A file's picture is complete, as far as anybody can see, when its moment has come.
                self._hand_over(replace(frame, captured_ns=time.monotonic_ns()))

    def _hand_over(self, frame: Frame) -> None:
        self.last_frame_ns = time.monotonic_ns()
        self._listener.frame_read(self, frame)

    def _go_to(self, source: Source, media_s: float) -> None:
        self.passage = Passage(self.text)
        if isinstance(source, Seekable):
            source.seek(media_s)
        else:
            # Pictures have no times to look for: from the first one again.
            source.close()
            source.open()


def describe(source: Source, text: str) -> SourceInfo:
    """What an open source says about itself."""
    duration_s: float | None = getattr(source, "duration_s", None)
    if duration_s is None and source.frame_count and source.fps:
        duration_s = source.frame_count / source.fps
    return SourceInfo(
        text=text,
        name=source.name,
        size=source.size,
        fps=source.fps,
        frame_count=source.frame_count,
        duration_s=duration_s,
        live=source.live,
        can_seek=isinstance(source, Seekable),
        has_audio=source.has_audio,
    )
