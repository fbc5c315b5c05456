"""What every sink of results has in common: two methods, and the sentences for what a disk can refuse."""

import errno
import re
from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import SinkError
from engine.types import Frame, Poses

# Not allowed in file names by Windows; a slash by nobody.
FORBIDDEN_IN_NAMES = re.compile(r'[<>:"/\\|?*\x00-\x1f]+')


class Sink(ABC):
    """Takes frames with their people until it is closed. Errors are SinkError with a sentence for the user.

    What was written before an error stays. A sink belongs to one thread.
    """

    wants_picture = False
    """True where the annotated picture is used; False lets a caller save the drawing."""

    @abstractmethod
    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        """annotated: (H, W, 3) uint8, BGR, the frame's picture with what was drawn on it; the caller may reuse it after."""

    @abstractmethod
    def close(self) -> None:
        """Finishes the file. Safe to call more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def write_failure(path: Path, error: OSError) -> SinkError:
    """What to tell the user about a file that cannot be made or written."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return SinkError(
                f"“{path}”: the disk is full. What was written is kept; make room, or choose another place."
            )
        case errno.EACCES | errno.EPERM:
            return SinkError(f"“{path}” may not be written. Choose another folder, or change its permissions.")
        case errno.EROFS:
            return SinkError(f"“{path}” lies on a disk that can only be read. Choose another folder.")
        case errno.ENOENT:
            return SinkError(
                f"“{path}” cannot be made: there is no folder “{path.parent}”. Make it, or choose another one."
            )
        case errno.ENOTDIR:
            return SinkError(f"“{path}” cannot be made: “{path.parent}” is not a folder. Choose another place.")
        case errno.EISDIR:
            return SinkError(f"“{path}” is a folder. Give the name of a file.")
        case errno.EEXIST:
            return SinkError(f"“{path}” exists already. Choose another name, or ask for it to be overwritten.")
        case errno.ENAMETOOLONG:
            return SinkError(f"“{path.name}” is too long for a file name. Choose a shorter one.")
    return SinkError(f"“{path}” cannot be written: {error.strerror or error}.")


def expect_free(path: Path, overwrite: bool) -> None:
    """Raises SinkError where the file exists and may not be replaced."""
    if path.is_dir():
        raise write_failure(path, OSError(errno.EISDIR, ""))
    if not overwrite and path.exists():
        raise write_failure(path, OSError(errno.EEXIST, ""))


def file_stem(name: str) -> str:
    """A source's name as the beginning of a file name on any system."""
    return FORBIDDEN_IN_NAMES.sub("_", name).strip(" ._")[:100] or "unnamed"


def free_path(wanted: Path) -> Path:
    """The path itself, or the first of `name-2`, `name-3`, … that is not taken."""
    path, number = wanted, 1
    while path.exists() or path.is_symlink():
        number += 1
        path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    return path


def timestamped_path(folder: Path, stem: str, suffix: str) -> Path:
    """A file that does not exist yet, with the present date and time in its name."""
    now = datetime.now().astimezone()
    return free_path(folder / f"{file_stem(stem)}-{now:%Y-%m-%d_%H-%M-%S}{suffix}")
