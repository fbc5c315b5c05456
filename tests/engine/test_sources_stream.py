"""Addresses, against a small server on this machine: files, endless pictures, silence and refusals."""

import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from live_fakes import Networks, wait_for
from rtsp_server import RtspServer
from source_files import index_of, times_at, write_clip

from engine.errors import SourceError
from engine.live import Event, EventKind, LiveOptions, LiveSession
from engine.sources import SourceSettings, find_source, kind_of
from engine.sources.demo import DEMO_CLIP
from engine.sources.stream import is_recorded, stream_options, without_password
from engine.sources.video_reader import VideoReader

SHADES = (0, 60, 120, 180, 240)


def jpeg(shade: int) -> bytes:
    return bytes(cv2.imencode(".jpg", np.full((48, 64, 3), shade, np.uint8))[1])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    closing: threading.Event
    clip: bytes

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        try:
            match self.path.partition("?")[0]:
                case "/clip.mp4":
                    self._send_clip(self.clip)
                case "/demo.mp4":
                    self._send_clip(DEMO_CLIP.read_bytes())
                case "/text.mp4":
                    self._send_clip(b"no video" * 500)
                case "/endless.mjpg" | "/short.mjpg" | "/stalls.mjpg":
                    self._send_pictures()
                case "/silent.mp4" | "/silent":
                    self.closing.wait(20)
                case "/locked":
                    self.send_error(401)
                case _:
                    self.send_error(404)
        except OSError:
            # The reader has gone.
            self.close_connection = True

    def _send_clip(self, data: bytes) -> None:
        asked = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        start, end = int(asked[0]), int(asked[2] or len(data) - 1)
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {start}-{end}/{len(data)}")
        self.send_header("Content-Length", str(end + 1 - start))
        self.end_headers()
        self.wfile.write(data[start : end + 1])

    def _send_pictures(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        limit = {"/short.mjpg": 8, "/stalls.mjpg": 8}.get(self.path)
        count = 0
        while not self.closing.is_set() and count != limit:
            data = jpeg(SHADES[count % len(SHADES)])
            head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
            count += 1
            self.closing.wait(0.005)
        if self.path == "/stalls.mjpg":
            self.closing.wait(20)
        self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    clip = write_clip(tmp_path_factory.mktemp("server") / "clip.mp4", times_at(25, 40))
    handler = type("OneServersHandler", (Handler,), {"closing": threading.Event(), "clip": clip.read_bytes()})
    running = Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    handler.closing.set()
    running.shutdown()
    running.server_close()
    thread.join()


class TestRecorded:
    def test_a_file_on_a_server_is_read_whole_and_searched(self, server: str) -> None:
        with find_source(f"{server}/clip.mp4?token=1") as source:
            assert (source.live, source.name, source.frame_count) == (False, "clip.mp4", 40)
            for _ in range(2):
                assert [(frame.index, index_of(frame.image)) for frame in source] == [(i, i) for i in range(40)]
                source.seek(0.0)
            source.seek(1.0)
            frame = source.read()
        assert frame is not None
        assert (frame.media_s, index_of(frame.image)) == (pytest.approx(1.0, abs=0.002), 25)

    def test_the_bundled_clip_from_a_server(self, server: str) -> None:
        with find_source("demo") as clip, find_source(f"{server}/demo.mp4") as source:
            for _ in range(3):
                here, there = clip.read(), source.read()
                assert here is not None
                assert there is not None
                assert np.array_equal(here.image, there.image)

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("/text.mp4", "cannot be read as a video"),
            ("/none.mp4", "The server knows no"),
            ("/none", "The server knows no"),
            ("/locked", "asks for a name and a password"),
        ],
    )
    def test_refusals_are_explained(self, server: str, path: str, message: str) -> None:
        source = find_source(server + path)
        with pytest.raises(SourceError, match=message):
            source.open()
        assert not source.is_open

    def test_an_end_is_recognised_by_its_name(self) -> None:
        assert is_recorded("https://example.org/a/b.MP4?x=1#t")
        for address in ("http://cam/video.mjpeg", "http://cam/live.m3u8", "http://cam/", "rtsp://cam/file.mp4"):
            assert not is_recorded(address)


