"""The control that chooses where pictures come from."""

from dataclasses import dataclass

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QIcon, QPaintEvent
from PyQt6.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

DEMO = "demo"
ICON_GAP = 6  # pixels that styles leave around the icon


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """text: what a session understands. label: what the user reads. icon: a drawing of app/icons.py."""

    text: str
    label: str
    icon: str


class SourcePicker(QComboBox):
    """Cameras by name, the demo, the file or address that is open, and the two ways to open another one."""

    source_chosen = pyqtSignal(str)
    file_wanted = pyqtSignal()
    address_wanted = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Source"))
        self.setToolTip(self.tr("Where the picture comes from. Files can also be dropped onto the window."))
        self.setIconSize(QSize(18, 18))
        self.setMinimumWidth(142)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(16)
        self._shown = -1
        self._chosen = DEMO
        self.activated.connect(self._choose)

    def show_sources(self, entries: list[SourceEntry], current: str, icons: dict[str, QIcon]) -> None:
        """Fills the list. An open list is left alone, so that nothing moves under the user's hand."""
        view = self.view()
        if view is not None and view.isVisible():
            return
        self.clear()
        for entry in entries:
            self.addItem(icons[entry.icon], entry.label, entry.text)
            self.setItemData(self.count() - 1, entry.text, Qt.ItemDataRole.ToolTipRole)
        self.insertSeparator(self.count())
        self.addItem(icons["file"], self.tr("Open a file…"), self.file_wanted)
        self.addItem(icons["link"], self.tr("Open an address…"), self.address_wanted)
        width = max(self.fontMetrics().horizontalAdvance(self.itemText(row)) for row in range(self.count()))
        if view is not None:
            view.setMinimumWidth(min(width + 70, 460))
        self.show_current(current)

    def show_current(self, text: str) -> None:
        """Shows a source as chosen without asking for it."""
        self._chosen = text
        self._shown = next((row for row in range(self.count()) if self.itemData(row) == text), -1)
        self.setCurrentIndex(self._shown)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802, Qt's name
        """As Qt paints it, but a name that has no room ends in an ellipsis and not in the middle of a letter."""
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        style = self.style()
        if style is not None:
            part = QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
            room = style.subControlRect(*part).width() - option.iconSize.width() - ICON_GAP
            option.currentText = option.fontMetrics.elidedText(option.currentText, Qt.TextElideMode.ElideRight, room)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def _choose(self, row: int) -> None:
        chosen = self.itemData(row)
        if isinstance(chosen, str):
            self._shown = row
            self.source_chosen.emit(chosen)
            return
        self.setCurrentIndex(self._shown)
        chosen.emit()
