"""Small videos and pictures for the tests of the sources. Each frame of a clip is of one shade, so that it can be told which it is."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

# AVI knows no times but the numbers of its frames.
TIME_BASES = {".avi": Fraction(1, 25)}
TIME_BASE = Fraction(1, 1000)
MOST_FRAMES = 40
ORIENTATION_TAG = 0x0112


def luma_of(index: int) -> int:
    """How bright a frame is, in the video's own numbers: 16 is black, 235 is white."""
    return 30 + 5 * index


def index_of(image: np.ndarray) -> int:
    """Which frame of a clip this is."""
    return round((float(image.mean()) * 219 / 255 + 16 - 30) / 5)


def _grey(luma: int, size: tuple[int, int]) -> av.VideoFrame:
    width, height = size
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = luma
    return av.VideoFrame.from_ndarray(planes, "yuv420p")


def times_at(fps: float, count: int) -> list[float]:
    return [index / fps for index in range(count)]


def write_clip(
    path: Path,
    times: Sequence[float],
    size: tuple[int, int] = (64, 48),
    sound: bool = False,
    first_s: float = 0.0,
    codec: str = "mpeg4",
) -> Path:
    """A video whose frames are shown at these seconds."""
    assert len(times) <= MOST_FRAMES
    time_base = TIME_BASES.get(path.suffix, TIME_BASE)
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = time_base
        stream.codec_context.gop_size = 8
        # Finer steps, so that shades come back as they were.
        stream.options = {"qmin": "1", "qmax": "2"}
        voice = container.add_stream("aac", rate=16000) if sound else None
        for index, time_s in enumerate(times):
            frame = _grey(luma_of(index), size)
            frame.pts = round((first_s + time_s) / time_base)
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
            silence.sample_rate = 16000
            silence.pts = 0
            container.mux(voice.encode(silence))
            container.mux(voice.encode(None))
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        silence.sample_rate = 16000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    return path


def turn_clip(path: Path) -> None:
    """Writes into an MP4's track header that it is to be shown turned by a quarter, clockwise, as telephones do."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def corners(width: int = 40, height: int = 24) -> np.ndarray:
    """(H, W, 3) RGB: red top left, green top right, blue bottom left, white bottom right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (255, 0, 0)
    picture[: height // 2, width // 2 :] = (0, 255, 0)
    picture[height // 2 :, : width // 2] = (0, 0, 255)
    picture[height // 2 :, width // 2 :] = (255, 255, 255)
    return picture


def write_oriented(path: Path, upright: np.ndarray, orientation: int) -> Path:
    """Stores a picture the way a camera held like that does: viewers that know EXIF show it upright."""
    # What undoes each of the eight orientations of EXIF.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright[:, ::-1], -1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(
        path, exif=exif, **{"quality": 95} if path.suffix != ".png" else {}
    )
    return path