class TestLive:
    def test_pictures_without_an_end(self, server: str) -> None:
        with find_source(f"{server}/endless.mjpg", SourceSettings(mirror=True)) as source:
            assert (source.live, source.size, source.frame_count) == (True, (64, 48), None)
            frames = [source.read() for _ in range(10)]
        indices = [frame.index for frame in frames if frame is not None]
        assert len(indices) == 10
        assert indices == sorted(set(indices))
        # Which pictures came first is the reader's choice; from there on, each keeps its number.
        shades = [SHADES.index(min(SHADES, key=lambda s: abs(s - frame.image.mean()))) for frame in frames if frame]
        assert len({(shade - index) % len(SHADES) for shade, index in zip(shades, indices)}) == 1

    def test_a_stream_that_ends_is_lost(self, server: str) -> None:
        with (
            find_source(f"{server}/short.mjpg") as source,
            pytest.raises(SourceError, match=r"short\.mjpg” (has ended|stopped)"),
        ):
            list(source)

    def test_silence_after_pictures_is_an_error(self, server: str) -> None:
        source = find_source(f"{server}/stalls.mjpg", SourceSettings(timeout_s=0.3))
        source.open()
        with pytest.raises(SourceError, match=r"no picture for 0\.3 s|nothing came from it for too long"):
            list(source)
        source.close()

    @pytest.mark.parametrize("path", ["/silent", "/silent.mp4"])
    def test_silence_from_the_start_is_an_error(self, server: str, path: str) -> None:
        source = find_source(server + path, SourceSettings(timeout_s=0.3))
        began = time.monotonic()
        with pytest.raises(SourceError, match="does not answer in time"):
            source.open()
        # Far from the many seconds that FFmpeg would wait by itself.
        assert time.monotonic() - began < 8

    def test_an_interruption_does_not_wait_for_the_network(self, server: str) -> None:
        source = find_source(f"{server}/stalls.mjpg", SourceSettings(timeout_s=60.0))
        source.open()
        threading.Timer(0.1, source.interrupt).start()
        began = time.monotonic()
        while source.read() is not None:
            pass
        assert time.monotonic() - began < 20

    def test_nobody_there(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        with pytest.raises(SourceError, match="Nobody answers"):
            find_source(f"http://127.0.0.1:{port}/video").open()

    def test_a_protocol_that_ffmpeg_was_built_without_is_told(self) -> None:
        with pytest.raises(SourceError, match="this installation cannot open"):
            VideoReader("nosuch://camera", "nosuch://camera")

    def test_passwords_are_not_shown(self, server: str) -> None:
        address = server.replace("http://", "http://me:secret@") + "/none"
        source = find_source(address)
        assert source.name == f"{server}/none"
        with pytest.raises(SourceError) as caught:
            source.open()
        assert "secret" not in str(caught.value)
        assert without_password("rtsp://a:b@c@host:554/x?y=@") == "rtsp://host:554/x?y=@"

    @pytest.mark.parametrize("address", ["rtsp://me:secret@[", "http://me:secret@[x/a.mp4"])
    def test_what_is_no_address_is_refused_at_once(self, address: str) -> None:
        with pytest.raises(SourceError, match="not an address") as caught:
            find_source(address)
        assert "secret" not in str(caught.value)


class TestRtsp:
    def test_a_network_camera_gives_pictures_at_once(self) -> None:
        with RtspServer() as server, find_source(server.address, SourceSettings(rotate=90)) as source:
            assert (source.live, source.size) == (True, (48, 64))
            frames = [source.read() for _ in range(5)]
        assert all(frame is not None and 30 < frame.image.mean() < 250 for frame in frames)
        assert [frame.index for frame in frames if frame] == sorted({frame.index for frame in frames if frame})

    def test_a_password_is_asked_for_and_used(self) -> None:
        with RtspServer(password="me:secret") as server:
            with pytest.raises(SourceError, match="asks for a name and a password") as caught:
                find_source(server.address.replace("//", "//me:guessed@")).open()
            assert "guessed" not in str(caught.value)
            with find_source(server.address.replace("//", "//me:secret@")) as source:
                assert source.read() is not None
                assert "secret" not in source.name

    def test_a_camera_that_hangs_up_or_falls_silent_is_lost(self) -> None:
        with RtspServer(pictures=60) as server, find_source(server.address) as source, pytest.raises(SourceError):
            list(source)
        settings = SourceSettings(timeout_s=0.5)
        with RtspServer(silent_after=60) as server, find_source(server.address, settings) as source:
            began = time.monotonic()
            with pytest.raises(SourceError, match=r"no picture for 0\.5 s|nothing came from it"):
                list(source)
        assert time.monotonic() - began < 15

    def test_a_live_session_comes_back_to_it(self) -> None:
        events: list[Event] = []
        with RtspServer(pictures=60) as server:
            options = LiveOptions(server.address, stall_s=1.0)
            with LiveSession(options, events.append, estimator_factory=Networks()) as session:
                wait_for(lambda: session.statistics().reconnects > 0)
                index = session.latest().index
                wait_for(lambda: session.latest().index > index)
            assert server.clients >= 2
        kinds = [event.kind for event in events]
        assert EventKind.LOST in kinds
        assert EventKind.FAILURE not in kinds


def test_addresses_are_told_from_files() -> None:
    for text in ("rtsp://cam/1", "http://cam/?action=stream", "udp://@:1234", "HTTP://cam/picture.jpg"):
        assert kind_of(text).name == "stream"
    assert kind_of("https://example.org/match.mp4").name == "web video"
    with pytest.raises(SourceError, match="address of a kind that is not known"):
        kind_of("gopher://old/video")


def test_rtsp_goes_over_tcp_with_a_time_limit() -> None:
    options = stream_options("rtsp://cam/1", 2.5)
    assert options["rtsp_transport"] == "tcp"
    assert options["timeout"] == "2500000"
    assert options["fflags"] == "nobuffer"
