"""Colours, spacing and the style sheet of the window, dark and light."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from string import Template

from PyQt6.QtGui import QColor, QPalette
from PyQt6.QtWidgets import QApplication

GAP = 8
"""Distance between controls, in device-independent pixels."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as #rrggbb. stage: what surrounds the picture. raised: controls. line: borders. faint: secondary text."""

    name: str
    stage: str
    window: str
    raised: str
    hover: str
    pressed: str
    line: str
    text: str
    faint: str
    disabled: str
    accent: str
    on_accent: str
    record: str
    warning: str
    good: str


DARK = Theme(
    name="dark",
    stage="#0d0f12",
    window="#16191d",
    raised="#22272d",
    hover="#2c323a",
    pressed="#363d47",
    line="#30363e",
    text="#e8ebee",
    faint="#9aa4af",
    disabled="#69727c",
    accent="#4cc2b0",
    on_accent="#06201c",
    record="#e5484d",
    warning="#f0b45a",
    good="#5ccf8a",
)
LIGHT = Theme(
    name="light",
    stage="#dfe3e7",
    window="#f6f7f8",
    raised="#ffffff",
    hover="#eceff1",
    pressed="#dfe4e8",
    line="#cdd4da",
    text="#1b2127",
    faint="#57626c",
    disabled="#8f99a2",
    accent="#0b7d6f",
    on_accent="#ffffff",
    record="#cb2a30",
    warning="#8a5a00",
    good="#1d7a45",
)
THEMES = {theme.name: theme for theme in (DARK, LIGHT)}

