"""`main.py models`: which network sizes there are, what they need, and weights from elsewhere."""

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import UsageError
from models import architecture as architectures
from models import checkpoints, complexity, manifest, ranges
from models.skeleton import SKELETONS

DEFAULT_JOINTS = 17  # of a size without weights, to count what it computes
TO_GET_WEIGHTS = "train them (main.py train) or import them (main.py models import)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="all sizes: what they compute, and which have weights")
    show = actions.add_parser("show", help="one size or weights file: its network, and where its weights are from")
    show.add_argument("name", metavar="SIZE|FILE", help="a size (xs, s, …) or a .safetensors file")
    convert = actions.add_parser("import", help="take over an official LitePose checkpoint (.pth, .pth.tar)")
    convert.add_argument("file", type=Path, metavar="FILE", help="the checkpoint; no code in it is run")
    convert.add_argument("--size", required=True, help="its network: xs, s, m, l, or a YAML file")
    joints = sorted(skeleton.joint_count for skeleton in SKELETONS.values())
    convert.add_argument("--joints", type=int, choices=joints, help="default: what the checkpoint has")
    convert.add_argument(
        "--output",
        type=Path,
        metavar="F",
        help="the .safetensors file to write; default: where the program finds it as this size",
    )
    averaging = actions.add_parser("average", help="the mean of weights that one training run had at several moments")
    averaging.add_argument("files", type=Path, nargs="+", metavar="FILE", help="two or more .safetensors files")
    averaging.add_argument("--output", type=Path, required=True, metavar="F", help="the .safetensors file to write")
    calibration = actions.add_parser("calibrate", help="find what --precision int8 needs to know of weights")
    calibration.add_argument("name", metavar="SIZE|FILE", help="a size (xs, s, …) or a .safetensors file")
    calibration.add_argument(
        "--pictures",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="folders or .tar files of pictures of people",
    )
    calibration.add_argument(
        "--annotations", type=Path, metavar="F", help="take only pictures that this COCO file lists"
    )
    calibration.add_argument("--count", type=int, default=96, help="pictures to look at, taken at random (default: 96)")
    scoring = actions.add_parser("fit-scorer", help="teach weights how sure to be of the people that they find")
    scoring.add_argument("name", metavar="SIZE|FILE", help="a size (xs, s, …) or a .safetensors file")
    scoring.add_argument(
        "--annotations",
        type=Path,
        required=True,
        metavar="JSON",
        help="COCO-style labels, may be .gz: those of the training, not those that judge the weights",
    )
    scoring.add_argument(
        "--images", type=Path, required=True, nargs="+", metavar="DIR|TAR", help="the pictures: folders or tar files"
    )
    scoring.add_argument("--engine", default="tvm", metavar="tvm|torch", help="how the network runs (default: tvm)")
    scoring.add_argument("--input", default="auto", metavar="SHAPE", help="auto (default), square, or WIDTHxHEIGHT")
    scoring.add_argument("--count", type=int, default=3000, help="pictures to look at, taken at random (default: 3000)")
    scoring.add_argument("--output", type=Path, required=True, metavar="F", help="the .safetensors file to write")


def main(args: argparse.Namespace) -> int:
    if args.action == "list":
        print(table())
    elif args.action == "show":
        print(description(args.name))
    elif args.action == "average":
        average(args.files, args.output)
    elif args.action == "calibrate":
        calibrate(args.name, args.pictures, args.annotations, args.count)
    elif args.action == "fit-scorer":
        fit_scorer(args)
    else:
        import_file(args.file, args.size, args.joints, args.output)
    return 0


