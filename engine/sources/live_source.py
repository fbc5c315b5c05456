"""A source that goes on whether anybody reads or not: a thread of its own always holds the newest picture."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import SourceError
from engine.sources.source import Source, SourceSettings
from engine.types import Frame

logger = logging.getLogger(__name__)

# Longer than a stream's own time limit, so that its more exact message comes first.
OPENING_S = 15.0
# A driver that does not come back keeps its thread; nobody waits for it longer than this.
CLOSING_S = 1.0


class Device(Protocol):
    """A camera, a stream or a screen that is open. Opened, read and closed by one and the same thread."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    @property
    def fps(self) -> float | None:
        """Frames per second as announced; None where it is not known."""

    def read(self) -> NDArray[np.uint8]:
        """The next picture, (H, W, 3) uint8, BGR, waiting for it. Raises SourceError where there will be none."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Shot:
    """A picture as it came, when it was complete, and how many came before it."""

    image: NDArray[np.uint8]
    index: int
    captured_ns: int


class LiveSource(Source):
    """Reads what `connect` opens. `read` gives the newest picture that has not been read; gaps in `index` are those missed.

    `media_s` counts from the first picture, by the clock of this machine: what comes live may have no times, or times
    that jump.
    """

    live = True

    opening_s = OPENING_S
    closing_s = CLOSING_S

    def __init__(self, name: str, settings: SourceSettings, connect: Callable[[], Device]) -> None:
        super().__init__(name, settings)
        self._connect = connect
        self._changed = threading.Condition()
        self._grabber: _Grabber | None = None
        self._size: tuple[int, int] | None = None
        self._fps: float | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        return self._size

    @property
    def fps(self) -> float | None:
        return self._fps

    @property
    def is_open(self) -> bool:
        return self._grabber is not None

    def open(self) -> None:
        """Returns when the first picture is there. An interruption ends it with a SourceError."""
        if self._grabber is not None:
            return
        self._interrupted.clear()
        grabber = self._grabber = _Grabber(self._connect, self._changed)
        grabber.start()
        with self._changed:
            self._changed.wait_for(
                lambda: grabber.first is not None or grabber.error is not None or self._interrupted.is_set(),
                self.opening_s,
            )
        try:
            if self._interrupted.is_set():
                raise SourceError(f"Opening “{self.name}” was given up.")
            if grabber.first is None:
                if grabber.error is not None:
                    raise grabber.error
                raise SourceError(
                    f"“{self.name}” does not answer. Check that it is connected, or disconnect it and connect it again."
                )
            self._name, self._fps = grabber.device_name, grabber.fps
            height, width = grabber.first.image.shape[:2]
            self._size = self.settings.oriented_size(width, height)
        except Exception:
            self.close()
            raise

    def read(self) -> Frame | None:
        grabber = self._grabber
        if grabber is None:
            return None
        with self._changed:
            self._changed.wait_for(
                lambda: grabber.waiting is not None or grabber.error is not None or self._interrupted.is_set(),
                self.settings.timeout_s,
            )
            if self._interrupted.is_set():
                return None
            shot, grabber.waiting = grabber.waiting, None
        if shot is None:
            if grabber.error is not None:
                raise grabber.error
            raise SourceError(
                f"“{self.name}” has given no picture for {self.settings.timeout_s:g} s. Check that it is still connected."
            )
        assert grabber.first is not None
        image = self.settings.orient(shot.image)
        self._size = (image.shape[1], image.shape[0])
        media_s = (shot.captured_ns - grabber.first.captured_ns) / 1e9
        return Frame(image, shot.index, shot.captured_ns, media_s, self.name)

    def interrupt(self) -> None:
        super().interrupt()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        grabber, self._grabber = self._grabber, None
        if grabber is None:
            return
        grabber.leave()
        grabber.join(self.closing_s)
        if grabber.is_alive():
            logger.info("“%s” has not let go yet; it is closed as soon as it does.", self.name)


class _Grabber(threading.Thread):
    """Opens a device, reads it until told to leave, and closes it."""

    def __init__(self, connect: Callable[[], Device], changed: threading.Condition) -> None:
        # A daemon: a driver that never comes back must not keep the program from ending.
        super().__init__(name="litepose-grabber", daemon=True)
        self._connect = connect
        self._changed = changed
        self._leaving = threading.Event()
        self.device_name = ""
        self.fps: float | None = None
        self.first: _Shot | None = None
        self.waiting: _Shot | None = None
        self.error: Exception | None = None

    def leave(self) -> None:
        self._leaving.set()

    def run(self) -> None:
        try:
            device = self._connect()
            try:
                self.device_name, self.fps = device.name, device.fps
                self._grab(device)
            finally:
                device.close()
        except Exception as error:
            if self._leaving.is_set():
                logger.debug("a source that was being closed ended with: %s", error)
                return
            with self._changed:
                self.error = error
                self._changed.notify_all()

    def _grab(self, device: Device) -> None:
        index = 0
        while not self._leaving.is_set():
            image = device.read()
            shot = _Shot(image, index, time.monotonic_ns())
            index += 1
            with self._changed:
                self.first = self.first or shot
                self.waiting = shot
                self._changed.notify_all()
