"""Opens files for results: never over an existing one, with a clear sentence where that cannot be, and safe when the disk fills."""

import contextlib
import errno
import os
import re
import shutil
from datetime import datetime
from pathlib import Path

from engine.errors import SinkError
from engine.sources.picture_file import PICTURE_SUFFIXES
from engine.sources.video_file import VIDEO_SUFFIXES

# Not allowed in file names by Windows; a slash by nobody.
FORBIDDEN_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')
LONGEST_STEM = 100


def file_stem(name: str) -> str:
    """A source's name, without the ending of a file, as the beginning of a file name on any system."""
    ending = Path(name).suffix
    if ending.lower() in (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES):
        name = name.removesuffix(ending)
    return FORBIDDEN_IN_NAMES.sub("_", name).strip(" ._")[:LONGEST_STEM] or "unnamed"


def free_path(wanted: Path) -> Path:
    """The path itself, or the first of `name-2`, `name-3`, … that is not taken."""
    path, number = wanted, 1
    while path.exists() or path.is_symlink():
        number += 1
        path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return path


def timestamped_path(folder: Path, stem: str, suffix: str) -> Path:
    """A file that does not exist yet, with the present date and time in its name. suffix: with its dot."""
    return free_path(folder / f"{file_stem(stem)}-{datetime.now():%Y-%m-%d_%H-%M-%S}{suffix}")


def expect_free(path: Path, overwrite: bool) -> None:
    """Raises SinkError where there is a folder of this name, or a file that may not be replaced."""
    try:
        folder, taken = path.is_dir(), path.exists() or path.is_symlink()
    except OSError as error:
        raise write_failure(path, error) from error
    if folder:
        raise SinkError(f"“{path}” is a folder. Give the name of a file in it.")
    if taken and not overwrite:
        raise SinkError(f"“{path}” exists already. Choose another name, or ask for it to be overwritten.")


def create_file(path: Path, *, overwrite: bool = False) -> int:
    """A file descriptor, open for reading and writing, of a new and empty file.

    Raises SinkError where the file exists and may not be overwritten, and where it cannot be made.
    """
    expect_free(path, overwrite)
    try:
        flags = os.O_RDWR | os.O_CREAT | (os.O_TRUNC if overwrite else os.O_EXCL) | getattr(os, "O_BINARY", 0)
        return os.open(path, flags, 0o666)
    except OSError as error:
        raise write_failure(path, error) from error


def write_failure(path: Path, error: OSError) -> SinkError:
    """What to tell the user about a file that cannot be made or written."""
    return SinkError(_sentence(path, error))


def _sentence(path: Path, error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"The disk of “{path}” is full. What was written is kept; free some space, or choose another folder."
        case errno.EROFS:
            return f"“{path}” cannot be written: its disk is read-only. Choose another folder."
        case errno.EACCES | errno.EPERM:
            return f"“{path}” cannot be written: you may not write there. Choose another folder."
        case errno.ENOENT:
            return f"“{path}” cannot be made: there is no folder “{path.parent}”. Make it, or choose another one."
        case errno.EEXIST | errno.ENOTDIR:
            return f"“{path}” cannot be made: a part of its path is a file and not a folder. Choose another place."
        case errno.ENAMETOOLONG:
            return f"“{path.name}” is too long for a file name. Choose a shorter one."
    return f"“{path}” cannot be written: {(error.strerror or str(error)).lower()}."


def free_bytes(path: Path) -> int | None:
    """Space left for a file, whether it exists yet or not; None where the system does not say."""
    try:
        return shutil.disk_usage(path if path.exists() else path.absolute().parent).free
    except OSError:
        return None


class OutputFile:
    """A file for a library that writes through Python, such as FFmpeg by way of PyAV.

    It never raises: after the first failure, kept in `error`, everything is taken and thrown away. So a container that
    is closed after the disk ran full cannot patch the head of a file whose tail is missing. What was written after the
    last `mark` is cut off then, and what is left can be played.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self._file = os.fdopen(create_file(path, overwrite=overwrite), "r+b", buffering=0)
        self.error: OSError | None = None
        self.size = 0
        """Bytes in the file."""
        self._whole = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while self.error is None and len(view):
            try:
                view = view[self._file.write(view) or 0 :]
            except OSError as error:
                self.error = error
                with contextlib.suppress(OSError):
                    self._file.truncate(self._whole)
        self.size = self._whole if self.error else max(self.size, self._file.tell())
        return len(data)

    def mark(self) -> None:
        """What was written so far is whole."""
        self._whole = self.size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence) if self.error is None else 0

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            # A network disk may report a full disk only here.
            self.error = self.error or error
