"""What every source of frames has in common: three methods, a few properties, and the settings that a user can choose."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.errors import UsageError
from engine.types import Frame

QUARTER_TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What a user can ask of a source. A source ignores what it does not have; the registry's capabilities say which.

    rotate:      degrees clockwise, 0, 90, 180 or 270, on top of what the file itself says.
    mirror:      left and right swapped, after the rotation.
    real_time:   files are played at their own speed instead of as fast as possible.
    loop:        files start again at their end; None means that the demo clip does so in real time and nothing else.
    start_s:     files start at this time.
    picture_s:   how long each picture of a folder stands, in seconds.
    width, height, fps:  asked of a camera or the screen; it gives the nearest it has. None leaves its own choice.
    exposure, focus:     in the camera driver's own units; None means automatic.
    timeout_s:   how long a stream may be silent before it counts as broken.
    """

    rotate: int = 0
    mirror: bool = False
    real_time: bool = False
    loop: bool | None = None
    start_s: float = 0.0
    picture_s: float = 1.0
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    exposure: float | None = None
    focus: float | None = None
    timeout_s: float = 5.0

    def __post_init__(self) -> None:
        if self.rotate not in (0, *QUARTER_TURNS):
            raise UsageError(f"A picture can be rotated by 0, 90, 180 or 270 degrees, not by {self.rotate}.")
        for name in ("picture_s", "width", "height", "fps", "timeout_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"The source setting {name} must be above 0, not {value}.")
        if self.start_s < 0:
            raise UsageError(f"A file cannot start at {self.start_s} s. Choose 0 or later.")

    def orient(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture rotated and mirrored as asked; the same array where nothing is to be done."""
        if self.rotate:
            image = np.asarray(cv2.rotate(image, QUARTER_TURNS[self.rotate]), np.uint8)
        return np.asarray(cv2.flip(image, 1), np.uint8) if self.mirror else image

    def oriented_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after the rotation."""
        return (height, width) if self.rotate in (90, 270) else (width, height)


class Source(ABC):
    """Where frames come from. Open, read until None, close; or `with source:` and a for loop.

    A source belongs to one thread: only `interrupt` may be called from another one. A closed source can be opened
    again. Errors are SourceError with a sentence for the user.
    """

    live = False
    """True where frames are lost if nobody reads them in time (cameras, streams, the screen)."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self._name = name
        self.settings = settings
        self._interrupted = threading.Event()

    @property
    def name(self) -> str:
        """What the user calls it: a file's name, a camera's name."""
        return self._name

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of its frames in pixels once it is open; None where it is not known or differs."""
        return None

    @property
    def fps(self) -> float | None:
        """Frames per second on average, as announced; None where it is not known."""
        return None

    @property
    def frame_count(self) -> int | None:
        """Frames from start to end, as announced; None for live sources and where it is not known."""
        return None

    @property
    def has_audio(self) -> bool:
        return False

    @property
    @abstractmethod
    def is_open(self) -> bool: ...

    @abstractmethod
    def open(self) -> None:
        """Raises SourceError. Does nothing where it is open already."""

    @abstractmethod
    def read(self) -> Frame | None:
        """The next frame, waiting for it where needed; None at the end. Raises SourceError when the source broke."""

    @abstractmethod
    def close(self) -> None:
        """Gives back what `open` took. Safe to call at any time, more than once."""

    def interrupt(self) -> None:
        """From any thread: a read that is waiting returns None soon, and so does every later one until `open`."""
        self._interrupted.set()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.read()) is not None:
            yield frame
