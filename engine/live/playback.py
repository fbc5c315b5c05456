"""How a file is played: from where, how fast, paused or step by step. Anyone asks, the reader obeys."""

import threading
import time

# A file that is later than this is not rushed through to catch up.
LATE_S = 0.1


class Playback:
    """What the user asks of a file. Safe to use from several threads.

    real_time: False plays as fast as frames are taken.
    """

    def __init__(self, real_time: bool = True) -> None:
        self.real_time = real_time
        self._changed = threading.Condition()
        self._paused = False
        self._at_end = False
        self._steps = 0
        self._speed = 1.0
        self._seek_to: float | None = None
        self._closed = False
        self._base: tuple[int, float] | None = None

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def at_end(self) -> bool:
        return self._at_end

    def pause(self) -> None:
        with self._changed:
            self._paused = True
            self._steps = 0
            self._changed.notify_all()

    def resume(self) -> None:
        """Goes on; after the end, from the start again."""
        with self._changed:
            if self._at_end and self._seek_to is None:
                self._seek_to = 0.0
            self._at_end = False
            self._paused = False
            self._base = None
            self._changed.notify_all()

    def step(self, frames: int = 1) -> None:
        """Pauses and lets this many frames through."""
        with self._changed:
            self._paused = True
            self._steps += frames
            self._changed.notify_all()

    def seek(self, media_s: float) -> None:
        """The next frame is the one at this time; while paused, that one frame is shown."""
        with self._changed:
            self._seek_to = media_s
            self._at_end = False
            if self._paused:
                self._steps = 1
            self._changed.notify_all()

    def set_speed(self, speed: float) -> None:
        """1 is the file's own speed."""
        with self._changed:
            self._speed = speed
            self._base = None
            self._changed.notify_all()

    def close(self) -> None:
        """The reader is to end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def reach_end(self) -> None:
        """The reader has read the last frame: paused there, unless the user has just asked for another place."""
        with self._changed:
            if self._seek_to is None:
                self._paused = self._at_end = True
                self._steps = 0

    def wait_for_turn(self) -> float | None:
        """Waits while there is nothing to read. -> where to seek before reading, or None."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._closed
                    or self._seek_to is not None
                    or not self._paused
                    or (self._steps > 0 and not self._at_end)
                )
            )
            if self._paused and self._steps and not self._closed:
                self._steps -= 1
            seek_to, self._seek_to = self._seek_to, None
            if seek_to is not None:
                self._base = None
            return seek_to

    def wait_until_due(self, media_s: float) -> bool:
        """Waits for the moment of a frame. -> False where it is not wanted any more: the user seeks or closes."""
        with self._changed:
            while not self._closed and self._seek_to is None:
                if self._paused or not self.real_time:
                    return True
                due_s = self._due_in_s(media_s)
                if due_s <= 0:
                    return True
                self._changed.wait(due_s)
            return False

    def _due_in_s(self, media_s: float) -> float:
        now_ns = time.monotonic_ns()
        if self._base is None:
            self._base = (now_ns, media_s)
        base_ns, base_s = self._base
        due_s = (media_s - base_s) / self._speed - (now_ns - base_ns) / 1e9
        if due_s < -LATE_S:
            self._base = (now_ns, media_s)
        return due_s
