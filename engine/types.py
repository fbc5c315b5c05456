"""The vocabulary of the engine: what flows from a source to a sink. Every value checks itself once, at its birth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.skeleton import Skeleton

UNTRACKED = -1


def expect_shape(name: str, array: NDArray[np.generic], shape: Sequence[int | None]) -> None:
    """Raises ValueError, naming the expected and the actual shape. None stands for any length."""
    if array.ndim != len(shape) or any(want is not None and want != got for want, got in zip(shape, array.shape)):
        expected = ", ".join("any" if length is None else str(length) for length in shape)
        raise ValueError(f"{name} must have shape ({expected}), not {array.shape}")


@dataclass(frozen=True, slots=True)
class FilePlace:
    """Where in a video file a picture lies, in seconds from the video's first one: in a loop it begins anew each time."""

    path: Path
    time_s: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture from a source.

    image:       (H, W, 3) uint8, BGR. Whoever gets a frame may read it and must not write into it.
    index:       number of the frame in its source, from 0; gaps are frames that the source itself skipped.
    captured_ns: time.monotonic_ns() when the picture was complete. For latency.
    media_s:     time within the source in seconds: presentation time of a file, time since the start of a camera.
    source:      what the user calls the source: a file name, a camera's name.
    place:       where the sound that belongs to it is to be found; None where there is no file.
    """

    image: NDArray[np.uint8]
    index: int
    captured_ns: int
    media_s: float
    source: str = ""
    place: FilePlace | None = None

    def __post_init__(self) -> None:
        expect_shape("image", self.image, (None, None, 3))
        if self.image.dtype != np.uint8:
            raise ValueError(f"image must be uint8, not {self.image.dtype}")

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        return int(self.image.shape[0])


@dataclass(frozen=True, slots=True)
class Candidates:
    """The best peaks of each joint's heatmap, best first, in the pixels of the model's input.

    xy:     (J, K, 2) float32, sub-pixel; pixel centres lie at whole numbers.
    scores: (J, K) float32, the heatmap's value at the peak; 0 where there are fewer than K peaks.
    tags:   (J, K) float32, associative-embedding tag at the peak.
    """

    xy: NDArray[np.float32]
    scores: NDArray[np.float32]
    tags: NDArray[np.float32]

    def __post_init__(self) -> None:
        expect_shape("scores", self.scores, (None, None))
        expect_shape("xy", self.xy, (*self.scores.shape, 2))
        expect_shape("tags", self.tags, self.scores.shape)


@dataclass(frozen=True, slots=True)
class Poses:
    """People found in one frame.

    keypoints:     (N, J, 2) float32, x and y in source pixels (centres at whole numbers), NaN where a joint is missing.
    scores:        (N, J) float32 in [0, 1], 0 where a joint is missing.
    person_scores: (N,) float32, how sure each person is; people come best first.
    ids:           (N,) int64, stable over time once tracked, else UNTRACKED.
    skeleton:      names the J joints and their limbs.
    """

    keypoints: NDArray[np.float32]
    scores: NDArray[np.float32]
    person_scores: NDArray[np.float32]
    ids: NDArray[np.int64]
    skeleton: Skeleton

    def __post_init__(self) -> None:
        expect_shape("keypoints", self.keypoints, (None, self.skeleton.joint_count, 2))
        expect_shape("scores", self.scores, self.keypoints.shape[:2])
        expect_shape("person_scores", self.person_scores, self.keypoints.shape[:1])
        expect_shape("ids", self.ids, self.keypoints.shape[:1])

    def __len__(self) -> int:
        return len(self.keypoints)

    def __getitem__(self, people: slice | NDArray[np.bool_] | NDArray[np.intp]) -> "Poses":
        return Poses(
            self.keypoints[people], self.scores[people], self.person_scores[people], self.ids[people], self.skeleton
        )

    @property
    def visible(self) -> NDArray[np.bool_]:
        """(N, J) bool: joints that were found."""
        return ~np.isnan(self.keypoints[..., 0])

    def boxes(self) -> NDArray[np.float32]:
        """(N, 4) float32: left, top, right, bottom of each person's joints, in source pixels."""
        if not len(self):
            return np.zeros((0, 4), np.float32)
        return np.concatenate([np.nanmin(self.keypoints, axis=1), np.nanmax(self.keypoints, axis=1)], axis=1)

    @classmethod
    def empty(cls, skeleton: Skeleton) -> "Poses":
        joints = skeleton.joint_count
        return cls(
            np.zeros((0, joints, 2), np.float32),
            np.zeros((0, joints), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
            skeleton,
        )


@dataclass(frozen=True, slots=True)
class Backend:
    """What runs a network, for the user to read.

    device: "CPU", or a GPU's name. target: what it was compiled for; artifact: the compiled network, as it is called in the
    cache; "" where nothing was compiled.
    """

    device: str
    target: str = ""
    artifact: str = ""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Milliseconds that one frame spent in each stage, by the stage's name, in order."""

    ms: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return sum(self.ms.values())
