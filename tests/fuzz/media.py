"""Pictures and videos with damage: decoded to some picture or refused with a sentence, and never a crash or a hang."""

import io
import math
from functools import cache, partial
from pathlib import Path

import av
import cv2
import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from engine.sources import SourceSettings
from engine.sources.picture_file import read_picture
from engine.sources.video_file import VideoFileSource
from tests.fuzz.inputs import damaged
from tests.fuzz.target import reads

MOST_FRAMES = 30
PICTURES = (".jpg", ".png", ".webp", ".bmp", ".tiff", ".ppm", ".jp2", ".gif", ".avif")
VIDEOS = (("mp4", "libx264"), ("mp4", "mpeg4"), ("matroska", "libx264"), ("avi", "mjpeg"), ("mpegts", "mpeg2video"))


def image(index: int = 0) -> np.ndarray:
    y, x = np.mgrid[0:36, 0:48]
    return np.stack([5 * x, 7 * y, (x + y + 20 * index) * 3], axis=2).astype(np.uint8)


@cache
def pictures() -> list[bytes]:
    found = []
    for suffix in PICTURES:
        for source in (image(), image()[..., 0], np.dstack([image(), image()[..., 0]])):
            try:
                made, data = cv2.imencode(suffix, source)
            except cv2.error:
                continue
            if made:
                found.append(data.tobytes())
    found.append(cv2.imencode(".png", image().astype(np.uint16) * 200)[1].tobytes())
    found.append(cv2.imencode(".tiff", image().astype(np.float32) / 255)[1].tobytes())
    return found


@cache
def videos() -> list[bytes]:
    return [video(*kind) for kind in VIDEOS]


def video(container: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as target:
        stream = target.add_stream(codec, rate=25)
        stream.width, stream.height = 48, 36
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index in range(8):
            for packet in stream.encode(av.VideoFrame.from_ndarray(image(index), format="bgr24")):
                target.mux(packet)
        target.mux(stream.encode())
    return file.getvalue()


def see_picture(path: Path) -> None:
    found = read_picture(path)
    assert found.dtype == np.uint8
    assert found.ndim == 3
    assert found.shape[2] == 3


def play(path: Path) -> None:
    """Its facts, its pictures, and a jump."""
    with VideoFileSource(path, SourceSettings()) as source:
        for number, frame in enumerate(source):
            assert frame.image.ndim == 3
            assert math.isfinite(frame.media_s)
            if number == MOST_FRAMES:
                break
        source.seek(0.1)
        source.read()


def of(make: object) -> SearchStrategy[bytes]:
    files = make()  # type: ignore[operator]
    return damaged(*files) | st.binary(max_size=200)


TARGETS = [
    reads("pictures", "a.png", partial(of, pictures), see_picture),
    reads("videos", "a.mp4", partial(of, videos), play),
]
