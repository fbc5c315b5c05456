"""The bundled clip as a source, for a first start without camera and file."""

from dataclasses import replace
from pathlib import Path

from engine.sources.source import SourceSettings
from engine.sources.video_file import VideoFileSource

DEMO_CLIP = Path(__file__).resolve().parents[2] / "assets" / "demo.mp4"


def demo_source(settings: SourceSettings) -> VideoFileSource:
    """Plays for ever in real time, as a camera would, and once where it is read as fast as possible."""
    loop = settings.real_time if settings.loop is None else settings.loop
    return VideoFileSource(DEMO_CLIP, replace(settings, loop=loop), name="demo")
