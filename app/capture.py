"""Recording and snapshots: from the button to the toast that shows the file."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import platformdirs
from PyQt6.QtCore import QCoreApplication, QObject, QTimer, QUrl
from PyQt6.QtGui import QDesktopServices

from app.controls import Bar
from app.live_worker import LiveWorker
from app.preference_store import PreferenceStore
from app.stage import Stage
from app.timeline import clock
from engine.live import Event, EventKind, RecordingOptions

REFRESH_MS = 500
translate = QCoreApplication.translate


def readable_size(size: int) -> str:
    """Bytes as people say them: 3.4 MB."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit != "MB" else f"{size:.1f} {unit}"
        size /= 1000  # type: ignore[assignment]
    return f"{size:.2f} GB"


def open_path(path: Path) -> None:
    """With whatever the system opens such files or folders with."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))


def default_folder() -> Path:
    """In the user's folder for videos."""
    return Path(platformdirs.user_videos_dir()) / "LitePose Live"


class Capture(QObject):
    """Starts, shows and ends recordings; saves snapshots. opener: shows a file or a folder."""

    def __init__(
        self,
        bar: Bar,
        stage: Stage,
        worker: LiveWorker,
        store: PreferenceStore,
        opener: Callable[[Path], None] = open_path,
    ) -> None:
        super().__init__()
        self._bar, self._stage, self._worker, self._store, self.opener = bar, stage, worker, store, opener
        self._paths: tuple[Path, ...] = ()
        self._timer = QTimer(self)
        self._timer.setInterval(REFRESH_MS)
        self._timer.timeout.connect(self._show_progress)
        self._since_s = 0.0
        worker.saved.connect(self._saved)

    @property
    def recording(self) -> bool:
        return self._timer.isActive()

    def folder(self) -> Path | None:
        """Where recordings and snapshots go; made where it is missing. None, and a message, where that is not possible."""
        chosen = self._store.current.recording.folder
        folder = Path(chosen) if chosen else default_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = translate(
                "Capture", "Nothing can be saved there: {reason}. Choose another folder in the preferences."
            )
            self._stage.toast(text.format(reason=error), kind="error")
            return None
        return folder

    def toggle(self) -> None:
        if self.recording:
            self._worker.stop_recording()
            return
        path = self._new_path(".mp4")
        if path is None:
            return
        kept = self._store.current.recording
        self._worker.start_recording(RecordingOptions(path, kept.picture, kept.keypoints))

    def snapshot(self) -> None:
        path = self._new_path(".png")
        if path is not None:
            self._worker.snapshot(path, True)

    def show_folder(self) -> None:
        folder = self.folder()
        if folder is not None:
            self.opener(folder)

    def close(self) -> None:
        """The window goes; the session finishes what is being recorded."""
        self._timer.stop()

    def hear(self, event: Event) -> None:
        """Recordings begin and end on the session's word, not on the button's."""
        if event.kind is not EventKind.RECORDING:
            return
        if self._worker.session.recording and not self.recording:
            self._paths, self._since_s = event.paths, time.monotonic()
            self._timer.start()
            self._show_progress()
            return
        self._timer.stop()
        self._bar.show_recording(None)
        self._stage.show_recording(None)
        self.show_files(event.paths)

    def _show_progress(self) -> None:
        size = sum(path.stat().st_size for path in self._paths if path.exists())
        elapsed = clock(time.monotonic() - self._since_s)
        self._bar.show_recording(f"{elapsed} · {readable_size(size)}")
        self._stage.show_recording(elapsed)

    def show_files(self, paths: Sequence[Path]) -> None:
        """Files that were made; the first one is the one to play."""
        if not paths:
            return
        video = paths[0]
        self._stage.toast(
            translate("Capture", "Recorded {name}").format(name=video.name),
            (
                (translate("Capture", "Show in folder"), lambda: self.opener(video.parent)),
                (translate("Capture", "Play"), lambda: self.opener(video)),
            ),
        )

    def _saved(self, path: Path) -> None:
        self._stage.toast(
            translate("Capture", "Saved {name}").format(name=path.name),
            (
                (translate("Capture", "Show in folder"), lambda: self.opener(path.parent)),
                (translate("Capture", "Open"), lambda: self.opener(path)),
            ),
        )

    def _new_path(self, suffix: str) -> Path | None:
        """A name that is not taken, after the time of day."""
        folder = self.folder()
        if folder is None:
            return None
        stem = datetime.now().strftime("LitePose %Y-%m-%d %H-%M-%S")
        path, number = folder / f"{stem}{suffix}", 2
        while path.exists():
            path, number = folder / f"{stem} ({number}){suffix}", number + 1
        return path
