"""Keypoints as JSON lines over a local WebSocket, so that other programs can use the poses while they are new."""

import http
import logging
import queue
import socket
import threading

import numpy as np
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

from engine.errors import SinkError
from engine.keypoint_files import FrameRecord
from engine.sinks import Sink
from engine.streaming.access import LOOPBACK, Access
from engine.types import Frame, Poses

logger = logging.getLogger(__name__)

MOST_CLIENTS = 8
# A client that is this many frames behind is dropped: two seconds at 30 frames a second.
MOST_WAITING = 60
# Clients have nothing to say.
LONGEST_MESSAGE = 1024


class KeypointServer(Sink):
    """Sends one message for each frame, in the form of a line of a .jsonl keypoint file, to everyone who knows the address.

    port: 0 takes a free one. Raises SinkError where the port cannot be had.
    """

    def __init__(self, port: int = 0) -> None:
        self._lock = threading.Lock()
        self._clients: dict[ServerConnection, queue.Queue[str | None]] = {}
        self._closed = False
        try:
            self._server: Server = serve(
                self._serve,
                LOOPBACK,
                port,
                compression=None,
                process_request=self._check,
                ping_interval=None,
                max_size=LONGEST_MESSAGE,
                close_timeout=0.5,
                logger=logger.getChild("server"),
            )
        except OSError as error:
            raise SinkError(
                f"The keypoint stream cannot use port {port}: {error.strerror or error}. Choose another one."
            ) from error
        self.access = Access(self._server.socket.getsockname()[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="litepose-websocket", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return self.access.address("ws")

    @property
    def clients(self) -> int:
        return len(self._clients)

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        with self._lock:
            clients = list(self._clients.items())
        if not clients:
            return
        line = FrameRecord.of(frame, poses).line()
        for client, lines in clients:
            try:
                lines.put_nowait(line)
            except queue.Full:
                logger.info("a client of the keypoint stream was too slow and was dropped")
                self._drop(client)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with self._lock:
            clients = list(self._clients.items())
        for client, lines in clients:
            try:
                lines.put_nowait(None)
            except queue.Full:
                self._drop(client)
        self._server.shutdown()
        self._thread.join()

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        headers = {name: request.headers.get(name) for name in ("Host", "Origin")}
        refusal = self.access.refusal(request.path, headers)
        if refusal is None and len(self._clients) >= MOST_CLIENTS:
            refusal = 503
        return None if refusal is None else connection.respond(http.HTTPStatus(refusal), "")

    def _serve(self, connection: ServerConnection) -> None:
        """One client, in its own thread."""
        lines: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        with self._lock:
            # Many may have been let in at the same moment.
            if self._closed or len(self._clients) >= MOST_CLIENTS:
                return
            self._clients[connection] = lines
        try:
            while (line := lines.get()) is not None:
                connection.send(line)
        except (ConnectionClosed, OSError):
            logger.debug("a client of the keypoint stream went away")
        finally:
            with self._lock:
                self._clients.pop(connection, None)

    def _drop(self, client: ServerConnection) -> None:
        """Without a farewell: who does not read would not hear it, and its thread may hang in sending."""
        with self._lock:
            self._clients.pop(client, None)
        try:
            client.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            logger.debug("the client was gone already")
