"""The loop between a camera and a screen: any source, newest frame first, people followed, everything recorded."""

from engine.live.composition import Picture
from engine.live.options import Event, EventKind, FileMode, Listener, LiveOptions
from engine.live.reader import SourceInfo
from engine.live.recording import RecordingOptions
from engine.live.results import LiveResult
from engine.live.session import LiveSession
from engine.live.states import SessionState

__all__ = [
    "Event",
    "EventKind",
    "FileMode",
    "Listener",
    "LiveOptions",
    "LiveResult",
    "LiveSession",
    "Picture",
    "RecordingOptions",
    "SessionState",
    "SourceInfo",
]
