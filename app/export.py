"""A whole file, every frame of it, to a video and its keypoints, with a progress bar that can be cancelled."""

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from PyQt6.QtCore import QObject, pyqtSignal
from PyQt6.QtWidgets import QDialog, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.preferences import Preferences
from app.session_options import drawing_settings, live_options
from app.timeline import clock
from engine.drawing import Trails
from engine.errors import LitePoseError
from engine.estimator import PoseEstimator
from engine.live import LiveResult
from engine.live.composition import Picture, picture_of
from engine.sinks import Sink, VideoRecorder, open_keypoint_writer
from engine.smoothing import Smoother
from engine.sources import Source, SourceSettings, find_source
from engine.sources.video_file import VideoFileSource
from engine.tracking import Tracker
from engine.types import StageTimes

KEYPOINTS = ".jsonl"
RAW = "-raw"


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """text: what the source is called. video: the file to make. kept: size, overlays and what is recorded."""

    text: str
    video: Path
    kept: Preferences

    @property
    def raw_video(self) -> Path:
        return self.video.with_name(f"{self.video.stem}{RAW}{self.video.suffix}")

    def paths(self) -> list[Path]:
        """The files that it makes, the video to show first."""
        both = self.kept.recording.picture == "both"
        keypoints = [self.video.with_suffix(KEYPOINTS)] if self.kept.recording.keypoints else []
        return [self.video, *([self.raw_video] if both else []), *keypoints]


def export(
    order: ExportOrder,
    progress: Callable[[int, int | None], None],
    say: Callable[[str], None],
    stopped: threading.Event,
) -> bool:
    """-> False where it was stopped; nothing is left of it then. progress: frames done, and of how many, if known.

    Raises LitePoseError.
    """
    options = live_options(order.kept)
    estimator = PoseEstimator.load(options.size, input_mode=options.input_mode, threads=options.threads, progress=say)
    estimator.settings = options.grouping(estimator.settings)
    tracker, smoother, trails = Tracker(), Smoother(), Trails()
    drawing = drawing_settings(order.kept)
    try:
        with find_source(order.text, SourceSettings(loop=False)) as source, ExitStack() as stack:
            sinks = [(stack.enter_context(sink), picture) for sink, picture in _sinks(order, source, estimator)]
            for number, frame in enumerate(source):
                if stopped.is_set():
                    break
                estimate = estimator.estimate(frame.image)
                poses = tracker.update(estimate.poses, frame.media_s)
                if options.smoothing:
                    poses = smoother.update(poses, frame.media_s)
                result = LiveResult(number, frame, poses, estimate, frame.media_s, StageTimes(), 0.0)
                for sink, picture in sinks:
                    sink.write(frame, poses, picture_of(result, drawing, picture, trails))
                progress(number + 1, source.frame_count)
    except BaseException:
        _remove(order)
        raise
    if stopped.is_set():
        _remove(order)
    return not stopped.is_set()


def _sinks(order: ExportOrder, source: Source, estimator: PoseEstimator) -> list[tuple[Sink, Picture]]:
    sound = source.path if isinstance(source, VideoFileSource) and source.has_audio else None

    def video(path: Path) -> VideoRecorder:
        return VideoRecorder(path, fps_hint=source.fps, overwrite=True, sound_from=sound)

    kept = order.kept.recording
    first = Picture.RAW if kept.picture == "raw" else Picture.ANNOTATED
    sinks: list[tuple[Sink, Picture]] = [(video(order.video), first)]
    if kept.picture == "both":
        sinks.append((video(order.raw_video), Picture.RAW))
    if kept.keypoints:
        path = order.video.with_suffix(KEYPOINTS)
        sinks.append((open_keypoint_writer(path, estimator.skeleton, overwrite=True), Picture.NONE))
    return sinks


def _remove(order: ExportOrder) -> None:
    for path in order.paths():
        path.unlink(missing_ok=True)


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
        self.text = QLabel(self.tr("Getting ready"))
        self.text.setObjectName("faint")
        self._told.step.connect(self.text.setText)
        cancel = QPushButton(self.tr("Cancel"))
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addWidget(self.text, stretch=1)
        buttons.addWidget(cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 18)
        layout.setSpacing(12)
        layout.addWidget(self.title)
        layout.addWidget(self.bar)
        layout.addLayout(buttons)
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="export", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.open()

    def reject(self) -> None:
        """The frame that is worked on is finished first; that takes milliseconds."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        super().reject()

    def _run(self) -> None:
        try:
            done = export(self._order, self._told.progress.emit, self._told.step.emit, self._stopped)
            self._told.ended.emit(done, "", "")
        except LitePoseError as error:
            self._told.ended.emit(False, str(error), "")
        except Exception as error:  # a mistake of the program, shown with its details
            self._told.ended.emit(False, f"{type(error).__name__}: {error}", traceback.format_exc())

    def _show_progress(self, done: int, total: int | None) -> None:
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
        elif message:
            (self.broken.emit(message, details) if details else self.refused.emit(message))
            super().reject()


class _Told(QObject):
    """Brings what the export's thread says into the window's."""

    progress = pyqtSignal(int, object)
    step = pyqtSignal(str)
    ended = pyqtSignal(bool, str, str)


def suggested_path(folder: Path, text: str) -> Path:
    """Beside the recordings, with the source's name."""
    stem = Path(text).stem or "export"
    return folder / f"{stem} LitePose.mp4"
