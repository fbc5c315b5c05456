"""COCO keypoint AP: pycocotools matches people to labels once, and every figure is accumulated from those matches."""

import contextlib
import copy
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.types import Poses
from models.skeleton import AREA_OF_BOX, CROWDPOSE_14, Skeleton

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of object keypoint similarity
RECALLS = np.linspace(0, 1, 101)
MOST = 20  # detections per picture, as in COCO
EASY, HARD = 0.1, 0.8  # CrowdPose's limits of the crowd index


@dataclass(frozen=True, slots=True)
class PictureMatches:
    """How the people found in one picture match its labels, for all THRESHOLDS.

    people:  labelled people that count.
    scores:  (D,) of the people found, best first.
    matched: (10, D) bool: is someone's detection at that threshold.
    ignored: (10, D) bool: belongs to someone who does not count.
    """

    image_id: int
    part: str
    people: int
    scores: NDArray[np.float64]
    matched: NDArray[np.bool_]
    ignored: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Precision:
    """COCO's figures over some pictures, in [0, 1]; NaN where no labelled person counts.

    ap: mean over THRESHOLDS; ap50, ap75 at one of them; ar: mean recall with up to 20 people per picture.
    curves: (10, 101) precision at RECALLS.
    """

    ap: float
    ap50: float
    ap75: float
    ar: float
    pictures: int
    people: int
    curves: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Similarities:
    """values: (D, G) object keypoint similarity of the people found, best first, up to MOST, with the G labels; with one that
    does not count it is high anywhere in its box. counts: (G,) bool."""

    values: NDArray[np.float64]
    counts: NDArray[np.bool_]


def coco_results(image_id: int, poses: Poses) -> list[dict[str, Any]]:
    """People found in a picture as COCO takes them. A missing joint is guessed at the middle of the found ones: a guess
    costs nothing there."""
    results = []
    for keypoints, scores, score in zip(poses.keypoints, poses.scores, poses.person_scores):
        guess = np.where(np.isnan(keypoints), np.nanmean(keypoints, axis=0), keypoints)
        flat = np.column_stack([guess, scores]).ravel().tolist()
        results.append({"image_id": image_id, "category_id": 1, "keypoints": flat, "score": float(score)})
    return results


def match(labels: dict[str, Any], results: list[dict[str, Any]], skeleton: Skeleton) -> list[PictureMatches]:
    """Matches of every picture in `labels`, the content of a COCO-style file, by object keypoint similarity."""
    evaluation = _evaluated(labels, results, skeleton)
    matches = {row["image_id"]: row for row in evaluation.evalImgs if row is not None}
    return [_matches(image, matches.get(image["id"])) for image in labels["images"]]


def similarities(labels: dict[str, Any], results: list[dict[str, Any]], skeleton: Skeleton) -> dict[int, Similarities]:
    """By picture in which people were found, each of them with every label."""
    evaluation = _evaluated(labels, results, skeleton)
    tables = {}
    for image in labels["images"]:
        people = evaluation.cocoGt.loadAnns(evaluation.cocoGt.getAnnIds(image["id"]))
        found = min(MOST, len(evaluation.cocoDt.getAnnIds(image["id"])))
        if not found:
            continue
        values = np.array(evaluation.ious[image["id"], 1], np.float64).reshape(found, len(people))
        counts = np.array([not one["ignore"] for one in people], np.bool_)  # as pycocotools has marked them
        tables[int(image["id"])] = Similarities(values, counts)
    return tables


