"""The streams under siege by programs of the same machine: whoever is let in already goes on getting what is new."""

import socket
import threading
from contextlib import ExitStack, suppress
from http.client import HTTPConnection

import numpy as np
import pytest
from live_fakes import one_person, wait_for
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from engine.streaming import KeypointServer, MjpegServer, mjpeg, websocket
from engine.types import Frame

CROWD = 200
PICTURE = Frame(np.zeros((48, 64, 3), np.uint8), 0, 0, 0.0, "camera")


@pytest.fixture
def server():
    with MjpegServer() as server:
        yield server


def watch(server: MjpegServer) -> tuple[HTTPConnection, object]:
    connection = HTTPConnection("127.0.0.1", server.access.port, timeout=10)
    connection.request("GET", f"/{server.access.token}/stream.mjpg")
    return connection, connection.getresponse()


def gets_pictures(server: MjpegServer, response) -> bool:
    server.write(PICTURE, one_person(1, 1), None)
    return b"--picture" in response.fp.readline() + response.fp.readline()


def gone(client: socket.socket) -> bool:
    """Whether the server has hung up; what it said before is passed over."""
    client.settimeout(10)
    with suppress(ConnectionError):
        while client.recv(65536):
            pass
    return True


def test_a_request_that_drips_in_is_cut_off(server, monkeypatch):
    monkeypatch.setattr(mjpeg, "REQUEST_S", 0.3)
    with socket.create_connection(("127.0.0.1", server.access.port)) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")

        def refused():
            try:
                slow.sendall(b"X-A: b\r\n")
            except OSError:
                return True
            slow.settimeout(0.05)
            try:
                return slow.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        wait_for(refused, "the end of the connection")


def test_hundreds_of_connections_cost_few_threads_and_hold_nobody_up(server):
    connection, response = watch(server)
    wait_for(lambda: server.clients == 1)
    before = threading.active_count()
    with ExitStack() as crowd:
        for _ in range(CROWD):
            client = crowd.enter_context(socket.create_connection(("127.0.0.1", server.access.port)))
            client.sendall(b"GET /")
        assert threading.active_count() - before <= mjpeg.MOST_CONNECTIONS
        assert gets_pictures(server, response)
    connection.close()

    def served_again():
        with suppress(OSError):
            again, answer = watch(server)
            again.close()
            return answer.status == 200
        return False

    wait_for(served_again, "room for a new client")


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 5_000 + b"\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n" + b"a" * 200_000,
        b"GET \xff\xfe HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00" + b"\x00" * 500 + b"\n",
        b"\r\n" * 100,
    ],
)
def test_requests_that_are_none_are_hung_up_on(server, request_text):
    with socket.create_connection(("127.0.0.1", server.access.port)) as client:
        with suppress(OSError):  # it may hang up before everything is sent
            client.sendall(request_text)
            client.shutdown(socket.SHUT_WR)
        assert gone(client)
    connection, response = watch(server)
    wait_for(lambda: server.clients == 1)
    assert gets_pictures(server, response)
    connection.close()


def test_no_more_programs_than_there_is_room_for_and_none_that_talks():
    with KeypointServer() as server, ExitStack() as stack:
        inside = []

        def enter():
            with suppress(OSError, InvalidHandshake, EOFError):
                inside.append(stack.enter_context(connect(server.address)))

        threads = [threading.Thread(target=enter) for _ in range(3 * websocket.MOST_CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: server.clients == websocket.MOST_CLIENTS)
        with server._lock:
            ports = {client.remote_address[1] for client in server._clients}
        talker = next(client for client in inside if client.local_address[1] in ports)
        with suppress(ConnectionClosed):
            talker.send("a" * 10_000)

        def refused():
            server.write(PICTURE, one_person(1, 1), None)
            try:
                talker.recv(timeout=0.05)
            except TimeoutError:
                return False
            except ConnectionClosed as closed:
                return closed.rcvd is not None and closed.rcvd.code == 1009
            return False

        wait_for(refused, "the refusal of a long message")
