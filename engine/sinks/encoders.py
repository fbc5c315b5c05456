"""Picks the video encoder: H.264 where this build of FFmpeg has a working one, else MPEG-4."""

import functools
import logging
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np

from engine.errors import SinkError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Encoder:
    """name: FFmpeg's. options: speed before size, since the processor is wanted by the network. time_base: of its stamps.

    bits_per_pixel: sets the rate where an encoder has no constant quality; None where it has.
    """

    name: str
    options: dict[str, str] = field(default_factory=dict, hash=False)
    time_base: Fraction = Fraction(1, 90000)
    bits_per_pixel: float | None = None


# `zerolatency` keeps no frame back, so that a killed process loses none of them in the encoder.
ENCODERS: tuple[Encoder, ...] = (
    Encoder(
        "libx264",
        {"preset": "superfast", "tune": "zerolatency", "crf": "21", "forced-idr": "1", "threads": "1", "g": "600"},
    ),
    Encoder("h264_videotoolbox", {"realtime": "1"}, bits_per_pixel=0.15),
    Encoder("h264_mf", {}, bits_per_pixel=0.15),
    Encoder("libopenh264", {}, bits_per_pixel=0.15),
    # MPEG-4 counts time in 16 bits; 60000 holds every usual rate.
    Encoder("mpeg4", {"threads": "1"}, Fraction(1, 60000), bits_per_pixel=0.2),
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
        f"This build of FFmpeg has no video encoder that works here (tried: {names}). Install the package “av” from PyPI."
    )


def _works(encoder: Encoder) -> bool:
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
    except (av.FFmpegError, OSError, ValueError):
        return False
    return True
