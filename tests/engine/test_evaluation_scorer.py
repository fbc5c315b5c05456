"""What people are compared with, of whom is learned how good they are."""

from collections.abc import Sequence

import numpy as np
import pytest

from engine.decode.grouping import GroupingSettings
from engine.evaluation.precision import Similarities, coco_results, similarities
from engine.evaluation.prediction import Prediction
from engine.evaluation.scorer_examples import _outcomes, examples
from engine.preprocess import InputShape, place
from engine.types import Poses
from models.skeleton import COCO_17
from models.training.annotations import parse
from tests.engine.test_decode_grouping import candidates_of, person

SIDE = 256


def labels(people: list[np.ndarray], ignored: Sequence[list[float]] = ()) -> dict:
    rows = []
    for keypoints in people:
        flat = np.column_stack([keypoints, np.full(len(keypoints), 2)]).ravel().tolist()
        low, high = keypoints.min(axis=0), keypoints.max(axis=0)
        box = [*low.tolist(), *(high - low).tolist()]
        rows.append({"bbox": box, "area": box[2] * box[3] / 2, "keypoints": flat, "num_keypoints": len(keypoints)})
    rows += [{"bbox": box, "area": box[2] * box[3], "keypoints": [0] * 51, "num_keypoints": 0} for box in ignored]
    for number, row in enumerate(rows):
        row |= {"id": number + 1, "image_id": 7, "category_id": 1, "iscrowd": 0}
    return {"images": [{"id": 7, "file_name": "7.png", "width": SIDE, "height": SIDE}], "annotations": rows}


def prediction(people: list[np.ndarray], content: dict, scores: list[float]) -> Prediction:
    strength = np.repeat(np.array(scores, np.float32)[:, None], 17, axis=1)
    candidates = candidates_of(people, [9.0 * i for i in range(len(people))], strength)
    (picture,) = parse(content, COCO_17, "labels")
    return Prediction(picture, candidates, place(SIDE, SIDE, InputShape(SIDE, SIDE)), 0.0)


def test_similarities_are_cocos_and_know_who_counts() -> None:
    right, wrong = person(60, 10, 200), person(180, 10, 60)
    content = labels([right], [[150, 5, 60, 80]])
    keypoints = np.stack([right, wrong])
    scores = np.full((2, 17), 0.5, np.float32)
    poses = Poses(keypoints, scores, np.array([0.9, 0.4], np.float32), np.full(2, -1), COCO_17)
    table = similarities(content, coco_results(7, poses), COCO_17)[7]
    assert table.counts.tolist() == [True, False]
    assert table.values[0, 0] == pytest.approx(1)
    assert table.values[1, 0] < 0.1
    assert table.values[1, 1] == pytest.approx(1)
    assert similarities(content, [], COCO_17) == {}


def test_a_label_is_taken_once_and_ignored_people_are_neither_right_nor_wrong() -> None:
    values = np.array([[0.9, 0.0, 0.0], [0.7, 0.2, 0.0], [0.1, 0.2, 0.9], [0.0, 0.6, 0.9]])
    counting, similarity = _outcomes(Similarities(values, np.array([True, True, False])))
    assert similarity == pytest.approx([0.9, 0.2, 0.2, 0.6])
    assert counting.tolist() == [True, True, False, True]


def test_pictures_without_labels_make_all_people_wrong() -> None:
    counting, similarity = _outcomes(Similarities(np.zeros((3, 0)), np.zeros(0, np.bool_)))
    assert counting.all()
    assert not similarity.any()


def test_examples_are_the_people_whom_grouping_finds() -> None:
    right, wrong = person(60, 10, 200), person(180, 10, 60)
    content = labels([right])
    other = {"images": [{"id": 8, "file_name": "8.png", "width": SIDE, "height": SIDE}], "annotations": []}
    both = {key: content[key] + other[key] for key in content}
    known = examples([prediction([right, wrong], content, [0.8, 0.3])], both, COCO_17, GroupingSettings())
    assert known.features[:, 0] == pytest.approx([0.8, 0.3, 0.8, 0.3, 0.8])  # from 0.3 on the wrong one has no joints
    assert known.similarity == pytest.approx([1, 0, 1, 0, 1], abs=0.05)
    assert known.features.shape == (5, 36)
    assert len(examples([], both, COCO_17, GroupingSettings()).similarity) == 0
