"""The bar above the picture and the rail of overlay switches beside it."""

from PyQt6.QtCore import QSize, Qt, pyqtSignal
from PyQt6.QtGui import QActionGroup, QResizeEvent
from PyQt6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStyle,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app import theme
from app.icons import icon
from app.preferences import Overlays, Preferences, Recording
from app.shortcuts import hint, text_of
from app.sizes import SizePicker
from app.sources import SourcePicker
from app.theme import Theme

MEDIUM, NARROW = 860, 640  # pixels of window from which the slider, and the rarer buttons, are shown
LOW = 500  # pixels of window height from which the rail has room
RAIL = ("skeleton", "boxes", "ids", "trails", "heatmap", "face_blur", "privacy")
STATISTICS = ("fps", "latency", "stages", "people", "drops")


class LabelledSlider(QWidget):
    """A name, a slider from 0 to 1 and its value."""

    moved = pyqtSignal(float)

    def __init__(self, name: str, tip: str) -> None:
        super().__init__()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.setPageStep(5)
        self.slider.setFixedWidth(92)
        self.slider.setAccessibleName(name)
        self.slider.setToolTip(tip)
        self._value = QLabel()
        self._value.setFixedWidth(self._value.fontMetrics().horizontalAdvance("0.00") + 4)
        label = QLabel(name)
        label.setObjectName("faint")
        label.setBuddy(self.slider)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 0, 4, 0)
        layout.setSpacing(8)
        for widget in (label, self.slider, self._value):
            layout.addWidget(widget)
        self.slider.valueChanged.connect(self._tell)

    def show_value(self, value: float) -> None:
        """Without telling anybody."""
        self.slider.blockSignals(True)
        self.slider.setValue(round(100 * value))
        self.slider.blockSignals(False)
        self._value.setText(f"{self.slider.value() / 100:.2f}")

    def _tell(self, value: int) -> None:
        self._value.setText(f"{value / 100:.2f}")
        self.moved.emit(value / 100)


class Bar(QWidget):
    """Source, size, sliders, capture. It only shows and asks; the window decides."""

    refresh_wanted = pyqtSignal()
    record_wanted = pyqtSignal()
    snapshot_wanted = pyqtSignal()
    panel_wanted = pyqtSignal()
    full_screen_wanted = pyqtSignal()
    recording_changed = pyqtSignal(object)
    """The Recording preferences."""
    folder_wanted = pyqtSignal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.source = SourcePicker()
        self.source.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.source.setMaximumWidth(280)
        self.refresh = self._tool(hint("refresh"), self.refresh_wanted)
        self.size_picker = SizePicker()
        self.confidence = LabelledSlider(
            self.tr("Confidence"), self.tr("How sure the network must be to show a person or a joint")
        )
        self.snapshot = self._tool(hint("snapshot"), self.snapshot_wanted)
        self.record = QPushButton(self.tr("Record"))
        self.record.setObjectName("record")
        self.record.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.record.setIconSize(QSize(18, 18))
        self.record.setToolTip(hint("record"))
        self.record.clicked.connect(lambda: self.record_wanted.emit())
        self.record_options = QToolButton()
        self.record_options.setObjectName("record_options")
        self.record_options.setToolTip(self.tr("What is recorded"))
        self.record_options.setAccessibleName(self.tr("What is recorded"))
        self.record_options.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.panel = self._tool(hint("panel"), self.panel_wanted, checkable=True)
        self.full_screen = self._tool(hint("full_screen"), self.full_screen_wanted)
        self.menu = self._tool(self.tr("Menu"), None)
        self.menu.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._recording = Recording()
        self._make_record_menu()

        recording = QHBoxLayout()
        recording.setSpacing(0)
        recording.addWidget(self.record)
        recording.addWidget(self.record_options)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.GAP + 2, theme.GAP, theme.GAP + 2, theme.GAP)
        layout.setSpacing(theme.GAP)
        layout.addWidget(self.source, stretch=3)
        for widget in (self.refresh, self.size_picker, self.confidence):
            layout.addWidget(widget)
        layout.addStretch(1)
        layout.addWidget(self.snapshot)
        layout.addLayout(recording)
        for widget in (self.panel, self.full_screen, self.menu):
            layout.addWidget(widget)

    def set_theme(self, colours: Theme) -> None:
        for button, name in (
            (self.refresh, "refresh"),
            (self.snapshot, "snapshot"),
            (self.panel, "statistics"),
            (self.full_screen, "full_screen"),
            (self.menu, "menu"),
        ):
            button.setIcon(icon(name, colours.text, colours.disabled))
        self.record_options.setIcon(icon("chevron", colours.text, colours.disabled))
        self._record_icons = (icon("record", colours.record, colours.disabled), icon("stop", "#ffffff"))
        self.record.setIcon(self._record_icons[bool(self.record.property("recording"))])

    def show_preferences(self, preferences: Preferences) -> None:
        self.confidence.show_value(preferences.inference.confidence)
        self._recording = preferences.recording
        for name, action in self._picture_actions.items():
            action.setChecked(name == preferences.recording.picture)
        self._keypoints.setChecked(preferences.recording.keypoints)

    def show_recording(self, text: str | None) -> None:
        """Elapsed time and size of the running recording; None while there is none."""
        recording = text is not None
        self.record.setText(text if text is not None else self.tr("Record"))
        self.record.setAccessibleName(self.tr("Stop recording") if recording else self.tr("Record"))
        self.record_options.setEnabled(not recording)
        if self.record.property("recording") != recording:
            self.record.setProperty("recording", recording)
            self.record.setIcon(self._record_icons[recording])
            style: QStyle | None = self.record.style()
            if style is not None:
                style.polish(self.record)

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802, Qt's name
        super().resizeEvent(event)
        self.confidence.setVisible(self.width() >= MEDIUM)
        self.full_screen.setVisible(self.width() >= NARROW)
        self.refresh.setVisible(self.width() >= NARROW)
        self.panel.setVisible(self.width() >= NARROW)

    def _tool(self, tip: str, wanted: object, checkable: bool = False) -> QToolButton:
        button = QToolButton()
        button.setIconSize(QSize(20, 20))
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setCheckable(checkable)
        if wanted is not None:
            button.clicked.connect(lambda: wanted.emit())  # type: ignore[attr-defined]
        return button

    def _make_record_menu(self) -> None:
        menu = QMenu(self)
        group = QActionGroup(self)
        self._picture_actions = {}
        for name, text in (
            ("annotated", self.tr("With skeletons")),
            ("raw", self.tr("Without anything on it")),
            ("both", self.tr("Both, in two files")),
        ):
            action = menu.addAction(text)
            assert action is not None
            action.setCheckable(True)
            group.addAction(action)
            action.triggered.connect(lambda _, name=name: self._change_recording(picture=name))
            self._picture_actions[name] = action
        menu.addSeparator()
        keypoints = menu.addAction(self.tr("Keypoints beside it (JSONL)"))
        assert keypoints is not None
        keypoints.setCheckable(True)
        keypoints.triggered.connect(lambda on: self._change_recording(keypoints=on))
        self._keypoints = keypoints
        menu.addSeparator()
        menu.addAction(self.tr("Open the folder"), lambda: self.folder_wanted.emit())
        self.record_options.setMenu(menu)

    def _change_recording(self, **changes: object) -> None:
        values = {name: getattr(self._recording, name) for name in ("picture", "keypoints", "folder")} | changes
        self._recording = Recording(**values)
        self.recording_changed.emit(self._recording)