def table() -> str:
    """All sizes, one per line."""
    rows = [("size", "input", "parameters", "GMACs", "GMACs*", "weights", "AP", "date")]
    for size in architectures.available():
        network = architectures.load(size)
        side = network.resolution
        macs = complexity.count(network, DEFAULT_JOINTS, side, side)
        weights = manifest.find(size)
        rows.append(
            (
                size,
                f"{side}×{side}",
                f"{complexity.parameters(network, DEFAULT_JOINTS) / 1e6:.2f} M",
                f"{macs.actual / 1e9:.2f}",
                f"{macs.paper / 1e9:.2f}",
                "no" if weights is None else "imported" if weights.imported else "yes",
                _accuracy(weights),
                weights.date if weights and weights.date else "–",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines += [
        "",
        "GMACs: 10⁹ multiply-accumulates per picture as computed; GMACs*: as the LitePose paper counts them.",
        "AP: COCO average precision (0 to 1) on validation pictures, at the given input budget.",
    ]
    missing = [row[0] for row in rows[1:] if row[5] == "no"]
    if missing:
        lines.append(
            f"No weights for {', '.join(missing)}: train them (main.py train) or import (main.py models import)."
        )
    return "\n".join(lines)


def description(name: str) -> str:
    """A size or a file: its weights if there are any, then its network."""
    is_file = Path(name).suffix == checkpoints.SUFFIX
    weights = None if is_file else manifest.find(architectures.load(name).name)
    checkpoint = checkpoints.load(name) if is_file or weights else None
    network = checkpoint.architecture if checkpoint else architectures.load(name)
    joints = checkpoint.skeleton.joint_count if checkpoint else DEFAULT_JOINTS
    macs = complexity.count(network, joints, network.resolution, network.resolution)
    rows = {
        "size": network.name,
        "weights": str(weights.path) if weights else name if is_file else f"none: {TO_GET_WEIGHTS}",
    }
    if checkpoint:
        rows |= {"skeleton": f"{checkpoint.skeleton.name} ({joints} joints)", "identity": checkpoint.sha256}
        hidden = ("architecture", "joints", "scorer", *(["ap_"] if weights and weights.figures else []))
        told = [key for key in sorted(checkpoint.metadata) if key not in rows and not key.startswith(hidden)]
        rows |= {key: checkpoint.metadata[key] for key in told}
    for figure in weights.figures if weights else ():
        at50 = "" if figure.ap50 is None else f", AP50 {figure.ap50:.3f}"
        rows[f"AP, {figure.part}, {figure.side}×{figure.side}"] = f"{figure.ap:.3f}{at50}"
    rows |= {
        "parameters": f"{complexity.parameters(network, joints):,}",
        "GMACs": f"{macs.actual / 1e9:.3f} at {network.resolution}×{network.resolution} "
        f"({macs.paper / 1e9:.3f} as the paper counts)",
    }
    width = max(map(len, rows))
    lines = [f"{key:{width}}  {value}" for key, value in rows.items()]
    return "\n".join([*lines, "", architectures.to_yaml(network).rstrip()])


def import_file(file: Path, size: str, joints: int | None, output: Path | None) -> None:
    """Writes an official checkpoint as .safetensors and says how to use it."""
    network = architectures.load(size)
    if output is None:
        if network.name not in architectures.available() or network != architectures.load(network.name):
            raise UsageError(f"“{size}” is no size of the program: say with --output where its weights shall go.")
        output = manifest.user_folder() / f"{network.name}{checkpoints.SUFFIX}"
    _check_suffix(output)
    checkpoint = checkpoints.import_official(file, size, joints)
    checkpoints.save(checkpoint, output)
    usable = network.name if output.parent == manifest.user_folder() else output
    print(f"Wrote {output}: size {network.name}, {checkpoint.skeleton.name}. Use it with --size {usable}.")


def average(files: Sequence[Path], output: Path) -> None:
    """Writes the mean of several weights files."""
    if len(files) < 2:
        raise UsageError("Give two or more weights files, such as copies of a run's weights.safetensors.")
    _check_suffix(output)
    checkpoint = checkpoints.mean([checkpoints.load(file) for file in files])
    checkpoints.save(checkpoint, output)
    print(f"Wrote {output}: size {checkpoint.architecture.name}, the mean of {len(files)} files.")


def calibrate(name: str, places: Sequence[Path], annotations: Path | None, count: int) -> None:
    """Writes the ranges of the activations beside the weights."""
    if count < 1:
        raise UsageError("--count must be at least 1.")
    from models.training.annotations import read_json
    from models.training.pictures import Pictures

    pictures = Pictures(*places)
    names = pictures.names()
    if annotations is not None:
        listed = {str(image.get("file_name")) for image in read_json(annotations)["images"]}
        names = [name for name in names if name in listed]
    if not names:
        which = f" of those that “{annotations}” lists" if annotations else ""
        given = ", ".join(f"“{place}”" for place in places)
        raise UsageError(f"There are no pictures{which} in {given}. Give folders or .tar files of pictures of people.")
    checkpoint = checkpoints.load(name)
    weights = None if Path(name).suffix == checkpoints.SUFFIX else manifest.find(checkpoint.architecture.name)
    path = ranges.beside(weights.path if weights else Path(name))
    from models.calibration import calibrate

    chosen = random.Random(0).sample(names, min(count, len(names)))
    found = calibrate(checkpoint, (pictures.read(name) for name in chosen))
    ranges.write(found, path)
    print(f"Wrote {path}, from {found.pictures} pictures. --precision int8 uses it with these weights.")


def fit_scorer(args: argparse.Namespace) -> None:
    """Writes the weights with a scorer of people."""
    if args.count < 1:
        raise UsageError("--count must be at least 1.")
    _check_suffix(args.output)
    # Only here: the other actions start at once.
    from tqdm import tqdm

    from engine.decode.person_score import PersonScorer
    from engine.estimator import PoseEstimator
    from engine.evaluation.prediction import predict
    from engine.evaluation.scorer_examples import PERSON_THRESHOLD, examples
    from models.training import annotations
    from models.training.pictures import Pictures
    from models.training.scorer import fit

    estimator = PoseEstimator.load(args.name, engine=args.engine, input_mode=args.input)
    skeleton, checkpoint = estimator.skeleton, estimator.checkpoint
    labels = annotations.read_json(args.annotations)
    labelled = [one for one in annotations.parse(labels, skeleton, str(args.annotations)) if len(one.people)]
    chosen = random.Random(0).sample(labelled, min(args.count, len(labelled)))
    progress = tqdm(chosen, unit="picture", dynamic_ncols=True)
    predictions = list(predict(estimator, progress, Pictures(*args.images)))
    known = examples(predictions, labels, skeleton, estimator.settings)
    if not known.similarity.any():
        raise UsageError("None of the labelled people was found, so there is nothing to learn from.")
    scorer = PersonScorer(*fit(known.features, known.similarity))
    metadata = checkpoint.metadata | {
        "scorer": scorer.to_text(),
        "person_threshold": f"{PERSON_THRESHOLD:g}",
    }
    checkpoints.save(replace(checkpoint, metadata=metadata), args.output)
    if checkpoint.ranges is not None:
        ranges.write(checkpoint.ranges, ranges.beside(args.output))
    print(f"Wrote {args.output}, from {len(chosen)} pictures in which {len(known.similarity)} people were found.")


def _check_suffix(output: Path) -> None:
    if output.suffix != checkpoints.SUFFIX:
        raise UsageError(f"Weights are written as {checkpoints.SUFFIX} files; “{output}” is named otherwise.")


def _accuracy(weights: manifest.Weights | None) -> str:
    if weights is None or not weights.figures:
        return "–"
    figure = weights.figures[0]
    return f"{figure.ap:.3f} at {figure.side}×{figure.side}"
