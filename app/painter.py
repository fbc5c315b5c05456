"""Keeps the view up to date: on the window's own clock, the newest frame with the newest poses."""

import time

from PyQt6.QtCore import QObject, Qt, QTimer, pyqtSignal

from app.composition import Composer, Order
from app.live_worker import LiveWorker
from app.preference_store import PreferenceStore
from app.session_options import drawing_settings
from app.video_view import Picture, VideoView
from engine.live import LiveResult
from engine.types import Frame

STILL_S = 0.06  # a picture without a successor for this long counts as standing still
TICK_MS = 8  # twice as often as a screen of 60 Hz shows, so that a frame waits half a screen refresh at most


class Painter(QObject):
    """Asks the session for its newest frame on every tick, has it composed and hands it to the view."""

    first_picture = pyqtSignal()
    """After `forget`, a picture is on the screen again."""

    def __init__(self, view: VideoView, worker: LiveWorker, store: PreferenceStore, composer: Composer) -> None:
        super().__init__()
        self._view, self._worker, self._store, self._composer = view, worker, store, composer
        self._frame: Frame | None = None
        self._result: LiveResult | None = None
        self._looks: tuple[object, ...] = ()
        self._ordered_at = 0.0
        self._reported: Frame | None = None
        self._first = True
        self._blank = False
        composer.composed.connect(self._show)
        view.painted.connect(self._painted)
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self._timer.start(TICK_MS)

    @property
    def live(self) -> bool:
        """Whether a camera, a stream or the screen is shown, not a file."""
        source = self._worker.source()
        return source is not None and source.live

    @property
    def mirrored(self) -> bool:
        """Cameras are, as people know themselves from mirrors; files are not, unless asked."""
        kept = self._store.current
        return kept.mirror if self.live else kept.mirror_files

    def tick(self) -> None:
        # A session that has failed or stopped still knows its last frame.
        if self._blank or self._composer.busy or not self._view.isVisible() or not self._worker.active:
            return
        result = self._worker.latest()
        kept = self._store.current
        # A face that has moved on since its pose was found would be seen beside its blur.
        own_only = kept.own_poses_only or kept.overlays.face_blur
        frame = (result.frame if result else None) if own_only else self._worker.latest_frame()
        if frame is None:
            return
        room = self._view.room(frame.width, frame.height)
        looks = (room.width(), room.height(), drawing_settings(kept), self.mirrored)
        now = time.monotonic()
        # Newer poses for a frame that is on the screen already are worth another picture only if no frame follows soon.
        late = result is not self._result and now - self._ordered_at > STILL_S
        if frame is self._frame and looks == self._looks and not late:
            return
        self._frame, self._result, self._looks, self._ordered_at = frame, result, looks, now
        self._composer.order(Order(frame, result, *looks))

    def forget(self) -> None:
        """Another source comes: what is painted next counts as the first picture."""
        self._first = True
        self._blank = False

    def blank(self) -> None:
        """Nothing is shown, not even a picture that is being composed now, until `forget`."""
        self._blank = True
        self._view.set_picture(None)

    def close(self) -> None:
        self._timer.stop()
        # A picture that is finished while the thread ends must not find a view that is gone.
        self._composer.composed.disconnect(self._show)
        self._composer.close()

    def _show(self, picture: Picture) -> None:
        if not self._blank:
            self._view.set_picture(picture)

    def _painted(self, picture: Picture) -> None:
        # A frame that is painted again, at another size or with newer poses, says nothing about the delay.
        if picture.frame is not self._reported:
            self._reported = picture.frame
            self._worker.painted(picture.frame)
        if self._first:
            self._first = False
            self.first_picture.emit()
