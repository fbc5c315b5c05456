"""The sound of a file, carried over into a recording of it."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from engine.errors import SinkError
from engine.sources.video_reader import file_address, reason

logger = logging.getLogger(__name__)

# What may lie in each container as it is; everything else becomes AAC.
COPIED = {
    ".mp4": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"},
    ".mkv": {"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "vorbis", "pcm_s16le", "pcm_s24le", "dts", "mp2"},
}
AAC_BIT_RATE = 160_000


class FileSound:
    """The first sound track of a video file, in time with its first video track. Raises SinkError where it cannot be read."""

    def __init__(self, path: Path, container_suffix: str) -> None:
        try:
            self._input: Any = av.open(file_address(path), "r")
        except (av.FFmpegError, OSError) as error:
            raise SinkError(f"The sound of “{path}” cannot be read: {reason(error)}.") from error
        if not self._input.streams.audio:
            self._input.close()
            raise SinkError(f"“{path}” has no sound.")
        self._path = path
        self._source: Any = self._input.streams.audio[0]
        videos = self._input.streams.video
        start = (videos[0].start_time or 0) * videos[0].time_base if videos else 0
        self._video_start_s = float(start)
        self._offset_s = 0.0
        self._copied = self._source.codec_context.name in COPIED[container_suffix.lower()]
        self._output: Any = None
        self._packets: Iterator[Any] = iter(())
        self._next: Any = None

    def add_to(self, container: Any) -> None:
        if self._copied:
            self._output = container.add_stream_from_template(self._source)
            self._packets = self._copies()
            return
        self._output = container.add_stream("aac", rate=self._source.codec_context.sample_rate)
        context = self._output.codec_context
        context.layout = "mono" if self._source.codec_context.channels == 1 else "stereo"
        context.bit_rate = AAC_BIT_RATE
        context.open()
        self._packets = self._encoded()

    def begin_at(self, media_s: float) -> None:
        """The time of the video that is the recording's first."""
        self._offset_s = self._video_start_s + media_s

    def packets_until(self, media_s: float) -> Iterator[Any]:
        """What is to be heard before this time of the recording and was not given yet."""
        while True:
            if self._next is None:
                self._next = next(self._packets, None)
            if self._next is None or float(self._next.pts * self._next.time_base) >= media_s:
                return
            packet, self._next = self._next, None
            yield packet

    def _copies(self) -> Iterator[Any]:
        for packet in self._read(lambda packet: [packet]):
            if packet.pts is None:
                continue
            offset = round(self._offset_s / packet.time_base)
            packet.pts -= offset
            packet.dts = packet.pts
            if packet.pts >= 0:
                packet.stream = self._output
                yield packet

    def _encoded(self) -> Iterator[Any]:
        context = self._output.codec_context
        resampler = av.AudioResampler(
            format=context.format, layout=context.layout, rate=context.sample_rate, frame_size=context.frame_size
        )
        for frame in self._read(lambda packet: packet.decode()):
            if frame.pts is None or float(frame.pts * frame.time_base) < self._offset_s:
                continue
            frame.pts -= round(self._offset_s / frame.time_base)
            for part in resampler.resample(frame):
                yield from self._output.encode(part)
        for part in resampler.resample(None):
            yield from self._output.encode(part)
        yield from self._output.encode()

    def _read(self, take: Any) -> Iterator[Any]:
        """A sound that breaks off ends the sound, not the recording."""
        try:
            for packet in self._input.demux(self._source):
                try:
                    yield from take(packet)
                except av.error.InvalidDataError:
                    continue
        except (av.FFmpegError, OSError) as error:
            logger.warning("the sound of “%s” breaks off: %s", self._path, reason(error))

    def close(self) -> None:
        self._packets = iter(())
        self._input.close()
