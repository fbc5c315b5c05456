"""Records a video in a thread of its own, so that the loop does not wait for the encoder."""

import contextlib
import errno
import io
import logging
import os
import queue
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from engine.errors import LitePoseError, SinkError
from engine.sinks.sink import Sink, expect_free, write_failure
from engine.sinks.sound import FileSound
from engine.sinks.video_container import VideoContainer, available_encoders, container_options
from engine.types import Frame, Poses

logger = logging.getLogger(__name__)

QUEUED_FRAMES = 8
# A recording ends while there is still room to finish it and for others to go on.
RESERVE_BYTES = 16 * 2**20
SPACE_CHECK_S = 1.0


@dataclass(frozen=True, slots=True)
class _Picture:
    image: NDArray[np.uint8]
    media_s: float


class VideoRecorder(Sink):
    """Encodes annotated pictures, or the frames themselves where None is given, with the times at which they were taken.

    The first frame's time is the recording's 0 and its size the recording's size. Of frames that arrive when the queue
    is full, live recordings leave out and count the new one; others wait. After an error what was recorded is complete
    and playable; the error is raised by the next `write`, or by `close`, and stays in `error`.

    fps_hint:   expected frames per second; only the last frame's duration and the encoder's budget depend on it.
    quality:    constant rate factor of H.264, 0 to 51; less is better and larger.
    sound_from: a video file whose sound is carried over; the frames must be those of the file, in order.

    Raises SinkError where the file cannot be made, UsageError for an unknown ending.
    """

    wants_picture = True

    def __init__(
        self,
        path: Path,
        *,
        fps_hint: float | None = None,
        live: bool = False,
        quality: int = 20,
        overwrite: bool = False,
        sound_from: Path | None = None,
    ) -> None:
        container_options(path)
        available_encoders()
        expect_free(path, overwrite)
        if sound_from is not None and path.exists() and sound_from.exists() and path.samefile(sound_from):
            raise SinkError(f"“{path}” is the video that is being read. Choose another name for the recording.")
        self.path = path
        self.dropped = 0
        self.error: SinkError | None = None
        self._fps_hint, self._live, self._quality = fps_hint, live, quality
        self._told = False
        self._closed = False
        self._expect_space(path.parent)
        self._sound = _sound(sound_from, path) if sound_from is not None else None
        try:
            self._file = _CountedFile(path, overwrite)
        except OSError as error:
            if self._sound is not None:
                self._sound.close()
            raise write_failure(path, error) from error
        self._container: VideoContainer | None = None
        self._next_check_s = 0.0
        self._queue: queue.Queue[_Picture | None] = queue.Queue(QUEUED_FRAMES)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def bytes_written(self) -> int:
        return self._file.size

    @property
    def frames_written(self) -> int:
        return self._container.frames_written if self._container else 0

    @property
    def duration_s(self) -> float:
        """Of what is recorded so far."""
        return self._container.duration_s if self._container else 0.0

    @property
    def encoder(self) -> str | None:
        """FFmpeg's name of the encoder; None before the first frame."""
        return self._container.encoder if self._container else None

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        self._tell()
        if self._closed:
            raise SinkError(f"The recording “{self.path}” is closed.")
        # Only a frame's own image is promised to stay as it is.
        picture = _Picture(frame.image if annotated is None else annotated.copy(), frame.media_s)
        if not self._live:
            self._queue.put(picture)
            return
        try:
            self._queue.put_nowait(picture)
        except queue.Full:
            self.dropped += 1

    def _tell(self) -> None:
        if self.error is not None:
            self._told = True
            raise self.error

    def close(self) -> None:
        """Waits until everything is on disk. A recording without a single frame leaves no file."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join()
        if not self._told:
            self._tell()

    # In the recorder's thread.

    def _run(self) -> None:
        while (picture := self._queue.get()) is not None:
            if self.error is None:
                self._guarded(picture)
        self._finish()

    def _guarded(self, picture: _Picture) -> None:
        try:
            self._encode(picture)
        except (LitePoseError, av.FFmpegError, OSError, ValueError) as error:
            self._fail(error)

    def _encode(self, picture: _Picture) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_check_s:
            self._expect_space(self.path.parent)
            self._next_check_s = now_s + SPACE_CHECK_S
        if self._container is None:
            height, width = picture.image.shape[:2]
            self._container = VideoContainer(
                self._file, self.path, (width, height), self._fps_hint, self._quality, self._sound
            )
        self._container.write(picture.image, picture.media_s)

    def _fail(self, error: Exception) -> None:
        match error:
            case SinkError():
                self.error = error
            case OSError():
                self.error = write_failure(self.path, error)
            case _:
                self.error = SinkError(f"“{self.path}” cannot be recorded any further: {error}.")
        logger.error("%s", self.error)
        self._finish()

    def _finish(self) -> None:
        """Once, whatever happened before: closes everything, keeps what can be played."""
        if self._file.closed:
            return
        try:
            if self._container is not None:
                self._container.close()
        except (av.FFmpegError, OSError, ValueError) as error:
            if self.error is None:
                text = write_failure(self.path, error) if isinstance(error, OSError) else None
                self.error = text or SinkError(f"“{self.path}” could not be finished: {error}.")
        finally:
            if self._sound is not None:
                self._sound.close()
            self._file.close()
            if not self.frames_written:
                with contextlib.suppress(OSError):
                    self.path.unlink()

    def _expect_space(self, folder: Path) -> None:
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            # Making the file says better what is wrong with the folder.
            return
        if free < RESERVE_BYTES:
            raise write_failure(self.path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


class _CountedFile(io.FileIO):
    """A file that knows its size and writes everything it is given."""

    def __init__(self, path: Path, overwrite: bool) -> None:
        super().__init__(path, "w+" if overwrite else "x+")
        self.size = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        view = memoryview(data)
        written = 0
        while written < len(view):
            written += super().write(view[written:]) or 0
        self.size = max(self.size, self.tell())
        return written


def _sound(source: Path, path: Path) -> FileSound | None:
    try:
        return FileSound(source, path.suffix)
    except SinkError as error:
        # A recording without sound is better than none.
        logger.warning("recorded without sound: %s", error)
        return None
