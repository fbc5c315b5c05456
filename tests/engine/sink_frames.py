"""Frames, people and files for the tests of the sinks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from engine.types import UNTRACKED, FilePlace, Frame, Poses
from models.skeleton import COCO_17


def frame_at(index: int, media_s: float, source: str = "clip.mp4", size: tuple[int, int] = (64, 48)) -> Frame:
    """A picture that differs from its neighbours."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[:, :, index % 3] = 40 + index * 7 % 200
    return Frame(image, index, 0, media_s, source)


def frame_of(path: Path, file_s: float, media_s: float | None = None) -> Frame:
    """A picture of a file, at a time of its own where the file was sought or began anew."""
    time_s = file_s if media_s is None else media_s
    return Frame(np.zeros((48, 64, 3), np.uint8), 0, 0, time_s, path.name, FilePlace(path, file_s))


def tone_at(path: Path, time_s: float) -> float | None:
    """The loudest tone in the 0.2 s from a time of a recording on, in Hz; None for silence."""
    heard = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            if time_s <= frame.pts * frame.time_base < time_s + 0.2:
                assert frame.sample_rate == 44_100
                samples = frame.to_ndarray().astype(np.float64)
                heard.append(samples.mean(axis=0) if frame.format.is_planar else samples.reshape(-1))
    if len(heard) < 5 or np.abs(np.concatenate(heard)).max() < 0.05:
        return None
    wave = np.concatenate(heard)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 65_536))
    return float(spectrum.argmax() * 44_100 / 65_536)


def noise(index: int, media_s: float, size: tuple[int, int]) -> Frame:
    """A picture that no encoder can make small."""
    image = np.random.default_rng(index).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Frame(image, index, 0, media_s, "noise.mp4")


def people(*ids: int, missing: tuple[int, ...] = (3,)) -> Poses:
    """One person for each id, best first; their joints lie on a line, some are missing."""
    count, joints = len(ids), COCO_17.joint_count
    keypoints = np.zeros((count, joints, 2), np.float32)
    keypoints[..., 0] = np.arange(joints) * 2 + 10.126
    keypoints[..., 1] = np.arange(count)[:, None] * 20 + 5.5
    scores = np.full((count, joints), 0.87654, np.float32)
    keypoints[:, missing] = np.nan
    scores[:, missing] = 0
    return Poses(keypoints, scores, 0.9 - 0.1 * np.arange(count, dtype=np.float32), np.array(ids, np.int64), COCO_17)


NOBODY = Poses.empty(COCO_17)
UNTRACKED_PERSON = people(UNTRACKED)


def video_times(path: Path) -> list[tuple[float, float]]:
    """(presentation time, duration) of every frame that can be decoded, in seconds."""
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        return [
            (float(frame.pts * frame.time_base), float(frame.duration * frame.time_base))
            for frame in container.decode(stream)
        ]


def video_with_sound(path: Path, sound_codec: str, seconds: float = 2.0, tones: Sequence[float] = (440,)) -> Path:
    """A grey video of 10 frames a second with a tone for every second, in Hz; the last one stays."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(sound_codec, rate=44_100, layout="mono")
        for index in range(round(seconds * 10)):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index * 5 % 250, np.uint8), format="bgr24")
            picture.pts, picture.time_base = index, Fraction(1, 10)
            container.mux(video.encode(picture))
        samples = np.arange(round(44_100 * seconds))
        heights = np.array(tones)[np.minimum(samples // 44_100, len(tones) - 1)]
        tone = np.sin(2 * np.pi * np.cumsum(heights) / 44_100).astype(np.float32)
        resampler = av.AudioResampler(sound.format, sound.layout, sound.rate, frame_size=sound.frame_size or 1024)
        piece = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        piece.sample_rate, piece.pts, piece.time_base = 44_100, 0, Fraction(1, 44_100)
        for part in [*resampler.resample(piece), *resampler.resample(None)]:
            container.mux(sound.encode(part))
        container.mux(video.encode())
        container.mux(sound.encode())
    return path


@contextmanager
def small_disk(folder: Path, megabytes: int, *options: str) -> Iterator[Path]:
    """A disk of its own, where the system allows mounting one; skips the test where not."""
    import shutil
    import subprocess

    import pytest

    if shutil.which("mount") is None:
        pytest.skip("no mount here")
    folder.mkdir()
    settings = ",".join([f"size={megabytes}m", *options])
    if subprocess.run(["mount", "-t", "tmpfs", "-o", settings, "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
