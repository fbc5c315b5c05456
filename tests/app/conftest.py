"""A window without a screen, and a session that plays without a network."""

import os

os.environ["QT_QPA_PLATFORM"] = "offscreen"

import app.qt_environment  # noqa: F401, I001  before the first module of PyQt6

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PyQt6.QtCore import QEvent
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.appearance import Appearance
from app.live_worker import LiveWorker
from app.main_window import MainWindow
from app.preference_store import PreferenceStore
from app.session_options import live_options
from app.sources import SourceEntry
from engine.errors import UsageError
from engine.live import Event, EventKind, LiveOptions, LiveResult, SessionState, SourceInfo
from engine.statistics import Quantiles, Statistics
from engine.types import UNTRACKED, Backend, Frame, Poses, StageTimes
from models.skeleton import COCO_17

WIDTH, HEIGHT = 320, 180


def one_person(x: float = 100.0) -> Poses:
    """Someone whose joints stand in a column at x."""
    keypoints = np.stack([np.full(17, x), np.linspace(20, 160, 17)], axis=1)[None].astype(np.float32)
    ones = np.ones((1, 17), np.float32)
    return Poses(keypoints, ones, np.ones(1, np.float32), np.full(1, UNTRACKED), COCO_17)


class FakeSession:
    """As LiveSession from outside: frames and results at 50 per second, everything asked is noted in `asked`."""

    def __init__(self, options: LiveOptions, on_event: Callable[[Event], None]) -> None:
        self.options, self._tell = options, on_event
        self.state = SessionState.IDLE
        self.recording = False
        self.asked: list[tuple[Any, ...]] = []
        self.live = options.source not in ("demo",) and not options.source.endswith(".mp4")
        self.shown: list[Frame] = []
        self.refusal: Exception | None = None
        self._paused_at: float | None = None
        self._frame: Frame | None = None
        self._recorded: tuple[Path, ...] = ()

    def tell(self, kind: EventKind, text: str = "", **more: Any) -> None:
        self._tell(Event(kind, self.state, text, **more))

    def go(self, state: SessionState) -> None:
        self.state = state
        self.tell(EventKind.STATE)

    def start(self) -> None:
        self.asked.append(("start",))
        self._started = time.monotonic()
        self.go(SessionState.STARTING)
        self.tell(EventKind.PROGRESS, "Compiling xs at 352x192 for this machine")
        self.go(SessionState.RUNNING)
        self.tell(EventKind.SOURCE, "Reading it.")

    def stop(self, timeout_s: float = 2.0) -> None:
        self.asked.append(("stop",))
        if self.recording:
            self.stop_recording()
        self.state = SessionState.IDLE

    def latest_frame(self) -> Frame | None:
        if not self.state.active:
            return None
        at = time.monotonic() if self._paused_at is None else self._paused_at
        index = int((at - self._started) * 50)
        if self._frame is not None and self._frame.index == index:
            return self._frame
        image = np.full((HEIGHT, WIDTH, 3), index % 255, np.uint8)
        image[:, : WIDTH // 2] = 255
        self._frame = Frame(image, index, time.monotonic_ns(), index / 50, self.options.source)
        return self._frame

    def latest(self) -> LiveResult | None:
        frame = self.latest_frame()
        if frame is None:
            return None
        maps = (np.zeros((34, 48, 88), np.float32), np.zeros((17, 96, 176), np.float32))
        placement = SimpleNamespace(left=0, top=0, size=(352, 192))
        backend = Backend("CPU", "x86-64-v3", "xs-352x192-x86-64-v3-0123")
        estimate: Any = SimpleNamespace(maps=maps, placement=placement, backend=backend)
        return LiveResult(frame.index, frame, one_person(), estimate, frame.media_s, StageTimes({}), 10.0)

    def painted(self, frame: Frame) -> None:
        self.shown.append(frame)

    def statistics(self) -> Statistics:
        return Statistics(
            stages={"network": Quantiles(12.0, 15.0, 9), "grouping": Quantiles(1.0, 2.0, 9)},
            capture_to_paint=Quantiles(24.0, 40.0, 9),
            inference_fps=50.0,
            paint_fps=50.0,
            inferred=9,
            dropped=3,
            people=1,
        )

    def source_info(self) -> SourceInfo | None:
        return SourceInfo(
            text=self.options.source,
            name=Path(self.options.source).name,
            size=(WIDTH, HEIGHT),
            fps=50.0,
            frame_count=None,
            duration_s=None if self.live else 10.0,
            live=self.live,
            can_seek=not self.live,
            has_audio=False,
        )

    def switch_size(self, size: str) -> None:
        self.asked.append(("switch_size", size))
        if not self.state.active:
            self.options = replace(self.options, size=size)
            return
        self.go(SessionState.SWITCHING)
        self.tell(EventKind.PROGRESS, f"Compiling {size}")

    def finish_size(self, size: str) -> None:
        """The size that was asked for has arrived."""
        self.options = replace(self.options, size=size)
        self.go(SessionState.RUNNING)
        self.tell(EventKind.SIZE, size)

    def switch_source(self, text: str, settings: Any = None) -> None:
        self.asked.append(("switch_source", text))
        self.settings = settings
        self.live = not text.endswith(".mp4")
        self.options = replace(self.options, source=text)
        if self.state.active:
            self.tell(EventKind.SOURCE, f"Reading {text}.")

    def set_thresholds(self, *, confidence: float, max_people: int) -> None:
        self.asked.append(("set_thresholds", confidence, max_people))

    def set_smoothing(self, on: bool) -> None:
        self.asked.append(("set_smoothing", on))

    def set_drawing(self, drawing: Any) -> None:
        self.asked.append(("set_drawing", drawing))

    def start_recording(self, options: Any) -> tuple[Path, ...]:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(("start_recording", options))
        self.recording = True
        self._recorded = (options.path,)
        options.path.write_bytes(b"x" * 5000)
        self.tell(EventKind.RECORDING, "Recording.", paths=self._recorded)
        return self._recorded

    def stop_recording(self) -> None:
        self.asked.append(("stop_recording",))
        self.recording = False
        self.tell(EventKind.RECORDING, "Recorded.", paths=self._recorded)

    def snapshot(self, path: Path, annotated: bool = True) -> Path:
        self.asked.append(("snapshot", path))
        path.write_bytes(b"png")
        return path

    def _note(self, *asked: Any) -> None:
        if self.live:
            raise UsageError("Only files and pictures can be paused, stepped and sought.")
        self.asked.append(asked)

    def pause(self) -> None:
        self._note("pause")
        self._paused_at = time.monotonic()
        self.go(SessionState.PAUSED)

    def resume(self) -> None:
        self._note("resume")
        self._paused_at = None
        self.go(SessionState.RUNNING)

    def step(self, frames: int = 1) -> None:
        self._note("step", frames)

    def seek(self, media_s: float) -> None:
        self._note("seek", media_s)

    def set_speed(self, speed: float) -> None:
        self._note("set_speed", speed)


@dataclass
class Desk:
    """A running window and what stands behind it."""

    window: MainWindow
    store: PreferenceStore
    folder: Path
    bot: QtBot
    application: QApplication

    @property
    def session(self) -> FakeSession:
        return self.window.worker.session  # type: ignore[return-value]

    def asked(self, name: str) -> list[tuple[Any, ...]]:
        return [asked for asked in self.session.asked if asked[0] == name]

    def wait_asked(self, *wanted: Any) -> None:
        """Until the session has been asked exactly this."""
        self.bot.waitUntil(lambda: wanted in self.session.asked, timeout=10_000)


OpenDesk = Callable[..., Desk]


@pytest.fixture(scope="session")
def appearance(qapp: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Appearance:
    return Appearance(qapp, "dark", tmp_path_factory.mktemp("appearance"))


@pytest.fixture
def open_desk(
    qtbot: QtBot, qapp: QApplication, appearance: Appearance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenDesk]:
    """Opens windows with a given preferences file, cameras and session, and closes those that the test left open."""
    monkeypatch.setenv("LITEPOSE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr("app.preferences_dialog.missing", lambda: {"cuda": "No NVIDIA driver was found."})
    windows: list[MainWindow] = []

    def open_one(
        text: str = "",
        cameras: tuple[str, ...] = (),
        session: Any = FakeSession,
        picture: bool = True,
        **given: Any,
    ) -> Desk:
        path = tmp_path / "config" / "preferences.yaml"
        if text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        store = PreferenceStore(path, {"folder": str(tmp_path / "videos"), **given})
        worker = LiveWorker(live_options(store.current), session)
        if appearance.theme.name != store.current.theme:
            appearance.show(store.current.theme)
        window = MainWindow(store, worker, appearance)
        monkeypatch.setattr(window, "quit", lambda: None)
        window.sources.find = lambda: [SourceEntry(f"camera:{name}", name, "camera") for name in cameras]
        windows.append(window)
        window.show()
        window.start()
        desk = Desk(window, store, tmp_path, qtbot, qapp)
        if picture:
            qtbot.waitUntil(lambda: window.stage.picture is not None, timeout=10_000)
            qtbot.waitUntil(lambda: not window.stage.card.isVisible(), timeout=10_000)
        return desk

    yield open_one
    for window in windows:
        window.close()
        window.deleteLater()
    qapp.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes it look as if weights of a size had been imported."""

    def give(size: str) -> None:
        folder = tmp_path / "weights"
        folder.mkdir(exist_ok=True)
        (folder / f"{size}.safetensors").write_bytes(b"")

    return give
