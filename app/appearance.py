"""The theme in use, and who must know when it changes."""

from pathlib import Path

import pyqtgraph
from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtWidgets import QApplication

from app import theme
from app.icons import style_sheet_images
from app.theme import DARK, LIGHT, THEMES, Theme


class Appearance(QObject):
    """Applies themes to the application. Parts with own colours or icons listen to `changed`."""

    changed = pyqtSignal()

    def __init__(self, application: QApplication, name: str, folder: Path) -> None:
        """folder: where the pictures go that the style sheet names; it must be there as long as the application runs."""
        super().__init__()
        self._application = application
        self._folder = folder
        pyqtgraph.setConfigOptions(antialias=True)
        application.setStyle("Fusion")
        self.show(name)

    def show(self, name: str) -> None:
        """ "dark", "light", or "system" for what the desktop uses."""
        self.theme = self._chosen(name)
        images = style_sheet_images(self._folder, self.theme.text, self.theme.on_accent)
        theme.apply(self._application, self.theme, images)
        self.changed.emit()

    def _chosen(self, name: str) -> Theme:
        if name in THEMES:
            return THEMES[name]
        hints = self._application.styleHints()
        light = hints is not None and hints.colorScheme() is Qt.ColorScheme.Light
        return LIGHT if light else DARK