def _evaluated(labels: dict[str, Any], results: list[dict[str, Any]], skeleton: Skeleton) -> Any:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labels = copy.deepcopy(labels)
    for annotation in labels["annotations"]:
        _complete(annotation, skeleton)
    labels.setdefault("categories", [{"id": 1, "name": "person"}])
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = labels
        truth.createIndex()
        found = truth.loadRes(results) if results else _empty(COCO, labels)
        evaluation = COCOeval(truth, found, "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(skeleton.sigmas)
        evaluation.params.areaRng = [[0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.params.maxDets = [MOST]
        evaluation.evaluate()
    return evaluation


def _complete(annotation: dict[str, Any], skeleton: Skeleton) -> None:
    """Adds what COCO's evaluation needs and other files leave out."""
    width, height = annotation["bbox"][2:]
    if skeleton is CROWDPOSE_14:
        annotation["area"] = width * height * AREA_OF_BOX  # CrowdPose labels none
    annotation.setdefault("area", width * height)
    annotation.setdefault("iscrowd", 0)
    annotation.setdefault("keypoints", [0] * 3 * skeleton.joint_count)
    annotation.setdefault("num_keypoints", sum(flag > 0 for flag in annotation["keypoints"][2::3]))


def _empty(coco: Any, labels: dict[str, Any]) -> Any:
    nothing = coco()
    nothing.dataset = {"images": labels["images"], "annotations": [], "categories": labels["categories"]}
    nothing.createIndex()
    return nothing


def _matches(image: dict[str, Any], row: dict[str, Any] | None) -> PictureMatches:
    part = str(image.get("set", "all"))
    if row is None:
        none = np.zeros((len(THRESHOLDS), 0), np.bool_)
        return PictureMatches(image["id"], part, 0, np.zeros(0), none, none)
    return PictureMatches(
        image_id=image["id"],
        part=part,
        people=int((np.array(row["gtIgnore"]) == 0).sum()),
        scores=np.array(row["dtScores"], np.float64),
        matched=np.array(row["dtMatches"]) > 0,
        ignored=np.array(row["dtIgnore"], np.bool_),
    )


def precision(matches: Sequence[PictureMatches]) -> Precision:
    """COCO's accumulation over these pictures; a picture may come more than once."""
    people = sum(one.people for one in matches)
    if not people:
        nan = float("nan")
        return Precision(nan, nan, nan, nan, len(matches), 0, np.full((len(THRESHOLDS), len(RECALLS)), nan))
    scores = np.concatenate([one.scores for one in matches])
    order = np.argsort(-scores, kind="stable")
    matched = np.concatenate([one.matched for one in matches], axis=1)[:, order]
    ignored = np.concatenate([one.ignored for one in matches], axis=1)[:, order]
    right = np.cumsum(matched & ~ignored, axis=1)
    wrong = np.cumsum(~matched & ~ignored, axis=1)
    recall = right / people
    exact = right / np.maximum(right + wrong, 1)
    best_after = np.maximum.accumulate(exact[:, ::-1], axis=1)[:, ::-1]
    curves = np.zeros((len(THRESHOLDS), len(RECALLS)))
    for row, (reached, best) in enumerate(zip(recall, best_after)):
        at = np.searchsorted(reached, RECALLS)
        curves[row, at < len(best)] = best[at[at < len(best)]]
    means = curves.mean(axis=1)
    ar = float(recall[:, -1].mean()) if len(scores) else 0.0
    return Precision(float(means.mean()), float(means[0]), float(means[5]), ar, len(matches), people, curves)


def by_part(matches: Iterable[PictureMatches]) -> dict[str, list[PictureMatches]]:
    """Matches by the set that their pictures belong to: "all" first."""
    parts: dict[str, list[PictureMatches]] = {"all": []}
    for one in matches:
        parts["all"].append(one)
        if one.part != "all":
            parts.setdefault(one.part, []).append(one)
    return parts


def crowding(labels: dict[str, Any]) -> dict[int, str]:
    """By picture: CrowdPose's "easy", "medium" or "hard". Empty where the file has no crowd index."""
    names = {}
    for image in labels["images"]:
        if "crowdIndex" in image:
            index = float(image["crowdIndex"])
            names[int(image["id"])] = "easy" if index < EASY else "hard" if index > HARD else "medium"
    return names
