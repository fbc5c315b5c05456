"""The annotated picture as a camera that Teams, Zoom and OBS can choose. Needs the optional package pyvirtualcam."""

import importlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError
from engine.preprocess import InputShape, fill_input, place
from engine.sinks import Sink
from engine.types import Frame, Poses

USUAL_FPS = 30.0
DRIVERS = (
    "On Linux it needs v4l2loopback (sudo modprobe v4l2loopback), on Windows and macOS OBS with its virtual camera"
)


class VirtualCamera(Sink):
    """Opens with the first picture, whose size it keeps; later pictures of other sizes are fitted into it.

    device: one of several virtual cameras, None the first. Raises SinkError where the system has none.
    """

    wants_picture = True

    def __init__(self, fps: float | None = None, device: str | None = None) -> None:
        try:
            self._library: Any = importlib.import_module("pyvirtualcam")
        except ImportError:
            raise SinkError(
                f"A virtual camera needs the package pyvirtualcam: pip install pyvirtualcam. {DRIVERS}."
            ) from None
        self._fps, self._device = fps or USUAL_FPS, device
        self._camera: Any = None

    @property
    def name(self) -> str | None:
        """What other programs call it; None before the first picture."""
        return str(self._camera.device) if self._camera else None

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        image = frame.image if annotated is None else annotated
        if self._camera is None:
            self._camera = self._open(image.shape[1], image.shape[0])
        shape = InputShape(self._camera.width, self._camera.height)
        picture = np.zeros((shape.height, shape.width, 3), np.uint8)
        fill_input(image, place(image.shape[1], image.shape[0], shape), picture)
        self._camera.send(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))

    def close(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _open(self, width: int, height: int) -> Any:
        try:
            # Even sides: drivers halve the colours.
            return self._library.Camera(
                width=width + width % 2, height=height + height % 2, fps=self._fps, device=self._device
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise SinkError(
                f"The virtual camera cannot be opened: {str(error).strip().rstrip('.')}. {DRIVERS}."
            ) from error
