"""Shows the newest picture and the statistics on it. Setting a picture only stores it; painting happens when Qt asks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QCoreApplication, QPointF, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PyQt6.QtWidgets import QSizePolicy, QWidget

from app import readout
from app.preferences import Overlays
from engine.statistics import Statistics
from engine.types import Frame


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture for the screen.

    pixels: (H, W, 4) uint8, BGRX, contiguous, as large as the view wants it in device pixels.
    frame:  what it shows.
    """

    pixels: NDArray[np.uint8]
    frame: Frame


def fitted(width: int, height: int, room: QSize, ratio: float) -> QSize:
    """Device pixels that a source of width × height pixels fills in a widget of `room`, keeping its aspect."""
    source = QSize(max(width, 1), max(height, 1))
    target = QSize(round(room.width() * ratio), round(room.height() * ratio))
    return source.scaled(target, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1))


class VideoView(QWidget):
    """The picture in the middle, the stage's colour around it."""

    painted = pyqtSignal(object)
    """A Picture is on the screen for the first time."""
    double_clicked = pyqtSignal()
    resized = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(240, 135)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setAccessibleName(QCoreApplication.translate("VideoView", "Video"))
        self.picture: Picture | None = None
        self.statistics = Statistics()
        self.overlays = Overlays()
        self.stage = QColor("black")
        self.recording: str | None = None
        self._new = False

    def show_recording(self, text: str | None) -> None:
        """A red dot with this text on the picture, seen in full screen as well; None: nothing is recorded."""
        self.recording = text
        self.update()

    def set_picture(self, picture: Picture | None) -> None:
        """The view keeps the picture's pixels until the next one; they must not change meanwhile."""
        self.picture = picture
        self._new = picture is not None
        self.update()

    def set_statistics(self, statistics: Statistics, overlays: Overlays) -> None:
        self.statistics, self.overlays = statistics, overlays
        self.update()

    def set_stage(self, colour: str) -> None:
        self.stage = QColor(colour)
        self.update()

    def room(self, width: int, height: int) -> QSize:
        """Device pixels that a source of width × height pixels should be drawn for."""
        return fitted(width, height, self.size(), self.devicePixelRatioF())

    def picture_rectangle(self) -> QRectF:
        """Where the picture lies, in the widget's pixels; empty without a picture."""
        if self.picture is None:
            return QRectF()
        height, width = self.picture.pixels.shape[:2]
        ratio = self.devicePixelRatioF()
        size = fitted(width, height, self.size(), ratio)
        # Whole device pixels: a picture that is half a pixel off would be sampled again, and blurred.
        left = round((self.width() * ratio - size.width()) / 2) / ratio
        top = round((self.height() * ratio - size.height()) / 2) / ratio
        return QRectF(left, top, size.width() / ratio, size.height() / ratio)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802, Qt's name
        painter = QPainter(self)
        painter.fillRect(self.rect(), self.stage)
        if self.picture is None:
            return
        pixels = self.picture.pixels
        height, width = pixels.shape[:2]
        # The image borrows the array's memory and lives for this call only; the array is held by self.picture.
        # (PyQt6's type hints know of bytes only; it takes whatever has a buffer.)
        image = QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGB32)  # type: ignore[call-overload]
        target = self.picture_rectangle()
        ratio = self.devicePixelRatioF()
        if abs(target.width() * ratio - width) < 0.5 and abs(target.height() * ratio - height) < 0.5:
            image.setDevicePixelRatio(ratio)
            painter.drawImage(QPointF(target.left(), target.top()), image)
        else:  # for the moment between a resize and the first picture that was drawn for the new size
            painter.drawImage(target, image)
        if self.overlays.statistics:
            readout.paint(painter, target, self.statistics, self.overlays)
        if self.recording is not None:
            readout.paint_recording(painter, target, self.recording)
        painter.end()
        if self._new:
            self._new = False
            self.painted.emit(self.picture)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802, Qt's name
        super().resizeEvent(event)
        self.resized.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802, Qt's name
        self.double_clicked.emit()
