"""The dialog of an export: how far it is, and a way to cancel it."""

import threading
import time
import traceback

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QDialog, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.export import ExportOrder, export
from app.notices import BAR_HEIGHT
from app.timeline import clock
from engine.errors import LitePoseError
from engine.live.kept_threads import NETWORK_THREADS, KeptTask


class ExportDialog(QDialog):
    """Runs one export in a thread of its own and shows how far it is. Closing it cancels."""

    finished_with = pyqtSignal(object)
    """The paths that were made."""
    refused = pyqtSignal(str)
    broken = pyqtSignal(str, str)

    def __init__(self, order: ExportOrder, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Export"))
        self.setMinimumWidth(420)
        self._order = order
        self._stopped = threading.Event()
        self._told = _Told(self)
        self._told.progress.connect(self._show_progress)
        self._told.ended.connect(self._end)
        self.title = QLabel(self.tr("Every frame goes to {name}").format(name=order.video.name))
        self.title.setWordWrap(True)
        self.bar = QProgressBar()
        self.bar.setRange(0, 0)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(BAR_HEIGHT)
        self.text = QLabel(self.tr("Getting ready"))
        self.text.setObjectName("faint")
        self._told.step.connect(self.text.setText)
        self._cancel = QPushButton(self.tr("Cancel"))
        self._cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addWidget(self.text, stretch=1)
        buttons.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 18)
        layout.setSpacing(12)
        layout.addWidget(self.title)
        layout.addWidget(self.bar)
        layout.addLayout(buttons)
        self._started = time.monotonic()
        self._task: KeptTask | None = None

    def start(self) -> None:
        self._task = NETWORK_THREADS.start(self._run)
        self.open()

    def reject(self) -> None:
        """The dialog goes when the frame that is worked on is finished and what was made has been removed."""
        self._stopped.set()
        self._cancel.setEnabled(False)
        self.text.setText(self.tr("Cancelling…"))

    def give_up(self, wait_s: float) -> None:
        """The program ends: as cancelling, but waits for it."""
        self._stopped.set()
        if self._task is not None:
            self._task.join(wait_s)

    def _run(self) -> None:
        try:
            done = export(self._order, self._told.progress.emit, self._told.step.emit, self._stopped)
            self._told.ended.emit(done, "", "")
        except LitePoseError as error:
            self._told.ended.emit(False, str(error), "")
        except Exception as error:  # a mistake of the program, shown with its details
            self._told.ended.emit(False, f"{type(error).__name__}: {error}", traceback.format_exc())

    def _show_progress(self, done: int, total: int | None) -> None:
        if self._stopped.is_set():
            return
        if total:
            self.bar.setRange(0, total)
            self.bar.setValue(done)
            left = (time.monotonic() - self._started) / done * (total - done)
            text = self.tr("{done} of {total} frames · {left} left")
            self.text.setText(text.format(done=done, total=total, left=clock(left)))
        else:
            self.text.setText(self.tr("{done} frames").format(done=done))

    def _end(self, done: bool, message: str, details: str) -> None:
        if done:
            self.finished_with.emit(self._order.paths())
            self.accept()
            return
        if message:
            (self.broken.emit(message, details) if details else self.refused.emit(message))
        super().reject()


class _Told(QObject):
    """Brings what the export's thread says into the window's."""

    progress = pyqtSignal(int, object)
    step = pyqtSignal(str)
    ended = pyqtSignal(bool, str, str)
