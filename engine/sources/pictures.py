"""Pictures as a source: one file, several, a folder or a pattern, in the order a person would put them."""

import glob
import logging
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import SourceError
from engine.sources.picture_file import PICTURE_SUFFIXES, is_picture, read_picture
from engine.sources.source import Source, SourceSettings
from engine.types import Frame

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SkippedPicture:
    """A picture of a batch that could not be read, and the sentence that says why."""

    path: Path
    reason: str


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """Sorts 2.jpg before 10.jpg, capital letters beside small ones."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", str(path).casefold())]


def find_pictures(text: str) -> list[Path]:
    """The pictures that a folder or a pattern (`*`, `?`, `[…]`, `**`) stands for. Raises SourceError where there are none."""
    folder = Path(text)
    if folder.is_dir():
        try:
            found = [path for path in folder.iterdir() if is_picture(path) and path.is_file()]
        except OSError as error:
            raise SourceError(f"The folder “{text}” cannot be read: {error.strerror or error}.") from error
        what = "in the folder"
    else:
        # Path.glob takes no absolute patterns.
        matches = map(Path, glob.glob(text, recursive=True))  # noqa: PTH207
        found = [path for path in matches if is_picture(path) and path.is_file()]
        what = "for the pattern"
    if not found:
        raise SourceError(f"There are no pictures {what} “{text}”. Known are {', '.join(PICTURE_SUFFIXES)}.")
    return sorted(found, key=natural_key)


def short_names(paths: Sequence[Path]) -> list[str]:
    """What to call each picture: its path below the folder that all have in common, so that no two are called alike."""
    parents = {path.parent: path.parent.resolve() for path in paths}
    try:
        common = os.path.commonpath(parents.values())
    except ValueError:
        # On Windows, pictures on different drives have no folder in common.
        return [path.as_posix() for path in paths]
    below = {parent: full.relative_to(common) for parent, full in parents.items()}
    return [(below[path.parent] / path.name).as_posix() for path in paths]


class PictureSource(Source):
    """One frame for each picture. `media_s` advances by `picture_s` a picture.

    A picture of a batch that cannot be read is logged, put on `skipped` and passed over; its number stays free. A
    picture that is alone is an error, and so is a batch of which nothing could be read.
    """

    def __init__(self, paths: Sequence[Path], settings: SourceSettings, name: str | None = None) -> None:
        if not paths:
            raise ValueError("a picture source needs at least one path")
        super().__init__(name or (paths[0].name if len(paths) == 1 else f"{len(paths)} pictures"), settings)
        self._paths = tuple(paths)
        self._names = short_names(self._paths)
        self._next = 0
        self._round = 0
        self._started_ns = 0
        self._open = False
        self._skipped: list[SkippedPicture] = []
        self._good = 0

    @property
    def fps(self) -> float:
        return 1.0 / self.settings.picture_s

    @property
    def frame_count(self) -> int:
        return len(self._paths)

    @property
    def skipped(self) -> tuple[SkippedPicture, ...]:
        """What could not be read since `open`."""
        return tuple(self._skipped)

    @property
    def paths(self) -> tuple[Path, ...]:
        return self._paths

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        if self._open:
            return
        if len(self._paths) == 1 and not self._paths[0].exists():
            raise SourceError(f"There is no file “{self._paths[0]}”. Check the name.")
        self._interrupted.clear()
        self._next = self._round = self._good = 0
        self._skipped.clear()
        self._started_ns = time.monotonic_ns()
        self._open = True

    def read(self) -> Frame | None:
        while self._open and not self._interrupted.is_set():
            if self._next == len(self._paths):
                if not self._good:
                    raise SourceError(
                        f"None of the {len(self._paths)} pictures could be read. The first one: {self._skipped[0].reason}"
                    )
                if not self.settings.loop:
                    return None
                self._next = 0
                self._round += 1
            position = self._next
            self._next += 1
            frame = self._read_at(position)
            if frame is not None:
                self._good += 1
                return frame
        return None

    def _read_at(self, position: int) -> Frame | None:
        index = self._round * len(self._paths) + position
        media_s = index * self.settings.picture_s
        if self.settings.real_time:
            due_s = media_s - (time.monotonic_ns() - self._started_ns) / 1e9
            if due_s > 0 and self._interrupted.wait(due_s):
                return None
        path = self._paths[position]
        try:
            image = self.settings.orient(read_picture(path))
        except SourceError as error:
            if len(self._paths) == 1:
                raise
            if not self._round:
                logger.warning("skipped: %s", error)
                self._skipped.append(SkippedPicture(path, str(error)))
            return None
        return Frame(image, index, time.monotonic_ns(), media_s, self._names[position])

    def close(self) -> None:
        self._open = False
