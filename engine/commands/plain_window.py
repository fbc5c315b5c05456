"""A window with nothing but a picture, for the commands' --show."""

import os
import sys

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError

TITLE = "LitePose Live"
ESCAPE, QUIT = 27, ord("q")


def expect_screen(instead: str) -> None:
    """Raises UsageError where there is none: OpenCV would end the whole program. instead: what to do then."""
    if sys.platform.startswith("linux") and not {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys():
        raise UsageError(f"There is no screen to show the picture on. {instead}")


class PlainWindow:
    """Closed by Escape, q, or its own button. Belongs to the main thread."""

    def __init__(self) -> None:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(self, image: NDArray[np.uint8]) -> None:
        cv2.imshow(TITLE, image)

    def closed(self) -> bool:
        """Also lets the window react; to be asked often."""
        return cv2.waitKey(1) & 0xFF in (ESCAPE, QUIT) or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1
