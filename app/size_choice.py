"""Which size runs: chosen in the list or by a key, and shown as running when the session says so."""

from PyQt6.QtCore import QCoreApplication, QObject, pyqtSignal

from app import sizes
from app.live_worker import LiveWorker
from app.narrator import Narrator
from app.preference_store import PreferenceStore
from app.sizes import SizePicker
from app.stage import Stage
from engine.live import Event, EventKind

translate = QCoreApplication.translate


class SizeChoice(QObject):
    """The running size goes on until the chosen one is ready."""

    start_wanted = pyqtSignal()
    """Nothing runs, after a failure: with the size that was chosen now it may."""

    def __init__(
        self, picker: SizePicker, stage: Stage, narrator: Narrator, worker: LiveWorker, store: PreferenceStore
    ) -> None:
        super().__init__()
        self._picker, self._stage, self._narrator = picker, stage, narrator
        self._worker, self._store = worker, store
        picker.size_chosen.connect(self.choose)

    def choose(self, name: str) -> None:
        known = {size.name: size for size in sizes.find(self._store.current.measured_ms)}
        if name not in known or not known[name].available:
            how = sizes.HOW_TO_GET.format(size=name)
            text = translate("SizeChoice", "There are no weights for size {size} yet. Get them with:\n{how}")
            self._stage.toast(text.format(size=name.upper(), how=how), kind="warning")
            return
        if not self._worker.active:
            self._store.change(size=name)
            self._picker.show_current(name)
            self.start_wanted.emit()
            return
        if name == self._worker.running_size:
            return
        self._picker.show_current(name)
        self._narrator.switching(translate("SizeChoice", "Size {size} is on its way…").format(size=name.upper()))
        self._worker.switch_size(name)

    def show(self) -> None:
        """Reads the list of weights, so it is done only where something in it has changed."""
        self._picker.show_sizes(sizes.find(self._store.current.measured_ms))

    def hear(self, event: Event) -> None:
        if event.kind not in (EventKind.SIZE, EventKind.WARNING):
            return
        running = self._worker.running_size
        self._picker.show_current(running)
        if event.kind is EventKind.SIZE:
            self._store.change(size=running)

    def expect_weights(self) -> None:
        """At the start: where the remembered size has no weights any more, one that has takes its place."""
        size = self._store.current.inference.size
        usable = [known.name for known in sizes.find({}) if known.available]
        if size not in usable and usable:
            text = translate("SizeChoice", "There are no weights for size {size} any more. {other} runs instead.")
            self._stage.toast(text.format(size=size.upper(), other=usable[0].upper()), kind="warning")
            self._store.change(size=usable[0])
        self._picker.show_current(self._store.current.inference.size)
