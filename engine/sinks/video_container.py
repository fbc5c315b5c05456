"""A video file being written: encoder, presentation times and container. The only user of PyAV's encoders."""

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError, UsageError

VIDEO_ENDINGS = (".mp4", ".mkv")
# The first that the build has and that opens.
ENCODERS = ("libx264", "libopenh264", "mpeg4")
# What is not on disk yet when the process is killed: at most this, and the frame before.
FRAGMENT_S = 0.25
KEY_S = 1.0
USUAL_FPS = 30.0
# Out of one pixel in how many bits, where an encoder has no constant quality.
BITS_PER_PIXEL = 0.15
# libx264 with every frame leaving the encoder at once: what it holds back would be lost to a kill, and frames that are
# predicted from later ones would shift the times of a file whose header is written first.
X264_OPTIONS = {
    "preset": "veryfast",
    "forced-idr": "1",
    "x264-params": "bframes=0:rc-lookahead=0:sync-lookahead=0:sliced-threads=1:threads=2",
}
# Steps back in time up to here are the jitter of a clock, larger ones a seek or a new source.
JITTER_S = 0.05
SHORTEST_S = 0.001


class SoundTrack(Protocol):
    """Sound that goes into the file beside the pictures."""

    def add_to(self, container: Any) -> None: ...

    def packets_until(self, media_s: float) -> Iterator[Any]: ...

    def begin_at(self, media_s: float) -> None: ...


def container_options(path: Path) -> tuple[str, dict[str, str]]:
    """(FFmpeg's format, its options) for the ending. Raises UsageError."""
    match path.suffix.lower():
        case ".mp4":
            # Fragments while it grows, so that a killed process leaves a playable file; an ordinary MP4 once it is closed.
            flags = "hybrid_fragmented+frag_keyframe+default_base_moof"
            return "mp4", {"movflags": flags, "frag_duration": str(round(FRAGMENT_S * 1e6)), "flush_packets": "1"}
        case ".mkv":
            return "matroska", {"cluster_time_limit": str(round(FRAGMENT_S * 1e3)), "flush_packets": "1"}
    raise UsageError(f"“{path}” names no known kind of video. Known endings: {', '.join(VIDEO_ENDINGS)}.")


def available_encoders() -> list[str]:
    """Raises SinkError where there are none."""
    found = [name for name in ENCODERS if name in av.codecs_available]
    if not found:
        raise SinkError(
            f"Videos cannot be recorded: this build of FFmpeg has none of the encoders {', '.join(ENCODERS)}. Install PyAV from its wheels (pip install av)."
        )
    return found


class Timekeeper:
    """Turns media times into presentation times that only go forward, from 0 on."""

    def __init__(self, ticks_per_s: int, usual_gap_s: float) -> None:
        self._ticks_per_s = ticks_per_s
        self._gap = round(usual_gap_s * ticks_per_s)
        self._origin_s: float | None = None
        self._last = 0

    def place(self, media_s: float) -> int:
        """Presentation time in ticks. After a step back, time goes on one usual gap later."""
        if self._origin_s is None:
            self._origin_s = media_s
            return 0
        ticks = round((media_s - self._origin_s) * self._ticks_per_s)
        step = ticks - self._last
        if step <= 0 and -step < JITTER_S * self._ticks_per_s:
            ticks = self._last + round(SHORTEST_S * self._ticks_per_s)
        elif step <= 0:
            ticks = self._last + self._gap
            self._origin_s = media_s - ticks / self._ticks_per_s
        else:
            self._gap = step
        self._last = ticks
        return ticks

    @property
    def usual_gap(self) -> int:
        """Ticks between the last two frames."""
        return self._gap


