"""Records pictures to a video from its own thread, so that encoding and the disk never hold up the poses."""

import logging
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError, UsageError
from engine.sinks.encoders import ENCODERS, Encoder, working_encoder
from engine.sinks.output_file import OutputFile, expect_free, free_bytes
from engine.sinks.sink import Sink
from engine.sinks.sound import SoundTrack
from engine.sinks.timeline import Timeline
from engine.sinks.video_container import VideoContainer, container_format, encoded_size, to_yuv
from engine.types import Frame, Poses

logger = logging.getLogger(__name__)

# Waiting pictures may take this much memory together: a second of 720p at 30 frames a second.
QUEUE_BYTES = 42 * 2**20
LONGEST_QUEUE = 30
# Less free space than this is refused at the start, and ends a recording while there is room left to finish it.
SMALLEST_START_BYTES = 16 * 2**20
SMALLEST_FREE_BYTES = 8 * 2**20
FREE_SPACE_EVERY_S = 0.5
# A disk that does not answer for so long at the end is given up.
CLOSE_TIMEOUT_S = 30.0
DEFAULT_FPS = 30.0
HIGHEST_FPS = 1000.0


@dataclass(frozen=True, slots=True)
class _Picture:
    """yuv: planes of YUV 4:2:0. time_s: of the recording. sound_s: where its sound is in the file that the sound is from."""

    yuv: NDArray[np.uint8]
    size: tuple[int, int]
    time_s: float
    sound_s: float | None


class VideoRecorder(Sink):
    """Writes one .mp4 or .mkv: the annotated pictures, or the frames' own where there are none, with their real times.

    The first frame's time is 0 and its size the recording's. An error in the thread ends the recording, is raised by the next
    `write` or by `close`, once, and stays in `error`; what was recorded before it can be played.

    fps_hint:   what the source announces; it guides the encoder and is the duration of a single frame.
    live:       True never waits: where the disk or the encoder lags behind, frames are dropped and counted. False waits,
                and loses nothing.
    quality:    constant rate factor of H.264, 0 to 51; less is better and larger.
    sound_from: a file whose sound is carried over, as far as the frames come from this file (Frame.place); it follows them
                through loops and seeks.
    Raises SinkError where the file exists, cannot be made or has no room, and where no encoder works; UsageError for an
    unknown ending.
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
        encoders: tuple[Encoder, ...] = ENCODERS,
    ) -> None:
        if not 0 <= quality <= 51:
            raise UsageError(f"The quality of a recording is from 0 (best) to 51, not {quality}.")
        container_format(path)
        self.path = path
        self._live, self._quality = live, quality
        self._fps = fps_hint if fps_hint and 0 < fps_hint <= HIGHEST_FPS else DEFAULT_FPS
        self._timeline = Timeline()
        self._encoder = working_encoder(encoders)
        self._sound_from = sound_from
        expect_free(path, overwrite)
        if sound_from is not None and path.exists() and sound_from.exists() and path.samefile(sound_from):
            raise SinkError(f"“{path}” is the video that is being read. Choose another name for the recording.")
        free = free_bytes(path)
        if free is not None and free < SMALLEST_START_BYTES:
            raise SinkError(
                f"The disk of “{path}” is nearly full ({free / 2**20:.0f} MB left). Free some space, or choose another folder."
            )
        self._file = OutputFile(path, overwrite=overwrite)
        self._container: VideoContainer | None = None
        self._size: tuple[int, int] | None = None
        self._queue: queue.Queue[_Picture | None] = queue.Queue()
        self._room = threading.Semaphore(0)
        self._dropped = 0
        self._error: SinkError | None = None
        self._told = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"recorder {path.name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames that found no room in the queue, or came after the recording had ended."""
        return self._dropped

    @property
    def frames_written(self) -> int:
        return self._container.frames_written if self._container else 0

    @property
    def duration_s(self) -> float:
        """End of the latest frame in the file."""
        return self._container.duration_s if self._container else 0.0

    @property
    def bytes_written(self) -> int:
        """Size of the file so far."""
        return self._file.size

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder in use."""
        return self._encoder.name

    @property
    def error(self) -> SinkError | None:
        """What ended the recording early."""
        return self._error

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None = None) -> None:
        """Converts the picture and returns; waits only where the recorder is not live and its queue is full."""
        image = frame.image if annotated is None else annotated
        # Before anything can be dropped: a dropped frame takes its time with it.
        time_s = self._timeline.place(frame.media_s)
        if self._closed or self._told:
            self._dropped += 1
            return
        self._tell()
        if self._size is None:
            self._size = encoded_size(image.shape[1], image.shape[0])
            bytes_each = self._size[0] * self._size[1] * 3 // 2
            for _ in range(max(2, min(LONGEST_QUEUE, QUEUE_BYTES // bytes_each))):
                self._room.release()
        if not self._room.acquire(blocking=not self._live):
            self._dropped += 1
            return
        sound_s = frame.place.time_s if frame.place and frame.place.path == self._sound_from else None
        self._queue.put(_Picture(to_yuv(image, self._size), self._size, time_s, sound_s))

    def _tell(self) -> None:
        """Raises what went wrong in the thread, once."""
        if self._error is not None and not self._told:
            self._told = True
            raise self._error

    def close(self) -> None:
        """Waits until everything is on disk. A recording without a single frame leaves no file."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join(CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            raise SinkError(
                f"“{self.path}” could not be finished: its disk does not answer. What it holds can be played."
            )
        self._tell()

    # In the recorder's thread.

    def _run(self) -> None:
        sound = self._open_sound()
        checked_s = 0.0
        while (picture := self._queue.get()) is not None:
            try:
                if self._error is not None:
                    self._dropped += 1
                    continue
                if self._container is None:
                    self._container = VideoContainer(
                        self._file, picture.size, self._encoder, fps=self._fps, quality=self._quality, sound=sound
                    )
                self._container.write(picture.yuv, picture.time_s, picture.sound_s)
                if time.monotonic() - checked_s >= FREE_SPACE_EVERY_S:
                    checked_s = time.monotonic()
                    self._expect_room()
            except Exception as error:
                # Whatever it is, the thread must go on taking pictures, or the caller would wait for ever.
                self._fail(error)
            finally:
                self._room.release()
        self._finish(sound)

    def _finish(self, sound: SoundTrack | None) -> None:
        try:
            if self._container is not None:
                self._container.close()
        except Exception as error:
            self._fail(error)
        self._file.close()
        if sound is not None:
            sound.close()
        if not self.frames_written:
            self.path.unlink(missing_ok=True)

    def _open_sound(self) -> SoundTrack | None:
        if self._sound_from is None:
            return None
        try:
            return SoundTrack(self._sound_from, self.path.suffix)
        except SinkError as error:
            # A recording without its sound is better than none.
            logger.warning("recording “%s” without sound: %s", self.path, error)
            return None

    def _expect_room(self) -> None:
        free = free_bytes(self.path)
        if free is not None and free < SMALLEST_FREE_BYTES:
            raise SinkError(
                f"The disk of “{self.path}” is nearly full ({free / 2**20:.0f} MB left). The recording stopped at "
                f"{self.duration_s:.1f} s; what was recorded is kept."
            )

    def _fail(self, error: Exception) -> None:
        # Later failures follow from the first.
        if self._error is None:
            logger.info("recording “%s” failed", self.path, exc_info=error)
            known = error if isinstance(error, SinkError) else None
            self._error = known or SinkError(f"The recording of “{self.path}” failed: {error}.")
