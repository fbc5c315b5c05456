"""Exporting the file that is open: asks for a name, and shows how far it is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QCoreApplication, QObject, Qt, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QWidget

from app.capture import Capture
from app.live_worker import LiveWorker
from app.preference_store import PreferenceStore
from engine.live import SourceInfo

if TYPE_CHECKING:
    from app.export_dialog import ExportDialog

STOP_S = 2.0
translate = QCoreApplication.translate


class FileExport(QObject):
    """Every frame of the file, however long it takes. The file stands still meanwhile."""

    refused = pyqtSignal(str)
    broken = pyqtSignal(str, str)

    def __init__(self, window: QWidget, capture: Capture, worker: LiveWorker, store: PreferenceStore) -> None:
        super().__init__()
        self._window, self._capture, self._worker, self._store = window, capture, worker, store
        self._dialog: ExportDialog | None = None

    def ask(self, source: SourceInfo | None) -> None:
        """Does nothing where no file is open."""
        if source is None or source.live:
            return
        self._worker.pause()
        from app.export import suggested_path

        folder = self._capture.folder()
        if folder is None:
            return
        path, _ = QFileDialog.getSaveFileName(
            self._window,
            translate("FileExport", "Export"),
            str(suggested_path(folder, source.text)),
            "MP4 (*.mp4)",
        )
        if path:
            self.begin(source, Path(path))

    def begin(self, source: SourceInfo, path: Path) -> "ExportDialog":
        """The dialog shows how far it is, and takes itself away when it is done."""
        from app.export import ExportOrder
        from app.export_dialog import ExportDialog

        video = path if path.suffix else path.with_suffix(".mp4")
        kept = self._store.current
        kept = replace(kept, inference=replace(kept.inference, size=self._worker.running_size))
        dialog = ExportDialog(ExportOrder(source.text, video, kept), self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.finished_with.connect(self._show_files)
        dialog.refused.connect(self.refused)
        dialog.broken.connect(self.broken)
        dialog.finished.connect(self._forget)
        self._dialog = dialog
        dialog.start()
        return dialog

    def close(self) -> None:
        """The window goes, and with it what is not finished."""
        if self._dialog is not None:
            self._dialog.give_up(STOP_S)

    def _forget(self) -> None:
        self._dialog = None

    def _show_files(self, paths: Sequence[Path]) -> None:
        self._capture.show_files(paths)
