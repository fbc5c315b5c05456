"""Holds the preferences while the window runs, and writes them when they have been still for a moment."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QObject, QTimer, pyqtSignal

from app import preferences
from app.preferences import Preferences

SAVE_AFTER_MS = 500
log = logging.getLogger(__name__)


class PreferenceStore(QObject):
    """`current` is what holds now: the file's content, under what the command line says.

    overridden: fields of Preferences and Inference that the command line gave; they are used and not remembered.
    """

    changed = pyqtSignal(object, object)
    """The Preferences before and after."""
    not_saved = pyqtSignal(str)

    def __init__(self, path: Path, overridden: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.path = path
        self._stored, self.problem = preferences.load(path)
        self.current = _with(self._stored, overridden or {})
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.save)

    def change(self, **changes: Any) -> None:
        """Fields of Preferences, or of its sections, to their new values."""
        before = self.current
        self.current = _with(before, changes)
        self._stored = _with(self._stored, changes)
        if self.current != before:
            self._timer.start(SAVE_AFTER_MS)
            self.changed.emit(before, self.current)

    def save(self) -> None:
        self._timer.stop()
        try:
            preferences.save(self._stored, self.path)
        except OSError as error:
            log.warning("%s", error)
            self.not_saved.emit(str(error))


def _with(kept: Preferences, changes: dict[str, Any]) -> Preferences:
    """The preferences with other values; the name of a field of a section stands for that field: size="s"."""
    own = {name: value for name, value in changes.items() if name in Preferences.__dataclass_fields__}
    for section in ("inference", "overlays", "recording", "camera", "window"):
        part = own.get(section, getattr(kept, section))
        inner = {
            name: value
            for name, value in changes.items()
            if name not in Preferences.__dataclass_fields__ and name in part.__dataclass_fields__
        }
        if inner:
            own[section] = replace(part, **inner)
    return replace(kept, **own)
