"""Keeps OpenCV's own copy of Qt away from PyQt6. Import this before any module of PyQt6."""

import os
import sys
from pathlib import Path

import cv2

from engine.errors import LitePoseError

FOLDERS = {"QT_QPA_PLATFORM_PLUGIN_PATH": "plugins", "QT_QPA_FONTDIR": "fonts"}


def keep_opencv_out() -> None:
    """Importing OpenCV's Linux wheel points Qt at the plug-ins and fonts inside the wheel, which do not fit PyQt6's Qt.

    Only what points there is removed: a path that the user has set stays.
    """
    own = Path(cv2.__file__).parent / "qt"
    for variable, folder in FOLDERS.items():
        if os.environ.get(variable) == str(own / folder):
            del os.environ[variable]


def expect_display() -> None:
    """Raises LitePoseError where there is no screen to show a window on: Qt itself would end the process."""
    named = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(os.environ.get(variable) for variable in named):
        raise LitePoseError(
            "There is no screen to open the window on: neither DISPLAY nor WAYLAND_DISPLAY is set. Start it from a desktop, "
            "or use a command that needs no window, such as: main.py live --source demo"
        )


keep_opencv_out()
