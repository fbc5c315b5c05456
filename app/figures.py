"""What the session measures and runs on, shown wherever it is shown: on the picture, in the panel, in the status line."""

from dataclasses import replace

from PyQt6.QtCore import QCoreApplication, QObject
from PyQt6.QtGui import QGuiApplication

from app.live_worker import LiveWorker
from app.preference_store import PreferenceStore
from app.stage import Stage
from app.statistics_panel import StatisticsPanel, report
from app.status import StatusLine, facts, network_line
from app.timings import Timings
from engine.live import SourceInfo
from engine.statistics import Statistics, statistics_lines

translate = QCoreApplication.translate


class Figures(QObject):
    """Hears the session's statistics a few times a second; `statistics` are the newest."""

    def __init__(
        self, stage: Stage, panel: StatisticsPanel, status: StatusLine, worker: LiveWorker, store: PreferenceStore
    ) -> None:
        super().__init__()
        self._stage, self._panel, self._status, self._worker, self._store = stage, panel, status, worker, store
        self._timings = Timings(store)
        self._dropped_before = 0
        self.statistics = Statistics()
        self.source: SourceInfo | None = None
        worker.measured.connect(self._measured)

    def show_source(self, source: SourceInfo) -> None:
        self.source = source
        self._status.show_source(source)

    def show_lines(self) -> None:
        """Other lines are wanted on the picture."""
        self._stage.set_statistics(self.statistics, self._store.current.overlays)

    def copy(self) -> None:
        """Puts a report on the clipboard."""
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(report(self._facts(), statistics_lines(self.statistics)))
            self._stage.toast(translate("Figures", "The statistics are on the clipboard."))

    def _measured(self, statistics: Statistics) -> None:
        # What went by before there was a network at all is not what the network was too slow for.
        if not statistics.inferred:
            self._dropped_before = statistics.dropped
        self.statistics = replace(statistics, dropped=max(0, statistics.dropped - self._dropped_before))
        self.show_lines()
        self._panel.add(self.statistics)
        rows = self._facts()
        self._panel.show_facts(rows)
        self._status.show_network(network_line(rows))
        self._status.show_statistics(self.statistics)
        self._timings.measured(self._worker.running_size, self.statistics)

    def _facts(self) -> dict[str, str]:
        worker = self._worker
        return facts(self.source, worker.running_size, worker.latest(), worker.session.options.threads)
