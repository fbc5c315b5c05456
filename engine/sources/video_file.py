"""A recorded video as a source: as fast as it is read or at its own speed, from any time, once or in a loop."""

import logging
import time
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

from engine.errors import SourceError
from engine.sources.source import Source, SourceSettings
from engine.sources.video_reader import DecodedPicture, VideoReader, file_address
from engine.types import FilePlace, Frame

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv", ".mjpeg", ".h264",
)  # fmt: skip
# A file counts as cut off when this much of what it announces is missing.
MISSING_S = 0.5


class VideoSource(Source):
    """`media_s` is the video's presentation time from its first picture on; in a loop it goes on rising.

    One that ends before the time that it announces gives what it has, and then raises SourceError once.
    label: what messages call it.
    """

    def __init__(self, name: str, label: str, settings: SourceSettings) -> None:
        super().__init__(name, settings)
        self._label = label
        self._reader: VideoReader | None = None
        self._pictures: Iterator[DecodedPicture] = iter(())
        self._waiting: DecodedPicture | None = None
        self._index = 0
        self._skip_before_s = 0.0
        self._loop_offset_s = 0.0
        self._end_s = 0.0
        self._clock: tuple[int, float] | None = None
        self._size: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int] | None:
        return self._size

    @property
    def fps(self) -> float | None:
        return self._reader.fps if self._reader else None

    @property
    def frame_count(self) -> int | None:
        return self._reader.frame_count if self._reader else None

    @property
    def duration_s(self) -> float | None:
        """Of one pass, as announced; None where the file does not say."""
        return self._reader.duration_s if self._reader else None

    @property
    def has_audio(self) -> bool:
        return self._reader is not None and self._reader.has_audio

    @property
    def damaged_packets(self) -> int:
        """Pieces of the file that could not be decoded and were left out."""
        return self._reader.damaged_packets if self._reader else 0

    @property
    def is_open(self) -> bool:
        return self._reader is not None

    @abstractmethod
    def _open_reader(self) -> VideoReader:
        """Raises SourceError."""

    def open(self) -> None:
        if self._reader is not None:
            return
        self._interrupted.clear()
        self._reader = self._open_reader()
        try:
            if self.settings.start_s:
                self._reader.seek(self.settings.start_s)
            self._begin(self.settings.start_s)
            # The rotation, and so the size, shows only in the first picture.
            self._waiting = self._next_picture()
            if self._waiting is None:
                if self.settings.start_s:
                    raise SourceError(f"“{self._label}” ends before {self.settings.start_s:g} s. Start it earlier.")
                raise SourceError(f"“{self._label}” holds no picture that can be decoded. It is damaged or cut off.")
        except SourceError:
            self.close()
            raise
        height, width = self._waiting.image.shape[:2]
        self._size = self.settings.oriented_size(width, height)

    def seek(self, media_s: float) -> None:
        """The next frame is the one shown at this time of the file. Raises SourceError."""
        if self._reader is None:
            raise SourceError(f"“{self._label}” is not open.")
        media_s = max(0.0, media_s)
        self._reader.seek(media_s)
        self._loop_offset_s = 0.0
        self._begin(media_s)

    def _begin(self, media_s: float) -> None:
        """Everything that is counted from the place where reading starts."""
        assert self._reader is not None
        self._pictures = self._reader.pictures()
        self._skip_before_s = media_s
        self._waiting = None
        self._clock = None
        self._index = round(media_s * self._reader.fps) if self._reader.fps else 0
        self._end_s = 0.0

    def _next_picture(self) -> DecodedPicture | None:
        for picture in self._pictures:
            if self._interrupted.is_set():
                return None
            # Half a millisecond: times that were rounded on their way must still find their own picture.
            if picture.media_s + max(picture.duration_s, 0.001) - 0.0005 > self._skip_before_s:
                return picture
        return None

    def read(self) -> Frame | None:
        if self._reader is None or self._interrupted.is_set():
            return None
        picture = self._waiting or self._next_picture()
        self._waiting = None
        if picture is None:
            picture = self._after_end()
            if picture is None:
                return None
        self._end_s = picture.media_s + (picture.duration_s or 1.0 / (self.fps or 25.0))
        media_s = picture.media_s + self._loop_offset_s
        if self.settings.real_time and not self._wait_until_due(media_s):
            return None
        index = self._index
        self._index += 1
        image = self.settings.orient(picture.image)
        return Frame(image, index, time.monotonic_ns(), media_s, self.name, self._place(picture.media_s))

    def _place(self, file_s: float) -> FilePlace | None:
        """For a picture at this time of the file."""
        return None

    def _after_end(self) -> DecodedPicture | None:
        if self._interrupted.is_set() or self._reader is None:
            return None
        if not self.settings.loop:
            self._expect_whole()
            return None
        index, clock = self._index, self._clock
        self._loop_offset_s += self._end_s
        self._reader.seek(0.0)
        self._begin(0.0)
        self._index, self._clock = index, clock
        return self._next_picture()

    def _expect_whole(self) -> None:
        assert self._reader is not None
        announced = self._reader.duration_s
        end_s, self._end_s = self._end_s, 0.0
        if end_s and announced and announced - end_s > max(MISSING_S, 2.0 / (self.fps or 25.0)):
            raise SourceError(
                f"“{self._label}” is damaged or cut off: it ends after {end_s:.1f} of {announced:.1f} s. What it holds was read."
            )
        if self._reader.damaged_packets:
            logger.warning(
                "“%s” is damaged: %d of its pieces were left out.", self._label, self._reader.damaged_packets
            )

    def _wait_until_due(self, media_s: float) -> bool:
        """False where the wait was interrupted."""
        now_ns = time.monotonic_ns()
        if self._clock is None:
            self._clock = (now_ns, media_s)
        started_ns, first_s = self._clock
        due_s = media_s - first_s - (now_ns - started_ns) / 1e9
        return due_s <= 0 or not self._interrupted.wait(due_s)

    def close(self) -> None:
        self._pictures = iter(())
        self._waiting = None
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class VideoFileSource(VideoSource):
    """A video file of this machine."""

    def __init__(self, path: Path, settings: SourceSettings, name: str | None = None) -> None:
        super().__init__(name or path.name, str(path), settings)
        self.path = path

    def _place(self, file_s: float) -> FilePlace | None:
        return FilePlace(self.path, file_s)

    def _open_reader(self) -> VideoReader:
        if not self.path.is_file():
            known = "is not a file" if self.path.exists() else "does not exist"
            raise SourceError(f"The video “{self.path}” {known}. Check the name.")
        return VideoReader(file_address(self.path), str(self.path))
