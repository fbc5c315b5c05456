"""Cameras without a camera: fakes stand for the system's list and for OpenCV's capture."""

import itertools
import threading
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from live_fakes import Sources, Watched, wait_for

from engine.errors import SourceError
from engine.live import EventKind, SessionState
from engine.sources import CameraInfo, SourceSettings, camera, camera_access, camera_list, find_cameras, registry
from engine.sources.camera import MJPG, camera_source
from engine.sources.camera_access import check_access, why_closed
from engine.sources.camera_list import find_camera, match_camera

V4L2, DSHOW, MSMF = cv2.CAP_V4L2, cv2.CAP_DSHOW, cv2.CAP_MSMF


@dataclass
class Listed:
    """What cv2-enumerate-cameras tells."""

    index: int
    name: str
    path: str | None = None


class FakeCapture:
    """A camera that has 640×480 raw and 1280×720 as MJPG, and counts in the red of its pictures."""

    def __init__(self, device: "FakeDevice", back_end: int) -> None:
        self.device, self.back_end = device, back_end
        self.values: dict[int, float] = {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0}
        self.asked: list[int] = []
        self.released = False
        self.taken = 0

    def isOpened(self) -> bool:  # noqa: N802
        return not self.device.busy and self.device.plugged

    def set(self, prop: int, value: float) -> bool:
        self.asked.append(prop)
        if prop in self.device.without:
            return False
        self.values[prop] = value
        return True

    def get(self, prop: int) -> float:
        return 30.0 if prop == cv2.CAP_PROP_FPS else self.values.get(prop, 0.0)

    def read(self):
        self.device.turn.wait(0.002)
        if not self.device.plugged or self.device.damaged_next > 0:
            self.device.damaged_next -= 1
            return False, None
        if self.device.refuses_hd and self.values.get(cv2.CAP_PROP_FOURCC) == MJPG:
            return False, None
        hd = self.values.get(cv2.CAP_PROP_FOURCC) == MJPG
        picture = np.zeros((720, 1280, 3) if hd else (480, 640, 3), np.uint8)
        picture[..., 2] = min(self.taken, 255)
        picture[:, :10, 1] = 255
        self.taken += 1
        return True, picture if self.device.picture is None else self.device.picture

    def release(self) -> None:
        self.released = True


@dataclass
class FakeDevice:
    """One camera that a test can unplug, occupy and break."""

    plugged: bool = True
    busy: bool = False
    refuses_hd: bool = False
    damaged_next: int = 0
    picture: np.ndarray | None = None
    without: set[int] = field(default_factory=set)
    turn: threading.Event = field(default_factory=threading.Event)


class Desk:
    """The cameras of a machine by their number."""

    def __init__(self) -> None:
        self.devices: dict[int, tuple[str, FakeDevice]] = {}
        self.captures: list[FakeCapture] = []

    def plug(self, number: int, name: str, device: FakeDevice | None = None) -> FakeDevice:
        device = device or FakeDevice()
        device.plugged = True
        self.devices[number] = (name, device)
        return device

    def unplug(self, number: int) -> FakeDevice:
        _, device = self.devices.pop(number)
        device.plugged = False
        return device

    def list(self) -> list[CameraInfo]:
        return find_cameras(
            lambda back_end: [Listed(number, name) for number, (name, _) in self.devices.items()], "test"
        )

    def capture(self, number: int, back_end: int) -> FakeCapture:
        device = self.devices[number][1] if number in self.devices else FakeDevice(plugged=False)
        self.captures.append(FakeCapture(device, back_end))
        return self.captures[-1]

    def source(self, text: str, **settings: object):
        return camera_source(text, SourceSettings(**settings), self.list, self.capture)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(camera, "FIRST_WITHIN_S", 0.05)
    monkeypatch.setattr(camera, "FURTHER_WITHIN_S", 0.02)
    monkeypatch.setattr(camera, "TRY_AGAIN_S", 0.001)
    return Desk()


