"""Where results go: videos, pictures and keypoint files, one small class each behind one interface."""

from engine.sinks.keypoint_writers import open_keypoint_writer
from engine.sinks.output_file import timestamped_path
from engine.sinks.picture_writer import PictureWriter
from engine.sinks.recorder import VideoRecorder
from engine.sinks.sink import Sink

__all__ = ["PictureWriter", "Sink", "VideoRecorder", "open_keypoint_writer", "timestamped_path"]
