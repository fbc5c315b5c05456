"""Play, pause, step, seek and speed of a file."""

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QMouseEvent
from PyQt6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSlider, QStyle, QToolButton, QWidget

from app import theme
from app.icons import icon
from app.shortcuts import hint
from app.theme import Theme

SPEEDS = (0.25, 0.5, 1.0, 1.5, 2.0, 4.0)
NARROW = 640  # pixels of window
PER_SECOND = 100  # positions of the slider


def clock(seconds: float) -> str:
    """12.3 -> 0:12, 3723 -> 1:02:03."""
    whole = max(0, int(seconds))
    minutes = f"{whole // 60 % 60:02d}" if whole >= 3600 else str(whole // 60)
    return (f"{whole // 3600}:" if whole >= 3600 else "") + f"{minutes}:{whole % 60:02d}"


class SeekSlider(QSlider):
    """A slider that jumps to where it is clicked."""

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802, Qt's name
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            share = event.position().x() / max(self.width(), 1)
            value = QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), round(share * 10000), 10000)
            self.setSliderPosition(value)
            self.sliderMoved.emit(value)
        super().mousePressEvent(event)


class Timeline(QWidget):
    """Only for sources that have a length. Times are seconds of the source."""

    play_wanted = pyqtSignal()
    step_wanted = pyqtSignal()
    seek_wanted = pyqtSignal(float)
    speed_wanted = pyqtSignal(float)
    export_wanted = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("timeline")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.play = self._tool(hint("play"))
        self.play.clicked.connect(lambda: self.play_wanted.emit())
        self.step = self._tool(hint("step"))
        self.step.clicked.connect(lambda: self.step_wanted.emit())
        self.slider = SeekSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(self.tr("Position"))
        self.slider.setPageStep(5 * PER_SECOND)
        self.slider.setSingleStep(PER_SECOND)
        self.slider.sliderMoved.connect(self._seek)
        self.slider.actionTriggered.connect(self._stepped)
        self.time = QLabel("0:00 / 0:00")
        self.speed = QComboBox()
        self.speed.setAccessibleName(self.tr("Speed"))
        self.speed.setToolTip(self.tr("Speed"))
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g}×", speed)
        self.speed.setCurrentIndex(SPEEDS.index(1.0))
        self.speed.activated.connect(lambda row: self.speed_wanted.emit(float(self.speed.itemData(row))))
        self.export = QPushButton(self.tr("Export…"))
        self.export.setToolTip(hint("export"))
        self.export.clicked.connect(lambda: self.export_wanted.emit())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.GAP + 2, 6, theme.GAP + 2, 6)
        layout.setSpacing(theme.GAP)
        layout.addWidget(self.play)
        layout.addWidget(self.step)
        layout.addWidget(self.slider, stretch=1)
        for widget in (self.time, self.speed, self.export):
            layout.addWidget(widget)
        self._playing = True
        self._at = 0.0
        self._colours: Theme | None = None

    def set_theme(self, colours: Theme) -> None:
        self._colours = colours
        self.step.setIcon(icon("step", colours.text, colours.disabled))
        self.export.setIcon(icon("export", colours.text, colours.disabled))
        self.show_playing(self._playing)

    def show_width(self, width: int) -> None:
        """A narrow window has no room for the button; its key still works."""
        self.export.setVisible(width >= NARROW)

    def show_length(self, seconds: float) -> None:
        self.slider.setRange(0, round(seconds * PER_SECOND))
        self.show_position(self._at)

    def show_position(self, seconds: float) -> None:
        length_s = self.slider.maximum() / PER_SECOND
        # A clip that plays again and again goes on counting.
        self._at = seconds % length_s if length_s and seconds > length_s + 1 else seconds
        if not self.slider.isSliderDown():
            self.slider.setValue(round(self._at * PER_SECOND))
        self.time.setText(f"{clock(self._at)} / {clock(length_s)}")

    def show_playing(self, playing: bool) -> None:
        self._playing = playing
        if self._colours is not None:
            self.play.setIcon(icon("pause" if playing else "play", self._colours.text, self._colours.disabled))
        self.play.setAccessibleName(self.tr("Pause") if playing else self.tr("Play"))

    @property
    def position_s(self) -> float:
        return self._at

    def _seek(self, value: int) -> None:
        self.seek_wanted.emit(value / PER_SECOND)

    def _stepped(self, action: int) -> None:
        """Keys and the wheel; dragging tells by sliderMoved."""
        if QSlider.SliderAction(action) is not QSlider.SliderAction.SliderMove:
            self.seek_wanted.emit(self.slider.sliderPosition() / PER_SECOND)

    def _tool(self, tip: str) -> QToolButton:
        button = QToolButton()
        button.setProperty("flat", True)
        button.setIconSize(QSize(20, 20))
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        return button
