"""Which source a text from the user means, and what each kind of source can do."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from engine.errors import SourceError
from engine.sources.camera import camera_source
from engine.sources.camera_list import PREFIX, find_cameras
from engine.sources.csi import csi_source, is_csi
from engine.sources.demo import demo_source
from engine.sources.picture_file import PICTURE_SUFFIXES, is_picture
from engine.sources.pictures import PictureSource, find_pictures
from engine.sources.screen import is_screen, screen_source
from engine.sources.source import Source, SourceSettings
from engine.sources.stream import SCHEMES, is_address, is_recorded, stream_source
from engine.sources.video_file import VIDEO_SUFFIXES, VideoFileSource

logger = logging.getLogger(__name__)


class Capability(StrEnum):
    """What a kind of source can do, by the setting or the method that asks for it."""

    LIVE = "live"
    SEEK = "seek"
    LOOP = "loop"
    REAL_TIME = "real_time"
    SOUND = "sound"
    RESOLUTION = "resolution"
    RATE = "rate"
    EXPOSURE = "exposure"
    FOCUS = "focus"


@dataclass(frozen=True, slots=True)
class SourceKind:
    """One kind of source.

    example:      a text that means it.
    accepts:      says whether a text means it; the first kind in KINDS that accepts is taken.
    make:         makes a closed source of the text. Raises SourceError.
    """

    name: str
    summary: str
    example: str
    capabilities: frozenset[Capability]
    accepts: Callable[[str], bool]
    make: Callable[[str, SourceSettings], Source]


CAMERA_CAPABILITIES = frozenset(
    {Capability.LIVE, Capability.RESOLUTION, Capability.RATE, Capability.EXPOSURE, Capability.FOCUS}
)


def _is_pattern(text: str) -> bool:
    return any(character in text for character in "*?[") and not Path(text).exists()


def _is_camera(text: str) -> bool:
    if text == "camera" or text.startswith((PREFIX, "/dev/video")):
        return True
    path = Path(text)
    if path.exists() or "://" in text or _is_pattern(text) or path.suffix.lower() in PICTURE_SUFFIXES + VIDEO_SUFFIXES:
        return False
    if text.isdecimal():
        return True
    try:
        return any(text.casefold() == camera.name.casefold() for camera in find_cameras())
    except SourceError as error:
        logger.info("%s", error)
        return False


def _make_batch(text: str, settings: SourceSettings) -> Source:
    # A trailing slash is no part of a folder's name.
    name = Path(text).name if Path(text).is_dir() else text
    return PictureSource(find_pictures(text), settings, name=name or text)


KINDS: tuple[SourceKind, ...] = (
    SourceKind(
        "demo",
        "the bundled clip",
        "demo",
        frozenset({Capability.SEEK, Capability.LOOP, Capability.REAL_TIME}),
        lambda text: text == "demo",
        lambda text, settings: demo_source(settings),
    ),
    SourceKind(
        "web video",
        "a video file on a web server",
        "https://example.org/match.mp4",
        frozenset({Capability.SEEK, Capability.LOOP, Capability.REAL_TIME}),
        is_recorded,
        stream_source,
    ),
    SourceKind(
        "stream",
        "a network camera or another live stream",
        "rtsp://192.168.1.20/stream1",
        frozenset({Capability.LIVE}),
        is_address,
        stream_source,
    ),
    SourceKind(
        "screen",
        "the screen (needs the package mss)",
        "screen:1",
        frozenset({Capability.LIVE, Capability.RATE}),
        is_screen,
        screen_source,
    ),
    SourceKind("csi", "the Raspberry Pi's camera (needs picamera2)", "csi:0", CAMERA_CAPABILITIES, is_csi, csi_source),
    SourceKind(
        "camera", "a camera, by its name or number", "camera:HD Webcam", CAMERA_CAPABILITIES, _is_camera, camera_source
    ),
    SourceKind(
        "pictures",
        "the pictures of a folder or a pattern",
        "holiday/*.jpg",
        frozenset({Capability.LOOP, Capability.REAL_TIME}),
        lambda text: Path(text).is_dir() or _is_pattern(text),
        _make_batch,
    ),
    SourceKind(
        "picture",
        "one picture file",
        "team.jpg",
        frozenset({Capability.LOOP, Capability.REAL_TIME}),
        lambda text: is_picture(Path(text)),
        lambda text, settings: PictureSource([Path(text)], settings),
    ),
    SourceKind(
        "video",
        "a video file",
        "match.mp4",
        frozenset({Capability.SEEK, Capability.LOOP, Capability.REAL_TIME, Capability.SOUND}),
        lambda text: Path(text).suffix.lower() in VIDEO_SUFFIXES,
        lambda text, settings: VideoFileSource(Path(text), settings),
    ),
)


def kind_of(text: str) -> SourceKind:
    """Raises SourceError for a text that means no source."""
    for kind in KINDS:
        if kind.accepts(text):
            return kind
    path = Path(text)
    if "://" in text:
        raise SourceError(f"“{text}” is an address of a kind that is not known. Known are {', '.join(SCHEMES)}.")
    if not path.exists():
        raise SourceError(f"There is no file, folder, camera or other source “{text}”. Check the name.")
    known = ", ".join(PICTURE_SUFFIXES + VIDEO_SUFFIXES)
    raise SourceError(f"“{text}” is no picture and no video by its name. Known endings are {known}.")


def find_source(text: str, settings: SourceSettings | None = None) -> Source:
    """The closed source that a text means: `with find_source(…) as source: for frame in source: …`. Raises SourceError."""
    return kind_of(text).make(text, settings or SourceSettings())


def open_source(text: str, settings: SourceSettings | None = None) -> Source:
    """The same, already open. Raises SourceError."""
    source = find_source(text, settings)
    source.open()
    return source


def find_sources(texts: Sequence[str], settings: SourceSettings | None = None) -> list[Source]:
    """The closed sources of a command line. Single pictures that stand together become one batch.

    A shell writes a pattern out into many names; one bad picture among them must not end the run, just as with the
    pattern itself. A name that does not exist is an error at once. Raises SourceError.
    """
    settings = settings or SourceSettings()
    sources: list[Source] = []
    batch: list[Path] = []

    def finish_batch() -> None:
        if batch:
            sources.append(PictureSource(tuple(batch), settings))
            batch.clear()

    for text in texts:
        kind = kind_of(text)
        if kind.name != "picture":
            finish_batch()
            sources.append(kind.make(text, settings))
        elif not Path(text).exists():
            raise SourceError(f"There is no file “{text}”. Check the name.")
        else:
            batch.append(Path(text))
    finish_batch()
    return sources
