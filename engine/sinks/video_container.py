"""Encodes pictures with their real times into a container that stays playable whatever happens to the process."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError, UsageError
from engine.sinks.encoders import Encoder
from engine.sinks.output_file import OutputFile, write_failure
from engine.sinks.sound import SoundTrack
from engine.sources.video_reader import reason

FRAGMENT_S = 0.25
KEY_PICTURE_S = 1.0
# Key pictures are asked for by time and not by number.
MANY_PICTURES = 10_000
# Smaller pictures are beyond what encoders take.
SMALLEST_SIDE = 16
# BT.601, limited range: what OpenCV's conversion to YUV computes, and what readers assume that do not look.
COLOUR_SPACE, COLOUR_RANGE = 6, 1


def container_format(path: Path, with_sound: bool = False) -> tuple[str, dict[str, str]]:
    """(FFmpeg's name of the format, its options) for the file's ending. Raises UsageError for an unknown one."""
    options = {
        "flush_packets": "1",
        # A sound that is shorter than the video must not keep the muxer waiting for more of it.
        "max_interleave_delta": str(round(FRAGMENT_S * 1e6)),
    }
    match path.suffix.lower():
        case ".mp4":
            # Fragments while it grows; closing it makes a usual MP4 of them, which every player can search.
            flags = "hybrid_fragmented+frag_keyframe+default_base_moof"
            if with_sound:
                # Without it nothing is written before the first sound, which may come late or never.
                flags += "+empty_moov"
            return "mp4", options | {"movflags": flags, "frag_duration": str(round(FRAGMENT_S * 1e6))}
        case ".mkv":
            return "matroska", options | {"cluster_time_limit": str(round(FRAGMENT_S * 1e3))}
    raise UsageError(f"“{path}” names no known kind of video. Known endings: .mp4, .mkv.")


def encoded_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) of the video for pictures of this size: H.264 with halved colours takes even sides only."""
    return max(SMALLEST_SIDE, width + width % 2), max(SMALLEST_SIDE, height + height % 2)


def fitted(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3) BGR: a picture that is short of a row or a column has its last one repeated; one of another size is
    scaled into the middle, with black beside it. The same array where nothing is to be done.
    """
    own_height, own_width = image.shape[:2]
    if (own_width, own_height) == (width, height):
        return image
    if encoded_size(own_width, own_height) == (width, height):
        bordered = cv2.copyMakeBorder(image, 0, height - own_height, 0, width - own_width, cv2.BORDER_REPLICATE)
        return np.asarray(bordered, np.uint8)
    scale = min(width / own_width, height / own_height)
    inner = (max(1, round(own_width * scale)), max(1, round(own_height * scale)))
    resized = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    whole = np.zeros((height, width, 3), np.uint8)
    whole[top : top + inner[1], left : left + inner[0]] = resized
    return whole


def to_yuv(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(height * 3 / 2, width) uint8 planes of YUV 4:2:0 of a BGR picture, fitted into (width, height)."""
    return np.asarray(cv2.cvtColor(fitted(image, *size), cv2.COLOR_BGR2YUV_I420), np.uint8)


class VideoContainer:
    """One file with one video and, where there is one, the sound that goes with it. Raises SinkError.

    A killed process loses less than a second: frames leave the encoder at once and the file every FRAGMENT_S.
    """

    def __init__(
        self,
        file: OutputFile,
        size: tuple[int, int],
        encoder: Encoder,
        *,
        fps: float,
        quality: int,
        sound: SoundTrack | None = None,
    ) -> None:
        self._file, self._sound = file, sound
        self._time_base = encoder.time_base
        self._step_s = 1.0 / fps
        self._last_s: float | None = None
        self._key_s = float("-inf")
        self.frames_written = 0
        self.duration_s = 0.0
        name, options = container_format(file.path, with_sound=sound is not None)
        self._container: Any = av.open(file, "w", format=name, options=options)
        self._stream: Any = self._container.add_stream(
            encoder.name, rate=Fraction(fps).limit_denominator(1001), options=encoder.context_options(quality)
        )
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = *size, "yuv420p"
        context.time_base = self._stream.time_base = encoder.time_base
        context.gop_size = MANY_PICTURES
        context.colorspace, context.color_range = COLOUR_SPACE, COLOUR_RANGE
        bit_rate = encoder.bit_rate(size, fps)
        if bit_rate is not None:
            context.bit_rate = bit_rate
        try:
            with self._reporting():
                if sound is not None:
                    sound.add_to(self._container)
                self._container.start_encoding()
        except SinkError:
            self._container.close()
            raise

    def write(self, yuv: NDArray[np.uint8], time_s: float, sound_s: float | None) -> None:
        """yuv: from `to_yuv`. time_s: of the recording, rising. sound_s: where its sound is in the sound's file; None: nowhere."""
        if self._last_s is not None:
            self._step_s = time_s - self._last_s
        self._last_s = time_s
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        frame.pts, frame.time_base = round(time_s / self._time_base), self._time_base
        frame.colorspace, frame.color_range = COLOUR_SPACE, COLOUR_RANGE
        if time_s - self._key_s >= KEY_PICTURE_S:
            frame.pict_type = av.video.frame.PictureType.I
            self._key_s = time_s
        with self._reporting():
            self._mux_sound(time_s, sound_s)
            self._encode(frame)
        self.frames_written += 1
        self.duration_s = time_s + self._step_s

    def _encode(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            # The container works out how long a picture stands from the next one; of the last it needs to be told.
            packet.duration = round(self._step_s / self._time_base)
            self._mux(packet)

    def _mux(self, packet: Any) -> None:
        self._container.mux(packet)
        # FFmpeg hands on whole fragments, and after every packet everything that it has.
        self._file.mark()

    def _mux_sound(self, time_s: float, sound_s: float | None) -> None:
        if self._sound is not None:
            for packet in self._sound.follow(time_s, sound_s):
                self._mux(packet)

    def _mux_rest_of_sound(self) -> None:
        if self._sound is not None:
            for packet in self._sound.rest():
                self._mux(packet)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turns what FFmpeg and the file report into a SinkError."""
        try:
            yield
        except (av.FFmpegError, OSError, ValueError) as error:
            if self._file.error is None:
                raise SinkError(f"“{self._file.path}” cannot be recorded: {reason(error)}.") from error
        if self._file.error is not None:
            raise write_failure(self._file.path, self._file.error) from self._file.error

    def close(self) -> None:
        """Raises SinkError where the end could not be written; what was written before stays playable."""
        try:
            if self._last_s is not None and self._file.error is None:
                with self._reporting():
                    self._mux_sound(self.duration_s, None)
                    self._mux_rest_of_sound()
                    self._encode(None)
        finally:
            try:
                with self._reporting():
                    self._container.close()
            finally:
                # An encoder's threads end with the last thing that refers to it; nobody knows how long this object is kept.
                self._container = self._stream = None
