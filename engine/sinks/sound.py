"""The sound of a file, carried over into a recording of it: as it is where the container takes it, else as AAC."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av

from engine.errors import SinkError
from engine.sources.video_reader import file_address, moving_pictures, reason

logger = logging.getLogger(__name__)

# What players expect in each container; other sound is encoded again.
COPIED = {
    ".mp4": frozenset({"aac", "mp3", "alac", "opus"}),
    ".mkv": frozenset({"aac", "mp3", "alac", "opus", "ac3", "eac3", "flac", "vorbis", "mp2", "pcm_s16le"}),
}
AAC_BITS_PER_CHANNEL = 80_000
AAC_RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)


# Times are rounded on their way; what is further off than this is another place of the file.
JUMP_S = 0.1
# Less than this is rounding.
HALF_SAMPLE_S = 1e-5
# Read from a little earlier: decoders need a moment to come in.
LEAD_S = 0.1


class SoundTrack:
    """The first sound of a video file, in step with the pictures of its first video. Raises SinkError where it cannot be read.

    It goes where the pictures go: through seeks, loops, and pictures of other sources, for which it is silent. Sound that is
    damaged later ends early.
    container_suffix: ".mp4" or ".mkv", of the recording.
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
        video = next(iter(moving_pictures(self._input)), self._source)
        self._video_start_s = float((video.start_time or 0) * video.time_base)
        self._copied = self._source.codec_context.name in COPIED[container_suffix.lower()]
        self._stream: Any = None
        # Where the file's first picture would lie in the recording; None while there is silence.
        self._origin_s: float | None = None
        self._packets: Iterator[Any] = iter(())
        self._next: Any = None
        self._full_s = 0.0

    def add_to(self, container: Any) -> None:
        """Before anything else is written into the container."""
        if self._copied:
            self._stream = container.add_stream_from_template(self._source)
            return
        rate = next((rate for rate in AAC_RATES if rate <= self._source.rate), AAC_RATES[-1])
        self._stream = container.add_stream("aac", rate=rate)
        self._stream.layout = "mono" if self._source.channels == 1 else "stereo"
        self._stream.bit_rate = AAC_BITS_PER_CHANNEL * self._stream.channels

    def follow(self, time_s: float, file_s: float | None) -> Iterator[Any]:
        """What sounds up to `time_s` of the recording and was not given yet.

        file_s: the place in the file of the picture that comes then; None for one that is not of this file.
        """
        while self._next is not None and _start_s(self._next) < time_s:
            yield self._next
            self._next = next(self._packets, None)
        origin_s = None if file_s is None else time_s - file_s
        if origin_s is None:
            self._origin_s, self._next, self._packets = None, None, iter(())
        elif self._origin_s is None or abs(origin_s - self._origin_s) > JUMP_S:
            self._begin(origin_s, time_s)

    def rest(self) -> Iterator[Any]:
        """What is still in the encoder at the end."""
        if not self._copied:
            yield from self._stream.encode(None)

    def _begin(self, origin_s: float, time_s: float) -> None:
        """The sound that belongs to pictures from `time_s` on."""
        self._origin_s, self._next = origin_s, None
        shift_s = origin_s - self._video_start_s
        ticks = round((time_s - shift_s - LEAD_S) / self._source.time_base)
        try:
            self._input.seek(max(ticks, self._source.start_time or 0), stream=self._source)
        except (av.FFmpegError, OSError) as error:
            logger.warning("the sound of “%s” cannot be searched: %s", self._path, reason(error))
            self._packets = iter(())
            return
        from_s = max(time_s, self._full_s)
        self._packets = self._copies(shift_s, from_s) if self._copied else self._encoded(shift_s, from_s)
        self._next = next(self._packets, None)

    def _copies(self, shift_s: float, from_s: float) -> Iterator[Any]:
        for packet in self._read(lambda packet: [packet]):
            if packet.pts is None or _start_s(packet) + shift_s < from_s - HALF_SAMPLE_S:
                continue
            packet.pts += round(shift_s / packet.time_base)
            packet.dts = packet.pts
            end_s = _start_s(packet) + float((packet.duration or 0) * packet.time_base)
            packet.stream = self._stream
            yield packet
            # It was taken: the next one is asked for.
            self._full_s = end_s

    def _encoded(self, shift_s: float, from_s: float) -> Iterator[Any]:
        resampler = av.AudioResampler(
            format="fltp",
            layout=self._stream.layout,
            rate=self._stream.rate,
            frame_size=self._stream.frame_size or 1024,
        )
        for frame in self._read(lambda packet: packet.decode()):
            if frame.pts is None or _start_s(frame) + shift_s < from_s - HALF_SAMPLE_S:
                continue
            frame.pts += round(shift_s / frame.time_base)
            for part in resampler.resample(frame):
                self._full_s = _start_s(part) + part.samples / part.sample_rate
                yield from self._stream.encode(part)

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


def _start_s(part: Any) -> float:
    """Of a packet or a frame."""
    return float(part.pts * part.time_base)
