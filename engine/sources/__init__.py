"""Where frames come from: one small class for each kind of source behind one registry."""

import cv2

from engine.sources.camera_list import CameraInfo, find_cameras
from engine.sources.registry import KINDS, Capability, SourceKind, find_source, find_sources, kind_of, open_source
from engine.sources.source import Source, SourceSettings

__all__ = [
    "KINDS",
    "CameraInfo",
    "Capability",
    "Source",
    "SourceKind",
    "SourceSettings",
    "find_cameras",
    "find_source",
    "find_sources",
    "kind_of",
    "open_source",
]

# OpenCV writes its own lines about damaged files and missing cameras to the console; ours say it in a sentence.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
