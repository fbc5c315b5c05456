"""Everything that is set rarely. What is chosen here acts at once; there is nothing to confirm."""

from PyQt6.QtCore import Qt, QTimer
from PyQt6.QtGui import QStandardItemModel
from PyQt6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.capture import default_folder
from app.device_probe import missing
from app.network_settings import offered
from app.preference_store import PreferenceStore
from app.preferences import LANGUAGES, MOST_PEOPLE
from app.translation import native_name
from engine.compiler.targets import MOST_THREADS
from engine.live import LiveOptions
from engine.live.loader import Job

RESOLUTIONS = ((0, 0), (640, 360), (640, 480), (1280, 720), (1920, 1080), (3840, 2160))
RATES = (0, 15, 25, 30, 50, 60)
FIELD_WIDTH = 260
STILL_MS = 500
LOOK_MS = 100


class PreferencesDialog(QDialog):
    """Four pages; each control shows the current value and changes the store."""

    def __init__(self, store: PreferenceStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Preferences"))
        self.setMinimumWidth(500)
        self._store = store
        pages = QTabWidget()
        pages.addTab(self._window_page(), self.tr("Window"))
        pages.addTab(self._recording_page(), self.tr("Recording"))
        pages.addTab(self._camera_page(), self.tr("Camera"))
        pages.addTab(self._network_page(), self.tr("Network"))
        close = QPushButton(self.tr("Close"))
        close.setDefault(True)
        close.clicked.connect(self.accept)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 12, 16, 16)
        layout.setSpacing(14)
        layout.addWidget(pages, stretch=1)
        layout.addWidget(close, alignment=Qt.AlignmentFlag.AlignRight)

    def _window_page(self) -> QWidget:
        kept = self._store.current
        page, form = _page()
        themes = {"dark": self.tr("Dark"), "light": self.tr("Light"), "system": self.tr("As the desktop")}
        self.theme = self._choice("theme", themes, kept.theme)
        form.addRow(self.tr("&Colours"), self.theme)
        languages = {name: self.tr("As the desktop") if name == "system" else native_name(name) for name in LANGUAGES}
        self.language = self._choice("language", languages, kept.language)
        form.addRow(self.tr("&Language"), self.language)
        form.addRow("", _note(self.tr("Another language is spoken from the next start on.")))
        self.mirror = self._switch("mirror", self.tr("&Mirror cameras, as people know themselves"), kept.mirror)
        form.addRow("", self.mirror)
        self.own_poses = self._switch(
            "own_poses_only", self.tr("Show &only frames that have their own poses"), kept.own_poses_only
        )
        form.addRow("", self.own_poses)
        return page

    def _recording_page(self) -> QWidget:
        kept = self._store.current.recording
        page, form = _page()
        pictures = {
            "annotated": self.tr("With skeletons"),
            "raw": self.tr("Without anything on it"),
            "both": self.tr("Both, in two files"),
        }
        form.addRow(self.tr("&Video"), self._choice("picture", pictures, kept.picture))
        self.keypoints = self._switch("keypoints", self.tr("&Keypoints beside it (JSONL)"), kept.keypoints)
        form.addRow("", self.keypoints)
        self.folder = QLineEdit(kept.folder or str(default_folder()))
        self.folder.editingFinished.connect(self._change_folder)
        browse = QPushButton(self.tr("Choose…"))
        browse.setAutoDefault(False)
        browse.clicked.connect(self._choose_folder)
        row = QHBoxLayout()
        row.addWidget(self.folder, stretch=1)
        row.addWidget(browse)
        label = QLabel(self.tr("&Folder"))
        label.setBuddy(self.folder)
        form.addRow(label, row)
        return page

    def _camera_page(self) -> QWidget:
        kept = self._store.current.camera
        page, form = _page()
        automatic = self.tr("Automatic")
        sizes = {f"{w}x{h}": f"{w} × {h}" if w else automatic for w, h in RESOLUTIONS}
        current = f"{kept.width}x{kept.height}"
        sizes.setdefault(current, f"{kept.width} × {kept.height}")
        self.resolution = _combo(sizes, current)
        self.resolution.activated.connect(lambda _: self._change_resolution())
        form.addRow(self.tr("&Resolution"), self.resolution)
        rates = {str(rate): self.tr("{rate} fps").format(rate=rate) if rate else automatic for rate in RATES}
        rates.setdefault(str(kept.rate), self.tr("{rate} fps").format(rate=kept.rate))
        self.rate = _combo(rates, str(kept.rate))
        self.rate.activated.connect(lambda _: self._store.change(rate=int(self.rate.currentData())))
        form.addRow(self.tr("R&ate"), self.rate)
        form.addRow(
            "", _note(self.tr("A camera gives the nearest that it has; the line below the picture says which."))
        )
        return page

    def _network_page(self) -> QWidget:
        kept = self._store.current.inference
        page, form = _page()
        self.device = self._engine_choice("device", kept.device)
        form.addRow(self.tr("&Device"), self.device)
        self.precision = self._engine_choice("precision", kept.precision)
        self._ask_what_is_missing()
        form.addRow(self.tr("P&recision"), self.precision)
        self.threads = self._number("threads", kept.threads, 0, MOST_THREADS)
        self.threads.setSpecialValueText(self.tr("Automatic"))
        form.addRow(self.tr("&Threads"), self.threads)
        shapes = {
            "auto": self.tr("Nearest to the picture's shape"),
            "square": self.tr("Square, as in the paper"),
        }
        shapes.setdefault(kept.input_mode, kept.input_mode)
        self.input_mode = self._choice("input_mode", shapes, kept.input_mode)
        form.addRow(self.tr("&Input shape"), self.input_mode)
        form.addRow("", _note(self.tr("These start the video again and end a recording. Another shape is built once.")))
        self.people = self._number("max_people", kept.max_people, 1, MOST_PEOPLE)
        form.addRow(self.tr("&People at most"), self.people)
        return page

    def _engine_choice(self, name: str, current: str) -> QComboBox:
        """What the engine offers; `current` where it is among that, else what the engine does unasked."""
        texts = {
            "auto": self.tr("Automatic"),
            "cpu": self.tr("Processor (CPU)"),
            "cuda": self.tr("NVIDIA graphics card (CUDA)"),
            "opencl": self.tr("Graphics card (OpenCL)"),
            "fp32": self.tr("Single (32 bits)"),
            "fp16": self.tr("Half (16 bits)"),
            "int8": self.tr("Integers (8 bits)"),
        }
        values = offered(name)
        kind = current.partition(":")[0]
        preferred = kind if kind in values else str(getattr(LiveOptions(), name))
        return self._choice(name, {value: texts.get(value, value) for value in values}, preferred)

    def _ask_what_is_missing(self) -> None:
        """Disables what this machine does not have, as soon as that is known, and says why in the tool tip."""
        asking: Job[dict[str, str]] = Job("device-probe", missing)
        timer = QTimer(self)

        def look() -> None:
            if asking.done:
                timer.stop()
                for combo in (self.device, self.precision):
                    for value, reason in asking.result().items():
                        _disable(combo, value, reason)

        timer.timeout.connect(look)
        timer.start(LOOK_MS)

    def _number(self, name: str, value: int, least: int, most: int) -> QSpinBox:
        """Acts when the number has been still for a moment: on the way to 8 nobody wants 2 to 7."""
        box = QSpinBox()
        box.setRange(least, most)
        box.setValue(value)
        box.setMinimumWidth(FIELD_WIDTH)
        box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        timer = QTimer(box)
        timer.setSingleShot(True)
        timer.setInterval(STILL_MS)
        timer.timeout.connect(lambda: self._store.change(**{name: box.value()}))
        box.valueChanged.connect(lambda _: timer.start())
        self.finished.connect(lambda _: self._store.change(**{name: box.value()}) if timer.isActive() else None)
        return box

    def _choice(self, name: str, texts: dict[str, str], current: str) -> QComboBox:
        combo = _combo(texts, current)
        combo.activated.connect(lambda _: self._store.change(**{name: combo.currentData()}))
        return combo

    def _switch(self, name: str, text: str, on: bool) -> QCheckBox:
        box = QCheckBox(text)
        box.setChecked(on)
        box.toggled.connect(lambda value: self._store.change(**{name: value}))
        return box

    def _change_resolution(self) -> None:
        width, height = (int(side) for side in self.resolution.currentData().split("x"))
        self._store.change(width=width, height=height)

    def _choose_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, self.tr("Folder for recordings"), self.folder.text())
        if path:
            self.folder.setText(path)
            self._change_folder()

    def _change_folder(self) -> None:
        text = self.folder.text().strip()
        self._store.change(folder="" if text == str(default_folder()) else text)


def _page() -> tuple[QWidget, QFormLayout]:
    page = QWidget()
    form = QFormLayout(page)
    form.setContentsMargins(8, 18, 8, 8)
    form.setHorizontalSpacing(18)
    form.setVerticalSpacing(12)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return page, form


def _combo(texts: dict[str, str], current: str) -> QComboBox:
    combo = QComboBox()
    combo.setMinimumWidth(FIELD_WIDTH)
    for value, text in texts.items():
        combo.addItem(text, value)
    combo.setCurrentIndex(combo.findData(current))
    return combo


def _disable(combo: QComboBox, value: str, reason: str) -> None:
    items, row = combo.model(), combo.findData(value)
    item = items.item(row) if isinstance(items, QStandardItemModel) else None
    if item is not None:
        item.setEnabled(False)
        item.setToolTip(reason)


def _note(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("faint")
    label.setWordWrap(True)
    return label
