"""`main.py compile`: networks compiled ahead of their first use, for this machine or, as a folder to copy, for a board."""

import argparse
import sys
from pathlib import Path

from engine.commands.device_option import add_precision_argument
from engine.compiler import artifacts, pruning, targets
from engine.compiler.export import export
from engine.compiler.folders import cache_folder
from engine.compiler.targets import Target
from engine.errors import UsageError
from engine.preprocess import InputShape, choose_shape, input_shapes
from models import checkpoints
from models.checkpoints import Checkpoint

MEGA = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", help="xs, s, m, l, or a weights file (default: xs)")
    parser.add_argument(
        "--target",
        help="a preset, a YAML file like a preset, or TVM's target dictionary as JSON (default: this machine)",
    )
    parser.add_argument("--input", default="auto", metavar="SHAPE", help="auto: all five shapes; square; WxH[,WxH…]")
    parser.add_argument("--threads", type=int, metavar="N", help="worker threads (default: the target's cores)")
    add_precision_argument(parser)
    parser.add_argument("--export", type=Path, metavar="DIR", help="write a folder that runs on a board")
    parser.add_argument("--overwrite", action="store_true", help="replace an exported folder")
    parser.add_argument("--list", action="store_true", help="list the presets")
    parser.add_argument(
        "--prune",
        action="store_true",
        help="remove what nothing opens any more from the cache; compiles nothing by itself",
    )


def main(args: argparse.Namespace) -> int:
    if args.threads is not None and not 1 <= args.threads <= 256:
        raise UsageError(f"--threads must be from 1 to 256, not {args.threads}.")
    if args.overwrite and not args.export:
        raise UsageError("--overwrite needs --export.")
    if args.list:
        print(preset_table())
        return 0
    if args.prune:
        _prune()
        if not (args.size or args.target or args.export):
            return 0
    checkpoint = checkpoints.load(args.size or "xs")
    target = targets.load(args.target, args.threads, precision=args.precision, here=args.export is None)
    shapes = _shapes(args.input, checkpoint.architecture.resolution)
    if args.export:
        description = export(checkpoint, shapes, target, args.export, overwrite=args.overwrite, progress=_say)
        size = sum(path.stat().st_size for path in args.export.rglob("*") if path.is_file())
        print(
            f"Wrote {args.export}: {description.size} for {target.name}, {len(shapes)} input shapes, {size / MEGA:.1f} MB. "
            "Its README.md says how to run it."
        )
    else:
        _compile(checkpoint, shapes, target)
    return 0


def preset_table() -> str:
    """One preset a line, this machine's marked."""
    own = targets.choose().name
    names = targets.available()
    width = max(map(len, names))
    lines = [
        f"{'*' if name == own else ' '} {name:{width}}  {targets.load(name, here=False).description}" for name in names
    ]
    return "\n".join([*lines, "", "* fits this machine"])


def _shapes(text: str, resolution: int) -> list[InputShape]:
    if text == "auto":
        return input_shapes(resolution)
    return list(dict.fromkeys(choose_shape(1, 1, resolution, part) for part in text.split(",")))


def _compile(checkpoint: Checkpoint, shapes: list[InputShape], target: Target) -> None:
    for number, shape in enumerate(shapes, 1):
        artifact = artifacts.obtain(checkpoint, shape.height, shape.width, target, _say)
        print(
            f"{number}/{len(shapes)}  {checkpoint.architecture.name} at {shape} for {target.name}: {artifact.library.parent}"
        )


def _prune() -> None:
    cache = cache_folder()
    entries = pruning.survey(cache)
    count, size = pruning.prune(entries)
    kept = sum(entry.size for entry in entries) - size
    print(f"Removed {count} of {len(entries)} folders, {size / MEGA:.0f} MB; {kept / MEGA:.0f} MB are left in {cache}.")


def _say(text: str) -> None:
    print(f"{text} …", file=sys.stderr)
