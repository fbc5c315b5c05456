"""Encodes pictures with their real times into a fragmented MP4 that stays playable whatever happens to the process."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError
from engine.sinks.encoders import Encoder
from engine.sinks.output_file import OutputFile, write_failure
from engine.sinks.sound import SoundTrack
from engine.sources.video_reader import reason

KEY_PICTURE_S = 2.0
FRAGMENT_S = 0.4
# Smaller pictures are beyond what encoders take.
SMALLEST_SIDE = 16
# BT.601, limited range: what OpenCV's conversion to YUV computes.
COLOUR_SPACE, COLOUR_RANGE = 5, 1


def encoded_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the video for pictures of this size: H.264 with halved colours takes even sides only."""
    return max(SMALLEST_SIDE, width + width % 2), max(SMALLEST_SIDE, height + height % 2)


def to_yuv(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(height * 3 / 2, width) uint8 planes of YUV 4:2:0.

    The size comes from the recording's first picture. A picture of another size is fitted into it, with black beside;
    one that is short of a row or a column has its last one doubled.
    """
    width, height = size
    if encoded_size(image.shape[1], image.shape[0]) != size:
        scale = min(width / image.shape[1], height / image.shape[0])
        fitted = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        shrunk = cv2.resize(image, fitted, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        left, top = (width - fitted[0]) // 2, (height - fitted[1]) // 2
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[top : top + fitted[1], left : left + fitted[0]] = shrunk
        image = canvas
    elif (image.shape[1], image.shape[0]) != size:
        down, right = height - image.shape[0], width - image.shape[1]
        image = np.asarray(cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), np.uint8)


class VideoWriter:
    """One MP4 file with one video and, where `sound` names a file, that file's sound.

    While it is written the file is a row of fragments of FRAGMENT_S, so that a killed process loses less than a
    second; `close` turns it into a usual MP4 that every player can search. Raises SinkError.
    """

    def __init__(
        self, file: OutputFile, size: tuple[int, int], encoder: Encoder, fps: float, sound: Path | None = None
    ) -> None:
        self._file = file
        self._time_base = encoder.time_base
        self._step_s = 1.0 / fps
        self._last_s: float | None = None
        self._key_s = float("-inf")
        options = {
            "movflags": "hybrid_fragmented",
            "frag_duration": str(round(FRAGMENT_S * 1e6)),
            "flush_packets": "1",
            # A sound that is shorter than the video must not keep the muxer waiting for more of it.
            "max_interleave_delta": str(round(FRAGMENT_S * 1e6)),
        }
        self._container: Any = av.open(file, "w", format="mp4", options=options)
        self._sound: SoundTrack | None = None
        self._stream: Any = self._container.add_stream(
            encoder.name, rate=Fraction(fps).limit_denominator(1001), options=encoder.options
        )
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._time_base
        self._stream.codec_context.time_base = self._time_base
        self._stream.codec_context.colorspace = COLOUR_SPACE
        self._stream.codec_context.color_range = COLOUR_RANGE
        if encoder.bits_per_pixel is not None:
            self._stream.bit_rate = round(size[0] * size[1] * min(fps, 60.0) * encoder.bits_per_pixel)
        self._source_start_s = 0.0
        try:
            if sound is not None:
                self._sound = SoundTrack(sound, self._container)
            with self._reporting():
                self._container.start_encoding()
        except SinkError:
            self._container.close()
            raise

    def write(self, yuv: NDArray[np.uint8], time_s: float, source_start_s: float) -> None:
        """yuv: from `to_yuv`. time_s: of the recording, rising. source_start_s: the source's time that is 0 here."""
        if self._last_s is not None:
            self._step_s = time_s - self._last_s
        self._last_s, self._source_start_s = time_s, source_start_s
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        frame.pts, frame.time_base = round(time_s / self._time_base), self._time_base
        frame.colorspace, frame.color_range = COLOUR_SPACE, COLOUR_RANGE
        if time_s - self._key_s >= KEY_PICTURE_S:
            frame.pict_type = av.video.frame.PictureType.I
            self._key_s = time_s
        with self._reporting():
            if self._sound is not None:
                self._sound.write_until(time_s, source_start_s)
            self._encode(frame)

    def _encode(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            # The container works out each picture's duration from the next one; of the last it needs to be told.
            packet.duration = round(self._step_s / self._time_base)
            self._container.mux(packet)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turns what FFmpeg and the file report into a SinkError."""
        try:
            yield
        except (av.FFmpegError, OSError, ValueError) as error:
            if self._file.error is None:
                raise SinkError(f"“{self._file.path}” cannot be written: {reason(error)}.") from error
        if self._file.error is not None:
            raise SinkError(write_failure(self._file.path, self._file.error)) from self._file.error

    def close(self) -> None:
        """Raises SinkError where the end could not be written; what was written before stays playable."""
        try:
            with self._reporting():
                if self._last_s is not None and self._file.error is None:
                    if self._sound is not None:
                        self._sound.write_until(self._last_s + self._step_s, self._source_start_s)
                    self._encode(None)
        finally:
            if self._sound is not None:
                self._sound.close()
            with self._reporting():
                self._container.close()
