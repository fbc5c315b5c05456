"""A camera as a source: opened by its name, asked for a format, read by a thread of its own."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SourceError
from engine.sources.camera_access import check_access, why_closed
from engine.sources.camera_list import CameraInfo, find_camera, find_cameras, wanted_camera
from engine.sources.live_source import LiveSource
from engine.sources.source import SourceSettings

logger = logging.getLogger(__name__)

MJPG = cv2.VideoWriter.fourcc(*"MJPG")
# Beyond this, USB 2 carries raw pictures at a few frames per second only.
MOST_RAW_PIXELS = 640 * 480
MOST_RAW_FPS = 30.0
# Some cameras give nothing for the first moments, and a damaged picture now and then.
FIRST_WITHIN_S, FURTHER_WITHIN_S = 3.0, 0.5
TRY_AGAIN_S = 0.03
# One would do where a thread reads all the time, but with one buffer V4L2 drivers have none to fill while the picture
# is taken out, and lose every second one.
BUFFERS = {cv2.CAP_V4L2: 2}
# CAP_PROP_AUTO_EXPOSURE for (automatic, manual).
AUTO_EXPOSURE = {cv2.CAP_V4L2: (3, 1)}


class Capture(Protocol):
    """What is used of cv2.VideoCapture."""

    def isOpened(self) -> bool: ...  # noqa: N802
    def set(self, prop: int, value: float, /) -> bool: ...
    def get(self, prop: int, /) -> float: ...
    def read(self) -> tuple[bool, NDArray[np.generic] | None]: ...
    def release(self) -> None: ...


CaptureFactory = Callable[[int, int], Capture]
"""Opens camera number … by OpenCV's back-end …."""


def open_capture(number: int, back_end: int) -> Capture:
    return cv2.VideoCapture(number, back_end)


class CameraDevice:
    """A camera that is open and has given its first picture."""

    def __init__(self, camera: CameraInfo, capture: Capture, first: NDArray[np.uint8]) -> None:
        self._camera, self._capture = camera, capture
        self._first: NDArray[np.uint8] | None = first
        announced = capture.get(cv2.CAP_PROP_FPS)
        self._fps = announced if 0 < announced <= 1000 else None

    @property
    def name(self) -> str:
        return self._camera.name

    @property
    def fps(self) -> float | None:
        return self._fps

    def read(self) -> NDArray[np.uint8]:
        if self._first is not None:
            image, self._first = self._first, None
            return image
        image_or_none = read_picture(self._camera, self._capture, FURTHER_WITHIN_S)
        if image_or_none is None:
            raise SourceError(f"The camera “{self.name}” gives no pictures any more. Check that it is still connected.")
        return image_or_none

    def close(self) -> None:
        self._capture.release()


def connect_camera(
    text: str,
    settings: SourceSettings,
    list_cameras: Callable[[], Sequence[CameraInfo]] = find_cameras,
    capture: CaptureFactory = open_capture,
) -> CameraDevice:
    """Opens the camera that a text means, wherever it is connected now. Raises SourceError.

    A camera that gives nothing in the format that was asked for is opened in its own, with a warning.
    """
    camera = find_camera(text, list_cameras)
    check_access(camera)
    own = SourceSettings(exposure=settings.exposure, focus=settings.focus)
    for back_end, number in camera.ways:
        for wanted in (settings, own) if _asks_for_format(settings) else (settings,):
            opened = _open(camera, back_end, number, wanted, capture)
            if opened is not None:
                _tell_difference(camera, settings, opened[1])
                return CameraDevice(camera, *opened)
    raise SourceError(why_closed(camera))


def _asks_for_format(settings: SourceSettings) -> bool:
    return bool(settings.width or settings.height or settings.fps)


def _open(
    camera: CameraInfo, back_end: int, number: int, settings: SourceSettings, factory: CaptureFactory
) -> tuple[Capture, NDArray[np.uint8]] | None:
    """The open camera and its first picture; None where it does not open or gives none."""
    capture = factory(number, back_end)
    first = None
    try:
        if capture.isOpened():
            _ask_for(camera, capture, back_end, settings)
            first = read_picture(camera, capture, FIRST_WITHIN_S)
    finally:
        if first is None:
            capture.release()
    return None if first is None else (capture, first)


def _tell_difference(camera: CameraInfo, settings: SourceSettings, first: NDArray[np.uint8]) -> None:
    height, width = first.shape[:2]
    asked = (settings.width or width, settings.height or height)
    if asked != (width, height):
        logger.warning(
            "The camera “%s” gives nothing at %d×%d; it gives %d×%d instead.", camera.name, *asked, width, height
        )