_STYLE = Template("""
* { font-size: 13px; }
QMainWindow, QDialog { background: $window; }
QWidget { color: $text; }
QToolTip { background: $raised; color: $text; border: 1px solid $line; padding: 4px 6px; }

#bar, #rail, #status, #timeline, #panel { background: $window; }
#bar { border-bottom: 1px solid $line; }
#rail { border-right: 1px solid $line; }
#status { border-top: 1px solid $line; }
#timeline { border-top: 1px solid $line; }
#panel { border-left: 1px solid $line; }
#status QLabel { color: $faint; font-size: 12px; }

QPushButton, QToolButton, QComboBox, QSpinBox, QDoubleSpinBox, QLineEdit {
    background: $raised; border: 1px solid $line; border-radius: 6px; padding: 0 10px; min-height: 30px; }
QPushButton:hover, QToolButton:hover, QComboBox:hover { background: $hover; }
QPushButton:pressed, QToolButton:pressed { background: $pressed; }
QPushButton:focus, QToolButton:focus, QComboBox:focus, QSpinBox:focus, QDoubleSpinBox:focus, QLineEdit:focus {
    border: 1px solid $accent; }
QPushButton:disabled, QToolButton:disabled, QComboBox:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled,
QLineEdit:disabled { color: $disabled; background: $window; }
QPushButton:default { background: $accent; color: $on_accent; border-color: $accent; }
QToolButton { padding: 0; min-width: 32px; }
QToolButton::menu-indicator { image: none; }
QToolButton[flat="true"] { background: transparent; border-color: transparent; }
QToolButton[flat="true"]:hover { background: $hover; }
QToolButton[flat="true"]:checked { background: $pressed; }
QToolButton[flat="true"]:focus { border: 1px solid $accent; }

QSpinBox, QDoubleSpinBox { min-height: 28px; padding: 0 8px; }
QSpinBox::up-button, QSpinBox::down-button { border: none; background: transparent; width: 24px; height: 15px;
    subcontrol-origin: border; }
QSpinBox::up-button { subcontrol-position: top right; }
QSpinBox::down-button { subcontrol-position: bottom right; }
QSpinBox::up-arrow { image: url($chevron_up); width: 10px; height: 10px; }
QSpinBox::down-arrow { image: url($chevron); width: 10px; height: 10px; }

QComboBox { padding: 0 26px 0 10px; }
QComboBox::drop-down { border: none; width: 24px; }
QComboBox::down-arrow { image: url($chevron); width: 12px; height: 12px; }
QComboBox QAbstractItemView { background: $raised; border: 1px solid $line; outline: 0; padding: 4px;
    selection-background-color: $pressed; selection-color: $text; }

#record { font-weight: 600; padding: 0 14px; border-top-right-radius: 0; border-bottom-right-radius: 0; }
#record[recording="true"] { background: $record; border-color: $record; color: white; }
#record[recording="true"]:focus { border-color: white; }
#record_options { border-left: none; border-top-left-radius: 0; border-bottom-left-radius: 0; min-width: 26px; }

QMenu { background: $raised; border: 1px solid $line; padding: 5px; }
QMenu::item { padding: 6px 26px 6px 10px; border-radius: 4px; }
QMenu::item:selected { background: $pressed; }
QMenu::item:disabled { color: $disabled; }
QMenu::separator { height: 1px; background: $line; margin: 5px 8px; }
QMenu::icon { padding-left: 8px; }
QMenu::indicator { width: 15px; height: 15px; margin-left: 6px; }

QCheckBox, QRadioButton { spacing: 8px; min-height: 26px; }
QCheckBox::indicator, QRadioButton::indicator, QMenu::indicator:non-exclusive, QMenu::indicator:exclusive {
    width: 15px; height: 15px; border: 1px solid $disabled; background: $window; }
QCheckBox::indicator, QMenu::indicator:non-exclusive { border-radius: 4px; }
QRadioButton::indicator, QMenu::indicator:exclusive { border-radius: 8px; }
QCheckBox::indicator:checked, QMenu::indicator:non-exclusive:checked { background: $accent; border-color: $accent; image: url($check); }
QRadioButton::indicator:checked, QMenu::indicator:exclusive:checked { background: $window; border: 5px solid $accent;
    width: 7px; height: 7px; }
QCheckBox:focus { color: $accent; }

QSlider { min-height: 22px; }
QSlider::groove:horizontal { height: 4px; background: $line; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::sub-page:horizontal:disabled { background: $line; }
QSlider::handle:horizontal { background: $text; width: 14px; height: 14px; margin: -5px 0; border-radius: 7px; }
QSlider::handle:horizontal:hover { background: $accent; }
QSlider::handle:horizontal:focus { background: $accent; }

QProgressBar { background: $line; border: none; border-radius: 3px; height: 6px; text-align: center; color: transparent; }
QProgressBar::chunk { background: $accent; border-radius: 3px; }

QTabWidget::pane { border: none; border-top: 1px solid $line; }
QTabBar::tab { padding: 8px 14px; color: $faint; border-bottom: 2px solid transparent; }
QTabBar::tab:selected { color: $text; border-bottom: 2px solid $accent; }
QTabBar::tab:focus { color: $accent; }

QScrollBar:vertical { background: transparent; width: 10px; margin: 0; }
QScrollBar::handle:vertical { background: $line; border-radius: 5px; min-height: 30px; }
QScrollBar::handle:vertical:hover { background: $disabled; }
QScrollBar::add-line, QScrollBar::sub-line { height: 0; width: 0; }
QScrollArea { border: none; background: transparent; }
QTableWidget, QTextEdit, QPlainTextEdit { background: $raised; border: 1px solid $line; border-radius: 6px; gridline-color: $line;
    selection-background-color: $pressed; selection-color: $text; }
QHeaderView::section { background: transparent; color: $faint; border: none; padding: 4px 6px; }

#card { background: $raised; border: 1px solid $line; border-radius: 10px; }
#card QPushButton { background: $hover; }
#card QPushButton:default { background: $accent; color: $on_accent; border-color: $accent; }
#banner { background: $raised; border: 1px solid $line; border-left: 4px solid $warning; border-radius: 6px; }
#banner[kind="error"] { border-left-color: $record; }
#banner[kind="good"] { border-left-color: $good; }
#title { font-size: 16px; font-weight: 600; }
#heading { font-weight: 600; }
#faint { color: $faint; }
#key { background: $raised; border: 1px solid $line; border-radius: 4px; padding: 2px 7px; }
""")


def apply(application: QApplication, theme: Theme, images: dict[str, str]) -> None:
    """Colours the whole application. images: file paths of the pictures that the style sheet shows, by name.

    Qt goes through a list of all widgets and tells each, some of them in Python. A garbage collection meanwhile would delete
    widgets that nobody has any more but which are still to come in that list.
    """
    palette = QPalette()
    roles = QPalette.ColorRole
    for role, colour in (
        (roles.Window, theme.window),
        (roles.WindowText, theme.text),
        (roles.Base, theme.raised),
        (roles.AlternateBase, theme.window),
        (roles.Text, theme.text),
        (roles.PlaceholderText, theme.faint),
        (roles.Button, theme.raised),
        (roles.ButtonText, theme.text),
        (roles.Highlight, theme.accent),
        (roles.HighlightedText, theme.on_accent),
        (roles.ToolTipBase, theme.raised),
        (roles.ToolTipText, theme.text),
        (roles.Link, theme.accent),
    ):
        palette.setColor(role, QColor(colour))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.disabled))
    with no_collection():
        application.setPalette(palette)
        application.setStyleSheet(_STYLE.substitute({f.name: getattr(theme, f.name) for f in fields(theme)} | images))


@contextmanager
def no_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
