"""Every key of the window in one table: the actions are made from it, and the sheet (F1) shows it."""

from dataclasses import dataclass

from PyQt6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, Qt
from PyQt6.QtGui import QKeySequence
from PyQt6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

translate = QCoreApplication.translate


@dataclass(frozen=True, slots=True)
class Shortcut:
    """name: of the action. keys: as QKeySequence reads them; the first is shown. text: English, translated when shown."""

    name: str
    keys: tuple[str, ...]
    text: str
    group: str


WATCH = QT_TRANSLATE_NOOP("Shortcuts", "Watch")
CAPTURE = QT_TRANSLATE_NOOP("Shortcuts", "Capture")
OVERLAYS = QT_TRANSLATE_NOOP("Shortcuts", "Overlays")
FILES = QT_TRANSLATE_NOOP("Shortcuts", "Files")
PROGRAM = QT_TRANSLATE_NOOP("Shortcuts", "Program")

SHORTCUTS = (
    Shortcut("choose_file", ("Ctrl+O",), QT_TRANSLATE_NOOP("Shortcuts", "Open a file"), WATCH),
    Shortcut("choose_url", ("Ctrl+L",), QT_TRANSLATE_NOOP("Shortcuts", "Open an address"), WATCH),
    Shortcut("refresh", ("F5",), QT_TRANSLATE_NOOP("Shortcuts", "Look for cameras again"), WATCH),
    Shortcut("size_xs", ("1",), QT_TRANSLATE_NOOP("Shortcuts", "Size XS"), WATCH),
    Shortcut("size_s", ("2",), QT_TRANSLATE_NOOP("Shortcuts", "Size S"), WATCH),
    Shortcut("size_m", ("3",), QT_TRANSLATE_NOOP("Shortcuts", "Size M"), WATCH),
    Shortcut("size_l", ("4",), QT_TRANSLATE_NOOP("Shortcuts", "Size L"), WATCH),
    Shortcut("confidence_up", ("Ctrl+Up",), QT_TRANSLATE_NOOP("Shortcuts", "Higher confidence: fewer people"), WATCH),
    Shortcut("confidence_down", ("Ctrl+Down",), QT_TRANSLATE_NOOP("Shortcuts", "Lower confidence: more people"), WATCH),
    Shortcut("full_screen", ("F", "F11"), QT_TRANSLATE_NOOP("Shortcuts", "Full screen"), WATCH),
    Shortcut("record", ("R",), QT_TRANSLATE_NOOP("Shortcuts", "Start and stop recording"), CAPTURE),
    Shortcut("snapshot", ("S",), QT_TRANSLATE_NOOP("Shortcuts", "Save the picture"), CAPTURE),
    Shortcut("panel", ("T",), QT_TRANSLATE_NOOP("Shortcuts", "Statistics"), PROGRAM),
    Shortcut("copy_report", ("Ctrl+Shift+C",), QT_TRANSLATE_NOOP("Shortcuts", "Copy the statistics"), PROGRAM),
    Shortcut("skeleton", ("K",), QT_TRANSLATE_NOOP("Shortcuts", "Skeletons"), OVERLAYS),
    Shortcut("boxes", ("B",), QT_TRANSLATE_NOOP("Shortcuts", "Boxes"), OVERLAYS),
    Shortcut("ids", ("I",), QT_TRANSLATE_NOOP("Shortcuts", "Numbers of people"), OVERLAYS),
    Shortcut("trails", ("L",), QT_TRANSLATE_NOOP("Shortcuts", "Trails"), OVERLAYS),
    Shortcut("heatmap", ("H",), QT_TRANSLATE_NOOP("Shortcuts", "Heat map"), OVERLAYS),
    Shortcut("face_blur", ("U",), QT_TRANSLATE_NOOP("Shortcuts", "Blur faces"), OVERLAYS),
    Shortcut("privacy", ("P",), QT_TRANSLATE_NOOP("Shortcuts", "Privacy: hide the picture"), OVERLAYS),
    Shortcut("mirror", ("M",), QT_TRANSLATE_NOOP("Shortcuts", "Mirror"), OVERLAYS),
    Shortcut("smoothing", ("J",), QT_TRANSLATE_NOOP("Shortcuts", "Smooth motion"), OVERLAYS),
    Shortcut("statistics", ("O",), QT_TRANSLATE_NOOP("Shortcuts", "Statistics on the picture"), OVERLAYS),
    Shortcut("play", ("Space",), QT_TRANSLATE_NOOP("Shortcuts", "Play and pause"), FILES),
    Shortcut("step", (".",), QT_TRANSLATE_NOOP("Shortcuts", "One frame on"), FILES),
    Shortcut("back", ("Left",), QT_TRANSLATE_NOOP("Shortcuts", "5 seconds back"), FILES),
    Shortcut("forward", ("Right",), QT_TRANSLATE_NOOP("Shortcuts", "5 seconds on"), FILES),
    Shortcut("export", ("Ctrl+E",), QT_TRANSLATE_NOOP("Shortcuts", "Export the whole file"), FILES),
    Shortcut("preferences", ("Ctrl+,",), QT_TRANSLATE_NOOP("Shortcuts", "Preferences"), PROGRAM),
    Shortcut("shortcuts", ("F1", "?"), QT_TRANSLATE_NOOP("Shortcuts", "Keyboard shortcuts"), PROGRAM),
    Shortcut("quit", ("Ctrl+Q",), QT_TRANSLATE_NOOP("Shortcuts", "Quit"), PROGRAM),
)
BY_NAME = {shortcut.name: shortcut for shortcut in SHORTCUTS}


def text_of(name: str) -> str:
    """What the action does, in the user's language."""
    return translate("Shortcuts", BY_NAME[name].text)


def key_of(name: str) -> str:
    """Its first key, as this system writes it."""
    return QKeySequence(BY_NAME[name].keys[0]).toString(QKeySequence.SequenceFormat.NativeText)


def hint(name: str) -> str:
    """For tool tips: what it does and its key."""
    return f"{text_of(name)} ({key_of(name)})"


class ShortcutsSheet(QDialog):
    """All keys, in two columns."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Keyboard shortcuts"))
        groups = list(dict.fromkeys(shortcut.group for shortcut in SHORTCUTS))
        columns = QHBoxLayout()
        columns.setSpacing(36)
        for shown in (groups[:2], groups[2:4], groups[4:]):
            column = QVBoxLayout()
            column.setSpacing(6)
            for group in shown:
                column.addWidget(_heading(translate("Shortcuts", group)))
                column.addLayout(_rows([entry for entry in SHORTCUTS if entry.group == group]))
                column.addSpacing(10)
            column.addStretch(1)
            columns.addLayout(column)
        close = QPushButton(self.tr("Close"))
        close.setDefault(True)
        close.clicked.connect(self.accept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 18)
        layout.addLayout(columns)
        layout.addWidget(close, alignment=Qt.AlignmentFlag.AlignRight)


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("heading")
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return label


def _rows(entries: list[Shortcut]) -> QGridLayout:
    grid = QGridLayout()
    grid.setVerticalSpacing(4)
    grid.setHorizontalSpacing(14)
    for row, entry in enumerate(entries):
        keys = QHBoxLayout()
        keys.setSpacing(4)
        for key in entry.keys:
            label = QLabel(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText))
            label.setObjectName("key")
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            keys.addWidget(label)
        keys.addStretch()
        grid.addLayout(keys, row, 0)
        grid.addWidget(QLabel(translate("Shortcuts", entry.text)), row, 1)
    grid.setColumnStretch(1, 1)
    return grid
