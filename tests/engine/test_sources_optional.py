"""The screen and the Raspberry Pi's camera, with fakes in place of their packages, and without them."""

import importlib
import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from engine.errors import SourceError
from engine.sources import SourceSettings, find_source, kind_of


class FakeShotError(Exception):
    pass


class FakeScreens:
    """Two monitors side by side; the second one shows blue."""

    monitors = (
        {"left": 0, "top": 0, "width": 60, "height": 20},
        {"left": 0, "top": 0, "width": 30, "height": 20},
        {"left": 30, "top": 0, "width": 30, "height": 20},
    )
    locked = False
    closed = 0

    def grab(self, monitor: dict[str, int]) -> np.ndarray:
        if self.locked:
            raise FakeShotError("no access")
        shot = np.zeros((monitor["height"], monitor["width"], 4), np.uint8)
        shot[..., 0] = 255 if monitor["left"] else 0
        shot[..., 3] = 255
        return shot

    def close(self) -> None:
        FakeScreens.closed += 1


class FakePicamera:
    """One camera of a fixed focus."""

    camera_controls = {"FrameRate": (), "AeEnable": (), "ExposureTime": ()}  # noqa: RUF012
    made: list["FakePicamera"] = []  # noqa: RUF012
    busy = False

    def __init__(self, number: int) -> None:
        if self.busy:
            raise RuntimeError("Camera __init__ sequence did not complete")
        self.controls: dict[str, object] = {}
        self.steps: list[str] = []
        FakePicamera.made.append(self)

    @staticmethod
    def global_camera_info() -> list[dict[str, object]]:
        return [{"Model": "imx219", "Num": 0}]

    def create_video_configuration(self, main: dict[str, object], buffer_count: int) -> dict[str, object]:
        assert main["format"] == "RGB888"
        return main

    def configure(self, configuration: dict[str, object]) -> None:
        self.size = configuration["size"]

    def set_controls(self, controls: dict[str, object]) -> None:
        assert set(controls) <= set(self.camera_controls)
        self.controls = controls

    def start(self) -> None:
        self.steps.append("start")

    def capture_array(self, name: str) -> np.ndarray:
        width, height = self.size
        return np.full((height, width, 3), (1, 2, 3), np.uint8)

    def stop(self) -> None:
        self.steps.append("stop")

    def close(self) -> None:
        self.steps.append("close")


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What importing gives: a test takes a package away by putting None."""
    fakes: dict[str, object] = {
        "mss": SimpleNamespace(MSS=FakeScreens, ScreenShotError=FakeShotError),
        "picamera2": SimpleNamespace(Picamera2=FakePicamera),
    }

    def import_module(name: str) -> object:
        if fakes.get(name) is None:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return fakes[name]

    monkeypatch.setattr(importlib, "import_module", import_module)
    monkeypatch.setattr(FakePicamera, "made", [])
    return fakes


@pytest.mark.parametrize(
    ("text", "name", "size", "blue"),
    [
        ("screen", "screen 1", (30, 20), 0),
        ("screen:2", "screen 2", (30, 20), 255),
        ("screen:all", "all screens", (60, 20), 127.5),
    ],
)
def test_screens(packages, text: str, name: str, size: tuple[int, int], blue: float) -> None:
    closed = FakeScreens.closed
    with find_source(text, SourceSettings(fps=200)) as source:
        assert (source.name, source.size, source.fps, source.live) == (name, size, 200, True)
        frames = list(itertools.islice(source, 3))
    assert frames[-1].media_s > 0
    if text != "screen:all":
        assert (frames[0].image == (blue, 0, 0)).all()
    assert FakeScreens.closed == closed + 1


def test_a_screen_that_is_not_there(packages) -> None:
    with pytest.raises(SourceError, match=r"no screen 3\. Choose one from screen:1 to screen:2"):
        find_source("screen:3").open()


def test_a_screen_that_may_not_be_read(packages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeScreens, "locked", True)
    with pytest.raises(SourceError, match=r"no access\. On macOS, allow it"):
        find_source("screen").open()


def test_csi_gives_bgr_in_the_size_asked_for(packages) -> None:
    settings = SourceSettings(width=640, fps=20, exposure=8000, focus=2.0, rotate=180)
    with find_source("csi", settings) as source:
        assert (source.name, source.size, source.fps) == ("CSI imx219", (640, 360), 20)
        frame = source.read()
    assert frame is not None
    assert (frame.image == (1, 2, 3)).all()
    [camera] = FakePicamera.made
    assert camera.controls == {"FrameRate": 20, "AeEnable": False, "ExposureTime": 8000}
    assert camera.steps == ["start", "stop", "close"]


def test_csi_says_what_is_wrong(packages, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="camera socket 1"):
        find_source("csi:1").open()
    monkeypatch.setattr(FakePicamera, "busy", True)
    with pytest.raises(SourceError, match="“CSI imx219” cannot be started"):
        find_source("csi:0").open()


@pytest.mark.parametrize(("text", "package"), [("screen", "mss"), ("csi", "picamera2")])
def test_a_missing_package_is_named_with_its_command(packages, text: str, package: str) -> None:
    packages[package] = None
    source = find_source(text)
    with pytest.raises(SourceError, match=f"pip install *{package}"):
        source.open()
    assert not source.is_open


def test_words_that_only_look_alike() -> None:
    assert kind_of("screen:all").name == "screen"
    assert kind_of("csi:1").name == "csi"
    for text in ("screen:x", "csi:left", "screens"):
        with pytest.raises(SourceError, match="no file"):
            kind_of(text)
