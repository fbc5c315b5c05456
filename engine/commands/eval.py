"""`main.py eval`: COCO keypoint AP of a network on labelled pictures, by set, with plots and comparisons."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from engine.commands.device_option import add_device_argument, add_precision_argument
from engine.decode.grouping import GroupingSettings
from engine.errors import SinkError, UsageError
from engine.estimator import ENGINES, PoseEstimator
from engine.evaluation import comparison, plots, report, tuning
from engine.evaluation.contact_sheet import sheet, tile
from engine.evaluation.correctness import REACH, JointErrors, joint_errors, mean_similarity
from engine.evaluation.precision import PictureMatches, by_part, coco_results, crowding, match, precision
from engine.evaluation.prediction import Prediction, for_evaluation, predict
from engine.types import Poses
from models.training import annotations
from models.training.pictures import Pictures

WORST = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--size", default="xs", help="model size (default: xs)")
    which.add_argument("--weights", type=Path, metavar="FILE", help="a weights file instead of a size's own")
    parser.add_argument("--annotations", type=Path, required=True, metavar="JSON", help="COCO-style labels, may be .gz")
    parser.add_argument(
        "--images", type=Path, required=True, nargs="+", metavar="DIR|TAR", help="the pictures: folders or tar files"
    )
    parser.add_argument("--engine", choices=ENGINES, default="tvm", help="how the network runs (default: tvm)")
    parser.add_argument("--input", default="auto", metavar="SHAPE", help="auto (default), square, or WIDTHxHEIGHT")
    add_device_argument(parser)
    add_precision_argument(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: this machine's cores)")
    parser.add_argument("--flip", action="store_true", help="average with the mirrored picture, as papers do")
    parser.add_argument("--refine", action="store_true", help="look again for people's missing joints, as papers do")
    parser.add_argument("--tune", action="store_true", help="choose the grouping's thresholds on these pictures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and matches here")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="bootstrap the difference to an earlier --json")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="save precision–recall, joint errors, worst pictures")


def main(args: argparse.Namespace) -> int:
    if args.refine and args.tune:
        raise UsageError(
            "--tune repeats the grouping, --refine works on one. Choose the thresholds first, without --refine."
        )
    earlier = report.read_matches(args.compare) if args.compare else None
    estimator = PoseEstimator.load(
        args.weights or args.size,
        engine=args.engine,
        input_mode=args.input,
        threads=args.threads,
        device=args.device,
        precision=args.precision,
    )
    skeleton = estimator.skeleton
    labels = annotations.read_json(args.annotations)
    labelled = annotations.parse(labels, skeleton, str(args.annotations))
    pictures = Pictures(*args.images)
    progress = tqdm(labelled, unit="picture", dynamic_ncols=True)
    predictions = list(predict(estimator, progress, pictures, args.flip, args.refine))

    def matches_with(settings: GroupingSettings) -> list[PictureMatches]:
        results = [
            row
            for one in predictions
            for row in coco_results(one.picture.id, one.poses(skeleton, for_evaluation(settings)))
        ]
        return match(labels, results, skeleton)

    settings = estimator.settings
    if args.tune:
        for better, ap in tuning.choose(settings, lambda tried: precision(matches_with(tried)).ap):
            print(f"AP {ap:.4f}  {_described(better)}")
            settings = better
    matches = matches_with(settings)
    poses = [one.poses(skeleton, settings) for one in predictions]
    errors = [joint_errors(one.picture, found) for one, found in zip(predictions, poses)]
    result = _result(args, estimator, settings, matches, errors, predictions, crowding(labels))
    _print(result)
    if earlier is not None:
        result["comparison"] = _compared(earlier, matches)
    if args.json:
        _write(args.json, json.dumps(result | {"matches": report.pack_matches(matches)}))
    if args.plot:
        _plot(args.plot, matches, JointErrors.joined(errors, skeleton.joint_count), skeleton)
        _save_worst(args.plot / "worst.png", predictions, poses, errors, pictures)
    return 0


def _result(
    args: argparse.Namespace,
    estimator: PoseEstimator,
    settings: GroupingSettings,
    matches: Sequence[PictureMatches],
    errors: Sequence[JointErrors],
    predictions: Sequence[Prediction],
    crowds: dict[int, str],
) -> dict[str, Any]:
    joints = estimator.skeleton.joint_count
    sets = {part: report.figures(precision(some)) for part, some in by_part(matches).items()}
    for crowd in ("easy", "medium", "hard"):
        if crowds:
            chosen = [one for one in matches if crowds.get(one.image_id) == crowd]
            sets[f"crowding {crowd}"] = report.figures(precision(chosen))
    for part, figures in sets.items():
        some = [
            error
            for one, error in zip(matches, errors)
            if part in ("all", one.part, f"crowding {crowds.get(one.image_id)}")
        ]
        pck = JointErrors.joined(some, joints).pck()
        figures["PCK"] = None if np.isnan(pck) else round(pck, 4)
    return {
        "size": estimator.checkpoint.architecture.name,
        "weights": estimator.checkpoint.sha256,
        "views": estimator.checkpoint.metadata.get("views"),
        "engine": args.engine,
        "input": args.input,
        "flip": args.flip,
        "refine": args.refine,
        "settings": asdict(replace(settings, scorer=None)) | {"scorer": settings.scorer is not None},
        "milliseconds": round(float(np.median([one.milliseconds for one in predictions] or [np.nan])), 2),
        "threads": estimator.threads,
        "sets": sets,
    }


def _print(result: dict[str, Any]) -> None:
    columns = ("AP", "AP50", "AP75", "AR", "PCK")
    print(f"{'set':<16}" + "".join(f"{name:>8}" for name in columns) + f"{'pictures':>10}{'people':>8}")
    for part, figures in result["sets"].items():
        values = "".join(f"{'–':>8}" if figures[name] is None else f"{figures[name]:>8.3f}" for name in columns)
        print(f"{part:<16}{values}{figures['pictures']:>10}{figures['people']:>8}")
    print(
        f"{result['size']}, {result['engine']}, input {result['input']}{', flip' if result['flip'] else ''}"
        f"{', refined' if result['refine'] else ''}: "
        f"{result['milliseconds']} ms per picture on {result['threads']} threads (median). PCK within {REACH:g} torso."
    )


def _compared(earlier: list[PictureMatches], matches: list[PictureMatches]) -> dict[str, Any]:
    differences: dict[str, Any] = {}
    parts, before = by_part(matches), by_part(earlier)
    for part in parts:
        if part not in before:
            raise UsageError("The results to compare with are of other sets of pictures.")
        difference = comparison.compare(before[part], parts[part])
        differences[part] = asdict(difference)
        print(f"{part}: AP {difference.ap:+.4f}, 95 % interval {difference.low:+.4f} to {difference.high:+.4f}")
    return differences


def _described(settings: GroupingSettings) -> str:
    return (
        f"joint threshold {settings.joint_threshold:g}, tag threshold {settings.tag_threshold:g}, "
        f"body weight {settings.body_weight:g}"
    )


def _plot(folder: Path, matches: Sequence[PictureMatches], errors: JointErrors, skeleton: Any) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        parts = {part: precision(some) for part, some in by_part(matches).items()}
        plots.save_precision_recall(parts, folder / "precision-recall.png")
        plots.save_joint_errors(errors, skeleton, folder / "joint-errors.png")
    except OSError as error:
        raise SinkError(f"Cannot write plots to “{folder}”: {error}.") from error


def _save_worst(
    path: Path,
    predictions: Sequence[Prediction],
    poses: Sequence[Poses],
    errors: Sequence[JointErrors],
    pictures: Pictures,
) -> None:
    found = mean_similarity(errors)
    order = [index for index in np.argsort(found, kind="stable") if not np.isnan(found[index])][:WORST]
    tiles = [
        tile(
            pictures.read(predictions[i].picture.name),
            predictions[i].picture,
            poses[i],
            f"{predictions[i].picture.part} {predictions[i].picture.id}: OKS {found[i]:.2f}",
        )
        for i in order
    ]
    if tiles and not cv2.imwrite(str(path), sheet(tiles)):
        raise SinkError(f"Cannot write the contact sheet “{path}”.")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SinkError(f"Cannot write “{path}”: {error}.") from error
