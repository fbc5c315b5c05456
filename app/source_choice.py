"""Where pictures come from: chosen in the list, opened as a file or an address, dropped onto the window."""

from pathlib import Path

from PyQt6.QtCore import QCoreApplication, QMimeData, QObject
from PyQt6.QtWidgets import QFileDialog, QWidget

from app.dialogs import AddressDialog, ask
from app.live_worker import LiveWorker
from app.narrator import Narrator
from app.painter import Painter
from app.preference_store import PreferenceStore
from app.session_options import source_settings
from app.source_list import SourceList
from app.sources import SourcePicker
from engine.live import Event, EventKind, SourceInfo
from engine.sources.picture_file import PICTURE_SUFFIXES
from engine.sources.video_file import VIDEO_SUFFIXES

translate = QCoreApplication.translate


class SourceChoice(QObject):
    """The old source goes on until the new one shows its first picture."""

    def __init__(
        self,
        window: QWidget,
        picker: SourcePicker,
        sources: SourceList,
        painter: Painter,
        narrator: Narrator,
        worker: LiveWorker,
        store: PreferenceStore,
    ) -> None:
        super().__init__()
        self._window, self._sources, self._painter, self._narrator = window, sources, painter, narrator
        self._worker, self._store = worker, store
        self._wanted = ""
        picker.source_chosen.connect(self.open)
        picker.file_wanted.connect(self.ask_for_file)
        picker.address_wanted.connect(self.ask_for_address)
        narrator.source_wanted.connect(self.open)

    def open(self, text: str) -> None:
        """A camera, a file, an address, the demo."""
        self._wanted = text
        self._sources.add(text)
        self._painter.forget()
        if not self._worker.active:
            self._narrator.begin()
        label = self._sources.label(text)
        self._narrator.switching(translate("SourceChoice", "Opening {name}…").format(name=label))
        self._worker.switch_source(text, source_settings(self._store.current))

    def ask_for_file(self) -> None:
        suffixes = " ".join(f"*{suffix}" for suffix in (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES))
        kinds = translate("SourceChoice", "Videos and pictures")
        filters = f"{kinds} ({suffixes});;{translate('SourceChoice', 'All files')} (*)"
        title = translate("SourceChoice", "Open a file")
        path, _ = QFileDialog.getOpenFileName(self._window, title, str(Path.home()), filters)
        if path:
            self.open(path)

    def ask_for_address(self) -> None:
        dialog = AddressDialog(self._window)
        if ask(dialog):
            self.open(dialog.address)

    def open_dropped(self, data: QMimeData) -> None:
        """The first of the files or addresses that were dropped."""
        url = data.urls()[0]
        self.open(url.toLocalFile() or url.toString())

    def hear(self, event: Event) -> None:
        if event.kind in (EventKind.SOURCE, EventKind.WARNING):
            self._sources.show_current(self._worker.running_source)

    def remember(self, source: SourceInfo) -> None:
        """Only what works is remembered."""
        if source.text == self._wanted:
            self._store.change(source=source.text)
