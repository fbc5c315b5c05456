"""The screen as a source, for poses in whatever another program shows. Needs the package mss."""

import importlib
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import SourceError
from engine.sources.live_source import LiveSource
from engine.sources.source import SourceSettings

PREFIX = "screen"
USUAL_FPS = 15.0
HINT = "On macOS, allow it in System Settings → Privacy & Security → Screen Recording; under Wayland, log in to an X session."


def is_screen(text: str) -> bool:
    """`screen` for the first monitor, `screen:2` for the second, `screen:all` for all of them together."""
    name, colon, number = text.partition(":")
    return name == PREFIX and (not colon or number == "all" or number.isdecimal())


class ScreenDevice:
    """One monitor, or all of them as one picture, looked at `fps` times a second."""

    def __init__(self, text: str, settings: SourceSettings) -> None:
        try:
            mss = importlib.import_module("mss")
        except ImportError as error:
            raise SourceError(
                "Reading the screen needs the package mss. Install it with “pip install mss”, then choose the screen again."
            ) from error
        self._problem: type[Exception] = mss.ScreenShotError
        self._fps = settings.fps or USUAL_FPS
        self._due_s = time.monotonic()
        try:
            self._screen: Any = mss.MSS()
        except self._problem as error:
            raise SourceError(f"The screen cannot be read: {error}. {HINT}") from error
        try:
            self._monitor, self._name = self._choose(text.partition(":")[2] or "1")
        except SourceError:
            self.close()
            raise

    def _choose(self, wanted: str) -> tuple[dict[str, int], str]:
        # The first of mss's list is all monitors together.
        monitors: list[dict[str, int]] = self._screen.monitors
        number = 0 if wanted == "all" else int(wanted)
        if number >= len(monitors) or (number == 0 and wanted != "all"):
            last = len(monitors) - 1
            raise SourceError(f"There is no screen {wanted}. Choose one from screen:1 to screen:{last}, or screen:all.")
        return monitors[number], "all screens" if number == 0 else f"screen {number}"

    @property
    def name(self) -> str:
        return self._name

    @property
    def fps(self) -> float | None:
        return self._fps

    def read(self) -> NDArray[np.uint8]:
        now_s = time.monotonic()
        if now_s < self._due_s:
            time.sleep(self._due_s - now_s)
        self._due_s = max(self._due_s, now_s) + 1.0 / self._fps
        try:
            shot = self._screen.grab(self._monitor)
        except self._problem as error:
            raise SourceError(f"The screen cannot be read any more: {error}. {HINT}") from error
        return np.ascontiguousarray(np.asarray(shot, np.uint8)[..., :3])

    def close(self) -> None:
        self._screen.close()


def screen_source(text: str, settings: SourceSettings) -> LiveSource:
    return LiveSource(text, settings, lambda: ScreenDevice(text, settings))
