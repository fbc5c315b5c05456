"""Streams for other programs: what they get, and who gets nothing."""

import json
import socket
import sys
import threading
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from types import SimpleNamespace
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from live_fakes import one_person, wait_for
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from engine.errors import SinkError
from engine.streaming import KeypointServer, MjpegServer, VirtualCamera
from engine.types import Frame


def frame(index=0, size=(64, 48), grey=0):
    return Frame(np.full((size[1], size[0], 3), grey, np.uint8), index, time.monotonic_ns(), index / 30, "camera")


@pytest.fixture
def mjpeg():
    with MjpegServer() as server:
        yield server


@pytest.fixture
def keypoints():
    with KeypointServer() as server:
        yield server


def ask(server, path, **headers):
    connection = HTTPConnection("127.0.0.1", server.access.port, timeout=5)
    connection.request("GET", path, headers=headers)
    return connection, connection.getresponse()


def read_picture(response):
    """The next JPEG of a stream."""
    length = 0
    while (line := response.fp.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length"):
            length = int(line.split(b":")[1])
    data = response.fp.read(length)
    response.fp.readline()
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def read_all(client):
    while True:
        client.recv(timeout=5)


def test_a_browser_gets_the_newest_picture(mjpeg):
    connection, response = ask(mjpeg, f"/{mjpeg.access.token}/stream.mjpg")
    assert response.status == 200
    assert response.getheader("Content-Type").startswith("multipart/x-mixed-replace")
    wait_for(lambda: mjpeg.clients == 1)
    for grey in (50, 200):
        mjpeg.write(frame(grey=0), one_person(10, 10), np.full((48, 64, 3), grey, np.uint8))
        picture = read_picture(response)
        assert picture.shape == (48, 64, 3)
        assert abs(int(picture.mean()) - grey) <= 2
    connection.close()


def test_a_client_that_left_is_forgotten(mjpeg):
    connection, response = ask(mjpeg, f"/{mjpeg.access.token}/stream.mjpg")
    wait_for(lambda: mjpeg.clients == 1)
    response.close()
    connection.close()

    def gone():
        mjpeg.write(frame(), one_person(1, 1), None)
        return mjpeg.clients == 0

    wait_for(gone)


def test_the_page_shows_the_stream_and_tells_its_address_to_nobody(mjpeg):
    assert mjpeg.address == f"http://127.0.0.1:{mjpeg.access.port}/{mjpeg.access.token}/"
    connection, response = ask(mjpeg, f"/{mjpeg.access.token}/")
    assert response.status == 200
    assert b"stream.mjpg" in response.read()
    assert response.getheader("Referrer-Policy") == "no-referrer"
    connection.close()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 404),
        ("/stream.mjpg", {}, 404),
        ("/wrong/stream.mjpg", {}, 404),
        ("/{token}x/stream.mjpg", {}, 404),
        ("/{token}/other", {}, 404),
        ("/{token}/../{token}/stream.mjpg", {}, 404),
        ("/{token}/stream.mjpg", {"Host": "evil.example"}, 403),
        ("/{token}/stream.mjpg", {"Host": "evil.example:{port}"}, 403),
        ("/{token}/stream.mjpg", {"Origin": "http://evil.example"}, 403),
        ("/{token}/stream.mjpg", {"Origin": "null"}, 403),
    ],
)
def test_strangers_get_no_picture(mjpeg, path, headers, status):
    fill = {"token": mjpeg.access.token, "port": mjpeg.access.port}
    headers = {name: value.format(**fill) for name, value in headers.items()}
    connection, response = ask(mjpeg, path.format(**fill), **headers)
    assert response.status == status
    assert mjpeg.access.token.encode() not in response.read()
    connection.close()


def test_own_pages_and_localhost_are_let_in(mjpeg):
    port = mjpeg.access.port
    for headers in ({"Host": f"localhost:{port}"}, {"Origin": f"http://127.0.0.1:{port}"}):
        connection, response = ask(mjpeg, f"/{mjpeg.access.token}/", **headers)
        assert response.status == 200
        response.read()
        connection.close()


def test_streams_are_for_this_machine_only(mjpeg, keypoints):
    assert mjpeg._server.server_address[0] == "127.0.0.1"
    assert keypoints._server.socket.getsockname()[0] == "127.0.0.1"


def test_each_server_has_another_token():
    with MjpegServer() as one, MjpegServer() as other:
        assert one.access.token != other.access.token
        assert len(one.access.token) >= 30


