"""The window: it puts the parts together and connects them. What they do is theirs."""

from typing import Any

from PyQt6.QtCore import QByteArray, Qt, QTimer
from PyQt6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent, QKeySequence, QResizeEvent
from PyQt6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from app.actions import make_actions, make_menu
from app.appearance import Appearance
from app.capture import Capture
from app.composition import Composer
from app.controls import LOW, Bar, Rail
from app.dialogs import ErrorDialog, ask
from app.figures import Figures
from app.file_export import FileExport
from app.live_worker import LiveWorker
from app.narrator import Narrator
from app.network_settings import SETTINGS
from app.painter import Painter
from app.preference_store import PreferenceStore
from app.preferences import Preferences
from app.session_options import drawing_settings, live_options, source_settings
from app.shortcuts import ShortcutsSheet
from app.size_choice import SizeChoice
from app.source_choice import SourceChoice
from app.source_list import SourceList
from app.stage import Stage
from app.statistics_panel import StatisticsPanel
from app.status import StatusLine
from app.timeline import Timeline
from engine.live import Event, SessionState, SourceInfo

SEEK_S = 5.0
SWITCHES = (
    "skeleton",
    "boxes",
    "ids",
    "trails",
    "heatmap",
    "face_blur",
    "privacy",
    "mirror",
    "smoothing",
    "statistics",
)


