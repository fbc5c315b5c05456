"""Picks the video encoder: H.264 where this build of FFmpeg has a working one, else MPEG-4."""

import functools
import logging
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

from engine.errors import SinkError

logger = logging.getLogger(__name__)

LOWEST_BIT_RATE, HIGHEST_BIT_RATE = 200_000, 40_000_000


@dataclass(frozen=True, slots=True)
class Encoder:
    """name: FFmpeg's. options: speed before size, since the processor is wanted by the network. time_base: of its stamps.

    bits_per_pixel: sets the rate where an encoder has no constant quality; None where it has.
    """

    name: str
    options: dict[str, str] = field(default_factory=dict, hash=False)
    time_base: Fraction = Fraction(1, 90_000)
    bits_per_pixel: float | None = None

    def context_options(self, quality: int) -> dict[str, str]:
        """quality: constant rate factor of H.264, 0 to 51; less is better and larger."""
        return self.options if self.bits_per_pixel is not None else self.options | {"crf": str(quality)}

    def bit_rate(self, size: tuple[int, int], fps: float) -> int | None:
        """Bits a second for (width, height); None where the quality decides."""
        if self.bits_per_pixel is None:
            return None
        wanted = round(size[0] * size[1] * min(fps, 60.0) * self.bits_per_pixel)
        return min(HIGHEST_BIT_RATE, max(LOWEST_BIT_RATE, wanted))


# No frame is kept back in the encoder, where a killed process would lose it: none is predicted from a later one, there
# is no look-ahead, threads share a picture, and nothing waits for the next frame's time.
X264_AT_ONCE = "bframes=0:rc-lookahead=0:sync-lookahead=0:force-cfr=1:sliced-threads=1:threads=2"

ENCODERS: tuple[Encoder, ...] = (
    Encoder("libx264", {"preset": "veryfast", "forced-idr": "1", "x264-params": X264_AT_ONCE}),
    Encoder("h264_videotoolbox", {"realtime": "1"}, bits_per_pixel=0.15),
    Encoder("h264_mf", {}, bits_per_pixel=0.15),
    Encoder("libopenh264", {}, bits_per_pixel=0.15),
    # MPEG-4 counts time in 16 bits; 60000 holds every usual rate.
    Encoder("mpeg4", {"threads": "1"}, Fraction(1, 60_000), bits_per_pixel=0.2),
)


@functools.cache
def working_encoder(candidates: tuple[Encoder, ...] = ENCODERS) -> Encoder:
    """The first of the candidates that encodes a picture here. Raises SinkError where none does."""
    for encoder in candidates:
        if _works(encoder):
            logger.info("video encoder: %s", encoder.name)
            return encoder
    names = ", ".join(encoder.name for encoder in candidates)
    raise SinkError(
        f"Videos cannot be recorded: this build of FFmpeg has no encoder that works here (tried: {names}). Install PyAV as it comes from PyPI: pip install av."
    )


def _works(encoder: Encoder) -> bool:
    if encoder.name not in av.codecs_available:
        return False
    # Being listed is not enough: hardware encoders are compiled in everywhere and fail where the hardware is missing.
    try:
        context = av.CodecContext.create(encoder.name, "w")
        context.width, context.height, context.pix_fmt = 320, 240, "yuv420p"
        context.time_base = encoder.time_base
        context.framerate = Fraction(30)
        context.options = encoder.options
        black = av.VideoFrame.from_ndarray(np.zeros((360, 320), np.uint8), format="yuv420p")
        black.pts, black.time_base = 0, encoder.time_base
        context.encode(black)
        context.encode(None)
    except (av.FFmpegError, OSError, ValueError) as error:
        logger.debug("%s does not work here: %s", encoder.name, error)
        return False
    return True
