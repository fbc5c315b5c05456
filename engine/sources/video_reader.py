"""Decodes a video, from a file or over the network, into BGR pictures with their presentation times. The only user of PyAV
among the sources."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SourceError

logger = logging.getLogger(__name__)

# More threads decode no faster here and each holds whole pictures; the processor is wanted by the network.
DECODER_THREADS = 2
# One announced rate above this is a time base that somebody mistook for a rate.
HIGHEST_RATE = 1000.0
TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


# Names of FFmpeg's thread types.
SLICES, PICTURES_AND_SLICES = "SLICE", "AUTO"


class _PicturesLostError(Exception):
    """Whole pictures that were being decoded beside a damaged one are lost with it: FFmpeg tells the error instead of them."""


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """image: (H, W, 3) uint8, BGR, turned as the file says. media_s: presentation time from the video's start.
    duration_s: 0 where unknown."""

    image: NDArray[np.uint8]
    media_s: float
    duration_s: float


class VideoReader:
    """One open video. Raises SourceError where it cannot be opened.

    label:     what messages call it.
    options:   FFmpeg's, by name.
    timeout_s: how long the network may be silent.
    live:      each picture is given as soon as it is there; fewer of them are decoded at a time.
    """

    def __init__(
        self,
        address: str,
        label: str,
        options: dict[str, str] | None = None,
        timeout_s: float | None = None,
        live: bool = False,
    ) -> None:
        self._address, self._label = address, label
        self._options, self._timeout_s = options or {}, timeout_s
        self._sought_s = 0.0
        self.damaged_packets = 0
        # Decoding whole pictures side by side delays each of them by one picture for each thread.
        self._open(SLICES if live else PICTURES_AND_SLICES)
        if live:
            self._stream.codec_context.flags |= av.codec.context.Flags.low_delay

    def _open(self, side_by_side: str) -> None:
        """side_by_side: what is decoded at the same time."""
        try:
            container = av.open(self._address, "r", options=self._options, timeout=self._timeout_s)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(open_failure(self._label, error)) from error
        streams = moving_pictures(container)
        if not streams:
            container.close()
            raise SourceError(f"“{self._label}” holds no video.")
        if streams[0].codec_context is None:
            container.close()
            raise SourceError(f"“{self._label}” is in a video format that this build cannot decode.")
        self._container: Any = container
        self._stream: Any = streams[0]
        self._stream.thread_type = side_by_side
        self._stream.codec_context.thread_count = DECODER_THREADS
        self._start = Fraction((self._stream.start_time or 0) * self._stream.time_base)

    @property
    def fps(self) -> float | None:
        rate: Fraction | None = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate is not None and 0 < rate <= HIGHEST_RATE else None

    @property
    def duration_s(self) -> float | None:
        """Of the video, as announced; None where the file does not say."""
        if self._stream.duration:
            return float(self._stream.duration) * float(self._stream.time_base)
        # Matroska keeps the time of its end in a tag of the stream; the file's own duration may be that of a longer sound.
        tag = str(self._stream.metadata.get("DURATION", ""))
        if tag.count(":") == 2:
            hours, minutes, seconds = tag.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - float(self._start)
        if self._container.duration and len(self._container.streams) == 1:
            return float(self._container.duration) / float(av.time_base)
        return None

    @property
    def frame_count(self) -> int | None:
        if self._stream.frames:
            return int(self._stream.frames)
        duration, fps = self.duration_s, self.fps
        return round(duration * fps) if duration and fps else None

    @property
    def has_audio(self) -> bool:
        return bool(self._container.streams.audio)

    def seek(self, media_s: float) -> None:
        """The next picture is a key picture at or before this time. Raises SourceError where the file cannot be searched."""
        ticks = int((Fraction(media_s) + self._start) / self._stream.time_base)
        self._sought_s = media_s
        try:
            self._container.seek(ticks, stream=self._stream, backward=True)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"“{self._label}” cannot be searched: {reason(error)}.") from error

    def pictures(self) -> Iterator[DecodedPicture]:
        """Pictures in the order of presentation. What cannot be decoded is left out and counted in `damaged_packets`.

        Raises SourceError where reading itself fails: a disk or a connection that is gone.
        """
        given_s: float | None = None
        try:
            for picture in self._decoded():
                given_s = picture.media_s
                yield picture
        except _PicturesLostError:
            self._begin_carefully(given_s)
            for picture in self._decoded():
                if given_s is None or picture.media_s > given_s:
                    yield picture

    def _begin_carefully(self, given_s: float | None) -> None:
        """Opens the file again at the place that was reached, to decode one picture after the other."""
        self._container.close()
        self._open(SLICES)
        place_s = self._sought_s if given_s is None else given_s
        if place_s:
            try:
                self.seek(place_s)
            except SourceError:
                # A file without times; what was given already is passed over.
                logger.debug("“%s” is read again from its start", self._label)

    def _decoded(self) -> Iterator[DecodedPicture]:
        """Raises _PicturesLostError at damage while several pictures are decoded at a time."""
        expected_s = 0.0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                except (av.error.InvalidDataError, av.error.PatchWelcomeError) as error:
                    if self._stream.thread_type.name != SLICES:
                        raise _PicturesLostError from error
                    self.damaged_packets += 1
                    continue
                for frame in frames:
                    picture = self._picture(frame, expected_s)
                    expected_s = picture.media_s + (picture.duration_s or 1.0 / (self.fps or 25.0))
                    yield picture
        except av.error.EOFError:
            return
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"“{self._label}” stopped: {reason(error)}.") from error

    def _picture(self, frame: Any, expected_s: float) -> DecodedPicture:
        ticks = frame.pts if frame.pts is not None else frame.dts
        time_base = frame.time_base or self._stream.time_base
        media_s = expected_s if ticks is None else float(ticks * time_base - self._start)
        duration_s = float(frame.duration * time_base) if frame.duration else 0.0
        image = frame.to_ndarray(format="bgr24")
        turn = TURNS.get(frame.rotation % 360)
        return DecodedPicture(image if turn is None else np.asarray(cv2.rotate(image, turn)), media_s, duration_s)

    def close(self) -> None:
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def file_address(path: str | os.PathLike[str]) -> str:
    """The address that FFmpeg takes for this file, whatever its name: without the prefix `a:b.mp4` would be a protocol."""
    return f"file:{os.fspath(path)}"


def moving_pictures(container: Any) -> list[Any]:
    """The video streams of a file, without the picture that a sound file carries as its cover."""
    cover = av.stream.Disposition.attached_pic
    return [stream for stream in container.streams.video if not stream.disposition & cover]


def reason(error: Exception) -> str:
    """FFmpeg's own words for an error, as the end of a sentence."""
    if isinstance(error, av.error.TimeoutError | av.error.ExitError):
        return "nothing came from it for too long"
    return str(getattr(error, "strerror", None) or error).rstrip(".").lower()


def open_failure(label: str, error: Exception) -> str:
    match error:
        case av.error.FileNotFoundError():
            return f"There is no file “{label}”. Check the name."
        case av.error.PermissionError():
            return f"“{label}” may not be read. Check its permissions."
        case av.error.InvalidDataError() | av.error.EOFError():
            return (
                f"“{label}” cannot be read as a video. It is damaged, cut off, or of another kind than its name says."
            )
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return f"“{label}” asks for a name and a password, or they are wrong. Write them as rtsp://NAME:PASSWORD@HOST/…"
        case av.error.HTTPNotFoundError():
            return f"The server knows no “{label}”. Check the address."
        case av.error.ConnectionRefusedError():
            return (
                f"Nobody answers at “{label}”: the connection was refused. Check the address and that the device is on."
            )
        case av.error.TimeoutError() | av.error.ExitError():
            return f"“{label}” does not answer in time. Check the address and the network."
        case av.error.ProtocolNotFoundError():
            return (
                f"“{label}” is an address of a kind that the video library of this installation cannot open. Choose another"
                " one of the device, as a rule rtsp or http."
            )
    return f"“{label}” cannot be opened: {reason(error)}."