class MainWindow(QMainWindow):
    """Video first; everything else around it."""

    def __init__(self, store: PreferenceStore, worker: LiveWorker, appearance: Appearance) -> None:
        super().__init__()
        self.setWindowTitle("LitePose Live")
        self.setMinimumSize(480, 360)
        self.setAcceptDrops(True)
        self.store, self.worker, self.appearance = store, worker, appearance
        self.bar, self.rail, self.stage = Bar(), Rail(), Stage()
        self.timeline, self.status, self.panel = Timeline(), StatusLine(), StatisticsPanel()
        self.composer = Composer()
        self.painter = Painter(self.stage, worker, store, self.composer)
        self.narrator = Narrator(self.stage)
        self.capture = Capture(self.bar, self.stage, worker, store)
        self.sources = SourceList(self.bar.source)
        self.source_choice = SourceChoice(
            self, self.bar.source, self.sources, self.painter, self.narrator, worker, store
        )
        self.size_choice = SizeChoice(self.bar.size_picker, self.stage, self.narrator, worker, store)
        self.figures = Figures(self.stage, self.panel, self.status, worker, store)
        self.file_export = FileExport(self, self.capture, worker, store)
        self._finished: bool | None = None
        self._has_timeline = False
        self._lay_out()
        self._make_actions()
        self._connect()
        appearance.changed.connect(self.set_theme)
        self.set_theme()
        self._show_preferences(store.current)
        self.size_choice.show()
        self._restore()

    def start(self) -> None:
        """Looks for cameras and starts with the source that was used last, the first camera, or the demo."""
        self.narrator.begin()
        self.sources.choose_first(self.store.current.source)

    def _lay_out(self) -> None:
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self.rail)
        middle.addWidget(self.stage, stretch=1)
        middle.addWidget(self.panel)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.bar)
        column.addLayout(middle, stretch=1)
        column.addWidget(self.timeline)
        column.addWidget(self.status)
        self.setCentralWidget(content)
        self.resize(1280, 800)

    def _make_actions(self) -> None:
        does: dict[str, Any] = {
            "choose_file": self.source_choice.ask_for_file,
            "choose_url": self.source_choice.ask_for_address,
            "refresh": self.sources.look,
            "confidence_up": lambda: self._nudge_confidence(0.05),
            "confidence_down": lambda: self._nudge_confidence(-0.05),
            "full_screen": self.toggle_full_screen,
            "record": self.capture.toggle,
            "snapshot": self.capture.snapshot,
            "panel": lambda: self.store.change(panel=not self.store.current.window.panel),
            "copy_report": self.figures.copy,
            "play": self.toggle_play,
            "step": self.worker.step,
            "back": lambda: self._jump(-SEEK_S),
            "forward": lambda: self._jump(SEEK_S),
            "export": self.export,
            "preferences": self.show_preferences,
            "shortcuts": self.show_shortcuts,
            "quit": self.close,
        }
        does |= {f"size_{name}": lambda name=name: self.size_choice.choose(name) for name in ("xs", "s", "m", "l")}
        does |= {name: self.rail.buttons[name].click for name in SWITCHES}
        self.actions_by_name = make_actions(self, does)
        self.bar.menu.setMenu(make_menu(self.bar.menu, self.actions_by_name))
        leave = QAction(self)
        leave.setShortcut(QKeySequence("Esc"))
        leave.triggered.connect(self.leave_full_screen)
        self.addAction(leave)

    def _connect(self) -> None:
        bar, worker, store = self.bar, self.worker, self.store
        bar.refresh_wanted.connect(self.sources.look)
        bar.confidence.moved.connect(lambda value: store.change(confidence=value))
        bar.record_wanted.connect(self.capture.toggle)
        bar.snapshot_wanted.connect(self.capture.snapshot)
        bar.recording_changed.connect(lambda kept: store.change(recording=kept))
        bar.folder_wanted.connect(self.capture.show_folder)
        bar.panel_wanted.connect(self.actions_by_name["panel"].trigger)
        bar.full_screen_wanted.connect(self.toggle_full_screen)
        self.rail.toggled.connect(self._toggle)
        self.timeline.play_wanted.connect(self.toggle_play)
        self.timeline.step_wanted.connect(worker.step)
        self.timeline.seek_wanted.connect(worker.seek)
        self.timeline.speed_wanted.connect(worker.set_speed)
        self.timeline.export_wanted.connect(self.export)
        self.panel.copy_wanted.connect(self.figures.copy)
        self.stage.double_clicked.connect(self.toggle_full_screen)
        self.stage.painted.connect(lambda picture: self.timeline.show_position(picture.frame.media_s))
        self.painter.first_picture.connect(self.narrator.first_picture)
        self.narrator.failed.connect(self.painter.blank)
        self.narrator.retry_wanted.connect(self._retry)
        self.size_choice.start_wanted.connect(self._retry)
        self.file_export.refused.connect(lambda text: self.stage.toast(text, kind="error"))
        self.file_export.broken.connect(self.show_error)
        self.sources.first_found.connect(self._start_session)
        self.sources.refused.connect(lambda text: self.stage.toast(text, kind="warning"))
        self.composer.failed.connect(self.show_error)
        worker.happened.connect(self._hear)
        worker.source_known.connect(self._source_known)
        worker.refused.connect(lambda text: self.stage.toast(text, kind="error"))
        worker.broken.connect(self.show_error)
        store.changed.connect(self._preferences_changed)
        store.not_saved.connect(self._not_saved)

    # What the user does

    def toggle_play(self) -> None:
        if self.worker.session.state is SessionState.PAUSED:
            self.worker.resume()
        else:
            self.worker.pause()

    def toggle_full_screen(self) -> None:
        """Full screen shows the picture alone."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)
        self._show_parts()

    def _show_parts(self) -> None:
        """Those that belong around the picture now."""
        windowed = not self.isFullScreen()
        self.bar.setVisible(windowed)
        self.status.setVisible(windowed)
        self.rail.setVisible(windowed and self.height() >= LOW)
        self.timeline.setVisible(windowed and self._has_timeline)
        self.panel.setVisible(windowed and self.store.current.window.panel)

    def leave_full_screen(self) -> None:
        if self.isFullScreen():
            self.toggle_full_screen()

    def export(self) -> None:
        self.file_export.ask(self.figures.source)

    def show_preferences(self) -> None:
        from app.preferences_dialog import PreferencesDialog

        ask(PreferencesDialog(self.store, self))

    def show_shortcuts(self) -> None:
        ask(ShortcutsSheet(self))

    def show_error(self, message: str, details: str) -> None:
        """Not modal: video and recording go on behind it."""
        dialog = ErrorDialog(message, details, self.appearance.theme.warning, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.show()

    # What the session says

    def _hear(self, event: Event) -> None:
        self.narrator.hear(event)
        self.capture.hear(event)
        self.size_choice.hear(event)
        self.timeline.show_playing(event.state is not SessionState.PAUSED)
        self.status.show_state(event.state)
        self.source_choice.hear(event)

    def _source_known(self, source: SourceInfo) -> None:
        self.figures.show_source(source)
        self.source_choice.remember(source)
        self.rail.show_preferences(self.store.current, self.painter.mirrored)
        self._has_timeline = bool(source.can_seek and source.duration_s)
        self._show_parts()
        if source.duration_s:
            self.timeline.show_length(source.duration_s)

    # Preferences

    def _show_preferences(self, kept: Preferences) -> None:
        self.bar.show_preferences(kept)
        self.rail.show_preferences(kept, self.painter.mirrored)
        self._show_parts()
        self.bar.panel.setChecked(kept.window.panel)
        self.figures.show_lines()
        if self.store.problem:
            self.stage.toast(self.store.problem, kind="warning")
            self.store.problem = None

    def _preferences_changed(self, before: Preferences, now: Preferences) -> None:
        self._show_preferences(now)
        if now.measured_ms != before.measured_ms:
            self.size_choice.show()
        if now.theme != before.theme:
            self.appearance.show(now.theme)
        if now.inference != before.inference:
            self.worker.set_thresholds(now.inference.confidence, now.inference.max_people)
            self.worker.set_smoothing(now.inference.smoothing)
        if drawing_settings(now) != drawing_settings(before):
            self.worker.set_drawing(drawing_settings(now))
        if _needs_restart(before, now):
            self.narrator.begin()
            self.painter.forget()
            self.worker.restart(live_options(now, self.worker.running_source))
        elif now.camera != before.camera and self.painter.live:
            self.worker.switch_source(self.worker.running_source, source_settings(now))

    def _toggle(self, name: str, on: bool) -> None:
        if name == "mirror":
            self.store.change(**{"mirror" if self.painter.live else "mirror_files": on})
        elif name in ("own_poses_only", "smoothing"):
            self.store.change(**{name: on})
        else:
            self.store.change(overlays=self.rail.overlays())

    def _nudge_confidence(self, step: float) -> None:
        self.store.change(confidence=round(min(1.0, max(0.0, self.store.current.inference.confidence + step)), 2))

    def _not_saved(self, reason: str) -> None:
        self.stage.toast(self.tr("The preferences cannot be saved: {reason}").format(reason=reason), kind="warning")

    def set_theme(self) -> None:
        colours = self.appearance.theme
        for part in (self.bar, self.rail, self.timeline, self.panel):
            part.set_theme(colours)
        self.sources.set_theme(colours)
        self.stage.set_stage(colours.stage)

    # The window itself

    def _start_session(self, source: str) -> None:
        self.size_choice.expect_weights()
        self.worker.restart(live_options(self.store.current, source))

    def _retry(self) -> None:
        self.painter.forget()
        self.narrator.begin()
        self.worker.restart(live_options(self.store.current, self.worker.running_source))

    def _jump(self, seconds: float) -> None:
        if self._has_timeline:
            self.worker.seek(max(0.0, self.timeline.position_s + seconds))

    def _restore(self) -> None:
        geometry = self.store.current.window.geometry
        if geometry:
            self.restoreGeometry(QByteArray.fromHex(geometry.encode()))

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802, Qt's name
        data = event.mimeData() if event is not None else None
        if event is not None and data is not None and data.hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802, Qt's name
        data = event.mimeData() if event is not None else None
        if event is None or data is None or not data.urls():
            return
        self.source_choice.open_dropped(data)
        event.acceptProposedAction()

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802, Qt's name
        super().resizeEvent(event)
        self._show_parts()
        self.status.show_width(self.width())
        self.timeline.show_width(self.width())

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802, Qt's name
        """Asks nothing: a recording is finished by the session's stop."""
        self.store.change(geometry=self.saveGeometry().toHex().data().decode())
        self.finish()
        super().closeEvent(event)
        self.quit()

    def finish(self) -> bool:
        """Ends every thread, finishes what is being recorded, remembers the preferences; later calls do nothing.

        -> False where a thread hangs, in a driver or on a network drive.
        """
        if self._finished is not None:
            return self._finished
        self.store.save()
        self.painter.close()
        self.sources.close()
        self.capture.close()
        self.file_export.close()
        self._finished = self.worker.close()
        return self._finished

    def quit(self) -> None:
        """Ends the application, whatever dialog is still open."""
        QTimer.singleShot(0, QApplication.quit)


def _needs_restart(before: Preferences, now: Preferences) -> bool:
    """How the network is built and run is what a running session cannot change."""
    fixed = ("threads", "input_mode", *SETTINGS)
    return any(getattr(before.inference, name) != getattr(now.inference, name) for name in fixed)
