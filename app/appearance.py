"""The theme in use, and who must know when it changes."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyqtgraph
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QApplication

from app import theme
from app.icons import style_sheet_images
from app.theme import DARK, LIGHT, THEMES, Theme


class Appearance:
    """Applies themes to the application. Parts with own colours or icons are told through what they add."""

    def __init__(self, application: QApplication, name: str) -> None:
        self._application = application
        self._folder = TemporaryDirectory(prefix="litepose-theme-")
        self._listeners: list[Callable[[], None]] = []
        pyqtgraph.setConfigOptions(antialias=True)
        application.setStyle("Fusion")
        self.show(name)

    def show(self, name: str) -> None:
        """ "dark", "light", or "system" for what the desktop uses."""
        self.theme = self._chosen(name)
        images = style_sheet_images(Path(self._folder.name), self.theme.text, self.theme.on_accent)
        theme.apply(self._application, self.theme, images)
        for tell in self._listeners:
            tell()

    def add(self, tell: Callable[[], None]) -> None:
        """Calls it now and whenever the theme changes."""
        self._listeners.append(tell)
        tell()

    def _chosen(self, name: str) -> Theme:
        if name in THEMES:
            return THEMES[name]
        hints = self._application.styleHints()
        light = hints is not None and hints.colorScheme() is Qt.ColorScheme.Light
        return LIGHT if light else DARK
