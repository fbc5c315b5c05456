"""How good a network's people are on labelled pictures: what `engine.decode.person_score` learns from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.decode.grouping import GroupingSettings, group
from engine.decode.person_score import feature_count, features
from engine.evaluation.precision import Similarities, coco_results, similarities
from engine.evaluation.prediction import Prediction, for_evaluation
from models.skeleton import Skeleton

PERSON_THRESHOLD = 0.2  # similarity to expect of those who are shown
FOUND = 0.3  # similarity from which on a labelled person is taken, and others at that place are wrong
INSIDE = 0.5  # of someone who does not count: whoever is found there is neither right nor wrong
HIGHER = (0.2, 0.3)  # joint thresholds


@dataclass(frozen=True, slots=True)
class Examples:
    """features: (N, F) float32 of people who were found; similarity: (N,) float32, OKS with the label, 0 without one."""

    features: NDArray[np.float32]
    similarity: NDArray[np.float32]


def examples(
    predictions: Sequence[Prediction], labels: dict[str, Any], skeleton: Skeleton, settings: GroupingSettings
) -> Examples:
    """Everyone whom grouping finds, however weak, with the settings' joint threshold and with the higher ones that viewers
    choose. `labels`: content of the COCO-style file that the pictures are of."""
    shown = {one.picture.id for one in predictions}
    labels = labels | {
        "images": [image for image in labels["images"] if image["id"] in shown],
        "annotations": [person for person in labels["annotations"] if person["image_id"] in shown],
    }
    rows, outcome = [np.zeros((0, feature_count(skeleton)), np.float32)], [np.zeros(0)]
    for threshold in (settings.joint_threshold, *(higher for higher in HIGHER if higher > settings.joint_threshold)):
        everyone = replace(for_evaluation(settings), joint_threshold=threshold, scorer=None)
        found: dict[int, NDArray[np.float32]] = {}
        results = []
        for one in predictions:
            poses = group(one.candidates, skeleton, everyone)
            found[one.picture.id] = features(poses.keypoints, poses.scores, skeleton)
            results += coco_results(one.picture.id, one.placement.to_source(poses))
        for image, table in similarities(labels, results, skeleton).items():
            counting, similarity = _outcomes(table)
            rows.append(found[image][: len(counting)][counting])
            outcome.append(similarity[counting])
    return Examples(np.concatenate(rows), np.concatenate(outcome).astype(np.float32))


def _outcomes(table: Similarities) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """For each person found, best first: whether it is right or wrong at all, and its similarity. A label is taken once."""
    free = table.counts.copy()
    similarity = np.zeros(len(table.values))
    for person, row in enumerate(table.values):
        offers = np.where(free, row, 0)
        if offers.any():
            label = int(offers.argmax())
            similarity[person] = offers[label]
            free[label] &= offers[label] < FOUND
    unknown = np.where(table.counts, 0, table.values).max(axis=1, initial=0) > INSIDE
    return (similarity >= FOUND) | ~unknown, similarity
