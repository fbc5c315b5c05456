"""From the table of keys to actions and the menu, without taking from controls the keys that are theirs."""

from collections.abc import Callable, Mapping

from PyQt6.QtCore import QEvent, QObject, Qt
from PyQt6.QtGui import QAction, QKeyEvent, QKeySequence
from PyQt6.QtWidgets import QAbstractButton, QComboBox, QMenu, QSlider, QWidget

from app.shortcuts import SHORTCUTS, text_of

MENU = (("choose_file", "choose_url"), ("export", "copy_report"), ("preferences", "shortcuts"), ("quit",))
_KEY = Qt.Key
OWN_KEYS: dict[type[QWidget], frozenset[Qt.Key]] = {
    QAbstractButton: frozenset({_KEY.Key_Space}),
    QSlider: frozenset({_KEY.Key_Left, _KEY.Key_Right}),
    QComboBox: frozenset({_KEY.Key_Space}),
}


def make_actions(window: QWidget, does: Mapping[str, Callable[[], object]]) -> dict[str, QAction]:
    """One action for each key, by name. They work wherever the focus is, except in text fields."""
    actions = {}
    for shortcut in SHORTCUTS:
        action = QAction(text_of(shortcut.name), window)
        action.setShortcuts([QKeySequence(key) for key in shortcut.keys])
        action.triggered.connect(lambda _, do=does[shortcut.name]: do())
        window.addAction(action)
        actions[shortcut.name] = action
    keeper = _OwnKeys(window)
    for kind in OWN_KEYS:
        for control in window.findChildren(kind):
            control.installEventFilter(keeper)
    return actions


def make_menu(parent: QWidget, actions: Mapping[str, QAction]) -> QMenu:
    menu = QMenu(parent)
    for group in MENU:
        for name in group:
            menu.addAction(actions[name])
        if group is not MENU[-1]:
            menu.addSeparator()
    return menu


class _OwnKeys(QObject):
    """A control with the focus keeps the keys that work it: the space bar presses a button before it pauses a film."""

    def eventFilter(self, control: QObject | None, event: QEvent | None) -> bool:  # noqa: N802, Qt's name
        if isinstance(event, QKeyEvent) and event.type() is QEvent.Type.ShortcutOverride:
            for kind, keys in OWN_KEYS.items():
                if isinstance(control, kind) and event.key() in keys and not event.modifiers():
                    event.accept()
                    return True
        return super().eventFilter(control, event)
