"""Records pictures to a video from its own thread, so that encoding and the disk never hold up the poses."""

import logging
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError
from engine.sinks.encoders import ENCODERS, Encoder, working_encoder
from engine.sinks.output_file import OutputFile, free_bytes
from engine.sinks.sink import Sink
from engine.sinks.timeline import Timeline
from engine.sinks.video_writer import VideoWriter, encoded_size, to_yuv
from engine.types import Frame, Poses

logger = logging.getLogger(__name__)

# Waiting pictures may take this much memory together: a second of 720p at 30 frames a second.
QUEUE_BYTES = 42 * 2**20
LONGEST_QUEUE = 30
# Less free space than this is refused at the start, and ends a recording while there is room left to finish it.
SMALLEST_START_BYTES = 16 * 2**20
SMALLEST_FREE_BYTES = 4 * 2**20
FREE_SPACE_EVERY_S = 1.0
# A disk that does not answer for so long at the end is given up.
CLOSE_TIMEOUT_S = 20.0
DEFAULT_FPS = 30.0


@dataclass(frozen=True, slots=True)
class _Picture:
    """yuv: planes of YUV 4:2:0. time_s: of the recording. source_start_s: the source's time that is 0 in it."""

    yuv: NDArray[np.uint8]
    size: tuple[int, int]
    time_s: float
    source_start_s: float


class VideoRecorder(Sink):
    """Writes one MP4.

    live:     True never waits: where the disk or the encoder lags behind, frames are dropped and counted. False waits,
              and loses nothing.
    raw:      records the source's picture instead of the annotated one.
    fps:      what the source announces; it only guides the encoder, since every frame carries its own time.
    sound:    a file whose sound is carried over; it must be the file that the frames come from.
    timeline: the default starts with the first frame at 0.
    Raises SinkError, here where the file exists, cannot be made or has no room, and where no encoder works.
    """

    def __init__(
        self,
        path: Path,
        *,
        live: bool = False,
        raw: bool = False,
        fps: float | None = None,
        sound: Path | None = None,
        timeline: Timeline | None = None,
        overwrite: bool = False,
        encoders: tuple[Encoder, ...] = ENCODERS,
        smallest_start_bytes: int = SMALLEST_START_BYTES,
        smallest_free_bytes: int = SMALLEST_FREE_BYTES,
    ) -> None:
        self.path = path
        self._live = live
        self._raw = raw
        self._fps = fps or DEFAULT_FPS
        self._sound = sound
        self._timeline = timeline or Timeline()
        self._encoder = working_encoder(encoders)
        self._smallest_free_bytes = smallest_free_bytes
        self._file = OutputFile(path, overwrite=overwrite)
        free = free_bytes(path)
        if free < smallest_start_bytes:
            self._file.close()
            path.unlink()
            raise SinkError(
                f"Only {free / 2**20:.0f} MB are free for “{path}”. Free some space, or choose another folder."
            )
        self._size: tuple[int, int] | None = None
        self._queue: queue.Queue[_Picture | None] = queue.Queue()
        self._room = threading.Semaphore(0)
        self._dropped = 0
        self._recorded = 0
        self._duration_s = 0.0
        self._failure: SinkError | None = None
        self._told = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"recorder {path.name}", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self._dropped

    @property
    def recorded(self) -> int:
        """Frames in the file so far."""
        return self._recorded

    @property
    def duration_s(self) -> float:
        """Time of the latest frame in the file."""
        return self._duration_s

    @property
    def encoder(self) -> str:
        """FFmpeg's name of the encoder in use."""
        return self._encoder.name

    def size_bytes(self) -> int:
        """Of the file so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None = None) -> None:
        """Copies the picture and returns; waits only where the recorder is not live and its queue is full."""
        image = frame.image if self._raw or annotated is None else annotated
        # Before anything can be dropped, so that a keypoint file of the same frames gets the same times.
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
        self._queue.put(_Picture(to_yuv(image, self._size), self._size, time_s, self._timeline.start_s or 0.0))

    def _tell(self) -> None:
        """Raises what went wrong in the thread, once."""
        if self._failure is not None and not self._told:
            self._told = True
            raise self._failure

    def close(self) -> None:
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

    def _run(self) -> None:
        writer: VideoWriter | None = None
        checked = 0.0
        while (picture := self._queue.get()) is not None:
            try:
                if self._failure is not None:
                    self._dropped += 1
                    continue
                if writer is None:
                    writer = VideoWriter(self._file, picture.size, self._encoder, self._fps, self._sound)
                writer.write(picture.yuv, picture.time_s, picture.source_start_s)
                self._recorded += 1
                self._duration_s = picture.time_s
                if time.monotonic() - checked >= FREE_SPACE_EVERY_S:
                    checked = time.monotonic()
                    self._expect_room()
            except SinkError as error:
                self._fail(error)
            except Exception as error:
                # Whatever it is, the thread must go on taking pictures, or the caller would wait for ever.
                logger.exception("recording “%s”", self.path)
                self._fail(SinkError(f"The recording of “{self.path}” failed: {error}."))
            finally:
                self._room.release()
        try:
            if writer is not None:
                writer.close()
        except SinkError as error:
            self._fail(error)
        self._file.close()
        if writer is None and self._failure is None:
            # Nothing was recorded: no empty file is left behind.
            self.path.unlink(missing_ok=True)

    def _expect_room(self) -> None:
        free = free_bytes(self.path)
        if free < self._smallest_free_bytes:
            raise SinkError(
                f"The disk of “{self.path}” is nearly full ({free / 2**20:.0f} MB left). The recording stopped at "
                f"{self._duration_s:.1f} s; what was recorded is kept."
            )

    def _fail(self, error: SinkError) -> None:
        # Later failures follow from the first.
        if self._failure is None:
            self._failure = error
            logger.info("recording failed: %s", error)