class VideoContainer:
    """Writes one video into an open file. Raises what PyAV and the file raise, and SinkError where no encoder opens.

    width, height: of the first frame; made even by repeating the last column or row.
    quality:       constant rate factor of H.264: 18 is hardly to be told from the original, 28 is small.
    """

    def __init__(
        self,
        file: io.RawIOBase,
        path: Path,
        size: tuple[int, int],
        fps_hint: float | None,
        quality: int,
        sound: SoundTrack | None,
    ) -> None:
        self._path = path
        self._width, self._height = size[0] + size[0] % 2, size[1] + size[1] % 2
        self._fps = fps_hint if fps_hint and 0 < fps_hint <= 1000 else USUAL_FPS
        self._sound = sound
        format_name, options = container_options(path)
        self._container: Any = av.open(file, "w", format=format_name, options=options)
        self._stream: Any = None
        self.encoder = self._open_encoder(quality)
        if sound is not None:
            sound.add_to(self._container)
        self._ticks_per_s = round(1 / self._stream.codec_context.time_base)
        self._times = Timekeeper(self._ticks_per_s, 1 / self._fps)
        self._key_after = 0
        self._durations: dict[int, int] = {}
        self._waiting: Any = None
        self._last_pts: int | None = None
        self.frames_written = 0
        self.duration_s = 0.0

    def _open_encoder(self, quality: int) -> str:
        reasons = []
        for name in available_encoders():
            # MPEG-4 counts time in at most 16 bits a second.
            ticks_per_s = 60_000 if name == "mpeg4" else 90_000
            stream = self._container.add_stream(name, rate=Fraction(self._fps).limit_denominator(1001))
            context = stream.codec_context
            context.width, context.height, context.pix_fmt = self._width, self._height, "yuv420p"
            context.time_base = stream.time_base = Fraction(1, ticks_per_s)
            # Key frames are asked for by time, not by number.
            context.gop_size = 10_000
            # The matrix that readers assume who do not look at these fields.
            context.colorspace, context.color_range = 6, 1
            if name == "libx264":
                context.options = X264_OPTIONS | {"crf": str(quality)}
            else:
                context.bit_rate = max(200_000, round(self._width * self._height * self._fps * BITS_PER_PIXEL))
            try:
                context.open()
            except (av.FFmpegError, ValueError) as error:
                reasons.append(f"{name}: {str(error).lower()}")
                continue
            self._stream = stream
            return name
        raise SinkError(
            f"“{self._path}” cannot be recorded with {self._width}×{self._height} pixels: {'; '.join(reasons)}."
        )

    def write(self, image: NDArray[np.uint8], media_s: float) -> None:
        """image: (H, W, 3) uint8, BGR; fitted into the first frame's size."""
        pts = self._times.place(media_s)
        if self._last_pts is None and self._sound is not None:
            self._sound.begin_at(media_s)
        if self._last_pts is not None:
            self._encode_waiting(pts - self._last_pts)
        frame = av.VideoFrame.from_ndarray(fitted(image, self._width, self._height), format="bgr24")
        frame = frame.reformat(format="yuv420p")
        frame.pts, frame.time_base = pts, self._stream.codec_context.time_base
        if pts >= self._key_after:
            frame.pict_type = av.video.frame.PictureType.I
            self._key_after = pts + round(KEY_S * self._ticks_per_s)
        self._waiting, self._last_pts = frame, pts

    def _encode_waiting(self, duration: int) -> None:
        """How long a frame stands is known when the next one comes."""
        frame, self._waiting = self._waiting, None
        if frame is None:
            return
        self._durations[frame.pts] = duration
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: Sequence[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, self._times.usual_gap)
            end_s = (packet.pts + packet.duration) / self._ticks_per_s
            self._container.mux(packet)
            self.frames_written += 1
            self.duration_s = end_s
            if self._sound is not None:
                for sound_packet in self._sound.packets_until(end_s):
                    self._container.mux(sound_packet)

    def close(self) -> None:
        """Also after an error: what was written stays playable."""
        try:
            if self._stream is not None:
                self._encode_waiting(self._times.usual_gap)
                self._mux(self._stream.encode())
        finally:
            self._container.close()


def fitted(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3): as it is, with an edge repeated to an even size, or scaled into the middle of a black picture."""
    own_height, own_width = image.shape[:2]
    if (own_width, own_height) == (width, height):
        return np.ascontiguousarray(image)
    if own_width + own_width % 2 == width and own_height + own_height % 2 == height:
        return np.pad(image, ((0, height - own_height), (0, width - own_width), (0, 0)), mode="edge")
    scale = min(width / own_width, height / own_height)
    inner = max(1, round(own_width * scale)), max(1, round(own_height * scale))
    resized = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    whole = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    whole[top : top + inner[1], left : left + inner[0]] = resized
    return whole
