"""The window with the real session, the real network and the bundled clip."""

import json
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtTest import QTest
from skimage.data import astronaut

from engine.errors import SourceError
from engine.live import LiveSession, SessionState
from engine.sources import Source, SourceSettings
from engine.types import Frame
from models import architecture, checkpoints
from models.skeleton import COCO_17


class Pluggable(Source):
    """A camera of 20 pictures per second that can be pulled out and put back."""

    live = True
    pulled = threading.Event()

    def __init__(self, settings: SourceSettings) -> None:
        super().__init__("Front", settings)
        self._open = False
        self._index = 0
        self._image = np.ascontiguousarray(np.pad(astronaut()[..., ::-1], ((0, 0), (199, 199), (0, 0))))

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        if self.pulled.is_set():
            raise SourceError("The camera “Front” is not connected.")
        self._open = True

    def read(self) -> Frame | None:
        if self._interrupted.wait(0.05):
            return None
        if self.pulled.is_set():
            raise SourceError("The camera “Front” gives no pictures any more.")
        self._index += 1
        return Frame(self._image, self._index, time.monotonic_ns(), self._index / 20, "Front")

    def close(self) -> None:
        self._open = False


BUILD_MS = 180_000  # a network that is not in the cache yet is built first


@pytest.fixture
def desk(open_desk):
    desk = open_desk(session=LiveSession)
    desk.bot.waitUntil(lambda: desk.window.worker.latest() is not None, timeout=BUILD_MS)
    return desk


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve frames of an astronaut who moves to the right; 16:9, as the demo, so that no other network is built."""
    path = tmp_path / "astronaut.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(12):
            image = np.full((360, 640, 3), 180, np.uint8)
            left = 40 + 4 * number
            image[:, left : left + 360] = astronaut()[76:436, 76:436]
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


@pytest.fixture
def weights_of_s(tmp_path: Path) -> None:
    """Made-up ones, where the program looks for what a user has imported."""
    synthetic = checkpoints.synthetic(architecture.load("s"), COCO_17, seed=1)
    checkpoints.save(synthetic, tmp_path / "weights" / "s.safetensors")


def test_xs_goes_on_until_s_arrives(weights_of_s: None, desk) -> None:
    window = desk.window

    def shape() -> tuple[int, ...]:
        return tuple(window.worker.latest().estimate.maps[1].shape)

    xs = shape()
    seen: set[int] = set()
    painted: list[int] = []
    window.stage.painted.connect(lambda picture: painted.append(picture.frame.index))
    picker = window.bar.size_picker
    picker.showPopup()
    QTest.keyClick(picker.view(), Qt.Key.Key_Down)
    QTest.keyClick(picker.view(), Qt.Key.Key_Return)
    desk.bot.waitUntil(lambda: window.stage.banner.isVisible(), timeout=10_000)

    def arrived() -> bool:
        if shape() == xs:
            seen.add(window.worker.latest().index)
        return window.worker.running_size == "s"

    desk.bot.waitUntil(arrived, timeout=BUILD_MS)
    assert len(seen) > 1
    desk.bot.waitUntil(lambda: shape() != xs, timeout=10_000)
    desk.bot.waitUntil(lambda: not window.stage.banner.isVisible(), timeout=10_000)
    assert picker.currentText() == "S"
    assert desk.store.current.inference.size == "s"
    # Weights that are broken: the switch fails, is told, and S stays.
    (desk.folder / "weights" / "m.safetensors").write_bytes(b"no weights")
    window.size_choice.choose("m")
    desk.bot.waitUntil(lambda: bool(window.stage.toasts), timeout=20_000)
    assert picker.currentText() == "S"
    shown = len(painted)
    desk.bot.waitUntil(lambda: len(painted) > shown + 3, timeout=10_000)


def test_five_seconds_of_the_demo_are_recorded_and_can_be_played(desk) -> None:
    QTest.keyClick(desk.window, Qt.Key.Key_R)
    desk.bot.waitUntil(lambda: desk.window.capture.recording, timeout=10_000)
    # The clip's seconds: beside other programs a file, whose frames are all recorded, plays slower than the clock.
    since = desk.window.worker.latest().time_s
    desk.bot.waitUntil(lambda: desk.window.worker.latest().time_s > since + 5, timeout=60_000)
    QTest.keyClick(desk.window, Qt.Key.Key_R)
    desk.bot.waitUntil(lambda: bool(desk.window.stage.toasts), timeout=10_000)
    (video,) = (desk.folder / "videos").glob("*.mp4")
    with av.open(str(video)) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert 4.5 < times[-1] < 6.5
    lines = video.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) >= len(times)
    assert all(json.loads(line) for line in lines)


def test_overlays_act_at_once_in_the_picture_and_in_both_recordings(desk) -> None:
    window = desk.window
    desk.store.change(picture="both", skeleton=False)
    QTest.keyClick(window, Qt.Key.Key_R)
    desk.bot.waitUntil(lambda: window.capture.recording, timeout=10_000)
    desk.bot.wait(1500)
    assert window.stage.picture.pixels[..., :3].max() > 0
    QTest.keyClick(window, Qt.Key.Key_P)
    desk.bot.waitUntil(lambda: window.stage.picture.pixels[..., :3].max() == 0, timeout=10_000)
    desk.bot.wait(1500)
    QTest.keyClick(window, Qt.Key.Key_R)
    desk.bot.waitUntil(lambda: bool(window.stage.toasts), timeout=10_000)
    videos = list((desk.folder / "videos").glob("*.mp4"))
    assert len(videos) == 2
    for video in videos:
        with av.open(str(video)) as container:
            bright = [frame.to_ndarray(format="gray").mean() > 20 for frame in container.decode(video=0)]
        assert bright[0]
        assert not bright[-1]
        assert sum(bright) > 3
        assert bright == sorted(bright, reverse=True)


def test_closing_while_recording_loses_nothing(desk) -> None:
    QTest.keyClick(desk.window, Qt.Key.Key_R)
    desk.bot.waitUntil(lambda: desk.window.capture.recording, timeout=10_000)
    desk.bot.wait(1500)
    desk.window.close()
    (video,) = (desk.folder / "videos").glob("*.mp4")
    with av.open(str(video)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 3
    assert desk.window.worker.session.state is SessionState.IDLE


def test_a_dropped_file_replaces_the_demo_and_ends_in_a_pause(desk, clip: Path) -> None:
    desk.window.source_choice.open(str(clip))
    desk.bot.waitUntil(lambda: desk.window.worker.running_source == str(clip), timeout=BUILD_MS)
    desk.bot.waitUntil(lambda: desk.window.status.state.text() == "Paused", timeout=20_000)
    assert desk.window.timeline.position_s == pytest.approx(11 / 24, abs=0.15)
    assert desk.window.stage.picture is not None


def test_a_whole_file_is_exported_with_every_frame(desk, clip: Path, tmp_path: Path) -> None:
    desk.window.source_choice.open(str(clip))
    desk.bot.waitUntil(
        lambda: desk.window.figures.source is not None and desk.window.figures.source.text == str(clip), timeout=20_000
    )
    dialog = desk.window.file_export.begin(desk.window.figures.source, tmp_path / "out.mp4")
    with desk.bot.waitSignal(dialog.finished_with, timeout=BUILD_MS):
        pass
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 12


def test_a_cancelled_export_leaves_nothing(desk, tmp_path: Path) -> None:
    desk.bot.waitUntil(lambda: desk.window.figures.source is not None, timeout=10_000)
    dialog = desk.window.file_export.begin(desk.window.figures.source, tmp_path / "out.mp4")
    desk.bot.waitUntil(lambda: dialog.bar.value() > 0, timeout=BUILD_MS)
    with desk.bot.waitSignal(dialog.finished, timeout=10_000):
        dialog.reject()
    assert not list(tmp_path.glob("out*"))
    assert not desk.window.stage.toasts


def test_closing_the_window_gives_an_export_up_and_leaves_nothing_of_it(desk, tmp_path: Path) -> None:
    desk.bot.waitUntil(lambda: desk.window.figures.source is not None, timeout=10_000)
    dialog = desk.window.file_export.begin(desk.window.figures.source, tmp_path / "out.mp4")
    desk.bot.waitUntil(lambda: dialog.bar.value() > 0, timeout=BUILD_MS)
    desk.window.close()
    assert not list(tmp_path.glob("out*"))


def test_the_confidence_decides_who_is_shown(desk) -> None:
    desk.store.change(confidence=1.0)
    desk.bot.waitUntil(lambda: len(desk.window.worker.latest().poses) == 0, timeout=10_000)
    desk.store.change(confidence=0.02)
    desk.bot.waitUntil(lambda: len(desk.window.worker.latest().poses) > 0, timeout=10_000)


def test_a_camera_that_is_pulled_out_comes_back_by_itself(open_desk) -> None:
    def session(options, on_event):
        return LiveSession(options, on_event, source_factory=lambda text, settings: Pluggable(settings))

    desk = open_desk(session=session, cameras=("Front",))
    desk.bot.waitUntil(lambda: desk.window.worker.latest() is not None, timeout=BUILD_MS)
    Pluggable.pulled.set()
    try:
        desk.bot.waitUntil(lambda: "Front" in desk.window.stage.banner.label.text(), timeout=10_000)
        assert desk.window.stage.banner.isVisible()
    finally:
        Pluggable.pulled.clear()
    desk.bot.waitUntil(lambda: not desk.window.stage.banner.isVisible(), timeout=20_000)
    before = desk.window.worker.latest().index
    desk.bot.waitUntil(lambda: desk.window.worker.latest().index > before, timeout=10_000)
