"""Carries the sound of a source file over into a recording: as it is where MP4 takes it, else as AAC."""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from engine.errors import SinkError
from engine.sources.video_reader import file_address, reason

# What players expect in an MP4; other sound is encoded again.
COPIED = frozenset({"aac", "mp3", "alac", "opus"})
AAC_BITS_PER_CHANNEL = 80_000
# The rates that AAC knows end here.
HIGHEST_AAC_RATE = 48_000


class SoundTrack:
    """Sound of `path` on a stream of `output`, in step with a video whose time 0 is `start_s` of the file's video.

    Raises SinkError where the file or its sound cannot be read. Sound that is damaged later ends early.
    """

    def __init__(self, path: Path, output: Any) -> None:
        try:
            self._input: Any = av.open(file_address(path))
        except (av.FFmpegError, OSError) as error:
            raise SinkError(f"The sound of “{path}” cannot be read: {reason(error)}.") from error
        if not self._input.streams.audio:
            self._input.close()
            raise SinkError(f"“{path}” has no sound.")
        self._source: Any = self._input.streams.audio[0]
        video = self._input.streams.video[0] if self._input.streams.video else self._source
        self._origin = Fraction((video.start_time or 0) * video.time_base)
        self._output = output
        self._start: Fraction | None = None
        if self._source.codec_context.name in COPIED:
            self._stream: Any = output.add_stream_from_template(self._source)
            self._packets = self._copied()
        else:
            rate = min(self._source.rate, HIGHEST_AAC_RATE)
            self._stream = output.add_stream("aac", rate=rate)
            self._stream.layout = "mono" if self._source.channels == 1 else "stereo"
            self._stream.bit_rate = AAC_BITS_PER_CHANNEL * self._stream.channels
            self._packets = self._encoded()
        self._waiting: deque[tuple[float, Any]] = deque()

    def write_until(self, end_s: float, start_s: float) -> None:
        """Adds the sound up to `end_s` of the recording. start_s: the source's time that is the recording's 0."""
        if self._start is None:
            self._start = Fraction(start_s) + self._origin
        while True:
            if not self._waiting:
                following = next(self._packets, None)
                if following is None:
                    return
                self._waiting.append(following)
            if self._waiting[0][0] >= end_s:
                return
            self._output.mux(self._waiting.popleft()[1])

    def _copied(self) -> Iterator[tuple[float, Any]]:
        for packet in self._demuxed():
            if packet.pts is None:
                continue
            time_s = self._shift(packet)
            if time_s >= 0:
                packet.stream = self._stream
                yield time_s, packet

    def _encoded(self) -> Iterator[tuple[float, Any]]:
        resampler = av.AudioResampler(
            format="fltp",
            layout=self._stream.layout,
            rate=self._stream.rate,
            frame_size=self._stream.frame_size or 1024,
        )
        assert self._start is not None
        for packet in self._demuxed():
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                if frame.pts is None or float(frame.pts * frame.time_base - self._start) < 0:
                    continue
                self._shift(frame)
                for part in resampler.resample(frame):
                    yield from self._timed(self._stream.encode(part))
        for part in resampler.resample(None):
            yield from self._timed(self._stream.encode(part))
        yield from self._timed(self._stream.encode(None))

    @staticmethod
    def _timed(packets: list[Any]) -> Iterator[tuple[float, Any]]:
        for packet in packets:
            yield float((packet.pts or 0) * packet.time_base), packet

    def _shift(self, part: Any) -> float:
        """Moves a packet or a frame onto the recording's times and returns its own, in seconds."""
        assert self._start is not None
        ticks = round(self._start / part.time_base)
        part.pts -= ticks
        if part.dts is not None and not isinstance(part, av.AudioFrame):
            part.dts -= ticks
        return float(part.pts * part.time_base)

    def _demuxed(self) -> Iterator[Any]:
        try:
            yield from self._input.demux(self._source)
        except (av.FFmpegError, OSError):
            return

    def close(self) -> None:
        self._input.close()