def _ask_for(camera: CameraInfo, capture: Capture, back_end: int, settings: SourceSettings) -> None:
    capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERS.get(back_end, 1))
    requests: list[tuple[int, float]] = []
    if settings.width and settings.height:
        # Drivers take the size once they know both sides.
        requests += [(cv2.CAP_PROP_FRAME_WIDTH, settings.width), (cv2.CAP_PROP_FRAME_HEIGHT, settings.height)]
    elif settings.width or settings.height:
        width, height = _whole_size(capture, settings)
        requests += [(cv2.CAP_PROP_FRAME_WIDTH, width), (cv2.CAP_PROP_FRAME_HEIGHT, height)]
    if settings.fps:
        requests.append((cv2.CAP_PROP_FPS, settings.fps))
    pixels = float(np.prod([value for prop, value in requests if prop != cv2.CAP_PROP_FPS] or [0.0]))
    if pixels > MOST_RAW_PIXELS or (settings.fps or 0.0) > MOST_RAW_FPS:
        # DirectShow forgets the compression when the size changes after it; the others choose size and rate by it.
        position = len(requests) if back_end == cv2.CAP_DSHOW else 0
        requests.insert(position, (cv2.CAP_PROP_FOURCC, MJPG))
    for prop, value in requests:
        capture.set(prop, value)
    automatic, manual = AUTO_EXPOSURE.get(back_end, (1, 0))
    _adjust(camera, capture, "exposure", cv2.CAP_PROP_AUTO_EXPOSURE, automatic, manual, settings.exposure)
    _adjust(camera, capture, "focus", cv2.CAP_PROP_AUTOFOCUS, 1, 0, settings.focus)


def _whole_size(capture: Capture, settings: SourceSettings) -> tuple[float, float]:
    """The side that was not asked for, in the proportions that the camera has now."""
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH) or 4.0, capture.get(cv2.CAP_PROP_FRAME_HEIGHT) or 3.0
    if settings.width:
        return settings.width, float(round(settings.width * height / width))
    assert settings.height is not None
    return float(round(settings.height * width / height)), settings.height


def _adjust(
    camera: CameraInfo,
    capture: Capture,
    what: str,
    switch: int,
    automatic: float,
    manual: float,
    value: float | None,
) -> None:
    if value is None:
        # Drivers keep what the last program chose. One that has no switch says so, and nothing is lost.
        capture.set(switch, automatic)
        return
    prop = {"exposure": cv2.CAP_PROP_EXPOSURE, "focus": cv2.CAP_PROP_FOCUS}[what]
    capture.set(switch, manual)
    if not capture.set(prop, value):
        logger.warning("The camera “%s” has no %s that can be set to %g.", camera.name, what, value)


def read_picture(camera: CameraInfo, capture: Capture, within_s: float) -> NDArray[np.uint8] | None:
    """(H, W, 3) uint8, BGR; None where none came in time. Raises SourceError for a format that is not known."""
    give_up_s = time.monotonic() + within_s
    while True:
        try:
            there, image = capture.read()
        except cv2.error as error:
            logger.debug("a damaged picture of “%s”: %s", camera.name, error)
            there, image = False, None
        if there and image is not None and image.size:
            return _to_bgr8(camera, image)
        if time.monotonic() >= give_up_s:
            return None
        time.sleep(TRY_AGAIN_S)


def _to_bgr8(camera: CameraInfo, image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Infrared and depth cameras give one channel, some of 16 bits."""
    channels = 1 if image.ndim == 2 else image.shape[-1]
    if image.ndim not in (2, 3) or channels not in (1, 3, 4) or image.dtype not in (np.uint8, np.uint16):
        raise SourceError(
            f"The camera “{camera.name}” gives pictures of a kind that is not known ({image.dtype}, {image.shape})."
            " Choose another resolution or another camera."
        )
    if image.dtype == np.uint16:
        image = image.astype(np.float32) * (255.0 / max(float(image.max()), 1.0))
    eight = image.astype(np.uint8, copy=False)
    if channels != 3:
        eight = np.asarray(cv2.cvtColor(eight, cv2.COLOR_GRAY2BGR if channels == 1 else cv2.COLOR_BGRA2BGR), np.uint8)
    return np.ascontiguousarray(eight)


def camera_source(
    text: str,
    settings: SourceSettings,
    list_cameras: Callable[[], Sequence[CameraInfo]] = find_cameras,
    capture: CaptureFactory = open_capture,
) -> LiveSource:
    """The camera that a text means: `camera:NAME`, `camera:0`, a device file, or `camera` for the first one."""
    name = wanted_camera(text) or "camera"
    return LiveSource(name, settings, lambda: connect_camera(text, settings, list_cameras, capture))
