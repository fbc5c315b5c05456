"""The sound of a file, carried over into a recording of it: as it is where the container takes it, else as AAC."""

import logging
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from engine.errors import SinkError
from engine.sources.video_reader import file_address, reason

logger = logging.getLogger(__name__)

# What players expect in each container; other sound is encoded again.
COPIED = {
    ".mp4": frozenset({"aac", "mp3", "alac", "opus"}),
    ".mkv": frozenset({"aac", "mp3", "alac", "opus", "ac3", "eac3", "flac", "vorbis", "mp2", "pcm_s16le"}),
}
AAC_BITS_PER_CHANNEL = 80_000
AAC_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)


class SoundTrack:
    """The first sound of a video file, in step with its first video. Raises SinkError where it cannot be read.

    container_suffix: ".mp4" or ".mkv", of the recording. Sound that is damaged later ends early.
    """

    def __init__(self, path: Path, container_suffix: str) -> None:
        try:
            self._input: Any = av.open(file_address(path))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SinkError(f"The sound of “{path}” cannot be read: {reason(error)}.") from error
        if not self._input.streams.audio:
            self._input.close()
            raise SinkError(f"“{path}” has no sound.")
        self._path = path
        self._source: Any = self._input.streams.audio[0]
        video = self._input.streams.video[0] if self._input.streams.video else self._source
        self._video_start = Fraction((video.start_time or 0) * video.time_base)
        self._copied = self._source.codec_context.name in COPIED[container_suffix.lower()]
        self._stream: Any = None
        self._packets: Iterator[Any] | None = None
        self._next: Any = None

    def add_to(self, container: Any) -> None:
        """Before anything else is written into the container."""
        if self._copied:
            self._stream = container.add_stream_from_template(self._source)
            return
        rate = next((rate for rate in AAC_RATES if rate <= self._source.rate), AAC_RATES[-1])
        self._stream = container.add_stream("aac", rate=rate)
        self._stream.layout = "mono" if self._source.channels == 1 else "stereo"
        self._stream.bit_rate = AAC_BITS_PER_CHANNEL * self._stream.channels

    def packets_until(self, end_s: float, source_start_s: float) -> Iterator[Any]:
        """What was not given yet of the recording up to `end_s`. source_start_s: the source's time that is the recording's 0."""
        if self._packets is None:
            start = self._video_start + Fraction(source_start_s)
            self._packets = self._copies(start) if self._copied else self._encoded(start)
            self._next = next(self._packets, None)
        while self._next is not None and float(self._next.pts * self._next.time_base) < end_s:
            yield self._next
            self._next = next(self._packets, None)

    def _copies(self, start: Fraction) -> Iterator[Any]:
        for packet in self._read(lambda packet: [packet]):
            ticks = round(start / packet.time_base)
            if packet.pts is None or packet.pts < ticks:
                continue
            packet.pts -= ticks
            packet.dts = packet.pts
            packet.stream = self._stream
            yield packet

    def _encoded(self, start: Fraction) -> Iterator[Any]:
        resampler = av.AudioResampler(
            format="fltp",
            layout=self._stream.layout,
            rate=self._stream.rate,
            frame_size=self._stream.frame_size or 1024,
        )
        for frame in self._read(lambda packet: packet.decode()):
            if frame.pts is None or frame.pts * frame.time_base < start:
                continue
            frame.pts -= round(start / frame.time_base)
            for part in resampler.resample(frame):
                yield from self._stream.encode(part)
        for part in resampler.resample(None):
            yield from self._stream.encode(part)
        yield from self._stream.encode(None)

    def _read(self, take: Callable[[Any], list[Any]]) -> Iterator[Any]:
        """A sound that breaks off ends the sound, not the recording."""
        try:
            for packet in self._input.demux(self._source):
                try:
                    parts = take(packet)
                except av.error.InvalidDataError:
                    continue
                yield from parts
        except (av.FFmpegError, OSError) as error:
            logger.warning("the sound of “%s” breaks off: %s", self._path, reason(error))

    def close(self) -> None:
        self._packets = iter(())
        self._next = self._stream = None
        self._input.close()
