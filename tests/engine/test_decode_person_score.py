"""How sure a person is: what is looked at, and what grouping does with it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.decode.grouping import GroupingSettings, group
from engine.decode.person_score import PersonScorer, feature_count, features, person_scores
from engine.errors import WeightsError
from models.skeleton import COCO_17, CROWDPOSE_14
from tests.engine.test_decode_grouping import candidates_of, person

FEATURES = feature_count(COCO_17)
EXTENT, COLLAPSED = FEATURES - 2, FEATURES - 1


def scorer_of(feature: int, factor: float, offset: float = 0.0) -> PersonScorer:
    """Logistic in one feature."""
    weights = np.zeros((2, FEATURES), np.float32)
    weights[0, feature], weights[1, feature] = factor, -factor
    return PersonScorer(weights, np.zeros(2, np.float32), np.array([1, -1], np.float32), offset)


def random_scorer(seed: int = 0) -> PersonScorer:
    random = np.random.default_rng(seed)
    weights, biases, output = (random.normal(0, 0.3, shape).astype(np.float32) for shape in ((5, FEATURES), 5, 5))
    return PersonScorer(weights, biases, output, 0.25)


def described(keypoints: NDArray[np.float32], score: float = 0.5) -> NDArray[np.float32]:
    found = np.isfinite(keypoints[:, 0])
    scores = np.where(found, score, 0).astype(np.float32)
    return features(keypoints[None].astype(np.float32), scores[None], COCO_17)[0]


def test_features_tell_scores_joints_size_and_collapsed_pairs() -> None:
    keypoints = person(10, 20, 200)
    keypoints[0] = np.nan  # the nose
    keypoints[15] = keypoints[16]  # both ankles at one place
    row = described(keypoints)
    assert row[:17] == pytest.approx([0] + [0.5] * 16)
    assert row[17:34].tolist() == [0] + [1] * 16
    low, high = keypoints[1:].min(axis=0), keypoints[1:].max(axis=0)
    assert row[EXTENT] == pytest.approx(np.log((high - low).max()), abs=1e-5)
    assert row[COLLAPSED] == pytest.approx(1 / 8)


def test_a_place_changes_nothing_and_a_size_only_the_extent() -> None:
    near, away, large = (described(person(*where)) for where in ((0, 0, 100), (300, 50, 100), (0, 0, 200)))
    assert away == pytest.approx(near, abs=1e-5)
    assert large[EXTENT] - near[EXTENT] == pytest.approx(np.log(2), abs=1e-5)
    assert np.delete(large, EXTENT) == pytest.approx(np.delete(near, EXTENT))


def test_one_joint_and_nobody_have_features_too() -> None:
    alone = np.full((17, 2), np.nan, np.float32)
    alone[3] = (5, 5)
    assert np.isfinite(described(alone)).all()
    assert features(np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32), COCO_17).shape == (0, FEATURES)


def test_the_score_is_the_small_networks_output() -> None:
    scorer = random_scorer()
    keypoints, scores = person(0, 0, 150)[None], np.full((1, 17), 0.7, np.float32)
    row = features(keypoints, scores, COCO_17)[0].astype(np.float64)
    hidden = np.maximum(0, scorer.weights.astype(np.float64) @ row + scorer.biases)
    expected = 1 / (1 + np.exp(-(hidden @ scorer.output + 0.25)))
    assert scorer(keypoints, scores, COCO_17) == pytest.approx([expected], abs=1e-5)


@pytest.mark.filterwarnings("error")
def test_the_surest_and_the_least_sure_stay_between_0_and_1() -> None:
    keypoints, scores = person(0, 0, 150)[None], np.full((1, 17), 0.7, np.float32)
    assert scorer_of(EXTENT, 1e6)(keypoints, scores, COCO_17) == pytest.approx([1])
    assert scorer_of(EXTENT, -1e6)(keypoints, scores, COCO_17) == pytest.approx([0])


def test_text_keeps_a_scorer() -> None:
    scorer = random_scorer()
    again = PersonScorer.from_text(scorer.to_text(), COCO_17)
    keypoints, scores = person(0, 0, 150)[None], np.full((1, 17), 0.7, np.float32)
    assert again(keypoints, scores, COCO_17) == pytest.approx(scorer(keypoints, scores, COCO_17), abs=1e-4)
    assert again.to_text() == scorer.to_text()


@pytest.mark.parametrize(
    "text", ["", "x", "{}", "[]", "null", "3", "[1, 2]", "[[1, 2], [3], 0]", '[["a"], 0]', "[[NaN], 0]", "[[1], null]"]
)
def test_a_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(WeightsError, match="scorer"):
        PersonScorer.from_text(text, COCO_17)


def test_a_scorer_of_another_skeleton_is_refused() -> None:
    with pytest.raises(WeightsError, match="36 features; crowdpose-14 has 30"):
        GroupingSettings.from_metadata({"scorer": random_scorer().to_text()}, CROWDPOSE_14)


def test_grouping_ranks_and_drops_people_by_the_scorer() -> None:
    small, large = person(30, 20, 100), person(250, 20, 300)
    candidates = candidates_of([small, large], [0.0, 9.0], np.array([[0.9] * 17, [0.5] * 17], np.float32))
    by_sum = group(candidates, COCO_17, GroupingSettings())
    assert np.array_equal(by_sum.keypoints[0], small)
    by_size = GroupingSettings(scorer=scorer_of(EXTENT, 1.0, offset=-5.0))  # an extent of e⁵ = 148 pixels: 0.5
    poses = group(candidates, COCO_17, by_size)
    assert np.array_equal(poses.keypoints[0], large)
    assert poses.person_scores[0] > 0.5 > poses.person_scores[1]
    assert poses.scores[0] == pytest.approx([0.5] * 17)
    assert len(group(candidates, COCO_17, replace(by_size, person_threshold=0.5))) == 1
    assert len(group(candidates_of([], []), COCO_17, by_size)) == 0


def test_without_a_scorer_the_mean_over_all_joints_counts() -> None:
    scores = np.array([[0.5] * 10 + [0] * 7], np.float32)
    assert person_scores(person(0, 0, 100)[None], scores, COCO_17, None) == pytest.approx([5 / 17])


def test_metadata_bring_the_scorer_along() -> None:
    scorer = random_scorer()
    metadata = {"scorer": scorer.to_text(), "person_threshold": "0.25"}
    settings = GroupingSettings.from_metadata(metadata, COCO_17)
    assert settings.person_threshold == 0.25
    assert settings.scorer is not None
    assert json.loads(settings.scorer.to_text()) == json.loads(scorer.to_text())
