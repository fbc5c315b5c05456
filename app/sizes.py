"""The sizes of the network as the user chooses among them, and the control that shows them."""

from dataclasses import dataclass

from PyQt6.QtCore import QModelIndex, QRect, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QPainter, QPalette, QStandardItem, QStandardItemModel
from PyQt6.QtWidgets import QComboBox, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from models import architecture, manifest
from models.manifest import Figure

HOW_TO_GET = "main.py models import FILE --size {size}\nmain.py train --size {size}"
DETAIL_ROLE = Qt.ItemDataRole.UserRole + 1
ROW_HEIGHT, POPUP_WIDTH = 48, 330


@dataclass(frozen=True, slots=True)
class Size:
    """name: "xs", "s", …. figure: its accuracy, where it was measured. measured_ms: per frame, last time it ran here."""

    name: str
    available: bool
    imported: bool = False
    figure: Figure | None = None
    measured_ms: float | None = None


def find(measured_ms: dict[str, float]) -> list[Size]:
    """All sizes, smallest first. Raises WeightsError where the list of weights cannot be read."""
    result = []
    for name in architecture.available():
        weights = manifest.find(name)
        figure = weights.figures[0] if weights and weights.figures else None
        imported = weights is not None and weights.imported
        result.append(Size(name, weights is not None, imported, figure, measured_ms.get(name)))
    return result


class SizePicker(QComboBox):
    """XS, S, M, L. A size without weights is disabled, and its tool tip says how to get it."""

    size_chosen = pyqtSignal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Network size"))
        self.setToolTip(self.tr("Network size: larger is more accurate and slower"))
        self._items = QStandardItemModel(self)
        self.setModel(self._items)
        self.setItemDelegate(_SizeRow(self))
        view = self.view()
        if view is not None:
            view.setMinimumWidth(POPUP_WIDTH)
        self.setFixedWidth(84)  # its rows are wide, its own texts are not
        self.activated.connect(self._choose)

    def show_sizes(self, sizes: list[Size]) -> None:
        """Fills the list, or brings it up to date where it stands, open or not; what is chosen stays chosen."""
        for row, size in enumerate(sizes):
            item = self._items.item(row)
            if item is None:
                item = QStandardItem()
                self._items.appendRow(item)
            item.setText(size.name.upper())
            item.setData(size.name, Qt.ItemDataRole.UserRole)
            item.setData(self.detail(size), DETAIL_ROLE)
            item.setData(f"{size.name.upper()}: {self.detail(size)}", Qt.ItemDataRole.AccessibleTextRole)
            item.setEnabled(size.available)
            how = HOW_TO_GET.format(size=size.name)
            item.setToolTip("" if size.available else self.tr("No weights yet. Get them with") + "\n" + how)
        self._items.setRowCount(len(sizes))

    def show_current(self, name: str) -> None:
        """Shows a size as chosen without asking for it."""
        self.setCurrentIndex(self.findData(name))

    def detail(self, size: Size) -> str:
        """The second line of a row."""
        if not size.available:
            return self.tr("no weights: import or train them")
        parts = []
        if size.figure is not None:
            parts.append(
                self.tr("AP {ap} at {side}×{side}").format(ap=f"{100 * size.figure.ap:.1f}", side=size.figure.side)
            )
        elif size.imported:
            parts.append(self.tr("imported, accuracy unknown"))
        if size.measured_ms is not None:
            parts.append(self.tr("{ms} ms here").format(ms=f"{size.measured_ms:.0f}"))
        else:
            parts.append(self.tr("not timed here yet"))
        return " · ".join(parts)

    def _choose(self, index: int) -> None:
        self.size_chosen.emit(str(self.itemData(index)))


class _SizeRow(QStyledItemDelegate):
    """A size's name above what is known about it."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802, Qt's name
        return QSize(POPUP_WIDTH, ROW_HEIGHT)

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        if painter is None:
            return
        enabled = bool(option.state & QStyle.StateFlag.State_Enabled)
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected and enabled:
            shade = QColor(option.palette.color(QPalette.ColorRole.Text))
            shade.setAlpha(28)
            painter.fillRect(option.rect, shade)
        inner = option.rect.adjusted(12, 6, -12, -6)
        name, detail = QFont(option.font), QFont(option.font)
        name.setWeight(QFont.Weight.DemiBold)
        detail.setPixelSize(12)
        ink = QColor(option.palette.color(QPalette.ColorRole.Text))
        painter.setFont(name)
        # The style sheet gives disabled text the colour of enabled text.
        ink.setAlphaF(1.0 if enabled else 0.5)
        painter.setPen(ink)
        top = QRect(inner.left(), inner.top(), inner.width(), inner.height() // 2)
        bottom = QRect(inner.left(), inner.top() + inner.height() // 2, inner.width(), inner.height() // 2)
        painter.drawText(top, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, str(index.data()))
        painter.setFont(detail)
        ink.setAlphaF(0.7 if enabled else 0.45)
        painter.setPen(ink)
        painter.drawText(
            bottom, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, str(index.data(DETAIL_ROLE))
        )
        painter.restore()