def test_a_client_that_does_not_read_is_dropped_and_holds_nobody_up(mjpeg, monkeypatch):
    from engine.streaming import mjpeg as module

    monkeypatch.setattr(module._Handler, "timeout", 0.2)
    lazy = socket.create_connection(("127.0.0.1", mjpeg.access.port))
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.sendall(
        f"GET /{mjpeg.access.token}/stream.mjpg HTTP/1.1\r\nHost: 127.0.0.1:{mjpeg.access.port}\r\n\r\n".encode()
    )
    wait_for(lambda: mjpeg.clients == 1)
    noise = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    slowest = 0.0

    def written():
        nonlocal slowest
        start = time.monotonic()
        mjpeg.write(frame(), one_person(1, 1), noise)
        slowest = max(slowest, time.monotonic() - start)
        return mjpeg.clients == 0

    wait_for(written)
    assert slowest < 1
    lazy.close()


def test_a_port_that_is_taken_is_told(mjpeg, keypoints):
    with pytest.raises(SinkError, match=f"port {mjpeg.access.port}"):
        MjpegServer(mjpeg.access.port)
    with pytest.raises(SinkError, match=f"port {keypoints.access.port}"):
        KeypointServer(keypoints.access.port)


@pytest.mark.parametrize("make", [MjpegServer, KeypointServer])
def test_closing_leaves_no_thread_and_frees_the_port(make):
    before = set(threading.enumerate())
    server = make()
    port = server.access.port
    with ExitStack() as clients:
        if make is MjpegServer:
            connection, _ = ask(server, f"/{server.access.token}/stream.mjpg")
            clients.callback(connection.close)
        else:
            clients.enter_context(connect(server.address))
        wait_for(lambda: server.clients == 1)
        server.close()
        server.close()
    wait_for(lambda: set(threading.enumerate()) <= before)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_programs_get_every_frame_as_a_line(keypoints):
    with connect(keypoints.address) as client:
        wait_for(lambda: keypoints.clients == 1)
        for index in range(3):
            keypoints.write(frame(index), one_person(20, 10), None)
        lines = [json.loads(client.recv(timeout=5)) for _ in range(3)]
    assert [line["frame"] for line in lines] == [0, 1, 2]
    assert lines[1]["time_s"] == pytest.approx(1 / 30, abs=1e-5)
    assert lines[0]["people"][0]["keypoints"][0][:2] == [20, 10]


def test_strangers_get_no_keypoints(keypoints):
    port = keypoints.access.port
    for address, origin, status in (
        (f"ws://127.0.0.1:{port}/", None, 404),
        (f"ws://127.0.0.1:{port}/wrong", None, 404),
        (keypoints.address, "http://evil.example", 403),
    ):
        with pytest.raises(InvalidStatus) as refused:
            connect(address, origin=origin)
        assert refused.value.response.status_code == status
    with socket.create_connection(("127.0.0.1", port)) as raw, pytest.raises(InvalidStatus) as refused:
        connect(f"ws://evil.example:{port}/{keypoints.access.token}", sock=raw)
    assert refused.value.response.status_code == 403


def test_a_program_that_does_not_read_is_dropped(keypoints):
    # Its own reading stops after the first few messages.
    with connect(keypoints.address, max_queue=1) as client:
        wait_for(lambda: keypoints.clients == 1)
        people = one_person(20, 10)
        crowd = people[np.zeros(200, np.intp)]

        def written():
            keypoints.write(frame(), crowd, None)
            return keypoints.clients == 0

        wait_for(written)
        with pytest.raises(ConnectionClosed):
            read_all(client)


class FakeCamera:
    made: ClassVar[list[Any]] = []

    def __init__(self, *, width, height, fps, device):
        self.width, self.height, self.fps, self.device = width, height, fps, device or "/dev/video9"
        self.sent, self.closed = [], False
        FakeCamera.made.append(self)

    def send(self, picture):
        self.sent.append(picture)

    def close(self):
        self.closed = True


def test_a_virtual_camera_shows_the_annotated_picture(monkeypatch):
    FakeCamera.made.clear()
    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=FakeCamera))
    with VirtualCamera(fps=25) as camera:
        assert camera.name is None
        blue = np.zeros((47, 64, 3), np.uint8)
        blue[..., 0] = 255
        camera.write(frame(size=(64, 47)), one_person(1, 1), blue)
        camera.write(frame(size=(32, 32), grey=9), one_person(1, 1), None)
        assert camera.name == "/dev/video9"
    (device,) = FakeCamera.made
    assert (device.width, device.height, device.fps, device.closed) == (64, 48, 25, True)
    assert [picture.shape for picture in device.sent] == [(48, 64, 3)] * 2
    assert device.sent[0][0, 0].tolist() == [0, 0, 255], "RGB"


def test_without_a_virtual_camera_the_user_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(SinkError, match="pip install pyvirtualcam"):
        VirtualCamera()

    def none(**unused):
        raise RuntimeError("No camera registered.")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=none))
    with pytest.raises(SinkError, match=r"No camera registered\. On Linux it needs v4l2loopback"):
        VirtualCamera().write(frame(), one_person(1, 1), None)
