"""Keeps OpenCV's own copy of Qt away from PyQt6. Import this before any module of PyQt6."""

import os
from pathlib import Path

import cv2

FOLDERS = {"QT_QPA_PLATFORM_PLUGIN_PATH": "plugins", "QT_QPA_FONTDIR": "fonts"}


def keep_opencv_out() -> None:
    """Importing OpenCV's Linux wheel points Qt at the plug-ins and fonts inside the wheel, which do not fit PyQt6's Qt.

    Only what points there is removed: a path that the user has set stays.
    """
    own = Path(cv2.__file__).parent / "qt"
    for variable, folder in FOLDERS.items():
        if os.environ.get(variable) == str(own / folder):
            del os.environ[variable]


keep_opencv_out()
