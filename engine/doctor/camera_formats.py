"""The formats that a camera offers, asked of the Video4Linux driver. Linux only.

Structures and numbers are those of the kernel's <linux/videodev2.h>.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CAPTURE = 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE
DISCRETE = 1  # V4L2_FRMSIZE_TYPE_DISCRETE and V4L2_FRMIVAL_TYPE_DISCRETE
FORMAT = struct.Struct("=III32sII12x")  # v4l2_fmtdesc: index, type, flags, description, pixel format, mbus code
# v4l2_frmsizeenum: index, pixel format, type; width, height or their least, most, step
SIZE = struct.Struct("=III6I8x")
# v4l2_frmivalenum: index, pixel format, width, height, type; one fraction of a second or the least, most, step
INTERVAL = struct.Struct("=IIIII6I8x")
MOST = 200  # of each; a driver that never ends its list is not waited for

Ask = Callable[[int, int, bytearray], None]
"""ioctl(file descriptor, request, buffer): fills the buffer, or raises OSError with EINVAL behind the last entry."""


def _request(number: int, layout: struct.Struct) -> int:
    """_IOWR('V', number, structure)."""
    return 3 << 30 | layout.size << 16 | ord("V") << 8 | number


ENUM_FORMATS, ENUM_SIZES, ENUM_INTERVALS = _request(2, FORMAT), _request(74, SIZE), _request(75, INTERVAL)


@dataclass(frozen=True, slots=True)
class CameraFormat:
    """fourcc: of the pixels, such as "MJPG". size: width and height. rates: frames a second, fastest first; empty where
    the driver does not tell."""

    fourcc: str
    size: tuple[int, int]
    rates: tuple[float, ...]

    def __str__(self) -> str:
        rates = f" at {', '.join(f'{rate:g}' for rate in self.rates)} frames/s" if self.rates else ""
        return f"{self.fourcc} {self.size[0]}×{self.size[1]}{rates}"


def _ioctl(file: int, request: int, buffer: bytearray) -> None:
    fcntl.ioctl(file, request, buffer)


def formats(path: Path, ask: Ask = _ioctl) -> list[CameraFormat]:
    """Of the camera with device file `path`, whether another program uses it or not. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        found = []
        for entry in _entries(ask, file, ENUM_FORMATS, FORMAT, (CAPTURE, 0, b"", 0, 0)):
            pixels = entry[4]
            fourcc = pixels.to_bytes(4, "little").decode("ascii", "replace").strip()
            for size in _sizes(ask, file, pixels):
                found.append(CameraFormat(fourcc, size, _rates(ask, file, pixels, size)))
        return found
    finally:
        os.close(file)


def _sizes(ask: Ask, file: int, pixels: int) -> Iterator[tuple[int, int]]:
    """Largest first. Of a range, the largest alone."""
    sizes = set()
    for entry in _entries(ask, file, ENUM_SIZES, SIZE, (pixels, 0, *[0] * 6)):
        kind, numbers = entry[2], entry[3:]
        sizes.add((numbers[0], numbers[1]) if kind == DISCRETE else (numbers[1], numbers[4]))
    return iter(sorted(sizes, reverse=True))


def _rates(ask: Ask, file: int, pixels: int, size: tuple[int, int]) -> tuple[float, ...]:
    """Fastest first. Of a range, the fastest alone: that of the least time."""
    entries = _entries(ask, file, ENUM_INTERVALS, INTERVAL, (pixels, *size, 0, *[0] * 6))
    fractions = [entry[5:7] for entry in entries]
    return tuple(sorted({round(below / above, 2) for above, below in fractions if above}, reverse=True))


def _entries(
    ask: Ask, file: int, request: int, layout: struct.Struct, question: tuple[Any, ...]
) -> Iterator[tuple[Any, ...]]:
    """Asks for entry 0, 1, … until there are no more, or at once where the driver does not know the request."""
    for index in range(MOST):
        buffer = bytearray(layout.pack(index, *question))
        try:
            ask(file, request, buffer)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY):
                return
            raise
        yield layout.unpack(buffer)
