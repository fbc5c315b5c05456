"""How far each joint is from its label: PCK@0.2 and object keypoint similarity, person by person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from engine.types import Poses
from models.skeleton import AREA_OF_BOX, Skeleton
from models.training.annotations import LABELLED, LabelledPicture

REACH = 0.2  # of the torso's length, or of half the labelled extent of someone whose torso is not labelled


@dataclass(frozen=True, slots=True)
class JointErrors:
    """Labelled joints of some pictures against what was found.

    distance: (N, J) in units of the person's scale, infinite where a labelled joint was not found, NaN where not labelled.
    similarity: (N,) object keypoint similarity of each labelled person with whom it was matched to; 0: nobody.
    """

    distance: NDArray[np.float64]
    similarity: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence["JointErrors"], joints: int) -> "JointErrors":
        return cls(
            np.concatenate([np.zeros((0, joints)), *(part.distance for part in parts)]),
            np.concatenate([np.zeros(0), *(part.similarity for part in parts)]),
        )

    def pck(self) -> float:
        """Share of labelled joints found within REACH; NaN where none is labelled."""
        labelled = ~np.isnan(self.distance)
        return float((self.distance[labelled] <= REACH).mean()) if labelled.any() else float("nan")

    def pck_by_joint(self) -> list[float]:
        return [JointErrors(column[:, None], self.similarity).pck() for column in self.distance.T]


def joint_errors(picture: LabelledPicture, poses: Poses) -> JointErrors:
    """Each labelled person is matched to at most one found person, so that the sum of similarities is greatest."""
    people, skeleton = picture.people, poses.skeleton
    labelled = people[..., 2] == LABELLED
    distance = np.where(labelled, np.inf, np.nan)
    similarity = np.zeros(len(people))
    if len(people) and len(poses):
        table = np.stack([_similarities(person, poses, skeleton) for person in people])
        for row, column in zip(*linear_sum_assignment(table, maximize=True)):
            if table[row, column] <= 0:
                continue
            similarity[row] = table[row, column]
            away = np.linalg.norm(poses.keypoints[column] - people[row, :, :2], axis=1)
            found = labelled[row] & ~np.isnan(away)
            distance[row, found] = away[found] / _scale(people[row], skeleton)
    return JointErrors(distance, similarity)


def mean_similarity(errors: Iterable[JointErrors]) -> list[float]:
    """Per picture, how well its labelled people were found: NaN for a picture without any."""
    return [float(one.similarity.mean()) if len(one.similarity) else float("nan") for one in errors]


def _similarities(person: NDArray[np.float32], poses: Poses, skeleton: Skeleton) -> NDArray[np.float64]:
    """(N,) COCO's object keypoint similarity of one labelled person with everyone found; missing joints count 0."""
    labelled = person[:, 2] == LABELLED
    extent = np.ptp(person[labelled, :2], axis=0).clip(min=1)
    squared = ((poses.keypoints - person[:, :2]) ** 2).sum(axis=2)
    spread = 2 * (2 * np.array(skeleton.sigmas)) ** 2 * extent.prod() * AREA_OF_BOX
    similar = np.where(np.isnan(squared), 0, np.exp(-np.nan_to_num(squared) / spread))
    result: NDArray[np.float64] = similar[:, labelled].mean(axis=1)
    return result


def _scale(person: NDArray[np.float32], skeleton: Skeleton) -> float:
    """Pixels of the torso, from a shoulder to the other side's hip; half the labelled extent where it is not labelled."""
    lengths = []
    for shoulder, hip in (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip")):
        ends = person[[skeleton.index(shoulder), skeleton.index(hip)]]
        if (ends[:, 2] == LABELLED).all():
            lengths.append(float(np.linalg.norm(ends[0, :2] - ends[1, :2])))
    extent = float(np.ptp(person[person[:, 2] == LABELLED, :2], axis=0).max())
    return max(1.0, max(lengths) if lengths else 0.5 * extent)
