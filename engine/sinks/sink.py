"""What every sink of results has in common: two methods."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from engine.types import Frame, Poses


class Sink(ABC):
    """Takes frames with their people until it is closed. Errors are SinkError with a sentence for the user.

    What was written before an error stays. A sink belongs to one thread.
    """

    wants_picture = False
    """True where the annotated picture is used; False lets a caller save the drawing."""

    @abstractmethod
    def write(self, frame: Frame, poses: Poses, annotated: NDArray[np.uint8] | None) -> None:
        """annotated: (H, W, 3) uint8, BGR, the frame's picture with what was drawn on it; the caller may reuse it after.

        None stands for the frame's own picture.
        """

    @abstractmethod
    def close(self) -> None:
        """Finishes the file. Safe to call more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
