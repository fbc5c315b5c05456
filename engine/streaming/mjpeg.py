"""The annotated picture as motion JPEG over HTTP, for browsers, OBS and whatever else shows such a stream."""

import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError
from engine.sinks import Sink
from engine.streaming.access import LOOPBACK, Access
from engine.types import Frame, Poses

logger = logging.getLogger(__name__)

MOST_CLIENTS = 8
QUALITY = 80
# Connections that have not asked for anything yet among them; each costs a thread.
MOST_CONNECTIONS = 32
# A whole request must have come by then, however steadily its bytes drip in.
REQUEST_S = 5.0
# A client that takes none of a picture for so long is dropped.
SEND_TIMEOUT_S = 2.0
BOUNDARY = "picture"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>LitePose Live</title>
<style>html,body{margin:0;height:100%;background:#111}img{width:100%;height:100%;object-fit:contain}</style>
<img src="stream.mjpg" alt="people with their skeletons"></html>
"""


class MjpegServer(Sink):
    """Serves the newest picture to everyone who knows the address; nobody gets old ones, and nobody holds anything up.

    port: 0 takes a free one. Raises SinkError where the port cannot be had.
    """

    wants_picture = True

    def __init__(self, port: int = 0, *, quality: int = QUALITY) -> None:
        self._quality = quality
        self._changed = threading.Condition()
        self._picture: NDArray[np.uint8] | None = None
        self._jpeg: bytes | None = None
        self._number = 0
        self._clients: set[socket.socket] = set()
        self._closed = False
        handler = type("Handler", (_Handler,), {"owner": self})
        try:
            self._server = _Server((LOOPBACK, port), handler)
        except OSError as error:
            raise SinkError(
                f"The picture stream cannot use port {port}: {error.strerror or error}. Choose another one."
            ) from error
        self.access = Access(self._server.server_address[1])
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.1,), name="litepose-mjpeg", daemon=True),
            threading.Thread(target=self._encode, name="litepose-jpeg", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def address(self) -> str:
        """Of a page that shows the stream; `stream.mjpg` beside it is the stream itself."""
        return self.access.address("http", "/")

    @property
    def clients(self) -> int:
        return len(self._clients)

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        """Keeps the picture until the next one comes; it must not be written into afterwards."""
        with self._changed:
            self._picture = frame.image if annotated is None else annotated
            self._changed.notify_all()

    def close(self) -> None:
        if self._closed:
            return
        with self._changed:
            self._closed = True
            clients = list(self._clients)
            self._changed.notify_all()
        self._server.shutdown()
        for client in clients:
            _cut(client)
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def _encode(self) -> None:
        """Once for all clients, and only where there are any."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or (self._picture is not None and bool(self._clients)))
                if self._closed:
                    return
                assert self._picture is not None
                picture, self._picture = self._picture, None
            made, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
            if made:
                with self._changed:
                    self._jpeg, self._number = data.tobytes(), self._number + 1
                    self._changed.notify_all()

    # For the clients' threads.

    def enter(self, client: socket.socket) -> bool:
        """False where there are enough clients, or no server any more."""
        with self._changed:
            if self._closed or len(self._clients) >= MOST_CLIENTS:
                return False
            self._clients.add(client)
            self._changed.notify_all()
            return True

    def leave(self, client: socket.socket) -> None:
        with self._changed:
            self._clients.discard(client)

    def next_jpeg(self, after: int) -> tuple[int, bytes] | None:
        """Waits for a picture newer than number `after`; None when the server closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._jpeg is not None and self._number > after))
            return None if self._closed or self._jpeg is None else (self._number, self._jpeg)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = True
    # On Windows, reusing an address would let two servers have the same port.
    allow_reuse_address = False
    # Of connections that wait to be accepted. The usual five let a crowd keep a new client out for seconds.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._since_s: dict[Any, float] = {}
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            room = len(self._since_s) < MOST_CONNECTIONS
            if room:
                self._since_s[request] = time.monotonic()
        if room:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._since_s.pop(request, None)
        super().shutdown_request(request)

    def asked(self, request: Any) -> None:
        """Its request is complete; from now on only sending is timed."""
        with self._lock:
            if request in self._since_s:
                self._since_s[request] = float("inf")

    def service_actions(self) -> None:
        """Ten times a second: cuts off who does not come to the point."""
        latest_s = time.monotonic() - REQUEST_S
        with self._lock:
            late = [request for request, since_s in self._since_s.items() if since_s < latest_s]
        for request in late:
            _cut(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a client of the picture stream went away", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    owner: MjpegServer
    server: _Server
    timeout = SEND_TIMEOUT_S
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.asked(self.connection)
        headers = {name: self.headers.get(name) for name in ("Host", "Origin")}
        refusal = self.owner.access.refusal(self.path, headers)
        what = self.path.split("/")[2:]
        if refusal is None and what not in ([""], ["stream.mjpg"]):
            refusal = 404
        if refusal is not None:
            self.send_error(refusal)
        elif what == [""]:
            self._send_page()
        elif self.owner.enter(self.connection):
            try:
                self._send_stream()
            except (OSError, ValueError):
                logger.info("a client of the picture stream was slow or went away")
            finally:
                self.owner.leave(self.connection)
        else:
            self.send_error(503)

    def _send_page(self) -> None:
        page = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(page)

    def _send_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        number = 0
        while (newest := self.owner.next_jpeg(number)) is not None:
            number, jpeg = newest
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server uses
        # The path holds the token.
        logger.debug("picture stream: a request from %s", self.client_address[0])


def _cut(client: socket.socket) -> None:
    try:
        client.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("the client was gone already")
