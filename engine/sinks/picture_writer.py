"""Annotated pictures in a folder, under the names of their sources."""

import contextlib
import zlib
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError
from engine.sinks.output_file import FORBIDDEN_IN_NAMES, file_stem, free_path, write_failure
from engine.sinks.sink import Sink
from engine.sources.picture_file import is_picture
from engine.types import Frame, Poses

JPEG_QUALITY = 92
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe")
# Written into every picture: only what carries it may be overwritten, so that no input is ever lost.
MARK = b"annotated by LitePose Live"
MARK_WITHIN = 512  # bytes from the start of a file


class PictureWriter(Sink):
    """Saves pictures under their source's own name, in the same subfolders, and frames of a video as `NAME-000123.jpg`.

    JPEG and PNG keep their format, others become JPEG. A name that is taken gets a number; with `overwrite`, annotated
    pictures of an earlier run are replaced, and nothing else ever is.
    """

    wants_picture = True

    def __init__(self, folder: Path, *, overwrite: bool = False) -> None:
        self.folder = folder
        self._overwrite = overwrite
        self._written: set[Path] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise SinkError(f"“{folder}” is a file. Give a folder for the annotated pictures.") from None
        except OSError as error:
            raise write_failure(folder, error) from error

    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        path = self.folder / picture_name(frame)
        data = encode_picture(frame.image if annotated is None else annotated, path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path in self._written or not (self._overwrite and _is_ours(path)):
                path = free_path(path)
            _store(path, data)
        except OSError as error:
            raise write_failure(path, error) from error
        self._written.add(path)

    def close(self) -> None:
        pass


def picture_name(frame: Frame) -> Path:
    """The path of a frame's picture within the folder."""
    if not is_picture(Path(frame.source)):
        return Path(f"{file_stem(frame.source)}-{frame.index:06d}.jpg")
    # Names of pictures from folders that have nothing in common are absolute.
    parts = [FORBIDDEN_IN_NAMES.sub("_", part) for part in PurePosixPath(frame.source.replace("\\", "/")).parts]
    path = Path(*[part for part in parts if part not in ("_", "..", ".")])
    return path if path.suffix.lower() in (*JPEG_SUFFIXES, ".png") else path.with_suffix(".jpg")


def encode_picture(image: NDArray[np.uint8], path: Path) -> bytes:
    """The bytes of a JPEG or PNG file with our mark in it. Raises SinkError."""
    suffix = ".png" if path.suffix.lower() == ".png" else ".jpg"
    try:
        good, encoded = cv2.imencode(suffix, image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    except cv2.error:
        good = False
    if not good:
        height, width = image.shape[:2]
        raise SinkError(f"“{path}”: a picture of {width}×{height} pixels cannot be saved in this format.")
    data = encoded.tobytes()
    if suffix == ".png":
        chunk = b"tEXtComment\0" + MARK
        marked = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        start = 8 + 25  # signature and IHDR, which must come first
    else:
        marked = b"\xff\xfe" + (len(MARK) + 2).to_bytes(2, "big") + MARK
        start = 2 + 2 + int.from_bytes(data[4:6], "big")  # the JFIF header comes first
    return data[:start] + marked + data[start:]


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return MARK in file.read(MARK_WITHIN)
    except FileNotFoundError:
        return False


def _store(path: Path, data: bytes) -> None:
    """All or nothing."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
