"""Videos over the network: streams that are live, and recorded files that lie on a server."""

import re
from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit

import numpy as np
from numpy.typing import NDArray

from engine.errors import SourceError
from engine.sources.live_source import LiveSource
from engine.sources.source import Source, SourceSettings
from engine.sources.video_file import VIDEO_SUFFIXES, VideoSource
from engine.sources.video_reader import VideoReader

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "rtp", "http", "https", "udp", "tcp", "srt")
WEB_SCHEMES = ("http", "https")
# Endings of what is sent without an end although it looks like a file.
ENDLESS_SUFFIXES = (".mjpeg", ".ts", ".h264", ".flv")


def is_address(text: str) -> bool:
    return text.partition("://")[0].lower() in SCHEMES and "://" in text


def is_recorded(address: str) -> bool:
    """True for the address of a video file on a web server, which has an end and may be searched. Raises SourceError."""
    if not is_address(address) or address.partition("://")[0].lower() not in WEB_SCHEMES:
        return False
    suffix = PurePosixPath(_parts(address).path).suffix.lower()
    return suffix in VIDEO_SUFFIXES and suffix not in ENDLESS_SUFFIXES


def without_password(address: str) -> str:
    """The address as it may be shown, stored and logged. Takes what is no address, too."""
    return re.sub("://[^/?#]*@", "://", address, count=1)


def _parts(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as error:
        shown = without_password(address)
        raise SourceError(f"“{shown}” is not an address: {error}. Write it as scheme://host:port/path.") from error


def stream_options(address: str, timeout_s: float) -> dict[str, str]:
    """FFmpeg's options for the least delay: nothing is hoarded before the first picture nor between two."""
    scheme = address.partition("://")[0].lower()
    options = {"fflags": "nobuffer", "analyzeduration": "1000000", "max_delay": "100000"}
    microseconds = str(round(timeout_s * 1e6))
    if scheme in ("rtsp", "rtsps"):
        # Over UDP, which FFmpeg would try first, lost packets smear the picture, and most routers let none through.
        options |= {"rtsp_transport": "tcp", "timeout": microseconds}
    elif scheme in ("udp", "tcp"):
        options["timeout"] = microseconds
    elif scheme in WEB_SCHEMES:
        options["rw_timeout"] = microseconds
    return options


class StreamDevice:
    """A stream that is open."""

    def __init__(self, address: str, settings: SourceSettings) -> None:
        self._name = without_password(address)
        self._timeout_s = settings.timeout_s
        options = stream_options(address, settings.timeout_s)
        self._reader = VideoReader(address, self._name, options, settings.timeout_s, live=True)
        self._pictures = self._reader.pictures()

    @property
    def name(self) -> str:
        return self._name

    @property
    def fps(self) -> float | None:
        return self._reader.fps

    def read(self) -> NDArray[np.uint8]:
        picture = next(self._pictures, None)
        if picture is None:
            raise SourceError(f"The stream “{self._name}” has ended.")
        return picture.image

    def close(self) -> None:
        self._reader.close()


class RemoteVideoSource(VideoSource):
    """A video file on a web server: read without loss, to its end."""

    def __init__(self, address: str, settings: SourceSettings) -> None:
        self._address = address
        label = without_password(address)
        super().__init__(PurePosixPath(_parts(address).path).name, label, settings)

    def _open_reader(self) -> VideoReader:
        # Without it, FFmpeg cannot search a file that it has read to its end from a server that keeps connections.
        return VideoReader(self._address, self._label, {"multiple_requests": "1"}, self.settings.timeout_s)


def stream_source(address: str, settings: SourceSettings) -> Source:
    """What an address means: a recorded video, or a stream. Raises SourceError where it is none."""
    if is_recorded(address):
        return RemoteVideoSource(address, settings)
    _parts(address)
    return LiveSource(without_password(address), settings, lambda: StreamDevice(address, settings))
