"""A network camera for the tests: just enough of RTSP (RFC 2326) and RTP (RFC 3550, RFC 6184) for one H.264 stream over TCP."""

import base64
import re
import socket
import struct
import threading
from fractions import Fraction

import av
import numpy as np

CLOCK = 90_000
PAYLOAD_TYPE = 96
START_CODE = re.compile(b"\x00\x00\x00\x01|\x00\x00\x01")


def encoded_pictures(count: int, size: tuple[int, int]) -> list[list[bytes]]:
    """NAL units of `count` grey pictures, each brighter than the one before it; every tenth can be begun with."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height = size
    context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 25), Fraction(25)
    context.options = {"tune": "zerolatency", "x264-params": "keyint=10:repeat-headers=1:slices=1:sliced-threads=0"}
    pictures = []
    for index in range(count):
        image = np.full((size[1], size[0], 3), 40 + 4 * (index % 50), np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts = index
        data = b"".join(bytes(packet) for packet in context.encode(frame))
        pictures.append([unit for unit in START_CODE.split(data) if unit])
    return pictures


class RtspServer:
    """Serves one camera at `address` to one client after the other, a picture every 10 ms, until it is closed.

    pictures: how many a client gets before the connection is cut; None: without end.
    silent_after: sends nothing more after so many, and keeps the connection.
    """

    def __init__(self, *, pictures: int | None = None, silent_after: int | None = None, password: str = "") -> None:
        self._limit, self._silent_after = pictures, silent_after
        self._authorization = "Basic " + base64.b64encode(password.encode()).decode() if password else ""
        self._pictures = encoded_pictures(50, (64, 48))
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self.port = self._listener.getsockname()[1]
        self.clients = 0
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def __enter__(self) -> "RtspServer":
        return self

    def __exit__(self, *unused: object) -> None:
        self._closing.set()
        self._thread.join()
        self._listener.close()

    @property
    def address(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/stream1"

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.clients += 1
            client.settimeout(5)
            try:
                with client, client.makefile("rb") as requests:
                    self._serve(client, requests)
            except OSError:
                # It has gone.
                continue

    def _serve(self, client: socket.socket, requests) -> None:
        while first := requests.readline():
            method, _, _ = first.decode().partition(" ")
            headers = {}
            while (line := requests.readline().decode().strip()) and ":" in line:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            sequence = headers.get("cseq", "0")
            if self._authorization and headers.get("authorization") != self._authorization:
                self._answer(client, sequence, "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"')
                continue
            match method:
                case "OPTIONS":
                    self._answer(client, sequence, "200 OK", "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
                case "DESCRIBE":
                    lines = "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "t=0 0", f"m=video 0 RTP/AVP {PAYLOAD_TYPE}"
                    more = f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK}", "a=control:track0"
                    body = "\r\n".join([*lines, *more, ""])
                    self._answer(client, sequence, "200 OK", "Content-Type: application/sdp", body=body)
                case "SETUP":
                    transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
                    self._answer(client, sequence, "200 OK", transport, "Session: 1")
                case "PLAY":
                    self._answer(client, sequence, "200 OK", "Session: 1")
                    self._play(client)
                    return
                case _:
                    self._answer(client, sequence, "501 Not Implemented")

    def _answer(self, client: socket.socket, sequence: str, status: str, *headers: str, body: str = "") -> None:
        lines = [f"RTSP/1.0 {status}", f"CSeq: {sequence}", *headers, f"Content-Length: {len(body)}", "", body]
        client.sendall("\r\n".join(lines).encode())

    def _play(self, client: socket.socket) -> None:
        number = sequence = 0
        while number != self._limit and not self._closing.wait(0.01):
            if number == self._silent_after:
                self._closing.wait()
                return
            units = self._pictures[number % len(self._pictures)]
            for unit in units:
                last = unit is units[-1]
                header = struct.pack(">BBHII", 0x80, PAYLOAD_TYPE | last << 7, sequence & 0xFFFF, number * 3600, 1)
                client.sendall(b"$\x00" + struct.pack(">H", len(header) + len(unit)) + header + unit)
                sequence += 1
            number += 1
