"""Which sources there are: cameras, looked for again and again beside the window, the demo, and what the user opened."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from PyQt6.QtCore import QCoreApplication, QObject, QTimer, pyqtSignal
from PyQt6.QtGui import QIcon

from app.icons import icon
from app.sources import DEMO, SourceEntry, SourcePicker
from app.theme import Theme
from engine.errors import LitePoseError
from engine.sources import find_cameras
from engine.sources.camera_list import PLACE_MARK, PREFIX

LOOK_AGAIN_MS = 4000
MOST_OPENED = 5
translate = QCoreApplication.translate
log = logging.getLogger(__name__)


class SourceList(QObject):
    """Fills the picker. find: lists the cameras; it may take seconds, so it runs in a thread."""

    first_found = pyqtSignal(str)
    """The source to start with."""
    refused = pyqtSignal(str)

    _found = pyqtSignal(object)

    def __init__(self, picker: SourcePicker, find: Callable[[], list[SourceEntry]] | None = None) -> None:
        super().__init__()
        self._picker, self.find = picker, find or cameras
        self._cameras: list[SourceEntry] = []
        self._opened: list[SourceEntry] = []
        self._current = DEMO
        self._starts_with: str | None = None
        self._icons: dict[str, QIcon] = {}
        self._thread: threading.Thread | None = None
        self._found.connect(self._take)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_AGAIN_MS)
        self._timer.timeout.connect(self.look)

    def choose_first(self, remembered: str) -> None:
        """`remembered`, or the first camera, or the demo; the answer comes as a signal."""
        self._starts_with = remembered
        if remembered:
            self.add(remembered)
        self.look()
        self._timer.start()

    def look(self) -> None:
        """Looks for cameras, unless that is going on."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look, name="camera-list", daemon=True)
            self._thread.start()

    def add(self, text: str) -> None:
        """The user opened this: it is in the list from now on."""
        if text != DEMO and all(entry.text != text for entry in [*self._cameras, *self._opened]):
            self._opened = [entry_of(text), *self._opened][:MOST_OPENED]
        self.show_current(text)

    def show_current(self, text: str) -> None:
        self._current = text
        self._show()

    def label(self, text: str) -> str:
        return next((entry.label for entry in self._entries() if entry.text == text), text)

    def set_theme(self, colours: Theme) -> None:
        self._icons = {name: icon(name, colours.faint) for name in ("camera", "file", "link", "demo")}
        self._show()

    def close(self) -> None:
        self._timer.stop()
        self._found.disconnect()

    def _entries(self) -> list[SourceEntry]:
        demo = SourceEntry(DEMO, translate("SourceList", "Demo clip"), "demo")
        taken = {entry.text for entry in self._cameras}
        return [*self._cameras, demo, *(entry for entry in self._opened if entry.text not in taken)]

    def _show(self) -> None:
        if self._icons:
            self._picker.show_sources(self._entries(), self._current, self._icons)

    def _look(self) -> None:
        try:
            self._found.emit(self.find())
        except LitePoseError as error:
            log.warning("%s", error)
            self._found.emit([])

    def _take(self, found: list[SourceEntry]) -> None:
        if found != self._cameras:
            self._cameras = found
            self._show()
        if self._starts_with is not None:
            wanted, self._starts_with = self._starts_with, None
            first = wanted or (found[0].text if found else DEMO)
            self.show_current(first)
            self.first_found.emit(first)


def cameras() -> list[SourceEntry]:
    """Those that this machine has, by name."""
    return [SourceEntry(camera.text, camera.name, "camera") for camera in find_cameras()]


def entry_of(text: str) -> SourceEntry:
    """A file by its name, an address as it is, a camera that is not connected by its name."""
    if text.startswith(PREFIX):
        return SourceEntry(text, text.removeprefix(PREFIX).partition(PLACE_MARK)[0], "camera")
    if "://" in text:
        return SourceEntry(text, text, "link")
    return SourceEntry(text, Path(text).name or text, "file")
