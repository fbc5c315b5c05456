"""Which cameras this machine has, by name, and which of them a text means."""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2

from engine.errors import SourceError

PREFIX = "camera:"
PLACE_MARK = "@"
# DirectShow first: it starts at once and knows virtual cameras, which Media Foundation does not list.
BACK_ENDS = {
    "linux": (cv2.CAP_V4L2,),
    "win32": (cv2.CAP_DSHOW, cv2.CAP_MSMF),
    "darwin": (cv2.CAP_AVFOUNDATION,),
}
# Parts of a Raspberry Pi's picture processor that say they capture video; the camera behind them is the source “csi”.
NO_CAMERAS = ("bcm2835-", "unicam", "rp1-cfe", "pispbe", "rpi-hevc", "rpivid")
STABLE_NAMES = Path("/dev/v4l/by-path")


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A camera that is connected now.

    name:  what the user calls it; the second one of the same name is “NAME (2)”.
    text:  means this camera and no other as a source, also after it was unplugged and its number changed.
    ways:  (OpenCV back-end, number) pairs by which it can be opened, best first.
    place: where it is connected or its serial identity, as the system writes it; stays while it is unplugged.
    path:  its device file on Linux, else "".
    """

    name: str
    text: str
    ways: tuple[tuple[int, int], ...]
    place: str = ""
    path: str = ""

    @property
    def number(self) -> int:
        return self.ways[0][1]


class FoundCamera(Protocol):
    """What cv2-enumerate-cameras tells of a camera."""

    index: int
    name: str
    path: str | None


Enumerate = Callable[[int], Sequence[FoundCamera]]
"""The cameras that an OpenCV back-end sees, as cv2_enumerate_cameras.enumerate_cameras does."""


def _enumerate(back_end: int) -> Sequence[FoundCamera]:
    try:
        from cv2_enumerate_cameras import enumerate_cameras
    except ImportError as error:
        raise SourceError(
            "Cameras cannot be listed without the package cv2-enumerate-cameras. Install it with"
            " “pip install cv2-enumerate-cameras”, or choose a camera by its number."
        ) from error
    try:
        found: Sequence[FoundCamera] = enumerate_cameras(back_end)
    except (OSError, RuntimeError) as error:
        raise SourceError(f"The system does not list its cameras: {error}.") from error
    return found


def back_ends(platform: str = sys.platform) -> tuple[int, ...]:
    """OpenCV's back-ends for cameras on this system, best first."""
    return BACK_ENDS.get(platform, (cv2.CAP_ANY,))


def find_cameras(enumerate_cameras: Enumerate = _enumerate, platform: str = sys.platform) -> list[CameraInfo]:
    """Those that are connected now, in the system's order. Opens none of them, so it may be asked every few seconds.

    Raises SourceError where the system does not tell.
    """
    ways: dict[tuple[str, str], list[tuple[int, int]]] = {}
    paths: dict[tuple[str, str], str] = {}
    places = _stable_places() if platform == "linux" else {}
    for back_end in back_ends(platform):
        known = {name for name, _ in ways}
        for found in sorted(enumerate_cameras(back_end), key=lambda camera: camera.index):
            name = " ".join((found.name or f"Camera {found.index}").split())
            if name.startswith(NO_CAMERAS):
                continue
            path = found.path or ""
            key = (name, places.get(path) or _device_of(path) or str(found.index))
            if name in known and key not in ways:
                # Two back-ends that name one camera's place differently must not make two cameras of it.
                continue
            ways.setdefault(key, []).append((back_end, found.index))
            paths.setdefault(key, path if platform == "linux" else "")
    names = [name for name, _ in ways]
    seen: dict[str, int] = {}
    cameras = []
    for (name, place), way in ways.items():
        seen[name] = seen.get(name, 0) + 1
        label = name if seen[name] == 1 else f"{name} ({seen[name]})"
        text = PREFIX + (name if names.count(name) == 1 else f"{name}{PLACE_MARK}{place}")
        cameras.append(CameraInfo(label, text, tuple(way), place, paths[name, place]))
    return cameras


def _stable_places() -> dict[str, str]:
    """Device file → the socket it is plugged into, on Linux. Empty where the system keeps no such names."""
    if not STABLE_NAMES.is_dir():
        return {}
    return {str(link.resolve()): link.name for link in sorted(STABLE_NAMES.iterdir(), reverse=True)}


def _device_of(path: str) -> str:
    """Without the class at its end, which is another one for each back-end of Windows."""
    return re.split(r"#\{", path, maxsplit=1)[0].casefold() if "#{" in path else path


def wanted_camera(text: str) -> str:
    """What follows `camera:`, or the whole text: a name, a part of one, a number, a device file; "" for the first camera."""
    return text.removeprefix(PREFIX).strip() if text.startswith(PREFIX) else "" if text == "camera" else text


def match_camera(wanted: str, cameras: Sequence[CameraInfo]) -> CameraInfo | None:
    """The one that is meant, or None. A whole name comes before a part of one. Raises SourceError where several are meant."""
    if not wanted:
        return cameras[0] if cameras else None
    for camera in cameras:
        if wanted in (camera.text.removeprefix(PREFIX), camera.path) or _is_at(wanted, camera):
            return camera
    if wanted.isdecimal():
        return next((camera for camera in cameras if camera.number == int(wanted)), None)
    folded = wanted.casefold()
    for camera in cameras:
        if camera.name.casefold() == folded:
            return camera
    if PLACE_MARK in wanted:
        return None
    partly = [camera for camera in cameras if folded in camera.name.casefold()]
    if len(partly) > 1:
        raise SourceError(f"“{wanted}” may be any of these cameras: {_listed(partly)}. Write more of its name.")
    return partly[0] if partly else None


def _is_at(wanted: str, camera: CameraInfo) -> bool:
    """The text of a camera that had a double and has none now."""
    ending = PLACE_MARK + camera.place
    return wanted.endswith(ending) and camera.name.startswith(wanted.removesuffix(ending))


def find_camera(text: str, list_cameras: Callable[[], Sequence[CameraInfo]] = find_cameras) -> CameraInfo:
    """The camera that a text means, as it is connected now. Raises SourceError where there is none.

    A number is tried even where the system lists no such camera.
    """
    wanted = wanted_camera(text)
    try:
        cameras = list_cameras()
    except SourceError:
        if not wanted.isdecimal():
            raise
        cameras = []
    camera = match_camera(wanted, cameras)
    if camera is not None:
        return camera
    if wanted.isdecimal():
        number = int(wanted)
        ways = tuple((back_end, number) for back_end in back_ends())
        path = f"/dev/video{number}" if sys.platform == "linux" else ""
        return CameraInfo(f"Camera {number}", PREFIX + wanted, ways, path=path)
    if not cameras:
        raise SourceError("No camera is connected. Connect one, or choose a file or the demo.")
    name = wanted.partition(PLACE_MARK)[0]
    raise SourceError(f"The camera “{name}” is not connected. Connected: {_listed(cameras)}.")


def _listed(cameras: Sequence[CameraInfo]) -> str:
    return ", ".join(f"“{camera.name}”" for camera in cameras)
