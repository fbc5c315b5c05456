"""Makes what the screen shows: the newest frame, fitted to the view, with what is drawn on it. In a thread of its own."""

import traceback
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from PyQt6.QtCore import QObject, QThread, pyqtSignal

from app.video_view import Picture
from engine.drawing import DrawingSettings, Trails, draw
from engine.live import LiveResult
from engine.live.composition import heat_of
from engine.preprocess import halved
from engine.types import Frame, Poses


@dataclass(frozen=True, slots=True)
class Order:
    """A picture to make. width, height: in device pixels. result: the newest poses, or None before the first."""

    frame: Frame
    result: LiveResult | None
    width: int
    height: int
    drawing: DrawingSettings
    mirror: bool


def placed(poses: Poses, source: tuple[int, int], target: tuple[int, int], mirror: bool) -> Poses:
    """Poses from the pixels of `source` (width, height) to those of `target`, left and right swapped if mirrored."""
    scale = np.array(target, np.float32) / np.array(source, np.float32)
    keypoints = (poses.keypoints + 0.5) * scale - 0.5
    if mirror:
        keypoints[..., 0] = target[0] - 1 - keypoints[..., 0]
    return replace(poses, keypoints=keypoints.astype(np.float32))


def fitted(image: NDArray[np.uint8], width: int, height: int, mirror: bool) -> NDArray[np.uint8]:
    """A copy of `image` (H, W, 3) in width × height pixels, mirrored if asked."""
    if image.shape[:2] == (height, width):
        return np.asarray(cv2.flip(image, 1) if mirror else image.copy(), np.uint8)
    # Averaging down to an odd size at once would cost more than all else here, and look the same.
    resized = cv2.resize(halved(image, width, height), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.flip(resized, 1, resized) if mirror else resized, np.uint8)


class Artist(QObject):
    """Draws. Keeps what must last from picture to picture: trails."""

    made = pyqtSignal(object)
    failed = pyqtSignal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self._trails = Trails()
        self._trailed: tuple[object, ...] = ()

    def make(self, order: Order) -> None:
        """One picture. Whatever goes wrong is told, so that the window never waits for a picture that does not come."""
        try:
            self.made.emit(self.compose(order))
        except Exception as error:
            self.failed.emit(f"{type(error).__name__}: {error}", traceback.format_exc())

    def compose(self, order: Order) -> Picture:
        size = (order.width, order.height)
        scene = fitted(order.frame.image, *size, order.mirror)
        if order.result is not None:
            poses = placed(order.result.poses, (order.frame.width, order.frame.height), size, order.mirror)
            if order.drawing.trails:
                self._follow(order, poses, scene)
            heat = heat_of(order.result) if order.drawing.heatmap else None
            if heat is not None and order.mirror:
                heat = np.ascontiguousarray(heat[:, ::-1])
            draw(scene, poses, order.drawing, trails=self._trails, heat=heat)
        elif order.drawing.privacy or order.drawing.blur_faces:
            scene[:] = 0  # nobody has been looked for yet, so nobody can be covered
        return Picture(np.asarray(cv2.cvtColor(scene, cv2.COLOR_BGR2BGRA), np.uint8), order.frame)

    def _follow(self, order: Order, poses: Poses, scene: NDArray[np.uint8]) -> None:
        """Trails are in the pixels of the scene: another size or a mirror starts them anew."""
        assert order.result is not None
        kind = (scene.shape, order.mirror)
        if not self._trailed or self._trailed[1:] != kind:
            self._trails.reset()
        if not self._trailed or self._trailed[0] is not order.result or self._trailed[1:] != kind:
            self._trails.update(poses, scene, order.result.time_s)
        self._trailed = (order.result, *kind)


class Composer(QObject):
    """Makes one picture at a time in a thread of its own, so that neither drawing nor resizing holds up the window."""

    composed = pyqtSignal(object)
    """A Picture."""
    failed = pyqtSignal(str, str)

    _ordered = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self._thread = QThread()
        self._thread.setObjectName("composer")
        self._artist = Artist()
        self._artist.moveToThread(self._thread)
        self._ordered.connect(self._artist.make)
        self._artist.made.connect(self._deliver)
        self._artist.failed.connect(self._give_up)
        self._thread.start()
        self.busy = False

    def order(self, order: Order) -> None:
        """The picture comes as a signal; until then the composer is busy."""
        self.busy = True
        self._ordered.emit(order)

    def close(self) -> None:
        self._thread.quit()
        self._thread.wait()

    def _deliver(self, picture: Picture) -> None:
        self.busy = False
        self.composed.emit(picture)

    def _give_up(self, message: str, details: str) -> None:
        self.busy = False
        self.failed.emit(message, details)
