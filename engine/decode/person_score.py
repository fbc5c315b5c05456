"""How sure a person is: the object keypoint similarity (OKS) to expect of it, learned from how the network's people turned
out. Bottom-up networks rank people better with such a score (Geng et al., “Bottom-Up Human Pose Estimation via Disentangled
Keypoint Regression”, CVPR 2021) than with the mean of their joints' scores."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.errors import WeightsError
from models.skeleton import Skeleton

LEAST_EXTENT = 4.0  # input pixels, one pixel of the coarser maps
COLLAPSED = 0.06  # of a person's extent: a left and a right joint that are closer are likely one and the same
DIGITS = 5


@dataclass(frozen=True, slots=True, eq=False)
class PersonScorer:
    """One hidden layer with ReLU and a logistic output, over `features`.

    weights: (H, F) float32; biases: (H,) float32; output: (H,) float32; offset: of the output.
    """

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    output: NDArray[np.float32]
    offset: float

    def __call__(
        self, keypoints: NDArray[np.float32], scores: NDArray[np.float32], skeleton: Skeleton
    ) -> NDArray[np.float32]:
        """(N,) float32 in [0, 1], the similarity to expect. Arguments as for `features`."""
        hidden = np.maximum(0, features(keypoints, scores, skeleton) @ self.weights.T + self.biases)
        logits = np.clip(hidden @ self.output + self.offset, -30, 30)
        result: NDArray[np.float32] = (1 / (1 + np.exp(-logits))).astype(np.float32)
        return result

    def to_text(self) -> str:
        """For the metadata of weights."""
        table = np.column_stack([self.weights, self.biases, self.output]).tolist()
        return json.dumps([[_rounded(value) for value in row] for row in table] + [_rounded(self.offset)])

    @classmethod
    def from_text(cls, text: str, skeleton: Skeleton) -> "PersonScorer":
        """Raises WeightsError where `to_text` did not write it, or for another number of joints."""
        try:
            *rows, offset = json.loads(text)
            table = np.array(rows, np.float32)
            if table.ndim != 2 or not np.isfinite(table).all() or not np.isfinite(float(offset)):
                raise ValueError("it is no table of numbers")
        except (ValueError, TypeError) as error:
            raise WeightsError(f"The weights' metadata has a damaged scorer: {error}.") from error
        count = feature_count(skeleton)
        if table.shape[1] != count + 2:
            raise WeightsError(
                f"The weights' metadata has a scorer of {table.shape[1] - 2} features; {skeleton.name} has {count}."
            )
        return cls(np.ascontiguousarray(table[:, :count]), table[:, count], table[:, count + 1], float(offset))


def person_scores(
    keypoints: NDArray[np.float32], scores: NDArray[np.float32], skeleton: Skeleton, scorer: PersonScorer | None
) -> NDArray[np.float32]:
    """(N,) float32 in [0, 1]: by the scorer, or without one the sum of the joints' scores divided by J. As for `features`."""
    if scorer is not None:
        return scorer(keypoints, scores, skeleton)
    sums: NDArray[np.float32] = (scores.sum(axis=1) / skeleton.joint_count).astype(np.float32)
    return sums


def feature_count(skeleton: Skeleton) -> int:
    return 2 * skeleton.joint_count + 2


def features(keypoints: NDArray[np.float32], scores: NDArray[np.float32], skeleton: Skeleton) -> NDArray[np.float32]:
    """(N, 2J + 2) float32: each joint's score; whether it was found; the logarithm of the larger side of their box; and the
    share of the pairs of left and right joints that lie at one place.

    keypoints: (N, J, 2) in the pixels of the network's input, NaN where a joint is missing; nobody is without joints.
    scores:    (N, J), 0 where a joint is missing.
    """
    found = np.isfinite(keypoints[..., 0])
    low = np.where(found[..., None], keypoints, np.inf).min(axis=1, initial=np.inf)
    high = np.where(found[..., None], keypoints, -np.inf).max(axis=1, initial=-np.inf)
    extent = np.maximum((high - low).max(axis=1, initial=0), LEAST_EXTENT)
    left, right = _pairs(skeleton.flip)
    both = found[:, left] & found[:, right]
    apart = np.linalg.norm(np.where(both[..., None], keypoints[:, left] - keypoints[:, right], np.inf), axis=2)
    collapsed = (apart < COLLAPSED * extent[:, None]).sum(axis=1) / np.maximum(both.sum(axis=1), 1)
    return np.column_stack([scores, found, np.log(extent), collapsed]).astype(np.float32)


def _pairs(flip: Sequence[int]) -> tuple[list[int], list[int]]:
    """Left joints and their right ones."""
    left = [joint for joint, other in enumerate(flip) if joint < other]
    return left, [flip[joint] for joint in left]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
