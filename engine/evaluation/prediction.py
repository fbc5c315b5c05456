"""Runs an estimator over labelled pictures."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.decode.grouping import GroupingSettings, group
from engine.decode.peaks import find_candidates
from engine.decode.refinement import RefinementSettings, refine
from engine.estimator import PoseEstimator
from engine.preprocess import Placement
from engine.types import Candidates, Poses
from models.skeleton import Skeleton
from models.training.annotations import LabelledPicture
from models.training.pictures import Pictures


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network found in one picture, before grouping, so that grouping can be repeated with other settings.

    milliseconds: of the whole estimate, once its network was ready.
    refined:      everyone with their missing joints looked for, in pixels of the input; None: was not asked for. Then
                  grouping is not repeated, and settings only choose among these people.
    """

    picture: LabelledPicture
    candidates: Candidates
    placement: Placement
    milliseconds: float
    refined: Poses | None = None

    def poses(self, skeleton: Skeleton, settings: GroupingSettings) -> Poses:
        if self.refined is None:
            return self.placement.to_source(group(self.candidates, skeleton, settings))
        enough = self.refined.visible.sum(axis=1) >= settings.min_joints
        good = np.flatnonzero(enough & (self.refined.person_scores >= settings.person_threshold))
        return self.placement.to_source(self.refined[good[: settings.max_people]])


def for_evaluation(settings: GroupingSettings) -> GroupingSettings:
    """The same grouping with everyone kept: a wrong guess of a low score costs little AP, a missing one costs recall."""
    return replace(settings, min_joints=1, person_threshold=0.0)


def predict(
    estimator: PoseEstimator,
    labelled: Iterable[LabelledPicture],
    pictures: Pictures,
    flip: bool = False,
    refined: bool = False,
) -> Iterator[Prediction]:
    """Predictions in order, as papers make them:

    flip: looks at the mirrored picture as well and averages the heatmaps. refined: looks for missing joints again.
    """
    for picture in labelled:
        image = pictures.read(picture.name)
        estimator.prepare(image.shape[1], image.shape[0])
        start = time.perf_counter()
        estimate = estimator.estimate(image)
        milliseconds = (time.perf_counter() - start) * 1e3
        maps4, maps2 = _arrays(estimate.maps)
        if flip:
            # Mirrored in the source, the picture lies mirrored in the input too, give or take a pixel of padding.
            mirrored = estimator.estimate(np.ascontiguousarray(image[:, ::-1]))
            maps4, maps2 = _mean_with_mirrored(maps4, maps2, *_arrays(mirrored.maps), estimator.skeleton)
        candidates = find_candidates(maps4, maps2)
        people = None
        if refined:
            everyone = group(candidates, estimator.skeleton, for_evaluation(estimator.settings))
            people = refine(everyone, maps4, maps2, RefinementSettings(), estimator.settings.scorer)
        yield Prediction(picture, candidates, estimate.placement, milliseconds, people)


def _arrays(maps: tuple[object, object]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    coarse, fine = (np.array(np.from_dlpack(one), np.float32) for one in maps)  # type: ignore[arg-type]
    return coarse, fine


def _mean_with_mirrored(
    maps4: NDArray[np.float32],
    maps2: NDArray[np.float32],
    mirrored4: NDArray[np.float32],
    mirrored2: NDArray[np.float32],
    skeleton: Skeleton,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heatmaps averaged with the mirrored picture's, left and right exchanged; tags stay, for they differ between runs."""
    joints, flip = skeleton.joint_count, list(skeleton.flip)
    heat4 = 0.5 * (maps4[:joints] + mirrored4[:joints, :, ::-1][flip])
    heat2 = 0.5 * (maps2 + mirrored2[:, :, ::-1][flip])
    return np.concatenate([heat4, maps4[joints:]]).astype(np.float32), heat2.astype(np.float32)
