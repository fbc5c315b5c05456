"""Opens files for results: never over an existing one, with a clear sentence where that cannot be, and safe when the disk fills."""

import errno
import os
import shutil
from datetime import datetime
from pathlib import Path

from engine.errors import SinkError


def dated_path(folder: Path, suffix: str, now: datetime | None = None) -> Path:
    """A free file name with date and time in the folder. suffix: with its dot."""
    stamp = f"litepose_{now or datetime.now():%Y-%m-%d_%H-%M-%S}"
    number, path = 1, folder / f"{stamp}{suffix}"
    while path.exists():
        number += 1
        path = folder / f"{stamp}_{number}{suffix}"
    return path


def create_file(path: Path, *, overwrite: bool = False) -> int:
    """A file descriptor, open for writing, of a new and empty file; its folder is made where it is missing.

    Raises SinkError where the file exists and may not be overwritten, and where it cannot be made.
    """
    if overwrite and path.is_dir():
        raise SinkError(f"“{path}” is a folder. Give the name of a file in it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | (os.O_TRUNC if overwrite else os.O_EXCL) | getattr(os, "O_BINARY", 0)
        return os.open(path, flags, 0o666)
    except FileExistsError:
        if path.is_dir():
            raise SinkError(f"“{path}” is a folder. Give the name of a file in it.") from None
        raise SinkError(f"“{path}” exists already. Choose another name, or move it away.") from None
    except OSError as error:
        raise SinkError(write_failure(path, error)) from error


def write_failure(path: Path, error: OSError) -> str:
    """The sentence for the user about a file that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of “{path}” is full. Free some space, or choose another folder."
    if error.errno == errno.EROFS:
        return f"“{path}” cannot be written: its disk is read-only. Choose another folder."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"“{path}” cannot be written: you may not write there. Choose another folder."
    return f"“{path}” cannot be written: {(error.strerror or str(error)).lower()}."


def free_bytes(path: Path) -> int:
    """Space left for a file that exists or whose folder does."""
    return shutil.disk_usage(path if path.exists() else path.parent).free


class OutputFile:
    """A file for a library that writes through Python, such as FFmpeg by way of PyAV.

    It never raises: after the first failure, kept in `error`, everything is taken and thrown away. So a container that
    is closed after the disk ran full cannot patch the head of a file whose tail is missing, and what was written up to
    there stays playable.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self._file = os.fdopen(create_file(path, overwrite=overwrite), "r+b", buffering=0)
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while self.error is None and len(view):
            try:
                view = view[self._file.write(view) or 0 :]
            except OSError as error:
                self.error = error
        return len(data)

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