class TestReading:
    def test_gives_pictures_with_rising_numbers_and_times(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        with desk.source("camera:HD Webcam") as source:
            frames = list(itertools.islice(source, 5))
            assert (source.name, source.size, source.fps, source.live) == ("HD Webcam", (640, 480), 30.0, True)
        assert [frame.source for frame in frames] == ["HD Webcam"] * 5
        assert all(a.index < b.index and a.media_s < b.media_s for a, b in itertools.pairwise(frames))
        assert frames[0].media_s >= 0
        assert desk.captures[0].released

    def test_reads_on_by_itself_so_that_the_next_picture_is_new(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        with desk.source("camera") as source:
            first = source.read()
            while desk.captures[0].taken < 20:
                desk.captures[0].device.turn.wait(0.005)
            second = source.read()
        assert first is not None
        assert second is not None
        assert second.index >= 15
        assert second.image[0, 100, 2] == second.index

    def test_turns_and_mirrors(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        with desk.source("camera", rotate=90, mirror=True) as source:
            frame = source.read()
            assert source.size == (480, 640)
        assert frame is not None
        assert frame.image.shape == (640, 480, 3)
        assert (frame.image[:10, :, 1] == 255).all()

    def test_an_interruption_ends_a_read_that_waits(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        source = desk.source("camera")
        source.open()
        threading.Timer(0.02, source.interrupt).start()
        while source.read() is not None:
            pass
        assert source.read() is None
        source.close()
        with source:
            assert source.read() is not None

    def test_passes_over_damaged_pictures(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(camera, "FIRST_WITHIN_S", 30.0)
        monkeypatch.setattr(camera, "FURTHER_WITHIN_S", 30.0)
        device = desk.plug(0, "HD Webcam", FakeDevice(damaged_next=3))
        with desk.source("camera") as source:
            assert source.read() is not None
            device.damaged_next = 3
            assert len(list(itertools.islice(source, 5))) == 5

    @pytest.mark.parametrize(
        "picture",
        [
            np.full((480, 640), 200, np.uint8),
            np.full((480, 640, 1), 5000, np.uint16),
            np.full((48, 64, 4), 9, np.uint8),
        ],
    )
    def test_one_channel_sixteen_bits_and_alpha_become_colour(self, desk: Desk, picture: np.ndarray) -> None:
        desk.plug(0, "Infrared", FakeDevice(picture=picture))
        with desk.source("camera") as source:
            frame = source.read()
        assert frame is not None
        assert frame.image.dtype == np.uint8
        assert frame.image.shape == (*picture.shape[:2], 3)
        assert frame.image.min() > 0

    def test_says_what_it_cannot_read(self, desk: Desk) -> None:
        desk.plug(0, "Odd", FakeDevice(picture=np.zeros((48, 64, 2), np.uint8)))
        with pytest.raises(SourceError, match="“Odd” gives pictures of a kind"):
            desk.source("camera").open()
        assert desk.captures[0].released


class TestFormat:
    def test_hd_is_asked_for_compressed(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        with desk.source("camera", width=1280, height=720, fps=30) as source:
            assert source.size == (1280, 720)
        asked = desk.captures[0].asked
        assert asked.index(cv2.CAP_PROP_FOURCC) < asked.index(cv2.CAP_PROP_FRAME_WIDTH) < asked.index(cv2.CAP_PROP_FPS)

    def test_directshow_is_told_the_compression_after_the_size(self, desk: Desk) -> None:
        capture = FakeCapture(FakeDevice(), DSHOW)
        cameras = [CameraInfo("HD Webcam", "camera:HD Webcam", ((DSHOW, 0),))]
        settings = SourceSettings(width=1280, height=720)
        with camera_source("camera", settings, lambda: cameras, lambda number, back_end: capture):
            pass
        assert capture.asked.index(cv2.CAP_PROP_FRAME_HEIGHT) < capture.asked.index(cv2.CAP_PROP_FOURCC)

    def test_small_pictures_stay_raw(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        with desk.source("camera", width=640, height=480):
            pass
        assert cv2.CAP_PROP_FOURCC not in desk.captures[0].asked

    def test_one_side_brings_the_other_in_proportion(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        with desk.source("camera", height=240):
            pass
        assert desk.captures[0].values[cv2.CAP_PROP_FRAME_WIDTH] == 320

    def test_a_refused_format_falls_back_to_the_cameras_own(self, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
        desk.plug(0, "Old", FakeDevice(refuses_hd=True))
        with desk.source("camera", width=1280, height=720) as source:
            assert source.size == (640, 480)
            assert source.read() is not None
        assert desk.captures[0].released
        assert "“Old” gives nothing at 1280×720; it gives 640×480 instead." in caplog.text

    def test_another_size_than_asked_is_said(self, desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
        desk.plug(0, "Old")
        with desk.source("camera", width=320, height=240):
            pass
        assert "it gives 640×480 instead" in caplog.text

    def test_exposure_and_focus_are_set_or_left_to_the_camera(
        self, desk: Desk, caplog: pytest.LogCaptureFixture
    ) -> None:
        desk.plug(0, "HD Webcam", FakeDevice(without={cv2.CAP_PROP_FOCUS}))
        with desk.source("camera", exposure=-6, focus=30):
            pass
        values = desk.captures[0].values
        assert (values[cv2.CAP_PROP_EXPOSURE], values[cv2.CAP_PROP_AUTOFOCUS]) == (-6, 0)
        assert "no focus that can be set to 30" in caplog.text
        with desk.source("camera"):
            pass
        assert desk.captures[1].values[cv2.CAP_PROP_AUTOFOCUS] == 1
        assert cv2.CAP_PROP_EXPOSURE not in desk.captures[1].asked


class TestLosing:
    def test_unplugging_ends_the_reading_with_a_sentence(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        source = desk.source("camera:HD Webcam")
        source.open()
        assert source.read() is not None
        desk.unplug(0)
        with pytest.raises(SourceError, match="“HD Webcam” gives no pictures any more"):
            list(source)
        source.close()
        assert desk.captures[0].released

    def test_comes_back_by_its_name_when_the_number_changed(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        source = desk.source("camera:HD Webcam")
        source.open()
        device = desk.unplug(0)
        with pytest.raises(SourceError, match="any more"):
            list(source)
        source.close()
        desk.plug(0, "Another")
        with pytest.raises(SourceError, match=r"“HD Webcam” is not connected\. Connected: “Another”"):
            source.open()
        desk.plug(3, "HD Webcam", device)
        with source:
            frame = source.read()
        assert frame is not None
        assert frame.source == "HD Webcam"
        assert frame.index < 100

    def test_a_busy_one_says_so(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam", FakeDevice(busy=True))
        source = desk.source("camera")
        with pytest.raises(SourceError, match="Another program may be using it"):
            source.open()
        assert not source.is_open
        assert desk.captures[0].released

    def test_no_camera_at_all(self, desk: Desk) -> None:
        with pytest.raises(SourceError, match="No camera is connected"):
            desk.source("camera").open()

    def test_a_driver_that_never_answers_does_not_hold_the_caller(self, desk: Desk) -> None:
        desk.plug(0, "Stuck")
        stuck = threading.Event()

        def never(number: int, back_end: int) -> FakeCapture:
            stuck.wait(30)
            return desk.capture(number, back_end)

        source = camera_source("camera", SourceSettings(), desk.list, never)
        source.opening_s, source.closing_s = 0.05, 0.01
        with pytest.raises(SourceError, match="does not answer"):
            source.open()
        threading.Timer(0.02, source.interrupt).start()
        source.opening_s = 30
        with pytest.raises(SourceError, match="given up"):
            source.open()
        stuck.set()

    def test_a_silent_camera_is_an_error_after_the_time_limit(self, desk: Desk, monkeypatch) -> None:
        monkeypatch.setattr(camera, "FURTHER_WITHIN_S", 30.0)
        device = desk.plug(0, "HD Webcam")
        source = desk.source("camera", timeout_s=0.05)
        source.closing_s = 0.01
        source.open()
        device.plugged = False
        with pytest.raises(SourceError, match=r"no picture for 0.05 s"):
            list(source)
        device.plugged = True
        source.close()

    def test_the_next_back_end_is_tried(self, desk: Desk) -> None:
        cameras = [CameraInfo("HD Webcam", "camera:HD Webcam", ((DSHOW, 0), (MSMF, 1)))]
        tried: list[tuple[int, int]] = []

        def capture(number: int, back_end: int) -> FakeCapture:
            tried.append((number, back_end))
            return FakeCapture(FakeDevice(busy=back_end == DSHOW), back_end)

        with camera_source("camera", SourceSettings(), lambda: cameras, capture) as source:
            assert source.read() is not None
        assert tried == [(0, DSHOW), (1, MSMF)]


class TestInASession:
    def test_an_unplugged_camera_comes_back_at_another_number(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        text = "camera:HD Webcam"
        sources = Sources(**{text: lambda settings: camera_source(text, settings, desk.list, desk.capture)})
        with Watched(sources) as watched:
            watched.wait_state(SessionState.RUNNING)
            device = desk.unplug(0)
            lost = watched.wait_event(EventKind.LOST)
            assert "“HD Webcam” gives no pictures any more" in lost.text
            desk.plug(0, "Another")
            desk.plug(2, "HD Webcam", device)
            wait_for(lambda: watched.session.statistics().reconnects == 1)
            info = watched.session.source_info()
        assert info is not None
        assert (info.name, info.live) == ("HD Webcam", True)
        assert all(capture.released for capture in desk.captures)

    def test_nothing_is_left_behind(self, desk: Desk) -> None:
        desk.plug(0, "HD Webcam")
        source = desk.source("camera:HD Webcam")
        for number in range(1, 31):
            with source:
                assert source.read() is not None
                device = desk.unplug(number - 1)
                with pytest.raises(SourceError, match="any more"):
                    list(source)
            desk.plug(number, "HD Webcam", device)
        assert len(desk.captures) == 30
        assert all(capture.released for capture in desk.captures)
        assert not [thread for thread in threading.enumerate() if thread.name == "litepose-grabber"]


class TestListing:
    def test_doubles_are_told_apart_by_where_they_are(self) -> None:
        listed = [Listed(2, "Cam", "/dev/video2"), Listed(0, "Cam", "/dev/video0"), Listed(4, "Other", "/dev/video4")]
        cameras = find_cameras(lambda back_end: listed, "linux")
        assert [camera.name for camera in cameras] == ["Cam", "Cam (2)", "Other"]
        assert len({camera.text for camera in cameras}) == 3
        assert cameras[2].text == "camera:Other"
        for each in cameras:
            assert match_camera(each.text.removeprefix("camera:"), cameras) is each
        # The first one is gone: the second one is still meant by its own text, the first one by none.
        left = find_cameras(lambda back_end: listed[:1], "linux")
        assert find_camera(cameras[1].text, lambda: left).number == 2
        with pytest.raises(SourceError, match="“Cam” is not connected"):
            find_camera(cameras[0].text, lambda: left)

    def test_the_socket_outlasts_the_number(self, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
        names, devices = tmp_path / "by-path", tmp_path / "dev"
        names.mkdir()
        devices.mkdir()
        for number, socket in ((0, "usb-1"), (2, "usb-2")):
            (devices / f"video{number}").touch()
            (names / socket).symlink_to(devices / f"video{number}")
        monkeypatch.setattr(camera_list, "STABLE_NAMES", names)
        listed = [Listed(number, "Cam", str(devices / f"video{number}")) for number in (0, 2)]
        before = find_cameras(lambda back_end: listed, "linux")
        assert [camera.place for camera in before] == ["usb-1", "usb-2"]
        (names / "usb-2").unlink()
        (names / "usb-2").symlink_to(devices / "video5")
        (devices / "video5").touch()
        listed[1] = Listed(5, "Cam", str(devices / "video5"))
        assert find_camera(before[1].text, lambda: find_cameras(lambda back_end: listed, "linux")).number == 5

    def test_two_back_ends_make_one_camera(self) -> None:
        by_back_end = {
            DSHOW: [Listed(0, "OBS", None), Listed(1, "Cam", r"\\?\usb#vid_1#{65E8773D}\global")],
            MSMF: [Listed(0, "Cam", r"\\?\USB#vid_1#{e5323777}\global")],
        }
        cameras = find_cameras(lambda back_end: by_back_end[back_end], "win32")
        assert [camera.name for camera in cameras] == ["OBS", "Cam"]
        assert cameras[1].ways == ((DSHOW, 1), (MSMF, 0))

    def test_parts_of_a_picture_processor_are_no_cameras(self) -> None:
        listed = [Listed(14, "bcm2835-isp", "/dev/video14"), Listed(0, "USB Camera: USB Camera", "/dev/video0")]
        assert [camera.name for camera in find_cameras(lambda back_end: listed, "linux")] == ["USB Camera: USB Camera"]

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("camera", 0),
            ("camera:0", 0),
            ("1", 1),
            ("camera:Logitech C920", 1),
            ("logitech c920", 1),
            ("camera:c920", 1),
            ("/dev/video1", 1),
        ],
    )
    def test_ways_to_say_a_camera(self, text: str, number: int) -> None:
        listed = [Listed(0, "Integrated", "/dev/video0"), Listed(1, "Logitech C920", "/dev/video1")]
        assert find_camera(text, lambda: find_cameras(lambda back_end: listed, "linux")).number == number

    def test_a_part_of_two_names_is_an_error(self) -> None:
        cameras = find_cameras(lambda back_end: [Listed(0, "Cam A"), Listed(1, "Cam B")], "linux")
        with pytest.raises(SourceError, match=r"“Cam A”, “Cam B”\. Write more"):
            find_camera("camera:cam", lambda: cameras)

    def test_a_number_works_where_nothing_can_be_listed(self) -> None:
        def broken() -> list[CameraInfo]:
            raise SourceError("The system does not list its cameras.")

        assert find_camera("camera:7", broken).number == 7
        with pytest.raises(SourceError, match="does not list"):
            find_camera("camera:Cam", broken)

    def test_registry_knows_prefix_number_and_bare_name(self, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
        monkeypatch.chdir(tmp_path)
        cameras = [CameraInfo("HD Webcam", "camera:HD Webcam", ((V4L2, 0),))]
        monkeypatch.setattr(registry, "find_cameras", lambda: cameras)
        for text in ("camera", "camera:0", "camera:HD [Webcam]", "0", "hd webcam", "/dev/video3"):
            assert registry.kind_of(text).name == "camera"
        (tmp_path / "0").mkdir()
        assert registry.kind_of("0").name == "pictures"
        with pytest.raises(SourceError, match="no file, folder, camera"):
            registry.kind_of("Other Webcam")


class TestAccess:
    def test_linux_names_who_holds_the_camera(self, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
        device = tmp_path / "video0"
        device.touch()
        handles = tmp_path / "proc" / "42" / "fd"
        handles.mkdir(parents=True)
        (handles / "7").symlink_to(device)
        (handles.parent / "comm").write_text("meeting\n")
        monkeypatch.setattr(camera_access, "PROCESSES", tmp_path / "proc")
        held = CameraInfo("Cam", "camera:Cam", ((V4L2, 0),), path=str(device))
        assert "“Cam” is in use by “meeting” (process 42)" in why_closed(held)

    def test_linux_says_what_is_missing(self, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
        gone = CameraInfo("Cam", "camera:Cam", ((V4L2, 0),), path=str(tmp_path / "video0"))
        with pytest.raises(SourceError, match="not connected"):
            check_access(gone, "linux")
        (tmp_path / "video0").touch()
        check_access(gone, "linux")
        monkeypatch.setattr(camera_access.os, "access", lambda path, mode: False)
        with pytest.raises(SourceError, match="group “video”"):
            check_access(gone, "linux")

    def test_windows_names_its_privacy_settings(self) -> None:
        assert "Privacy & security" in why_closed(CameraInfo("Cam", "camera:Cam", ((DSHOW, 0),)), "win32")

    @pytest.mark.parametrize(
        ("before", "granted", "message"),
        [(2, None, "System Settings"), (0, False, "System Settings"), (0, None, "Allow it, then")],
    )
    def test_macos_asks_and_explains(self, monkeypatch, before: int, granted: bool | None, message: str) -> None:
        self._macos(monkeypatch, before, granted)
        with pytest.raises(SourceError, match=message):
            check_access(CameraInfo("FaceTime", "camera:FaceTime", ((cv2.CAP_AVFOUNDATION, 0),)), "darwin")

    @pytest.mark.parametrize(("before", "granted"), [(3, None), (0, True)])
    def test_macos_lets_through_what_is_allowed(self, monkeypatch, before: int, granted: bool | None) -> None:
        self._macos(monkeypatch, before, granted)
        check_access(CameraInfo("FaceTime", "camera:FaceTime", ((cv2.CAP_AVFOUNDATION, 0),)), "darwin")

    def test_macos_without_its_package_goes_on_and_says_so(self, monkeypatch, caplog: pytest.LogCaptureFixture) -> None:
        def missing(name: str) -> None:
            raise ModuleNotFoundError(name)

        monkeypatch.setattr(camera_access.importlib, "import_module", missing)
        check_access(CameraInfo("FaceTime", "camera:FaceTime", ((cv2.CAP_AVFOUNDATION, 0),)), "darwin")
        assert "pyobjc-framework-AVFoundation" in caplog.text

    def _macos(self, monkeypatch: pytest.MonkeyPatch, before: int, granted: bool | None) -> None:
        status = [before]

        class Framework:
            AVMediaTypeVideo = "vide"

            class AVCaptureDevice:
                @staticmethod
                def authorizationStatusForMediaType_(media: str) -> int:  # noqa: N802
                    return status[0]

                @staticmethod
                def requestAccessForMediaType_completionHandler_(media: str, handler) -> None:  # noqa: N802
                    if granted is not None:
                        status[0] = 3 if granted else 2
                        handler(granted)

        monkeypatch.setattr(camera_access, "ANSWER_S", 0.02)
        monkeypatch.setattr(camera_access.importlib, "import_module", lambda name: Framework)
