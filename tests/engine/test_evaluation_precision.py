import contextlib
import io

import numpy as np
import pytest

from engine.decode.grouping import GroupingSettings
from engine.errors import UsageError
from engine.evaluation import report
from engine.evaluation.comparison import compare
from engine.evaluation.correctness import joint_errors, mean_similarity
from engine.evaluation.precision import by_part, coco_results, crowding, match, precision
from engine.evaluation.tuning import choose
from engine.types import UNTRACKED, Poses
from models.skeleton import COCO_17, CROWDPOSE_14, Skeleton
from models.training import annotations

SIDE = 200


def labels(seed: int = 0, skeleton: Skeleton = COCO_17) -> dict:
    """Six pictures with up to four people; some joints unlabelled, some people without any, one crowd."""
    random = np.random.default_rng(seed)
    images, people = [], []
    for number in range(6):
        images.append({"id": number, "file_name": f"{number}.jpg", "width": SIDE, "height": SIDE})
        images[-1] |= {"set": "even" if number % 2 == 0 else "odd", "crowdIndex": number / 5}
        for index in range(number % 5):
            x, y, w, h = random.uniform(20, 80), random.uniform(20, 80), random.uniform(30, 90), random.uniform(60, 100)
            joints = np.column_stack(
                [random.uniform(x, x + w, skeleton.joint_count), random.uniform(y, y + h, skeleton.joint_count)]
            )
            seen = (random.random(skeleton.joint_count) < 0.8) & (index != 3)
            flat = np.column_stack([joints * seen[:, None], 2 * seen]).ravel().tolist()
            people.append({"id": len(people) + 1, "image_id": number, "category_id": 1, "bbox": [x, y, w, h]})
            people[-1] |= {"area": w * h / 2, "iscrowd": 0, "keypoints": flat, "num_keypoints": int(seen.sum())}
    people.append({"id": 99, "image_id": 5, "category_id": 1, "bbox": [0, 0, 60, 60], "area": 1800.0, "iscrowd": 1})
    people[-1] |= {"keypoints": [0] * 3 * skeleton.joint_count, "num_keypoints": 0}
    categories = [{"id": 1, "name": "person"}]
    return {"images": images, "annotations": people, "categories": categories}


def found(content: dict, noise: float, seed: int = 1, skeleton: Skeleton = COCO_17) -> dict[int, Poses]:
    """Everyone labelled, moved a little, and one false person per picture."""
    random = np.random.default_rng(seed)
    result = {}
    for image in content["images"]:
        people = [a for a in content["annotations"] if a["image_id"] == image["id"] and a["num_keypoints"]]
        places = [np.array(a["keypoints"]).reshape(-1, 3)[:, :2] for a in people]
        places = [p + random.normal(0, noise, p.shape) * (1 + 3 * i) for i, p in enumerate(places)]
        places.append(random.uniform(0, SIDE, (skeleton.joint_count, 2)))
        keypoints = np.array(places, np.float32)
        keypoints[:, 3] = np.nan
        scores = np.where(np.isnan(keypoints[..., 0]), 0, 0.5).astype(np.float32)
        order = random.permutation(len(places))
        sure = np.sort(random.random(len(places)).astype(np.float32))[::-1].copy()
        result[image["id"]] = Poses(
            keypoints[order], scores[order], sure, np.full(len(places), UNTRACKED, np.int64), skeleton
        )
    return result


def results(poses: dict[int, Poses]) -> list[dict]:
    return [row for image_id, some in poses.items() for row in coco_results(image_id, some)]


@pytest.mark.parametrize("noise", [0.5, 3.0, 8.0])
def test_figures_equal_pycocotools_own(noise: float) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    content = labels()
    rows = results(found(content, noise))
    for part, some in by_part(match(content, rows, COCO_17)).items():
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = content
            truth.createIndex()
            evaluation = COCOeval(truth, truth.loadRes(rows), "keypoints")
            if part != "all":
                evaluation.params.imgIds = [i["id"] for i in content["images"] if i["set"] == part]
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        ours = precision(some)
        assert np.allclose([ours.ap, ours.ap50, ours.ap75, ours.ar], evaluation.stats[[0, 1, 2, 5]])


def test_nobody_found_scores_nothing_and_nobody_labelled_scores_nan() -> None:
    content = labels()
    assert precision(match(content, [], COCO_17)).ap == 0
    empty = content | {"annotations": []}
    assert np.isnan(precision(match(empty, results(found(content, 1)), COCO_17)).ap)
    assert report.figures(precision(match(empty, [], COCO_17)))["AP"] is None


def test_crowdpose_is_judged_without_labelled_areas_by_crowding() -> None:
    content = labels(skeleton=CROWDPOSE_14)
    for annotation in content["annotations"]:
        del annotation["area"], annotation["num_keypoints"]
    full = labels(skeleton=CROWDPOSE_14)
    one = precision(match(content, results(found(full, 0.01, skeleton=CROWDPOSE_14)), CROWDPOSE_14))
    assert one.people > 0
    assert 0.3 < one.ap50 <= 1
    assert crowding(content) == {0: "easy", 1: "medium", 2: "medium", 3: "medium", 4: "medium", 5: "hard"}
    assert crowding({"images": [{"id": 1}]}) == {}


def test_results_survive_a_file(tmp_path) -> None:
    import json

    content = labels()
    matches = match(content, results(found(content, 3)), COCO_17)
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"matches": report.pack_matches(matches)}), encoding="utf-8")
    again = report.read_matches(path)
    assert precision(again).ap == pytest.approx(precision(matches).ap)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="was not written by"):
        report.read_matches(path)


def test_a_better_network_is_told_from_an_equal_one() -> None:
    content = labels()
    good, bad = (match(content, results(found(content, noise)), COCO_17) for noise in (0.5, 8))
    same = compare(good, good, rounds=50)
    assert (same.ap, same.low, same.high) == (0, 0, 0)
    better = compare(bad, good, rounds=200)
    assert better.low < better.ap < better.high
    assert better.low > 0
    with pytest.raises(UsageError, match="same pictures"):
        compare(bad[1:], good)


def test_joints_within_reach_of_the_torso_are_right() -> None:
    content = labels()
    pictures = annotations.parse(content, COCO_17, "test")
    exact = [joint_errors(one, found(content, 0)[one.id]) for one in pictures]
    poor = [joint_errors(one, found(content, 30)[one.id]) for one in pictures]
    by_joint = [error.pck_by_joint() for error in exact if len(error.distance)]
    assert all(row[3] in (0, pytest.approx(np.nan, nan_ok=True)) for row in by_joint)  # never found
    assert all(value == 1 or np.isnan(value) for row in by_joint for value in row[:3] + row[4:])
    assert np.nanmean([error.pck() for error in poor]) < np.nanmean([error.pck() for error in exact])
    assert np.isnan(mean_similarity(exact)[0])  # nobody is labelled there


def test_a_label_that_nobody_was_found_for_counts_as_wrong() -> None:
    picture = annotations.parse(labels(), COCO_17, "test")[1]
    errors = joint_errors(picture, Poses.empty(COCO_17))
    assert errors.pck() == 0
    assert errors.similarity.tolist() == [0]


def test_thresholds_are_chosen_by_what_they_gain() -> None:
    def ap(settings: GroupingSettings) -> float:
        return -abs(settings.tag_threshold - 0.5) - abs(settings.joint_threshold - 0.2) - settings.body_weight

    *_, (best, _) = choose(GroupingSettings(), ap)
    assert (best.tag_threshold, best.joint_threshold, best.body_weight) == (0.5, 0.2, 0.0)