class Rail(QWidget):
    """One switch for each overlay, from top to bottom."""

    toggled = pyqtSignal(str, bool)
    """The name of a field of Overlays, or "mirror", "smoothing", "own_poses_only"; and its new value."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("rail")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.buttons: dict[str, QToolButton] = {}
        self._colours: Theme | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, theme.GAP, 6, theme.GAP)
        layout.setSpacing(4)
        for name in RAIL:
            layout.addWidget(self._button(name, hint(name)))
        layout.addSpacing(theme.GAP)
        layout.addWidget(self._button("mirror", hint("mirror")))
        layout.addWidget(self._button("smoothing", hint("smoothing")))
        own = self.tr("Show only frames that have their own poses: skeletons never lag, the picture is less fluent")
        layout.addWidget(self._button("own_poses_only", own))
        layout.addStretch()
        layout.addWidget(
            self._button("statistics", hint("statistics") + "\n" + self.tr("Right click: choose the lines"))
        )
        self._make_lines_menu()

    def set_theme(self, colours: Theme) -> None:
        drawings = {"own_poses_only": "own_poses", "statistics": "statistics_overlay"}
        for name, button in self.buttons.items():
            drawing = drawings.get(name, name)
            button.setIcon(icon(drawing, colours.accent if button.isChecked() else colours.faint, colours.disabled))
        self._colours = colours

    def show_preferences(self, preferences: Preferences, mirrored: bool) -> None:
        """mirrored: whether the source that is shown is."""
        others = {
            "mirror": mirrored,
            "own_poses_only": preferences.own_poses_only,
            "smoothing": preferences.inference.smoothing,
        }
        for name, button in self.buttons.items():
            button.setChecked(bool(getattr(preferences.overlays, name, others.get(name))))
        for name, action in self._line_actions.items():
            action.setChecked(bool(getattr(preferences.overlays, name)))
        if self._colours is not None:
            self.set_theme(self._colours)

    def overlays(self) -> Overlays:
        """What the switches say."""
        named = {name: button.isChecked() for name, button in self.buttons.items()}
        named |= {name: action.isChecked() for name, action in self._line_actions.items()}
        return Overlays(**{name: on for name, on in named.items() if name in Overlays.__dataclass_fields__})

    def _button(self, name: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setProperty("flat", True)
        button.setCheckable(True)
        button.setIconSize(QSize(20, 20))
        button.setToolTip(tip)
        button.setAccessibleName(text_of(name) if name != "own_poses_only" else self.tr("Only frames with own poses"))
        button.clicked.connect(lambda on: self.toggled.emit(name, on))
        self.buttons[name] = button
        return button

    def _make_lines_menu(self) -> None:
        texts = {
            "fps": self.tr("Frame rate"),
            "latency": self.tr("Delay"),
            "stages": self.tr("Share of each stage"),
            "people": self.tr("People"),
            "drops": self.tr("Skipped frames"),
        }
        button = self.buttons["statistics"]
        menu = QMenu(button)
        self._line_actions = {}
        for name in STATISTICS:
            action = menu.addAction(texts[name])
            assert action is not None
            action.setCheckable(True)
            action.triggered.connect(lambda on, name=name: self.toggled.emit(name, on))
            self._line_actions[name] = action
        button.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        button.customContextMenuRequested.connect(lambda place: menu.exec(button.mapToGlobal(place)))
