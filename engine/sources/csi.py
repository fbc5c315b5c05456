"""The Raspberry Pi's own camera, on its ribbon cable, as a source. Needs the package picamera2."""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SourceError
from engine.sources.live_source import LiveSource
from engine.sources.source import SourceSettings

PREFIX = "csi"
USUAL_SIZE = (1280, 720)
USUAL_FPS = 30.0
# One picture is read, one is being filled, and one is on its way.
BUFFERS = 3
# AfModeEnum of libcamera.
MANUAL_FOCUS, CONTINUOUS_FOCUS = 0, 2


def is_csi(text: str) -> bool:
    """`csi` for the first camera, `csi:1` for the second."""
    name, colon, number = text.partition(":")
    return name == PREFIX and (not colon or number.isdecimal())


class CsiDevice:
    """A CSI camera that is running. Exposure is in microseconds, focus in dioptres (1 / metres)."""

    def __init__(self, text: str, settings: SourceSettings) -> None:
        try:
            package = importlib.import_module("picamera2")
        except ImportError as error:
            raise SourceError(
                "The Raspberry Pi's camera needs the package picamera2. Install it with “sudo apt install"
                " python3-picamera2” and make the virtual environment with --system-site-packages, or with “pip install"
                " picamera2”."
            ) from error
        number = int(text.partition(":")[2] or 0)
        known: list[dict[str, Any]] = package.Picamera2.global_camera_info()
        if number >= len(known):
            raise SourceError(
                f"No camera is connected to the Raspberry Pi's camera socket {number}. Switch the Pi off before"
                " connecting one, and check the ribbon cable."
            )
        self._name = f"CSI {known[number].get('Model', number)}"
        self._fps = settings.fps or USUAL_FPS
        self._camera: Any = None
        try:
            self._camera = package.Picamera2(number)
            self._start(settings)
        except (RuntimeError, OSError) as error:
            self.close()
            raise SourceError(
                f"The camera “{self._name}” cannot be started: {error}. Close other programs that use it (rpicam-hello,"
                " a browser), or choose another resolution."
            ) from error

    def _start(self, settings: SourceSettings) -> None:
        # RGB888 is libcamera's word for pictures whose bytes lie in the order blue, green, red.
        configuration = self._camera.create_video_configuration(
            main={"format": "RGB888", "size": _size(settings)}, buffer_count=BUFFERS
        )
        self._camera.configure(configuration)
        self._camera.set_controls(_controls(settings, self._fps, self._camera.camera_controls))
        self._camera.start()

    @property
    def name(self) -> str:
        return self._name

    @property
    def fps(self) -> float | None:
        return self._fps

    def read(self) -> NDArray[np.uint8]:
        try:
            picture = self._camera.capture_array("main")
        except (RuntimeError, OSError) as error:
            raise SourceError(f"The camera “{self._name}” gives no pictures any more: {error}.") from error
        return np.ascontiguousarray(picture[..., :3], np.uint8)

    def close(self) -> None:
        if self._camera is not None:
            self._camera.stop()
            self._camera.close()
            self._camera = None


def _size(settings: SourceSettings) -> tuple[int, int]:
    """Width and height that were asked for; where only one was, the other in the proportions of the usual size."""
    width, height = USUAL_SIZE
    if settings.width and settings.height:
        return settings.width, settings.height
    if settings.width:
        return settings.width, round(settings.width * height / width / 2) * 2
    if settings.height:
        return round(settings.height * width / height / 2) * 2, settings.height
    return USUAL_SIZE


def _controls(settings: SourceSettings, fps: float, known: dict[str, Any]) -> dict[str, Any]:
    controls: dict[str, Any] = {"FrameRate": fps, "AeEnable": settings.exposure is None}
    if settings.exposure is not None:
        controls["ExposureTime"] = int(settings.exposure)
    controls["AfMode"] = CONTINUOUS_FOCUS if settings.focus is None else MANUAL_FOCUS
    if settings.focus is not None:
        controls["LensPosition"] = settings.focus
    # Cameras of a fixed focus know nothing of it, and refuse everything where one name is not theirs.
    return {name: value for name, value in controls.items() if name in known or name == "FrameRate"}


def csi_source(text: str, settings: SourceSettings) -> LiveSource:
    return LiveSource(text, settings, lambda: CsiDevice(text, settings))
